"""`hedgebot demo`: the whole thing on one machine, from live collateral to hedges on three venues, and a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from tempfile import mkdtemp

from rich.console import Console

from bot.core.units import Millis
from bot.drivers.demo.observer import Observer
from bot.drivers.demo.stage import ASSETS, VENUES, BotEnded, Stage, now_ms
from bot.drivers.demo.story import Story
from bot.drivers.demo.summary import Summary
from bot.drivers.demo.view import Lines, Picture, View
from bot.simulator.generator import GeneratedPath
from bot.simulator.history import HistoryPath, parse_window
from bot.simulator.market import MarketPath

START_MS: Millis = 1_767_225_600_000  # 2026-01-01T00:00Z: where generated market time begins
STORY_S = 60.0
"""How long the story takes when no end is set."""
MARKET_HOURS = 12
"""Market time that the story spans: every venue settles its funding once in it."""
READY_S = 20.0
STOP_S = 10.0
TURN_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What a person may choose. `seconds` None runs until interrupted; `speed` None spans the story with 12 hours of market time."""

    seconds: float | None
    plain: bool
    seed: int
    history: Path | None
    window: str | None
    speed: Decimal | None
    summary: Path | None
    folder: Path | None
    crash: bool


def market_of(options: DemoOptions) -> MarketPath:
    """The path to play. Raises HistoryUnreadable with one sentence."""
    if options.history is None:
        return GeneratedPath(options.seed, START_MS, VENUES, ASSETS)
    window = parse_window(options.window) if options.window else None
    return HistoryPath(options.history, window, VENUES, ASSETS, seed=options.seed)


async def demo(options: DemoOptions) -> int:
    """Runs the demo; 0 when it passed, else 1. Raises HistoryUnreadable and OSError for bad input, before anything is started."""
    path = market_of(options)
    seconds = options.seconds or STORY_S
    speed = options.speed or Decimal(MARKET_HOURS * 3600) / Decimal(str(seconds))
    if options.summary is not None:
        options.summary.parent.mkdir(parents=True, exist_ok=True)
        options.summary.touch()
    folder = options.folder or Path(mkdtemp(prefix="hedgebot-demo-"))
    view: View = Lines(sys.stdout) if options.plain or not sys.stdout.isatty() else Picture(Console())
    stage = Stage(folder, path, speed)
    try:
        return await Demo(stage, view, options, seconds, speed).run()
    finally:
        view.close()
        await stage.close()


class Demo:
    """One demo on an open stage."""

    def __init__(self, stage: Stage, view: View, options: DemoOptions, seconds: float, speed: Decimal) -> None:
        self._stage = stage
        self._view = view
        self._options = options
        self._seconds = seconds
        self._speed = speed
        self._interrupted = asyncio.Event()

    async def run(self) -> int:
        """From curtain to verdict."""
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, self._interrupted.set)
        self._announce()
        await self._stage.open()
        self._view.say(
            f"bot: pid {self._stage.pid}, metrics http://127.0.0.1:{self._stage.metrics_port}/metrics, log {self._stage.log_path}"
        )
        observer = Observer(self._stage)
        story = Story(self._stage, observer, int(self._seconds * 1000), with_crash=self._options.crash)
        playing = [
            asyncio.create_task(self._stage.venues.play(), name="market"),
            asyncio.create_task(observer.watch(), name="observer"),
        ]
        watching = asyncio.create_task(self._stage.watch_bot(), name="bot")
        telling = asyncio.create_task(self._tell(story, observer), name="story")
        try:
            await asyncio.wait({*playing, watching, telling}, return_when=asyncio.FIRST_COMPLETED)
            return await self._end(story, observer, telling, (*playing, watching))
        finally:
            for task in (*playing, watching, telling):
                task.cancel()
            await asyncio.gather(*playing, watching, telling, return_exceptions=True)

    def _announce(self) -> None:
        path = self._stage.venues.path
        self._view.say(f"market: {path.label}, {self._speed:.0f} times as fast as life; folder {self._stage.folder}")
        for (venue, asset), text in path.provenance.items():
            if self._options.history is not None:
                self._view.say(f"  {venue} {asset}: {text}")

    async def _tell(self, story: Story, observer: Observer) -> None:
        """Tells the story until it is over and the time is up."""
        header = f"hedgebot demo: {self._stage.market_label}"
        await self._until_ready(observer, header)
        began = now_ms()
        observer.in_grace = story.in_grace
        while not self._interrupted.is_set():
            now = now_ms()
            changed = story.turn(began)
            if changed is not None:
                self._view.say(_told(changed.name, changed.sentence, changed.injected_at, changed.seen_at, changed.healed_at))
            self._stage.refresh_rates()
            self._view.show(observer.status, story.events, header, now)
            if self._options.seconds is not None and now - began >= self._seconds * 1000:
                return
            await asyncio.sleep(TURN_S)

    async def _until_ready(self, observer: Observer, header: str) -> None:
        deadline = time.monotonic() + READY_S
        while not (observer.status and observer.status["ready"]):
            self._view.show(observer.status, (), header, now_ms())
            if time.monotonic() > deadline or self._interrupted.is_set():
                self._view.say(f"the bot was not ready within {READY_S:.0f} s")
                return
            await asyncio.sleep(TURN_S)
        self._view.say("the bot is ready")

    async def _end(self, story: Story, observer: Observer, telling: asyncio.Task[None], others: tuple[asyncio.Task[None], ...]) -> int:
        died = next((t for t in others if t.done() and not t.cancelled() and t.exception() is not None), None)
        if died is None and telling.done():
            telling.result()
        told = await observer.ask_again()
        truth = observer.look()
        began = time.monotonic()
        exit_code = await self._stage.stop_bot(STOP_S)
        stopped_in = time.monotonic() - began
        self._view.close()
        summary = Summary(self._stage, story.events, observer.meter, truth, told, exit_code, stopped_in)
        summary.print(Console(width=None if sys.stdout.isatty() else 140))
        failure = str(died.exception()) if died is not None else summary.failure()
        if self._options.summary is not None:
            summary.write(self._options.summary)
        with contextlib.suppress(BrokenPipeError):
            print("PASSED" if failure is None else f"FAILED: {failure}", flush=True)  # noqa: T201  the verdict is the output
        return 0 if failure is None else 1


def _told(name: str, sentence: str, injected: Millis | None, seen: Millis | None, healed: Millis | None) -> str:
    if injected is None:
        return f"story: {sentence} ..."
    if seen is None:
        return f"story: {sentence}"
    if healed is None:
        return f"story: {name} seen after {(seen - injected) / 1000:.2f} s"
    return f"story: {name} healed after {(healed - injected) / 1000:.2f} s"


__all__ = ["BotEnded", "DemoOptions", "demo", "market_of"]
