"""Facts that came in. Past tense, frozen, and the only way in which the ledger can change. The counterpart is `commands`.

Every event carries `at`, our own clock when the fact reached us; facts from a venue also carry the venue's clock where it told us.
Quantities are signed base units (short < 0) and prices quote per base. Facts are totals wherever the source has totals, so that a
lost, doubled or reordered notice heals by itself. What a venue did not say is None, never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from bot.core.acts import Adopted, OperatorAction
from bot.core.instrument import Instrument
from bot.core.policy import Policy
from bot.core.reports import (
    ClaimKind,
    ClaimStage,
    CustodyTotal,
    DelegationReport,
    FillKind,
    FillReport,
    FundingPayment,
    MarginReport,
    OrderReport,
    PositionReport,
    Quote,
    SettlementState,
    VenueLink,
    VenueOrderStatus,
)
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId

__all__ = [
    "ClaimKind",
    "ClaimStage",
    "CustodyTotal",
    "DelegationReport",
    "FillKind",
    "FillReport",
    "FundingPayment",
    "MarginReport",
    "OperatorAction",
    "OrderReport",
    "PositionReport",
    "Quote",
    "SettlementState",
    "VenueLink",
    "VenueOrderStatus",
]
"""What is told, beside the events that tell it: everything here is reached as `events.Name`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all facts: `at` is our clock, Unix milliseconds."""

    at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(Event):
    """A run of the bot began, under this policy. `epoch` starts every client order id of the run and never repeats.

    The policy is part of the record, so that what was decided under it can be folded again under it after it was changed.
    `is_fresh`: the journal was new, or lost its tail, so that requests of an earlier life may be on their way that it knows nothing of.
    `silent_ms`: for so long after `at` the run sends no order at all, reductions included: it takes the place of another instance, whose
    last requests a venue may still accept until then. `observing`: what it decides is recorded, and nothing of it is sent.
    """

    epoch: str
    config_hash: str
    policy: Policy
    is_fresh: bool = False
    silent_ms: Millis = 0
    observing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentListed(Event):
    """A venue described one of our instruments, at start or because it changed."""

    instrument: Instrument


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralObserved(Event):
    """The whole of one asset at one location, in the asset's own units, with its redemption rate (base units per unit, 1 for coins).

    `redemption_rate` is None when the source does not know it: the asset's delta is then unknown unless an earlier rate is held.
    `as_of` is the source's own clock, None: it told none. What is from before the newest total of the same source, place and asset is late
    and changes nothing.
    """

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None
    as_of: Millis | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralAnnounced(Event):
    """Somebody says that collateral will come or go, or how far that has come: a claim, which only a total can confirm.

    `claim` is the announcer's own id: the same one told again, by whatever source, is the same claim. `quantity` is in the asset's own
    units, > 0. `announced_at` is the announcer's clock when it said this. `is_authentic` False: it is forged, and stands for `beside` more.
    """

    source: str
    claim: str
    kind: ClaimKind
    stage: ClaimStage
    asset: Asset
    quantity: Decimal
    location: str
    depositor: str
    announced_at: Millis
    is_authentic: bool = True
    beside: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralConfirmed(Event):
    """A source has told every total that it has, or says the same: known, and fresh, by its own clock as of `as_of` (None: as of now)."""

    source: str
    as_of: Millis | None = None


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
    """A funding payment was recorded by the venue. Entered once per settlement of an instrument, however often it is told."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingRecordsRead(Event):
    """Every funding payment that a venue has on record for our instruments within [from_at, to_at] (its clock), all pages answered."""

    venue: VenueId
    from_at: Millis
    to_at: Millis
    payments: tuple[FundingPayment, ...]


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

    `positions` lists every instrument of ours at the venue, flat ones with zero; `clock_offset_ms` is venue clock minus ours. `unfit` says
    in sentences what of the account is not set as it was at the start (a margin mode), `remarks` the same of what changes no risk and
    stops nothing (a leverage, under cross margin).
    """

    venue: VenueId
    asked_at: Millis
    clock_offset_ms: Millis
    orders: tuple[OrderReport, ...]
    positions: tuple[PositionReport, ...]
    fills: tuple[FillReport, ...]
    margins: tuple[MarginReport, ...]
    unfit: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueUnreadable(Event):
    """Some part of a venue's reading failed, came back empty where it may not, or made no sense: nothing is learned from any of it."""

    venue: VenueId
    asked_at: Millis
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldingsReported(Event):
    """What a venue that is being read said of the present, while its fills are still to come or failed: no complete reading, ever.

    Open orders, positions and margin as in VenueReported, all asked at `asked_at` or after it. It proves no order absent.
    """

    venue: VenueId
    asked_at: Millis
    clock_offset_ms: Millis
    orders: tuple[OrderReport, ...]
    positions: tuple[PositionReport, ...]
    margins: tuple[MarginReport, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginObserved(Event):
    """A stream told the account's margin between two complete readings.

    `marks` (quote per base unit, > 0) are those that the venue had told when it did; where one is left out, it is not known.
    """

    venue: VenueId
    margin: MarginReport
    marks: Mapping[InstrumentId, Decimal] = field(default_factory=dict)


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
class MarketObserved(Event):
    """How large an instrument's market is: open interest and the last 24 hours' volume, base units; None where the venue did not tell."""

    instrument: InstrumentId
    open_interest: Decimal | None
    volume_24h: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferencePriceObserved(Event):
    """The market price of a stablecoin in USD, or of a staked token in units of what it stands for; never from its issuer."""

    source: str
    asset: Asset
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationObserved(Event):
    """How much of an asset a custodian has delegated to a venue: what the venue holds beyond it is unsettled profit."""

    venue: VenueId
    asset: Asset
    delegated: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodyReported(Event):
    """Everything that a custodian holds for us and has delegated, of one instant: totals and delegations change together, or not at all.

    `as_of` is the custodian's clock. `location` names its vault in the record of collateral.
    """

    source: str
    location: str
    as_of: Millis
    totals: tuple[CustodyTotal, ...]
    delegations: tuple[DelegationReport, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorActed(Event):
    """A named person acted: on the whole book (`venue` None) or one venue; RESOLVE is about one order in doubt, FLATTEN about the book, a
    venue or an `asset`, OVERRIDE about the policy field `setting`, to be `value` for `lasts_ms` from now on. RELOAD: from here on
    `policy` counts, of a configuration with `config_hash` instead of `hash_before`.

    `filled_quantity` is what the person found of that order at the venue (signed contract units: base if linear, quote if
    inverse), 0 or None: nothing of it filled. ADOPT is about `adopting`, which they were shown; None, in journals of before: every position
    that nobody had adopted.
    """

    action: OperatorAction
    by: str
    why: str
    venue: VenueId | None = None
    client_order_id: ClientOrderId | None = None
    filled_quantity: Decimal | None = None
    asset: Asset | None = None
    setting: str | None = None
    value: Decimal | None = None
    lasts_ms: Millis | None = None
    policy: Policy | None = None
    config_hash: str = ""
    hash_before: str = ""
    adopting: tuple[Adopted, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentsEntered(Event):
    """Orders that left while the journal took nothing are entered now; they stand beside it in the journal, as they left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogObserved(Event):
    """So many facts waited to be taken when the loop came to them, and `most` are meant to: it does not keep up with the world."""

    waiting: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalJudged(Event):
    """What the journal acknowledges is not to be trusted from here on, and why in one sentence (`doubt`); None: it is again."""

    doubt: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested(Event):
    """The run is to end: no increase from here on; working orders are cancelled, doubts are asked about, hedges stay."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionDue(Event):
    """It is time to compare what is with what should be, on exactly these quotes."""

    quotes: tuple[Quote, ...]
