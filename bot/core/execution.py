"""target - position - working - in doubt = child orders, and at what price they go.

The quantity of an asset's orders is never "deposit -> short that much": it is the point of the net-delta range nearest to zero, so what
is in flight or in doubt is counted as done for the side it is on and as nothing for the other. Orders are IOC limits: they reach
`slippage_max` through the touch, never beyond the collar from mark, and expire at the venue. Rounding is toward zero: never more than
was decided; what remains below a lot is dust, told and left alone.

A change of venue is one decision with two legs. Its reducing leg is never larger than what its increasing leg, after rounding and
after the last gate, really sends: a move may leave delta for an instant, never by plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core import exposure, gate, risk
from bot.core.commands import PlaceOrder
from bot.core.instrument import Instrument
from bot.core.ledger import put
from bot.core.order import Order
from bot.core.policy import Breach, Policy
from bot.core.records import Ledger
from bot.core.target import Allocation, Grade, Slot, allocate
from bot.core.units import ONE, ZERO, Asset, ClientOrderId, InstrumentId, Millis, Range, down_to_step, toward_zero_to_step, up_to_step

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
ORDER_NUMBER_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one asset's decision comes to. `gap` is the certain part of the net delta that is beyond the band (0: leave it)."""

    asset: Asset
    net: Range | None
    gap: Decimal
    slots: tuple[Slot, ...]
    allocation: Allocation | None
    blocked: tuple[Breach, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The orders of one decision, entered in the ledger, with the refusals of the last gate."""

    ledger: Ledger
    commands: tuple[PlaceOrder, ...]
    refused: tuple[Breach, ...]


def client_order_id(epoch: str, number: int) -> ClientOrderId:
    """The epoch followed by the order's number in base 36, six digits: the same under replay, never the same twice."""
    digits = ""
    for _ in range(ORDER_NUMBER_DIGITS):
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
    if number:
        raise ValueError("more orders in one epoch than ids: start a new epoch")
    return ClientOrderId(epoch + digits)


def plan_asset(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> Plan:
    """What the shorts of one asset should become, instrument by instrument, and what stands in the way."""
    net = exposure.net_delta(ledger, policy, asset)
    band = exposure.rebalance_threshold(ledger, policy, asset)
    if net is None or band is None:
        breach = risk.delta_breach(ledger, policy, asset)
        return Plan(asset=asset, net=net, gap=ZERO, slots=(), allocation=None, blocked=(breach,) if breach else ())
    certain = net.nearest_zero
    gap = certain if abs(certain) > band else ZERO
    slots: list[Slot] = []
    blocked: list[Breach] = []
    for instrument in exposure.instruments_of(ledger, policy, asset):
        slot, breaches = risk.slot_of(ledger, policy, instrument, now)
        blocked.extend(breaches)
        if slot is not None:
            slots.append(slot)
    needed = sum((s.short for s in slots), ZERO) + gap
    allocation = allocate(needed, slots)
    return Plan(asset=asset, net=net, gap=gap, slots=tuple(slots), allocation=allocation, blocked=tuple(blocked))


def place_orders(ledger: Ledger, policy: Policy, plan: Plan, now: Millis) -> Placement:
    """Turns a plan into orders: increases first, then reductions as far as the gap and the increases sent allow."""
    if plan.allocation is None:
        return Placement(ledger=ledger, commands=(), refused=())
    moves = risk.trading_state(ledger, policy, now) is risk.TradingState.ACTIVE
    shorts = {s.instrument: s.short for s in plan.slots}
    changes = {s.instrument: s.short - shorts[s.instrument] for s in plan.allocation.shares}
    room = {s.instrument: s.most - s.short for s in plan.slots}
    moves = moves and _is_worth_moving(ledger, policy, changes)
    increases = {i: c for i, c in changes.items() if c > ZERO and (moves or plan.gap > ZERO)}
    if not moves:
        increases = _scaled(increases, max(plan.gap, ZERO))
    # The others with room stand by for what rounding or a refusal leaves over.
    standby = {s.instrument: ZERO for s in plan.slots if s.grade is Grade.PREFERRED and room[s.instrument] > ZERO}
    ledger, sold, up_commands, up_refused = _send(ledger, policy, plan, standby | increases if increases else {}, room, now)
    budget = max(ZERO, sold - plan.gap)
    reductions = _scaled({i: -c for i, c in changes.items() if c < ZERO}, budget)
    holds = {i: -s for i, s in shorts.items() if s > ZERO and changes[i] <= ZERO}
    ledger, _, down_commands, down_refused = _send(
        ledger, policy, plan, {i: -reductions.get(i, ZERO) for i in holds} if reductions else {}, holds, now
    )
    return Placement(ledger=ledger, commands=up_commands + down_commands, refused=up_refused + down_refused)


def _is_worth_moving(ledger: Ledger, policy: Policy, changes: Mapping[InstrumentId, Decimal]) -> bool:
    """Whether what would leave some instruments for others is more than a trifle, in USD."""
    leaving = sum((-c * (exposure.mark_of(ledger, i) or ZERO) for i, c in changes.items() if c < ZERO), ZERO)
    return leaving >= policy.venue_move_notional_min


def shortfalls(plan: Plan) -> tuple[Breach, ...]:
    """The limits that keep certain delta unhedged, each once, with how much fits nowhere (base units); empty when all fits."""
    if plan.allocation is None or plan.gap <= ZERO or plan.allocation.unplaced <= ZERO:
        return ()
    limits = {s.binding for s in plan.allocation.shares if s.binding} | {b.limit for b in plan.blocked}
    return tuple(Breach(limit, plan.asset, plan.allocation.unplaced, ZERO, "fits nowhere") for limit in sorted(limits))


def _scaled(parts: Mapping[InstrumentId, Decimal], total: Decimal) -> dict[InstrumentId, Decimal]:
    """Positive parts cut down, largest first, so that they sum to at most `total`."""
    left, cut = total, {}
    for instrument, part in sorted(parts.items(), key=lambda item: (-item[1], item[0])):
        cut[instrument] = min(part, left)
        left -= cut[instrument]
    return {i: c for i, c in cut.items() if c > ZERO}


def _send(
    ledger: Ledger,
    policy: Policy,
    plan: Plan,
    changes: Mapping[InstrumentId, Decimal],
    room: Mapping[InstrumentId, Decimal],
    now: Millis,
) -> tuple[Ledger, Decimal, tuple[PlaceOrder, ...], tuple[Breach, ...]]:
    """Sends changes of short (> 0: sell) of one sign, coarse lots first; what rounding left of one is tried on the next."""
    carry, sent = ZERO, ZERO
    commands: list[PlaceOrder] = []
    refused: list[Breach] = []
    for instrument in sorted(changes, key=lambda i: (-_lot_in_base(ledger, i), i)):
        wanted = changes[instrument] + carry
        limit = room[instrument]
        wanted = min(wanted, limit) if limit > ZERO else max(wanted, limit)
        order, command = draft(ledger, policy, instrument, -wanted, now, _reason(plan))
        if order is None or command is None:
            carry = changes[instrument] + carry
            continue
        breach = gate.order_breach(ledger, policy, order, now)
        if breach is not None:
            refused.append(breach)
            carry = changes[instrument] + carry
            continue
        ledger = replace(ledger, orders=put(ledger.orders, order.client_order_id, order), order_number=ledger.order_number + 1)
        commands.append(command)
        sent += -order.quantity
        left = changes[instrument] + carry + order.quantity
        carry = left if abs(left) < _least_in_base(ledger, instrument) else ZERO  # more than dust: a slice, sent next time
    return ledger, sent, tuple(commands), tuple(refused)


def _lot_in_base(ledger: Ledger, instrument: InstrumentId) -> Decimal:
    listed = ledger.instruments[instrument]
    return listed.to_base(listed.lot, exposure.mark_of(ledger, instrument) or ONE)


def _least_in_base(ledger: Ledger, instrument: InstrumentId) -> Decimal:
    listed = ledger.instruments[instrument]
    mark = exposure.mark_of(ledger, instrument) or ONE
    return listed.to_base(listed.tradable_contracts_min(mark), mark)


def _reason(plan: Plan) -> str:
    if plan.gap == ZERO:
        return f"{plan.asset}: change of venue"
    return f"{plan.asset}: net delta {plan.gap:+f}"


def draft(
    ledger: Ledger, policy: Policy, instrument: InstrumentId, quantity: Decimal, now: Millis, reason: str
) -> tuple[Order | None, PlaceOrder | None]:
    """One child order for a signed quantity, rounded toward zero, sliced and priced; (None, None) when it is dust."""
    listed = ledger.instruments[instrument]
    quote = ledger.quotes.get(instrument)
    if quote is None or quote.mark is None:
        return None, None
    held = ledger.positions[instrument].quantity
    reduces = held * quantity < ZERO and abs(quantity) <= abs(held)
    slice_max = policy.order_notional_max / quote.mark
    sized = quantity if abs(quantity) <= slice_max else slice_max.copy_sign(quantity)
    contracts = listed.to_contracts(sized, quote.mark)
    if listed.contracts_max is not None and abs(contracts) > listed.contracts_max:
        contracts = toward_zero_to_step(listed.contracts_max, listed.lot).copy_sign(contracts)
    least = max(listed.lot, listed.contracts_min) if reduces else listed.tradable_contracts_min(quote.bid)
    if abs(contracts) < least:
        return None, None
    price = limit_price(listed, policy, quote.bid, quote.ask, quote.mark, selling=contracts < ZERO)
    order = Order(
        client_order_id=client_order_id(ledger.epoch, ledger.order_number + 1),
        instrument=instrument,
        quantity=listed.to_base(contracts, quote.mark),
        price=price,
        reduce_only=reduces,
        placed_at=now,
        expires_at=now + policy.order_expiry_ms,
        arrival_mid=(quote.bid + quote.ask) / 2,
        reason=reason,
        clock_offset_ms=_clock_offset(ledger, instrument),
    )
    return order, _command(order, abs(contracts))


def _clock_offset(ledger: Ledger, instrument: InstrumentId) -> Millis:
    """The venue's clock minus ours as measured last; its expiry is enforced by the venue's."""
    record = ledger.venues.get(ledger.venue_of(instrument))
    return record.clock_offset_ms or 0 if record is not None else 0


def _command(order: Order, contracts: Decimal) -> PlaceOrder:
    return PlaceOrder(
        client_order_id=order.client_order_id,
        instrument=order.instrument,
        quantity=order.quantity,
        contracts=contracts,
        price=order.price,
        reduce_only=order.reduce_only,
        expires_at=order.expires_at,
    )


def limit_price(listed: Instrument, policy: Policy, bid: Decimal, ask: Decimal, mark: Decimal, *, selling: bool) -> Decimal:
    """The IOC limit: through the touch by the slippage allowed, held inside the collar from mark, rounded to the safe side."""
    if selling:
        floor = max(bid * (ONE - policy.slippage_max), mark * (ONE - policy.price_collar))
        return up_to_step(floor, listed.tick)
    ceiling = min(ask * (ONE + policy.slippage_max), mark * (ONE + policy.price_collar))
    return down_to_step(ceiling, listed.tick)


def targets_of(plans: Sequence[Plan]) -> Mapping[InstrumentId, Decimal]:
    """The signed quantity (short < 0) that each instrument should carry, for those that were decided on."""
    return {s.instrument: -s.short for p in plans if p.allocation is not None for s in p.allocation.shares}


def entered_as_recorded(ledger: Ledger, commands: Sequence[PlaceOrder], at: Millis) -> Ledger:
    """The ledger with orders entered exactly as a journal recorded them, whatever would be decided today."""
    for command in commands:
        order = Order(
            client_order_id=command.client_order_id,
            instrument=command.instrument,
            quantity=command.quantity,
            price=command.price,
            reduce_only=command.reduce_only,
            placed_at=at,
            expires_at=command.expires_at,
            arrival_mid=None,
            reason="entered from the journal",
            clock_offset_ms=_clock_offset(ledger, command.instrument),
        )
        number = int(command.client_order_id[-ORDER_NUMBER_DIGITS:], 36)
        ledger = replace(ledger, orders=put(ledger.orders, order.client_order_id, order), order_number=max(ledger.order_number, number))
    return ledger
