"""Snapshots on disk: any of them that is not exactly right is passed over, and the entries tell the same."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from bot.adapters.journal import snapshots
from bot.adapters.journal.codec import EntryUnwritable, decode_snapshot, encode_snapshot
from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset, VenueId
from bot.ports import Snapshot
from bot.shell.recovery import Course, recovered
from tests.adapters.journal.facts import confirmed, drawn, seen, shown
from tests.adapters.journal.files import written


def kept(path: Path, *counts: int) -> Snapshot:
    """A journal that kept a snapshot after so many entries each; what all of them fold to."""
    whole = Course().snapshot(Ledger(), Policy())
    for first, last in zip((0, *counts), counts, strict=False):
        with closing(SqliteJournal(path, "ours")) as journal:
            list(journal.recover())
            for at in range(first + 1, last + 1):
                journal.append([seen(at, str(at))], [], durable=True)
            whole = recovered(journal.recover(), Policy())
            journal.snapshot(whole)
    return whole


def begun(path: Path) -> tuple[Snapshot | None, list[int], Snapshot]:
    """Where recovery begins, the instants of what it folds after that, and what it ends in."""
    with closing(SqliteJournal(path, "ours")) as journal:
        start, after = journal.resume()
        steps = list(after)
        return start, [event.at for event, _ in steps], recovered(steps, Policy(), start)


def edit(path: Path, statement: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute(statement, values)
        database.commit()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


def test_recovery_begins_at_the_newest_and_folds_only_what_came_after(path: Path) -> None:
    whole = kept(path, 3, 7)
    with closing(SqliteJournal(path, "ours")) as journal:
        journal.append([confirmed(8)], [], durable=True)
    start, after, ended = begun(path)
    assert start == whole
    assert after == [8]
    with closing(SqliteJournal(path, "ours")) as journal:
        assert recovered(journal.recover(), Policy()) == ended


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE snapshots SET payload = substr(payload, 1, length(payload) / 2) WHERE seq = 7",
        "UPDATE snapshots SET payload = replace(CAST(payload AS TEXT), '7', '8') WHERE seq = 7",
        "UPDATE snapshots SET digest = zeroblob(32) WHERE seq = 7",
        "UPDATE snapshots SET form = '0-another' WHERE seq = 7",
        "UPDATE snapshots SET seq = 6 WHERE seq = 7",
        "DELETE FROM snapshots WHERE seq = 7",
    ],
)
def test_a_torn_or_strange_one_is_passed_over_for_the_one_before(path: Path, damage: str) -> None:
    whole = kept(path, 3, 7)
    edit(path, damage)
    start, after, ended = begun(path)
    assert start is not None
    assert after == [4, 5, 6, 7]
    assert ended == whole


def test_one_of_another_version_is_passed_over_and_said_so(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = kept(path, 3, 7)
    monkeypatch.setattr(snapshots, "snapshot_form", lambda: "2-fedcba")
    with caplog.at_level(logging.WARNING):
        start, after, ended = begun(path)
    assert (start, len(after), ended) == (None, 7, whole)
    assert "the snapshot at entry 7 was written by another version; it is passed over" in caplog.text


def test_one_that_knows_more_than_the_entries_is_not_believed(path: Path) -> None:
    kept(path, 3, 7)
    edit(path, "DELETE FROM entries WHERE seq = 7")
    start, after, _ = begun(path)
    assert start is not None
    assert after == [4, 5, 6]


def test_only_the_newest_two_are_kept_and_entries_stay(path: Path) -> None:
    kept(path, 2, 4, 6, 8)
    with closing(sqlite3.connect(path)) as database:
        assert [seq for (seq,) in database.execute("SELECT seq FROM snapshots ORDER BY seq")] == [6, 8]
        assert database.execute("SELECT count(*) FROM entries").fetchone() == (8,)


def test_a_journal_from_before_there_were_snapshots_takes_them(path: Path) -> None:
    written(path, 2)
    for statement in ("DROP TABLE snapshots", "DELETE FROM facts WHERE name LIKE 'base%'", "PRAGMA user_version = 1"):
        edit(path, statement)
    assert begun(path)[0] is None
    with closing(SqliteJournal(path, "ours")) as journal:
        journal.snapshot(recovered(journal.recover(), Policy()))
    assert begun(path)[0] is not None


@given(drawn(Snapshot))
@settings(max_examples=60, deadline=None)
def test_whatever_is_in_a_ledger_is_read_back_exactly(snapshot: Snapshot) -> None:
    holdings = {(h.source, h.location, h.asset): h for h in snapshot.ledger.holdings.values()}
    snapshot = replace(snapshot, ledger=replace(snapshot.ledger, holdings=holdings))
    assert shown(decode_snapshot(encode_snapshot(snapshot))) == shown(snapshot)


def test_one_that_would_read_back_as_something_else_is_not_written() -> None:
    holding = next(iter(recovered([(seen(1), ())], Policy()).ledger.holdings.values()))
    odd = Ledger(holdings={("another", "place", Asset("ETH")): holding})
    with pytest.raises(EntryUnwritable, match="reads back as something else"):
        encode_snapshot(Snapshot(ledger=odd, policy=Policy(), began_at=None, newest_payment_at={VenueId("okx"): 1}))
