"""A stream that is only watched: everything on it is heard, and nothing of it is taken from whoever hedges by it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.adapters.collateral.redis_stream import RedisStreamSource
from bot.adapters.collateral.watched_stream import WatchedStream
from bot.adapters.telemetry.prometheus import Metrics
from bot.config import load
from bot.core.events import CollateralAnnounced, CollateralConfirmed, CollateralObserved, CollateralUnreadable
from bot.core.records import Ledger
from bot.drivers.live import counted_by
from bot.drivers.sources import sources_of
from tests.adapters.collateral.heard import Heard, RealClock, heard_from, until
from tests.adapters.collateral.stands import HEDGED_AS, RedisStand
from tests.adapters.journal.redis_process import RedisProcess

CONFIG = Path(__file__).parents[3] / "config" / "collateral-redis.yaml"


@pytest.fixture
def stand(redis_process: RedisProcess) -> RedisStand:
    return RedisStand(redis_process)


def watched(stand: RedisStand, counted: list[None] | None = None) -> WatchedStream:
    counts = [] if counted is None else counted
    return WatchedStream("desk", stand.place(), RealClock(), hedged_as=HEDGED_AS, refused=lambda: counts.append(None))


def kept(stand: RedisStand) -> dict[bytes, bytes]:
    """All that the server has of the stream: entries, groups, what is pending, what was put aside."""
    with stand.process.client as client:
        return {key: client.dump(key) for key in client.keys(f"{stand.stream}*")}


async def test_all_of_it_is_heard_and_not_a_byte_of_the_server_is_other_than_before(stand: RedisStand) -> None:
    with stand.process.client as client:
        client.xgroup_create(stand.stream, "hedgebot", id="0", mkstream=True)
    stand.tell(ETH="3")
    stand.announce("d1", "5")
    stand.add({b"message": b"{"})
    before = kept(stand)
    async with heard_from(watched(stand)) as heard:
        await until(lambda: bool(heard.of(CollateralAnnounced)))
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        assert heard.totals == {"ETH": 3}
    assert kept(stand) == before
    async with heard_from(stand.source()) as trading:
        await until(lambda: bool(trading.of(CollateralAnnounced)))
        assert trading.totals == {"ETH": 3}


async def test_what_comes_later_is_heard_once(stand: RedisStand) -> None:
    stand.tell(ETH="3")
    async with heard_from(watched(stand)) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        stand.announce("d1", "5")
        await until(lambda: bool(heard.of(CollateralAnnounced)))
        stand.tell(ETH="8")
        await until(lambda: heard.totals == {"ETH": 8})
        assert len(heard.of(CollateralAnnounced)) == 1
        assert len(heard.of(CollateralObserved)) == 2


async def test_what_could_not_be_journaled_comes_again(stand: RedisStand) -> None:
    heard = Heard()
    heard.journals = False
    stand.announce("d1", "5")
    async with heard_from(watched(stand), heard):
        await until(lambda: len(heard.of(CollateralAnnounced)) >= 2)
        heard.journals = True
        told = len(heard.of(CollateralAnnounced))
        await until(lambda: len(heard.of(CollateralAnnounced)) > told)
        stand.announce("d2", "1")
        await until(lambda: heard.events and heard.of(CollateralAnnounced)[-1].claim == "d2")


async def test_what_can_never_be_taken_is_counted_once_and_not_again_by_each_start(stand: RedisStand) -> None:
    counted: list[None] = []
    stand.add({b"message": b"{"})
    stand.tell(ETH="3")
    async with heard_from(watched(stand, counted)) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        assert counted == [], "it was there before"
        stand.add({b"message": b"{"})
        heard.journals = False
        stand.announce("d1", "5")
        await until(lambda: len(heard.of(CollateralAnnounced)) >= 3)
        assert len(counted) == 1
        heard.journals = True
        told = len(heard.of(CollateralAnnounced))
        await until(lambda: len(heard.of(CollateralAnnounced)) > told)
        stand.add({b"message": b"{"})
        await until(lambda: len(counted) == 2)


async def test_a_stream_that_is_not_there_yet_counts_from_its_first_message(stand: RedisStand) -> None:
    counted: list[None] = []
    async with heard_from(watched(stand, counted)) as heard:
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        stand.add({b"message": b"{"})
        await until(lambda: len(counted) == 1)


async def test_where_nothing_was_ever_told_nothing_is_made_and_absence_is_not_zero(stand: RedisStand) -> None:
    async with heard_from(watched(stand)) as heard:
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        assert not heard.of(CollateralConfirmed)
    assert kept(stand) == {}


@pytest.mark.parametrize("observe", [True, False])
async def test_a_run_reads_its_streams_past_the_group_only_where_it_only_watches(observe: bool) -> None:
    settings = load(CONFIG)
    metrics = Metrics()
    (source,) = sources_of(settings, Ledger(), RealClock(), {}, observe=observe, refused=counted_by(metrics))
    assert type(source) is (WatchedStream if observe else RedisStreamSource)
    assert 'hedgebot_refused_messages_total{source="backend"} 0.0' in metrics.render().decode(), "before the first, so that one is a change"
