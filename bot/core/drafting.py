"""One child order: how large, at what price, under which id. Nothing of it leaves here: it is drafted, and the last gate has its say.

    quantity   rounded toward zero to the lot; a slice: at most the order limit, `slice_depth_multiple` times what the touch that it hits
               shows, and, while it may wait, what `participation_max` of the average minute's volume leaves after our orders of the
               last minute, one least order at any rate. What may not wait is not held by what others trade: delta neutrality comes first.
               A part that is worth less than `venue_move_notional_min` is no market to be a part of (testnets, simulators), and bounds
               nothing
    price      TAKE: an IOC limit `slippage_max` through the touch, inside the collar from mark; PASSIVE: the touch on our own side
    reduces    against what is held and no more than that: reduce-only, and then no minimum notional applies (Binance, Bybit and OKX ask
               for none of a reducing order); what is below a lot is dust

Venues enforce the expiry of every request.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core import exposure, working
from bot.core.commands import PlaceOrder
from bot.core.events import Quote
from bot.core.instrument import Instrument
from bot.core.ledger import put
from bot.core.limits import Breach, Limit
from bot.core.order import ORDER_NUMBER_DIGITS, Order
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.slicing import Slice, SliceBound, SliceLimits, next_slice
from bot.core.units import ONE, ZERO, ClientOrderId, InstrumentId, Millis, down_to_step, toward_zero_to_step, up_to_step
from bot.core.working import HURRIED, Manner, Style

DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
MINUTE_MS: Millis = 60_000
MINUTES_OF_DAY = 1_440


def client_order_id(epoch: str, number: int) -> ClientOrderId:
    """The epoch followed by the order's number in base 36, six digits: the same under replay, never the same twice."""
    digits = ""
    for _ in range(ORDER_NUMBER_DIGITS):
        number, rest = divmod(number, 36)
        digits = DIGITS[rest] + digits
    if number:
        raise ValueError("more orders in one epoch than ids: start a new epoch")
    return ClientOrderId(epoch + digits)


def draft(
    ledger: Ledger,
    policy: Policy,
    instrument: InstrumentId,
    quantity: Decimal,
    now: Millis,
    reason: str,
    manner: Manner = HURRIED,
) -> tuple[Order | None, PlaceOrder | None]:
    """One child order for signed base units, rounded toward zero, sliced and priced; (None, None) when it is dust."""
    listed = ledger.instruments[instrument]
    quote = ledger.quotes.get(instrument)
    if quote is None or quote.mark is None:
        return None, None
    cut = slice_of(ledger, policy, instrument, abs(quantity) * quote.mark, now, manner, selling=quantity < ZERO)
    sized = quantity if cut.bound is SliceBound.REMAINDER else (cut.notional / quote.mark).copy_sign(quantity)
    return _drafted(ledger, policy, listed, quote, listed.to_contracts(sized, quote.mark), now, reason, manner)


def draft_closing(
    ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis, reason: str
) -> tuple[Order | None, PlaceOrder | None]:
    """The next child order that closes a position, in a hurry: all of it that is certain, or a slice; (None, None) when it is dust."""
    listed, quote = ledger.instruments[instrument], ledger.quotes.get(instrument)
    if quote is None or quote.mark is None:
        return None, None
    held = exposure.position_units(ledger, instrument)
    units = ZERO if held is None else -held.nearest_zero
    notional = listed.notional_of_units(units, quote.mark)
    cut = slice_of(ledger, policy, instrument, notional, now, HURRIED, selling=units < ZERO)
    contracts = listed.contracts_of_units(units)  # of the record itself: by way of base units an inverse one might lose its last contract
    if cut.bound is not SliceBound.REMAINDER:
        contracts = listed.to_contracts((cut.notional / quote.mark).copy_sign(units), quote.mark)
    return _drafted(ledger, policy, listed, quote, contracts, now, reason, HURRIED)


def _drafted(
    ledger: Ledger, policy: Policy, listed: Instrument, quote: Quote, contracts: Decimal, now: Millis, reason: str, manner: Manner
) -> tuple[Order | None, PlaceOrder | None]:
    """The order of so many signed contracts at the most, priced; (None, None) when it is less than the venue takes."""
    instrument, mark = listed.id, quote.mark
    if mark is None:
        return None, None
    if listed.contracts_max is not None and abs(contracts) > listed.contracts_max:
        contracts = toward_zero_to_step(listed.contracts_max, listed.lot).copy_sign(contracts)
    held, units = ledger.positions[instrument].quantity, listed.units_of_contracts(contracts)
    reduces = held * units < ZERO and abs(units) <= abs(held)  # of this slice, whatever is wanted after it
    if abs(contracts) < listed.tradable_contracts_min(quote.bid, reduces=reduces):
        return None, None
    passive = manner.style is Style.PASSIVE
    if passive:
        price = near_price(listed, quote.bid, quote.ask, selling=contracts < ZERO)
    else:
        price = limit_price(listed, policy, quote.bid, quote.ask, mark, selling=contracts < ZERO)
    order = Order(
        client_order_id=client_order_id(ledger.epoch, ledger.order_number + 1),
        instrument=instrument,
        quantity=units,
        price=price,
        reduce_only=reduces,
        placed_at=now,
        expires_at=now + policy.order_expiry_ms,
        arrival_mid=(quote.bid + quote.ask) / 2,
        reason=reason,
        clock_offset_ms=_clock_offset(ledger, instrument),
        post_only=passive,
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
        post_only=order.post_only,
    )


def slice_of(
    ledger: Ledger,
    policy: Policy,
    instrument: InstrumentId,
    notional: Decimal,
    now: Millis,
    manner: Manner,
    *,
    selling: bool,
) -> Slice:
    """How much of a notional (quote units) one order may be, and what holds it there. What a venue does not tell bounds nothing."""
    quote = ledger.quotes[instrument]
    shown = quote.bid_quantity if selling else quote.ask_quantity
    depth = None if shown is None else policy.slice_depth_multiple * shown * (quote.mark or ZERO)
    expected = _part_left(ledger, policy, instrument, quote.mark or ZERO, now) if manner.is_patient else None
    limits = SliceLimits(order_notional_max=policy.order_notional_max, depth_share=ONE, participation=ONE, leg_notional_max=None)
    return next_slice(notional, depth, expected, limits)


def slice_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId, quantity: Decimal, now: Millis, manner: Manner) -> Breach | None:
    """What keeps any order from leaving although signed base units are worth one: the touch or the minute's volume allow less than one."""
    listed, quote = ledger.instruments[instrument], ledger.quotes.get(instrument)
    if quote is None or quote.mark is None:
        return None
    notional = abs(quantity) * quote.mark
    cut = slice_of(ledger, policy, instrument, notional, now, manner, selling=quantity < ZERO)
    least = listed.notional(listed.tradable_contracts_min(quote.bid), quote.mark)
    if notional < least or cut.notional >= least:
        return None
    return Breach(Limit.NOTIONAL_RATE, instrument, notional, cut.notional, f"USD of one order, held by {cut.bound.value}")


def _part_left(ledger: Ledger, policy: Policy, instrument: InstrumentId, mark: Decimal, now: Millis) -> Decimal | None:
    """Quote units that are left of our part in the average minute's volume; None where that is too little to be a market.

    The part is at least one order: else none would ever leave, and the deadline of one that may wait would never begin.
    """
    market = ledger.markets.get(instrument)
    if market is None or market.volume_24h is None:
        return None
    part = policy.participation_max * market.volume_24h * mark / MINUTES_OF_DAY
    if part < policy.venue_move_notional_min:
        return None
    listed = ledger.instruments[instrument]
    least = listed.notional(listed.tradable_contracts_min(ledger.quotes[instrument].bid) + listed.lot, mark)  # a lot more: rounding
    ours = working.traded_within(ledger, instrument, now, MINUTE_MS)
    return max(ZERO, max(part, least) - listed.notional_of_units(ours, mark))


def near_price(listed: Instrument, bid: Decimal, ask: Decimal, *, selling: bool) -> Decimal:
    """The touch on our own side, rounded away from the other: a post-only order there never crosses."""
    return up_to_step(ask, listed.tick) if selling else down_to_step(bid, listed.tick)


def limit_price(listed: Instrument, policy: Policy, bid: Decimal, ask: Decimal, mark: Decimal, *, selling: bool) -> Decimal:
    """The IOC limit: through the touch by the slippage allowed, held inside the collar from mark, rounded to the safe side."""
    if selling:
        floor = max(bid * (ONE - policy.slippage_max), mark * (ONE - policy.price_collar))
        return up_to_step(floor, listed.tick)
    ceiling = min(ask * (ONE + policy.slippage_max), mark * (ONE + policy.price_collar))
    return down_to_step(ceiling, listed.tick)


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
            post_only=command.post_only,
        )
        number = int(command.client_order_id[-ORDER_NUMBER_DIGITS:], 36)
        ledger = ledger.with_order(put(ledger.orders, order.client_order_id, order), order, order_number=max(ledger.order_number, number))
    return ledger
