"""The embedded journal against torn files, foreign files, full disks and SIGKILL."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.journal import sqlite as sqlite_journal
from bot.adapters.journal.codec import encode, first_link, link
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.wal_tail import frames_written
from bot.ports import JournalRefused, JournalUnavailable
from tests.adapters.journal.facts import confirmed, order, seen


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def written(path: Path, count: int) -> None:
    journal = SqliteJournal(path, "ours")
    for at in range(1, count + 1):
        journal.append([confirmed(at)], [order(at)], durable=True)
    journal.close()


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


def times(path: Path) -> list[int]:
    with closing(SqliteJournal(path, "ours")) as journal:
        return [event.at for event, _ in journal.recover()]


# What is not ours


@pytest.mark.parametrize("content", [b"my only copy of a novel\n" * 50, b"x", b"SQLite format 3\x00" + b"\x00" * 200])
def test_a_foreign_file_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(JournalRefused, match="not a hedgebot journal, and it was left as it is"):
        SqliteJournal(path, "ours")
    assert path.read_bytes() == content


def test_a_foreign_database_is_refused_and_left_alone(path: Path) -> None:
    edit(path, "CREATE TABLE entries (seq INTEGER PRIMARY KEY, link BLOB, payload BLOB)")
    before = path.read_bytes()
    with pytest.raises(JournalRefused, match="not a hedgebot journal"):
        SqliteJournal(path, "ours")
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    (path / "kept").touch()
    with pytest.raises(JournalRefused, match="cannot be opened"):
        SqliteJournal(path, "ours")
    assert (path / "kept").exists()


def test_a_newer_journal_is_refused(path: Path) -> None:
    written(path, 1)
    edit(path, "PRAGMA user_version = 2")
    with pytest.raises(JournalRefused, match="format 2 of a newer hedgebot, and this one reads format 1"):
        SqliteJournal(path, "ours")


def test_an_entry_of_a_newer_version_is_refused(path: Path) -> None:
    written(path, 1)
    payload = encode([confirmed(2)], []).replace(b'"v":1', b'"v":9')
    with closing(sqlite3.connect(path)) as database:
        (last,) = database.execute("SELECT link FROM entries").fetchone()
        database.execute("INSERT INTO entries VALUES (2, ?, ?)", (link(last, payload), payload))
        database.commit()
    with pytest.raises(JournalRefused, match="the entry has format version 9"):
        times(path)


def test_a_log_without_its_journal_is_refused(path: Path) -> None:
    (path.parent / "journal.sqlite-wal").write_bytes(b"frames of a journal that somebody deleted")
    with pytest.raises(JournalRefused, match=r"is missing while its log .* is still there"):
        SqliteJournal(path, "ours")


def test_an_unusable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalRefused, match="folder cannot be used"):
        SqliteJournal(tmp_path / "file" / "journal.sqlite", "ours")


def test_a_half_made_journal_is_made_again(path: Path) -> None:
    (path.parent / "journal.sqlite.new").write_bytes(b"half")
    path.touch()
    written(path, 1)
    assert times(path) == [1]
    assert path.stat().st_mode & 0o077 == 0


# Damage


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET payload = substr(payload, 1, 20) WHERE seq = 3",
        "UPDATE entries SET payload = CAST('text' AS TEXT) WHERE seq = 3",
        "UPDATE entries SET link = zeroblob(32) WHERE seq = 3",
        "UPDATE entries SET seq = 4 WHERE seq = 3",
    ],
)
def test_a_corrupt_tail_is_copied_aside_and_reported(path: Path, damage: str, caplog: pytest.LogCaptureFixture) -> None:
    written(path, 3)
    edit(path, damage)
    with caplog.at_level(logging.ERROR), closing(SqliteJournal(path, "ours")) as journal:
        assert [event.at for event, _ in journal.recover()] == [1, 2]
        (found,) = journal.quarantined
        journal.append([confirmed(9)], [], durable=True)
    assert found.first_seq in (3, 4)
    assert "were cut off" in caplog.text
    (kept,) = [json.loads(line) for line in found.copy.read_text().splitlines()]
    assert kept["seq"] == found.first_seq
    assert bytes.fromhex(kept["payload"])
    assert times(path) == [1, 2, 9]


def test_a_tail_of_several_corrupt_entries_goes_as_one(path: Path) -> None:
    written(path, 5)
    edit(path, "UPDATE entries SET link = zeroblob(32) WHERE seq >= 3")
    with closing(SqliteJournal(path, "ours")) as journal:
        assert [event.at for event, _ in journal.recover()] == [1, 2]
        (found,) = journal.quarantined
    assert [json.loads(line)["seq"] for line in found.copy.read_text().splitlines()] == [3, 4, 5]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE entries SET payload = payload || ' ' WHERE seq = 2",
        "DELETE FROM entries WHERE seq = 2",
        "UPDATE entries SET link = zeroblob(32) WHERE seq = 1",
    ],
)
def test_damage_in_the_middle_refuses_the_journal_unchanged(path: Path, damage: str) -> None:
    written(path, 5)
    edit(path, damage)
    with closing(sqlite3.connect(path)) as database:
        before = database.execute("SELECT * FROM entries").fetchall()
    for _ in range(2):
        with closing(SqliteJournal(path, "ours")) as journal, pytest.raises(JournalRefused, match="while later ones are sound"):
            journal.recover()
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT * FROM entries").fetchall() == before


def test_entries_of_another_journal_do_not_fit(path: Path) -> None:
    written(path, 1)
    payload = encode([seen(1)], [])
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE entries SET link = ?, payload = ?", (link(first_link("theirs"), payload), payload))
        database.commit()
    with closing(SqliteJournal(path, "ours")) as journal:
        assert list(journal.recover()) == []
        assert journal.quarantined


def test_a_truncated_file_is_refused(path: Path) -> None:
    written(path, 200)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(JournalRefused, match="damaged"):
        times(path)


def killed_while_open(path: Path, count: int) -> Path:
    """A journal of `count` entries whose holder was killed: its write-ahead log is still there."""
    program = (
        "import sys, time; from pathlib import Path; from bot.adapters.journal.sqlite import SqliteJournal;"
        "from tests.adapters.journal.facts import confirmed\n"
        "journal = SqliteJournal(Path(sys.argv[1]), 'ours')\n"
        "for at in range(1, int(sys.argv[2]) + 1): journal.append([confirmed(at)], [], durable=True)\n"
        "print('done', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path), str(count)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "done\n"
        holder.kill()
    return path.with_name(path.name + "-wal")


def test_a_sound_log_is_not_suspected(path: Path) -> None:
    log = killed_while_open(path, 20)
    assert frames_written(log) >= 20
    with closing(SqliteJournal(path, "ours")) as journal:
        assert len(list(journal.recover())) == 20
        assert journal.quarantined == []


def test_a_torn_log_is_copied_aside_and_reported(path: Path) -> None:
    log = killed_while_open(path, 20)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    with closing(SqliteJournal(path, "ours")) as journal:
        kept = [event.at for event, _ in journal.recover()]
        (found,) = journal.quarantined
        journal.append([confirmed(99)], [], durable=True)
    assert 0 < len(kept) < 20
    assert kept == list(range(1, len(kept) + 1))
    assert found.copy.read_bytes() == bytes(content)
    assert "torn" in found.reason
    assert times(path) == [*kept, 99]


def test_a_log_that_is_no_log_counts_nothing(tmp_path: Path) -> None:
    for content in (b"", b"short", b"\x00" * 5_000):
        (tmp_path / "log").write_bytes(content)
        assert frames_written(tmp_path / "log") == 0
    assert frames_written(tmp_path / "gone") == 0


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
