"""A journal is folded from its first entry and held against what it says itself: equal, or told where it is not."""

from __future__ import annotations

import decimal
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.adapters.journal.codec import Entry, decode, encode, first_link, link
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.cli import app
from bot.core.commands import Command, PlaceOrder
from bot.core.events import DecisionDue
from bot.ports import JournalRefused
from bot.shell.replay import Replayed, replay
from bot.simulator.virtual_time import run_virtually
from tests.shell.bench import Bench, same_but_for_market, virtual
from tests.shell.recorded import bench_on, eventful, placed


def replayed(path: Path) -> Replayed:
    journal = SqliteReader(path)
    try:
        return replay(journal)
    finally:
        journal.close()


def rewritten(path: Path, change: Callable[[Entry], Entry]) -> None:
    """The journal with every entry changed and the chain made anew: what no damage does, and a planted difference needs."""
    with closing(sqlite3.connect(path)) as db:
        expected = first_link("a test")
        for seq, payload in db.execute("SELECT seq, payload FROM entries ORDER BY seq").fetchall():
            entry = change(decode(payload))
            written = encode(entry.events, entry.commands)
            expected = link(expected, written)
            db.execute("UPDATE entries SET payload = ?, link = ? WHERE seq = ?", (written, expected, seq))
        db.execute("DELETE FROM snapshots")
        db.commit()


@virtual
async def test_a_journal_is_replayed_while_its_bot_runs_and_is_not_touched(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    bench = await eventful(path)
    bench.life.journal.append((), (), durable=True)
    found = replayed(path)
    assert found.is_equal
    assert same_but_for_market(found.ledger, bench.ledger)
    assert (len(found.sessions), found.orders) == (2, len(placed(bench)))
    assert [s.differing for s in found.snapshots] == [()]
    length = found.entries
    bench.hold("ETH", "90")
    await bench.until(bench.converged, 20)
    await bench.stop()
    later = replayed(path)
    assert later.entries > length
    assert later.is_equal
    assert len(later.snapshots) == 2


@virtual
async def test_what_is_written_after_the_opening_is_not_read(tmp_path: Path):
    bench = bench_on(tmp_path / "journal.sqlite")
    bench.hold("ETH", "80")
    bench.start()
    await bench.until(bench.converged, 20)
    journal = SqliteReader(tmp_path / "journal.sqlite")
    bench.hold("ETH", "40")
    await bench.until(bench.converged, 20)
    await bench.stop()
    assert [entry.seq for entry in journal.entries()] == list(range(1, journal.length + 1))
    assert replayed(tmp_path / "journal.sqlite").entries > journal.length
    journal.close()


def test_a_copy_that_nobody_may_write_beside_is_read(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run_virtually(stopped(path))
    folder = tmp_path / "archive"
    folder.mkdir()
    shutil.copyfile(path, folder / "copy.sqlite")
    (folder / "copy.sqlite").chmod(0o400)
    folder.chmod(0o500)
    try:
        assert replayed(folder / "copy.sqlite").is_equal
        assert [f.name for f in folder.iterdir()] == ["copy.sqlite"]
    finally:
        folder.chmod(0o700)


async def stopped(path: Path) -> Bench:
    bench = await eventful(path)
    await bench.stop()
    return bench


def test_a_decision_that_was_recorded_otherwise_is_told_with_both_answers(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run_virtually(stopped(path))
    changed: list[int] = []

    def larger(entry: Entry) -> Entry:
        if changed or not any(isinstance(c, PlaceOrder) for c in entry.commands):
            return entry
        changed.append(1)
        doubled: tuple[Command, ...] = tuple(
            replace(c, quantity=c.quantity * 2, contracts=c.contracts * 2) if isinstance(c, PlaceOrder) else c for c in entry.commands
        )
        return Entry(entry.events, doubled)

    rewritten(path, larger)
    found = replayed(path)
    first = found.differences[0]
    assert not found.is_equal
    assert [o.quantity for o in first.recorded] == [o.quantity * 2 for o in first.decided]
    done = CliRunner().invoke(app, ["replay", str(path)])
    assert done.exit_code == 1
    assert "decisions differ from what was recorded" in done.output


def test_an_order_that_is_recorded_twice_is_told(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run_virtually(stopped(path))
    seen: list[PlaceOrder] = []

    def same_again(entry: Entry) -> Entry:
        orders = [c for c in entry.commands if isinstance(c, PlaceOrder)]
        if not orders:
            return entry
        seen.append(orders[0])
        return Entry(entry.events, (*entry.commands, seen[0])) if len(seen) == 2 else entry

    rewritten(path, same_again)
    assert replayed(path).repeated_ids == (seen[0].client_order_id,)


def test_a_snapshot_that_its_entries_do_not_fold_to_is_told_by_field(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run_virtually(stopped(path))
    journal = SqliteReader(path)
    (seq, kept), *_ = journal.snapshots().items()
    wrong = replace(kept, ledger=replace(kept.ledger, order_number=kept.ledger.order_number + 1))
    journal.snapshots = lambda: {seq: wrong}  # type: ignore[method-assign]  # a planted difference
    found = replay(journal)
    assert [(s.seq, s.differing) for s in found.snapshots] == [(seq, ("ledger.order_number",))]
    assert not found.is_equal
    journal.close()


def test_the_same_journal_folds_alike_whatever_the_process_rounds_by(tmp_path: Path):
    """ccxt rounds the whole process half up from its first order on: the ledgers of a bot and of a replay would part in the last digit."""
    run_virtually(stopped(tmp_path / "journal.sqlite"))
    plain = replayed(tmp_path / "journal.sqlite")
    with decimal.localcontext() as context:
        context.rounding, context.prec = decimal.ROUND_HALF_UP, 9
        assert replayed(tmp_path / "journal.sqlite").ledger == plain.ledger
    with decimal.localcontext() as context:
        context.rounding = decimal.ROUND_CEILING
        assert run_virtually(stopped(tmp_path / "other.sqlite")).ledger.positions == plain.ledger.positions
    assert replayed(tmp_path / "other.sqlite").is_equal


def test_progress_is_told_to_the_last_entry(tmp_path: Path):
    run_virtually(stopped(tmp_path / "journal.sqlite"))
    journal = SqliteReader(tmp_path / "journal.sqlite")
    told: list[tuple[int, int]] = []
    replay(journal, lambda done, of: told.append((done, of)))
    assert told[-1] == (journal.length, journal.length)
    assert len(told) == journal.length
    journal.close()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("nothing.sqlite", None, "there is no journal"), ("text.sqlite", b"not a database" * 50, "cannot be read as a hedgebot journal")],
)
def test_what_is_no_journal_is_refused_in_one_sentence(tmp_path: Path, name: str, content: bytes | None, says: str):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    done = CliRunner().invoke(app, ["replay", str(path)])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
    assert says in done.output


def test_another_programs_database_and_a_newer_format_are_refused(tmp_path: Path):
    for pragma, says in (("PRAGMA application_id = 7", "not a hedgebot journal"), ("PRAGMA user_version = 99", "newer hedgebot")):
        path = tmp_path / f"{says[:3]}.sqlite"
        run_virtually(stopped(path))
        with closing(sqlite3.connect(path)) as db:
            db.execute(pragma)
        with pytest.raises(JournalRefused, match=says):
            SqliteReader(path)


def test_a_broken_chain_is_refused_with_its_place(tmp_path: Path):
    path = tmp_path / "journal.sqlite"
    run_virtually(stopped(path))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE entries SET payload = payload || ' ' WHERE seq = 5")
        db.commit()
    with pytest.raises(JournalRefused, match="entry 5 is corrupt or missing"):
        SqliteReader(path)


def test_json_tells_what_the_tables_tell(tmp_path: Path):
    bench = run_virtually(stopped(tmp_path / "journal.sqlite"))
    done = CliRunner().invoke(app, ["replay", str(tmp_path), "--json"])
    told = json.loads(done.output)
    assert (done.exit_code, told["equal"]) == (0, True)
    assert told["positions"] == {i: f"{p.quantity:f}" for i, p in bench.ledger.positions.items()}
    assert sum(told["orders_by_outcome"].values()) == told["orders"] == len(placed(bench))
    assert told["decisions"] == sum(
        isinstance(e, DecisionDue) for entry in SqliteReader(tmp_path / "journal.sqlite").entries() for e in entry.events
    )
