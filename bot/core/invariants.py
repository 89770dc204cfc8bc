"""What must be true of every ledger, as sentences. A broken one is our own mistake: the book halts, reports, and a person is paged.

Checked after every step, in tests and in production.
"""

from __future__ import annotations

from collections import Counter

from bot.core.records import Ledger
from bot.core.units import ZERO


def broken(ledger: Ledger) -> tuple[str, ...]:
    """Every invariant that this ledger breaks, as a sentence; empty when all hold."""
    found: list[str] = []
    open_per_instrument: Counter[str] = Counter()
    for order in ledger.orders.values():
        if order.filled * order.quantity < ZERO or abs(order.filled) > abs(order.quantity):
            found.append(f"order {order.client_order_id} of {order.quantity:f} filled {order.filled:f}")
        if order.state.is_open and order.closed_at is None:  # one that the venue reopened after its end is not our doing
            open_per_instrument[order.instrument] += 1
        elif order.closed_at is None:
            found.append(f"order {order.client_order_id} is {order.state.value} without an end")
        if order.expires_at <= order.placed_at:
            found.append(f"order {order.client_order_id} expires before it is placed")
    for instrument, count in sorted(open_per_instrument.items()):
        if count > 1:
            found.append(f"{count} orders are open on {instrument}, where one at a time is the rule")
    for key, holding in ledger.holdings.items():
        if holding.quantity < ZERO:
            found.append(f"collateral {key[2]} at {key[1]} is negative: {holding.quantity:f}")
    return tuple(found)
