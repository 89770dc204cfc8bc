"""What happens when, how it is known that the bot saw it, and that it healed.

Each event has three instants: injected (it was done to the world), seen (the bot's own statement shows it), healed (the book is hedged
again by the venues' own books, and whatever the event broke is whole). Times are fractions of the run, so that a longer run tells the
same story more slowly; an event begins when the one before it has healed or its patience has run out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.units import Millis
from bot.drivers.demo.observer import Observer, Truth
from bot.drivers.demo.stage import now_ms

GRACE_MS: Millis = 3_000
"""After each injected shock, how long net delta is not held against the bot."""

Told = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class StoryEvent:
    """One event of the story. `fraction` of the run at which it begins at the earliest; instants are wall ms, None until they come.

    `shocks` are the instants at which it moved the world (an outage has two: begin and end), from which grace is counted.
    """

    name: str
    sentence: str
    fraction: float
    begin: Callable[[], None]
    was_seen: Callable[[Told, Truth], bool]
    was_healed: Callable[[Told, Truth], bool]
    injected_when: Callable[[], Millis | None] = lambda: None
    proceed: Callable[[Millis], None] = lambda _since: None
    begun_at: Millis | None = None
    injected_at: Millis | None = None
    seen_at: Millis | None = None
    healed_at: Millis | None = None

    @property
    def is_over(self) -> bool:
        """Whether it was injected, seen and healed."""
        return None not in (self.injected_at, self.seen_at, self.healed_at)


class Story:
    """Events in order, told against an observer; `shocks` are when they moved the world. `turn` is called often; it never waits."""

    def __init__(self, events: Sequence[StoryEvent], observer: Observer, duration_ms: Millis, shocks: list[Millis]) -> None:
        self.events = events
        self._observer = observer
        self._duration_ms = duration_ms
        self._shocks = shocks

    def in_grace(self, at: Millis) -> bool:
        """Whether a shock is less than the grace ago, or the venue that fell silent still is."""
        return any(0 <= at - shock <= GRACE_MS for shock in self._shocks)

    @property
    def is_over(self) -> bool:
        """Whether every event was injected, seen and healed."""
        return all(event.is_over for event in self.events)

    def turn(self, began_at: Millis) -> StoryEvent | None:
        """Moves the story on; returns the event whose state changed, if one did."""
        now = now_ms()
        for event in self.events:
            if event.is_over:
                continue
            if event.begun_at is None:
                if now - began_at < event.fraction * self._duration_ms:
                    return None
                event.begun_at = now
                event.begin()
            return event if self._follow(event, event.begun_at, now) else None
        return None

    def _follow(self, event: StoryEvent, begun_at: Millis, now: Millis) -> bool:
        before = (event.injected_at, event.seen_at, event.healed_at)
        event.proceed(begun_at)
        if event.injected_at is None:
            event.injected_at = event.injected_when() or None
            if event.injected_at is not None:
                self._shocks.append(event.injected_at)
        told = self._observer.status
        if told is not None and event.injected_at is not None and told["at"] >= event.injected_at:
            if event.seen_at is None and event.was_seen(told, self._observer.truth):
                event.seen_at = now
            if event.seen_at is not None and event.was_healed(told, self._observer.truth):
                event.healed_at = now
        return before != (event.injected_at, event.seen_at, event.healed_at)
