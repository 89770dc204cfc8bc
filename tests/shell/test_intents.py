"""What an earlier run kept beside the journal, and what the next start makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.intents import IntentsFile
from bot.core.events import Event, OperatorActed, OperatorAction
from bot.core.policy import Policy
from bot.core.records import Ledger, Position
from bot.core.units import InstrumentId, VenueId
from bot.ports import Snapshot
from bot.shell.intents import entered
from bot.shell.recovery import Course

D = Decimal
REDUCE, HALT, RESUME = OperatorAction.REDUCE, OperatorAction.HALT, OperatorAction.RESUME
FLATTEN, QUARANTINE = OperatorAction.FLATTEN, OperatorAction.QUARANTINE


class Book:
    """A journal that tells what was entered."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def append(self, events: Sequence[Event], *_: Any, durable: bool) -> None:
        assert durable
        self.events += events


def word(at: int, action: OperatorAction, venue: str | None = None) -> OperatorActed:
    return OperatorActed(at=at, action=action, by="alice", why="a drill", venue=None if venue is None else VenueId(venue))


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
    IntentsFile(path).keep([word(200, HALT)], ())
    assert IntentsFile(path).left() == (((word(200, HALT),), ()),)


UNHEARD: Mapping[str, tuple[Sequence[OperatorActed], int | None, Sequence[OperatorAction]]] = {
    "nobody said anything since": ([word(100, FLATTEN)], None, [FLATTEN]),
    "what was said before it": ([word(100, HALT)], 90, [HALT]),
    "a newer word counts": ([word(100, HALT)], 120, []),
    "the journal has it": ([word(100, HALT)], 100, []),
    "both count": ([word(100, REDUCE), word(101, QUARANTINE, "okx")], 90, [REDUCE, QUARANTINE]),
    "resumed at once": ([word(100, HALT), word(101, RESUME)], None, []),
    "something else was resumed": ([word(100, HALT), word(101, RESUME, "okx")], None, [HALT]),
    "the book was resumed, which resumes no venue": ([word(100, HALT, "okx"), word(101, RESUME)], None, [HALT]),
    "the venue was resumed": ([word(100, HALT, "okx"), word(101, RESUME, "okx")], None, []),
    "an old resume ends nothing": ([word(100, RESUME)], None, []),
}


@pytest.mark.parametrize(("said", "acted_at", "expected"), UNHEARD.values(), ids=UNHEARD)
def test_a_restraint_that_another_instance_never_heard_of_counts_from_the_next_turn_on(
    tmp_path: Path, said: Sequence[OperatorActed], acted_at: int | None, expected: Sequence[OperatorAction]
) -> None:
    path, book = tmp_path / "intents.jsonl", Book()
    for each in said:
        IntentsFile(path).keep([each], ())
    ledger = Ledger(
        epoch="h2", started_at=150, decided_at=160, acted_at=acted_at, positions={InstrumentId("okx:ETH"): Position(quantity=D(-1))}
    )
    after = entered(IntentsFile(path), book, folded(ledger), Course()).ledger  # type: ignore[arg-type]  # all that it asks for
    entries = [e for e in book.events if isinstance(e, OperatorActed)]
    assert [e.action for e in entries] == list(expected)
    assert all(e.at == 160 and e.why == "a drill (said 1970-01-01 00:00:00 UTC, while the journal took nothing)" for e in entries)
    assert after.acted_at == (160 if expected else acted_at)
    assert bool(after.flattenings or after.states) is bool(expected)
    assert not path.exists()
