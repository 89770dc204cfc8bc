"""The embedded journal against full disks, failing writes, time and SIGKILL."""

from __future__ import annotations

import asyncio
import logging
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot.adapters.journal import archiver
from bot.adapters.journal import sqlite as sqlite_journal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.store_file import beside
from bot.core.policy import Policy
from bot.ports import JournalUnavailable
from bot.shell.recovery import recovered
from tests.adapters.journal.facts import confirmed, order, seen
from tests.adapters.journal.files import times, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


# A store that takes nothing


def database_of(journal: SqliteJournal) -> sqlite3.Connection:
    return journal._db  # SQLite's own limits stand in for a disk that is full or read-only


def test_a_full_disk_is_said_and_nothing_is_lost_when_it_clears(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=True)
    (pages,) = database_of(journal).execute("PRAGMA page_count").fetchone()
    database_of(journal).execute(f"PRAGMA max_page_count = {pages}")
    refused = []
    for at in range(2, 100):
        try:
            journal.append([confirmed(at)], [order(at)], durable=True)
        except JournalUnavailable as error:
            refused.append(str(error))
    assert refused
    assert "full" in refused[0]
    assert journal.pending == len(refused)
    with pytest.raises(JournalUnavailable, match="full"):
        journal.append([], [], durable=True)
    database_of(journal).execute("PRAGMA max_page_count = 100000")
    journal.append([confirmed(100)], [], durable=True)
    assert journal.pending == 0
    journal.close()
    assert times(path) == list(range(1, 101))


def test_f52_a_full_disk_is_a_doubt_until_a_write_succeeds(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=True)
    assert journal.doubt is None
    (pages,) = database_of(journal).execute("PRAGMA page_count").fetchone()
    database_of(journal).execute(f"PRAGMA max_page_count = {pages}")
    journal.append([confirmed(at) for at in range(2, 1_000)], [], durable=False)
    assert journal.doubt is None, "nobody was told that it is durable"
    with pytest.raises(JournalUnavailable, match="full"):
        journal.append([], [], durable=True)
    assert journal.doubt == f"{path}: the newest entries could not be written (database or disk is full)"
    database_of(journal).execute("PRAGMA max_page_count = 100000")
    assert journal.doubt is not None, "nobody has tried yet"
    journal.append([], [], durable=True)
    assert journal.doubt is None
    journal.close()


def test_a_journal_that_gave_up_is_doubted_whatever_is_written_then(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_journal, "PENDING_BYTES_MAX", 1)
    journal = SqliteJournal(path, "ours")
    with pytest.raises(JournalUnavailable, match="gave up"):
        journal.append([confirmed(1)], [], durable=True)
    assert journal.doubt is not None
    assert "gave up" in journal.doubt
    with pytest.raises(JournalUnavailable):
        journal.append([], [], durable=True)
    assert "gave up" in journal.doubt
    journal.close()


def test_a_start_on_a_full_disk_does_not_call_the_journal_damaged(path: Path) -> None:
    """Whoever believed that would move a sound journal aside."""
    written(path, 3)
    program = (
        "import resource, sys; from pathlib import Path; from bot.adapters.journal.sqlite import SqliteJournal\n"
        "from bot.ports import JournalRefused\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
        "try: SqliteJournal(Path(sys.argv[1]), 'ours')\n"
        "except JournalRefused as error: print(error)\n"
    )
    said = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True).stdout
    assert "cannot be used at present" in said
    assert "free space" in said
    assert "damaged" not in said
    assert times(path) == [1, 2, 3]


def test_a_read_only_store_is_said(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    database_of(journal).execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable, match="readonly"):
        journal.append([confirmed(1)], [], durable=True)
    with pytest.raises(JournalUnavailable, match="readonly"):
        journal.next_epoch()
    journal.append([confirmed(2)], [], durable=False)
    with pytest.raises(JournalUnavailable):
        journal.close()
    journal.close()
    assert times(path) == []


def test_a_write_that_the_system_refuses_is_said(path: Path) -> None:
    program = (
        "import resource, sys; from pathlib import Path; from bot.adapters.journal.sqlite import SqliteJournal;"
        "from bot.ports import JournalUnavailable; from tests.adapters.journal.facts import confirmed\n"
        "journal = SqliteJournal(Path(sys.argv[1]), 'ours'); acknowledged = 0\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    while True: journal.append([confirmed(acknowledged + 1)], [], durable=True); acknowledged += 1\n"
        "except JournalUnavailable as error: print(acknowledged, flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=60, check=False)
    acknowledged = int(done.stdout)
    assert acknowledged > 10
    assert times(path)[:acknowledged] == list(range(1, acknowledged + 1))


def test_a_commit_that_happened_although_it_failed_is_not_written_twice(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=True)
    database_of(journal).execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(2)], [], durable=True)
    database_of(journal).execute("PRAGMA query_only = OFF")
    (waiting,) = journal._pending
    database_of(journal).execute("INSERT INTO entries VALUES (?, ?, ?)", (waiting.seq, waiting.link, waiting.payload))
    journal.append([confirmed(3)], [], durable=True)
    journal.close()
    assert times(path) == [1, 2, 3]


def test_a_commit_that_happened_although_it_failed_is_our_own_also_when_the_next_one_fails(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=True)
    database = database_of(journal)
    database.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(2)], [], durable=True)
    database.execute("PRAGMA query_only = OFF")
    (waiting,) = journal._pending
    database.execute("INSERT INTO entries VALUES (?, ?, ?)", (waiting.seq, waiting.link, waiting.payload))
    database.execute("CREATE TRIGGER full BEFORE INSERT ON entries BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END")
    with pytest.raises(JournalUnavailable, match="full"):
        journal.append([confirmed(3)], [], durable=True)
    database.execute("DROP TRIGGER full")
    journal.append([confirmed(4)], [], durable=True)
    assert journal.doubt is None
    journal.close()
    assert times(path) == [1, 2, 3, 4]


def test_at_a_limit_of_threads_nothing_is_moved_and_the_journal_goes_on(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    monkeypatch.setattr(archiver, "threading", SimpleNamespace(Thread=Refused))
    with caplog.at_level(logging.ERROR), closing(SqliteJournal(path, "ours", archives=True)) as journal:
        for at in (1, 2, 3):
            journal.append([seen(at)], [], durable=True)
            journal.snapshot(recovered(journal.recover(), Policy()))
        assert journal.doubt is None
    assert "could not be moved into the journal's archive: can't start new thread" in caplog.text
    assert times(path) == [1, 2, 3]


def test_entries_of_a_second_writer_are_not_taken_for_our_own(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=True)
    beside(path, ".lock").unlink()  # as somebody who tidies up, or a file system on which a lock holds on one host alone
    second = SqliteJournal(path, "ours")
    second.append([confirmed(100)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(2)], [], durable=True)
    for at in (3, 4):
        with pytest.raises(JournalUnavailable, match=r"entry 2 is the last one there, .* somebody else writes to it; the journal gave up"):
            journal.append([confirmed(at)], [], durable=True)
    assert journal.doubt is not None
    assert "gave up" in journal.doubt
    assert journal.pending == 2, "nothing was taken for written"
    second.append([confirmed(101)], [], durable=True)
    second.close()
    with pytest.raises(JournalUnavailable, match="gave up"):
        journal.close()
    assert times(path) == [1, 100, 101]


def test_entries_that_vanished_under_a_running_bot_leave_no_gap(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    for at in (1, 2, 3):
        journal.append([confirmed(at)], [], durable=True)
    database_of(journal).execute("PRAGMA query_only = ON")
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(4)], [], durable=True)
    database_of(journal).execute("PRAGMA query_only = OFF")
    database_of(journal).execute("DELETE FROM entries WHERE seq > 1")
    with pytest.raises(JournalUnavailable, match="entry 1 is the last one there"):
        journal.append([confirmed(5)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.close()
    assert times(path) == [1]


def test_memory_is_bounded_while_nothing_is_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_journal, "PENDING_BYTES_MAX", 2_000)
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(0)], [], durable=True)
    while journal.pending < 10:
        journal.append([confirmed(1)], [], durable=False)
    with pytest.raises(JournalUnavailable, match="gave up and needs a restart"):
        journal.append([confirmed(2)] * 100, [], durable=False)
    with pytest.raises(JournalUnavailable, match="gave up"):
        journal.append([confirmed(1)], [], durable=True)
    with pytest.raises(JournalUnavailable, match="gave up"):
        journal.close()
    assert times(path) == [0]


# Time


async def test_a_timer_writes_what_waits(path: Path) -> None:
    journal = SqliteJournal(path, "ours")
    journal.append([confirmed(1)], [], durable=False)
    assert journal.pending == 1
    for _ in range(100):
        if not journal.pending:
            break
        await asyncio.sleep(0.02)
    assert journal.pending == 0
    journal.close()


def length(path: Path) -> int:
    return path.stat().st_size


async def test_the_log_is_checkpointed_when_idle(path: Path) -> None:
    with closing(SqliteJournal(path, "ours")) as journal:
        for at in range(200):
            journal.append([confirmed(at)], [], durable=True)
        before = length(path)
        for _ in range(100):
            if length(path) > before:
                break
            await asyncio.sleep(0.05)
        assert length(path) > before


def test_append_tells_how_long_it_took(path: Path) -> None:
    took: list[float] = []
    with closing(SqliteJournal(path, "ours", on_append_seconds=took.append)) as journal:
        journal.append([confirmed(1)], [], durable=False)
        journal.append([confirmed(2)], [], durable=True)
    assert len(took) == 1
    assert 0 < took[0] < 5


# Death


@pytest.mark.parametrize("after", [1, 25, 120])
def test_nothing_acknowledged_is_lost_to_sigkill(path: Path, after: int) -> None:
    program = (
        "import sys; from pathlib import Path; from bot.adapters.journal.sqlite import SqliteJournal;"
        "from tests.adapters.journal.facts import confirmed, order\n"
        "journal, at = SqliteJournal(Path(sys.argv[1]), 'ours'), 0\n"
        "while True:\n"
        "    at += 1\n"
        "    journal.append([confirmed(at)], [], durable=False)\n"
        "    journal.append([confirmed(at)], [order(at)], durable=True)\n"
        "    print(at, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(after)]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split("\n") if line]
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    with closing(SqliteJournal(path, "ours")) as journal:
        steps = list(journal.recover())
        epoch = journal.next_epoch()
    ordered = [event.at for event, commands in steps if commands]
    assert ordered[: len(acknowledged)] == acknowledged
    assert len(ordered) <= len(acknowledged) + 1
    assert len(steps) == 2 * len(ordered)
    assert epoch == 1


def test_recovery_is_quick(path: Path, record_property: Callable[[str, object], None]) -> None:
    with closing(SqliteJournal(path, "ours")) as journal:
        for at in range(5_000):
            journal.append([seen(at)], [order(at)], durable=False)
    started = time.perf_counter()
    assert len(times(path)) == 5_000
    record_property("seconds_for_5000_entries", time.perf_counter() - started)
