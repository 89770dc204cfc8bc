"""target - position - working - in doubt = child orders, and at what price they go.

The quantity of an asset's orders is never "deposit -> short that much": it is the point of the net-delta range nearest to zero, so what
is in flight or in doubt is counted as done for the side it is on and as nothing for the other. What may wait rests post-only at the near
touch (see `working`); what may not is an IOC limit that reaches `slippage_max` through the touch, never beyond the collar from mark.
Each is a slice: no more than the order limit, than a multiple of what the touch shows, than a part of what others trade. Rounding is
toward zero: never more than was decided; what remains below a lot is dust, told and left alone.

A change of venue has two legs, one after the other. First the increasing one, in slices that over-hedge the book by no more than the
hard band or one slice; then, in later decisions, the reducing one, up to what certain fills have over-hedged, also inside the no-trade
band. So a leg that fills nothing, is refused or goes unanswered opens no delta. Beside an order of which nobody knows what became only
what is certain is hedged: a move that no limit asks for begins no further. Only where every increase is refused for room that the
reduction would free does a slice of the reduction go first, inside the hard band; and what a plan gives up goes without any. A gap does
not wait for room that a move would free: where the two together are refused, it goes alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import exposure, gate, questions, risk, working
from bot.core.band import Urgency
from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.copying import replace
from bot.core.drafting import draft, slice_breach
from bot.core.ledger import put
from bot.core.limits import Breach, Limit
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target import Grade, Plan
from bot.core.units import ONE, ZERO, Asset, InstrumentId, Millis
from bot.core.working import Style


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The orders of one decision, entered in the ledger, with the refusals of the last gate."""

    ledger: Ledger
    commands: tuple[PlaceOrder, ...]
    refused: tuple[Breach, ...]


def place_orders(ledger: Ledger, policy: Policy, plan: Plan, now: Millis) -> Placement:
    """Turns a plan into orders: increases first, then reductions as far as certain fills allow."""
    legs = legs_of(ledger, policy, plan, now)
    others = _stand_by(legs, plan, selling=True) if legs.increases else ()
    up = _send(ledger, policy, plan, {**dict.fromkeys(others, ZERO), **legs.increases}, legs.rooms, now, is_move=legs.is_move)
    if legs.is_move and not up.commands and (alone := _scaled(legs.increases, legs.gap_max)):
        up = _send(ledger, policy, plan, {**legs.standby, **alone}, legs.rooms, now, is_move=False)
    if legs.is_move and not up.commands and _is_without_way(ledger, legs, up.refused):
        legs = replace(legs, reductions=_scaled(legs.leaving, legs.first_max))
    held = {i: legs.holds[i] for i in (*legs.reductions, *_stand_by(legs, plan, selling=False))}
    wanted = {i: -legs.reductions.get(i, ZERO) for i in held} if legs.reductions else {}
    down = _send(up.ledger, policy, plan, wanted, held, now, is_move=legs.is_move)
    return Placement(ledger=down.ledger, commands=up.commands + down.commands, refused=up.refused + down.refused)


def withdraw(ledger: Ledger, policy: Policy, plan: Plan, now: Millis) -> tuple[Ledger, tuple[CancelOrder, ...]]:
    """Cancels what rests on an asset's instruments and may not stay. `plan` was made as if nothing rested there."""
    instruments = exposure.instruments_of(ledger, policy, plan.asset)
    rests = working.resting(ledger, instruments)
    if not rests:
        return ledger, ()
    legs = legs_of(working.as_if_withdrawn(ledger, instruments), policy, plan, now, first=rests)
    commands: list[CancelOrder] = []
    for order in rests:
        wanted = legs.reductions.get(order.instrument, ZERO) - legs.increases.get(order.instrument, ZERO)
        selling = order.quantity < ZERO
        course, others = _course(ledger, policy, plan, now, selling=selling), _stand_by(legs, plan, selling=selling)
        reason = working.reason_to_withdraw(ledger, policy, order, wanted, course, now, stands_by=order.instrument in others)
        if reason is not None:
            ledger, cancels = questions.cancel(ledger, policy, order, now)
            commands.extend(cancels)
    return ledger, tuple(commands)


def _stand_by(legs: Legs, plan: Plan, *, selling: bool) -> Collection[InstrumentId]:
    """Instruments that take of a gap what rounding or a refusal leaves over where it should go."""
    if selling:
        return () if legs.is_move else legs.standby.keys()
    return legs.holds.keys() if plan.gap < ZERO else ()


def withdraw_all(ledger: Ledger, policy: Policy, now: Millis, planned: Collection[Asset] = ()) -> tuple[Ledger, tuple[CancelOrder, ...]]:
    """Cancels everything that rests on instruments of no `planned` asset: nobody works it any more."""
    commands: list[CancelOrder] = []
    for order in working.resting(ledger):
        if ledger.instruments[order.instrument].base not in planned:
            ledger, cancels = questions.cancel(ledger, policy, order, now)
            commands.extend(cancels)
    return ledger, tuple(commands)


@dataclass(frozen=True, slots=True, kw_only=True)
class Legs:
    """What a plan may send now, base units of short per instrument, all >= 0.

    `standby`: others with room, for what rounding or a refusal leaves over. `rooms`, `holds` (<= 0): the most that an instrument takes
    and gives. `leaving`: what a move takes away; `first_max`: how much of it may go before its increase; `gap_max`: how much of the
    increases hedges what is open now.
    """

    increases: Mapping[InstrumentId, Decimal]
    reductions: Mapping[InstrumentId, Decimal]
    standby: Mapping[InstrumentId, Decimal]
    rooms: Mapping[InstrumentId, Decimal]
    holds: Mapping[InstrumentId, Decimal]
    leaving: Mapping[InstrumentId, Decimal]
    is_move: bool
    first_max: Decimal
    gap_max: Decimal


NO_LEGS = Legs(increases={}, reductions={}, standby={}, rooms={}, holds={}, leaving={}, is_move=False, first_max=ZERO, gap_max=ZERO)


def legs_of(ledger: Ledger, policy: Policy, plan: Plan, now: Millis, first: Sequence[Order] = ()) -> Legs:
    """What may be sent for a plan, with what is in flight counted in. `first`: whose instruments are served before the others."""
    net = exposure.net_delta(ledger, policy, plan.asset)
    if plan.allocation is None or net is None:
        return NO_LEGS
    free = {s.instrument: s for s in plan.slots if not ledger.is_live(s.instrument)}
    changes = {s.instrument: s.short - free[s.instrument].short for s in plan.allocation.shares if s.instrument in free}
    if not any(changes.values()):
        return NO_LEGS
    served = frozenset(o.instrument for o in first)
    rise = {i: c for i, c in changes.items() if c > ZERO}
    leaving = {i: -c for i, c in changes.items() if c < ZERO}
    hard = exposure.hard_threshold(ledger, policy, plan.asset) or ZERO
    is_move = _may_move(ledger, policy, leaving, now) or _is_under_way(ledger, policy, plan)
    rise_max, fall_max = max(ZERO, min(net.low, plan.gap)), max(ZERO, min(-net.high, -plan.gap))
    if is_move:
        one_slice = policy.order_notional_max / (exposure.mark_of_asset(ledger, policy, plan.asset) or ONE)
        rise = {i: min(c, one_slice) for i, c in rise.items()}
        beyond = ZERO if _waits_for_answers(ledger, policy, plan, leaving) else max(hard, one_slice)
        rise_max, fall_max = max(ZERO, net.low + beyond), max(ZERO, -net.high)
    if plan.gap < ZERO and plan.urgency is Urgency.AT_ONCE:
        rise_max = ZERO  # first what the latest slice of a move left to do
    fall_max += plan.given_up
    return Legs(
        increases=_scaled(rise, rise_max, served),
        reductions=_scaled(leaving, fall_max, served),
        # For a gap alone: a change of venue that goes elsewhere than where it was worked out to go is worth nothing.
        standby={i: ZERO for i, s in free.items() if plan.gap > ZERO and s.grade is Grade.PREFERRED and s.most > s.short},
        rooms={i: s.most - s.short for i, s in free.items()},
        holds={i: -s.short for i, s in free.items() if s.short > ZERO and changes[i] <= ZERO},
        leaving=leaving,
        is_move=is_move,
        first_max=max(ZERO, hard - net.high) if plan.gap == ZERO else ZERO,
        gap_max=max(ZERO, min(net.low, plan.gap)),
    )


def _may_move(ledger: Ledger, policy: Policy, leaving: Mapping[InstrumentId, Decimal], now: Millis) -> bool:
    """Whether hedges may change venue now: the book is active, it is more than a trifle (USD), and the other leg could leave."""
    if risk.trading_state(ledger, policy) is not risk.TradingState.ACTIVE:
        return False
    value = sum((q * (exposure.mark_of(ledger, i) or ZERO) for i, q in leaving.items()), ZERO)
    if value < policy.venue_move_notional_min:
        return False
    return any(not risk.keeps_failing(ledger, policy, i, now) for i in leaving)


def _waits_for_answers(ledger: Ledger, policy: Policy, plan: Plan, leaving: Collection[InstrumentId]) -> bool:
    """Whether a move that no limit asks for waits: of an order of its asset nobody knows what became. One that comes late would stand
    beside the first leg of the move."""
    shares = plan.allocation.shares if plan.allocation is not None else ()
    if any(s.limits for s in shares if s.instrument in leaving):
        return False
    orders = (o for i in exposure.instruments_of(ledger, policy, plan.asset) for o in ledger.open_orders(i))
    return any(o.state in (OrderState.PENDING_NEW, OrderState.IN_DOUBT) for o in orders)


def _is_under_way(ledger: Ledger, policy: Policy, plan: Plan) -> bool:
    """Whether a leg of a change of venue is on its way, so that the other still belongs to it."""
    if risk.trading_state(ledger, policy) is not risk.TradingState.ACTIVE:
        return False
    return any(not order.is_resting for i in plan.moves for order in ledger.open_orders(i))


FREED_BY_REDUCING = frozenset(
    (
        Limit.VENUE_SHARE,
        Limit.GROSS_NOTIONAL,
        Limit.INSTRUMENT_NOTIONAL,
        Limit.OPEN_INTEREST_SHARE,
        Limit.LEVERAGE,
        Limit.MARGIN_RATIO,
        Limit.MARGIN_BUFFER,
        Limit.LIQUIDATION_DISTANCE,
    )
)
"""Limits under which the reducing leg of a move makes the room that its increasing leg needs."""
FREED_AT_ITS_VENUE = FREED_BY_REDUCING - {Limit.GROSS_NOTIONAL, Limit.OPEN_INTEREST_SHARE}
"""Of those, the ones of a venue or an instrument: only what leaves there frees it."""


def _is_without_way(ledger: Ledger, legs: Legs, refused: Sequence[Breach]) -> bool:
    """Whether the increase of a move has no room before its reduction frees it: every one refused for that, and nothing under way.

    A venue's share and margin are freed by what leaves the venue itself, not by what leaves another.
    """
    if not legs.increases or not refused or any(b.limit not in FREED_BY_REDUCING for b in refused):
        return False
    venues = {ledger.venue_of(i) for i in legs.leaving}
    if any(b.limit in FREED_AT_ITS_VENUE and b.subject not in venues for b in refused):
        return False
    bases = {ledger.instruments[i].base for i in legs.rooms}
    return not any(ledger.instruments[o.instrument].base in bases for o in ledger.open_orders())


def _scaled(parts: Mapping[InstrumentId, Decimal], total: Decimal, served: Collection[InstrumentId] = ()) -> dict[InstrumentId, Decimal]:
    """Positive parts cut down so that they sum to at most `total`: those `served` before come first, then the largest."""
    left, cut = total, {}
    for instrument, part in sorted(parts.items(), key=lambda item: (item[0] not in served, -item[1], item[0])):
        cut[instrument] = min(part, left)
        left -= cut[instrument]
    return {i: c for i, c in cut.items() if c > ZERO}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sent:
    ledger: Ledger
    commands: tuple[PlaceOrder, ...]
    refused: tuple[Breach, ...]


def _send(
    ledger: Ledger,
    policy: Policy,
    plan: Plan,
    changes: Mapping[InstrumentId, Decimal],
    room: Mapping[InstrumentId, Decimal],
    now: Millis,
    *,
    is_move: bool,
) -> _Sent:
    """Sends changes of short (> 0: sell) of one sign, coarse lots first; what rounding left of one is tried on the next, and what is left
    of all on those that stand by."""
    if not changes:
        return _Sent(ledger=ledger, commands=(), refused=())
    carry = ZERO
    commands: list[PlaceOrder] = []
    refused: list[Breach] = []
    selling = any(c > ZERO for c in changes.values())
    course = _course(ledger, policy, plan, now, selling=selling)
    for instrument in sorted(changes, key=lambda i: (changes[i] == ZERO, -_lot_in_base(ledger, i), i)):
        manner = working.manner_of(ledger, policy, course, instrument, now)
        if manner.style is Style.PASSIVE and working.waits(ledger, policy, instrument, now, selling=selling):
            continue
        due = changes[instrument] + carry
        wanted = min(due, room[instrument]) if selling else max(due, room[instrument])
        reason = f"{_purpose(plan, selling=selling, is_move=is_move)}; {manner.style.value}: {manner.why}"
        order, command = draft(ledger, policy, instrument, -wanted, now, reason, manner)
        if order is None or command is None:
            breach = slice_breach(ledger, policy, instrument, -wanted, now, manner)
        else:
            breach = gate.order_breach(ledger, policy, order, now)
        if breach is not None:
            refused.append(breach)
        if breach is not None or order is None or command is None:
            carry = due
            continue
        ledger = ledger.with_order(put(ledger.orders, order.client_order_id, order), order, order_number=ledger.order_number + 1)
        commands.append(command)
        left = due + _in_base(ledger, order)
        carry = left if abs(left) < _least_in_base(ledger, instrument) else ZERO  # more than dust: a slice, sent next time
    return _Sent(ledger=ledger, commands=tuple(commands), refused=tuple(refused))


def _course(ledger: Ledger, policy: Policy, plan: Plan, now: Millis, *, selling: bool) -> working.Course:
    instruments = exposure.instruments_of(ledger, policy, plan.asset)
    return working.course_of(ledger, policy, instruments, plan.urgency, now, selling=selling, is_gap=plan.gap != ZERO)


def _in_base(ledger: Ledger, order: Order) -> Decimal:
    """Signed base units of an order at the mark it was decided on."""
    return ledger.instruments[order.instrument].base_of(order.quantity, exposure.mark_of(ledger, order.instrument) or ONE)


def _lot_in_base(ledger: Ledger, instrument: InstrumentId) -> Decimal:
    listed = ledger.instruments[instrument]
    return listed.to_base(listed.lot, exposure.mark_of(ledger, instrument) or ONE)


def _least_in_base(ledger: Ledger, instrument: InstrumentId) -> Decimal:
    listed = ledger.instruments[instrument]
    mark = exposure.mark_of(ledger, instrument) or ONE
    return listed.to_base(listed.tradable_contracts_min(mark), mark)


def _purpose(plan: Plan, *, selling: bool, is_move: bool) -> str:
    """What an order is for. Only what is bought back is given up: beside it an increase closes the gap, or is the first leg of a move."""
    words = [f"net delta {plan.gap:+f}"] if plan.gap != ZERO else []
    words += ["given up for want of margin"] if plan.given_up > ZERO and not selling else ["change of venue"] if is_move else []
    return f"{plan.asset}: {', '.join(words)}"
