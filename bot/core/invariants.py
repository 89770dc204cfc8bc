"""What must be true of every ledger, as sentences. A broken one is our own mistake: the book halts, reports, and a person is paged.

Checked after every step, in tests and in production.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal

from bot.core.order import Order
from bot.core.records import Ledger, Position
from bot.core.units import ZERO, InstrumentId


def broken(ledger: Ledger, checked: Ledger | None = None) -> tuple[str, ...]:
    """Every invariant that this ledger breaks, as a sentence; empty when all hold.

    What is the very same in a ledger that was `checked` before is not looked at again: most orders are closed and never change.
    """
    found: list[str] = []
    if checked is None or checked.orders is not ledger.orders:
        found.extend(_of_orders(ledger, ledger.orders_changed_since({} if checked is None else checked.orders)))
    if checked is None or checked.holdings is not ledger.holdings:
        for key, holding in ledger.holdings.items():
            if holding.quantity < ZERO:
                found.append(f"collateral {key[2]} at {key[1]} is negative: {holding.quantity:f}")
    if checked is None or checked.holdings is not ledger.holdings or checked.places is not ledger.places:
        found.extend(_unaccounted(ledger))
    if checked is not None and checked.positions is not ledger.positions:
        found.extend(_unexplained(checked, ledger))
    return tuple(found)


def _unaccounted(ledger: Ledger) -> list[str]:
    """The record of each place adds up: what arrived less what left is what its source told last."""
    found = []
    for key, there in ledger.places.items():
        told = ledger.holdings.get((there.source, there.location, there.asset))
        if told is None or told.quantity != there.total:
            found.append(f"of {key} arrived {there.arrived:f} and left {there.left:f}, and {told.quantity if told else 'nothing'} was told")
    return found


def _of_orders(ledger: Ledger, changed: Iterable[Order]) -> list[str]:
    found: list[str] = []
    for order in changed:
        if order.filled * order.quantity < ZERO or abs(order.filled) > abs(order.quantity):
            found.append(f"order {order.client_order_id} of {order.quantity:f} filled {order.filled:f}")
        if not order.state.is_open and order.closed_at is None:
            found.append(f"order {order.client_order_id} is {order.state.value} without an end")
        if order.expires_at <= order.placed_at:
            found.append(f"order {order.client_order_id} expires before it is placed")
    # One that the venue reopened after its end is not our doing, and of a spent one nothing can execute: neither is counted.
    open_per_instrument = Counter([o.instrument for o in ledger.open_orders() if o.closed_at is None and not o.is_spent])
    for instrument, count in sorted(open_per_instrument.items()):
        if count > 1:
            found.append(f"{count} orders are open on {instrument}, where one at a time is the rule")
    return found


def _unexplained(before: Ledger, after: Ledger) -> list[str]:
    """I07: a position moves by a fill that is told, or because a venue's reading is taken over; never otherwise, and never vanishes."""
    found = []
    for instrument, was in before.positions.items():
        now = after.positions.get(instrument)
        if now is was:
            continue
        if now is None:
            found.append(f"the position of {instrument} vanished from the record")
        elif now.quantity != was.quantity and not _is_told(before, after, instrument, was, now):
            found.append(f"the position of {instrument} moved from {was.quantity:f} to {now.quantity:f}, and nothing told why")
    return found


def _is_told(before: Ledger, after: Ledger, instrument: InstrumentId, was: Position, now: Position) -> bool:
    if now.adopted_here_at != was.adopted_here_at or after.fill_ids.get(instrument) is not before.fill_ids.get(instrument):
        return True
    moved = now.quantity - was.quantity
    changed = (o for o in after.orders_changed_since(before.orders) if o.instrument == instrument)
    return moved == sum((o.filled - _filled_before(before, o) for o in changed), ZERO)


def _filled_before(before: Ledger, order: Order) -> Decimal:
    was = before.orders.get(order.client_order_id)
    return ZERO if was is None else was.filled
