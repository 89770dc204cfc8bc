"""What the ledger consists of: frozen records, one per thing that we keep an account of. `ledger` folds events into them.

None means that nobody told us; it never means zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from functools import cached_property

from bot.core.events import MarginReport, Quote, VenueLink
from bot.core.instrument import Instrument
from bot.core.order import Order
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId

FILLS_REMEMBERED = 2_000
"""Fill ids kept per instrument, so that a fill told twice counts once; venues re-tell far fewer."""
ORDERS_REMEMBERED = 500
"""Closed orders kept in the ledger, so that a late fill finds its order; the journal keeps all of them."""
POSITION_LAG_MS: Millis = 30_000
"""How far a venue's position may lag behind its fills. Lags of 1 to 30 s are on record (hummingbot issue 5127)."""
PASSAGE_MS: Millis = 1_000
"""Figures that a position left within one such span are remembered as one: sweeps of any number of fills take bounded room."""
NOTES_REMEMBERED = 40
"""Sentences kept for people."""
PAYMENTS_REMEMBERED = 500
"""Funding payment ids kept per instrument."""


class BreakCause(StrEnum):
    """Why our record and a venue's differed."""

    PRE_EXISTING = "pre_existing"
    AUTO_DELEVERAGING = "auto_deleveraging"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"
    FOREIGN_FILL = "foreign_fill"
    FOREIGN_ORDER = "foreign_order"
    UNEXPLAINED = "unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One asset at one location, in the asset's own units; `redemption_rate` is base units per unit."""

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None
    observed_at: Millis


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
class Position:
    """Our record of one position: signed base quantity, moved by fills.

    `adopted_at` (venue's clock) and `adopted_here_at` (ours) tell when a venue's reading last replaced the record: fills from before
    are already in it and do not move it again. `left_behind` tells what fills moved the record away from within `POSITION_LAG_MS`, so
    that a venue's late figure is known for what it is.
    """

    quantity: Decimal
    adopted_at: Millis | None = None
    adopted_here_at: Millis | None = None
    dispute: Dispute | None = None
    entry_price: Decimal | None = None
    deleveraged_at: Millis | None = None
    left_behind: tuple[Passage, ...] = ()

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
class VenueRecord:
    """What we know of one venue. `reported_at` is when the last complete reading was asked for; `reconciled` whether it agreed.

    `agreed_at` is when the last reading was asked for that agreed in everything; `disagreements` counts those since that did not.
    `first_told` holds the figures of positions that one reading has told and no second has confirmed. `margin_positions` are the positions
    (signed base) for which `margins` were told.
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
    first_told: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    disagreements: int = 0
    foreign_orders: tuple[str, ...] = ()
    unreadable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingState:
    """One instrument's funding. `annual` is the smoothed simple annual rate (> 0: shorts receive); rates are per interval."""

    rate: Decimal | None
    interval_ms: Millis | None
    annual: Decimal | None
    observed_at: Millis
    flipped: bool = False
    beyond_since: Millis | None = None
    flipped_at: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A sentence for people: what was decided or learned, and about what."""

    at: Millis
    kind: str
    subject: str
    sentence: str
    order: ClientOrderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallies:
    """Counts and sums over the life of the journal. USD figures take a quote stablecoin for one dollar."""

    orders_by_outcome: Mapping[str, int] = field(default_factory=dict)
    breaks_by_cause: Mapping[str, int] = field(default_factory=dict)
    fills: int = 0
    fees_usd: Decimal = ZERO
    funding_usd: Decimal = ZERO
    funding_usd_by_venue: Mapping[VenueId, Decimal] = field(default_factory=dict)
    filled_notional_usd: Decimal = ZERO
    slippage_usd: Decimal = ZERO


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The record. Nothing but `ledger.fold` and `engine.step` makes a new one. No slots: it remembers which of its orders are open.

    `fresh_at` is when a run began on a journal that does not know what earlier runs may have sent; None: none did.
    """

    epoch: str = ""
    started_at: Millis = 0
    fresh_at: Millis | None = None
    order_number: int = 0
    stopping: bool = False
    decided_at: Millis | None = None
    instruments: Mapping[InstrumentId, Instrument] = field(default_factory=dict)
    holdings: Mapping[tuple[str, str, Asset], Holding] = field(default_factory=dict)
    sources_confirmed_at: Mapping[str, Millis] = field(default_factory=dict)
    sources_unreadable: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[InstrumentId, Position] = field(default_factory=dict)
    orders: Mapping[ClientOrderId, Order] = field(default_factory=dict)
    fill_ids: Mapping[InstrumentId, Mapping[str, None]] = field(default_factory=dict)
    venues: Mapping[VenueId, VenueRecord] = field(default_factory=dict)
    funding: Mapping[InstrumentId, FundingState] = field(default_factory=dict)
    payment_ids: Mapping[InstrumentId, Mapping[str, None]] = field(default_factory=dict)
    quotes: Mapping[InstrumentId, Quote] = field(default_factory=dict)
    targets: Mapping[InstrumentId, Decimal] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()
    tallies: Tallies = field(default_factory=Tallies)
    invariants_broken: tuple[str, ...] = ()

    def open_orders(self, instrument: InstrumentId | None = None) -> tuple[Order, ...]:
        """Orders that may still fill, of one instrument or of all."""
        return self._open if instrument is None else tuple(o for o in self._open if o.instrument == instrument)

    @cached_property
    def _open(self) -> tuple[Order, ...]:
        """Worked out once per ledger: a decision asks hundreds of times, and hundreds of closed orders are remembered."""
        return tuple(o for o in self.orders.values() if o.state.is_open)

    @cached_property
    def occupied(self) -> frozenset[InstrumentId]:
        """Instruments that carry a position, or may come to carry one; worked out once per ledger."""
        held = {i for i, p in self.positions.items() if p.quantity != ZERO or p.dispute is not None}
        return frozenset(held | {o.instrument for o in self._open})

    def venue_of(self, instrument: InstrumentId) -> VenueId:
        """The venue of an instrument; works before the venue has described it."""
        return VenueId(instrument.partition(":")[0])
