"""What a venue tells by itself: every message into the inbox, and how well we hear it.

The rule: messages are taken where ccxt decodes them (`ccxt_client.tap`), not where its watch methods return, because between two watch
calls wake-ups are lost and bursts collapse. The pump tasks only keep subscriptions alive: one per stream, no other await between two
watch calls, back-off with jitter after a failure. Silence is found by our own steady clock: ccxt would take minutes, by one that may step.

    UP     the private socket is connected and answers pings, and of each part of the venue at least one book is told
    STALE  of a part no book is told, or a market subscription is being made anew, or the venue told us
           to stay away
    DOWN   the private socket is not connected, or its subscriptions are not confirmed: fills may pass unheard

One quiet or suspended instrument is no fault of the link: how old each quote is, is the core's to judge. Each topic of each instrument
has a clock of its own all the same (`stream_clocks`), and each touch is held against the venue's own answer (`book_check`).

Where a venue has parts with public sockets of their own (Bybit: linear, inverse), each has its own subscriptions, and its silence is
found by itself.

A private socket that comes back always passes through DOWN, which makes the core ask for a complete reading before it increases.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import ccxt
import structlog

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.book_check import BookCheck
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, fill_report, margin_reports, order_report
from bot.adapters.venue.expected import Expected
from bot.adapters.venue.listen_key import ListenKey
from bot.adapters.venue.profile import Heard, Profile, Pump, Topic
from bot.adapters.venue.pulses import Pulses
from bot.adapters.venue.quotes import OutOfOrder, QuoteBoard
from bot.adapters.venue.shapes import Row
from bot.adapters.venue.stream_clocks import StreamClocks
from bot.core.events import (
    Event,
    FillReported,
    MarginObserved,
    OrderReported,
    Quote,
    ReportUnreadable,
    VenueLink,
    VenueLinkChanged,
)
from bot.core.units import ClientOrderId, Millis
from bot.ports import Clock, Inbox
from bot.supervision import is_cancelled_from_outside, never_ending

log = structlog.get_logger(__name__)

BEAT_SECONDS = 0.25
SOCKET_SILENT_SECONDS = 12.0
"""A socket that is pinged every 4 s and says nothing this long is cut: half-open, or its receive loop is dead."""
TOPIC_SILENT_SECONDS = 15.0
"""All books silent this long on a living socket: the subscription is made anew."""
SETTLED_SECONDS = 0.3
"""From a private socket's connection until its subscriptions are taken to stand, where the venue confirms none."""
UNCONFIRMED_SECONDS = 10.0
"""How long a venue may take to confirm private subscriptions before they are made anew."""
BACK_OFF_FIRST_SECONDS = 0.25
BACK_OFF_MOST_SECONDS = 10.0
UNREADABLE_PAUSE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Task:
    """One pump at work: for a part of the venue and ccxt's names of our instruments in it, or for the whole account."""

    pump: Pump
    part: str = ""
    symbols: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return " ".join((self.pump.watch, self.part, *(self.symbols if self.pump.each else ()))).rstrip()


class Listener:
    """Hears one venue for as long as `run` runs. `symbols` are ccxt's names of our instruments, by the venue's symbol."""

    def __init__(
        self,
        asker: Asker,
        profile: Profile,
        instruments: Instruments,
        symbols: Mapping[str, str],
        clock: Clock,
        inbox: Inbox,
        delayed: Callable[[float], None] | None = None,
    ) -> None:
        """`delayed` is told by how many seconds each book arrived later than the venue says it spoke, by its clock as we know it."""
        self._asker = asker
        self._client = asker.client
        self._profile = profile
        self._streams = profile.streams
        self._instruments = instruments
        self._settles = sorted({instrument.settle for instrument in instruments.values()})
        self._symbols = symbols
        self._part_of = {symbol: profile.parts.get(each.kind, "") for symbol, each in instruments.items()}
        self._parts = tuple(dict.fromkeys(self._part_of.values()))
        self._clock = clock
        self._inbox = inbox
        self._delayed = delayed
        self._board = QuoteBoard(instruments)
        self._expected = Expected()
        self._listen_key = ListenKey(asker, profile, clock, self._cut_private)
        self._broken: dict[str, str] = {}
        self._link = VenueLink.DOWN
        self._pulses = Pulses(clock)
        self._books_heard: dict[str, float] = {}
        self._market_since = dict.fromkeys(self._parts, clock.steady())
        self._books_on: dict[Any, dict[str, float]] = {}
        self._complained_at: dict[str, float] = {}
        told_of = [topic for topics in self._streams.topics.values() for topic in topics]
        self.clocks = StreamClocks(told_of, instruments, clock.steady())
        self.check = BookCheck(asker, profile.touch, instruments, clock, self._distrust, self._hears_books)

    async def run(self) -> None:
        """Pumps until cancelled. A pump that dies of anything but a venue's failure ends all of it, with its exception.

        Sockets of an earlier listening are cut: what was confirmed on them was told to another, and all is subscribed anew.
        """
        for socket in self._sockets():
            self._cut(socket, "listened to anew")
        try:
            works = [(task.name, self._pump(task)) for task in self._tasks()]
            works += [("link", self._watch_over()), ("book check", self.check.run())]
            if self._streams.listen_key_call is not None:
                works.append(("listen key", self._listen_key.keep(self._streams.listen_key_call)))
            await never_ending(*((f"{self._profile.venue} {name}", work) for name, work in works))
        finally:
            self._set_link(VenueLink.DOWN, "no longer listening")

    def taken(self, ours: ClientOrderId) -> None:
        """The venue took an order: the private stream, while it is up, must tell of it."""
        if self._link is not VenueLink.DOWN:
            self._expected.taken(ours, self._clock.steady())

    def heard(self, socket: Any, message: Any) -> None:
        """One decoded stream message. Never raises: what cannot be read becomes ReportUnreadable."""
        try:
            self._pulses.confirm(socket, self._streams.confirms(message))
            told = self._streams.hear(message)
        except Exception as error:
            self._complain("message", f"{type(error).__name__} in a stream message")
            return
        if told is None:
            return
        for topic in self._streams.topics.get(told.topic, ()):
            for row in told.rows:
                try:
                    self._take(topic, row, told, socket)
                except OutOfOrder as disorder:
                    self._complain(told.topic, str(disorder))
                    if socket is not None:
                        self._cut(socket, str(disorder))
                except Unreadable as unreadable:
                    self._complain(told.topic, str(unreadable))
                except Exception as error:
                    self._complain(told.topic, type(error).__name__)

    def _tasks(self) -> list[_Task]:
        """One pump for each part of the venue where it takes symbols, else one for the account."""
        names = {part: tuple(name for symbol, name in self._symbols.items() if self._part_of[symbol] == part) for part in self._parts}
        account = [_Task(pump) for pump in self._streams.pumps if not pump.symbols]
        return account + [
            _Task(pump, part, chosen)
            for pump in self._streams.pumps
            if pump.symbols
            for part in self._parts
            for chosen in ([(name,) for name in names[part]] if pump.each else [names[part]])
        ]

    def _take(self, topic: Topic, row: Row, told: Heard, socket: Any) -> None:
        if not isinstance(row, Mapping):
            raise Unreadable("a row that is no object")
        now, streams, offset_ms = self._clock.now(), self._streams, self._asker.offset_ms
        match topic:
            case Topic.BOOK:
                quote = self._board.book_told(row, streams.book, now, offset_ms, partial=told.partial)
                self._put_quote(quote)
                if quote is not None and streams.book.at and self._delayed is not None:
                    self._delayed((now - quote.book_at) / 1_000)
                if (symbol := self._board.ours(row, streams.book)) is not None:
                    part = self._part_of[symbol]
                    self.clocks.told(topic, symbol, self._clock.steady())
                    self._books_heard[part] = self._books_on.setdefault(socket, {})[part] = self._clock.steady()
            case Topic.MARK:
                self._put_quote(self._board.mark_told(row, streams.mark, now, offset_ms, partial=told.partial))
                if (symbol := self._board.ours(row, streams.mark)) is not None:
                    self.clocks.told(topic, symbol, self._clock.steady())
            case Topic.ORDERS:
                report = order_report(row, streams.order, self._instruments)
                if report is not None:
                    self._expected.told(report.client_order_id)
                    self._put(OrderReported(at=now, report=report))
            case Topic.FILLS:
                fill = fill_report(row, streams.fill, self._instruments)
                if fill is not None:
                    self._expected.told(fill.client_order_id)
                    self._put(FillReported(at=now, fill=fill))
            case Topic.MARGIN:
                self._take_margin(row, now)
            case Topic.KEY_EXPIRED:
                self._cut_private("the listen key expired")

    def _take_margin(self, row: Row, now: Millis) -> None:
        if self._streams.margin is None:
            return
        for margin in margin_reports(row, self._streams.margin, self._settles, complete=False):
            if margin.margin_balance is not None and margin.maintenance_margin is not None:
                self._put(MarginObserved(at=now, venue=self._profile.venue, margin=margin, marks=self._board.marks()))

    def _put(self, event: Event) -> None:
        self._inbox.put(event)

    def _put_quote(self, quote: Quote | None) -> None:
        if quote is None:
            return
        self.check.heard(quote)
        if quote.instrument not in self.check.doubtful:
            self._inbox.put_quote(quote)

    def _distrust(self, symbol: str, difference: str) -> None:
        """The stream of an instrument tells something else than the venue: it is made anew, with all that comes by the same sockets."""
        self._complain(f"book of {symbol}", difference)
        for socket in self._sockets():
            if self._part_of[symbol] in self._books_on.get(socket, {}):
                self._cut(socket, difference)

    def _complain(self, about: str, what: str) -> None:
        """At most one complaint per topic and second: one is enough to have the venue read again."""
        now = self._clock.steady()
        if about not in self._complained_at or now - self._complained_at[about] >= UNREADABLE_PAUSE_SECONDS:
            self._complained_at[about] = now
            self._inbox.put(ReportUnreadable(at=self._clock.now(), venue=self._profile.venue, what=f"{about}: {what}"))

    async def _pump(self, task: _Task) -> None:
        """Keeps one subscription alive. What the watch method returns was heard already."""
        watch = getattr(self._client, task.pump.watch)
        failures = 0
        while True:
            try:
                await (watch(*task.symbols) if task.pump.each else watch(list(task.symbols)) if task.pump.symbols else watch())
                if failures:
                    failures = 0
                self._broken.pop(task.name, None)
            except asyncio.CancelledError:
                # ccxt cancels its watchers when it closes a socket; only our own cancellation ends the pump.
                if is_cancelled_from_outside():
                    raise
                failures += 1
                await self._lost(task, "the socket was closed", failures)
            except Exception as error:
                failures += 1
                await self._lost(task, str(self._asker.failure(task.pump.watch, error)), failures)

    async def _lost(self, task: _Task, reason: str, failures: int) -> None:
        self._broken[task.name] = reason
        if task.pump.private:
            self._listen_key.forget()
            self._set_link(VenueLink.DOWN, reason)
        else:
            self._forget_market(task.part)
            if self._link is VenueLink.UP:
                self._set_link(VenueLink.STALE, reason)
        longest = min(BACK_OFF_MOST_SECONDS, BACK_OFF_FIRST_SECONDS * 2 ** min(failures - 1, 10))
        await self._clock.sleep(longest * (0.5 + secrets.randbelow(500) / 1_000))
        self._client.ws_dial_backoff = {}  # ccxt's own, up to 30 s, would come on top
        self._broken.pop(task.name, None)

    async def _watch_over(self) -> None:
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            self._pulses.feel(self._sockets())
            self._books_on = {socket: told for socket, told in self._books_on.items() if socket in self._pulses}
            self._cut_silent()
            self._set_link(*self._judged())

    def _judged(self) -> tuple[VenueLink, str]:
        """How well we hear the venue now."""
        for pump in self._streams.pumps:
            if pump.private and pump.watch in self._broken:
                return VenueLink.DOWN, self._broken[pump.watch]
        private = [socket for socket in self._sockets() if self._is_private(socket)]
        if not private:
            return VenueLink.DOWN, "the private socket is not connected"
        if any(self._pulses.age(socket) < SETTLED_SECONDS for socket in private):
            return (self._link if self._link is not VenueLink.UP else VenueLink.DOWN), "the private socket is new"
        if any(self._pulses.confirmed(socket) < self._streams.confirmations for socket in private):
            return VenueLink.DOWN, "the private subscriptions are not confirmed"
        if self._asker.gate.closed_for:
            return VenueLink.STALE, "the venue told us to stay away"
        if self._broken:
            return VenueLink.STALE, next(iter(self._broken.values()))
        for part in self._parts:
            of_it = f"{part} " if part else ""
            if part not in self._books_heard:
                return VenueLink.STALE, f"no {of_it}book was told yet"
            silent = self._clock.steady() - self._books_heard[part]
            if silent * 1_000 > self._streams.quote_silence_ms:
                return VenueLink.STALE, f"all {of_it}books are silent for {silent:.1f} s"
        return VenueLink.UP, "streams are alive and fresh"

    def _cut_silent(self) -> None:
        """Cuts sockets that only look alive; the pumps make them anew."""
        now = self._clock.steady()
        if (untold := self._expected.overdue(now)) is not None:
            self._cut_private(f"nothing is told of order {untold}")
        for socket in self._sockets():
            if self._pulses.silence(socket) > SOCKET_SILENT_SECONDS:
                self._cut(socket, "the socket is silent")
        for socket in self.private_sockets():
            if self._pulses.confirmed(socket) < self._streams.confirmations and self._pulses.age(socket) > UNCONFIRMED_SECONDS:
                self._cut_private("the private subscriptions were not confirmed")
        silent = [
            part for part in self._parts if now - max(self._books_heard.get(part, 0.0), self._market_since[part]) > TOPIC_SILENT_SECONDS
        ]
        for socket in self._sockets() if silent else ():
            if (self._streams.one_socket or not self._is_private(socket)) and not self._tells_books(socket, now):
                self._cut(socket, "its books are silent")
        for part in silent:
            self._forget_market(part)
        for each in self.clocks.newly_silent(now):
            log.warning("stream_silent", venue=self._profile.venue, topic=each.topic.value, venue_symbol=each.symbol, seconds=each.seconds)
        for part in self._parts:
            if self.clocks.all_silent(Topic.MARK, self._symbols_of(part), now):
                for socket in self._sockets():
                    if self._streams.one_socket or not self._is_private(socket):
                        self._cut(socket, "its marks are silent")
                self._forget_market(part)

    def _tells_books(self, socket: Any, now: float) -> bool:
        """Whether every part whose books ever came by this socket still tells some there."""
        parts = self._books_on.get(socket, {})
        return bool(parts) and all(now - at <= TOPIC_SILENT_SECONDS for at in parts.values())

    def _cut_private(self, reason: str) -> None:
        self._listen_key.forget()
        self._set_link(VenueLink.DOWN, reason)
        for socket in self._sockets():
            if self._is_private(socket):
                self._cut(socket, reason)

    def _cut(self, socket: Any, reason: str) -> None:
        for part in self._books_on.pop(socket, {}):
            self._forget_market(part)
        socket.on_error(ccxt.NetworkError(reason))

    def _forget_market(self, part: str) -> None:
        """What a broken subscription told is not continued by the next one, whose first message may be a partial one."""
        symbols = self._symbols_of(part)
        self._board.forget(symbols)
        self.clocks.restart(symbols, self._clock.steady())
        for symbol in symbols:
            self.check.forget(self._instruments[symbol].id)
        self._books_heard.pop(part, None)
        self._market_since[part] = self._clock.steady()

    def _hears_books(self, symbol: str) -> bool:
        return self._part_of[symbol] in self._books_heard

    def _symbols_of(self, part: str) -> list[str]:
        return [symbol for symbol, of in self._part_of.items() if of == part]

    def _sockets(self) -> list[Any]:
        return [socket for socket in list(self._client.clients.values()) if socket.isConnected and not socket.closed()]

    def private_sockets(self) -> list[Any]:
        """The private connections that are up."""
        return [socket for socket in self._sockets() if self._is_private(socket)]

    def _is_private(self, socket: Any) -> bool:
        return self._streams.is_private(socket.url)

    def _set_link(self, link: VenueLink, reason: str) -> None:
        if link is not self._link:
            self._link = link
            if link is VenueLink.DOWN:
                self._expected.forget()
            self._inbox.put(VenueLinkChanged(at=self._clock.now(), venue=self._profile.venue, link=link, reason=reason))
