"""What must be true of every ledger, as sentences. A broken one is our own mistake: the book halts, reports, and a person is paged.

Checked after every step, in tests and in production.
"""

from __future__ import annotations

from collections import Counter

from bot.core.records import Ledger
from bot.core.units import ZERO


def broken(ledger: Ledger, checked: Ledger | None = None) -> tuple[str, ...]:
    """Every invariant that this ledger breaks, as a sentence; empty when all hold.

    Orders that are the very same in a ledger that was `checked` before are not looked at again: most are closed and never change.
    """
    found: list[str] = []
    known = {} if checked is None else checked.orders
    fresh = () if known is ledger.orders else (o for i, o in ledger.orders.items() if known.get(i) is not o)
    for order in fresh:
        if order.filled * order.quantity < ZERO or abs(order.filled) > abs(order.quantity):
            found.append(f"order {order.client_order_id} of {order.quantity:f} filled {order.filled:f}")
        if not order.state.is_open and order.closed_at is None:
            found.append(f"order {order.client_order_id} is {order.state.value} without an end")
        if order.expires_at <= order.placed_at:
            found.append(f"order {order.client_order_id} expires before it is placed")
    # One that the venue reopened after its end is not our doing, and not counted.
    open_per_instrument = Counter(str(o.instrument) for o in ledger.open_orders() if o.closed_at is None)
    for instrument, count in sorted(open_per_instrument.items()):
        if count > 1:
            found.append(f"{count} orders are open on {instrument}, where one at a time is the rule")
    for key, holding in ledger.holdings.items():
        if holding.quantity < ZERO:
            found.append(f"collateral {key[2]} at {key[1]} is negative: {holding.quantity:f}")
    return tuple(found)
