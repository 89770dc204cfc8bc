"""What an earlier run kept beside the journal, and what the next start makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.intents import IntentsFile
from bot.core.events import Event, OperatorActed, OperatorAction
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.ports import Snapshot
from bot.shell.intents import entered
from bot.shell.recovery import Course


class Book:
    """A journal that tells what was entered."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event], *_: Any, durable: bool) -> None:
        assert durable
        self.events += events


def folded(ledger: Ledger) -> Snapshot:
    return Snapshot(ledger=ledger, policy=Policy(), began_at=1, newest_payment_at={})


@pytest.mark.parametrize("what", ["torn", "unreadable"])
def test_nothing_stays_in_the_way_of_what_is_kept_next(tmp_path: Path, what: str) -> None:
    path, book = tmp_path / "intents.jsonl", Book()
    if what == "torn":
        path.write_bytes(b'deadbeef {"torn')
    else:
        path.mkdir()
    before = folded(Ledger(epoch="h2", started_at=150))
    after = entered(IntentsFile(path), book, before, Course())  # type: ignore[arg-type]  # all that it asks for
    assert (after.ledger, book.events, path.exists()) == (before.ledger, [], False)
    assert (tmp_path / "intents.jsonl.set-aside-1").exists()
    word = OperatorActed(at=200, action=OperatorAction.HALT, by="alice", why="a drill")
    IntentsFile(path).keep([word], ())
    assert IntentsFile(path).left() == (((word,), ()),)
