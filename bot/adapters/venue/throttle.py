"""Who may send next, and when: priority lanes in front of one asyncio-throttle Throttler per venue limit.

The rule: a request of a more urgent lane is never held up by a less urgent one, and no amount of reading can use up what a cancel or
a reduction will need, nor what asking about an order in doubt will need; nor can polls use up what readings will need. Only the one
request whose turn it is waits on a Throttler; all others sleep. Every limit keeps reserves: `Lane.CANCEL` draws on `units` per period,
`Lane.REDUCE` on `units - for_cancels`, increases and look-ups on `units - reserved`, readings on `units - reserved - for_look_ups`, and
market data, which has all that is polled, on that less `for_readings`. Where there is such a part, what is polled is also spread: no more
than a third of it within a third of the period, because what a burst uses up is missing until the period has passed.

What the venue says is left (`leave`) counts when it is less than our own count says: somebody else may spend the same budget.

A request is signed after it was let through, so waiting here never ages a signature.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import IntEnum

from asyncio_throttle import Throttler

QUEUE_MAX = 64
POLL_SECONDS = 0.001
SPREAD = 3
"""Parts of a period over which market data is spread."""
CLOSURE_WAITED_OUT_SECONDS = 1.0
"""A closure longer than this is not waited for: the request is refused at once, so that whoever asked can turn elsewhere."""

BudgetSeen = Callable[[str, int], None]
"""Told after each grant: the limit's name and how many of its units are left in the current period."""


class Lane(IntEnum):
    """Order of precedence; a lower number goes first."""

    CANCEL = 0
    REDUCE = 1
    INCREASE = 2
    LOOK_UP = 3
    RECONCILE = 4
    MARKET_DATA = 5


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """One limit of one venue: at most `units` in any `period_s` seconds, of which only cancels and reductions may use the last `reserved`.

    Of those, `for_cancels` are kept from reductions too. Of the rest, `for_look_ups` are kept from readings and market data, and
    `for_readings` from market data. `venue_units` is the venue's whole budget where ours is only a share of it.

    Raises ValueError when nothing would be left for readings or market data.
    """

    name: str
    units: int
    period_s: float
    reserved: int
    for_look_ups: int = 0
    for_cancels: int = 0
    for_readings: int = 0
    venue_units: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.reserved < self.units:
            raise ValueError(f"limit {self.name}: a reserve must be above zero and below {self.units}, got {self.reserved}")
        if not 0 <= self.for_look_ups < self.units - self.reserved:
            raise ValueError(f"limit {self.name}: {self.for_look_ups} for look-ups leave nothing for readings")
        if not 0 <= self.for_readings < self.units - self.reserved - self.for_look_ups:
            raise ValueError(f"limit {self.name}: {self.for_readings} for readings leave nothing for market data")
        if not 0 <= self.for_cancels <= self.reserved:
            raise ValueError(f"limit {self.name}: {self.for_cancels} for cancels are more than the reserve")

    def shared(self, share: Decimal) -> RequestLimit:
        """Our part of it, a fraction in (0, 1], reserves in proportion; at least one request of each kind is left in it."""
        scaled = [int(part * share) for part in (self.reserved, self.for_look_ups, self.for_cancels, self.for_readings)]
        reserved, for_look_ups, for_cancels, for_readings = scaled
        reserved = max(reserved, 1)
        for_cancels = max(for_cancels, 1 if self.for_cancels else 0)
        for_look_ups = max(for_look_ups, 1 if self.for_look_ups else 0)
        units = max(int(self.units * share), reserved + for_look_ups + 1)
        return replace(
            self,
            units=units,
            reserved=reserved,
            for_look_ups=for_look_ups,
            for_cancels=for_cancels,
            for_readings=min(for_readings, units - reserved - for_look_ups - 1),
            venue_units=self.units,
        )


class NotAdmitted(Exception):
    """A request was not let through, and nothing was sent."""


class LaneFull(NotAdmitted):
    """A lane's queue is full: the request was not queued."""


class StayAway(NotAdmitted):
    """The venue told us to stay away for longer than a request is worth waiting for."""


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

    def leave(self, units: int, seconds: float) -> None:
        """Lets no more than `units` be drawn until `seconds` from now; takes back nothing that is missing already."""
        missing = self.left - max(units, 0)
        if missing > 0:
            drawn_at = time.monotonic() - max(self.period - seconds, 0.0)
            self._task_logs: deque[float] = deque(sorted([*self._task_logs, *[drawn_at] * missing]))


class _Limit:
    """One limit with a meter for each reserve."""

    def __init__(self, limit: RequestLimit) -> None:
        self.told = limit
        of_readings = limit.reserved + limit.for_look_ups
        kept = (0, limit.for_cancels, limit.reserved, of_readings, of_readings + limit.for_readings)
        self._kept = kept
        self._meters = [_Meter(limit.units - each, limit.period_s, POLL_SECONDS) for each in kept]
        polled = max((limit.units - kept[-1]) // SPREAD, 1)
        self._spread = [_Meter(polled, limit.period_s / SPREAD, POLL_SECONDS)] if limit.for_readings else []

    def of(self, lane: Lane) -> list[_Meter]:
        """What a request of this lane draws on, the whole first."""
        if lane is Lane.MARKET_DATA:
            return [*self._meters, *self._spread]
        reach = {Lane.CANCEL: 1, Lane.REDUCE: 2, Lane.INCREASE: 3, Lane.LOOK_UP: 3, Lane.RECONCILE: 4}[lane]
        return self._meters[:reach]

    def leave(self, units: int, seconds: float) -> None:
        for meter, kept in zip(self._meters, self._kept, strict=True):
            meter.leave(units - kept, seconds)


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
        self._limits = {limit.name: _Limit(limit) for limit in limits}
        self._queues: dict[Lane, deque[_Ticket]] = {lane: deque() for lane in Lane}
        self._queue_max = queue_max
        self._budget_seen = budget_seen
        self._head: _Ticket | None = None
        self._closed_until = 0.0

    def waiting(self, lane: Lane) -> int:
        """How many requests of a lane wait."""
        return len(self._queues[lane])

    def left(self, name: str) -> int:
        """Units of a limit that a cancel could draw at once."""
        return self._limits[name].of(Lane.CANCEL)[0].left

    def period_s(self, name: str) -> float:
        """A limit's period, seconds."""
        return self._limits[name].told.period_s

    def leave(self, name: str, units: int, seconds: float) -> None:
        """The venue says that `units` of a limit are left until `seconds` from now. Never gives back what our own count lacks."""
        self._limits[name].leave(units, seconds)
        self._tell(name)

    def used(self, name: str, units: int, seconds: float) -> None:
        """The venue says that `units` of its whole budget are used, by whomever, until `seconds` from now."""
        told = self._limits[name].told
        self.leave(name, (told.venue_units or told.units) - units, seconds)

    @property
    def closed_for(self) -> float:
        """Seconds until the venue may be spoken to again; 0 when it may."""
        return max(self._closed_until - asyncio.get_running_loop().time(), 0.0)

    def close_for(self, seconds: float) -> None:
        """Lets nothing through for a while, whatever its lane: the venue told us to stay away. Never shortens an earlier closure."""
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + seconds)

    async def admit(self, lane: Lane, owed: Mapping[str, int]) -> None:
        """Waits until a request that weighs `owed` (units by limit name) may be sent.

        Raises LaneFull at once when too many of its lane wait already, StayAway when the gate is closed for longer than is waited for,
        KeyError for a limit that this venue does not have.
        """
        unknown = owed.keys() - self._limits.keys()
        if unknown:
            raise KeyError(f"no such limit: {', '.join(sorted(unknown))}")
        queue = self._queues[lane]
        if self.closed_for > CLOSURE_WAITED_OUT_SECONDS:
            raise StayAway(f"the venue told us to stay away for another {self.closed_for:.1f} s")
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
        left = self.closed_for
        if left <= 0:
            return True
        await asyncio.sleep(left)
        return False

    async def _draw(self, ticket: _Ticket) -> bool:
        """One unit of the limit owed last. False when a more urgent request came while this one waited."""
        name = ticket.owed[-1]
        meters = self._limits[name].of(ticket.lane)
        while short := next((meter for meter in meters if meter.left <= 0), None):
            if not await _room_or_give_way(short, ticket):
                return False
        for meter in meters:
            await meter.acquire()  # returns without suspending: there is room in each
        self._tell(name)
        return True

    def _tell(self, name: str) -> None:
        if self._budget_seen is not None:
            self._budget_seen(name, self.left(name))


async def _room_or_give_way(meter: _Meter, ticket: _Ticket) -> bool:
    waiting = asyncio.ensure_future(meter.room())
    giving_way = asyncio.ensure_future(ticket.overtaken.wait())
    try:
        await asyncio.wait({waiting, giving_way}, return_when=asyncio.FIRST_COMPLETED)
        return not ticket.overtaken.is_set()
    finally:
        waiting.cancel()
        giving_way.cancel()
