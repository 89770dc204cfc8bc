"""What one venue is asked: a question, where it says which instrument or account it is about, and where the rows of its answer stand."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from bot.adapters.venue.doors import Opening
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import Path, Paths, Row
from bot.core.instrument import ContractKind
from bot.core.units import Millis

_PUBLIC = re.compile(r"[a-z]*[Pp]ublic")


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
    WALLETS = "wallets"
    MODES = "modes"
    RANKS = "ranks"
    CLOCK = "clock"
    FUNDING = "funding"
    FUNDING_PAID = "funding_paid"
    MARKET = "market"
    TOUCH = "touch"
    TIERS = "tiers"
    SETTINGS = "settings"
    SIGNER = "signer"
    MARKETS = "markets"
    LISTEN_KEY = "listen_key"
    DEAD_MAN = "dead_man"


@dataclass(frozen=True, slots=True)
class Place:
    """Where an instrument stands at its venue, as far as a question about it has to say: its symbol, kind, settle asset and part.

    `part` is the venue's own word for the part of it that alone knows the instrument (Bybit's `category`), empty where there is but one.
    """

    symbol: str
    kind: ContractKind = ContractKind.LINEAR
    settle: str = ""
    part: str = ""


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
    settle_of: frozenset[ContractKind] = frozenset(ContractKind)
    """The kinds of contract whose question takes it; of the others one answer covers every asset."""
    part_as: str | None = None
    """The parameter that takes a part of the venue: asked once per part in which we have instruments."""
    account_as: str | None = None
    """The parameter that takes the account's address, where a question has to say whose account it is about."""
    is_one: bool = False
    """Whether what stands at `rows_at` is the one row itself instead of a list."""
    rows_by: Callable[[Any], list[Row] | None] | None = None
    """How rows are made of what stands at `rows_at` where it is no list of them. None: it was not well-formed."""
    is_public: bool = field(init=False)
    """Whether ccxt has the call among a venue's public ones: then it is asked without a key, over a connection of its own."""
    rows_max: int | None = None
    """As many rows as the venue puts into one answer: an answer this long may be cut, and counts as unreadable."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_public", _PUBLIC.match(self.call) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet beside the account that carries positions: its name, the question for all that lies there, and where a row tells what.

    `also`: further figures of a row that lie there as well and are no part of `quantity`. `openings`: what must be open to read it, for
    each environment that has such a wallet; nothing of that is open to a run that reads no wallets.
    """

    name: str
    query: Query
    asset: Paths
    quantity: Paths
    also: tuple[Paths, ...] = ()
    openings: Mapping[Environment, tuple[Opening, ...]]

    def opened_in(self, environment: Environment) -> tuple[Opening, ...]:
        """What must be open to read it there; nothing where there is no such wallet. A simulation stands in for mainnet."""
        return self.openings.get(Environment.MAINNET if environment is Environment.SIMULATION else environment, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """A question for one order by client id. `absent_codes` are the venue's ways to say that it knows no such order.

    `venue_id_as` takes the venue's own id instead, where fills tell no other.
    """

    query: Query
    client_id_as: str
    venue_id_as: str | None = None
    absent_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class PagedQuery:
    """A question whose answer may need several pages, each at most `window_ms` long and `page` rows wide.

    With `cursor_as` the next page is asked for by a value from the answer: `cursor_at` in the envelope, or in its last row.
    Else rows come oldest first, and the next page starts at the time (`at`) of the newest row, which is told again.
    Where rows older than `recent_ms` answer to another question alone (`older` beside the rest), whatever may reach back that far is
    asked in both ways.
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
    recent_ms: Millis | None = None
    older: Mapping[str, Any] = field(default_factory=dict)
    until_required: bool = False  # the venue wants both bounds, also where the answer is to go as far as there is
