"""A statement of the book: every figure that people, metrics and reports may read, computed from the ledger in one place.

Nothing here decides. Unknown figures are None. Units: base units unless a name says `_usd`, `_bps` or a ratio; ratios are fractions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import execution, exposure, margin, risk
from bot.core.events import VenueLink
from bot.core.order import OrderState
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Holding, Ledger, VenueRecord
from bot.core.units import BPS, ONE, ZERO, Asset, ClientOrderId, InstrumentId, Millis, Range, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStatement:
    """One hedged asset. `hedge_ratio` = short / collateral at the middle of both ranges; `net_delta_bps` is of collateral."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentStatement:
    """One perpetual. `funding_annual` is the smoothed rate (> 0: shorts receive); `target` the signed quantity last decided."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueStatement:
    """One venue. `margin_ratio` = maintenance margin / margin balance (0 safe, 1 liquidation)."""

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
class BookStatement:
    """The whole book at one instant. Counters (`orders_by_outcome`, fees, funding) grow over the life of the journal."""

    at: Millis
    epoch: str
    trading_state: str
    ready: bool
    assets: tuple[AssetStatement, ...]
    instruments: tuple[InstrumentStatement, ...]
    venues: tuple[VenueStatement, ...]
    collateral: tuple[CollateralStatement, ...]
    breaches: tuple[Breach, ...]
    decisions: tuple[DecisionStatement, ...]
    orders_by_outcome: Mapping[str, int]
    breaks_by_cause: Mapping[str, int]
    fills: int
    fees_usd: Decimal
    funding_usd: Decimal
    funding_usd_by_venue: Mapping[VenueId, Decimal]
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


def statement_of(ledger: Ledger, policy: Policy, now: Millis) -> BookStatement:
    """The statement of a ledger at `now`. Pure, and cheap enough to make once a second."""
    doubts = [o for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT]
    oldest = min((o.doubted_at for o in doubts if o.doubted_at is not None), default=None)
    assets = tuple(_asset(ledger, policy, a) for a in exposure.assets_in_book(ledger, policy))
    required = exposure.required_notional(ledger, policy)
    usd = _sum_ranges([a.net_delta_usd for a in assets])
    collateral_usd = sum((a.collateral_usd or ZERO for a in assets), ZERO)
    tallies = ledger.tallies
    return BookStatement(
        at=now,
        epoch=ledger.epoch,
        trading_state=risk.trading_state(ledger, policy, now).value,
        ready=is_ready(ledger, policy, now),
        assets=assets,
        instruments=tuple(_instrument(ledger, policy, i) for i in sorted(ledger.instruments)),
        venues=tuple(_venue(ledger, policy, v, required) for v in exposure.venues_in_book(ledger, policy)),
        collateral=tuple(_holding(h) for (source, *_), h in sorted(ledger.holdings.items()) if source in policy.collateral_sources),
        breaches=breaches(ledger, policy, now),
        decisions=tuple(
            DecisionStatement(at=n.at, kind=n.kind, subject=n.subject, sentence=n.sentence, order=n.order) for n in ledger.notes
        ),
        orders_by_outcome=tallies.orders_by_outcome,
        breaks_by_cause=tallies.breaks_by_cause,
        fills=tallies.fills,
        fees_usd=tallies.fees_usd,
        funding_usd=tallies.funding_usd,
        funding_usd_by_venue=tallies.funding_usd_by_venue,
        filled_notional_usd=tallies.filled_notional_usd,
        slippage_usd=tallies.slippage_usd,
        gross_notional_usd=exposure.gross_notional(ledger, policy),
        required_notional_usd=required,
        net_delta_usd=usd,
        net_delta_bps=None if usd is None or collateral_usd == ZERO else usd.times(ONE / collateral_usd / BPS),
        settle_exposure_usd=margin.settle_exposure(ledger),
        orders_in_doubt=len(doubts),
        oldest_doubt_ms=None if oldest is None else now - oldest,
        invariants_broken=ledger.invariants_broken,
    )


def is_ready(ledger: Ledger, policy: Policy, now: Millis) -> bool:
    """Whether everything configured was heard in this run: each source has told all it has, each venue was read and agreed once."""
    if not policy.collateral_sources <= ledger.sources_confirmed_at.keys() or risk.is_within_earlier_life(ledger, policy, now):
        return False
    records = [ledger.venues.get(v) for v in sorted({ledger.venue_of(i) for i in policy.instruments})]
    return all(r is not None and r.agreed_at is not None and r.agreed_at >= ledger.started_at for r in records)


def breaches(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """Every limit that binds or is broken now, each (limit, subject) once."""
    found = list(risk.state_breaches(ledger, policy, now))
    hedged = exposure.hedged_assets(policy)
    for venue in exposure.venues_in_book(ledger, policy):
        found.extend(risk.venue_breaches(ledger, policy, venue, now))
    for asset in exposure.assets_in_book(ledger, policy):
        breach = risk.delta_breach(ledger, policy, asset)
        if breach is not None:
            found.append(breach)
        if asset in hedged:
            found.extend(execution.shortfalls(execution.plan_asset(ledger, policy, asset, now)))
        for instrument in exposure.instruments_of(ledger, policy, asset):
            unnamed = risk.unnamed_breach(ledger, policy, instrument)
            if unnamed is not None:
                found.append(unnamed)
            blocked = risk.instrument_breach(ledger, policy, instrument, now)
            if blocked is not None:
                found.append(blocked)
            state = ledger.funding.get(instrument)
            if state is not None and state.flipped:
                found.append(Breach(Limit.FUNDING_FLIP, instrument, state.annual, policy.funding_flip_exit))
    return tuple({(b.limit, b.subject): b for b in found}.values())


def _sum_ranges(ranges: Sequence[Range | None]) -> Range | None:
    total = Range.exactly(ZERO)
    for part in ranges:
        if part is None:
            return None
        total = total + part
    return total


def _asset(ledger: Ledger, policy: Policy, asset: Asset) -> AssetStatement:
    held = exposure.collateral(ledger, policy, asset)
    short = exposure.position_of_asset(ledger, policy, asset)
    net = exposure.net_delta(ledger, policy, asset)
    mark = exposure.mark_of_asset(ledger, policy, asset)
    band = exposure.rebalance_threshold(ledger, policy, asset)
    bps = None
    if net is not None and held is not None and held.middle > ZERO:
        bps = net.times(ONE / held.middle / BPS)
    ratio = None
    if held is not None and short is not None and held.middle > ZERO:
        ratio = -short.middle / held.middle
    return AssetStatement(
        asset=asset,
        mark=mark,
        collateral=held,
        position=short,
        net_delta=net,
        net_delta_usd=None if net is None or mark is None else net.times(mark),
        net_delta_bps=bps,
        hedge_ratio=ratio,
        collateral_usd=None if held is None or mark is None else held.middle * mark,
        in_band=None if net is None or band is None else abs(net.worst) <= band,
    )


def _instrument(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> InstrumentStatement:
    state = ledger.funding.get(instrument)
    quote = ledger.quotes.get(instrument)
    return InstrumentStatement(
        instrument=instrument,
        venue=ledger.venue_of(instrument),
        asset=ledger.instruments[instrument].base,
        position=exposure.position(ledger, instrument),
        target=ledger.targets.get(instrument),
        mark=exposure.mark_of(ledger, instrument),
        notional_usd=exposure.notional(ledger, policy, instrument),
        funding_annual=state.annual if state else None,
        funding_interval_ms=state.interval_ms if state else None,
        funding_flipped=state.flipped if state else False,
        quote_at=quote.book_at if quote else None,
    )


def _venue(ledger: Ledger, policy: Policy, venue: VenueId, required: Decimal | None) -> VenueStatement:
    record = ledger.venues.get(venue) or VenueRecord()
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
        margin_balance_usd=margin.margin_balance(ledger, venue),
        margin_ratio=margin.margin_ratio(ledger, venue),
        funding_annual=_venue_funding(ledger, policy, venue),
        orders_working=len(orders) - doubts,
        orders_in_doubt=doubts,
    )


def _venue_funding(ledger: Ledger, policy: Policy, venue: VenueId) -> Decimal | None:
    """The venue's annual rates weighted by what we are short there; the plain mean while we are flat."""
    weighted, weights, plain = ZERO, ZERO, []
    for instrument in exposure.instruments_in_book(ledger, policy):
        state = ledger.funding.get(instrument)
        if ledger.venue_of(instrument) != venue or state is None or state.annual is None:
            continue
        plain.append(state.annual)
        weight = exposure.notional(ledger, policy, instrument) or ZERO
        weighted, weights = weighted + weight * state.annual, weights + weight
    if weights > ZERO:
        return weighted / weights
    return sum(plain, ZERO) / len(plain) if plain else None


def _holding(holding: Holding) -> CollateralStatement:
    return CollateralStatement(
        source=holding.source,
        location=holding.location,
        asset=holding.asset,
        quantity=holding.quantity,
        redemption_rate=holding.redemption_rate,
        observed_at=holding.observed_at,
    )
