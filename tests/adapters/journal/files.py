"""What the tests of the embedded journal share."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bot.adapters.journal.sqlite import SqliteJournal
from tests.adapters.journal.facts import confirmed, order


def written(path: Path, count: int) -> None:
    """A closed journal of `count` entries at 1, 2, 3..., each with an order."""
    journal = SqliteJournal(path, "ours")
    for at in range(1, count + 1):
        journal.append([confirmed(at)], [order(at)], durable=True)
    journal.close()


def times(path: Path) -> list[int]:
    """The instants of all events that a fresh reading finds."""
    with closing(SqliteJournal(path, "ours")) as journal:
        return [event.at for event, _ in journal.recover()]
