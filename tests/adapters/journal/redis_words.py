"""What the tests of the Redis journal share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bot.adapters.journal.redis_link import RedisServer
from bot.adapters.journal.redis_streams import RedisJournal
from tests.adapters.journal.facts import confirmed, order

PATIENT_S = 10.0
"""Longer than a busy machine holds up an append that will succeed."""
BRIEF_S = 0.25
"""For an append that will not succeed."""


class Place:
    """One journal on one server, opened again and again from one folder."""

    def __init__(self, server: RedisServer, name: str, folder: Path) -> None:
        self.server, self.name, self.folder = server, name, folder

    def opened(self, **options: object) -> RedisJournal:
        given: dict[str, object] = {"patience_s": PATIENT_S, **options}
        return RedisJournal(self.server, self.name, "ours", self.folder, **given)  # type: ignore[arg-type]  # each test names its own

    def via(self, port: int) -> Place:
        """The same through a wire of ours."""
        return Place(RedisServer(hosts=(("127.0.0.1", port),)), self.name, self.folder)

    def elsewhere(self, folder: Path) -> Place:
        """The same from another host."""
        return Place(self.server, self.name, folder)

    def written(self, count: int) -> None:
        """Entries at 1, 2, 3..., each with an order, by a journal that is closed again."""
        with closing(self.opened()) as journal:
            for at in range(1, count + 1):
                journal.append([confirmed(at)], [order(at)], durable=True)

    def times(self) -> list[int]:
        """The instants of all events that a fresh reading finds."""
        with closing(self.opened()) as journal:
            return [event.at for event, _ in journal.recover()]


def put(journal: RedisJournal, at: int) -> None:
    """An entry, and a wait for it that is patient whatever the journal's own patience is."""
    journal.append([confirmed(at)], [], durable=False)
    until(lambda: journal.pending == 0)


def until(true: Callable[[], object], seconds: float = 8.0) -> None:
    """Waits until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """How many seconds have passed since."""
    began = time.monotonic()
    yield lambda: time.monotonic() - began
