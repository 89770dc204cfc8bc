"""A journal that an older hedgebot wrote is made one of this version, whole or not at all, and what is in it stays as it was."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bot.adapters.journal import store_file
from bot.adapters.journal.codec import encode, first_link, link
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.core.policy import Policy
from bot.ports import JournalRefused
from bot.shell.recovery import recovered
from tests.adapters.journal.facts import seen
from tests.adapters.journal.files import times

TABLES_OF_1 = """
PRAGMA application_id = 1212434242;
PRAGMA user_version = 1;
CREATE TABLE entries (seq INTEGER PRIMARY KEY, link BLOB NOT NULL, payload BLOB NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
"""As hedgebot made them until there was an archive; the table of snapshots was added to them at the next start."""
SNAPSHOTS_OF_1 = """
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, link BLOB NOT NULL, form TEXT NOT NULL, payload BLOB NOT NULL, digest BLOB NOT NULL)
"""


@pytest.fixture(params=["without snapshots", "with snapshots"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A journal of version 1 with entries at 1, 2 and 3, whose epoch is 7."""
    path = tmp_path / "journal.sqlite"
    last = first_link("ours")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        database.executescript(TABLES_OF_1)
        if request.param == "with snapshots":
            database.execute(SNAPSHOTS_OF_1)
        database.executemany("INSERT INTO facts VALUES (?, ?)", [("identity", "ours"), ("epoch", "7")])
        for at in (1, 2, 3):
            payload = encode([seen(at)], [])
            last = link(last, payload)
            database.execute("INSERT INTO entries VALUES (?, ?, ?)", (at, last, payload))
        database.execute("PRAGMA journal_mode = WAL")
    return path


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as database:
        (found,) = database.execute("PRAGMA user_version").fetchone()
    return int(found)


def test_it_goes_on_where_it_ended(path: Path) -> None:
    with closing(SqliteJournal(path, "ours")) as journal:
        assert [event.at for event, _ in journal.recover()] == [1, 2, 3]
        assert not journal.is_fresh
        assert journal.next_epoch() == 8
        journal.append([seen(4)], [], durable=True)
        journal.snapshot(recovered(journal.recover(), Policy()))
    assert version(path) == store_file.SCHEMA_VERSION == 2
    assert times(path) == [1, 2, 3, 4]


def test_it_can_be_archived_from_then_on(path: Path) -> None:
    for last in (6, 9):
        with closing(SqliteJournal(path, "ours", archives=True)) as journal:
            for at in range(len(list(journal.recover())) + 1, last + 1):
                journal.append([seen(at)], [], durable=True)
            journal.snapshot(recovered(journal.recover(), Policy()))
    assert (path.parent / "journal-archive" / "journal-00000001-00000005.jsonl.gz").exists()
    assert times(path) == list(range(1, 10))


def test_reading_it_changes_nothing(path: Path) -> None:
    with closing(SqliteReader(path)) as reader:
        assert [entry.seq for entry in reader.entries()] == [1, 2, 3]
    assert version(path) == 1


def test_a_crash_in_the_middle_leaves_it_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = store_file.UPGRADES[1]

    def dies(database: sqlite3.Connection, identity: str) -> None:
        whole(database, identity)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store_file, "UPGRADES", {1: dies})
        with pytest.raises(KeyboardInterrupt):
            SqliteJournal(path, "ours")
    assert version(path) == 1
    assert times(path) == [1, 2, 3]


def test_another_books_is_refused_before_anything_is_changed(path: Path) -> None:
    with pytest.raises(JournalRefused, match="belongs to another config"):
        SqliteJournal(path, "theirs")
    assert version(path) == 1


def test_a_version_that_nobody_knows_is_refused(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 0")
    with pytest.raises(JournalRefused, match="format 0 of an unknown hedgebot"):
        SqliteJournal(path, "ours")
