"""What every collateral source does alike, each over the real thing: a file system, a redis-server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.core.events import CollateralConfirmed, CollateralObserved, CollateralUnreadable
from tests.adapters.collateral.heard import Heard, heard_from, until
from tests.adapters.collateral.stands import FileStand, RedisStand, Stand
from tests.adapters.journal.redis_process import SERVER, RedisProcess


@pytest.fixture(params=["file", "redis"])
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    if request.param == "file":
        yield FileStand(tmp_path)
        return
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path / "redis").start()
    yield RedisStand(process)
    process.kill()


async def test_all_totals_come_before_the_first_confirmation(stand: Stand) -> None:
    stand.tell(ETH="30", BTC="2")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        first = heard.events.index(heard.of(CollateralConfirmed)[0])
        told = {(e.asset, e.location, e.quantity, e.redemption_rate) for e in heard.events[:first] if isinstance(e, CollateralObserved)}
        assert told == {("ETH", "vault", 30, 1), ("BTC", "vault", 2, 1)}
        assert {e.source for e in heard.of(CollateralObserved)} == {"desk"}


async def test_each_change_is_told_once_and_nothing_else(stand: Stand) -> None:
    stand.tell(ETH="30", BTC="2")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        stand.tell(ETH="31")
        await until(lambda: heard.totals.get("ETH") == 31)
        await until(lambda: len(heard.of(CollateralConfirmed)) >= 3)
        assert len(heard.of(CollateralObserved)) == 3
        assert not heard.of(CollateralUnreadable)


async def test_what_does_not_change_is_confirmed_on_a_beat(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source()) as heard:
        await until(lambda: len(heard.of(CollateralConfirmed)) >= 3)
        assert len(heard.of(CollateralObserved)) == 1
        times = [at for at, event in zip(heard.times, heard.events, strict=True) if isinstance(event, CollateralConfirmed)]
        assert times[2] - times[1] > 0.5, "not more than the journal can bear"


async def test_what_cannot_be_read_is_told_once_takes_nothing_back_and_heals(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
        stand.spoil()
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        confirmed, told = len(heard.of(CollateralConfirmed)), len(heard.of(CollateralObserved))
        stand.mend()
        await until(lambda: len(heard.of(CollateralConfirmed)) > confirmed, 15)
        assert {e.reason for e in heard.of(CollateralUnreadable)}
        assert {e.quantity for e in heard.of(CollateralObserved)} == {30}
        assert len(heard.of(CollateralObserved)) == told, "a source that heals says what is new"
        stand.tell(ETH="0")
        await until(lambda: heard.totals.get("ETH") == 0)


async def test_a_source_that_never_told_anything_confirms_nothing(stand: Stand) -> None:
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        assert [type(event) for event in heard.events] == [CollateralUnreadable]
        stand.tell(ETH="3")
        await until(lambda: bool(heard.of(CollateralConfirmed)))


async def test_a_second_life_goes_on_where_the_first_one_ended(stand: Stand) -> None:
    stand.tell(ETH="30")
    async with heard_from(stand.source()) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
    stand.tell(ETH="31")
    again = Heard()
    async with heard_from(stand.source(), again):
        await until(lambda: again.totals.get("ETH") == 31)
        await until(lambda: bool(again.of(CollateralConfirmed)))
        assert not again.of(CollateralUnreadable)
