"""What may differ between venues, as types: which call answers a question, what a request weighs, which streams there are.

The rule: a difference between venues is a value in `profiles`, not a branch in the code. Where figures stand in rows: `shapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import (
    FillShape,
    FundingShape,
    MarginShape,
    OrderShape,
    Path,
    Paths,
    PaymentShape,
    PositionShape,
    QuoteShape,
    Row,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.units import Millis, VenueId


class Ask(StrEnum):
    """What a request is about; its weight is looked up by this."""

    PLACE = "place"
    CANCEL = "cancel"
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    ORDER_HISTORY = "order_history"
    FILLS = "fills"
    POSITIONS = "positions"
    MARGIN = "margin"
    CLOCK = "clock"
    FUNDING = "funding"
    FUNDING_PAID = "funding_paid"
    SETTINGS = "settings"
    MARKETS = "markets"
    LISTEN_KEY = "listen_key"


class Expiry(StrEnum):
    """How a venue takes a request's own expiry."""

    WINDOW = "window"
    """A length counted from the request's signed timestamp, which ccxt takes from its option (Binance `recvWindow`, Bybit
    `X-BAPI-RECV-WINDOW`)."""
    INSTANT_HEADER = "instant_header"
    """An instant by the venue's clock in a header (OKX `expTime`)."""


class Topic(StrEnum):
    """What a stream's message is about."""

    BOOK = "book"
    MARK = "mark"
    ORDERS = "orders"
    FILLS = "fills"
    MARGIN = "margin"
    KEY_EXPIRED = "key_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One REST question: ccxt's implicit method, fixed parameters, and where the rows of a well-formed success stand.

    `success` is a key and the only value of it that means success (as text), for venues that have an envelope.
    """

    ask: Ask
    call: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    rows_at: Path = ()
    success: tuple[str, str] | None = None
    symbol_as: str | None = None
    """The parameter that takes the venue's symbol: asked once per symbol. None: one answer covers all symbols."""
    settle_as: str | None = None
    """The parameter that takes a settle asset: asked once per asset in which our instruments settle."""
    rows_max: int | None = None
    """As many rows as the venue puts into one answer: an answer this long may be cut, and counts as unreadable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """A question for one order by client id. `absent_codes` are the venue's ways to say that it knows no such order."""

    query: Query
    client_id_as: str
    absent_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedQuery:
    """A question whose answer may need several pages, each at most `window_ms` long and `page` rows wide.

    With `cursor_as` the next page is asked for by a value from the answer: `cursor_at` in the envelope, or in its last row.
    Else rows come oldest first, and the next page starts at the time (`at`) of the newest row, which is told again.
    """

    query: Query
    since_as: str
    until_as: str
    page: int
    window_ms: Millis
    at: Paths = ()
    cursor_as: str | None = None
    cursor_at: Path = ()
    cursor_in_last_row: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """One stream message taken apart: its topic in the venue's words, its rows, and whether it tells only what changed."""

    topic: str
    rows: tuple[Row, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """One subscription kept alive by one task: ccxt's watch method, and whether it takes our symbols."""

    watch: str
    symbols: bool
    private: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The hosts of one environment, each with the header that every request to it must carry."""

    names: tuple[str, ...]
    required_headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class MarginMode(StrEnum):
    """Where cross margin is switched on."""

    PER_SYMBOL = "per_symbol"
    ACCOUNT = "account"
    IN_EACH_ORDER = "in_each_order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How one-way positions, cross margin and leverage are set. `already_set_codes`: the venue's ways to say that they are."""

    position_mode_readable: bool
    position_mode_per_symbol: bool
    margin_mode: MarginMode
    leverage_parameters: Mapping[str, Any] = field(default_factory=dict)
    already_set_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """How an order is placed and cancelled: parameters beside the unified ones, and where our id and the expiry go."""

    client_id_as: str
    expiry: Expiry
    place_parameters: Mapping[str, Any]
    cancel: Query
    cancel_client_id_as: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reads:
    """The questions of a complete reading and of a look-up."""

    clock: Query
    clock_at: Paths
    open_orders: Query
    positions: Query
    position: Query
    """The same about one symbol alone, for when the list leaves one out."""
    flat_is_told: bool
    """Whether `position` answers with a row also when nothing is held: then an answer without one proves nothing."""
    margin: Query
    fills: PagedQuery
    look_ups: tuple[LookUp, ...]
    order_history: PagedQuery | None
    """Where fills do not carry our client id: the orders that do, also the venue's own."""
    order: OrderShape
    fill: FillShape
    position_shape: PositionShape
    margin_shape: MarginShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """Rates, intervals and payments."""

    rates: Query
    rate_shape: FundingShape
    payments: PagedQuery
    payment: PaymentShape
    payment_is: tuple[Path, str] | None = None
    """Where a venue keeps payments among other rows: the path and value that tell them."""
    interval_in_market: Paths = ()
    interval_in_market_unit_ms: Millis = 1
    intervals: Query | None = None
    intervals_shape: FundingShape | None = None
    settlements: Query | None = None
    """Past settlements: where an interval is told nowhere, it is the distance between the last two."""
    settled_at: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The subscriptions and the shapes of what they tell. `private_socket` is a part of the private socket's URL."""

    pumps: tuple[Pump, ...]
    private_socket: str
    hear: Callable[[Any], Heard | None]
    topics: Mapping[str, tuple[Topic, ...]]
    order: OrderShape
    fill: FillShape
    margin: MarginShape | None
    book: QuoteShape
    mark: QuoteShape
    quote_silence_ms: Millis
    listen_key_call: str | None = None
    """ccxt's method that keeps the private socket's key alive, where there is such a key; `listen_key_option` is where ccxt keeps it."""
    listen_key_option: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One venue, as far as it differs from the others."""

    venue: VenueId
    needs_passphrase: bool
    hosts: Mapping[Environment, Hosts]
    switch_to_testnet: str
    options: Mapping[str, Any]
    limits: tuple[RequestLimit, ...]
    weights: Mapping[Ask, Mapping[str, int]]
    setup: Setup
    writes: Writes
    reads: Reads
    funding: Funding
    streams: Streams
