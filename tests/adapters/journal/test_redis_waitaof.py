"""WAITAOF as a real server answers it, from Redis 7.2 on: what it confirms, what it does not, and that the bot hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.ports import JournalUnavailable
from tests.adapters.journal.facts import confirmed
from tests.adapters.journal.redis_process import RedisProcess, needs_waitaof
from tests.adapters.journal.redis_words import Place, until

pytestmark = needs_waitaof

SOON_S = 0.75
"""Long enough for a server's word that something is not durable."""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(tmp_path / "redis").start()
    yield server
    server.kill()


@pytest.fixture
def book(process: RedisProcess, tmp_path: Path) -> Place:
    return Place(process.server, "book", tmp_path / "state")


@pytest.fixture
def client(process: RedisProcess) -> Iterator[Any]:
    with closing(process.client) as speaks:
        yield speaks


def waited(client: Any) -> tuple[int, int]:
    """How often the server was asked WAITAOF, and how often it refused to answer."""
    told = client.info("commandstats").get("cmdstat_waitaof", {"calls": 0, "rejected_calls": 0, "failed_calls": 0})
    return told["calls"], told["failed_calls"] + told["rejected_calls"]


def test_every_durable_append_is_confirmed_by_it(book: Place, client: Any) -> None:
    with closing(book.opened()) as journal:
        for at in (1, 2, 3):
            before, _ = waited(client)
            journal.append([confirmed(at)], [], durable=True)
            assert waited(client) == (before + 1, 0)
        assert journal.doubt is None
    assert book.times() == [1, 2, 3]


def test_what_it_confirmed_survives_the_server_s_death_whatever_it_syncs_by_itself(process: RedisProcess, book: Place, client: Any) -> None:
    """With `everysec` an answer takes up to a second: more than the bot waits at a time, so it asks again."""
    client.config_set("appendfsync", "everysec")
    with closing(book.opened()) as journal:
        assert journal.doubt is None, "its word on each write is enough"
        journal.append([confirmed(1)], [], durable=True)
        process.kill()
    process.start()
    assert book.times() == [1]


def test_a_write_that_the_server_does_not_sync_is_not_confirmed(book: Place, client: Any) -> None:
    with closing(book.opened(patience_s=SOON_S)) as journal:
        journal.append([confirmed(1)], [], durable=True)
        client.config_set("appendfsync", "no")
        with pytest.raises(JournalUnavailable, match="on disk at 0 of 1 server and 0 of 0 replicas"):
            journal.append([confirmed(2)], [], durable=True)
        assert journal.pending == 1
        assert "on disk at 0 of 1 server" in (journal.doubt or "")
        client.config_set("appendfsync", "always")
        until(lambda: journal.pending == 0)
        until(lambda: journal.doubt is None)
    assert book.times() == [1, 2]


def test_a_file_that_was_switched_off_confirms_nothing_and_the_bot_hears_of_it(book: Place, client: Any) -> None:
    with closing(book.opened()) as journal:
        journal.append([confirmed(1)], [], durable=True)
        assert journal.doubt is None
        confirmed_before, _ = waited(client)
        client.config_set("appendonly", "no")
        journal.append([confirmed(2)], [], durable=True)
        calls, refused = waited(client)
        assert calls - refused == confirmed_before, "this write was not confirmed"
        assert "it keeps no append-only file" in (journal.doubt or "")
        client.config_set("appendonly", "yes")
        until(lambda: journal.doubt is None)
        journal.append([confirmed(3)], [], durable=True)
        assert waited(client)[0] > calls, "it is asked again"
    assert book.times() == [1, 2, 3]
