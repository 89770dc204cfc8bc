"""What may differ between venues, as types: which call answers a question, what a request weighs, which streams there are.

The rule: a difference between venues is a value in `profiles`, not a branch in the code. Where figures stand in rows: `shapes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.adapters.venue.doors import AllowList, Opening, PrivateMarks
from bot.adapters.venue.feedback import Feedback
from bot.adapters.venue.questions import Ask, LookUp, PagedQuery, Place, Query, Wallet
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import (
    FillShape,
    FundingShape,
    MarginShape,
    MarketShape,
    OrderShape,
    Path,
    Paths,
    PaymentShape,
    PositionShape,
    QuoteShape,
    Row,
    StatedTiers,
    TierShape,
)
from bot.adapters.venue.throttle import RequestLimit
from bot.core.instrument import ContractKind
from bot.core.tiers import TierRule
from bot.core.units import Millis, VenueId


class Expiry(StrEnum):
    """How a venue takes a request's own expiry."""

    WINDOW = "window"
    """A length counted from the request's signed timestamp, which ccxt takes from its option (Binance `recvWindow`, Bybit
    `X-BAPI-RECV-WINDOW`)."""
    INSTANT_HEADER = "instant_header"
    """An instant by the venue's clock in a header (OKX `expTime`)."""
    INSTANT_PARAMETER = "instant_parameter"
    """The same among the request's own parameters (Deribit `valid_until`)."""
    SIGNED_INSTANT = "signed_instant"
    """An instant by the venue's clock that is signed with the action and sent beside it (Hyperliquid `expiresAfter`)."""


class Topic(StrEnum):
    """What a stream's message is about."""

    BOOK = "book"
    MARK = "mark"
    ORDERS = "orders"
    FILLS = "fills"
    MARGIN = "margin"
    KEY_EXPIRED = "key_expired"


@dataclass(frozen=True, slots=True)
class Heard:
    """One stream message taken apart: its topic in the venue's words, its rows, and whether it tells only what changed."""

    topic: str
    rows: tuple[Row, ...]
    partial: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pump:
    """One subscription kept alive by one task (one per part of the venue where it takes our symbols): ccxt's watch method.

    `each`: it takes one symbol, and has a task for each of ours.
    """

    watch: str
    symbols: bool
    private: bool
    each: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """What one environment opens, and how ccxt is switched to it. `switch` is ccxt's method for that; None: ccxt as it comes.

    `shared` names the hosts that are mainnet's too: they are open to public requests, or to none without a header that tells them apart.
    """

    openings: tuple[Opening, ...]
    switch: str | None = None
    shared: frozenset[str] = frozenset()

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts, each once."""
        return AllowList(self.openings).hosts


@dataclass(frozen=True, slots=True)
class Example:
    """One perpetual of a venue, as the venue and as ccxt spell it (`BASE/QUOTE:SETTLE`): requests about it show where requests go."""

    venue_symbol: str
    symbol: str
    base_id: str = ""
    """What the venue calls its base in requests, where that is not the base itself."""

    @property
    def base(self) -> str:
        """What it is a perpetual of."""
        return self.symbol.split("/")[0]

    @property
    def quote(self) -> str:
        """What its price is counted in."""
        return self.symbol.split("/")[1].split(":")[0]

    @property
    def settle(self) -> str:
        """What its profit is paid in."""
        return self.symbol.split(":")[1]

    @property
    def kind(self) -> ContractKind:
        """Linear where profit is paid in what the price is counted in."""
        return ContractKind.LINEAR if self.settle == self.quote else ContractKind.INVERSE


class MarginMode(StrEnum):
    """Where cross margin is switched on."""

    PER_SYMBOL = "per_symbol"
    ACCOUNT = "account"
    IN_EACH_ORDER = "in_each_order"
    WITH_LEVERAGE = "with_leverage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Where the account's key is its address: who may sign for it, the owner of that address or a wallet that it approved.

    `query` is asked about the signer's address; `owner` is whom a wallet signs for.
    """

    query: Query
    signer_as: str
    owner: Paths


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What must be so of an account before it can be used: the text at `at` is one of `fit`, else `reason` says what is wrong."""

    query: Query
    at: Path
    fit: frozenset[str]
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How one-way positions, cross margin and leverage are set. `already_set_codes`: the venue's ways to say that they are."""

    position_mode_readable: bool
    position_mode_per_symbol: bool
    position_mode_settles: frozenset[str] | None = None
    """The settle assets whose instruments have a position mode that can be set; the others know one-way positions only. None: all have."""
    margin_mode: MarginMode
    leverage_parameters: Mapping[str, Any] = field(default_factory=dict)
    already_set_codes: frozenset[str] = frozenset()
    signer: Signer | None = None
    standings: tuple[Standing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """How an order is placed and cancelled: parameters beside the unified ones, and where our id and the expiry go.

    `client_id_as_sent` makes what stands for our id, or raises ValueError. `cancel_by_ccxt`: only its `cancel_order` can sign, and `cancel`
    says where it goes; `cancel_other` is for orders of others. `ended_codes`: of an order that was taken, met nobody and is gone.
    """

    client_id_as: str
    expiry: Expiry
    place_parameters: Mapping[str, Any]
    cancel: Query
    cancel_client_id_as: str
    clock_codes: frozenset[str] = frozenset()  # What a request may be refused with for its time, where ccxt does not call it that.
    signs_by_nonce: bool = True  # Else ccxt signs its own clock, which is set to the venue's.
    client_id_as_sent: Callable[[str], str] = str
    cancel_by_ccxt: bool = False
    cancel_other: Query | None = None
    cancel_venue_id_as: str = ""
    ended_codes: frozenset[str] = frozenset()
    late_is_unnamed: bool = False  # Whether its word for a late request is not documented: one on no list has the clock measured then.


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginModes:
    """Where margin modes are told apart from positions, of what is flat too: at `mode`, and it should be one of `cross`.

    `symbol` is whose mode a row tells; empty: the account's. `wanted` is what the modes of `cross` are, in words. `leverage`, where a row
    tells one beside it, should be what was set.
    """

    query: Query
    symbol: Paths
    mode: Paths
    cross: frozenset[str]
    wanted: str = "cross margin"
    leverage: Paths = ()


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
    position_is_list: bool = False
    """Whether nobody can be asked about one symbol alone, and `position` is the whole list once more."""
    margin: Query
    fills: PagedQuery
    look_ups: tuple[LookUp, ...]
    order_history: PagedQuery | None
    """Where fills do not carry our client id: the orders that do, also the venue's own."""
    order: OrderShape
    fill: FillShape
    position_shape: PositionShape
    margin_shape: MarginShape
    ranks: Query | None = None
    """What tells positions' places in the queue of auto-deleveraging, where their own rows do not: joined to them by the symbol."""
    margin_modes: MarginModes | None = None
    """None: positions tell theirs, or there is one mode alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Funding:
    """Rates, intervals and payments."""

    rates: Query
    rate_shape: FundingShape
    payments: PagedQuery
    payment: PaymentShape
    payment_is: tuple[Path, str] | None = None
    """Where a venue keeps payments among other rows: the path and value that tell them."""
    interval_ms: Millis | None = None  # Where it is one for all, also where funding accrues all the time.
    interval_in_market: Paths = ()
    interval_in_market_unit_ms: Millis = 1
    intervals: Query | None = None
    intervals_shape: FundingShape | None = None
    settlements: Query | None = None
    """Past settlements: where an interval is told nowhere, it is the distance between the last two."""
    settled_at: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """How large each market is. `volume` is asked where another endpoint tells it; None: it stands beside the open interest."""

    open_interest: Query
    volume: Query | None
    shape: MarketShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """The best bid and ask of one instrument over REST, to hold the stream's against."""

    query: Query
    shape: QuoteShape


@dataclass(frozen=True, slots=True, kw_only=True)
class Tiers:
    """The leverage tiers of an instrument. Asked by its symbol, or by what stands at `named_in_market` in the venue's listing."""

    query: Query
    rule: TierRule
    shape: TierShape
    named_in_market: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadMan:
    """How the venue is asked to cancel our orders when it does not hear from us for `timeout_ms`: `query` with the length at `timeout_as`.

    `guard` and `unguard` are frames on the private socket that begin and end the watch, for venues that watch the connection.
    """

    query: Query
    timeout_as: str
    unit_ms: Millis
    timeout_ms: Millis = 60_000
    zero_disarms: bool = True
    guard: Mapping[str, Any] | None = None
    unguard: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Streams:
    """The subscriptions and the shapes of what they tell. `private_socket` is a pattern found in the private socket's URL alone."""

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
    listen_key_call: str | None = None  # ccxt's method that keeps the private socket's key alive, its path, and where ccxt keeps the key
    listen_key_path: str = ""
    listen_key_option: str = ""
    listen_key_gone_codes: frozenset[str] = frozenset()
    """What a renewal is refused with when the venue does not know the key any more."""
    one_socket: bool = False  # The private socket carries the market's streams as well.
    confirmations: int = 0
    """How many private subscriptions the venue confirms by a message; 0 where a connection is its own subscription."""
    confirms: Callable[[Any], int] = lambda _: 0
    """How many of them a message confirms."""

    def is_private(self, url: str) -> bool:
        """Whether a socket at this URL is the account's own."""
        return re.search(self.private_socket, url) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One venue, as far as it differs from the others."""

    venue: VenueId
    needs_passphrase: bool
    hosts: Mapping[Environment, Hosts]
    """Mainnet, and each environment for trying things out that the venue has. A simulation stands in for mainnet."""
    private_marks: PrivateMarks
    examples: tuple[Example, ...]
    """One perpetual of each kind that the profile carries."""
    options: Mapping[str, Any]
    markets_parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the listing is asked with, where ccxt would ask for all of a venue that lists thousands."""
    limits: tuple[RequestLimit, ...]
    weights: Mapping[Ask, Mapping[str, int]]
    setup: Setup | None
    """None: the venue knows one-way positions and cross margin only, and no leverage that could be set."""
    writes: Writes
    reads: Reads
    funding: Funding
    market: Market
    tiers: Tiers | StatedTiers
    touch: Touch
    streams: Streams
    feedback: Feedback = field(default_factory=Feedback)
    wallets: tuple[Wallet, ...] = ()  # Those beside the account that carries positions.
    dead_man: DeadMan | None = None
    """None: the venue has no such switch, or none that can be reached."""
    parts: Mapping[ContractKind, str] = field(default_factory=dict)
    """The venue's word for the part of it where each kind of contract is traded, where it has parts: each has its own public socket."""
    credentials: Mapping[str, str] = field(default_factory=lambda: {"apiKey": "api_key", "secret": "secret", "password": "passphrase"})
    """What ccxt calls each of the account's credentials."""
    symbol_in_market: Paths = ()
    """Where the venue's own name of a perpetual stands in its listing, if that is not ccxt's id."""
    skipped: tuple[str, ...] = ()
    """Steps that ccxt takes of itself before orders and cancels, and we do not."""
    unit_worth: Mapping[ContractKind, Decimal] = field(default_factory=dict)
    """What one unit of the venue's quantities is worth, in base (linear) or quote (inverse), where ccxt's contract size says else."""

    def openings_in(self, environment: Environment, *, wallets: bool) -> tuple[Opening, ...]:
        """All that may leave in an environment, what it takes to read `wallets` with it. Raises ValueError as `hosts_in` does."""
        beside = self.wallets_in(environment) if wallets else ()
        return (*self.hosts_in(environment).openings, *(opening for wallet in beside for opening in wallet.opened_in(environment)))

    def wallets_in(self, environment: Environment) -> tuple[Wallet, ...]:
        """The wallets that an environment has."""
        return tuple(wallet for wallet in self.wallets if wallet.opened_in(environment))

    def place(self, symbol: str, kind: ContractKind, settle: str) -> Place:
        """Where an instrument stands at this venue."""
        return Place(symbol, kind, settle, self.parts.get(kind, ""))

    def hosts_in(self, environment: Environment) -> Hosts:
        """The hosts of an environment. Raises ValueError with one sentence when the venue has no such environment."""
        found = self.hosts.get(Environment.MAINNET if environment is Environment.SIMULATION else environment)
        if found is None:
            others = " or ".join(each.value for each in self.hosts if each is not Environment.MAINNET)
            raise ValueError(f"there is no {environment.value} environment; what there is for trying things out is called {others}")
        return found
