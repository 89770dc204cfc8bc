"""One venue as the server sees it: engine, dialect and open sockets, and what a driver may do to it.

The rule of publishing: whatever happens at the venue is told to every open socket of that venue at once and in order, before the request
that caused it is answered. A socket that does not take its messages is cut when its line is full; nobody waits for it.
A silent venue lets requests wait at the door, unseen until it speaks again (then they are dealt with, and its own expiry check decides),
and pushes nothing; what its sockets would have said in the meantime is lost, as it is behind a dead gateway.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.dialect import (
    Answer,
    Credential,
    Dialect,
    DialectFactory,
    HttpReply,
    HttpRequest,
    Listening,
    Operation,
    Socket,
    Timed,
)
from bot.simulator.dialects.trouble import Topic
from bot.simulator.exchange import Exchange
from bot.simulator.faults import FaultPlan
from bot.simulator.model import BalanceReport, MarketTick, Order, OrderRequest, Report
from bot.simulator.stream_faults import Wire

LINE_MAX = 2_000
"""Messages that may wait for one socket."""

FAILURES_MAX = 100
"""Failures of the simulator itself that are kept: the first ones tell most."""

Door = Callable[[HttpRequest, Operation | None], HttpReply | None]
"""Looks at a request before the venue does; see `Desk.put_up`."""

_log = logging.getLogger(__name__)


def wall_ms() -> Millis:
    """Milliseconds of this machine's wall clock."""
    return time.time_ns() // 1_000_000


class Line:
    """The messages on their way to one socket, at most `LINE_MAX` of them. `cut` ends the connection at once."""

    def __init__(self, socket: Socket, cut: Callable[[], None], wire: Wire | None = None) -> None:
        self.socket = socket
        self._cut = cut
        self._wire = wire
        self._held: list[tuple[Topic, str]] = []
        self._waiting: deque[str] = deque()
        self._news = asyncio.Event()
        self._closing = False

    def offer(self, messages: Iterable[str]) -> None:
        """Puts messages in the line; cuts a socket whose line is full."""
        if self._closing:
            return
        self._waiting.extend(messages if self._wire is None else self._wire.pass_on(tuple(messages), self._held))
        if len(self._waiting) > LINE_MAX:
            self.cut()
        elif self._waiting:
            self._news.set()

    def finish(self) -> None:
        """Nothing more is put in the line; `take` ends when it is empty."""
        self._closing = True
        self._news.set()

    def cut(self) -> None:
        """Ends the connection without a farewell."""
        self._waiting.clear()
        self.finish()
        self._cut()

    async def take(self) -> str | None:
        """The next message, waiting for it; None when the line is finished."""
        while not self._waiting:
            if self._closing:
                return None
            self._news.clear()
            await self._news.wait()
        return self._waiting.popleft()


class Desk:
    """One venue in real time. Every method that something follows from publishes it. Not safe for use from several threads."""

    def __init__(
        self,
        name: str,
        exchange: Exchange,
        dialect: DialectFactory,
        credentials: Sequence[Credential],
        *,
        clock: Callable[[], Millis] = wall_ms,
    ) -> None:
        self.name = name
        self.exchange = exchange
        self.dialect: Dialect = dialect(exchange, credentials)
        self.accounts = tuple(dict.fromkeys(credential.account for credential in credentials))
        self.failures: list[str] = []
        self.clock = clock
        self._lines: list[Line] = []
        self._answering = asyncio.Event()
        self._answering.set()
        self._talking = asyncio.Event()
        self._talking.set()
        self._silence: tuple[int, bool, bool] | None = None
        self._silenced = {self._answering: 0, self._talking: 0}
        self._wire: Wire | None = None
        self.shift_ms: Millis = 0
        self._doors: list[Door] = []

    def now(self) -> Millis:
        """What the venue takes for the time: the clock, and by how much it is off."""
        return self.clock() + self.shift_ms

    def put_up(self, door: Door) -> Callable[[], None]:
        """From now on requests meet a door, the newest first; returns what takes it down."""
        self._doors.insert(0, door)
        return lambda: self._doors.remove(door)

    def at_door(self, request: HttpRequest, operation: Operation | None) -> HttpReply | None:
        """What a request (None: the opening of a socket) is answered with before the venue sees it; None where it gets in."""
        answers = (door(request, operation) for door in tuple(self._doors))
        return next((reply for reply in answers if reply is not None), None)

    def note(self, failure: str) -> None:
        """Keeps a failure of the simulation itself."""
        if len(self.failures) < FAILURES_MAX:
            self.failures.append(f"{self.name}, {failure}")

    def wired(self, plan: FaultPlan) -> None:
        """From now on what sockets say passes the plan's faults."""
        self._wire = Wire(self.name, lambda: self.dialect.troubles, plan, self.clock)

    @property
    def sockets_open(self) -> int:
        """How many sockets are connected."""
        return len(self._lines)

    @property
    def is_answering(self) -> bool:
        """Whether requests are seen."""
        return self._answering.is_set()

    @property
    def is_talking(self) -> bool:
        """Whether sockets are served."""
        return self._talking.is_set()

    async def answering(self) -> None:
        """Waits until requests are seen."""
        await self._answering.wait()

    async def talking(self) -> None:
        """Waits until sockets are served."""
        await self._talking.wait()

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about."""
        return self.dialect.operation(request)

    def handle(self, request: HttpRequest) -> Answer:
        """Deals with a request and publishes what happened. A failure of the simulator itself is answered by a bare HTTP 500."""
        try:
            answer = self.dialect.handle(request, self.now())
        except Exception as failure:  # a simulator's own bug must look like a venue's outage, and must be found
            self._failed(failure, f"{request.method} {request.path}")
            return Answer(HttpReply(status=500, body=b"Internal Server Error", content_type="text/plain"))
        self.publish(answer.reports)
        return answer

    def connect(self, socket: Socket, cut: Callable[[], None]) -> Line:
        """A new socket, greeted as the venue greets."""
        line = Line(socket, cut, self._wire)
        self._lines.append(line)
        line.offer(socket.opened(self.now()))
        return line

    def heard(self, line: Line, text: str) -> None:
        """A text frame from a socket."""
        try:
            answer = line.socket.received(text, self.now())
        except Exception as failure:
            self._failed(failure, "a socket's frame")
            line.cut()
            return
        line.offer(answer.messages)
        self.publish(answer.reports)
        if answer.close:
            line.finish()

    def disconnect(self, line: Line) -> None:
        """A socket that has gone."""
        if line in self._lines:
            self._lines.remove(line)

    def publish(self, reports: Sequence[Report]) -> None:
        """Tells every open socket what happened."""
        if not reports:
            return
        now = self.now()
        if isinstance(self.dialect, Listening):
            try:
                self.dialect.heard(reports, now)
            except Exception as failure:
                self._failed(failure, "the dialect's own figures")
        self._tell(lambda socket: socket.published(reports, now))

    def beat(self) -> None:
        """What time alone brings: the venue's own timers, then periodic pushes."""
        now = self.now()
        if isinstance(self.dialect, Timed):
            try:
                self.publish(self.dialect.elapsed(now))
            except Exception as failure:  # one venue's bug must not stop the clock of the others
                self._failed(failure, "the dialect's own timers")
        self._tell(lambda socket: socket.beat(now))

    def tick(self, tick: MarketTick) -> tuple[Report, ...]:
        """The outside market moved. Raises what the engine raises, as do the next three."""
        return self._happened(self.exchange.on_tick(tick, self.now()))

    def settle_funding(self, symbol: str) -> tuple[Report, ...]:
        """Settles one funding interval of a contract now."""
        return self._happened(self.exchange.settle_funding(symbol, self.now()))

    def deleverage(self, account: str, symbol: str, contracts: Decimal) -> tuple[Report, ...]:
        """Auto-deleverages unsigned `contracts` of an account's position now."""
        return self._happened(self.exchange.deleverage(account, symbol, contracts, self.now()))

    def place(self, request: OrderRequest) -> Order:
        """An order that comes by no client of ours."""
        order, reports = self.exchange.place(request, self.now())
        self.publish(reports)
        return order

    def cancel(self, account: str, symbol: str, order_id: int) -> None:
        """Cancels an open order as its account would."""
        self.publish(self.exchange.cancel(account, symbol, self.now(), order_id=order_id)[1])

    def deposit(self, account: str, asset: str, quantity: Decimal) -> tuple[Report, ...]:
        """Adds margin to an open account; a negative quantity withdraws."""
        self.exchange.settings(account)  # raises for an account that is not open: a deposit must not open one
        self.exchange.open_account(account, {asset: quantity})
        return self._happened(tuple(BalanceReport(held) for held in self.exchange.balances(account) if held.asset == asset))

    def silence(self, plan: FaultPlan, *, http: bool = True, sockets: bool = True, label: str = "") -> None:
        """The venue falls silent; nothing more happens when it already is. Sockets stay open."""
        if self._silence is not None:
            return
        parts = [name for name, wanted in (("http", http), ("sockets", sockets)) if wanted]
        number = plan.began(self.name, "silence", self.clock(), detail="+".join(parts), label=label)
        self._silence = (number, http, sockets)
        self.quiet(http=http, sockets=sockets)

    def restore(self, plan: FaultPlan) -> None:
        """A silence ends; requests that waited are dealt with now, unless something else keeps the venue quiet."""
        if self._silence is None:
            return
        number, http, sockets = self._silence
        self._silence = None
        plan.ended(number, self.clock())
        self.speak(http=http, sockets=sockets)

    def quiet(self, *, http: bool, sockets: bool) -> None:
        """One more reason to be quiet, without a record."""
        for part, wanted in ((self._answering, http), (self._talking, sockets)):
            if wanted:
                self._silenced[part] += 1
                part.clear()

    def speak(self, *, http: bool, sockets: bool) -> None:
        """One reason less to be quiet: `quiet` taken back. The venue speaks when none is left."""
        for part, wanted in ((self._answering, http), (self._talking, sockets)):
            if wanted:
                self._silenced[part] -= 1
                if not self._silenced[part]:
                    part.set()

    def close_sockets(self, plan: FaultPlan, *, label: str = "") -> int:
        """Cuts every open socket; returns how many there were."""
        lines = tuple(self._lines)
        plan.happened(self.name, "close_sockets", self.clock(), detail=f"{len(lines)} sockets", label=label)
        self.hang_up()
        return len(lines)

    def hang_up(self) -> None:
        """Cuts every open socket without a record: the end of the simulation, not a fault."""
        for line in tuple(self._lines):
            line.cut()

    def _happened(self, reports: tuple[Report, ...]) -> tuple[Report, ...]:
        self.publish(reports)
        return reports

    def _tell(self, say: Callable[[Socket], Sequence[str]]) -> None:
        if not self.is_talking:
            return
        for line in tuple(self._lines):
            try:
                line.offer(say(line.socket))
            except Exception as failure:
                self._failed(failure, "a socket's stream")
                line.cut()

    def _failed(self, failure: Exception, where: str) -> None:
        self.note(f"{where}: {type(failure).__name__}: {failure}")
        _log.error("simulator failure at %s in %s", self.name, where, exc_info=failure)
