"""The way between an adapter and its venue: latency, silence, and calls that get lost on the way there or back.

What left is on its way whether or not the one who sent it still lives: requests and reports travel in tasks of the wire, so that a crash
of the bot takes nothing back that was sent. Only one listener is connected at a time, the newest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from bot.core.commands import PlaceOrder
from bot.core.units import ClientOrderId, VenueId
from bot.simulator.model import Refused, Report

T = TypeVar("T")


class WireFault(StrEnum):
    """What happens to one call.

    ANSWER_UNREADABLE: it arrived, and what came back at once proves nothing. RESET: it never arrives, and that shows at once.
    """

    NONE = "none"
    REPLY_LOST = "reply_lost"
    NEVER_ARRIVES = "never_arrives"
    ARRIVES_LATE = "arrives_late"
    ANSWER_UNREADABLE = "answer_unreadable"
    RESET = "reset"


class Passage(StrEnum):
    """Where a call is. LEAVING: nothing is sent yet. ARRIVED: the venue has dealt with it. ANSWERED: the adapter has the reply."""

    LEAVING = "leaving"
    ARRIVED = "arrived"
    ANSWERED = "answered"


class Unanswered(Exception):
    """No reply came in time: nothing is known of what the venue did."""


def _fine(_: PlaceOrder) -> WireFault:
    return WireFault.NONE


def _unwatched(_: VenueId, __: Passage) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Wire:
    """The way to one venue; times in seconds. `silent`: nothing gets through either way, reports that happen meanwhile are lost.

    `hanging`: calls never come back, not even with a failure. `stream_s` is how long a report of the private stream travels.
    `next_fault` is asked for each order; `placed` has the id of every one that was ever to be sent. `passing` is told where calls are;
    what it raises at LEAVING keeps the call from being sent.
    """

    venue: VenueId
    latency_s: float = 0.01
    stream_s: float = 0.005
    timeout_s: float = 1.0
    late_s: float = 2.0
    silent: bool = False
    hanging: bool = False
    next_fault: Callable[[PlaceOrder], WireFault] = field(default=_fine)
    passing: Callable[[VenueId, Passage], None] = field(default=_unwatched)
    placed: list[ClientOrderId] = field(default_factory=list)
    under_way: dict[asyncio.Task[None], None] = field(default_factory=dict)
    _listener: Callable[[Sequence[Report]], None] | None = None

    async def call(self, deal: Callable[[], T], fault: WireFault = WireFault.NONE) -> T:
        """One request and its reply: `deal` is what the venue does with it when it arrives.

        Raises Unanswered, and what the venue refuses (Refused).
        """
        self.passing(self.venue, Passage.LEAVING)
        reply: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if fault is WireFault.RESET:
            await asyncio.sleep(self.latency_s)
            raise Unanswered("the connection was reset")
        if not self.silent and fault is not WireFault.NEVER_ARRIVES:
            self.carry(self._there_and_back(deal, reply, fault))
        if self.hanging:
            await asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self.timeout_s):
                told = await reply
        except TimeoutError:
            raise Unanswered("no answer in time") from None
        self.passing(self.venue, Passage.ANSWERED)
        return told

    async def _there_and_back(self, deal: Callable[[], T], reply: asyncio.Future[T], fault: WireFault) -> None:
        await asyncio.sleep(self.late_s if fault is WireFault.ARRIVES_LATE else self.latency_s)
        if self._is_cut():
            return
        refused = told = None
        try:
            told = deal()
        except Refused as refusal:
            refused = refusal
        self.passing(self.venue, Passage.ARRIVED)
        await asyncio.sleep(self.latency_s)
        if self._is_cut() or fault not in (WireFault.NONE, WireFault.ANSWER_UNREADABLE) or reply.done():
            return
        if fault is WireFault.ANSWER_UNREADABLE:
            reply.set_exception(Unanswered("the answer makes no sense"))
        elif refused is not None:
            reply.set_exception(refused)
        else:
            reply.set_result(told)  # type: ignore[arg-type]  # told is what deal returned, None only when T holds it

    def connect(self, listener: Callable[[Sequence[Report]], None]) -> None:
        """From here on reports go to this listener."""
        self._listener = listener

    def disconnect(self, listener: Callable[[Sequence[Report]], None]) -> None:
        """This listener hears nothing more."""
        if self._listener == listener:
            self._listener = None

    def tell(self, reports: Sequence[Report]) -> None:
        """Sends what happened down the stream, to whoever listens when it arrives."""
        if not self.silent and reports:
            self.carry(self._down_the_stream(tuple(reports), self.stream_s))

    async def _down_the_stream(self, reports: Sequence[Report], seconds: float) -> None:
        await asyncio.sleep(seconds)
        if not self._is_cut():
            self._deliver(reports)

    def _deliver(self, reports: Sequence[Report]) -> None:
        if self._listener is not None:
            self._listener(reports)

    def _is_cut(self) -> bool:
        return self.silent

    def carry(self, journey: Coroutine[Any, Any, None]) -> None:
        """Lets something be on its way, whatever becomes of who sent it."""
        task = asyncio.create_task(journey, name=f"on the wire of {self.venue}")
        self.under_way[task] = None
        task.add_done_callback(self._arrived)

    def _arrived(self, task: asyncio.Task[None]) -> None:
        self.under_way.pop(task, None)
