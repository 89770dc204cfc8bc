"""What the ledger consists of: frozen records, one per thing that we keep an account of. None: nobody told us; it never means zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.core.acts import Flattening, Override
from bot.core.carry import SleeveSignal
from bot.core.claim_records import Claim, Place
from bot.core.copying import replace
from bot.core.events import MarginReport, PositionReport, Quote, VenueLink
from bot.core.foreign_order import ForeignOrder
from bot.core.instrument import Instrument
from bot.core.limits import Limit
from bot.core.lookups import Accounts, Lookups
from bot.core.order import Order
from bot.core.payments import FundingAccount
from bot.core.reports import DelegationReport
from bot.core.seen import Seen
from bot.core.target_records import Allocated, Flow, VenueMove
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId

FILLS_REMEMBERED = 2_000
"""Fill ids kept per instrument, so that a fill told twice counts once; venues re-tell far fewer."""
ORDERS_REMEMBERED = 500
"""Closed orders kept in the ledger, so that a late fill finds its order; the journal keeps all of them."""
ORDERS_REMEMBERED_MS: Millis = 60_000
"""Every order placed this lately is kept beside these: limits count what was sent within a window, and the longest is this long."""
POSITION_LAG_MS: Millis = 30_000
"""How far a venue's position may lag behind its fills. Lags of 1 to 30 s are on record (hummingbot issue 5127)."""
PASSAGE_MS: Millis = 1_000
"""Figures that a position left within one such span are remembered as one: sweeps of any number of fills take bounded room."""
NOTES_REMEMBERED = 40
"""Sentences kept for people."""


class TradingState(StrEnum):
    """What the book, or a venue, may do.

    REDUCING a venue: only reductions there. REDUCING the book: also what brings the worse end of |net delta| nearer to zero, inside all
    caps, on reconciled venues. HALTED: cancels and queries only.
    """

    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateRecord:
    """One reason why a venue (None: the book) is not ACTIVE: a limit, or a person.

    `since` is when `state` was entered and `last_at` when the cause was last seen, both our clock; `by` names the person, "" for none.
    `latched`: no quiet period ends it, only a named person does.
    """

    venue: VenueId | None
    cause: Limit
    state: TradingState
    since: Millis
    last_at: Millis
    by: str
    why: str
    latched: bool


class BreakCause(StrEnum):
    """Why our record and a venue's differed."""

    PRE_EXISTING = "pre_existing"
    AUTO_DELEVERAGING = "auto_deleveraging"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    FOREIGN_FILL = "foreign_fill"
    FOREIGN_ORDER = "foreign_order"
    UNJOURNALED = "unjournaled"
    LATE_FILL = "late_fill"
    UNEXPLAINED = "unexplained"
    FUNDING_RECORD = "funding_record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One asset at one location, in the asset's own units; `redemption_rate` is base units per unit, `as_of` the source's clock.

    `rate_at` (our clock) is when the rate was told with it; None: no rate was.
    """

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None
    observed_at: Millis
    as_of: Millis | None = None
    rate_at: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A venue's complete reading that our record does not explain; `readings` counts how often it said the same."""

    observed: Decimal
    readings: int
    since: Millis


@dataclass(frozen=True, slots=True)
class Passage:
    """Figures that a record passed through: all between `low` and `high`, the last of them left at `left_at` (our clock)."""

    left_at: Millis
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFill:
    """Signed contract units that no order of ours moved, at which price (quote units), and when by our clock."""

    at: Millis
    quantity: Decimal
    price: Decimal


@dataclass(frozen=True, kw_only=True)
class Position:
    """Our record of one position: signed contract units (base if linear, quote if inverse), moved by fills.

    `adopted_at` (venue's clock) and `adopted_here_at` (ours) tell when a venue's reading last replaced the record: fills from before are
    already in it and do not move it again, but those of orders beyond `adopted_after` (the newest order then, "" for none) are not,
    whatever our clock has done since. `left_behind`: what fills moved the record away from within `POSITION_LAG_MS`. `foreign_fill`: the
    newest by no order of ours since a reading agreed. `origin`: what brought a foreign part not adopted, if any. `is_told_once`: no second
    answer agreed.
    """

    quantity: Decimal
    adopted_at: Millis | None = None
    adopted_here_at: Millis | None = None
    adopted_after: str = ""
    dispute: Dispute | None = None
    entry_price: Decimal | None = None
    deleveraged_at: Millis | None = None
    left_behind: tuple[Passage, ...] = ()
    foreign_fill: ForeignFill | None = None
    origin: BreakCause | None = None
    is_told_once: bool = False

    def moved(self, quantity: Decimal, at: Millis) -> Position:
        """The position after a fill of signed `quantity`, which came at `at` by our clock."""
        kept = self.passed_since(at)
        if kept and kept[-1].left_at // PASSAGE_MS == at // PASSAGE_MS:
            last = Passage(at, min(kept[-1].low, self.quantity), max(kept[-1].high, self.quantity))
            kept = kept[:-1]
        else:
            last = Passage(at, self.quantity, self.quantity)
        return replace(self, quantity=self.quantity + quantity, left_behind=(*kept, last))

    def passed_since(self, at: Millis) -> tuple[Passage, ...]:
        """What was left so lately, seen from `at`, that a venue may only be late with it."""
        return tuple(p for p in self.left_behind if abs(at - p.left_at) < POSITION_LAG_MS)  # whichever way our clock stepped


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """How many cancels and questions went to a venue around `at` (our clock)."""

    at: Millis
    count: int


@dataclass(frozen=True, kw_only=True)
class Executions:
    """What one instrument executed since the last real change of its target (see `repetition`).

    `target` is signed base units, None before any; `needed` and `executed` are contract units, never negative; `side` is that of the
    latest execution (-1, 0, 1), `count` how many were repeated.
    """

    target: Decimal | None
    needed: Decimal
    executed: Decimal = ZERO
    side: int = 0
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class VenueRecord(Accounts):
    """What we know of one venue. `reported_at` is when the last complete reading was asked for; `reconciled` whether it agreed.

    `agreed_at` is when the last reading was asked for that agreed in everything; `disagreements` counts those since that did not.
    `first_told` holds figures of positions that one answer (asked for at `first_told_at`) told, no second yet. `margin_positions` are the
    positions (signed contract units) for which `margins` were told, `margin_marks` the marks, as far as told. `equity_told` are the
    accounts as the last complete reading told them, and `inverse_told` the positions of that same reading not known to be linear, with
    their marks (see `holdings`). `taken_orders`: foreign ones taken over (see `strangers`). `deleveraging_ranks`, `unfit` (not set as at
    the start) and `remarks` (the same of what stops nothing) are as last told; `messages` is what was asked lately. `is_outdated`: the
    journal lost its end, and there was no full reading since. `strangers_at`: when others last traded there by an order that nobody had
    taken over, or one was found that the journal does not have.
    """

    link: VenueLink = VenueLink.DOWN
    link_since: Millis = 0
    reconciled: bool = False
    reported_at: Millis | None = None
    agreed_at: Millis | None = None
    read_asked_at: Millis | None = None
    read_pending: bool = False
    clock_offset_ms: Millis | None = None
    margins: Mapping[Asset, MarginReport] = field(default_factory=dict)
    margin_positions: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    equity_told: Mapping[Asset, MarginReport] = field(default_factory=dict)
    inverse_told: Mapping[InstrumentId, PositionReport] = field(default_factory=dict)
    margin_marks: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    first_told: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    first_told_at: Millis | None = None
    disagreements: int = 0
    foreign_orders: tuple[ForeignOrder, ...] = ()
    taken_orders: tuple[ForeignOrder, ...] = ()
    unfit: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    unreadable: str | None = None
    messages: tuple[Messages, ...] = ()
    deleveraging_ranks: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    is_outdated: bool = False
    strangers_at: Millis | None = None


@dataclass(frozen=True, kw_only=True)
class FundingState:
    """One instrument's funding. `annual` is the smoothed simple annual rate (> 0: shorts receive); rates are per interval.

    `annual_fast` is smoothed over about a day, for the trip-wire; `watched_since` is when readings began that no gap interrupts.
    `next_settlement_at` is the venue's clock, as is `settled_at`, the newest settlement in whose place another one was told since.
    `settled_rate` is the rate told last before that, `followed_at` (our clock) when the following settlement was first told.
    """

    rate: Decimal | None
    interval_ms: Millis | None
    annual: Decimal | None
    observed_at: Millis
    flipped: bool = False
    beyond_since: Millis | None = None
    flipped_at: Millis | None = None
    next_settlement_at: Millis | None = None
    annual_fast: Decimal | None = None
    watched_since: Millis | None = None
    settled_at: Millis | None = None
    settled_rate: Decimal | None = None
    followed_at: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Market:
    """How large an instrument's market is, base units, as told last (our clock)."""

    open_interest: Decimal | None
    volume_24h: Decimal | None
    observed_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePrice:
    """A stablecoin's price in USD, or a staked token's in what it stands for, as told last (our clock)."""

    price: Decimal
    observed_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegation:
    """What a custodian said last of one asset at one venue, and when (our clock).

    `rose` (>= 0) and `fell` (<= 0) are all that was delegated and taken back since the venue's account surely showed everything, `moved_at`
    when we heard of the last of it; settlements into the mirror are no part of it. Of both, `due_up` (>= 0) and `due_down` (<= 0) are what
    no reading has shown. `unheard_up` (>= 0) and `unheard_down` (<= 0) are by how much readings moved the account's coins beyond that,
    perhaps a delegation of which no word has come, `unheard_at` when one told the last of it (None: to a former version); `words` is how
    many reports of later instants came since. `is_disputed`: the custodian contradicts what it said of this cycle before.
    """

    told: DelegationReport
    observed_at: Millis
    rose: Decimal = ZERO
    fell: Decimal = ZERO
    moved_at: Millis | None = None
    due_up: Decimal = ZERO
    due_down: Decimal = ZERO
    unheard_up: Decimal = ZERO
    unheard_down: Decimal = ZERO
    unheard_at: Millis | None = None
    words: int = 0
    is_disputed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for people: what was decided or learned, and about what."""

    at: Millis
    kind: str
    subject: str
    sentence: str
    order: ClientOrderId | None = None


@dataclass(frozen=True, kw_only=True)
class Tallies:
    """Counts and sums over the life of the journal. USD figures take a quote stablecoin for one dollar."""

    orders_by_outcome: Mapping[str, int] = field(default_factory=dict)
    breaks_by_cause: Mapping[str, int] = field(default_factory=dict)
    fills: int = 0
    fees_usd: Decimal = ZERO
    filled_notional_usd: Decimal = ZERO
    slippage_usd: Decimal = ZERO


@dataclass(frozen=True, kw_only=True)
class Ledger(Lookups):
    """The record. Nothing but `ledger.fold` and `engine.step` makes a new one. No slots: it remembers which of its orders are open.

    `journal_doubt` says why what the journal acknowledges is not to be trusted in this run. `sources_confirmed_at` tells when a source last
    told, in this run, that it has told everything; `sources_heard_at` when one did in the runs before, as far as that still counts,
    `sources_as_of` of which instant, where it says (its clock), and `source_scopes` all that each might tell of when this run began.
    `foreign_moves`: by how many signed contract units others moved positions since each source last told everything; `unconfirmed`: what
    each had told of places, in asset units, before it began to tell what it has not told to the end (both: see `remembered`). `mirrored` is
    by custodian's source, venue and asset; `custody_as_of`: each custodian's clock at its newest report. `fresh_at`: when a run began on a
    journal that does not know what earlier runs may have sent, if one did. For `silent_ms` after `started_at` no order leaves.
    `strayed_at`: since when an asset's certain net delta is beyond its band's soft edge. `epochs`: earlier ones, with their last orders.
    """

    epoch: str = ""
    epochs: Mapping[str, int] = field(default_factory=dict)
    started_at: Millis = 0
    fresh_at: Millis | None = None
    silent_ms: Millis = 0
    journal_doubt: str | None = None
    order_number: int = 0
    stopping: bool = False
    observing: bool = False
    decided_at: Millis | None = None
    instruments: Mapping[InstrumentId, Instrument] = field(default_factory=dict)
    holdings: Mapping[tuple[str, str, Asset], Holding] = field(default_factory=dict)
    claims: Mapping[str, Claim] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    sources_confirmed_at: Mapping[str, Millis] = field(default_factory=dict)
    sources_heard_at: Mapping[str, Millis] = field(default_factory=dict)
    sources_as_of: Mapping[str, Millis] = field(default_factory=dict)
    source_scopes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    sources_unreadable: Mapping[str, str] = field(default_factory=dict)
    foreign_moves: Mapping[str, Mapping[InstrumentId, Decimal]] = field(default_factory=dict)
    unconfirmed: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    positions: Mapping[InstrumentId, Position] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)
    fill_ids: Mapping[InstrumentId, Seen] = field(default_factory=dict)
    venues: Mapping[VenueId, VenueRecord] = field(default_factory=dict)
    funding: Mapping[InstrumentId, FundingState] = field(default_factory=dict)
    payments: Mapping[InstrumentId, FundingAccount] = field(default_factory=dict)
    payments_read_at: Mapping[VenueId, Millis] = field(default_factory=dict)
    sleeves: Mapping[Asset, SleeveSignal] = field(default_factory=dict)
    quotes: Mapping[InstrumentId, Quote] = field(default_factory=dict)
    markets: Mapping[InstrumentId, Market] = field(default_factory=dict)
    references: Mapping[Asset, ReferencePrice] = field(default_factory=dict)
    delegations: Mapping[VenueId, Mapping[Asset, Decimal]] = field(default_factory=dict)
    mirrored: Mapping[tuple[str, VenueId, Asset], Delegation] = field(default_factory=dict)
    custody_as_of: Mapping[str, Millis] = field(default_factory=dict)
    targets: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    allocated: Allocated | None = None
    venue_moves: Mapping[Asset, VenueMove] = field(default_factory=dict)
    flows: Mapping[Asset, Flow] = field(default_factory=dict)
    strayed_at: Mapping[Asset, Millis] = field(default_factory=dict)
    states: tuple[StateRecord, ...] = ()
    flattenings: tuple[Flattening, ...] = ()
    quarantined: frozenset[VenueId] = frozenset()
    acted_at: Millis | None = None
    """When a person last said what may be traded or held (REDUCE, HALT, RESUME, FLATTEN, QUARANTINE), our clock; None: nobody has."""
    overrides: tuple[Override, ...] = ()
    executions: Mapping[InstrumentId, Executions] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    tallies: Tallies = field(default_factory=Tallies)
    invariants_broken: tuple[str, ...] = ()

    def with_order(self, orders: Mapping[ClientOrderId, Order], changed: Order, **others: Any) -> Ledger:
        """The ledger with `orders`, in which `changed` is new and last, or stands where it stood; closed ones may have been dropped.

        `others`: what else changes with it, by field.
        Which orders are open is carried over: looking through hundreds of closed ones would cost more than all the rest of a report.
        """
        after = replace(self, orders=orders, **others)
        known, order_id = self.__dict__.get("_open"), changed.client_order_id
        after.__dict__["_last_change"] = (self.orders, order_id)
        was = self.orders.get(order_id)
        if known is None or (was is not None and not was.state.is_open and changed.state.is_open):
            return after  # a reopened one takes its old place among the others
        still = (changed if o is was else o for o in known) if was is not None else (*known, changed)
        after.__dict__["_open"] = tuple(o for o in still if o.state.is_open)
        return after
