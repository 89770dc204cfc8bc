"""Following another instance's journal on a real Redis: everything once, in order, and anew when the store went back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal import redis_follow
from bot.adapters.journal.codec import encode, encode_snapshot, link
from bot.adapters.journal.redis_follow import RedisFollower
from bot.adapters.journal.redis_link import RedisServer
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.ports import JournalRefused, JournalUnavailable, Newer, Snapshot
from tests.adapters.journal.facts import confirmed, order
from tests.adapters.journal.redis_process import free_port, keys, needs_redis
from tests.adapters.journal.redis_words import Place

pytestmark = needs_redis


@pytest.fixture
async def follower(place: Place, tmp_path: Path) -> AsyncIterator[RedisFollower]:
    following = RedisFollower(place.server, place.name, "ours", folder(tmp_path))
    yield following
    await following.close()


def folder(tmp_path: Path) -> Path:
    """Of the instance that stands by, on another host."""
    (tmp_path / "other").mkdir(exist_ok=True)
    return tmp_path / "other"


def times(newer: Newer) -> list[int]:
    return [event.at for entry in newer.entries for event in entry.events]


def a_snapshot() -> Snapshot:
    return Snapshot(ledger=Ledger(epoch="kept"), policy=Policy(), began_at=1, newest_payment_at={})


async def test_every_entry_is_told_once_as_it_comes(place: Place, follower: RedisFollower) -> None:
    assert await follower.newer() == Newer()
    assert follower.position is None
    place.written(3)
    first = await follower.newer()
    assert (times(first), first.begins_anew, first.start) == ([1, 2, 3], True, None)
    assert first.entries[0].commands == (order(1),)
    assert await follower.newer() == Newer()
    with closing(place.opened()) as journal:
        journal.append([confirmed(4)], [], durable=True)
        assert times(await follower.newer()) == [4]
        assert follower.position is not None
        assert follower.position.seq == 4


async def test_it_begins_at_the_newest_snapshot(place: Place, follower: RedisFollower) -> None:
    place.written(3)
    with closing(place.opened()) as journal:
        journal.snapshot(a_snapshot())
        journal.append([confirmed(4)], [], durable=True)
    found = await follower.newer()
    assert encode_snapshot(found.start or pytest.fail("no snapshot")) == encode_snapshot(a_snapshot())
    assert (times(found), found.begins_anew) == ([4], True)


async def test_a_long_journal_is_told_in_parts(place: Place, follower: RedisFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_follow, "AT_ONCE", 2)
    place.written(5)
    parts = [await follower.newer() for _ in range(3)]
    assert [(times(p), p.more, p.begins_anew) for p in parts] == [([1, 2], True, True), ([3, 4], True, False), ([5], False, False)]


async def test_a_store_that_went_back_is_read_anew_and_a_start_after_it_knows(
    place: Place, follower: RedisFollower, client: Any, tmp_path: Path
) -> None:
    place.written(3)
    await follower.newer()
    client.delete(keys(place.name)["entries"])
    found = await follower.newer()
    assert (found.begins_anew, times(found)) == (True, [])
    with closing(place.elsewhere(folder(tmp_path)).opened()) as journal:
        assert journal.is_fresh
        assert ["acknowledged" in each.reason for each in journal.quarantined] == [True]


async def test_another_history_under_the_same_numbers_is_read_anew(place: Place, follower: RedisFollower, client: Any) -> None:
    place.written(3)
    await follower.newer()
    client.delete(*keys(place.name).values())
    with closing(place.elsewhere(place.folder.parent / "third").opened()) as journal:
        for at in (11, 12, 13, 14):
            journal.append([confirmed(at)], [], durable=True)
    found = await follower.newer()
    assert (found.begins_anew, times(found)) == (True, [11, 12, 13, 14])


async def test_an_entry_that_does_not_fit_is_not_told(place: Place, follower: RedisFollower, client: Any) -> None:
    place.written(2)
    await follower.newer()
    client.xadd(keys(place.name)["entries"], {"link": b"x" * 32, "payload": b"{}"}, id="3-0")
    with pytest.raises(JournalUnavailable, match="entry 3 does not fit the chain"):
        await follower.newer()


async def test_an_entry_with_a_field_of_a_newer_hedgebot_is_refused(place: Place, follower: RedisFollower, client: Any) -> None:
    with closing(place.opened()) as journal:
        last = journal.position.link
    payload = encode([confirmed(1)], []).replace(b'"at":1', b'"at":1,"tomorrow":"1"')
    client.xadd(keys(place.name)["entries"], {"link": link(last, payload), "payload": payload}, id="1-0")
    with pytest.raises(JournalRefused, match="entry 1: the event CollateralConfirmed has 'tomorrow', which this hedgebot does not know"):
        await follower.newer()


async def test_anothers_journal_is_not_followed(place: Place, tmp_path: Path) -> None:
    place.written(1)
    follower = RedisFollower(place.server, place.name, "theirs", folder(tmp_path))
    with pytest.raises(JournalRefused, match="belongs to another config"):
        await follower.newer()
    await follower.close()


async def test_a_server_that_is_away_is_said_and_asked_again(place: Place, tmp_path: Path) -> None:
    nowhere = RedisFollower(RedisServer(hosts=(("127.0.0.1", free_port()),)), place.name, "ours", folder(tmp_path))
    for _ in range(2):
        with pytest.raises(JournalUnavailable, match="cannot be reached"):
            await nowhere.newer()
    await nowhere.close()
    await nowhere.close()
