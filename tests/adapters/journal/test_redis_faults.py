"""The Redis journal while the server dies, hangs, is cut off in mid-answer, or says that it cannot.

Whatever happens: an append answers within its patience, nothing acknowledged is lost, nothing is written twice, and what was accepted
meanwhile is written in order when the server is back.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.redis_archiver import RedisArchiver
from bot.adapters.journal.redis_link import RedisLink, RedisServer, StoreFailed
from bot.adapters.journal.redis_store import RedisStore
from bot.ports import JOURNAL_CLOSE_S, JournalRefused, JournalUnavailable
from tests.adapters.journal.facts import confirmed, order
from tests.adapters.journal.fault_proxy import FaultProxy
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.adapters.journal.redis_words import BRIEF_S, Place, put, timed, until

pytestmark = needs_redis

SLACK_S = 0.75
"""What a busy machine may add to a wait that is bounded."""
SOON_S = 1.5
"""More than an append may take in any fault; the patience is 0.25."""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisProcess]:
    """A server that a test may do anything to."""
    process = RedisProcess(tmp_path / "redis", "--enable-protected-configs", "yes").start()
    yield process
    process.kill()


@pytest.fixture
def place(own: RedisProcess, tmp_path: Path) -> Place:
    return Place(own.server, "book", tmp_path / "state")


@pytest.fixture
def proxy(redis_process: RedisProcess) -> Iterator[FaultProxy]:
    proxy = FaultProxy(redis_process.port)
    yield proxy
    proxy.close()


def refused(append: Callable[[], object]) -> str:
    """What a durable append says that could not be made durable, in time."""
    with timed() as passed, pytest.raises(JournalUnavailable) as caught:
        append()
    assert passed() < SOON_S
    return str(caught.value)


def test_nothing_acknowledged_is_lost_when_server_and_bot_are_killed(own: RedisProcess, place: Place) -> None:
    program = (
        "import sys; from pathlib import Path; from bot.adapters.journal.redis_link import RedisServer;"
        "from bot.adapters.journal.redis_streams import RedisJournal; from tests.adapters.journal.facts import confirmed, order\n"
        "journal, at = RedisJournal(RedisServer(hosts=(('127.0.0.1', int(sys.argv[1])),)), 'book', 'ours', Path(sys.argv[2])), 0\n"
        "while True:\n"
        "    at += 1\n"
        "    journal.append([confirmed(at)], [], durable=False)\n"
        "    journal.append([confirmed(at)], [order(at)], durable=True)\n"
        "    print(at, flush=True)\n"
    )
    words = [sys.executable, "-c", program, str(own.port), str(place.folder)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(60)]
        own.kill()
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().split("\n") if line]
    own.start()
    with closing(place.opened()) as journal:
        steps = list(journal.recover())
        assert not journal.is_fresh, "everything that was acknowledged is there"
    ordered = [event.at for event, commands in steps if commands]
    assert acknowledged == list(range(1, len(acknowledged) + 1))
    assert ordered == list(range(1, len(ordered) + 1))
    assert len(acknowledged) <= len(ordered) <= len(acknowledged) + 1


def test_a_killed_server_is_said_at_once_and_what_waits_is_written_when_it_is_back(own: RedisProcess, place: Place) -> None:
    journal = place.opened(patience_s=BRIEF_S)
    put(journal, 1)
    own.kill()
    assert "cannot be reached" in refused(lambda: journal.append([confirmed(2)], [order(2)], durable=True))
    with timed() as passed:
        for at in range(3, 103):
            with pytest.raises(JournalUnavailable):
                journal.append([confirmed(at)], [], durable=True)
    assert passed() < SOON_S, "while the writer is behind, nobody waits for it"
    journal.append([confirmed(103)], [], durable=False)
    assert journal.pending == 102
    own.start()
    until(lambda: journal.pending == 0)
    put(journal, 104)
    journal.close()
    assert place.times() == list(range(1, 105))


def test_a_stopped_server_does_not_hold_up_the_bot(own: RedisProcess, place: Place) -> None:
    assert own.process is not None
    journal = place.opened(patience_s=BRIEF_S)
    put(journal, 1)
    own.process.send_signal(signal.SIGSTOP)
    try:
        assert "did not" in refused(lambda: journal.append([confirmed(2)], [order(2)], durable=True))
        with timed() as passed, pytest.raises(JournalUnavailable):
            journal.append([confirmed(3)], [], durable=True)
        assert passed() < 0.1
        until(lambda: "did not answer in time" in refused(lambda: journal.append([], [], durable=True)))
    finally:
        own.process.send_signal(signal.SIGCONT)
    until(lambda: journal.pending == 0)
    put(journal, 4)
    journal.close()
    assert place.times() == [1, 2, 3, 4]


def test_a_journal_that_was_behind_catches_up_while_facts_go_on_coming(own: RedisProcess, place: Place) -> None:
    proxy = FaultProxy(own.port)
    proxy.answer_delay_s = 0.03
    with closing(place.via(proxy.port).opened(patience_s=BRIEF_S)) as journal:
        put(journal, 1)
        proxy.refuses = True
        proxy.cut()
        refused(lambda: journal.append([confirmed(2)], [], durable=True))
        proxy.refuses = False

        def durable_among_facts() -> bool:
            for at in range(3, 13):
                journal.append([confirmed(at)], [], durable=False)
                time.sleep(0.002)
            with suppress(JournalUnavailable):
                journal.append([confirmed(13)], [], durable=True)
                return True
            return False

        until(durable_among_facts, 5.0)
        until(lambda: journal.pending == 0)
    proxy.close()


def test_a_server_that_is_back_at_once_is_not_even_noticed(own: RedisProcess, place: Place) -> None:
    with closing(place.opened()) as journal:
        journal.append([confirmed(1)], [], durable=True)
        own.kill()
        own.start()
        journal.append([confirmed(2)], [], durable=True)
    assert place.times() == [1, 2]


def test_a_journal_that_is_closed_while_the_server_is_away_says_what_it_could_not_write(own: RedisProcess, place: Place) -> None:
    journal = place.opened(patience_s=BRIEF_S)
    put(journal, 1)
    own.kill()
    journal.append([confirmed(2)], [], durable=False)
    with timed() as passed, pytest.raises(JournalUnavailable, match="1 entries could not be written"):
        journal.close()
    assert passed() < 3
    journal.close()


# The start


def test_closing_ends_in_time_when_the_server_and_a_move_into_the_archive_hang(
    own: RedisProcess, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def hangs(*_: object) -> None:
        over.wait()
        raise StoreFailed("it is over")

    monkeypatch.setattr(RedisArchiver, "_move", lambda _: over.wait())
    monkeypatch.setattr(RedisStore, "append", hangs)
    journal = place.opened(patience_s=BRIEF_S)
    with suppress(JournalUnavailable):
        journal.append([confirmed(1)], [], durable=True)
    journal._archiver.begin()  # type: ignore[union-attr]  # this one archives
    with timed() as passed, pytest.raises(JournalUnavailable, match="could not be written"):
        journal.close()
    assert passed() < JOURNAL_CLOSE_S + SLACK_S
    over.set()


def test_a_start_without_a_server_is_refused_in_one_sentence(own: RedisProcess, place: Place) -> None:
    own.kill()
    with pytest.raises(JournalRefused, match="cannot be reached or was cut off") as caught:
        place.opened(open_patience_s=0.2)
    assert "\n" not in str(caught.value)
    own.start()
    place.opened().close()


def test_a_start_waits_for_a_server_that_is_about_to_be_there(own: RedisProcess, place: Place) -> None:
    place.written(2)
    own.kill()
    own.start(wait=False)
    assert place.times() == [1, 2]


def test_a_wrong_password_is_refused_at_once_and_not_told(tmp_path: Path) -> None:
    process = RedisProcess(tmp_path / "redis", "--requirepass", "right")
    process.start(wait=False)
    hosts = (("127.0.0.1", process.port),)
    try:
        Place(RedisServer(hosts=hosts, password="right"), "book", tmp_path / "state").opened().close()
        for server in (RedisServer(hosts=hosts, password="canary"), RedisServer(hosts=hosts)):
            with timed() as passed, pytest.raises(JournalRefused) as caught:
                Place(server, "book", tmp_path / "state").opened()
            assert passed() < 2, caught.value
            assert "canary" not in str(caught.value)
            assert "uthenti" in str(caught.value) or "password" in str(caught.value)
    finally:
        process.kill()


def test_a_database_that_is_not_there_is_refused(own: RedisProcess, tmp_path: Path) -> None:
    server = RedisServer(hosts=own.server.hosts, database=99)
    with pytest.raises(JournalRefused, match="DB index is out of range"):
        Place(server, "book", tmp_path / "state").opened(open_patience_s=0.2)


def test_a_server_that_loads_its_data_is_waited_for(own: RedisProcess, place: Place) -> None:
    with closing(place.opened()) as journal:
        for at in range(2_500):  # it speaks to nobody before it has read a thousand commands
            journal.append([confirmed(at)], [], durable=False)
        journal.append([], [], durable=True)
    own.kill()
    own.words += ["--key-load-delay", "400"]  # microseconds for each command that is read back
    own.start(wait=False)
    said: list[str] = []

    def is_loading() -> bool:
        link = RedisLink(own.server)
        try:
            link.call("PING")
        except StoreFailed as error:
            said.append(str(error))
        finally:
            link.drop()
        return "still reading its data back" in said[-1]

    until(is_loading)
    assert place.times() == list(range(2_500))


# Answers that do not come


@pytest.mark.parametrize("answer_bytes", [0, 1, 3])
@pytest.mark.parametrize("answer", range(4))
def test_an_answer_that_is_cut_off_writes_nothing_twice(
    redis_process: RedisProcess, proxy: FaultProxy, journal_name: str, tmp_path: Path, answer: int, answer_bytes: int
) -> None:
    place = Place(redis_process.server, journal_name, tmp_path / "state")
    with closing(place.via(proxy.port).opened()) as journal:
        journal.append([confirmed(1)], [], durable=True)
        proxy.answer_bytes, proxy.cut_answers_after = answer_bytes, answer
        for at in range(2, 9):
            journal.append([confirmed(at)], [order(at)], durable=True)
        assert proxy.cuts == 1
    assert place.times() == list(range(1, 9))


def test_a_wire_that_is_cut_again_and_again_loses_and_doubles_nothing(
    redis_process: RedisProcess, proxy: FaultProxy, journal_name: str, tmp_path: Path
) -> None:
    place = Place(redis_process.server, journal_name, tmp_path / "state")
    journal = place.via(proxy.port).opened(patience_s=BRIEF_S)
    for at in range(1, 301):
        if at % 7 == 0:
            proxy.cut_answers_after = at % 3
        if at % 50 == 0:
            proxy.cut()
        with suppress(JournalUnavailable):
            journal.append([confirmed(at)], [order(at)], durable=at % 2 == 0)
    proxy.cut_answers_after = None
    until(lambda: journal.pending == 0)
    journal.close()
    assert proxy.cuts > 20
    assert place.times() == list(range(1, 301))


def test_a_partition_is_said_and_waited_out(redis_process: RedisProcess, proxy: FaultProxy, journal_name: str, tmp_path: Path) -> None:
    place = Place(redis_process.server, journal_name, tmp_path / "state")
    journal = place.via(proxy.port).opened(patience_s=BRIEF_S)
    put(journal, 1)
    proxy.refuses = True
    proxy.cut()
    refused(lambda: journal.append([confirmed(2)], [], durable=True))
    proxy.refuses = False
    until(lambda: journal.pending == 0)
    journal.close()
    assert place.times() == [1, 2]


# Answers that say no


def full(client: Any) -> Callable[[], object]:
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    return lambda: client.config_set("maxmemory", "0")


def cannot_persist(client: Any) -> Callable[[], object]:
    """As on a full disk: no snapshot can be saved, and writes are refused until one is."""
    client.config_set("dbfilename", "x" * 300)  # longer than any file's name may be
    client.config_set("save", "3600 1")
    client.config_set("stop-writes-on-bgsave-error", "yes")
    with suppress(Exception):
        client.bgsave()
    until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err")

    def clear() -> None:
        client.config_set("dbfilename", "dump.rdb")
        client.bgsave()
        until(lambda: client.info("persistence")["rdb_last_bgsave_status"] == "ok")

    return clear


def read_only(client: Any) -> Callable[[], object]:
    client.config_set("replica-read-only", "yes")
    client.replicaof("127.0.0.1", 1)
    return lambda: client.replicaof("NO", "ONE")


def too_few_replicas(client: Any) -> Callable[[], object]:
    client.config_set("min-replicas-to-write", "1")
    return lambda: client.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (full, "used memory > 'maxmemory'"),
        (cannot_persist, "MISCONF"),
        (read_only, "replica"),
        (too_few_replicas, "NOREPLICAS"),
    ],
)
def test_a_server_that_takes_no_writes_is_said_and_waited_out(
    own: RedisProcess, place: Place, fault: Callable[[Any], Callable[[], object]], said: str
) -> None:
    journal = place.opened(patience_s=BRIEF_S)
    put(journal, 1)
    with closing(own.client) as client:
        clear = fault(client)
        assert said in refused(lambda: journal.append([confirmed(2)], [order(2)], durable=True))
        journal.append([confirmed(3)], [], durable=False)
        with pytest.raises(JournalUnavailable):
            journal.next_epoch()
        clear()
    until(lambda: journal.pending == 0)
    put(journal, 4)
    assert journal.next_epoch() == 1
    journal.close()
    assert place.times() == [1, 2, 3, 4]


def test_a_server_whose_scripts_were_flushed_is_told_them_again(own: RedisProcess, place: Place) -> None:
    with closing(place.opened()) as journal, closing(own.client) as client:
        journal.append([confirmed(1)], [], durable=True)
        client.script_flush()
        journal.append([confirmed(2)], [], durable=True)
    assert place.times() == [1, 2]


def test_a_truncated_append_only_file_is_told_as_lost_entries(own: RedisProcess, place: Place) -> None:
    place.written(20)
    own.kill()
    (log,) = own.folder.glob("appendonlydir/*.incr.aof")
    os.truncate(log, log.stat().st_size - 900)
    own.start()
    with closing(place.opened()) as journal:
        kept = [event.at for event, _ in journal.recover()]
        assert journal.is_fresh
        (found,) = journal.quarantined
    assert kept == list(range(1, len(kept) + 1))
    assert len(kept) < 20
    assert f"entries {len(kept) + 1} to 20 had been acknowledged" in found.reason
