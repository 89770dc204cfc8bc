"""Orders at a venue that our record did not place: seen, told, taken over, withdrawn.

1. One that nobody has taken over is a break, once, and keeps its venue REDUCING until a quiet period after the last is gone.
2. A named person takes over what they were shown (see `operation`). From then on it counts at all that it may still fill, at its worst, and
   nothing else is placed on its instrument: our own plan places what is needed when it is gone. Its fills are no break. What kept its
   venue REDUCING ends with the last one, unless somebody's fills did so too, within a quiet period.
3. One under an id of an earlier run of ours, which our journal does not have, is taken over at once, by `OURS`. That it works, and each
   fill of it, is a break of its own cause; its venue is REDUCING: what it did was asked for by somebody of whom the journal knows nothing.
4. What is taken over is withdrawn, by the venue's own id (one of ours without such an id by ours), again and again, until a complete
   reading does not tell it any more. That is the only evidence of its end: a report may come before its last fills, and has the venue read
   at once.
5. It is spent from the report on, or from open orders on that were asked for after a cancel and do not name it, fills or none: nothing
   of it executes any more. It counts as before, nothing increases beside it, and what is held for certain may be reduced: a venue
   whose fills cannot be read holds up no reduction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from bot.core import events as ev
from bot.core import trading
from bot.core.commands import CancelOrder
from bot.core.copying import replace
from bot.core.foreign_order import OURS, ForeignOrder, left_of_taken
from bot.core.ledger import is_unjournaled, noted, order_of, venue_record, with_break, with_strangers_at, with_venue
from bot.core.limits import Limit
from bot.core.order import is_of
from bot.core.records import BreakCause, Ledger, Note
from bot.core.units import ClientOrderId, Millis

WITHDRAW_AGAIN_MS: Millis = 5_000
"""Pause between two cancels of an order that was taken over."""


def observed(ledger: Ledger, event: ev.VenueReported | ev.HoldingsReported) -> Ledger:
    """Remembers the working orders of a telling that are not ours; each new one is a break.

    A second order under the id of one of ours is not ours either: ours is the one that the venue told first. Only a complete reading
    tells that one works no more.
    """
    record = venue_record(ledger, event.venue)
    works = [r for r in event.orders if r.status is ev.VenueOrderStatus.ACCEPTED and not _is_ours(ledger, r)]
    told = _named([_foreign(ledger, r) for r in works], (*record.foreign_orders, *record.taken_orders))
    taken, foreign = [], []
    for order in told:
        before = next((o for o in record.taken_orders if o.is_of(order)), None)
        if before is not None:
            left = left_of_taken(before, order)
            taken.append(replace(order, leaves=left, taken_by=before.taken_by, cancel_asked_at=before.cancel_asked_at))
        elif is_unjournaled(ledger, order.client_order_id):
            words = f"order {order.name} of {OURS} works, and the journal does not have it: it is withdrawn"
            ledger = with_break(ledger, BreakCause.UNJOURNALED, str(event.venue), event.at, words)
            ledger = trading.enter(ledger, Limit.FOREIGN_ORDERS, event.at, words, venue=event.venue)
            ledger = with_strangers_at(ledger, event.venue, event.at)
            taken.append(replace(order, taken_by=OURS, leaves=order.quantity))
        else:
            foreign.append(order)
    for order in record.taken_orders:
        if any(order.is_of(o) for o in taken):
            continue
        if isinstance(event, ev.HoldingsReported):
            taken.append(order)
        else:
            words = f"order {order.name}, taken over by {order.taken_by}, works no more"
            ledger = noted(ledger, Note(at=event.at, kind="order", subject=order.instrument, sentence=words))
    ledger = _with_foreign(ledger, event, tuple(foreign))
    record = replace(venue_record(ledger, event.venue), foreign_orders=tuple(foreign), taken_orders=tuple(taken))
    return with_venue(ledger, event.venue, record)


def _named(told: Sequence[ForeignOrder], known: Sequence[ForeignOrder]) -> list[ForeignOrder]:
    """The orders told, sorted by name: each is called as before, and a new one by the venue's id where another has its name."""
    names = Counter(o.name for o in known)
    kept = [next((k.name for k in known if k.is_of(o) and names[k.name] == 1), None) for o in told]
    names.update(o.name for o, name in zip(told, kept, strict=True) if name is None)
    found = [
        replace(order, name=name or (order.name if names[order.name] == 1 else order.venue_order_id or order.name))
        for order, name in zip(told, kept, strict=True)
    ]
    return sorted(found, key=lambda o: (o.name, o.instrument))


def _with_foreign(ledger: Ledger, event: ev.VenueReported | ev.HoldingsReported, foreign: tuple[ForeignOrder, ...]) -> Ledger:
    """The ledger with what is new of the orders that nobody has taken over told, and their venue REDUCING for any change of them."""
    before = venue_record(ledger, event.venue).foreign_orders
    names, known = [o.name for o in foreign], [o.name for o in before]
    for name in sorted(set(names) - set(known)):
        ledger = with_break(ledger, BreakCause.FOREIGN_ORDER, str(event.venue), event.at, f"order {name} is not ours")
    if names == known:
        return ledger
    words = f"{len(foreign)} orders work that are not ours" if foreign else "no order works any more that is not ours"
    return trading.enter(ledger, Limit.FOREIGN_ORDERS, event.at, words, venue=event.venue)


def _is_ours(ledger: Ledger, report: ev.OrderReport) -> bool:
    order = order_of(ledger, report)
    return order is not None and is_of(order, report.venue_order_id)


def _foreign(ledger: Ledger, report: ev.OrderReport) -> ForeignOrder:
    """A foreign order as it is told, called by its client id unless that is one of ours."""
    second = order_of(ledger, report) is not None
    leaves = None
    if report.quantity is not None and report.filled_quantity is not None:
        leaves = report.quantity - report.filled_quantity
    return ForeignOrder(
        name=(report.venue_order_id if second else report.client_order_id or report.venue_order_id) or "?",
        instrument=report.instrument,
        venue_order_id=report.venue_order_id,
        client_order_id=None if second else report.client_order_id,
        leaves=leaves,
        quantity=report.quantity,
        price=report.price,
        reduce_only=report.reduce_only,
    )


def not_named(ledger: Ledger, event: ev.HoldingsReported) -> Ledger:
    """The ledger after open orders were told without fills: what was to be withdrawn and is not among them is spent, and only that."""
    record = venue_record(ledger, event.venue)
    if not record.taken_orders:
        return ledger
    works = [r for r in event.orders if r.status is ev.VenueOrderStatus.ACCEPTED]
    taken = []
    for order in record.taken_orders:
        was_asked = order.cancel_asked_at is not None and event.asked_at > order.cancel_asked_at
        if any(order.is_of(r) for r in works):
            taken.append(replace(order, spent_at=None))
        else:
            taken.append(replace(order, spent_at=event.at) if was_asked and not order.is_spent else order)
    return with_venue(ledger, event.venue, replace(record, taken_orders=tuple(taken)))


def taken_over(ledger: Ledger, order: ForeignOrder, event: ev.OperatorActed, quiet_ms: Millis) -> Ledger:
    """The ledger after a named person took over a foreign order. With the last one of a venue what they brought to it ends.

    What fills of others brought to it, less than a quiet period ago, does not.
    """
    venue = ledger.venue_of(order.instrument)
    record = venue_record(ledger, venue)
    left = tuple(o for o in record.foreign_orders if o is not order)
    taken = (*record.taken_orders, replace(order, taken_by=event.by, leaves=order.quantity))
    ledger = with_venue(ledger, venue, replace(record, foreign_orders=left, taken_orders=taken))
    if left:
        return ledger
    if record.strangers_at is not None and event.at - record.strangers_at < quiet_ms:
        words = f"{Limit.FOREIGN_ORDERS.value} stays for a quiet period: what others did there is {event.at - record.strangers_at} ms old"
        return noted(ledger, Note(at=event.at, kind="state", subject=venue, sentence=words))
    return trading.end(ledger, Limit.FOREIGN_ORDERS, event.at, f"adopted by {event.by}, {event.why}", venue=venue)


def heard(ledger: Ledger, report: ev.OrderReport, at: Millis) -> Ledger:
    """The ledger after a report on one order: a taken one that it says ended is spent, and one that was spent and works is so no more; then
    the venue is read in full, and at once."""
    venue = ledger.venue_of(report.instrument)
    record = venue_record(ledger, venue)
    works = report.status is ev.VenueOrderStatus.ACCEPTED
    if not any(o.is_of(report) and (o.is_spent or not works) for o in record.taken_orders):
        return ledger
    taken = tuple(_after(o, _foreign(ledger, report), at, works=works) if o.is_of(report) else o for o in record.taken_orders)
    return with_venue(ledger, venue, replace(record, reconciled=False, taken_orders=taken))


def _after(order: ForeignOrder, told: ForeignOrder, at: Millis, *, works: bool) -> ForeignOrder:
    """A taken order after a report on it. One that does not tell how large it is changes nothing of that."""
    if not works:
        return order if order.is_spent else replace(order, spent_at=at)
    order = replace(order, spent_at=None)
    return order if told.quantity is None else replace(order, leaves=left_of_taken(order, told), quantity=told.quantity)


def unconfirmed(ledger: Ledger, name: str) -> Ledger:
    """The ledger after a cancel of a taken order was asked for, with what came of it untold: the venue is read in full, and at once."""
    for venue, record in ledger.venues.items():
        if any(o.name == name for o in record.taken_orders) and not ledger.observing:
            return with_venue(ledger, venue, replace(record, reconciled=False))
    return ledger


def withdrawn(ledger: Ledger, now: Millis) -> tuple[Ledger, tuple[CancelOrder, ...]]:
    """Cancels what is taken over, each at most once per interval. Nobody adopts one without an id; of ours there is always one."""
    commands: list[CancelOrder] = []
    for venue, record in ledger.venues.items():
        if not record.taken_orders:
            continue
        due = [o for o in record.taken_orders if not _was_asked_lately(o, now)]
        commands += [_cancel(o) for o in due]
        taken = tuple(replace(o, cancel_asked_at=now) if o in due else o for o in record.taken_orders)
        ledger = with_venue(ledger, venue, replace(record, taken_orders=taken))
    return ledger, tuple(commands)


def _was_asked_lately(order: ForeignOrder, now: Millis) -> bool:
    return order.cancel_asked_at is not None and 0 <= now - order.cancel_asked_at < WITHDRAW_AGAIN_MS


def _cancel(order: ForeignOrder) -> CancelOrder:
    return CancelOrder(
        client_order_id=ClientOrderId(order.name),
        instrument=order.instrument,
        venue_order_id=order.venue_order_id,
        by_venue_id=order.venue_order_id is not None,
    )
