"""The journal over a failover that three Sentinels carry out: found by name, nothing lost, and what the new master never had is told it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bot.adapters.journal.redis_link import RedisServer
from bot.ports import JournalRefused, JournalUnavailable
from tests.adapters.journal.facts import confirmed, order
from tests.adapters.journal.redis_process import free_port, needs_redis
from tests.adapters.journal.redis_words import BRIEF_S, Place, put, until
from tests.adapters.journal.sentinels import SENTINEL, Trio

pytestmark = [
    needs_redis,
    pytest.mark.skipif(SENTINEL is None, reason="redis-sentinel is not installed here (Debian: apt-get install redis-sentinel)"),
]


@pytest.fixture
def trio(tmp_path: Path) -> Iterator[Trio]:
    trio = Trio(tmp_path)
    yield trio
    trio.end()


def test_the_journal_goes_on_at_the_new_master_with_everything_that_was_acknowledged(trio: Trio, tmp_path: Path) -> None:
    place = Place(trio.server, "book", tmp_path / "state")
    journal = place.opened(min_replicas=1, patience_s=BRIEF_S)
    for at in range(1, 21):
        journal.append([confirmed(at)], [order(at)], durable=False)
    until(lambda: journal.pending == 0)
    trio.master.kill()
    with pytest.raises(JournalUnavailable):
        journal.append([confirmed(21)], [], durable=True)
    journal._writes._min_replicas = 0  # nobody is left to be one
    until(lambda: journal.pending == 0)
    put(journal, 22)
    assert journal.rewritten == 0
    journal.close()
    assert place.times() == list(range(1, 23))


def test_what_the_new_master_never_received_is_written_again(trio: Trio, tmp_path: Path) -> None:
    place = Place(trio.server, "book", tmp_path / "state")
    journal = place.opened()
    assert journal.next_epoch() == 1
    for at in range(1, 11):
        journal.append([confirmed(at)], [], durable=True)
    until(lambda: trio.replica.client.xlen("{hedgebot:book}:entries") == 10)
    trio.wire.refuses = True
    trio.wire.cut()
    assert journal.next_epoch() == 2
    for at in range(11, 21):
        journal.append([confirmed(at)], [order(at)], durable=True)  # acknowledged, and nowhere but at the master
    trio.master.kill()
    with suppress(JournalUnavailable):
        journal.append([confirmed(21)], [], durable=True)
    until(lambda: journal.pending == 0)
    assert journal.rewritten == 10
    assert journal.next_epoch() == 3, "also the epoch was lost with the master"
    journal.close()
    assert place.times() == list(range(1, 22))


def test_sentinels_that_do_not_answer_or_do_not_know_the_name_are_said(tmp_path: Path) -> None:
    nobody = RedisServer(hosts=(("127.0.0.1", free_port()),), service="main")
    with pytest.raises(JournalRefused, match="no Sentinel names a master"):
        Place(nobody, "book", tmp_path / "state").opened(open_patience_s=0.1)
