"""The live picture of a running bot: the demo's own, over the control socket; it waits for one that goes away and never acts."""

from __future__ import annotations

import asyncio
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from bot.drivers.demo.view import Lines, Picture
from bot.drivers.watch import Watching
from tests.adapters.telemetry.test_control import Bot, listening
from tests.adapters.venue.venue_stand import until
from tests.cli.test_refusals import hedgebot, written
from tests.core.openings import hedged


async def shown(path: Path, view: Lines | Picture, seen: asyncio.Event) -> int:
    """Looks at the bot on a socket until the test has seen enough."""
    return await asyncio.wait_for(Watching(path, "book, simulation", view).until(seen), 60)


async def test_it_shows_the_book_until_it_is_ended_and_asks_for_nothing(tmp_path: Path) -> None:
    out, stop, bot, told = StringIO(), asyncio.Event(), Bot(), hedged("30").statement()
    async with listening(bot, tmp_path / "s", statement=lambda: told):
        watching = asyncio.create_task(shown(tmp_path / "s", Lines(out), stop))
        await until(lambda: "ETH net 0.0000 of 30.0000" in out.getvalue(), 60)
        stop.set()
        assert await watching == 0
    assert bot.asked == []


async def test_the_picture_is_the_one_of_the_demo(tmp_path: Path) -> None:
    out, stop, told = StringIO(), asyncio.Event(), hedged("30").statement()
    picture = Picture(Console(file=out, width=120, height=60, force_terminal=True))
    async with listening(Bot(), tmp_path / "s", statement=lambda: told):
        watching = asyncio.create_task(shown(tmp_path / "s", picture, stop))
        await until(lambda: "Where is it hedged?" in out.getvalue(), 60)
        stop.set()
        assert await watching == 0
    picture.close()
    assert "Ctrl-C ends this view, not the bot" in out.getvalue()
    assert "last decisions and why" in out.getvalue()


async def test_a_bot_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    out, stop, told = StringIO(), asyncio.Event(), hedged("30").statement()
    async with listening(Bot(), tmp_path / "s", statement=lambda: told):
        watching = asyncio.create_task(shown(tmp_path / "s", Lines(out), stop))
        await until(lambda: "ETH net" in out.getvalue(), 60)
    await until(lambda: "waiting for the bot" in out.getvalue(), 60)
    stop.set()
    assert await watching == 0


async def test_without_a_bot_it_ends_with_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert await shown(tmp_path / "s", Lines(StringIO()), asyncio.Event()) == 1
    assert "no running hedgebot answers there" in capsys.readouterr().err
    done = await asyncio.to_thread(hedgebot, "watch", str(written(tmp_path)), "--plain", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
