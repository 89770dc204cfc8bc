"""Facts that came in. Past tense, frozen, and the only way in which the ledger can change. The counterpart is `commands`.

Every event carries `at`, our own clock when the fact reached us; facts from a venue also carry the venue's clock where it told us.
Quantities are signed base units (short < 0) and prices quote per base. Facts are totals wherever the source has totals, so that a
lost, doubled or reordered notice heals by itself. What a venue did not say is None, never zero.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId


class VenueOrderStatus(StrEnum):
    """What a venue says of an order. ACCEPTED: it exists and may still fill."""

    ACCEPTED = "accepted"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"


class FillKind(StrEnum):
    """Why a fill happened: our order, or the venue's own action."""

    TRADE = "trade"
    AUTO_DELEVERAGING = "auto_deleveraging"
    LIQUIDATION = "liquidation"
    SETTLEMENT = "settlement"


class VenueLink(StrEnum):
    """How well we hear a venue. UP: streams alive and fresh. STALE: silent or lagging. DOWN: not connected."""

    UP = "up"
    STALE = "stale"
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """The newest market view of one instrument. Quantities at the touch are base units, None where unknown.

    `book_at` and `mark_at` are our clock when the touch and the mark last arrived.
    """

    instrument: InstrumentId
    bid: Decimal
    ask: Decimal
    bid_quantity: Decimal | None
    ask_quantity: Decimal | None
    mark: Decimal | None
    index: Decimal | None
    book_at: Millis
    mark_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReport:
    """What a venue says of one order. `filled_quantity` is the signed cumulative base quantity, None when it was not told."""

    instrument: InstrumentId
    client_order_id: ClientOrderId | None
    venue_order_id: str | None
    status: VenueOrderStatus
    filled_quantity: Decimal | None
    average_price: Decimal | None
    venue_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReport:
    """One execution: signed base `quantity`, `price`, and `fee` (> 0 when paid) in `fee_asset`, None when not told."""

    instrument: InstrumentId
    fill_id: str
    client_order_id: ClientOrderId | None
    venue_order_id: str | None
    quantity: Decimal
    price: Decimal
    fee: Decimal | None
    fee_asset: Asset | None
    kind: FillKind
    venue_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionReport:
    """A venue's word on one position: signed base quantity; entry and mark None when not told."""

    instrument: InstrumentId
    quantity: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginReport:
    """A venue's cross-margin account in its settle asset. `margin_balance` is equity incl. unrealised PnL; absent figures are None.

    `is_account_wide`: margin balance, maintenance and initial margin are those of the whole account, told again with every settle asset.
    """

    asset: Asset
    margin_balance: Decimal | None
    wallet_balance: Decimal | None
    maintenance_margin: Decimal | None
    initial_margin: Decimal | None
    is_account_wide: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """One settled payment as the venue recorded it: `quantity` of `asset`, > 0 when we received it; `payment_id` is the venue's."""

    instrument: InstrumentId
    payment_id: str
    quantity: Decimal
    asset: Asset
    venue_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all facts: `at` is our clock, Unix milliseconds."""

    at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Event):
    """A run of the bot began, under this policy. `epoch` starts every client order id of the run and never repeats.

    The policy is part of the record, so that what was decided under it can be folded again under it after it was changed.
    `is_fresh`: the journal was new, or lost its tail, so that requests of an earlier life may be on their way that it knows nothing of.
    """

    epoch: str
    config_hash: str
    policy: Policy
    is_fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentListed(Event):
    """A venue described one of our instruments, at start or because it changed."""

    instrument: Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralObserved(Event):
    """The whole of one asset at one location, in the asset's own units, with its redemption rate (base units per unit, 1 for coins).

    `redemption_rate` is None when the source does not know it: the asset's delta is then unknown unless an earlier rate is held.
    """

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralConfirmed(Event):
    """A source has told every total that it has, or was read again and says the same: they are known, and fresh as of `at`."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralUnreadable(Event):
    """A source could not be read or made no sense; what it said last stays, and ages."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRateObserved(Event):
    """The rate that the venue will settle next, a fraction per `interval_ms` (> 0: shorts receive). None: the venue did not tell."""

    instrument: InstrumentId
    rate: Decimal | None
    interval_ms: Millis | None
    next_settlement_at: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaid(Event):
    """A funding payment was recorded by the venue. Entered once per (instrument, payment id), however often it is told."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderReported(Event):
    """A venue told us about an order: by stream, or as the answer to a place, cancel or look-up."""

    report: OrderReport


@dataclass(frozen=True, slots=True, kw_only=True)
class FillReported(Event):
    """A venue told us about an execution."""

    fill: FillReport


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRefused(Event):
    """The venue (or our own connector, before a byte left) PROVED that the order does not exist. `code` is the venue's."""

    client_order_id: ClientOrderId
    code: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderOutcomeUnknown(Event):
    """A place request ended without proof either way: the order may exist, may arrive late, may have filled."""

    client_order_id: ClientOrderId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAbsent(Event):
    """A look-up by client id, and a read of fills after it, both succeeded: the order is not known by its id.

    `filled_quantity` is the signed sum of the fills that were found of it all the same; zero when there is none.

    `venue_clock_at` is the venue's own clock at the look-up: only beyond the order's expiry plus a margin does absence prove anything.
    """

    client_order_id: ClientOrderId
    venue_clock_at: Millis
    filled_quantity: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelUnconfirmed(Event):
    """A cancel was refused or went unanswered; the order stays what it was, and is asked about."""

    client_order_id: ClientOrderId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpFailed(Event):
    """A look-up of one order did not come through; nothing is learned."""

    client_order_id: ClientOrderId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueReported(Event):
    """One complete reading of a venue: open orders, positions, fills and margin all answered between `asked_at` and `at`.

    `positions` lists every instrument of ours at the venue, flat ones with zero; `clock_offset_ms` is venue clock minus ours.
    """

    venue: VenueId
    asked_at: Millis
    clock_offset_ms: Millis
    orders: tuple[OrderReport, ...]
    positions: tuple[PositionReport, ...]
    fills: tuple[FillReport, ...]
    margins: tuple[MarginReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueUnreadable(Event):
    """Some part of a venue's reading failed, came back empty where it may not, or made no sense: nothing is learned from any of it."""

    venue: VenueId
    asked_at: Millis
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginObserved(Event):
    """A stream told the account's margin between two complete readings."""

    venue: VenueId
    margin: MarginReport


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueLinkChanged(Event):
    """How well we hear a venue changed."""

    venue: VenueId
    link: VenueLink
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportUnreadable(Event):
    """A venue said something that could not be understood: the venue is read again in full before it is trusted with more."""

    venue: VenueId
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """The run is to end: no increase from here on; working orders are cancelled, doubts are asked about, hedges stay."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDue(Event):
    """It is time to compare what is with what should be, on exactly these quotes."""

    quotes: tuple[Quote, ...]
