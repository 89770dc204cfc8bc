"""What a run tells goes into the story, and what it folded to the oracle."""

from __future__ import annotations

from bot.core.commands import Command
from bot.core.events import CollateralObserved, Event, OperatorActed, SessionStarted, StopRequested
from bot.core.records import Note
from bot.drivers.chaos.oracle import Oracle
from bot.drivers.chaos.story import Story
from bot.ports import DecisionMade


class ChaosTelemetry:
    """`ports.Telemetry` of one run."""

    def __init__(self, oracle: Oracle, story: Story) -> None:
        self._oracle, self._story, self._life = oracle, story, oracle.life

    def event_folded(self, event: Event, *, is_news: bool) -> None:
        """An event went through the core."""
        del is_news
        if isinstance(event, SessionStarted):
            self._oracle.begun(event.epoch)
        if isinstance(event, OperatorActed | StopRequested | CollateralObserved):
            self._story.tell("bot", f"took {type(event).__name__}")
            if self._life == self._oracle.life:
                self._oracle.folded(event)

    def noted(self, note: Note) -> None:
        """The core said something. What a run says whose place another has taken is no word on the book any more."""
        if self._life == self._oracle.life:
            self._oracle.noted(note)
        self._story.tell("bot", f"{note.kind} {note.subject}: {note.sentence}")

    def decided(self, decision: DecisionMade) -> None:
        """Its notes and commands tell of it."""

    def command_dispatched(self, command: Command, entry: int | None) -> None:
        """The venue tells of it."""
