"""How much of every limit is used: used over allowed, 1 at the limit. For people: nothing here decides.

    at most    used / allowed: notional, shares, rates, ages, deviations
    at least   allowed / used: distance to liquidation, margin buffer, coverage of the reserve

Of several levels the one counts that acts most strongly; of several pools or figures of one subject the worst. What is not known is left
out: absence is not zero. Conditions without a value (a link, a dispute) are told as breaches alone (see `standing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from bot.core import allowances, exposure, holdings, margin, obstacles, reserve, risk, staleness, traffic
from bot.core.limits import Limit
from bot.core.margin_account import pools
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, VenueId

NOT_MEASURED: Mapping[Limit, str] = {
    Limit.ORDER_NOTIONAL: "of one order, at the moment it is drafted",
    Limit.PRICE_COLLAR: "of one order, at the moment it is drafted",
    Limit.DUPLICATE_ORDER: "of one order, at the moment it is drafted",
    Limit.REPEATED_ORDER: "a rest that runs, not a quantity that is used",
    Limit.REST: "a rest that runs, not a quantity that is used",
    Limit.FUNDING_FLIP: "a rate with a sign: told as the instrument's funding",
    Limit.CARRY_FLOOR: "a rate with a sign: told as the asset's carry",
    Limit.SETTLEMENT: "told of settlements that went wrong",
}
"""Limits with a value that have no standing use, and why."""


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit on one subject. `ratio`: used over allowed, never negative; beyond 1 it is broken."""

    limit: Limit
    subject: str
    ratio: Decimal


def uses(ledger: Ledger, policy: Policy, now: Millis) -> tuple[LimitUse, ...]:
    """Every limit that has a value, with how much of it is used, as far as it is known; each (limit, subject) once, at its worst."""
    worst: dict[tuple[Limit, str], Decimal] = {}
    for limit, subject, ratio in _all(ledger, policy, now):
        if ratio is not None:
            key = (limit, subject)
            worst[key] = max(worst.get(key, ZERO), ratio)
    return tuple(LimitUse(limit, subject, ratio) for (limit, subject), ratio in worst.items())


_Use = tuple[Limit, str, Decimal | None]


def _all(ledger: Ledger, policy: Policy, now: Millis) -> Iterator[_Use]:
    yield from ((a.limit, a.subject, a.used_ratio) for a in allowances.all_of(ledger, policy))
    yield from _of_book(ledger, policy, now)
    for asset in exposure.assets_in_book(ledger, policy):
        net, hard = exposure.net_delta(ledger, policy, asset), exposure.hard_threshold(ledger, policy, asset)
        yield Limit.NET_DELTA, asset, _part(None if net is None else abs(net.worst), hard)
        for instrument in exposure.instruments_of(ledger, policy, asset):
            yield from _of_instrument(ledger, policy, instrument, now)
    for venue in exposure.venues_in_book(ledger, policy):
        yield from _of_venue(ledger, policy, venue, now)
        yield from _of_margin(ledger, policy, venue)


def _of_book(ledger: Ledger, policy: Policy, now: Millis) -> Iterator[_Use]:
    for limit, used, allowed, _ in risk.doubts(ledger, policy):
        yield limit, "book", _part(used, allowed)
    gross = exposure.gross_notional(ledger, policy)
    if gross is not None and policy.reserve_fund_usd != ZERO:
        covered = reserve.coverage(policy.reserve_fund_usd, gross * policy.reserve_need_rate)
        yield Limit.RESERVE_COVERAGE, "book", _part(policy.reserve_coverage_min, covered)
    for source in sorted(policy.collateral_sources):
        yield Limit.COLLATERAL_AGE, source, _age(now, staleness.heard_at(ledger, source), policy.collateral_age_max_ms)
    for asset in obstacles.staked_tokens(policy):
        rated = exposure.newest_rated(ledger, policy, asset)
        told_at = None if rated is None else staleness.rate_told_at(ledger, rated)
        yield Limit.RATE_AGE, asset, _age(now, told_at, policy.rate_age_max_ms)
    owned = holdings.known_asset_value(ledger, policy)
    for coin, usd in holdings.settle_exposure(ledger, policy).items():
        yield Limit.SETTLE_EXPOSURE, coin, _share(usd, owned, policy.settle_exposure_max)
    for coin in obstacles.stables_in_book(ledger, policy):
        yield Limit.STABLECOIN_DEPEG, coin, _below_peg(ledger, policy, coin, policy.stablecoin_depeg_max, now)
    for token in obstacles.staked_tokens(policy):
        yield Limit.STAKED_DEPEG, token, _below_peg(ledger, policy, token, policy.staked_depeg_max, now)


def _of_instrument(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> Iterator[_Use]:
    told = allowances.open_interest_usd(ledger, policy, instrument)
    if told is not None:
        yield Limit.ELIGIBILITY, instrument, _part(policy.open_interest_min, told)
    executions = ledger.executions.get(instrument)
    count = Decimal(0 if executions is None else executions.count)
    yield Limit.REPEATED_EXECUTION, instrument, _part(count, Decimal(policy.repeated_executions_max))
    record = ledger.venues.get(ledger.venue_of(instrument))
    rank = None if record is None else record.deleveraging_ranks.get(instrument)
    yield Limit.DELEVERAGING_RANK, instrument, _part(rank, policy.deleveraging_rank_max)
    quote = ledger.quotes.get(instrument)
    if quote is None:
        return
    oldest = None if quote.mark_at is None else min(quote.book_at, quote.mark_at)
    yield Limit.QUOTE_AGE, instrument, _age(now, oldest, policy.quote_age_max_ms)
    second = risk.second_source(ledger, policy, instrument, now)
    if quote.mark is not None and second is not None:
        yield Limit.REFERENCE_DEVIATION, instrument, _part(abs(quote.mark - second) / second, policy.reference_deviation_max)
    if ZERO < quote.bid < quote.ask:
        shown = (quote.bid_quantity or ZERO) * quote.bid + (quote.ask_quantity or ZERO) * quote.ask
        yield Limit.ELIGIBILITY, instrument, _part(policy.touch_notional_min, shown)
        yield Limit.ELIGIBILITY, instrument, _part((quote.ask - quote.bid) * 2 / (quote.ask + quote.bid), policy.spread_max)


def _of_venue(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> Iterator[_Use]:
    orders, most = traffic.orders_in_window(ledger, policy, venue, now), traffic.part_for_increases(policy.order_rate_max)
    messages, all_kinds = traffic.messages_in_window(ledger, policy, venue, now), traffic.part_for_increases(policy.message_rate_max)
    yield Limit.ORDER_RATE, venue, _part(Decimal(orders), Decimal(most))
    yield Limit.NOTIONAL_RATE, venue, _part(traffic.notional_in_window(ledger, policy, venue, now), policy.notional_rate_max)
    yield Limit.MESSAGE_RATE, venue, _part(Decimal(messages), Decimal(all_kinds))
    owned = holdings.known_asset_value(ledger, policy)
    yield Limit.COLLATERAL_SHARE, venue, _share(holdings.standing_at(ledger, policy, venue), owned, policy.collateral_share_max)
    yield Limit.UNSETTLED_PROFIT, venue, _share(obstacles.unsettled_usd(ledger, policy, venue), owned, policy.unsettled_profit_max)
    risked = obstacles.exposure_at_risk_usd(ledger, policy, venue, now)
    yield Limit.EXPOSURE_AT_RISK, venue, _share(risked, owned, policy.exposure_at_risk_max)
    record = ledger.venues.get(venue)
    if record is not None:
        offset = None if record.clock_offset_ms is None else Decimal(abs(record.clock_offset_ms))
        yield Limit.CLOCK_OFFSET, venue, _part(offset, Decimal(policy.clock_offset_max_ms))
        yield Limit.UNRECONCILED, venue, _age(now, record.reported_at, policy.report_age_max_ms)


def _of_margin(ledger: Ledger, policy: Policy, venue: VenueId) -> Iterator[_Use]:
    for pool in pools(ledger, policy, venue):
        figures, (_, least) = margin.figures_of(pool), margin.buffer_limits(policy, pool)
        if figures.margin_balance is not None:
            yield Limit.LEVERAGE, venue, _part(figures.notional, policy.leverage_max * max(figures.margin_balance, ZERO))
        yield Limit.MARGIN_RATIO, venue, _part(figures.margin_ratio, policy.margin_ratio_max)
        yield Limit.MARGIN_BUFFER, venue, _part(least, figures.margin_buffer)
        yield Limit.LIQUIDATION_DISTANCE, venue, _part(policy.liquidation_distance_min, figures.joint_distance)


def _part(used: Decimal | None, allowed: Decimal | None) -> Decimal | None:
    """`used` over `allowed`, None while either is unknown or there is nothing to divide by; what has no end leaves nothing used."""
    if used is None or allowed is None or allowed <= ZERO:
        return None
    return ZERO if allowed.is_infinite() else max(ZERO, used) / allowed


def _share(part: Decimal | None, whole: Decimal | None, most: Decimal) -> Decimal | None:
    return None if part is None or whole is None or whole <= ZERO else _part(part / whole, most)


def _age(now: Millis, at: Millis | None, most: Millis) -> Decimal | None:
    return None if at is None else _part(Decimal(now - at), Decimal(most))


def _below_peg(ledger: Ledger, policy: Policy, coin: Asset, most: Decimal, now: Millis) -> Decimal | None:
    told = ledger.references.get(coin)
    if told is None:
        return None
    too_old = _age(now, told.observed_at, policy.reference_age_max_ms) or ZERO
    return max(_part(ONE - told.price, most) or ZERO, too_old if too_old > ONE else ZERO)
