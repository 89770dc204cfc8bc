"""`hedgebot demo`: the whole thing on one machine, from live collateral to hedges on every venue of the cast, and a verdict."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from functools import partial

from rich.console import Console

from bot.core.units import Millis
from bot.drivers.demo.last_look import PATIENCE_S, look_at_the_end
from bot.drivers.demo.observer import Observer
from bot.drivers.demo.prepare import DemoOptions, Prepared, prepare
from bot.drivers.demo.script import Script
from bot.drivers.demo.stage import Stage, now_ms
from bot.drivers.demo.story import Story
from bot.drivers.demo.summary import Summary
from bot.drivers.demo.view import Lines, Picture, View
from bot.drivers.screen import page

READY_S = 20.0
STORY_END = 0.95
PATIENCE = 2
LATE = 1.5
"""How much longer than asked for the demo goes on at the most, while its story is not over: on a busy machine everything is later."""
RESTART_MS: Millis = 8_000
"""How much longer still for each time that it ends the bot."""
STOP_S = 10.0
TURN_S = 0.05


async def demo(options: DemoOptions) -> int:
    """Runs the demo; 0 when it passed, else 1. Raises HistoryUnreadable or DemoRefused for bad input, before anything is started."""
    prepared = prepare(options)
    view: View = Lines(sys.stdout) if options.plain or not sys.stdout.isatty() else Picture(Console())
    stage = Stage(prepared.cast, prepared.folder, prepared.path, prepared.begin_ms, prepared.speed, prepared.treasury)
    passed = False
    try:
        if options.faults is not None:
            stage.plan_faults(options.faults)
        code = await Demo(stage, view, options, prepared).run()
        passed = code == 0
        return code
    finally:
        view.close()
        await stage.close()
        if prepared.is_own_folder and (passed or not any(prepared.folder.iterdir())):
            shutil.rmtree(prepared.folder, ignore_errors=True)


class Demo:
    """One demo on an open stage."""

    def __init__(self, stage: Stage, view: View, options: DemoOptions, prepared: Prepared) -> None:
        self._stage = stage
        self._view = view
        self._options = options
        self._prepared = prepared
        self._seconds = prepared.seconds
        self._interrupted = asyncio.Event()
        self._ends_left = options.crashes

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
        shocks: list[Millis] = []
        script = Script(self._stage, observer, int(self._seconds * 1000), shocks)
        story = Story(script.events(with_crash=self._options.crash), observer, int(self._seconds * 1000), shocks)
        playing = [
            asyncio.create_task(self._stage.venues.play(), name="market"),
            asyncio.create_task(observer.watch(), name="observer"),
        ]
        watching = asyncio.create_task(self._stage.watch_bot(), name="bot")
        telling = asyncio.create_task(self._tell(story, observer), name="story")
        ending = asyncio.create_task(self._end_bots(observer, shocks), name="restarts")
        try:
            await asyncio.wait({*playing, watching, telling}, return_when=asyncio.FIRST_COMPLETED)
            ending.cancel()
            return await self._end(story, observer, telling, (*playing, watching))
        finally:
            for task in (*playing, watching, telling, ending):
                task.cancel()
            await asyncio.gather(*playing, watching, telling, ending, return_exceptions=True)

    async def _end_bots(self, observer: Observer, shocks: list[Millis]) -> None:
        """Ends the bot at moments drawn from the seed: killed whatever it is doing, or asked to stop once it is ready again, in turn."""
        epoch, began = "", time.monotonic()
        draw = random.Random(self._options.seed)  # noqa: S311  a seeded story, not a secret
        moments = sorted(draw.uniform(0.02, 0.85) * self._seconds for _ in range(self._options.crashes))
        for number, moment in enumerate(moments):
            how = signal.SIGTERM if number % 2 else signal.SIGKILL
            if number == 0 or how is signal.SIGTERM:
                await _until(partial(_is_ready_anew, observer, epoch))
                began = time.monotonic() if number == 0 else began
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            await _until(partial(self._stage.end_bot, how))
            epoch = (observer.status or {}).get("epoch", epoch)
            shocks.append(now_ms())
            self._ends_left -= 1
            self._view.say(f"the bot gets {how.name}, {number + 1} of {len(moments)}")

    def _announce(self) -> None:
        path = self._stage.venues.path
        self._view.say(f"market: {path.label}, {self._prepared.speed:.0f} times as fast as life; folder {self._stage.folder}")
        for (venue, asset), text in path.provenance.items():
            if self._options.history is not None:
                self._view.say(f"  {venue} {asset}: {text}")

    async def _tell(self, story: Story, observer: Observer) -> None:
        """Tells the story until it is over and the time is up."""
        header = f"hedgebot demo: {self._stage.market_label}"
        await self._until_ready(observer, header)
        began = now_ms()
        self._stage.arm_faults(began)
        observer.in_grace = story.in_grace
        while not self._interrupted.is_set():
            now = now_ms()
            changed = story.turn(began)
            if changed is not None:
                self._view.say(_told(changed.name, changed.sentence, changed.injected_at, changed.seen_at, changed.healed_at))
            self._stage.refresh_rates()
            self._view.show(observer.status, story.events, header, now)
            if self._is_done(story, now - began):
                return
            await asyncio.sleep(TURN_S)

    def _is_done(self, story: Story, played_ms: Millis) -> bool:
        """With an end set, at that end once the story is over; without, a little after the story's. Neither waits for ever."""
        full, is_over = self._seconds * 1000, story.is_over and self._ends_left == 0
        restarting = self._options.crashes * RESTART_MS
        if self._options.seconds is not None:
            return played_ms >= (full if is_over else full * LATE + restarting)
        return (is_over and played_ms >= full * STORY_END) or played_ms >= full * PATIENCE + restarting

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
        last = await look_at_the_end(self._stage, observer, 0 if died is not None or self._interrupted.is_set() else PATIENCE_S)
        began = time.monotonic()
        exit_code = await self._stage.stop_bot(STOP_S)
        stopped_in = time.monotonic() - began
        self._view.close()
        summary = Summary(self._stage, self._options, self._prepared, story.events, observer.meter, last, exit_code, stopped_in)
        summary.print(page())
        failure = str(died.exception()) if died is not None else summary.failure()
        if failure is None and self._ends_left:
            failure = f"The bot was ended {self._options.crashes - self._ends_left} times, and not {self._options.crashes} times."
        if self._interrupted.is_set() and not story.is_over:
            failure = "It was interrupted before the story was over."
        if self._options.summary is not None:
            summary.write(self._options.summary)
        with contextlib.suppress(BrokenPipeError):
            if failure is not None and self._prepared.is_own_folder:
                print(f"journal, configuration and log are kept in {self._prepared.folder}")  # noqa: T201  where to look belongs to the verdict
            print("PASSED" if failure is None else f"FAILED: {failure}", flush=True)  # noqa: T201  the verdict is the output
        return 0 if failure is None else 1


def _is_ready_anew(observer: Observer, epoch: str) -> bool:
    """Whether the bot is ready in another life than the one that is named."""
    told = observer.status
    return bool(told and told["ready"] and told["epoch"] != epoch)


async def _until(holds: Callable[[], bool]) -> None:
    while True:
        if holds():
            return
        await asyncio.sleep(TURN_S)


def _told(name: str, sentence: str, injected: Millis | None, seen: Millis | None, healed: Millis | None) -> str:
    if injected is None:
        return f"story: {sentence} ..."
    if seen is None:
        return f"story: {sentence}"
    if healed is None:
        return f"story: {name} seen after {(seen - injected) / 1000:.2f} s"
    return f"story: {name} healed after {(healed - injected) / 1000:.2f} s"


__all__ = ["DemoOptions", "demo"]
