"""What the journal folds to: start-up and crash recovery are this one path.

Each run is folded under the policy it ran with. Where this version of the rules would have decided otherwise than was recorded, the
record counts: the orders that were entered then are entered again, and nothing else of that decision is taken.

Folding begins at the newest snapshot that the journal trusts, and ends in the same ledger as folding everything, but for what a new run
forgets anyhow (`recording` says what that is).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from bot.core.commands import Command, PlaceOrder
from bot.core.drafting import entered_as_recorded
from bot.core.engine import step
from bot.core.events import Event, FundingPaid, FundingPayment, FundingRecordsRead, SessionStarted
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import VenueId
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


def recovered(
    entries: Iterable[tuple[Event, Sequence[Command]]], policy: Policy, start: Snapshot | None = None, course: Course | None = None
) -> Snapshot:
    """Folds what was recorded after `start` (None: everything), in order, and tells `course` of it.

    `policy` counts only until the first run's own is read.
    """
    course = course or Course(start)
    ledger, differing = Ledger(), 0
    if start is not None:
        ledger, policy = start.ledger, start.policy
    for event, commands in entries:
        if isinstance(event, SessionStarted):
            policy = event.policy
        course.went_on(event)
        taken = step(ledger, event, policy)
        recorded = tuple(c for c in commands if isinstance(c, PlaceOrder))
        if tuple(c for c in taken.commands if isinstance(c, PlaceOrder)) == recorded:
            ledger = taken.ledger
        else:
            differing += 1
            ledger = entered_as_recorded(ledger, recorded, event.at)
    if differing:
        log.warning("journal_decided_otherwise", decisions=differing)
    return course.snapshot(ledger, policy)
