"""The last gate: may this very order leave?

It asks again what `risk` decided, with the order counted in: a target that a later rounding or slicing pushed over a limit dies here.
Reductions pass wherever something is there to reduce; a part of each venue's order rate is kept for them, so that increases can never
use up the requests by which risk is taken off. A refusal is a `Breach` with its numbers.
"""

from __future__ import annotations

from decimal import Decimal
from itertools import takewhile

from bot.core import exposure, margin, risk
from bot.core.order import Order, OrderState
from bot.core.policy import Breach, Limit, Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Millis, VenueId

INCREASES_MAX = (3, 4)
"""The fraction of a venue's order rate up to which increases may fill it."""


def orders_in_window(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> int:
    """Orders placed at a venue within the rate window, whatever became of them."""
    since = now - policy.order_rate_window_ms
    newest_first = takewhile(lambda o: o.placed_at > since, reversed(tuple(ledger.orders.values())))
    return sum(1 for o in newest_first if ledger.venue_of(o.instrument) == venue)


def increases_max(policy: Policy) -> int:
    """Orders within the rate window from which on an increase waits; at least one, else nothing would ever be hedged."""
    part, whole = INCREASES_MAX
    return max(1, policy.order_rate_max * part // whole)


def order_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """The last gate: why this very order may not leave, everything counted in, or None. `ledger` does not contain it yet."""
    venue = ledger.venue_of(order.instrument)
    state = risk.trading_state(ledger, policy, now)
    if state is risk.TradingState.HALTED:
        return Breach(Limit.TRADING_STATE, "book", None, None, state.value)
    blocked = risk.instrument_breach(ledger, policy, order.instrument, now)
    if blocked is not None:
        return blocked
    sent = orders_in_window(ledger, policy, venue, now)
    allowed = policy.order_rate_max if order.reduce_only else increases_max(policy)
    if sent >= allowed:
        return Breach(Limit.ORDER_RATE, venue, Decimal(sent + 1), Decimal(allowed))
    return _price_breach(ledger, policy, order) or _quantity_breach(ledger, policy, order, now)


def _price_breach(ledger: Ledger, policy: Policy, order: Order) -> Breach | None:
    mark = exposure.mark_of(ledger, order.instrument)
    if mark is None or order.price <= ZERO:
        return Breach(Limit.PRICE_COLLAR, order.instrument, order.price, None, "no mark to hold the price against")
    distance = abs(order.price - mark) / mark
    if distance > policy.price_collar:
        return Breach(Limit.PRICE_COLLAR, order.instrument, distance, policy.price_collar)
    return None


def _quantity_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    mark = exposure.mark_of(ledger, order.instrument) or ZERO
    value = abs(order.quantity) * mark
    if order.quantity == ZERO:
        return Breach(Limit.INSTRUMENT_FILTER, order.instrument, ZERO, None, "an order of nothing")
    if value > policy.order_notional_max:
        return Breach(Limit.ORDER_NOTIONAL, order.instrument, value, policy.order_notional_max)
    held = ledger.positions[order.instrument].quantity
    if order.reduce_only:
        if held * order.quantity >= ZERO or abs(order.quantity) > abs(held):
            return Breach(Limit.INSTRUMENT_FILTER, order.instrument, order.quantity, held, "reduces more than is there")
        return None
    return _increase_breach(ledger, policy, order, value, now)


def _increase_breach(ledger: Ledger, policy: Policy, order: Order, value: Decimal, now: Millis) -> Breach | None:
    venue = ledger.venue_of(order.instrument)
    unnamed = risk.unnamed_breach(ledger, policy, order.instrument)
    if unnamed is not None:
        return unnamed
    breaches = risk.venue_breaches(ledger, policy, venue, now)
    if breaches:
        return breaches[0]
    doubts = sum(1 for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT)
    if doubts > policy.orders_in_doubt_max:
        return Breach(Limit.ORDERS_IN_DOUBT, "book", Decimal(doubts), Decimal(policy.orders_in_doubt_max))
    total = exposure.venue_notional(ledger, policy, venue)
    required = exposure.share_base(ledger, policy)
    if total is None or required is None:
        return Breach(Limit.COLLATERAL_UNKNOWN, venue, None, None, "the venue's share cannot be computed")
    cap = required * policy.venue_share_max
    if total + value > cap:
        return Breach(Limit.VENUE_SHARE, venue, total + value, cap, "USD of notional")
    gross = exposure.gross_notional(ledger, policy)
    if gross is None or gross + value > policy.gross_notional_max:
        return Breach(Limit.GROSS_NOTIONAL, "book", None if gross is None else gross + value, policy.gross_notional_max)
    return margin.increase_breach(ledger, policy, venue, total + value, exposure.margin_notional(ledger, policy, venue))
