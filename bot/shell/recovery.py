"""What the journal folds to: start-up and crash recovery are this one path.

Each run is folded under the policy it ran with. Where this version of the rules would have decided otherwise than was recorded, the
record counts: the orders that were entered then are entered again, and nothing else of that decision is taken.

Folding begins at the newest snapshot that the journal trusts, and ends in the same ledger as folding everything, but for what a new run
forgets anyhow (`recording` says what that is).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import structlog

from bot.core.commands import Command, PlaceOrder
from bot.core.drafting import entered_as_recorded
from bot.core.engine import step
from bot.core.events import Event, FundingPaid, FundingPayment, FundingRecordsRead, IntentsEntered, OperatorActed, SessionStarted
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Millis, VenueId
from bot.ports import Snapshot

log = structlog.get_logger(__name__)


class Course:
    """What is remembered of a journal's course beside the ledger, and how far it went since the last snapshot."""

    def __init__(self, start: Snapshot | None = None) -> None:
        self.began_at = None if start is None else start.began_at
        self.events = 0
        """Since the snapshot."""
        self._newest_payment_at = {} if start is None else dict(start.newest_payment_at)

    def went_on(self, event: Event) -> None:
        """An event was recorded."""
        self.events += 1
        if isinstance(event, SessionStarted) and self.began_at is None:
            self.began_at = event.at
        for payment in _payments_in(event):
            venue = VenueId(payment.instrument.partition(":")[0])
            self._newest_payment_at[venue] = max(self._newest_payment_at.get(venue, 0), payment.venue_at)

    def snapshot(self, ledger: Ledger, policy: Policy) -> Snapshot:
        """All of it now."""
        return Snapshot(ledger=ledger, policy=policy, began_at=self.began_at, newest_payment_at=dict(self._newest_payment_at))


def _payments_in(event: Event) -> Sequence[FundingPayment]:
    if isinstance(event, FundingPaid):
        return (event.payment,)
    return event.payments if isinstance(event, FundingRecordsRead) else ()


class Folding:
    """Folds what was recorded, step by step: each run under the policy it ran with, and orders as they were recorded."""

    def __init__(self, policy: Policy, start: Snapshot | None = None, course: Course | None = None) -> None:
        """From `start`, None: from nothing. `policy` counts only until the first run's own is read."""
        self.course = course or Course(start)
        self.ledger = Ledger() if start is None else start.ledger
        self.policy = policy if start is None else start.policy

    def take(self, event: Event, commands: Sequence[Command]) -> tuple[PlaceOrder, ...] | None:
        """Folds one step. None when this version decides as was recorded, else the orders that it would have placed instead."""
        self.policy = policy_from(event) or self.policy
        self.course.went_on(event)
        taken = step(self.ledger, event, self.policy)
        recorded = orders_in(commands)
        decided = orders_in(taken.commands)
        if isinstance(event, IntentsEntered):  # its orders were decided before it, on facts that are lost
            self.ledger = entered_as_recorded(after_their_end(taken.ledger, recorded, event.at), recorded, event.at)
            return None
        if decided == recorded:
            self.ledger = taken.ledger
            return None
        self.ledger = entered_as_recorded(self.ledger, recorded, event.at)
        return decided

    def snapshot(self) -> Snapshot:
        """What everything so far folds to."""
        return self.course.snapshot(self.ledger, self.policy)


def after_their_end(ledger: Ledger, orders: Sequence[PlaceOrder], at: Millis) -> Ledger:
    """The ledger in which what is open on the instruments of `orders` had ended by `at`, when these left: one at a time is the rule.

    What it filled is still in doubt.
    """
    for instrument in {o.instrument for o in orders}:
        for order in ledger.open_orders(instrument):
            ended = replace(order, state=OrderState.IN_DOUBT, doubted_at=order.doubted_at or at, closed_at=order.closed_at or at)
            ledger = ledger.with_order({**ledger.orders, order.client_order_id: ended}, ended)
    return ledger


def policy_from(event: Event) -> Policy | None:
    """The policy that counts from an event on, None: the same as before. A run begins with its own; a person may load another."""
    if isinstance(event, SessionStarted):
        return event.policy
    return event.policy if isinstance(event, OperatorActed) else None


def orders_in(commands: Sequence[Command]) -> tuple[PlaceOrder, ...]:
    """The orders among these commands."""
    return tuple(c for c in commands if isinstance(c, PlaceOrder))


def as_recorded(ledger: Ledger) -> Ledger:
    """The ledger without what is no part of the record: quotes, the instant of the newest decision, and what was asked for last."""
    venues = {v: replace(r, read_asked_at=None, read_pending=False, messages=()) for v, r in ledger.venues.items()}
    return replace(ledger, quotes={}, decided_at=None, venues=venues)


def recovered(
    entries: Iterable[tuple[Event, Sequence[Command]]], policy: Policy, start: Snapshot | None = None, course: Course | None = None
) -> Snapshot:
    """Folds what was recorded after `start` (None: everything), in order, and tells `course` of it.

    `policy` counts only until the first run's own is read.
    """
    folding, differing = Folding(policy, start, course), 0
    for event, commands in entries:
        if folding.take(event, commands) is not None:
            differing += 1
    if differing:
        log.warning("journal_decided_otherwise", decisions=differing)
    return folding.snapshot()
