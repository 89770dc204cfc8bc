"""The wire of a chaos world: it tells the witness what really happened at the venue, and loses, doubles and shuffles what is told of it.

Where several hosts are in play, each has a connection of its own, and what is on its way belongs to the world: a host that is stopped
stops neither a request that left it nor the venue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from typing import Any

from bot.core.units import VenueId
from bot.drivers.chaos.conditions import Conditions
from bot.simulator.hosts import HERE, Host
from bot.simulator.model import BookReport, MarketReport, Report
from bot.simulator.wire import Wire

SHUFFLED_S = 1.5
"""How much later than others a report may arrive on a stream that shuffles."""


def _unseen(_: VenueId, __: Sequence[Report]) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class ChaosWire(Wire):
    """`happened` sees every report of the engine, also those that nobody is told of."""

    conditions: Conditions
    happened: Callable[[VenueId, Sequence[Report]], None] = field(default=_unseen)
    _hosts: dict[Host, tuple[Callable[[Sequence[Report]], None], Context]] = field(default_factory=dict)

    def connect(self, listener: Callable[[Sequence[Report]], None]) -> None:
        """From here on reports go to this listener, beside those of other hosts."""
        host = HERE.get()
        if host is None:
            Wire.connect(self, listener)
        else:
            self._hosts[host] = (listener, copy_context())

    def disconnect(self, listener: Callable[[Sequence[Report]], None]) -> None:
        """This listener hears nothing more."""
        Wire.disconnect(self, listener)
        for host in [h for h, (known, _) in self._hosts.items() if known == listener]:
            del self._hosts[host]

    def forget(self, host: Host) -> None:
        """What ran on a host is gone, and its connection with it."""
        self._hosts.pop(host, None)

    def _deliver(self, reports: Sequence[Report]) -> None:
        Wire._deliver(self, reports)
        for listener, context in tuple(self._hosts.values()):
            asyncio.get_running_loop().call_soon(listener, reports, context=context)

    def carry(self, journey: Coroutine[Any, Any, None]) -> None:
        """Lets something be on its way, in the world's own time."""
        if HERE.get() is None:
            Wire.carry(self, journey)
        else:
            Context().run(Wire.carry, self, journey)

    def tell(self, reports: Sequence[Report]) -> None:
        """Sends what happened down the stream, as far as it gets."""
        self.happened(self.venue, reports)
        here = self.conditions
        if here.muted:
            if any(not isinstance(r, BookReport | MarketReport) for r in reports):
                here.struck[20] += 1
            return
        if not (here.drops or here.doubles or here.shuffles):
            Wire.tell(self, reports)
            return
        Wire.tell(self, [r for r in reports if isinstance(r, BookReport | MarketReport)])
        for report in reports:
            if not isinstance(report, BookReport | MarketReport):
                self._tell_own(report)

    def _tell_own(self, report: Report) -> None:
        here = self.conditions
        if self.silent:
            return
        if here.report_is_lost():
            here.struck[23] += 1
            return
        later = here.random.uniform(0.0, SHUFFLED_S) if here.shuffles else 0.0
        here.struck[22] += here.shuffles
        self.carry(self._down_the_stream((report,), self.stream_s + later))
        if here.doubles:
            here.struck[21] += 1
            self.carry(self._down_the_stream((report,), self.stream_s + here.random.uniform(0.0, SHUFFLED_S)))
