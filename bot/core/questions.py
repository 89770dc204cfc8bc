"""What the book asks venues, and when: about orders whose end is not known, and for complete readings.

An order is asked about at most once per interval, and cancelled when it outlived its expiry, or when the state of the book or of its
venue does not let it work any more. One that rests is asked about now and then, and cancelled by whoever works it (see `working`). A
venue is read when it has not agreed
yet, and on a beat. Readings that do not agree are repeated ever more slowly: what one venue contradicts for long must not use up the
requests by which it is traded.
"""

from __future__ import annotations

from bot.core import ledger as book
from bot.core import strangers, trading
from bot.core.commands import CancelOrder, Command, LookUpOrder, ReadVenue
from bot.core.copying import replace
from bot.core.marks import venues_named
from bot.core.order import Order, OrderState, Trigger
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState, VenueRecord
from bot.core.units import Millis, VenueId

READ_RETRY_MS: Millis = 500
"""Pause between two readings of a venue that has not agreed yet; doubles with each further one in a row that does not agree."""
READ_RETRY_MAX_MS: Millis = 5_000
"""The longest such pause."""
UNREADABLE_RETRY_MS: Millis = 2_000
"""The same after a reading that did not come through."""
READ_TIMEOUT_MS: Millis = 20_000
"""A reading unanswered for this long is asked for again; the shell answers every command, so this is a second line."""
FILLS_OVERLAP_MS: Millis = 60_000
"""How far before the last complete reading fills are read again: venues list them late; each counts once by its id."""
UNANSWERED_MAX_MS: Millis = 15_000
"""A place request whose answer is this late after the order's expiry is in doubt: the shell answers every command, so a second line."""
WORKING_MAX_MS: Millis = 1_000
"""An IOC order that still works after this long has lost its end somewhere: ask, and cancel it when its expiry has passed."""
RESTING_LOOK_UP_MS: Millis = 5_000
"""How often a resting order is asked about: its end may have been told and lost."""


def ask(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Ledger, tuple[Command, ...]]:
    """Asks about each order whose end is not known, at most once per interval, and cancels one that outlived its expiry.

    What somebody took over is withdrawn with that (see `strangers`).
    """
    ledger, withdrawn = strangers.withdrawn(ledger, now)
    commands: list[Command] = [*withdrawn]
    for order in ledger.open_orders():
        if _has_outlived(ledger, order, now):
            ledger, cancels = cancel(ledger, policy, order, now)
            commands.extend(cancels)
            continue
        if not _is_overdue(order, policy, now):
            continue
        if order.state is OrderState.PENDING_NEW:
            ledger = book.change_order(ledger, order.client_order_id, Trigger.UNANSWERED, now)
            order = ledger.orders[order.client_order_id]
        ledger = replace(ledger, orders=book.put(ledger.orders, order.client_order_id, replace(order, asked_at=now)))
        commands.append(
            LookUpOrder(
                client_order_id=order.client_order_id,
                instrument=order.instrument,
                venue_order_id=order.venue_order_id,
                placed_at=order.placed_at,
            )
        )
    return ledger, tuple(commands)


def cancel(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> tuple[Ledger, tuple[CancelOrder, ...]]:
    """The cancel of an order, unless it was asked for within the interval; cancelling what has ended changes nothing."""
    if order.cancel_asked_at is not None and _is_within(now, order.cancel_asked_at, policy.doubt_query_interval_ms):
        return ledger, ()
    asked = replace(order, cancel_asked_at=now)
    command = CancelOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=order.venue_order_id)
    return replace(ledger, orders=book.put(ledger.orders, order.client_order_id, asked)), (command,)


def _has_outlived(ledger: Ledger, order: Order, now: Millis) -> bool:
    """Whether an order that works must go: it is an IOC whose time is up, or no order may stand here that no
    person asked for, or none that increases."""
    if order.state is not OrderState.WORKING:
        return False
    if not order.post_only and now > order.expires_at and not _is_within(now, order.placed_at, WORKING_MAX_MS):
        return True
    venue = ledger.venue_of(order.instrument)
    closes = order.reduce_only and trading.may_close(ledger, order.instrument)
    return (trading.is_halted(ledger, venue) and not closes) or (
        not order.reduce_only and trading.state_of(ledger, venue) is not TradingState.ACTIVE
    )


def _is_overdue(order: Order, policy: Policy, now: Millis) -> bool:
    if order.asked_at is not None and _is_within(now, order.asked_at, policy.doubt_query_interval_ms):
        return False
    if order.is_resting:
        return not _is_within(now, order.asked_at or order.placed_at, RESTING_LOOK_UP_MS)
    if order.state is OrderState.WORKING:
        return not _is_within(now, order.placed_at, WORKING_MAX_MS)
    return order.state is OrderState.IN_DOUBT or now > order.expires_at + UNANSWERED_MAX_MS


def _is_within(now: Millis, since: Millis, span_ms: Millis) -> bool:
    """Whether less than `span_ms` have passed. A clock that stepped back before `since` does not make anything wait for it."""
    return 0 <= now - since < span_ms


def read(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Ledger, tuple[ReadVenue, ...]]:
    """Asks for a complete reading of each venue that is due one: not agreeing yet, or not read for the interval."""
    commands = []
    for venue in venues_named(policy):
        reason = _read_reason(ledger, policy, venue, now)
        if reason is None:
            continue
        record = replace(book.venue_record(ledger, venue), read_pending=True, read_asked_at=now)
        ledger = book.with_venue(ledger, venue, record)
        # A fill that names only the venue's order id waits for the end of the doubt about its order, however long that takes.
        waiting = (o.placed_at for o in ledger.open_orders() if ledger.venue_of(o.instrument) == venue)
        since = min((record.reported_at or ledger.started_at, *waiting)) - FILLS_OVERLAP_MS
        commands.append(ReadVenue(venue=venue, fills_since=since, reason=reason))
    return ledger, tuple(commands)


def _pause_of(record: VenueRecord) -> Millis:
    if record.read_pending:
        return READ_TIMEOUT_MS
    if record.unreadable:
        return UNREADABLE_RETRY_MS
    doublings = min(max(record.disagreements - 1, 0), READ_RETRY_MAX_MS.bit_length())
    return min(READ_RETRY_MS << doublings, READ_RETRY_MAX_MS)


def _read_reason(ledger: Ledger, policy: Policy, venue: VenueId, now: Millis) -> str | None:
    record = book.venue_record(ledger, venue)
    asked = record.read_asked_at
    if asked is not None and _is_within(now, asked, _pause_of(record)):
        return None
    if not record.reconciled:
        return "not reconciled"
    if record.reported_at is None or not _is_within(now, record.reported_at, policy.report_interval_ms):
        return "beat"
    doubted = [o for o in ledger.open_orders() if o.state is OrderState.IN_DOUBT and ledger.venue_of(o.instrument) == venue]
    if any(o.over_at is not None and record.reported_at <= o.over_at < now for o in doubted):
        return "an order in doubt must be over"  # its absence is proven only by a reading from after that
    return None
