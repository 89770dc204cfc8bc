"""What must be true of every decision, as sentences: a last look at the orders about to leave, from what was before and what is after.

It shares no rule with `risk`, `gate` or `execution`: it judges by the ledgers alone, so that a mistake in a rule does not excuse itself.
A broken sentence is our own mistake: nothing of the decision is sent, the book halts, reports, and a person is paged. The names are those
of the invariants in the reference notes on reliability.

    I01, I11  an order's id is new, begins with this run's epoch, and is in the ledger, as it is sent, before it leaves
    I03       nothing increases at a venue that is not heard, not reconciled or not ACTIVE, or on an instrument that is disputed or has an
              open order
    I04       with the new orders counted in full, no cap is exceeded that an increase could have respected
    I05       a reducing order is against what is held and never larger; an order against what is held that is not larger is reduce-only
    I09       orders to one venue within the window stay within the limit
    I10       a halted book or venue sends no order at all, but for reductions where a person asked to close everything after it halted;
              where a person asked for that, nothing increases
    I11       nor does a run that took another instance's place while that one's last requests may still be accepted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from bot.core import exposure
from bot.core.commands import Command, PlaceOrder
from bot.core.events import VenueLink
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState
from bot.core.units import ZERO, Millis


def broken(before: Ledger, after: Ledger, commands: Sequence[Command], policy: Policy, now: Millis) -> tuple[str, ...]:
    """Every sentence that a decision at `now` breaks; empty when all hold. `after` contains the orders of `commands`."""
    orders = [c for c in commands if isinstance(c, PlaceOrder)]
    if not orders:
        return ()
    found = [
        *_entered(before, after, orders),
        *_halted(before, orders, now),
        *_held_by_state(after, orders),
        *_rate(after, policy, orders, now),
    ]
    for order in orders:
        found.extend(_direction(before, order))
        if not order.reduce_only:
            found.extend(_increase(before, order))
    found.extend(_caps(after, policy, orders))
    return tuple(found)


def _entered(before: Ledger, after: Ledger, orders: Sequence[PlaceOrder]) -> Iterator[str]:
    for order_id, times in Counter(str(o.client_order_id) for o in orders).items():
        if times > 1:
            yield f"order {order_id} is sent {times} times"
    for order in orders:
        if order.client_order_id in before.orders:
            yield f"order {order.client_order_id} is sent again"
        if not order.client_order_id.startswith(after.epoch):
            yield f"order {order.client_order_id} is not of the epoch {after.epoch}"
        entered = after.orders.get(order.client_order_id)
        if entered is None or entered.state is not OrderState.PENDING_NEW or not _same(entered, order):
            yield f"order {order.client_order_id} is not in the ledger as it is sent"


def _same(entered: object, order: PlaceOrder) -> bool:
    fields = ("instrument", "quantity", "price", "reduce_only", "expires_at", "post_only")
    return all(getattr(entered, name) == getattr(order, name) for name in fields)


def _halted(before: Ledger, orders: Sequence[PlaceOrder], now: Millis) -> Iterator[str]:
    if before.stopping or before.invariants_broken:
        yield f"{len(orders)} orders leave a book that is halted"
    if 0 <= now - before.started_at < before.silent_ms:
        yield f"{len(orders)} orders leave while the instance before may still be heard"


def _held_by_state(after: Ledger, orders: Sequence[PlaceOrder]) -> Iterator[str]:
    """By the states after the decision: a quiet period may have ended with it."""
    for order in orders:
        venue, base = after.venue_of(order.instrument), after.instruments[order.instrument].base
        closed_at = [f.since for f in after.flattenings if f.venue == venue and f.asset in (None, base)]
        if closed_at and not order.reduce_only:
            yield f"order {order.client_order_id} increases at {venue} what a person wants closed"
        halts = [r for r in after.states if r.state is TradingState.HALTED and r.venue in (None, venue)]
        if any(not order.reduce_only or not closed_at or r.since > max(closed_at) for r in halts):
            yield f"order {order.client_order_id} leaves for {venue}, which is halted"
        elif not order.reduce_only and any(r.venue == venue for r in after.states):
            yield f"order {order.client_order_id} increases at {venue}, which is reducing"


def _rate(after: Ledger, policy: Policy, orders: Sequence[PlaceOrder], now: Millis) -> Iterator[str]:
    for venue in sorted({after.venue_of(o.instrument) for o in orders}):
        since = now - policy.order_rate_window_ms
        sent = sum(1 for o in after.orders.values() if since < o.placed_at <= now and after.venue_of(o.instrument) == venue)
        if sent > policy.order_rate_max:
            yield f"{sent} orders to {venue} within {policy.order_rate_window_ms} ms, {policy.order_rate_max} are allowed"


def _direction(before: Ledger, order: PlaceOrder) -> Iterator[str]:
    position = before.positions.get(order.instrument)
    held = ZERO if position is None else position.quantity
    reduces = held * order.quantity < ZERO and abs(order.quantity) <= abs(held)
    if order.reduce_only and not reduces:
        yield f"order {order.client_order_id} of {order.quantity:f} does not reduce {held:f}"
    if reduces and not order.reduce_only:
        yield f"order {order.client_order_id} of {order.quantity:f} reduces {held:f} and does not say so"


def _increase(before: Ledger, order: PlaceOrder) -> Iterator[str]:
    venue = before.venue_of(order.instrument)
    record, position = before.venues.get(venue), before.positions.get(order.instrument)
    if record is None or record.link is not VenueLink.UP or not record.reconciled:
        yield f"order {order.client_order_id} increases at {venue}, which is not heard or not reconciled"
    if position is None or position.dispute is not None:
        yield f"order {order.client_order_id} increases a position of {order.instrument} that is not known for certain"
    if before.is_worked(order.instrument):
        yield f"order {order.client_order_id} increases {order.instrument}, which has an open order"


def _caps(after: Ledger, policy: Policy, orders: Sequence[PlaceOrder]) -> Iterator[str]:
    increases = [o for o in orders if not o.reduce_only]
    if not increases:
        return
    required, gross = exposure.share_base(after, policy), exposure.gross_notional(after, policy)
    if gross is None or gross > policy.gross_notional_max:
        yield f"an increase takes the gross notional to {gross} USD, {policy.gross_notional_max:f} are allowed"
    for venue in sorted({after.venue_of(o.instrument) for o in increases}):
        total = exposure.venue_notional(after, policy, venue)
        if required is None or total is None or total > required * policy.venue_share_max:
            allowed = None if required is None else required * policy.venue_share_max
            yield f"an increase takes {venue} to {total} USD, {allowed} are allowed"
