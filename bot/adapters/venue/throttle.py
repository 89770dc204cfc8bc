"""Who may send next, and when: priority lanes in front of one asyncio-throttle Throttler per venue limit.

The rule: a request of a more urgent lane is never held up by a less urgent one, and no amount of reading can use up what a cancel or
a reduction will need, nor what asking about an order in doubt will need. Only the one request whose turn it is waits on a Throttler; all
others sleep. Every limit keeps reserves: `Lane.URGENT` draws on `units` per period, increases and look-ups on `units - reserved`, and
readings and market data on `units - reserved - for_look_ups`.

A request is signed after it was let through, so waiting here never ages a signature.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from asyncio_throttle import Throttler

QUEUE_MAX = 64
POLL_SECONDS = 0.001

BudgetSeen = Callable[[str, int], None]
"""Told after each grant: the limit's name and how many of its units are left in the current period."""


class Lane(IntEnum):
    """Order of precedence; a lower number goes first."""

    URGENT = 0
    """Cancels and reductions."""
    INCREASE = 1
    LOOK_UP = 2
    RECONCILE = 3
    MARKET_DATA = 4


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """One limit of one venue: at most `units` in any `period_s` seconds, of which only URGENT requests may use the last `reserved`.

    Of the rest, `for_look_ups` are kept from readings and market data. Raises ValueError when nothing would be left for those.
    """

    name: str
    units: int
    period_s: float
    reserved: int
    for_look_ups: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.reserved < self.units:
            raise ValueError(f"limit {self.name}: a reserve must be above zero and below {self.units}, got {self.reserved}")
        if not 0 <= self.for_look_ups < self.units - self.reserved:
            raise ValueError(f"limit {self.name}: {self.for_look_ups} for look-ups leave nothing for readings")


class LaneFull(Exception):
    """A lane's queue is full: the request was not queued, and nothing was sent."""


class _Meter(Throttler):  # type: ignore[misc]  # asyncio-throttle ships no types
    """A Throttler that tells what is left, and when there will be more."""

    @property
    def left(self) -> int:
        """Units that may be drawn at once."""
        self.flush()
        return int(self.rate_limit) - len(self._task_logs)

    async def room(self) -> None:
        """Returns when at least one unit may be drawn. Draws nothing, so that two limits can be drawn on in the same instant."""
        while self.left <= 0:
            oldest: float = self._task_logs[0]
            await asyncio.sleep(max(oldest + self.period - time.monotonic(), POLL_SECONDS))


class _Ticket:
    """One waiting request: what it still owes to which limit."""

    def __init__(self, lane: Lane, owed: Mapping[str, int]) -> None:
        self.lane = lane
        self.owed = [name for name, units in owed.items() for _ in range(units)]
        self.turn = asyncio.Event()
        self.overtaken = asyncio.Event()


class Gate:
    """All limits of one venue account, and the queues before them. Cancelling a waiter gives up its place and nothing else."""

    def __init__(self, limits: Sequence[RequestLimit], *, queue_max: int = QUEUE_MAX, budget_seen: BudgetSeen | None = None) -> None:
        self._whole = {limit.name: _Meter(limit.units, limit.period_s, POLL_SECONDS) for limit in limits}
        self._unreserved = {limit.name: _Meter(limit.units - limit.reserved, limit.period_s, POLL_SECONDS) for limit in limits}
        self._for_readings = {
            limit.name: _Meter(limit.units - limit.reserved - limit.for_look_ups, limit.period_s, POLL_SECONDS) for limit in limits
        }
        self._queues: dict[Lane, deque[_Ticket]] = {lane: deque() for lane in Lane}
        self._queue_max = queue_max
        self._budget_seen = budget_seen
        self._head: _Ticket | None = None
        self._closed_until = 0.0

    def waiting(self, lane: Lane) -> int:
        """How many requests of a lane wait."""
        return len(self._queues[lane])

    def left(self, name: str) -> int:
        """Units of a limit that an urgent request could draw at once."""
        return self._whole[name].left

    def close_for(self, seconds: float) -> None:
        """Lets nothing through for a while, whatever its lane: the venue told us to stay away. Never shortens an earlier closure."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    async def admit(self, lane: Lane, owed: Mapping[str, int]) -> None:
        """Waits until a request that weighs `owed` (units by limit name) may be sent.

        Raises LaneFull at once when too many of its lane wait already, KeyError for a limit that this venue does not have.
        """
        unknown = owed.keys() - self._whole.keys()
        if unknown:
            raise KeyError(f"no such limit: {', '.join(sorted(unknown))}")
        queue = self._queues[lane]
        if len(queue) >= self._queue_max:
            raise LaneFull(f"{len(queue)} requests wait in lane {lane.name.lower()}")
        ticket = _Ticket(lane, owed)
        queue.append(ticket)
        self._call_head()
        try:
            while ticket.owed:
                await ticket.turn.wait()
                if await self._open() and await self._draw(ticket):
                    ticket.owed.pop()
        finally:
            queue.remove(ticket)
            self._call_head()

    def _call_head(self) -> None:
        """Gives the turn to the first ticket of the most urgent lane, and takes it from whoever had it."""
        head = next((queue[0] for queue in self._queues.values() if queue), None)
        if head is self._head:
            return
        if self._head is not None:
            self._head.turn.clear()
            self._head.overtaken.set()
        self._head = head
        if head is not None:
            head.overtaken.clear()
            head.turn.set()

    async def _open(self) -> bool:
        """Waits out a closure; false when there was one, because the turn may have passed on meanwhile."""
        left = self._closed_until - asyncio.get_running_loop().time()
        if left <= 0:
            return True
        await asyncio.sleep(left)
        return False

    async def _draw(self, ticket: _Ticket) -> bool:
        """One unit of the limit owed last. False when a more urgent request came while this one waited."""
        name = ticket.owed[-1]
        meters = [self._whole[name]]
        if ticket.lane > Lane.URGENT:
            meters.append(self._unreserved[name])
        if ticket.lane > Lane.LOOK_UP:
            meters.append(self._for_readings[name])
        while short := next((meter for meter in meters if meter.left <= 0), None):
            if not await _room_or_give_way(short, ticket):
                return False
        for meter in meters:
            await meter.acquire()  # returns without suspending: there is room in each
        if self._budget_seen is not None:
            self._budget_seen(name, self._whole[name].left)
        return True


async def _room_or_give_way(meter: _Meter, ticket: _Ticket) -> bool:
    waiting = asyncio.ensure_future(meter.room())
    giving_way = asyncio.ensure_future(ticket.overtaken.wait())
    try:
        await asyncio.wait({waiting, giving_way}, return_when=asyncio.FIRST_COMPLETED)
        return not ticket.overtaken.is_set()
    finally:
        waiting.cancel()
        giving_way.cancel()
