"""Entries that are moved out of a journal: nothing is lost by it, whenever the move is interrupted, and what is missing is told."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Protocol

import pytest

from bot.adapters.journal import archive as archive_module
from bot.adapters.journal.archive import Archive, ArchiveUnsound
from bot.adapters.journal.chain import Chain, Row
from bot.adapters.journal.codec import encode, first_link
from bot.adapters.journal.redis_reader import RedisReader
from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.core.policy import Policy
from bot.ports import JournalReader, JournalRefused
from bot.shell.recovery import recovered
from tests.adapters.journal.facts import seen
from tests.adapters.journal.redis_process import RedisProcess, forget, keys
from tests.adapters.journal.redis_words import PATIENT_S, until

Journal = SqliteJournal | RedisJournal


class Store(Protocol):
    """Where a journal is, while nobody has it open."""

    def copied(self) -> Mapping[str, bytes]: ...
    def lost(self) -> None: ...
    def restored(self, copy: Mapping[str, bytes]) -> None: ...


class File:
    """The file of the embedded journal."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def copied(self) -> Mapping[str, bytes]:
        return {"": self.path.read_bytes()}

    def lost(self) -> None:
        self.path.unlink()

    def restored(self, copy: Mapping[str, bytes]) -> None:
        self.path.write_bytes(copy[""])


class Keys:
    """The keys on a server."""

    def __init__(self, process: RedisProcess, name: str) -> None:
        self.process, self.name = process, name

    def copied(self) -> Mapping[str, bytes]:
        with closing(self.process.client) as client:
            return {key: client.dump(key) for key in keys(self.name).values()}

    def lost(self) -> None:
        forget(self.process, self.name)

    def restored(self, copy: Mapping[str, bytes]) -> None:
        self.lost()
        with closing(self.process.client) as client:
            for key, dumped in copy.items():
                client.restore(key, 0, dumped)


class Kept:
    """One journal of either kind, with an archive in `folder / "old"`."""

    def __init__(self, opened: Callable[[], Journal], reader: Callable[[], JournalReader], folder: Path, store: Store) -> None:
        self.opened, self.reader, self.folder, self.store = opened, reader, folder / "old", store

    def files(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*")) if self.folder.exists() else []

    def times(self) -> list[int]:
        with closing(self.opened()) as journal:
            return [event.at for event, _ in journal.recover()]

    def grown(self, *counts: int, since: int = 0) -> None:
        """Runs that each keep a snapshot when there are so many entries altogether; entry N tells of the instant `since` + N."""
        for last in counts:
            with closing(self.opened()) as journal:
                first = len(list(journal.recover()))
                for at in range(since + first + 1, since + last + 1):
                    journal.append([seen(at, str(at))], [], durable=False)
                journal.append([], [], durable=True)
                journal.snapshot(recovered(journal.recover(), Policy()))

    def left(self) -> list[int]:
        """The numbers of the entries that a start reads from the store itself."""
        with closing(self.opened()) as journal:
            if isinstance(journal, SqliteJournal):
                return [seq for (seq,) in journal._db.execute("SELECT seq FROM entries ORDER BY seq")]
            return [int(entry_id.split(b"-")[0]) for entry_id, _, _ in journal._store.rows()]


@pytest.fixture(params=["redis", "sqlite"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    old = tmp_path / "old"
    if request.param == "sqlite":
        path = tmp_path / "journal.sqlite"
        return Kept(
            lambda: SqliteJournal(path, "ours", archive_dir=old, archives=True),
            lambda: SqliteReader(path, old),
            tmp_path,
            File(path),
        )
    process: RedisProcess = request.getfixturevalue("redis_process")
    name: str = request.getfixturevalue("journal_name")
    return Kept(
        lambda: RedisJournal(process.server, name, "ours", tmp_path, archive_dir=old, patience_s=PATIENT_S),
        lambda: RedisReader(process.server, name, "ours", Archive(old, "ours")),
        tmp_path,
        Keys(process, name),
    )


def test_what_lies_before_the_older_of_two_snapshots_is_moved_and_still_read(kept: Kept) -> None:
    kept.grown(5)
    assert kept.files() == [], "one snapshot alone could be torn"
    kept.grown(12)
    assert kept.files() == ["journal-00000001-00000004.jsonl.gz"]
    kept.grown(30)
    assert kept.files() == ["journal-00000001-00000004.jsonl.gz", "journal-00000005-00000011.jsonl.gz"]
    assert kept.left() == list(range(12, 31))
    assert kept.times() == list(range(1, 31))
    with closing(kept.reader()) as reader:
        assert reader.length == 30
        assert [entry.seq for entry in reader.entries()] == list(range(1, 31))
        assert [entry.seq for entry in reader.entries(after=9)] == list(range(10, 31))
        assert [entry.events[0].at for entry in reader.mentioning("desk", after=28)] == [29, 30]
        assert sorted(reader.snapshots()) == [12, 30]


def test_a_start_after_a_move_is_the_same_as_before(kept: Kept) -> None:
    kept.grown(5, 12, 30)
    with closing(kept.opened()) as journal:
        start, after = journal.resume()
        assert start is not None
        assert list(after) == []
        assert not journal.is_fresh
        assert not journal.quarantined
        assert recovered(journal.recover(), Policy()) == start
        journal.append([seen(31)], [], durable=True)
    assert kept.times() == list(range(1, 32))


def test_everything_is_folded_from_the_archive_when_no_snapshot_can_be_trusted(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.grown(5, 12, 30)
    monkeypatch.setattr("bot.adapters.journal.snapshots.snapshot_form", lambda: "of a newer hedgebot")
    with closing(kept.opened()) as journal:
        start, after = journal.resume()
        assert start is None
        assert [event.at for event, _ in after] == list(range(1, 31))


def test_a_missing_file_refuses_what_needs_it_and_nothing_else(kept: Kept) -> None:
    kept.grown(5, 12, 30)
    (kept.folder / kept.files()[0]).rename(kept.folder / "elsewhere")
    with closing(kept.opened()) as journal:
        start, _ = journal.resume()
        assert start is not None, "a start needs no archive"
        with pytest.raises(JournalRefused, match=r"entries 1 to 4 were moved out of the journal and are not in its archive there; bring"):
            list(journal.recover())
    with pytest.raises(JournalRefused, match="entries 1 to 4 were moved out"):
        kept.reader()


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("counts", [(5, 12, 30), (5, 15, 35, 50), (20, 50)], ids=["same ends", "other ends", "one file across three"])
def test_a_store_that_was_lost_leaves_an_archive_in_which_the_next_one_finds_its_own(
    kept: Kept, counts: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.grown(5, 12, 30)
    before, copy = contents(kept.folder), kept.store.copied()
    kept.store.lost()
    kept.grown(*counts, since=1000)
    assert before.items() <= contents(kept.folder).items(), "what the lost one had archived is still there"
    living = list(range(1001, 1001 + counts[-1]))
    assert kept.times() == living
    with closing(kept.reader()) as reader:
        assert [entry.events[0].at for entry in reader.entries()] == living
        assert [entry.seq for entry in reader.entries(after=9)] == list(range(10, counts[-1] + 1))
    with monkeypatch.context() as patch, closing(kept.opened()) as journal:
        patch.setattr("bot.adapters.journal.snapshots.snapshot_form", lambda: "of a newer hedgebot")
        _, after = journal.resume()
        assert [event.at for event, _ in after] == living, "a start that trusts no snapshot"
    kept.store.restored(copy)
    assert kept.times() == list(range(1, 31)), "and the lost one, should it be found again"


def test_a_store_that_went_back_to_a_copy_goes_on_from_there(kept: Kept) -> None:
    kept.grown(5, 12, 20)
    copy = kept.store.copied()
    kept.grown(30, 40)
    before = contents(kept.folder)
    kept.store.restored(copy)
    kept.grown(30, 45, since=1000)
    assert before.items() <= contents(kept.folder).items()
    assert kept.left() == list(range(30, 46))
    assert kept.times() == [*range(1, 21), *range(1021, 1046)]
    with closing(kept.reader()) as reader:
        assert reader.length == 45


def spoilt(path: Path, change: Callable[[list[dict[str, object]]], None]) -> None:
    lines = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    change(lines)
    path.write_bytes(gzip.compress(b"".join(json.dumps(line).encode() + b"\n" for line in lines)))


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[2].update(payload=str(lines[2]["payload"]).replace("3", "4")),
        lambda lines: lines[2].update(link="00" * 32),
        lambda lines: lines.pop(2),
        lambda lines: lines[2].pop("seq"),
    ],
)
def test_a_changed_archive_is_found(kept: Kept, change: Callable[[list[dict[str, object]]], None]) -> None:
    kept.grown(5, 12)
    spoilt(kept.folder / kept.files()[0], change)
    with closing(kept.opened()) as journal, pytest.raises(JournalRefused, match="cannot be read"):
        list(journal.recover())


def test_a_file_that_is_cut_off_is_found(kept: Kept) -> None:
    kept.grown(5, 12)
    path = kept.folder / kept.files()[0]
    path.write_bytes(path.read_bytes()[:-40])
    with closing(kept.opened()) as journal, pytest.raises(JournalRefused, match="cannot be read"):
        list(journal.recover())


def test_a_crash_between_writing_and_taking_out_leaves_nothing_twice(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    kept.grown(5)
    with monkeypatch.context() as patch:
        patch.setattr("bot.adapters.journal.redis_store.RedisStore.trim", lambda *_: None)
        patch.setattr("bot.adapters.journal.sqlite_archiver.SqliteArchiver._take_out", lambda *_: None)
        kept.grown(12)
    assert kept.files() == ["journal-00000001-00000004.jsonl.gz"]
    assert kept.left() == list(range(1, 13))
    kept.grown(20)
    assert kept.files() == ["journal-00000001-00000004.jsonl.gz", "journal-00000001-00000011.jsonl.gz"]
    assert kept.left() == list(range(12, 21))
    assert kept.times() == list(range(1, 21))


def test_a_folder_that_cannot_be_written_leaves_everything_where_it_is(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.folder.touch()
    with caplog.at_level(logging.ERROR):
        kept.grown(5, 12)
    assert "entries could not be moved into the journal's archive" in caplog.text
    assert kept.left() == list(range(1, 13))
    kept.folder.unlink()
    kept.grown(20)
    assert kept.left() == list(range(12, 21))


def test_a_journal_is_read_while_its_entries_are_moved(kept: Kept) -> None:
    kept.grown(40)
    with closing(kept.opened()) as journal, closing(kept.reader()) as reader:
        entries = reader.entries()
        first = [next(entries).seq for _ in range(3)]
        list(journal.recover())
        journal.append([seen(41)], [], durable=True)
        journal.snapshot(recovered(journal.recover(), Policy()))
        until(lambda: kept.files() == ["journal-00000001-00000039.jsonl.gz"])
        assert first + [entry.seq for entry in entries] == list(range(1, 41))
        assert [event.at for event, _ in journal.recover()] == list(range(1, 42))


# The files themselves


def chained(count: int, since: int = 0) -> list[Row]:
    chain = Chain(0, first_link("ours"))
    for at in range(1, count + 1):
        chain.add(encode([seen(since + at)], []))
    return list(chain.after(0, 10**9))


def end(rows: list[Row]) -> tuple[int, bytes]:
    return rows[-1].seq, rows[-1].link


def test_long_moves_fill_several_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "ROWS_MAX", 4)
    rows = chained(10)
    archive = Archive(tmp_path / "old", "ours")
    archive.write(iter(rows))
    assert len(list((tmp_path / "old").iterdir())) == 3
    assert list(archive.rows(end(rows), 0, 10)) == rows
    assert [list(archive.rows(end(rows), first, 6)) for first in (3, 4, 5)] == [rows[3:6], rows[4:6], rows[5:6]]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "old").iterdir())


def test_the_folder_is_on_disk_before_anything_is_moved_into_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(archive_module, "sync_folder", synced.append)
    archive = Archive(tmp_path / "kept", "ours")
    rows = chained(2)
    archive.write(rows[:1])
    archive.write(rows[1:])
    assert synced == [tmp_path / "kept", *sorted((tmp_path / "kept").iterdir())], "each entry's own folder is synced: its parent"


def test_another_journals_archive_does_not_fit(tmp_path: Path) -> None:
    rows = chained(3)
    Archive(tmp_path, "ours").write(rows)
    with pytest.raises(JournalRefused, match="entry 1 is corrupt or missing"):
        list(Archive(tmp_path, "theirs").rows(end(rows), 0, 3))


def test_files_of_two_histories_stand_beside_each_other_and_none_twice(tmp_path: Path) -> None:
    archive, first, second = Archive(tmp_path, "ours"), chained(3), chained(3, since=1000)
    for rows in (first, second, second, first):
        archive.write(rows)
    assert sorted(contents(tmp_path)) == ["journal-00000001-00000003.2.jsonl.gz", "journal-00000001-00000003.jsonl.gz"]
    assert list(archive.rows(end(first), 0, 3)) == first
    assert list(archive.rows(end(second), 0, 3)) == second


def test_what_is_in_two_files_is_read_from_the_one_that_can_be(tmp_path: Path) -> None:
    archive, rows = Archive(tmp_path, "ours"), chained(6)
    archive.write(rows[:4])
    archive.write(rows)
    for path in tmp_path.iterdir():
        sound = path.read_bytes()
        path.write_bytes(sound[:-40])
        assert list(archive.rows(end(rows[:4]), 0, 4)) == rows[:4]
        path.write_bytes(sound)


def test_a_name_that_a_crash_left_without_a_file_stands_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "journal-00000001-00000003.jsonl.gz").touch()
    archive, rows = Archive(tmp_path, "ours"), chained(3)
    archive.write(rows)
    assert list(archive.rows(end(rows), 0, 3)) == rows


def test_the_end_of_the_journal_says_which_history_is_meant(tmp_path: Path) -> None:
    archive, rows = Archive(tmp_path, "ours"), chained(3)
    archive.write(rows)
    with pytest.raises(JournalRefused, match="entries 1 to 3 were moved out of the journal and are not in its archive there"):
        list(archive.rows(end(chained(3, since=1000)), 0, 3))


def test_what_does_not_read_back_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_module, "_read", lambda _: iter(()))
    with pytest.raises(ArchiveUnsound, match="does not read back"):
        Archive(tmp_path, "ours").write(chained(3))
    assert list(tmp_path.iterdir()) == []


def test_entries_are_small_in_the_archive(tmp_path: Path) -> None:
    rows = chained(2_000)
    Archive(tmp_path, "ours").write(rows)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_size < sum(len(row.payload) for row in rows)
