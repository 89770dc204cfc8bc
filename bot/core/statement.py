"""A statement of the book: every figure that people, metrics and reports may read, computed from the ledger in one place.

Nothing here decides. Unknown figures are None. Units: base units unless a name says `_usd`, `_bps` or a ratio; ratios are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext

from bot.core import allowances, exposure, funding_statement, margin, risk, trading
from bot.core.acts import Flattening, Override
from bot.core.allocation_terms import Binding
from bot.core.allowances import Allowance
from bot.core.collateral_statement import CollateralRecord, record_of
from bot.core.deployment import DeploymentStatement, deployment_of, weighted_annual
from bot.core.events import VenueLink
from bot.core.funding import known_annual
from bot.core.funding_statement import FundingStatement
from bot.core.limit_use import LimitUse, uses
from bot.core.limits import Breach, Limit
from bot.core.operation import Unadopted, unadopted
from bot.core.order import OrderState
from bot.core.overriding import in_force
from bot.core.policy import Policy
from bot.core.precision import COUNTING
from bot.core.records import Holding, Ledger, VenueRecord
from bot.core.standing import breaches
from bot.core.transfers import Transfer, recommended
from bot.core.units import BPS, ONE, ZERO, Asset, ClientOrderId, InstrumentId, Millis, Range, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStatement:
    """One hedged asset. `coin_equity`: its coins in accounts at venues, at the mark of now; `held_usd` is of collateral and these.

    `hedge_ratio` = short / (collateral + coin equity) at the middle of both ranges, and `net_delta_bps` is of the same. `dust`: certain net
    delta beyond the band that is less than any order can carry.
    """

    asset: Asset
    mark: Decimal | None
    collateral: Range | None
    position: Range | None
    net_delta: Range | None
    net_delta_usd: Range | None
    net_delta_bps: Range | None
    hedge_ratio: Decimal | None
    collateral_usd: Decimal | None
    in_band: bool | None
    coin_equity: Decimal | None = None
    held_usd: Decimal | None = None
    dust: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentStatement:
    """One perpetual. `funding_annual` is the smoothed rate (> 0: shorts receive; None: unknown or too old);
    `target` the signed quantity last decided, and `target_limits` what keeps the share of it from more (a limit, and what it is a limit of;
    empty: nothing does, or the instrument is frozen). `position_units` is the position as the record keeps it: in contract units, which are
    quote units of an inverse one.

    Liquidation while the rest of its margin stands still: None also where there is none. The distance is a fraction of the mark.
    `open_interest_usd` is the whole market's at our mark, and `open_interest_share` our notional over it.
    """

    instrument: InstrumentId
    venue: VenueId
    asset: Asset
    position: Range | None
    target: Decimal | None
    mark: Decimal | None
    notional_usd: Decimal | None
    funding_annual: Decimal | None
    funding_interval_ms: Millis | None
    funding_flipped: bool
    quote_at: Millis | None
    liquidation_price: Decimal | None = None
    liquidation_distance: Decimal | None = None
    position_units: Range | None = None
    target_limits: tuple[Binding, ...] = ()
    open_interest_usd: Decimal | None = None
    open_interest_share: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateStatement:
    """A trading state and its strictest cause: a limit's name, since when (our clock), who asked for it ("": nobody), and why.

    `cause` is None while ACTIVE; `since` is None for what merely lasts (an old collateral total) and goes by itself.
    """

    state: str
    cause: str | None = None
    since: Millis | None = None
    by: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueStatement:
    """One venue. `margin_ratio` = maintenance margin / margin balance (0 safe, 1 liquidation).

    `margin_buffer` = margin balance / notional; `liquidation_distance`: how far the marks of its shorts may rise together, as a fraction;
    both of the worst pool of margin, and None also where there is no end. `trading` is the venue's own state; where the book's is
    stricter, that one counts.
    """

    venue: VenueId
    link: VenueLink
    reconciled: bool
    reported_at: Millis | None
    clock_offset_ms: Millis | None
    notional_usd: Decimal | None
    venue_share: Decimal | None
    margin_balance_usd: Decimal | None
    margin_ratio: Decimal | None
    funding_annual: Decimal | None
    orders_working: int
    orders_in_doubt: int
    trading: StateStatement
    maintenance_margin_usd: Decimal | None = None
    margin_buffer: Decimal | None = None
    liquidation_distance: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralStatement:
    """One asset at one location, as last told by its source."""

    source: str
    location: str
    asset: Asset
    quantity: Decimal
    redemption_rate: Decimal | None
    observed_at: Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionStatement:
    """One thing the bot decided or learned, in a sentence, newest last. `order` where it is about one."""

    at: Millis
    kind: str
    subject: str
    sentence: str
    order: ClientOrderId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideStatement:
    """A policy value that a person set for a while, beside the configured one."""

    made: Override
    configured: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class BookStatement:
    """The whole book at one instant. Counters (`orders_by_outcome`, fees, funding) grow over the life of the journal."""

    at: Millis
    epoch: str
    trading_state: str
    trading: StateStatement
    ready: bool
    assets: tuple[AssetStatement, ...]
    instruments: tuple[InstrumentStatement, ...]
    venues: tuple[VenueStatement, ...]
    collateral: tuple[CollateralStatement, ...]
    breaches: tuple[Breach, ...]
    allowances: tuple[Allowance, ...]
    decisions: tuple[DecisionStatement, ...]
    orders_by_outcome: Mapping[str, int]
    breaks_by_cause: Mapping[str, int]
    fills: int
    fees_usd: Decimal
    funding_usd: Decimal | None
    funding_usd_by_venue: Mapping[VenueId, Decimal]
    funding: tuple[FundingStatement, ...]
    funding_annual: Decimal | None
    deployment: tuple[DeploymentStatement, ...]
    reserve_runway_ms: Millis | None
    filled_notional_usd: Decimal
    slippage_usd: Decimal
    gross_notional_usd: Decimal | None
    required_notional_usd: Decimal | None
    net_delta_usd: Range | None
    net_delta_bps: Range | None
    settle_exposure_usd: Mapping[Asset, Decimal]
    orders_in_doubt: int
    oldest_doubt_ms: Millis | None
    invariants_broken: tuple[str, ...]
    limit_uses: tuple[LimitUse, ...] = ()
    flattenings: tuple[Flattening, ...] = ()
    record: CollateralRecord = field(default_factory=CollateralRecord)
    overrides: tuple[OverrideStatement, ...] = ()
    quarantined: tuple[VenueId, ...] = ()
    observing: bool = False
    unadopted: tuple[Unadopted, ...] = ()
    transfers: tuple[Transfer, ...] = ()


def statement_of(ledger: Ledger, policy: Policy, now: Millis) -> BookStatement:
    """The statement of a ledger at `now`. Pure, and cheap enough to make once a second.

    It counts as the engine does: its lasting answers serve decisions too.
    """
    with localcontext(COUNTING):
        return _statement(ledger, policy, now)


def _statement(ledger: Ledger, policy: Policy, now: Millis) -> BookStatement:
    configured, policy = policy, in_force(ledger, policy)
    doubts = [o for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT]
    oldest = min((o.doubted_at for o in doubts if o.doubted_at is not None), default=None)
    assets = tuple(_asset(ledger, policy, a) for a in exposure.assets_in_book(ledger, policy))
    required = exposure.required_notional(ledger, policy)
    usd = _sum_ranges([a.net_delta_usd for a in assets])
    held_usd = sum((a.held_usd or ZERO for a in assets), ZERO)
    tallies = ledger.tallies
    trades = _book_state(ledger, policy)
    return BookStatement(
        at=now,
        epoch=ledger.epoch,
        trading_state=trades.state,
        trading=trades,
        ready=is_ready(ledger, policy, now),
        assets=assets,
        instruments=tuple(_instrument(ledger, policy, i, now) for i in sorted(ledger.instruments)),
        venues=tuple(_venue(ledger, policy, v, required, now) for v in exposure.venues_in_book(ledger, policy)),
        collateral=tuple(_holding(h) for (source, *_), h in sorted(ledger.holdings.items()) if source in policy.collateral_sources),
        breaches=breaches(ledger, policy, now),
        allowances=allowances.all_of(ledger, policy),
        decisions=tuple(
            DecisionStatement(at=n.at, kind=n.kind, subject=n.subject, sentence=n.sentence, order=n.order) for n in ledger.notes
        ),
        orders_by_outcome=tallies.orders_by_outcome,
        breaks_by_cause=tallies.breaks_by_cause,
        fills=tallies.fills,
        fees_usd=tallies.fees_usd,
        funding_usd=funding_statement.usd_of(ledger, policy),
        funding_usd_by_venue=funding_statement.usd_by_venue(ledger, policy),
        funding=funding_statement.lines_of(ledger, policy, now),
        funding_annual=funding_statement.annual_of_book(ledger, policy, now),
        deployment=tuple(deployment_of(ledger, policy, a, now) for a in exposure.hedged_assets(policy)),
        reserve_runway_ms=funding_statement.runway_ms(ledger, policy, now),
        filled_notional_usd=tallies.filled_notional_usd,
        slippage_usd=tallies.slippage_usd,
        gross_notional_usd=exposure.gross_notional(ledger, policy),
        required_notional_usd=required,
        net_delta_usd=usd,
        net_delta_bps=None if usd is None or held_usd == ZERO else usd.times(ONE / held_usd / BPS),
        settle_exposure_usd=exposure.settle_exposure(ledger, policy),
        orders_in_doubt=len(doubts),
        oldest_doubt_ms=None if oldest is None else now - oldest,
        invariants_broken=ledger.invariants_broken,
        limit_uses=uses(ledger, policy, now),
        flattenings=ledger.flattenings,
        record=record_of(ledger, policy, now),
        overrides=tuple(OverrideStatement(made=o, configured=Decimal(getattr(configured, o.field))) for o in ledger.overrides),
        quarantined=tuple(sorted(ledger.quarantined)),
        observing=ledger.observing,
        unadopted=unadopted(ledger),
        transfers=recommended(ledger, policy),
    )


def _book_state(ledger: Ledger, policy: Policy) -> StateStatement:
    state = risk.trading_state(ledger, policy).value
    if ledger.invariants_broken:
        return StateStatement(state=state, cause=Limit.INVARIANT.value, why=ledger.invariants_broken[0])
    if ledger.stopping:
        return StateStatement(state=state, cause=Limit.TRADING_STATE.value, why="the run is to end")
    if trading.causes(ledger, None):
        return _state(ledger, None)
    breach = next(iter(risk.state_breaches(ledger, policy)), None)
    return StateStatement(state=state) if breach is None else StateStatement(state=state, cause=breach.limit.value, why=breach.sentence())


def _state(ledger: Ledger, venue: VenueId | None) -> StateStatement:
    cause = next(iter(trading.causes(ledger, venue)), None)
    if cause is None:
        return StateStatement(state=risk.TradingState.ACTIVE.value)
    return StateStatement(state=cause.state.value, cause=cause.cause.value, since=cause.since, by=cause.by, why=cause.why)


def is_ready(ledger: Ledger, policy: Policy, now: Millis) -> bool:
    """Whether everything configured was heard in this run: each source has told all it has, each venue has agreed or is in quarantine."""
    if not policy.collateral_sources <= ledger.sources_confirmed_at.keys() or risk.is_within_earlier_life(ledger, policy, now):
        return False
    if risk.silence_breach(ledger, now) is not None:
        return False
    return not risk.to_agree(ledger, policy)


def _sum_ranges(ranges: Sequence[Range | None]) -> Range | None:
    total = Range.exactly(ZERO)
    for part in ranges:
        if part is None:
            return None
        total = total + part
    return total


def _asset(ledger: Ledger, policy: Policy, asset: Asset) -> AssetStatement:
    collateral = exposure.collateral(ledger, policy, asset)
    held = exposure.held(ledger, policy, asset)
    net = exposure.net_delta(ledger, policy, asset)
    mark = exposure.mark_of_asset(ledger, policy, asset)
    band = exposure.rebalance_threshold(ledger, policy, asset)
    bps = None
    if net is not None and held is not None and held.middle > ZERO:
        bps = net.times(ONE / held.middle / BPS)
    return AssetStatement(
        asset=asset,
        mark=mark,
        collateral=collateral,
        position=exposure.position_of_asset(ledger, policy, asset),
        net_delta=net,
        net_delta_usd=None if net is None or mark is None else net.times(mark),
        net_delta_bps=bps,
        hedge_ratio=exposure.hedge_ratio(ledger, policy, asset),
        collateral_usd=None if collateral is None or mark is None else collateral.middle * mark,
        in_band=None if net is None or band is None else abs(net.worst) <= band,
        coin_equity=exposure.coin_equity(ledger, policy, asset),
        held_usd=None if held is None or mark is None else held.middle * mark,
        dust=exposure.dust(ledger, policy, asset),
    )


def _instrument(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> InstrumentStatement:
    state = ledger.funding.get(instrument)
    quote = ledger.quotes.get(instrument)
    liquidation = margin.liquidation(ledger, policy, instrument)
    share = None if ledger.allocated is None else ledger.allocated.shares.get(instrument)
    notional, interest = exposure.notional(ledger, policy, instrument), allowances.open_interest_usd(ledger, policy, instrument)
    return InstrumentStatement(
        instrument=instrument,
        venue=ledger.venue_of(instrument),
        asset=ledger.instruments[instrument].base,
        position=exposure.position(ledger, instrument),
        target=ledger.targets.get(instrument),
        mark=exposure.mark_of(ledger, instrument),
        notional_usd=notional,
        funding_annual=known_annual(ledger, policy, instrument, now),
        funding_interval_ms=state.interval_ms if state else None,
        funding_flipped=state.flipped if state else False,
        quote_at=quote.book_at if quote else None,
        liquidation_price=liquidation.price if liquidation else None,
        liquidation_distance=_finite(liquidation.distance) if liquidation else None,
        position_units=exposure.position_units(ledger, instrument),
        target_limits=share.limits if share else (),
        open_interest_usd=interest,
        open_interest_share=None if notional is None or not interest else notional / interest,
    )


def _venue(ledger: Ledger, policy: Policy, venue: VenueId, required: Decimal | None, now: Millis) -> VenueStatement:
    record = ledger.venues.get(venue) or VenueRecord()
    here = [i for i in exposure.instruments_in_book(ledger, policy) if ledger.venue_of(i) == venue]
    notional = exposure.venue_notional(ledger, policy, venue)
    orders = [o for o in ledger.open_orders() if ledger.venue_of(o.instrument) == venue]
    doubts = sum(1 for o in orders if o.state is OrderState.IN_DOUBT)
    return VenueStatement(
        venue=venue,
        link=record.link,
        reconciled=record.reconciled,
        reported_at=record.reported_at,
        clock_offset_ms=record.clock_offset_ms,
        notional_usd=notional,
        venue_share=None if notional is None or not required else notional / required,
        margin_balance_usd=margin.margin_balance(ledger, policy, venue),
        margin_ratio=margin.margin_ratio(ledger, policy, venue),
        funding_annual=weighted_annual(ledger, policy, here, now),
        orders_working=len(orders) - doubts + len(record.taken_orders),
        orders_in_doubt=doubts,
        trading=_state(ledger, venue),
        maintenance_margin_usd=margin.maintenance_now(ledger, policy, venue),
        margin_buffer=_finite(margin.buffer(ledger, policy, venue)),
        liquidation_distance=_finite(margin.joint_distance(ledger, policy, venue)),
    )


def _finite(figure: Decimal | None) -> Decimal | None:
    """What has no end is no figure to show."""
    return figure if figure is not None and figure.is_finite() else None


def _holding(holding: Holding) -> CollateralStatement:
    return CollateralStatement(
        source=holding.source,
        location=holding.location,
        asset=holding.asset,
        quantity=holding.quantity,
        redemption_rate=holding.redemption_rate,
        observed_at=holding.observed_at,
    )
