"""Ids that were told already, so that what is told twice counts once.

The rule: at least as many of the newest ids are remembered as was promised, and never more than that and two generations beside. Ids are
kept in generations of equal length, of which only the youngest is copied when one more comes: remembering costs the same however many
are known. Ids of a whole generation are forgotten together.

What was forgotten leaves a mark: what is from before all that is remembered may have been told, and is not news either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import repeat
from operator import contains

from bot.core.units import Millis

GENERATION = 64
"""Ids of one generation."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Ids of one kind, each with the instant of what it names; `complete` are full generations, oldest first, `newest` still grows.

    `since`: the earliest instant that was remembered when ids were last forgotten; None: none ever were.
    """

    complete: tuple[Mapping[str, Millis], ...] = ()
    newest: Mapping[str, Millis] = field(default_factory=dict)
    since: Millis | None = None

    def __contains__(self, told: object) -> bool:
        """Whether an id is remembered."""
        return told in self.newest or any(map(contains, self.complete, repeat(told)))

    def __len__(self) -> int:
        """How many ids are remembered."""
        return len(self.newest) + sum(map(len, self.complete))

    def may_have_forgotten(self, at: Millis) -> bool:
        """Whether something of that instant may have been told, and forgotten since."""
        return self.since is not None and at < self.since

    def has_since(self, at: Millis) -> bool:
        """Whether something of that instant or a later one is remembered."""
        return any(each >= at for ids in (*self.complete, self.newest) for each in ids.values())

    def adding(self, told: str, at: Millis, least: int) -> Seen:
        """These and one more id, which must not be among them; at least the `least` newest stay."""
        newest = {**self.newest, told: at}
        if len(newest) < GENERATION:
            return Seen(self.complete, newest, self.since)
        kept = (*self.complete, newest)[least // -GENERATION :]
        forgets = len(kept) <= len(self.complete)
        return Seen(kept, {}, min(min(ids.values()) for ids in kept) if forgets else self.since)

    @classmethod
    def of(cls, told: Iterable[str]) -> Seen:
        """All of these ids, each once, in their order, of an unknown instant long ago."""
        seen, ids = cls(), tuple(dict.fromkeys(told))
        for each in ids:
            seen = seen.adding(each, 0, len(ids))
        return seen


NOTHING_SEEN = Seen()
