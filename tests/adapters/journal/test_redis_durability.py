"""When an acknowledged entry counts as durable: what the server's settings, WAIT and WAITAOF prove, and what is said when they do not.

What the bot does before and from 7.2 on is tested on any server: a scripted one before it says which version it is, and answers WAITAOF.
What a real server answers to WAITAOF is in test_redis_waitaof.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from bot.adapters.journal import redis_writer
from bot.ports import JournalUnavailable
from tests.adapters.journal.facts import confirmed
from tests.adapters.journal.newer_redis import Answer, NewerRedis, error, pair, text
from tests.adapters.journal.redis_process import HAS_WAITAOF, RedisProcess, needs_redis
from tests.adapters.journal.redis_words import Place, put, until

pytestmark = needs_redis

SOON_S = 0.75
"""Long enough for a server's word that something is not durable."""


@pytest.fixture
def newer(redis_process: RedisProcess) -> Iterator[NewerRedis]:
    server = NewerRedis(redis_process.port)
    yield server
    server.close()


@contextmanager
def older(process: RedisProcess) -> Iterator[NewerRedis]:
    """That server as one before 7.2, which knows no WAITAOF: whatever its version is, its settings are what it proves."""
    server = NewerRedis(process.port, version="7.0.15")
    try:
        yield server
    finally:
        server.close()
        assert not server.asked(b"WAITAOF")


# Settings


def test_a_server_that_syncs_every_write_is_trusted(place: Place) -> None:
    with closing(place.opened()) as journal:
        assert journal.doubt is None
        journal.append([confirmed(1)], [], durable=True)
        assert journal.doubt is None


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("appendfsync", "everysec", "it does not sync every write (appendfsync is everysec), so a power cut may lose entries"),
        ("appendfsync", "no", "it does not sync every write (appendfsync is no), so a power cut may lose entries"),
        ("appendonly", "no", "it keeps no append-only file (appendonly is no), so a restart of it may lose entries"),
    ],
)
def test_a_server_that_does_not_sync_every_write_is_doubted_and_written_to(tmp_path: Path, name: str, value: str, said: str) -> None:
    process = RedisProcess(tmp_path / "redis", f"--{name}", value).start()
    try:
        with older(process) as server:
            place = Place(process.server, "book", tmp_path / "state").via(server.port)
            with closing(place.opened()) as journal:
                assert journal.doubt == f"{place.server} journal book: {said}"
                journal.append([confirmed(1)], [], durable=True)
            assert place.times() == [1]
    finally:
        process.kill()


def test_a_server_that_does_not_tell_its_settings_is_doubted(redis_process: RedisProcess, journal_name: str, tmp_path: Path) -> None:
    with older(redis_process) as server:
        server.on[b"CONFIG"] = lambda _: error("NOPERM this user has no permissions to run the 'config|get' command")
        with closing(Place(redis_process.server, journal_name, tmp_path / "state").via(server.port).opened()) as journal:
            assert journal.doubt is not None
            assert "whether it syncs every write cannot be found out" in journal.doubt
            journal.append([confirmed(1)], [], durable=True)


def test_settings_are_found_out_again_with_each_connection(tmp_path: Path) -> None:
    process = RedisProcess(tmp_path / "redis").start()
    try:
        with (
            older(process) as server,
            closing(Place(process.server, "book", tmp_path / "state").via(server.port).opened()) as journal,
            closing(process.client) as client,
        ):
            journal.append([confirmed(1)], [], durable=True)
            client.config_set("appendfsync", "everysec")
            client.client_kill_filter(_type="normal", skipme=True)
            journal.append([confirmed(2)], [], durable=True)
            assert journal.doubt is not None
            client.config_set("appendfsync", "always")
            client.client_kill_filter(_type="normal", skipme=True)
            journal.append([confirmed(3)], [], durable=True)
            assert journal.doubt is None
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("name", "bad", "good", "said"),
    [("appendfsync", "everysec", "always", "appendfsync is everysec"), ("appendonly", "no", "yes", "appendonly is no")],
)
def test_settings_that_change_while_it_runs_are_found_out_without_a_new_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, bad: str, good: str, said: str
) -> None:
    monkeypatch.setattr(redis_writer, "CHECK_S", 0.05)
    process = RedisProcess(tmp_path / "redis").start()
    try:
        with (
            older(process) as server,
            closing(Place(process.server, "book", tmp_path / "state").via(server.port).opened()) as journal,
            closing(process.client) as client,
        ):
            journal.append([confirmed(1)], [], durable=True)
            ours = {c["id"] for c in client.client_list()}
            assert journal.doubt is None
            client.config_set(name, bad)
            until(lambda: said in (journal.doubt or ""))
            client.config_set(name, good)
            until(lambda: journal.doubt is None)
            assert ours <= {c["id"] for c in client.client_list()}, "no connection was made anew"
            journal.append([confirmed(2)], [], durable=True)
    finally:
        process.kill()


def persistence(**figures: str) -> Answer:
    """What INFO says of a server and its files."""
    lines = "".join(f"{name}:{value}\r\n" for name, value in figures.items())
    return text(f"# Server\r\nredis_version:7.0.15\r\n# Persistence\r\n{lines}".encode())


def test_a_file_whose_newest_write_failed_is_a_doubt_until_one_succeeds(
    newer: NewerRedis, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "CHECK_S", 0.05)
    figures = {"aof_last_write_status": "ok"}
    newer.on[b"INFO"] = lambda _: persistence(**figures)
    with closing(place.via(newer.port).opened()) as journal:
        journal.append([confirmed(1)], [], durable=True)
        figures["aof_last_write_status"] = "err"
        until(lambda: "aof_last_write_status is err" in (journal.doubt or ""))
        figures["aof_last_write_status"] = "ok"
        until(lambda: journal.doubt is None)


def test_a_file_that_is_switched_on_again_is_doubted_until_it_is_complete(
    newer: NewerRedis, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_writer, "CHECK_S", 0.05)
    figures, keeps = {"aof_rewrite_in_progress": "1"}, [b"no"]
    newer.on[b"INFO"] = lambda _: persistence(**figures)
    newer.on[b"CONFIG"] = lambda asked: b"*2\r\n" + text(asked[2]) + text(keeps[0] if asked[2] == b"appendonly" else b"always")
    with closing(place.via(newer.port).opened()) as journal:
        journal.append([confirmed(1)], [], durable=True)
        assert "appendonly is no" in (journal.doubt or "")
        keeps[0] = b"yes"
        until(lambda: "not complete yet" in (journal.doubt or ""))
        figures["aof_rewrite_in_progress"] = "0"
        until(lambda: journal.doubt is None)
        figures["aof_rewrite_in_progress"] = "1"  # as it does from time to time
        asked = len(newer.asked(b"INFO"))
        until(lambda: len(newer.asked(b"INFO")) > asked + 2)
        assert "complete" not in (journal.doubt or "")


def test_a_server_that_takes_nothing_is_a_doubt_while_it_lasts(newer: NewerRedis, place: Place) -> None:
    journal = place.via(newer.port).opened(patience_s=SOON_S)
    newer.waitaof.appendleft(pair(0, 0))
    newer.waitaof[-1] = pair(0, 0)
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(1)], [], durable=True)
    assert journal.doubt is not None
    assert "on disk at 0 of 1 server" in journal.doubt
    newer.waitaof.append(pair(1, 0))
    until(lambda: journal.pending == 0)
    until(lambda: journal.doubt is None)
    journal.close()


# WAITAOF


def test_from_7_2_on_every_durable_append_asks_whether_it_is_on_disk(newer: NewerRedis, place: Place) -> None:
    with closing(place.via(newer.port).opened()) as journal:
        assert journal.doubt is None
        journal.append([confirmed(1)], [], durable=True)
        journal.append([confirmed(2)], [], durable=True)
    assert [command[1:3] for command in newer.asked(b"WAITAOF")] == [(b"1", b"0")] * 2
    assert place.times() == [1, 2]


def test_its_word_is_enough_whatever_the_settings(newer: NewerRedis, place: Place) -> None:
    newer.on[b"CONFIG"] = lambda _: error("NOPERM no permissions")
    with closing(place.via(newer.port).opened()) as journal:
        assert journal.doubt is None
        journal.append([confirmed(1)], [], durable=True)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ([pair(0, 0)], "on disk at 0 of 1 server"),
        ([error("ERR something else")], "something else"),
        ([None], "cannot be reached or was cut off"),
    ],
)
def test_a_write_that_is_not_known_to_be_on_disk_is_not_durable(newer: NewerRedis, place: Place, answers: list[Answer], said: str) -> None:
    journal = place.via(newer.port).opened(patience_s=SOON_S)
    newer.waitaof.clear()
    newer.waitaof.extend(answers)
    with pytest.raises(JournalUnavailable, match=said):
        journal.append([confirmed(1)], [], durable=True)
    assert journal.pending == 1
    newer.waitaof.appendleft(pair(1, 0))
    newer.waitaof.remove(answers[0])
    until(lambda: journal.pending == 0)
    put(journal, 2)
    journal.close()
    assert place.times() == [1, 2]


def test_a_server_that_turns_out_to_keep_no_file_is_doubted_and_written_to(newer: NewerRedis, place: Place) -> None:
    newer.on[b"CONFIG"] = lambda _: error("NOPERM no permissions")
    newer.waitaof[0] = error("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    with closing(place.via(newer.port).opened()) as journal:
        assert journal.doubt is None, "nobody has asked it yet"
        journal.append([confirmed(1)], [], durable=True)
        assert journal.doubt is not None
        assert "it keeps no append-only file" in journal.doubt
    assert place.times() == [1]


def test_an_answer_that_was_lost_is_asked_for_after_another_write(newer: NewerRedis, place: Place) -> None:
    """WAITAOF covers what the same connection wrote. On a new one it would answer at once, and prove nothing."""
    with closing(place.via(newer.port).opened()) as journal:
        newer.waitaof.appendleft(None)
        journal.append([confirmed(1)], [], durable=True)
    names = [command[0] for command in newer.commands if command[0] in (b"EVALSHA", b"EVAL", b"WAITAOF")]
    first, second = [place for place, name in enumerate(names) if name == b"WAITAOF"]
    assert {b"EVALSHA", b"EVAL"} & set(names[first + 1 : second])
    assert place.times() == [1]


# Replicas


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[tuple[RedisProcess, RedisProcess]]:
    master = RedisProcess(tmp_path / "master", "--repl-diskless-sync-delay", "0").start()
    replica = RedisProcess(tmp_path / "replica", "--replicaof", f"127.0.0.1 {master.port}").start()
    with closing(master.client) as client:
        until(lambda: client.set("any", "thing") and client.wait(1, 100) == 1)
    yield master, replica
    replica.kill()
    master.kill()


def test_an_entry_counts_when_enough_replicas_received_it(replicated: tuple[RedisProcess, RedisProcess], tmp_path: Path) -> None:
    master, replica = replicated
    place = Place(master.server, "book", tmp_path / "state")
    journal = place.opened(min_replicas=1, patience_s=SOON_S)
    put(journal, 1)
    replica.kill()
    with pytest.raises(JournalUnavailable, match=f"{'on disk at 1 of 1 server and' if HAS_WAITAOF else 'received by'} 0 of 1 replicas"):
        journal.append([confirmed(2)], [], durable=True)
    replica.start()
    until(lambda: journal.pending == 0, 15)
    put(journal, 3)
    journal.close()
    assert place.times() == [1, 2, 3]


def test_from_7_2_on_replicas_must_have_it_on_disk(newer: NewerRedis, place: Place) -> None:
    newer.waitaof[0] = pair(1, 1)
    journal = place.via(newer.port).opened(min_replicas=2, patience_s=SOON_S)
    with pytest.raises(JournalUnavailable, match="on disk at 1 of 1 server and 1 of 2 replicas"):
        journal.append([confirmed(1)], [], durable=True)
    newer.waitaof[0] = pair(1, 2)
    until(lambda: journal.pending == 0)
    journal.close()
    assert {command[1:3] for command in newer.asked(b"WAITAOF")} == {(b"1", b"2")}
