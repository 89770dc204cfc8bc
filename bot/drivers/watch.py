"""`hedgebot watch CONFIG`: the live picture of a running bot, the same as in the demo, over its control endpoint. It only looks."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import orjson

from bot.adapters.telemetry.codec import to_json
from bot.adapters.telemetry.door import Door
from bot.adapters.telemetry.endpoints import EndpointUnavailable, fetch_statement
from bot.config import Settings
from bot.drivers.control_place import control_of
from bot.drivers.demo.view import Lines, Picture, View
from bot.drivers.screen import Told, page

LOOK_EVERY_S = 0.5
"""Pause between two looks at the bot."""


async def watch(settings: Settings, *, plain: bool, seconds: float | None) -> int:
    """Shows the book until a signal, or for so many seconds; 1 when no bot ever answered, and one sentence.

    A bot that goes away is waited for: the screen says since when, and goes on when it answers again.
    """
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    view: View = Lines(sys.stdout) if plain or not sys.stdout.isatty() else Picture(page())
    try:
        async with asyncio.timeout(seconds):
            return await Watching(control_of(settings), f"{settings.name}, {settings.environment.value}", view).until(stop)
    except TimeoutError:
        return 0
    finally:
        view.close()


class Watching:
    """Looks at one bot and shows what it tells."""

    def __init__(self, control: Path | Door, name: str, view: View) -> None:
        self._control, self._name, self._view = control, name, view
        self._told: Told | None = None
        self._lost_at: float | None = None

    async def until(self, stop: asyncio.Event) -> int:
        """Looks until `stop`; 1, and one sentence, when nobody answers the first look."""
        while not stop.is_set():
            try:
                self._told = orjson.loads(to_json(await fetch_statement(self._control)))
                self._lost_at = None
            except EndpointUnavailable as unavailable:
                if self._told is None:
                    sys.stderr.write(f"hedgebot: {unavailable}\n")
                    return 1
                self._lost_at = self._lost_at or time.monotonic()
            self._view.show(self._told if self._lost_at is None else None, (), self._header(), time.time_ns() // 1_000_000)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
        return 0

    def _header(self) -> str:
        if self._lost_at is None:
            return f"{self._name} (Ctrl-C ends this view, not the bot)"
        return f"{self._name}: nobody answers on {self._control} since {time.monotonic() - self._lost_at:.0f} s"
