"""Why a decision was taken: the numbers it was made on, worked out again from the ledger and the quotes that it had. Nothing here decides.

For people who ask afterwards. Every figure is what the target, the drafting of orders and the last gate used; a figure that was not known
is None. Quantities are base units and shorts are > 0 unless a name says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from bot.core import allowances, exposure, gate_checks, margin, netting, risk, target, target_problem, trading, traffic, working
from bot.core.commands import PlaceOrder
from bot.core.drafting import entered_as_recorded
from bot.core.engine import looked_at, step
from bot.core.events import DecisionDue, Quote, VenueLink
from bot.core.funding import known_annual
from bot.core.limits import Limit
from bot.core.order import Order
from bot.core.overriding import expired, in_force
from bot.core.policy import Policy
from bot.core.precision import COUNTING
from bot.core.records import Ledger, VenueRecord
from bot.core.target import Plan
from bot.core.target_problem import Question
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis, Range, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetNumbers:
    """One asset: what is held, what is short (as ranges), and the edges of its no-trade band. `gap` (> 0: more short) is hedged now."""

    asset: Asset
    mark: Decimal | None
    collateral: Range | None
    coin_equity: Decimal | None
    position: Range | None
    net_delta: Range | None
    soft_edge: Decimal | None
    hard_edge: Decimal | None
    gap: Decimal
    urgency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LegNumbers:
    """One instrument: the quote used, what it carried and should carry, and what kept it from more or from taking an order at all.

    `given_up`: its place (1 first) among those of its asset that are short, were less short needed: `passed` names the limits on margin and
    the caps that are passed there, which come first; then the least `worth_annual` does: what a dollar of its short is worth a year, carry
    and what closing it would cost.
    """

    instrument: InstrumentId
    asset: Asset
    quote: Quote | None
    carried: Decimal | None
    target: Decimal | None
    most: Decimal | None
    limits: tuple[str, ...]
    blocked: tuple[str, ...]
    funding_annual: Decimal | None
    given_up: int | None = None
    passed: tuple[str, ...] = ()
    worth_annual: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueNumbers:
    """One venue: its link, whether it agreed, how old its last reading was (ms), and its trading state."""

    venue: VenueId
    link: VenueLink
    reconciled: bool
    read_ms_ago: Millis | None
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One figure that the last gate held an order to, the order counted in. `is_least`: `allowed` is the least, not the most."""

    limit: Limit
    subject: str
    observed: Decimal | None
    allowed: Decimal | None
    detail: str = ""
    is_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNumbers:
    """One order of the decision, why it was drafted, the middle of the book then, and what the last gate held it to."""

    command: PlaceOrder
    reason: str
    arrival_mid: Decimal | None
    checks: tuple[Checked, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision and its numbers. `says` are the sentences that it told people; `differs`: this version would decide otherwise."""

    at: Millis
    epoch: str
    state: str
    assets: tuple[AssetNumbers, ...]
    legs: tuple[LegNumbers, ...]
    venues: tuple[VenueNumbers, ...]
    orders: tuple[OrderNumbers, ...]
    says: tuple[str, ...]
    differs: bool


def explained(ledger: Ledger, event: DecisionDue, policy: Policy, recorded: Sequence[PlaceOrder]) -> Decision:
    """The numbers of a decision that was taken on `ledger`, with the orders that were recorded of it."""
    with localcontext(COUNTING):
        return _explained(ledger, event, policy, recorded)


def _explained(ledger: Ledger, event: DecisionDue, policy: Policy, recorded: Sequence[PlaceOrder]) -> Decision:
    ledger = expired(ledger, event.at)
    policy = in_force(ledger, policy)
    now = event.at
    seen, *_ = looked_at(ledger, event, policy)
    planned = working.as_if_withdrawn(seen)
    plans, question = target.targets_for(planned, policy, now).plans, target_problem.question_of(planned, policy, now)
    taken = step(ledger, event, policy)
    decided = tuple(c for c in taken.commands if isinstance(c, PlaceOrder))
    assets = {plan.asset: plan for plan in plans}
    return Decision(
        at=now,
        epoch=ledger.epoch,
        state=risk.trading_state(seen, policy).value,
        assets=tuple(_asset(seen, policy, plan) for plan in plans),
        legs=tuple(
            _leg(seen, policy, assets.get(listed.base), question, instrument, now)
            for instrument, listed in sorted(seen.instruments.items())
            if instrument in policy.instruments or instrument in seen.occupied
        ),
        venues=tuple(_venue(seen, v, now) for v in exposure.venues_in_book(seen, policy)),
        orders=tuple(_order(seen, taken.ledger, policy, recorded, number, now) for number in range(len(recorded))),
        says=tuple(f"{n.subject}: {n.sentence}" for n in taken.ledger.notes if n.at == now and n not in ledger.notes),
        differs=decided != tuple(recorded),
    )


def _asset(ledger: Ledger, policy: Policy, plan: Plan) -> AssetNumbers:
    asset = plan.asset
    return AssetNumbers(
        asset=asset,
        mark=exposure.mark_of_asset(ledger, policy, asset),
        collateral=exposure.collateral(ledger, policy, asset),
        coin_equity=exposure.coin_equity(ledger, policy, asset),
        position=exposure.position_of_asset(ledger, policy, asset),
        net_delta=exposure.net_delta(ledger, policy, asset),
        soft_edge=exposure.rebalance_threshold(ledger, policy, asset),
        hard_edge=exposure.hard_threshold(ledger, policy, asset),
        gap=plan.gap,
        urgency=netting.urgency_of(ledger, policy, asset, ledger.decided_at or 0).name.lower().replace("_", " "),
    )


def _leg(ledger: Ledger, policy: Policy, plan: Plan | None, question: Question, instrument: InstrumentId, now: Millis) -> LegNumbers:
    shares = plan.allocation.shares if plan is not None and plan.allocation is not None else ()
    share = next((s for s in shares if s.instrument == instrument), None)
    slot = next((s for s in (plan.slots if plan is not None else ()) if s.instrument == instrument), None)
    carried = exposure.recorded(ledger, instrument)
    leg = question.legs.get(instrument)
    own = [each for each in question.legs.values() if leg is not None and each.asset == leg.asset and each.short > ZERO]
    short = sorted(own, key=lambda each: each.order)
    blocked = [b.sentence() for b in (plan.blocked if plan is not None else ()) if b.subject == instrument]
    return LegNumbers(
        instrument=instrument,
        asset=ledger.instruments[instrument].base,
        quote=ledger.quotes.get(instrument),
        carried=None if carried is None else -carried + ZERO,
        target=None if share is None else share.short,
        most=None if slot is None else slot.most,
        limits=() if share is None else tuple(sorted({f"{b.limit} of {b.subject}" for b in share.limits})),
        blocked=tuple(blocked),
        funding_annual=known_annual(ledger, policy, instrument, now),
        given_up=next((place for place, each in enumerate(short, 1) if each is leg), None),
        passed=() if leg is None else tuple(sorted({each.limit.value for each in leg.passed})),
        worth_annual=None if leg is None else leg.carry + leg.closes,
    )


def _venue(ledger: Ledger, venue: VenueId, now: Millis) -> VenueNumbers:
    record = ledger.venues.get(venue) or VenueRecord()
    return VenueNumbers(
        venue=venue,
        link=record.link,
        reconciled=record.reconciled,
        read_ms_ago=None if record.reported_at is None else now - record.reported_at,
        state=trading.state_of(ledger, venue).value,
    )


def _order(seen: Ledger, after: Ledger, policy: Policy, recorded: Sequence[PlaceOrder], number: int, now: Millis) -> OrderNumbers:
    """The numbers of one of the orders: those before it of the same decision count, as they did at the gate."""
    command = recorded[number]
    ledger = entered_as_recorded(seen, recorded[:number], now)
    entered = after.orders.get(command.client_order_id)
    order = entered or entered_as_recorded(seen, [command], now).orders[command.client_order_id]
    checks = _held_to(ledger, policy, order, now) if order.instrument in ledger.instruments else ()
    return OrderNumbers(command=command, reason=order.reason, arrival_mid=order.arrival_mid, checks=checks)


def _held_to(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> tuple[Checked, ...]:
    instrument, venue = order.instrument, ledger.venue_of(order.instrument)
    mark = exposure.mark_of(ledger, instrument)
    value = gate_checks.value_at_mark(ledger, order)
    sent = traffic.orders_in_window(ledger, policy, venue, now) + 1
    sent_max = policy.order_rate_max if order.reduce_only else traffic.part_for_increases(policy.order_rate_max)
    away = None if mark is None else abs(order.price - mark) / mark
    found = [
        Checked(limit=Limit.PRICE_COLLAR, subject=instrument, observed=away, allowed=policy.price_collar, detail="from mark"),
        Checked(limit=Limit.ORDER_NOTIONAL, subject=instrument, observed=value, allowed=policy.order_notional_max, detail="USD"),
        Checked(limit=Limit.ORDER_RATE, subject=venue, observed=Decimal(sent), allowed=Decimal(sent_max), detail="orders in the window"),
    ]
    return tuple(found) if order.reduce_only else (*found, *_increase_held_to(ledger, policy, order, value, now))


def _increase_held_to(ledger: Ledger, policy: Policy, order: Order, value: Decimal, now: Millis) -> list[Checked]:
    instrument, venue = order.instrument, ledger.venue_of(order.instrument)
    second = risk.second_source(ledger, policy, instrument, now)
    worse = None if second is None else (second - order.price) / second * (ONE if order.quantity < ZERO else -ONE)
    rated = traffic.notional_in_window(ledger, policy, venue, now) + traffic.value_of(ledger, order, order.price)
    found = [
        Checked(limit=Limit.PRICE_COLLAR, subject=instrument, observed=worse, allowed=policy.price_collar, detail="worse than others"),
        Checked(limit=Limit.NOTIONAL_RATE, subject=venue, observed=rated, allowed=policy.notional_rate_max, detail="USD in the window"),
    ]
    for cap in allowances.of_increase(ledger, policy, instrument):
        used = None if cap.used is None else cap.used + value
        found.append(Checked(limit=cap.limit, subject=cap.subject, observed=used, allowed=cap.allowed, detail=cap.detail))
    account = margin.account_after(ledger, policy, instrument, order.quantity)
    if account is not None:
        buffer, least = account.margin_buffer, policy.margin_buffer_target
        if ledger.instruments[instrument].is_inverse:
            least = policy.inverse_buffer_target
        ratio, distance = account.margin_ratio, account.joint_distance
        found += [
            Checked(limit=Limit.MARGIN_RATIO, subject=venue, observed=ratio, allowed=policy.margin_ratio_max),
            Checked(limit=Limit.MARGIN_BUFFER, subject=venue, observed=buffer, allowed=least, is_least=True),
            Checked(
                limit=Limit.LIQUIDATION_DISTANCE,
                subject=venue,
                observed=distance,
                allowed=policy.liquidation_distance_target,
                is_least=True,
            ),
        ]
    return found
