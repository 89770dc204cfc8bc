"""What the journal folds to: start-up and crash recovery are this one path.

Each run is folded under the policy it ran with. Where this version of the rules would have decided otherwise than was recorded, the
record counts: the orders that were entered then are entered again, and nothing else of that decision is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from bot.core.commands import Command, PlaceOrder
from bot.core.engine import step
from bot.core.events import Event, FundingPaid, SessionStarted
from bot.core.execution import entered_as_recorded
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Millis, VenueId

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """The ledger as recorded; when the journal's first run began (our clock, None: never) and each venue's newest payment (its clock)."""

    ledger: Ledger
    began_at: Millis | None
    newest_payment_at: Mapping[VenueId, Millis]


def recovered(entries: Iterable[tuple[Event, Sequence[Command]]], policy: Policy) -> Recovery:
    """Folds everything that was recorded, in order. `policy` counts only until the first run's own is read."""
    ledger, began_at, differing = Ledger(), None, 0
    newest: dict[VenueId, Millis] = {}
    for event, commands in entries:
        if isinstance(event, SessionStarted):
            policy = event.policy
            began_at = event.at if began_at is None else began_at
        if isinstance(event, FundingPaid):
            venue = ledger.venue_of(event.payment.instrument)
            newest[venue] = max(newest.get(venue, 0), event.payment.venue_at)
        taken = step(ledger, event, policy)
        recorded = tuple(c for c in commands if isinstance(c, PlaceOrder))
        if tuple(c for c in taken.commands if isinstance(c, PlaceOrder)) == recorded:
            ledger = taken.ledger
        else:
            differing += 1
            ledger = entered_as_recorded(ledger, recorded, event.at)
    if differing:
        log.warning("journal_decided_otherwise", decisions=differing)
    return Recovery(ledger=ledger, began_at=began_at, newest_payment_at=newest)
