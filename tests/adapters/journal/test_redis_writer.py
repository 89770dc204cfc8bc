"""The thread that writes to Redis: whatever it meets, it does not end without a word."""

from __future__ import annotations

import logging
import threading
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.adapters.journal import archiver
from bot.adapters.journal.redis_store import RedisStore
from bot.core.policy import Policy
from bot.ports import JournalUnavailable
from bot.shell.recovery import recovered
from tests.adapters.journal.facts import confirmed, seen
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.adapters.journal.redis_words import BRIEF_S, Place, put, until

pytestmark = needs_redis


@pytest.fixture
def place(redis_process: RedisProcess, journal_name: str, tmp_path: Path) -> Place:
    return Place(redis_process.server, journal_name, tmp_path)


def test_a_writer_that_dies_of_what_nobody_foresaw_ends_the_journal(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def died(*_: object) -> None:
        raise LookupError("of what nobody foresaw")

    journal = place.opened(patience_s=BRIEF_S)
    put(journal, 1)
    assert journal.doubt is None
    monkeypatch.setattr(RedisStore, "append", died)
    with suppress(JournalUnavailable):
        journal.append([confirmed(2)], [], durable=True)
    until(lambda: journal.doubt is not None)
    assert "its writer died: LookupError('of what nobody foresaw')" in str(journal.doubt)
    with pytest.raises(JournalUnavailable, match="gave up and needs a restart"):
        journal.append([confirmed(3)], [], durable=False)  # as the port says: a run ends by this
    with pytest.raises(JournalUnavailable, match="could not be written"):
        journal.close()


def test_at_a_limit_of_threads_nothing_is_moved_and_the_journal_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(archiver, "threading", SimpleNamespace(Thread=Refused))
    with caplog.at_level(logging.ERROR), closing(place.opened()) as journal:
        for at in (1, 2, 3):
            journal.append([seen(at)], [], durable=True)
            journal.snapshot(recovered(journal.recover(), Policy()))
            until(lambda at=at: caplog.text.count("entries could not be moved into the journal's archive") >= at)
        assert journal.doubt is None
    assert "can't start new thread" in caplog.text
    assert place.times() == [1, 2, 3]
