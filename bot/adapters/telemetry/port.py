"""The Telemetry port: counts every event and command, and logs the ones that a person would want to read afterwards.

What repeats on every beat (decisions, quotes, confirmations, rates) is counted and logged at DEBUG only; what changes the book is
INFO; what asks for attention is WARNING.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from structlog.stdlib import BoundLogger

from bot.adapters.telemetry.logs import logger
from bot.adapters.telemetry.prometheus import Metrics
from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import (
    CancelUnconfirmed,
    CollateralConfirmed,
    CollateralUnreadable,
    DecisionDue,
    Event,
    FundingRateObserved,
    FundingRecordsRead,
    HoldingsReported,
    LookUpFailed,
    MarginObserved,
    MarketObserved,
    OperatorActed,
    OrderOutcomeUnknown,
    ReportUnreadable,
    SessionStarted,
    VenueLink,
    VenueLinkChanged,
    VenueReported,
    VenueUnreadable,
)
from bot.core.records import Note
from bot.ports import DecisionMade

_ROUTINE = (
    DecisionDue,
    CollateralConfirmed,
    FundingRateObserved,
    FundingRecordsRead,
    HoldingsReported,
    MarginObserved,
    MarketObserved,
    VenueReported,
)
"""Asked for again and again. What a list of payments brings is told by a note for each payment that is entered."""
_COUNTED = {"orders": PlaceOrder, "cancels": CancelOrder, "questions": LookUpOrder, "readings": ReadVenue}
_ALARMING_NOTES = ("break", "breach", "invariant", "state", "operator", "quarantine", "limit")
_ALARMING = (CollateralUnreadable, OrderOutcomeUnknown, CancelUnconfirmed, LookUpFailed, ReportUnreadable, VenueUnreadable)


class RecordedTelemetry:
    """Counts in `metrics` and writes to the log. Never raises, never waits for anything but the log's stream."""

    def __init__(self, metrics: Metrics, log: BoundLogger | None = None) -> None:
        """`log` defaults to the logger `bot`."""
        self._metrics = metrics
        self._log = log if log is not None else logger()

    def event_folded(self, event: Event, *, is_news: bool) -> None:
        """Counts the event and logs it at the level that its kind deserves; what was known already is not worth a line."""
        kind = type(event).__name__
        self._metrics.events.labels(kind).inc()
        if isinstance(event, SessionStarted) or (isinstance(event, OperatorActed) and event.policy is not None):
            self._metrics.config_counts(event.config_hash)
        if isinstance(event, _ROUTINE) or not is_news:
            self._log.debug(kind, at=event.at)
        elif isinstance(event, _ALARMING) or _is_loss(event):
            self._log.warning(kind, **_fields(event))
        elif isinstance(event, SessionStarted):
            self._log.info(kind, at=event.at, epoch=event.epoch, config_hash=event.config_hash)
        else:
            self._log.info(kind, **_fields(event))

    def noted(self, note: Note) -> None:
        """Writes what the core has to say: breaks, broken invariants and what is withheld as warnings, the rest at INFO."""
        write = self._log.warning if note.kind in _ALARMING_NOTES else self._log.info
        write(note.kind, at=note.at, subject=note.subject, said=note.sentence, order=note.order)

    def decided(self, decision: DecisionMade) -> None:
        """Observes how long a decision took, and writes its one line: at INFO when something follows from it, else at DEBUG."""
        self._metrics.decision_seconds.observe(decision.seconds)
        counts = {name: sum(isinstance(each, kind) for each in decision.commands) for name, kind in _COUNTED.items()}
        acts = counts["orders"] or counts["cancels"] or decision.withheld
        write = self._log.info if acts else self._log.debug
        write("decided", at=decision.at, entry=decision.entry, seconds=round(decision.seconds, 6), withheld=decision.withheld, **counts)

    def command_dispatched(self, command: Command, entry: int | None) -> None:
        """Counts the command and logs it, with the number of the journal's entry that tells its cause."""
        kind = type(command).__name__
        self._metrics.commands.labels(kind).inc()
        write = self._log.info if isinstance(command, PlaceOrder | CancelOrder) else self._log.debug
        write(kind, entry=entry, **_fields(command))


def _is_loss(event: Event) -> bool:
    """A venue that is heard worse than it should be is somebody's business."""
    return isinstance(event, VenueLinkChanged) and event.link is not VenueLink.UP


def _fields(item: Any) -> dict[str, Any]:
    """The fields of a dataclass, nested ones flattened by a dot; what was not told is left out."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(item):
        value = getattr(item, field.name)
        if dataclasses.is_dataclass(value):
            found |= {f"{field.name}.{name}": inner for name, inner in _fields(value).items()}
        elif value is not None:
            found[field.name] = value
    return found
