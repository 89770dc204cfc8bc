"""One command -> one call -> exactly one answering event, whatever happens.

A call that raises is our own mistake, but the order it was about may exist all the same: the answer is then the one that assumes the
least (in doubt, nothing learned), and the mistake is logged with its traceback. A call that does not come back, or that is cut short by
the shutdown, is answered the same way. What it still says after that is not heard: its command has been answered.

Where a mandate is needed to send (see `mandate`), an order goes only while there is one, and is valid no longer than it. Cancels need none:
each is for one order of ours by its own id, can add no risk, and must not wait for whoever comes next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import CancelUnconfirmed, Event, LookUpFailed, OrderOutcomeUnknown, OrderRefused, VenueUnreadable
from bot.core.units import Millis, VenueId
from bot.ports import Clock, Venue

log = structlog.get_logger(__name__)

CALL_MAX_S = 20.0
"""Longest call: a second line behind the connector's own limits, so that an order is never waited for without end."""
NO_MANDATE = "another instance may hold the lease, or ours ends too soon"
CUT_S = 0.25
"""How long a call may take to notice that it was cut short."""


class Dispatcher:
    """Carries out commands concurrently; `answer` receives each command's one event."""

    def __init__(
        self,
        venues: Mapping[VenueId, Venue],
        clock: Clock,
        answer: Callable[[Event], None],
        may_send: Callable[[], float] | None = None,
    ) -> None:
        """`may_send`: for how many seconds an order that leaves now may be valid, 0: none may leave; None: nothing but its own expiry."""
        self._venues = venues
        self._may_send = may_send
        self._clock = clock
        self._answer = answer
        self._calls: dict[asyncio.Task[None], Command] = {}
        self._closed = False

    @property
    def calls_under_way(self) -> int:
        """Commands that have not been answered yet."""
        return len(self._calls)

    def carry_out(self, command: Command) -> None:
        """Starts a command's call; returns at once. Once settling has begun nothing is sent, and the answer says so."""
        if self._closed:
            self._answer(self._unsent(command, "the run is ending"))
            return
        task = asyncio.create_task(self._call(command), name=f"dispatch {type(command).__name__}")
        self._calls[task] = command

    async def settle(self, seconds: float) -> None:
        """Ends it: waits for the calls under way, at most `seconds`, then cuts the rest short. Every one has answered when it returns."""
        self._closed = True
        if self._calls:
            await asyncio.wait(tuple(self._calls), timeout=seconds)
        left = self._cancelled()
        if left:
            await asyncio.wait(left, timeout=CUT_S)
        self.cut()

    def cut(self) -> None:
        """Cuts short what is under way and answers it now, without waiting."""
        self._closed = True
        for task in self._cancelled():
            self._answer_for(task, self._least(self._calls[task], "the call was cut short by the shutdown"))

    def _cancelled(self) -> tuple[asyncio.Task[None], ...]:
        left = tuple(self._calls)
        for task in left:
            task.cancel()
        return left

    def _answer_for(self, task: asyncio.Task[None] | None, event: Event) -> None:
        """Passes on a call's answer unless it has been given one."""
        if task is not None and self._calls.pop(task, None) is not None:
            self._answer(event)

    async def _call(self, command: Command) -> None:
        task, limit = asyncio.current_task(), asyncio.timeout(CALL_MAX_S)
        try:
            async with limit:
                event = await self._send(command)
        except asyncio.CancelledError:
            self._answer_for(task, self._least(command, "the call was cut short by the shutdown"))
            raise
        except Exception as error:
            if isinstance(error, TimeoutError) and limit.expired():  # a slow venue, or a process that was paused: no mistake of ours
                log.warning("call_overdue", command=type(command).__name__, seconds=CALL_MAX_S)
                event = self._least(command, f"no answer within {CALL_MAX_S:g} s")
            else:
                log.exception("call_failed", command=type(command).__name__)
                event = self._least(command, f"{type(error).__name__} in our own connector")
        self._answer_for(task, event)

    async def _send(self, command: Command) -> Event:
        if isinstance(command, ReadVenue):
            return await self._venues[command.venue].read(command)
        if not isinstance(command, PlaceOrder | CancelOrder | LookUpOrder):
            raise TypeError(f"no call for {type(command).__name__}")
        venue = self._venues[VenueId(command.instrument.partition(":")[0])]
        if isinstance(command, PlaceOrder):
            fenced = self._fenced(command)
            return await venue.place(fenced) if fenced is not None else not_sent(command, self._clock.now(), NO_MANDATE)
        if isinstance(command, CancelOrder):
            return await venue.cancel(command)
        return await venue.look_up(command)

    def _fenced(self, command: PlaceOrder) -> PlaceOrder | None:
        """The order, valid no longer than it may be; None when it may not leave."""
        if self._may_send is None:
            return command
        seconds = self._may_send()
        end = self._clock.now() + int(seconds * 1_000)
        return None if seconds <= 0 else replace(command, expires_at=min(command.expires_at, end))

    def _unsent(self, command: Command, reason: str) -> Event:
        if isinstance(command, PlaceOrder):
            return not_sent(command, self._clock.now(), reason)
        return self._least(command, reason)

    def _least(self, command: Command, reason: str) -> Event:
        """The answer that assumes the least."""
        now = self._clock.now()
        if isinstance(command, PlaceOrder):
            return OrderOutcomeUnknown(at=now, client_order_id=command.client_order_id, reason=reason)
        if isinstance(command, CancelOrder):
            return CancelUnconfirmed(at=now, client_order_id=command.client_order_id, reason=reason)
        if isinstance(command, LookUpOrder):
            return LookUpFailed(at=now, client_order_id=command.client_order_id, reason=reason)
        if isinstance(command, ReadVenue):
            return VenueUnreadable(at=now, venue=command.venue, asked_at=now, reason=reason)
        raise TypeError(f"no answer for {type(command).__name__}")


def not_sent(command: PlaceOrder, now: Millis, reason: str) -> OrderRefused:
    """The answer for an order that provably never left, such as one whose entry in the journal did not become durable."""
    return OrderRefused(at=now, client_order_id=command.client_order_id, code="not_sent", reason=reason)
