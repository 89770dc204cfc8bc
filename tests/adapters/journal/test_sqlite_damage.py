"""The embedded journal against files that are foreign, torn or corrupt."""

from __future__ import annotations

import json
import logging
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.journal.codec import encode, first_link, link
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.wal_tail import frames_written
from bot.ports import JournalRefused
from tests.adapters.journal.facts import confirmed, seen
from tests.adapters.journal.files import times, written


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)


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
    edit(path, "PRAGMA user_version = 3")
    with pytest.raises(JournalRefused, match="format 3 of a newer hedgebot, and this one reads format 2"):
        SqliteJournal(path, "ours")


@pytest.mark.parametrize(
    ("known", "newer", "sentence"),
    [
        (b'"v":1', b'"v":9', "the entry has format version 9"),
        (
            b'"at":2',
            b'"at":2,"tomorrow":"1"',
            "the event CollateralConfirmed has 'tomorrow', which this hedgebot does not know: it is of a newer",
        ),
    ],
)
def test_an_entry_of_a_newer_version_is_refused(path: Path, known: bytes, newer: bytes, sentence: str) -> None:
    written(path, 1)
    payload = encode([confirmed(2)], []).replace(known, newer)
    with closing(sqlite3.connect(path)) as database:
        (last,) = database.execute("SELECT link FROM entries").fetchone()
        database.execute("INSERT INTO entries VALUES (2, ?, ?)", (link(last, payload), payload))
        database.commit()
    with pytest.raises(JournalRefused, match=sentence):
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
        assert journal.is_fresh
        (found,) = journal.quarantined
        journal.append([confirmed(9)], [], durable=True)
    assert found.first_seq in (3, 4)
    assert "were cut off" in caplog.text
    (kept,) = [json.loads(line) for line in found.copy.read_text().splitlines()]
    assert kept["seq"] == found.first_seq
    assert bytes.fromhex(kept["payload"])
    assert times(path) == [1, 2, 9]


def test_a_cut_tail_is_told_at_every_start_until_something_is_entered(path: Path) -> None:
    written(path, 3)
    edit(path, "UPDATE entries SET link = zeroblob(32) WHERE seq = 3")
    for _ in range(3):
        with closing(SqliteJournal(path, "ours")) as journal:
            journal.next_epoch()
            assert journal.is_fresh, "the start before entered nothing: nobody knows yet"
    with closing(SqliteJournal(path, "ours")) as journal:
        journal.append([confirmed(9)], [], durable=True)
        assert journal.is_fresh, "it was when this run began"
    with closing(SqliteJournal(path, "ours")) as journal:
        assert not journal.is_fresh
    assert times(path) == [1, 2, 9]


def test_a_tail_of_several_corrupt_entries_goes_as_one(path: Path) -> None:
    written(path, 5)
    edit(path, "UPDATE entries SET link = zeroblob(32) WHERE seq >= 3")
    with closing(SqliteJournal(path, "ours")) as journal:
        assert [event.at for event, _ in journal.recover()] == [1, 2]
        assert journal.is_fresh
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
        assert not journal.is_fresh


def test_a_torn_log_is_copied_aside_and_reported(path: Path) -> None:
    log = killed_while_open(path, 20)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    with closing(SqliteJournal(path, "ours")) as journal:
        kept = [event.at for event, _ in journal.recover()]
        assert journal.is_fresh
        (found,) = journal.quarantined
        journal.append([confirmed(99)], [], durable=True)
    assert 0 < len(kept) < 20
    assert kept == list(range(1, len(kept) + 1))
    assert found.copy.read_bytes() == bytes(content)
    assert "torn" in found.reason
    with closing(SqliteJournal(path, "ours")) as journal:
        assert not journal.is_fresh, "an entry came after it"
    assert times(path) == [*kept, 99]


def test_a_torn_log_is_told_at_every_start_until_something_is_entered(path: Path) -> None:
    log = killed_while_open(path, 20)
    content = bytearray(log.read_bytes())
    content[len(content) // 2] ^= 0xFF
    log.write_bytes(content)
    for _ in range(2):
        with closing(SqliteJournal(path, "ours")) as journal:
            assert journal.is_fresh


def test_a_log_that_is_no_log_counts_nothing(tmp_path: Path) -> None:
    for content in (b"", b"short", b"\x00" * 5_000):
        (tmp_path / "log").write_bytes(content)
        assert frames_written(tmp_path / "log") == 0
    assert frames_written(tmp_path / "gone") == 0
