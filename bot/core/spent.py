"""Orders in doubt that are over, as far as a venue whose fills cannot be read shows it by what it tells of the present.

The rule: open orders that are told without one in doubt, by a clock past its time, show that nothing of it can execute any more (see
`order`). How much of a reduction did its position shows: where two tellings, asked for when the venue cannot be late with it any more,
say the same, it filled so much at the most. What then is short for certain is reduced beside it; that needs no fills. It ends no doubt,
and nothing increases by it. One that is among the open orders after all is spent no more, and its position shows nothing of it.
"""

from __future__ import annotations

from collections.abc import Set

from bot.core import events as ev
from bot.core.copying import replace
from bot.core.ledger import order_of, venue_record, with_order
from bot.core.order import spent
from bot.core.policy import Policy
from bot.core.records import POSITION_LAG_MS, Ledger
from bot.core.units import ZERO, ClientOrderId


def observed(ledger: Ledger, event: ev.HoldingsReported, policy: Policy) -> Ledger:
    """The ledger after a telling of open orders and positions without fills."""
    named = {order.client_order_id for report in event.orders if (order := order_of(ledger, report)) is not None}
    asked_at = event.asked_at + event.clock_offset_ms
    for order in ledger.open_orders():
        if order.client_order_id in named:
            ledger = with_order(ledger, replace(order, spent_at=None, shown_filled=None), event.at) if order.is_spent else ledger
        elif ledger.venue_of(order.instrument) == event.venue:
            over = spent(order, asked_at, event.clock_offset_ms, policy.doubt_margin_ms, event.at)
            ledger = with_order(ledger, over, event.at)
    for told in event.positions:
        ledger = _with_shown(ledger, told, event, named)
    return ledger


def _with_shown(ledger: Ledger, told: ev.PositionReport, event: ev.HoldingsReported, named: Set[ClientOrderId]) -> Ledger:
    """The ledger with what a position tells of the one order in doubt there: nothing if it may still execute, or others moved it."""
    orders, position = ledger.open_orders(told.instrument), ledger.positions.get(told.instrument)
    is_same = venue_record(ledger, event.venue).first_told.get(told.instrument) == told.quantity
    if len(orders) != 1 or position is None or position.dispute is not None or not is_same or position.passed_since(event.asked_at):
        return ledger
    order, moved = orders[0], told.quantity - position.quantity
    if order.client_order_id in named or not (order.is_spent and order.reduce_only and order.is_over_by(event.asked_at - POSITION_LAG_MS)):
        return ledger
    if not min(ZERO, order.leaves) <= moved <= max(ZERO, order.leaves):
        return ledger
    return with_order(ledger, replace(order, shown_filled=order.filled + moved), event.at)
