"""The watched file on a real file system and a real clock."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.collateral import file as module
from bot.adapters.collateral.file import FileSource
from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.events import CollateralConfirmed, CollateralObserved, CollateralUnreadable
from bot.core.units import Asset
from tests.adapters.collateral.heard import Heard, RealClock, until


def row(asset: str, quantity: str, rate: str | None = None) -> Row:
    return Row(Asset(asset), "custody", Decimal(quantity), None if rate is None else Decimal(rate))


@asynccontextmanager
async def listening(path: Path, **told: Any) -> AsyncIterator[Heard]:
    heard = Heard()
    task = asyncio.create_task(FileSource("desk", path, RealClock(), **told).listen(heard))
    try:
        yield heard
        assert not task.done(), task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@pytest.fixture(params=["holdings.yaml", "holdings.csv"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def remove(path: Path) -> None:
    path.unlink()


async def test_all_totals_first_then_only_changes(path: Path) -> None:
    write_holdings(path, [row("BTC", "2"), row("ETH", "30"), row("wstETH", "10", "1.2")])
    async with listening(path) as heard:
        await until(lambda: len(heard.events) >= 4)
        assert heard.totals == {"BTC": 2, "ETH": 30, "wstETH": 10}
        assert isinstance(heard.events[3], CollateralConfirmed)
        write_holdings(path, [row("BTC", "2.5"), row("ETH", "30"), row("wstETH", "10", "1.21")])
        await until(lambda: len(heard.of(CollateralObserved)) >= 5)
        last = heard.of(CollateralObserved)[3:]
        assert [(event.asset, event.quantity, event.redemption_rate) for event in last] == [
            ("BTC", Decimal("2.5"), None),
            ("wstETH", Decimal(10), Decimal("1.21")),
        ]
        assert {(event.source, event.location) for event in last} == {("desk", "custody")}
        assert not heard.of(CollateralUnreadable)


async def test_a_change_is_told_within_moments(path: Path) -> None:
    write_holdings(path, [row("BTC", "1")])
    async with listening(path) as heard:
        await until(lambda: bool(heard.events))
        await asyncio.sleep(0.2)
        took = []
        for number in range(2, 12):
            started = time.perf_counter()
            write_holdings(path, [row("BTC", str(number))])
            await until(lambda number=number: heard.totals["BTC"] == number)  # type: ignore[misc]  # the default binds the loop's value
            told = next(at for at, event in zip(heard.times, heard.events, strict=True)
                        if isinstance(event, CollateralObserved) and event.quantity == number)  # fmt: skip
            took.append(told - started)
            await asyncio.sleep(0.03)
    took.sort()
    print(f"file replaced to event: median {took[5] * 1000:.0f} ms, slowest {took[-1] * 1000:.0f} ms")
    assert took[5] < 0.5


async def test_unchanged_files_are_confirmed_about_once_a_second(path: Path) -> None:
    write_holdings(path, [row("BTC", "1")])
    async with listening(path) as heard:
        await until(lambda: len(heard.of(CollateralConfirmed)) >= 3)
        for _ in range(20):
            os.utime(path)
            await asyncio.sleep(0.01)
        times = [at for at, event in zip(heard.times, heard.events, strict=True) if isinstance(event, CollateralConfirmed)]
        assert all(later - earlier > 0.85 for earlier, later in pairwise(times))
        assert len(heard.of(CollateralObserved)) == 1


async def test_a_row_that_goes_from_a_complete_file_is_zero(path: Path) -> None:
    write_holdings(path, [row("BTC", "1"), row("wstETH", "5", "1.2")])
    async with listening(path) as heard:
        await until(lambda: len(heard.totals) == 2)
        write_holdings(path, [row("BTC", "1")])
        await until(lambda: heard.totals["wstETH"] == 0)
        assert heard.of(CollateralObserved)[-1].redemption_rate == Decimal("1.2")
        write_holdings(path, [])
        await until(lambda: heard.totals["BTC"] == 0)
        assert not heard.of(CollateralUnreadable)


async def test_a_row_that_goes_from_any_other_file_is_not_zero(path: Path) -> None:
    write_holdings(path, [row("BTC", "1"), row("ETH", "5")], complete=False)
    async with listening(path) as heard:
        await until(lambda: len(heard.totals) == 2)
        write_holdings(path, [row("BTC", "3")], complete=False)
        await until(lambda: bool(heard.of(CollateralUnreadable)))
        assert "ETH at custody is gone from the file, and absence is not zero" in heard.of(CollateralUnreadable)[0].reason
        assert heard.totals == {"BTC": 1, "ETH": 5}
        write_holdings(path, [row("BTC", "3"), row("ETH", "0")], complete=False)
        await until(lambda: heard.totals == {"BTC": 3, "ETH": 0})


@pytest.mark.parametrize("complete", [True, False])
async def test_holdings_of_an_earlier_run_are_not_forgotten(path: Path, complete: bool) -> None:
    write_holdings(path, [row("BTC", "1")], complete=complete)
    async with listening(path, known=[(Asset("ETH"), "custody"), (Asset("BTC"), "custody")]) as heard:
        await until(lambda: bool(heard.events))
        if complete:
            assert heard.totals == {"BTC": 1, "ETH": 0}
        else:
            assert "ETH at custody is gone" in heard.of(CollateralUnreadable)[0].reason
            assert heard.totals == {}


async def test_coins_that_hedge_themselves_have_rate_one(path: Path) -> None:
    write_holdings(path, [row("BTC", "1"), row("wstETH", "2")])
    async with listening(path, hedged_as={Asset("BTC"): Asset("BTC"), Asset("wstETH"): Asset("ETH")}) as heard:
        await until(lambda: len(heard.totals) == 2)
        rates = {event.asset: event.redemption_rate for event in heard.of(CollateralObserved)}
        assert rates == {"BTC": Decimal(1), "wstETH": None}


async def test_what_makes_no_sense_changes_nothing_and_is_said_once(path: Path) -> None:
    write_holdings(path, [row("BTC", "1")])
    sound = content_of(path)
    async with listening(path) as heard:
        await until(lambda: len(heard.totals) == 1)
        for broken in (sound.replace(b"1", b"-1"), sound[:-4], b"", b"\xff"):
            said = len(heard.of(CollateralUnreadable))
            _in_place(path, broken)
            await until(lambda said=said: len(heard.of(CollateralUnreadable)) > said)  # type: ignore[misc]  # the default binds the loop's value
        confirmed = len(heard.of(CollateralConfirmed))
        said = len(heard.of(CollateralUnreadable))
        await asyncio.sleep(1.3)
        assert len(heard.of(CollateralUnreadable)) == said
        assert len(heard.of(CollateralConfirmed)) == confirmed
        assert heard.totals == {"BTC": 1}
        _in_place(path, sound)
        await until(lambda: len(heard.of(CollateralConfirmed)) > confirmed)
        assert len(heard.of(CollateralObserved)) == 1


async def test_a_missing_file_is_not_empty_and_may_come_later(path: Path) -> None:
    async with listening(path) as heard:
        await until(lambda: bool(heard.events))
        assert heard.of(CollateralUnreadable)[0].reason == "the file is missing or cannot be read"
        write_holdings(path, [row("BTC", "1")])
        await until(lambda: heard.totals == {"BTC": 1})
        remove(path)
        await until(lambda: len(heard.of(CollateralUnreadable)) == 2)
        assert heard.totals == {"BTC": 1}


async def test_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    path = tmp_path / "later" / "holdings.yaml"
    async with listening(path) as heard:
        await until(lambda: bool(heard.events))
        path.parent.mkdir()
        write_holdings(path, [row("BTC", "1")])
        await until(lambda: heard.totals == {"BTC": 1})


async def test_without_a_working_watcher_reads_go_on(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise OSError("no watching on this drive")

    monkeypatch.setattr(module, "awatch", broken)
    write_holdings(path, [row("BTC", "1")])
    async with listening(path) as heard:
        await until(lambda: heard.totals == {"BTC": 1})
        write_holdings(path, [row("BTC", "2")])
        await until(lambda: heard.totals == {"BTC": 2})


def _rename_over(path: Path, content: bytes) -> None:
    draft = path.with_name("4913")
    draft.write_bytes(content)
    draft.replace(path)


def _backup_then_create(path: Path, content: bytes) -> None:
    path.rename(path.with_name(path.name + "~"))
    path.write_bytes(content)


def _in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _slowly(path: Path, content: bytes) -> None:
    with path.open("wb") as out:
        for byte in content:
            out.write(bytes([byte]))
            out.flush()


@pytest.mark.parametrize("save", [_rename_over, _backup_then_create, _in_place, _slowly])
async def test_whatever_way_an_editor_saves(tmp_path: Path, save: Callable[[Path, bytes], None]) -> None:
    path, other = tmp_path / "holdings.yaml", tmp_path / "other.yaml"
    write_holdings(path, [row("BTC", "1.000"), row("ETH", "9")])
    async with listening(path) as heard:
        await until(lambda: len(heard.totals) == 2)
        for number in range(2, 6):
            write_holdings(other, [row("BTC", f"{number}.125"), row("ETH", "9")])
            await asyncio.to_thread(save, path, other.read_bytes())
            await until(lambda number=number: heard.totals["BTC"] == Decimal(f"{number}.125"))  # type: ignore[misc]  # binds the loop's value
        seen = {str(event.quantity) for event in heard.of(CollateralObserved) if event.asset == "BTC"}
        assert seen == {"1.000", "2.125", "3.125", "4.125", "5.125"}
        assert {event.quantity for event in heard.of(CollateralObserved) if event.asset == "ETH"} == {9}


async def test_listening_again_tells_everything_again(path: Path) -> None:
    write_holdings(path, [row("BTC", "1")])
    source = FileSource("desk", path, RealClock())
    for _ in range(2):
        heard = Heard()
        task = asyncio.create_task(source.listen(heard))
        await until(lambda heard=heard: heard.totals == {"BTC": 1})  # type: ignore[misc]  # the default binds the loop's value
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_an_unchanged_file_that_nobody_writes_any_more_is_not_confirmed_until_it_is_written_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.05)
    write_holdings(path, [row("BTC", "2")])
    async with listening(path, age_max=400) as heard:
        await until(lambda: len(heard.of(CollateralConfirmed)) >= 2)
        await until(lambda: len(heard.of(CollateralUnreadable)) == 1)
        confirmed = len(heard.of(CollateralConfirmed))
        assert "max_age_ms 400" in heard.of(CollateralUnreadable)[0].reason
        await asyncio.sleep(0.3)
        assert len(heard.of(CollateralConfirmed)) == confirmed
        assert len(heard.of(CollateralUnreadable)) == 1, "told once"
        os.utime(path)
        await until(lambda: len(heard.of(CollateralConfirmed)) > confirmed)
        assert {event.quantity for event in heard.of(CollateralObserved)} == {Decimal(2)}


async def test_a_file_that_is_too_old_at_the_start_tells_nothing(path: Path) -> None:
    write_holdings(path, [row("BTC", "2")])
    old = time.time() - 3_600
    os.utime(path, (old, old))
    async with listening(path, age_max=60_000) as heard:
        await until(lambda: bool(heard.events))
        await asyncio.sleep(0.1)
        assert [type(event) for event in heard.events] == [CollateralUnreadable]
    async with listening(path) as heard:
        await until(lambda: bool(heard.of(CollateralConfirmed)))
