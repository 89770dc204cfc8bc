"""The Redis journal: two writers, the leases that fence it, foreign keys, corrupt tails, and its bounds."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal import redis_writer
from bot.adapters.journal.codec import encode, first_link, link
from bot.adapters.journal.redis_link import RedisServer
from bot.adapters.journal.redis_store import Fence
from bot.adapters.journal.redis_streams import RedisJournal
from bot.ports import Journal, JournalFenced, JournalRefused, JournalUnavailable
from tests.adapters.journal.facts import confirmed
from tests.adapters.journal.redis_process import cut_back, keys
from tests.adapters.journal.redis_words import Place, until

# Who may write


def test_entries_bear_their_number_as_their_id(place: Place, client: Any) -> None:
    place.written(3)
    assert [entry_id for entry_id, _ in client.xrange(keys(place.name)["entries"])] == [b"1-0", b"2-0", b"3-0"]


def test_the_entry_of_a_second_writer_is_refused_and_it_gives_up(place: Place, tmp_path: Path) -> None:
    with closing(place.opened()) as first:
        first.append([confirmed(1)], [], durable=True)
        second = place.elsewhere(tmp_path / "other host").opened()
        assert [event.at for event, _ in second.recover()] == [1]
        first.append([confirmed(2)], [], durable=True)
        with pytest.raises(JournalUnavailable, match="another writer's entry 2 is the last one there"):
            second.append([confirmed(9)], [], durable=True)
        with pytest.raises(JournalUnavailable, match="gave up and needs a restart"):
            second.append([confirmed(10)], [], durable=False)
        with pytest.raises(JournalUnavailable, match="1 entries could not be written"):
            second.close()
        first.append([confirmed(3)], [], durable=True)
    assert place.times() == [1, 2, 3]


def test_the_server_itself_refuses_a_number_that_is_taken(place: Place, client: Any) -> None:
    place.written(2)
    with pytest.raises(Exception, match="equal or smaller than the target stream top item"):
        client.xadd(keys(place.name)["entries"], {"link": b"x", "payload": b"y"}, id="2-0")


def test_nothing_is_written_once_the_lease_is_anothers(place: Place, client: Any) -> None:
    fence = Fence(f"lease of {place.name}", "host-a epoch 7")
    client.set(fence.key, fence.value)
    journal = place.opened(fence=fence)
    journal.append([confirmed(1)], [], durable=True)
    assert journal.next_epoch() == 1
    client.set(fence.key, "host-b epoch 8")
    with pytest.raises(JournalFenced, match="the lease is not ours any more"):
        journal.append([confirmed(2)], [], durable=True)
    with pytest.raises(JournalFenced, match="lease"):
        journal.next_epoch()
    client.set(fence.key, fence.value)
    with pytest.raises(JournalFenced, match="gave up"):
        journal.append([confirmed(3)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.close()
    assert place.times() == [1]


def test_a_lease_that_ran_out_lets_nothing_in(place: Place, client: Any) -> None:
    fence = Fence(f"lease of {place.name}", "host-a epoch 7")
    journal = place.opened(fence=fence)
    with pytest.raises(JournalUnavailable, match="the lease is not ours any more"):
        journal.append([confirmed(1)], [], durable=True)
    with pytest.raises(JournalUnavailable):
        journal.close()
    assert client.xlen(keys(place.name)["entries"]) == 0


# What is not ours


def test_another_name_is_another_journal(place: Place) -> None:
    place.written(1)
    other = Place(place.server, f"{place.name}-b", place.folder)
    assert other.times() == []


def test_a_newer_format_is_refused(place: Place, client: Any) -> None:
    place.written(1)
    client.hset(keys(place.name)["facts"], "format", "2")
    with pytest.raises(JournalRefused, match="format 2 of a newer hedgebot, and this one reads format 1"):
        place.opened()


def test_an_entry_of_a_newer_version_is_refused(place: Place, client: Any) -> None:
    place.written(1)
    payload = encode([confirmed(2)], []).replace(b'"v":1', b'"v":9')
    ((_, fields),) = client.xrange(keys(place.name)["entries"])
    client.xadd(keys(place.name)["entries"], {"link": link(fields[b"link"], payload), "payload": payload}, id="2-0")
    with pytest.raises(JournalRefused, match="the entry has format version 9"):
        place.times()


@pytest.mark.parametrize(("what", "sentence"), [("facts", "WRONGTYPE"), ("entries", "its facts are missing")])
def test_somebody_elses_key_is_refused_and_left_alone(place: Place, client: Any, what: str, sentence: str) -> None:
    key = keys(place.name)[what]
    client.set(key, "my only copy of a novel")
    with pytest.raises(JournalRefused, match=sentence):
        place.times()
    assert client.get(key) == b"my only copy of a novel"
    client.delete(key)


def test_entries_without_their_facts_are_refused(place: Place, client: Any) -> None:
    place.written(2)
    client.delete(keys(place.name)["facts"])
    with pytest.raises(JournalRefused, match="its facts are missing while its entries are there"):
        place.opened()


@pytest.mark.parametrize("fact", ["epoch", "base_seq", "base_link"])
def test_facts_that_cannot_be_read_are_refused(place: Place, client: Any, fact: str) -> None:
    place.written(1)
    client.hset(keys(place.name)["facts"], fact, "nonsense")
    with pytest.raises(JournalRefused, match="facts cannot be read"):
        place.opened()


# Damage


def spoil(client: Any, name: str, seq: int, how: str) -> None:
    """Replaces the last entry by a spoilt one, as nobody but a broken disk would."""
    ((_, fields),) = cut_back(client, name, 1)
    spoilt = {
        "payload": {b"link": fields[b"link"], b"payload": fields[b"payload"][:20]},
        "link": {b"link": bytes(32), b"payload": fields[b"payload"]},
        "fields": {b"note": b"hello"},
        "id": fields,
    }[how]
    client.xadd(keys(name)["entries"], spoilt, id=f"{seq}-1" if how == "id" else f"{seq}-0")


@pytest.mark.parametrize("how", ["payload", "link", "fields", "id"])
def test_a_corrupt_tail_is_copied_aside_and_reported(place: Place, client: Any, how: str, caplog: pytest.LogCaptureFixture) -> None:
    place.written(3)
    spoil(client, place.name, 3, how)
    with caplog.at_level(logging.ERROR), closing(place.opened()) as journal:
        assert [event.at for event, _ in journal.recover()] == [1, 2]
        assert journal.is_fresh
        found = next(one for one in journal.quarantined if one.copy is not None)
        journal.append([confirmed(9)], [], durable=True)
    assert found.first_seq == 3
    assert found.copy is not None
    assert "were cut off" in caplog.text
    (kept,) = [json.loads(line) for line in found.copy.read_text().splitlines()]
    assert kept["seq"] == ("3-1" if how == "id" else "3-0")
    assert place.times() == [1, 2, 9]


def test_damage_in_the_middle_refuses_the_journal_unchanged(place: Place, client: Any) -> None:
    place.written(5)
    key = keys(place.name)["entries"]
    client.xdel(key, "2-0")
    before = client.xrange(key)
    for _ in range(2):
        with closing(place.opened()) as journal, pytest.raises(JournalRefused, match="while later ones are sound; nothing was changed"):
            journal.recover()
    assert client.xrange(key) == before


def test_entries_of_another_journal_do_not_fit(place: Place, client: Any) -> None:
    place.opened().close()
    payload = encode([confirmed(1)], [])
    client.xadd(keys(place.name)["entries"], {"link": link(first_link("theirs"), payload), "payload": payload}, id="1-0")
    with closing(place.opened()) as journal:
        assert list(journal.recover()) == []
        assert journal.quarantined


# Memory


def test_memory_is_bounded_while_nothing_is_taken(place: Place, monkeypatch: pytest.MonkeyPatch, client: Any) -> None:
    monkeypatch.setattr(redis_writer, "PENDING_BYTES_MAX", 2_000)
    journal = place.opened()
    journal.append([confirmed(0)], [], durable=True)
    client.client_pause(60_000, all=False)
    try:
        while journal.pending < 10:
            journal.append([confirmed(1)], [], durable=False)
        with pytest.raises(JournalUnavailable, match="gave up and needs a restart"):
            journal.append([confirmed(2)] * 100, [], durable=False)
        with pytest.raises(JournalUnavailable, match="gave up"):
            journal.append([confirmed(1)], [], durable=True)
        with pytest.raises(JournalUnavailable, match="could not be written"):
            journal.close()
    finally:
        client.execute_command("CLIENT", "UNPAUSE")


def test_append_tells_how_long_it_took(place: Place) -> None:
    took: list[float] = []
    with closing(place.opened(on_append_seconds=took.append)) as journal:
        journal.append([confirmed(1)], [], durable=False)
        journal.append([confirmed(2)], [], durable=True)
    assert len(took) == 1
    assert 0 < took[0] < 5


def test_what_may_wait_is_written_by_itself(place: Place, client: Any) -> None:
    with closing(place.opened()) as journal:
        journal.append([confirmed(1)], [], durable=False)
        until(lambda: client.xlen(keys(place.name)["entries"]) == 1)
        until(lambda: journal.pending == 0)


def test_no_secret_is_in_what_is_said_of_a_server(place: Place) -> None:
    del place
    server = RedisServer(
        hosts=(("10.0.0.1", 6379), ("::1", 6380)),
        service="main",
        username="canary-user",
        password="canary-password",
        sentinel_username="canary-sentinel",
        sentinel_password="canary-sentinel-password",
        tls=True,
    )
    assert str(server) == "rediss+sentinel://10.0.0.1:6379,[::1]:6380/main/0"
    assert "canary" not in repr(server) + str(server)


def test_the_journal_class_is_what_the_port_asks_for() -> None:
    journal: type[Journal] = RedisJournal
    assert journal is RedisJournal
