"""One command -> one call -> exactly one answering event, whatever happens.

A call that raises is our own mistake, but the order it was about may exist all the same: the answer is then the one that assumes the
least (in doubt, nothing learned), and the mistake is logged with its traceback. A cancelled call (shutdown) answers the same way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import structlog

from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import CancelUnconfirmed, Event, LookUpFailed, OrderOutcomeUnknown, OrderRefused, VenueUnreadable
from bot.core.units import VenueId
from bot.ports import Clock, Venue

log = structlog.get_logger(__name__)


class Dispatcher:
    """Carries out commands concurrently; `answer` receives each command's one event."""

    def __init__(self, venues: Mapping[VenueId, Venue], clock: Clock, answer: Callable[[Event], None]) -> None:
        self._venues = venues
        self._clock = clock
        self._answer = answer
        self._calls: set[asyncio.Task[None]] = set()

    @property
    def calls_under_way(self) -> int:
        """Commands that have not been answered yet."""
        return len(self._calls)

    def carry_out(self, command: Command) -> None:
        """Starts a command's call; returns at once."""
        task = asyncio.create_task(self._call(command), name=f"dispatch {type(command).__name__}")
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def settle(self, seconds: float) -> None:
        """Waits for the calls under way, at most `seconds`, then cancels the rest; every one of them has answered when it returns."""
        if self._calls:
            await asyncio.wait(set(self._calls), timeout=seconds)
        for task in tuple(self._calls):
            task.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _call(self, command: Command) -> None:
        try:
            event = await self._send(command)
        except asyncio.CancelledError:
            self._answer(self._least(command, "the call was cut short by the shutdown"))
            raise
        except Exception as error:
            log.exception("call_failed", command=type(command).__name__)
            event = self._least(command, f"{type(error).__name__} in our own connector")
        self._answer(event)

    async def _send(self, command: Command) -> Event:
        if isinstance(command, ReadVenue):
            return await self._venues[command.venue].read(command)
        if not isinstance(command, PlaceOrder | CancelOrder | LookUpOrder):
            raise TypeError(f"no call for {type(command).__name__}")
        venue = self._venues[VenueId(command.instrument.partition(":")[0])]
        if isinstance(command, PlaceOrder):
            return await venue.place(command)
        if isinstance(command, CancelOrder):
            return await venue.cancel(command)
        return await venue.look_up(command)

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


def not_sent(command: PlaceOrder, now: int, reason: str) -> OrderRefused:
    """The answer for an order that provably never left: its entry in the journal did not become durable."""
    return OrderRefused(at=now, client_order_id=command.client_order_id, code="not_sent", reason=reason)
