"""Bots that are killed at a named point of one order's way, as real processes: `python -m tests.e2e.killed CONFIG`.

Reads one JSON object per line, `{"point": NAME or null, "how": "kill" | "block" | "term, term" | a name of STOP_POINTS}`, forks a bot for
each, and writes a line when it has started (`{"pid": ...}`) and one when it is gone (`{"gone": pid, "code": ...}`, negative: the signal).
Forking saves the seconds that each bot would need to import what it is made of. Nothing of this is in the bot: its parts are wrapped here.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import ccxt.pro  # noqa: F401  imported before the fork, which is all the time that a bot needs
import uvloop

from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.config import Settings, load
from bot.core.commands import Command, PlaceOrder
from bot.core.events import Event, FillReported, OrderReported, StopRequested
from bot.drivers import live
from bot.shell.loop import Loop
from bot.shell.watchdog import Watchdog

POINTS = (
    "intent, before it is written",
    "intent, written",
    "order, before the call",
    "order, before the first byte",
    "order, sent",
    "order, its answer arrived",
    "order, answered",
    "answer, before the fold",
    "answer, folded",
    "answer, before it is written",
    "answer, accepted by the journal",
)
"""The points of one order's way, in order."""
STOP_POINTS = ("stop, taken", "stop, accepted by the journal", "stop, before the journal is closed")
"""The points of an orderly stop at which a bot can be killed that was asked to stop at a point of an order's way."""
_IN_PLACE: ContextVar[bool] = ContextVar("in_place", default=False)
FLUSHED_S = 0.02
"""From the write of a request until its bytes have left the process."""


class Killer:
    """Ends this process when a point is passed for the first time after an order was decided."""

    def __init__(self, point: str, how: str) -> None:
        self.point, self.how, self.is_armed, self.is_asked = point, how, False, False

    def passes(self, point: str) -> None:
        if self.is_asked and point == self.how:
            os.kill(os.getpid(), signal.SIGKILL)
        if not self.is_armed or point != self.point:
            return
        self.is_armed = False
        if self.how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "block":
            time.sleep(3_600)
        self.is_asked = True
        os.kill(os.getpid(), signal.SIGTERM)
        if self.how == "term, term":
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM)).start()


def arm(killer: Killer) -> None:
    """Wraps journal, venue, wire and loop of this process."""
    wrap_journal(killer)
    wrap_venue(killer)
    wrap_wire(killer)
    wrap_loop(killer)
    live.Watchdog = partial(Watchdog, beat_s=0.1, warn_s=0.5, end_s=1.5)  # type: ignore[misc,assignment]  # nobody waits half a minute here


def wrap_journal(killer: Killer) -> None:
    append, close = SqliteJournal.append, SqliteJournal.close

    def watched(journal: SqliteJournal, events: Sequence[Event], commands: Sequence[Command], *, durable: bool) -> None:
        intent = any(isinstance(c, PlaceOrder) for c in commands)
        killer.is_armed |= intent
        answer = any(isinstance(e, OrderReported | FillReported) for e in events)
        killer.passes("intent, before it is written" if intent else "answer, before it is written" if answer else "")
        append(journal, events, commands, durable=durable)
        killer.passes("intent, written" if intent else "answer, accepted by the journal" if answer else "")
        killer.passes("stop, accepted by the journal" if any(isinstance(e, StopRequested) for e in events) else "")

    def watched_close(journal: SqliteJournal) -> None:
        killer.passes("stop, before the journal is closed")
        close(journal)

    SqliteJournal.append = watched  # type: ignore[method-assign]  # the wrapping is the point
    SqliteJournal.close = watched_close  # type: ignore[method-assign]  # as above


def wrap_venue(killer: Killer) -> None:
    place = CcxtVenue.place

    async def watched(venue: CcxtVenue, command: PlaceOrder) -> Any:
        killer.passes("order, before the call")
        token = _IN_PLACE.set(True)
        try:
            answer = await place(venue, command)
        finally:
            _IN_PLACE.reset(token)
        killer.passes("order, answered")
        return answer

    CcxtVenue.place = watched  # type: ignore[method-assign]  # as above


def wrap_wire(killer: Killer) -> None:
    send, start = aiohttp.ClientRequest.send, aiohttp.ClientResponse.start

    async def watched_send(request: aiohttp.ClientRequest, connection: Any) -> aiohttp.ClientResponse:
        if not _IN_PLACE.get():
            return await send(request, connection)
        killer.passes("order, before the first byte")
        response = await send(request, connection)
        if killer.point == "order, sent":
            await asyncio.sleep(FLUSHED_S)
        killer.passes("order, sent")
        return response

    async def watched_start(response: aiohttp.ClientResponse, connection: Any) -> aiohttp.ClientResponse:
        started = await start(response, connection)
        if _IN_PLACE.get():
            killer.passes("order, its answer arrived")
        return started

    aiohttp.ClientRequest.send = watched_send  # type: ignore[method-assign]  # as above
    aiohttp.ClientResponse.start = watched_start  # type: ignore[method-assign]  # as above


def wrap_loop(killer: Killer) -> None:
    take: Callable[[Loop, Event], None] = Loop._take

    def watched(loop: Loop, event: Event) -> None:
        answer = isinstance(event, OrderReported | FillReported)
        killer.passes("answer, before the fold" if answer else "")
        take(loop, event)
        killer.passes("answer, folded" if answer else "stop, taken" if isinstance(event, StopRequested) else "")

    Loop._take = watched  # type: ignore[method-assign]  # as above


def bot(settings: Settings, asked: dict[str, Any], log: Path) -> None:
    """A bot, in this process, to its end."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    if asked["point"] is not None:
        arm(Killer(asked["point"], asked["how"]))
    running: Callable[[Settings], Awaitable[int]] = live.run_bot
    os._exit(uvloop.run(running(settings)))


def main(config: Path) -> None:
    settings = load(config)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            try:
                bot(settings, json.loads(line), config.parent / "bot.log")
            finally:
                os._exit(99)
        sys.stdout.write(json.dumps({"pid": pid}) + "\n")
        sys.stdout.flush()
        _, status = os.waitpid(pid, 0)
        sys.stdout.write(json.dumps({"gone": pid, "code": os.waitstatus_to_exitcode(status)}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
