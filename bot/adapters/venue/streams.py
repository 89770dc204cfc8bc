"""What a venue tells by itself: every message into the inbox, and how well we hear it.

The rule: messages are taken where ccxt decodes them (`ccxt_client.tap`), not where its watch methods return, because between two watch
calls wake-ups are lost and bursts collapse. The pump tasks only keep subscriptions alive: one per stream, no other await between two
watch calls, back-off with jitter after a failure. Silence is found by our own steady clock: ccxt would take minutes, by one that may step.

    UP     the private socket is connected and answers pings, and at least one book is told
    STALE  no book is told, or a market subscription is being made anew
    DOWN   the private socket is not connected: fills may pass unheard

One quiet or suspended instrument is no fault of the link: how old each quote is, is the core's to judge.

A private socket that comes back always passes through DOWN, which makes the core ask for a complete reading before it increases.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ccxt

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, fill_report, margin_reports, order_report
from bot.adapters.venue.profile import Ask, Heard, Profile, Pump, Topic
from bot.adapters.venue.quotes import QuoteBoard
from bot.adapters.venue.shapes import Row
from bot.adapters.venue.throttle import Lane
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
from bot.core.units import Millis
from bot.ports import Clock, Inbox

BEAT_SECONDS = 0.25
SOCKET_SILENT_SECONDS = 12.0
"""A socket that is pinged every 4 s and says nothing this long is cut: half-open, or its receive loop is dead."""
TOPIC_SILENT_SECONDS = 15.0
"""All books silent this long on a living socket: the subscription is made anew."""
SETTLED_SECONDS = 0.3
"""From a private socket's connection until its subscriptions are taken to stand."""
BACK_OFF_FIRST_SECONDS = 0.25
BACK_OFF_MOST_SECONDS = 10.0
UNREADABLE_PAUSE_SECONDS = 1.0
LISTEN_KEY_SECONDS = 20 * 60.0
LISTEN_KEY_RETRY_SECONDS = 60.0


@dataclass(slots=True)
class _Pulse:
    """When a socket was first seen and when it last spoke, pongs included, on the steady clock.

    ccxt notes both by the wall clock, which may step: only that its notes changed is taken from it.
    """

    since: float
    spoke: float
    noted: tuple[Any, Any]


class Listener:
    """Hears one venue for as long as `run` runs. `symbols` are ccxt's names of our instruments."""

    def __init__(
        self, asker: Asker, profile: Profile, instruments: Instruments, symbols: Sequence[str], clock: Clock, inbox: Inbox
    ) -> None:
        self._asker = asker
        self._client = asker.client
        self._profile = profile
        self._streams = profile.streams
        self._instruments = instruments
        self._settles = sorted({instrument.settle for instrument in instruments.values()})
        self._symbols = list(symbols)
        self._clock = clock
        self._inbox = inbox
        self._board = QuoteBoard(instruments)
        self._broken: dict[str, str] = {}
        self._link = VenueLink.DOWN
        self._pulses: dict[Any, _Pulse] = {}
        self._book_heard: float | None = None
        self._market_since = clock.steady()
        self._complained_at: dict[str, float] = {}

    async def run(self) -> None:
        """Pumps until cancelled. A pump that dies of anything but a venue's failure ends all of it, with its exception."""
        try:
            async with asyncio.TaskGroup() as group:
                for pump in self._streams.pumps:
                    group.create_task(self._pump(pump), name=f"{self._profile.venue} {pump.watch}")
                group.create_task(self._watch_over(), name=f"{self._profile.venue} link")
                if self._streams.listen_key_call is not None:
                    group.create_task(self._keep_listen_key(self._streams.listen_key_call), name=f"{self._profile.venue} listen key")
        finally:
            self._set_link(VenueLink.DOWN, "no longer listening")

    def heard(self, socket: Any, message: Any) -> None:
        """One decoded stream message. Never raises: what cannot be read becomes ReportUnreadable."""
        del socket
        try:
            told = self._streams.hear(message)
        except Exception as error:
            self._complain("message", f"{type(error).__name__} in a stream message")
            return
        if told is None:
            return
        for topic in self._streams.topics.get(told.topic, ()):
            for row in told.rows:
                try:
                    self._take(topic, row, told)
                except Unreadable as unreadable:
                    self._complain(told.topic, str(unreadable))
                except Exception as error:
                    self._complain(told.topic, type(error).__name__)

    def _take(self, topic: Topic, row: Row, told: Heard) -> None:
        if not isinstance(row, Mapping):
            raise Unreadable("a row that is no object")
        now, streams, offset_ms = self._clock.now(), self._streams, self._asker.offset_ms
        match topic:
            case Topic.BOOK:
                self._put_quote(self._board.book_told(row, streams.book, now, offset_ms, partial=told.partial))
                if self._board.is_ours(row, streams.book):
                    self._book_heard = self._clock.steady()
            case Topic.MARK:
                self._put_quote(self._board.mark_told(row, streams.mark, now, offset_ms, partial=told.partial))
            case Topic.ORDERS:
                report = order_report(row, streams.order, self._instruments)
                self._put(None if report is None else OrderReported(at=now, report=report))
            case Topic.FILLS:
                fill = fill_report(row, streams.fill, self._instruments)
                self._put(None if fill is None else FillReported(at=now, fill=fill))
            case Topic.MARGIN:
                self._take_margin(row, now)
            case Topic.KEY_EXPIRED:
                self._cut_private("the listen key expired")

    def _take_margin(self, row: Row, now: Millis) -> None:
        if self._streams.margin is None:
            return
        for margin in margin_reports(row, self._streams.margin, self._settles, complete=False):
            if margin.margin_balance is not None and margin.maintenance_margin is not None:
                self._put(MarginObserved(at=now, venue=self._profile.venue, margin=margin))

    def _put(self, event: Event | None) -> None:
        if event is not None:
            self._inbox.put(event)

    def _put_quote(self, quote: Quote | None) -> None:
        if quote is not None:
            self._inbox.put_quote(quote)

    def _complain(self, about: str, what: str) -> None:
        """At most one complaint per topic and second: one is enough to have the venue read again."""
        now = self._clock.steady()
        if about not in self._complained_at or now - self._complained_at[about] >= UNREADABLE_PAUSE_SECONDS:
            self._complained_at[about] = now
            self._inbox.put(ReportUnreadable(at=self._clock.now(), venue=self._profile.venue, what=f"{about}: {what}"))

    async def _pump(self, pump: Pump) -> None:
        """Keeps one subscription alive. What the watch method returns was heard already."""
        watch = getattr(self._client, pump.watch)
        failures = 0
        while True:
            try:
                await (watch(self._symbols) if pump.symbols else watch())
                if failures:
                    failures = 0
                self._broken.pop(pump.watch, None)
            except asyncio.CancelledError:
                # ccxt cancels its watchers when it closes a socket; only our own cancellation ends the pump.
                if _is_ours(asyncio.current_task()):
                    raise
                failures += 1
                await self._lost(pump, "the socket was closed", failures)
            except Exception as error:
                failures += 1
                await self._lost(pump, str(self._asker.failure(pump.watch, error)), failures)

    async def _lost(self, pump: Pump, reason: str, failures: int) -> None:
        self._broken[pump.watch] = reason
        if pump.private:
            self._forget_listen_key()
            self._set_link(VenueLink.DOWN, reason)
        else:
            self._forget_market()
            if self._link is VenueLink.UP:
                self._set_link(VenueLink.STALE, reason)
        longest = min(BACK_OFF_MOST_SECONDS, BACK_OFF_FIRST_SECONDS * 2 ** min(failures - 1, 10))
        await self._clock.sleep(longest * (0.5 + secrets.randbelow(500) / 1_000))
        self._client.ws_dial_backoff = {}  # ccxt's own, up to 30 s, would come on top
        self._broken.pop(pump.watch, None)

    async def _watch_over(self) -> None:
        while True:
            await self._clock.sleep(BEAT_SECONDS)
            self._feel_pulses()
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
        if any(self._clock.steady() - self._pulse(socket).since < SETTLED_SECONDS for socket in private):
            return (self._link if self._link is not VenueLink.UP else VenueLink.DOWN), "the private socket is new"
        if self._broken:
            return VenueLink.STALE, next(iter(self._broken.values()))
        if self._book_heard is None:
            return VenueLink.STALE, "no book was told yet"
        silent = self._clock.steady() - self._book_heard
        if silent * 1_000 > self._streams.quote_silence_ms:
            return VenueLink.STALE, f"all books are silent for {silent:.1f} s"
        return VenueLink.UP, "streams are alive and fresh"

    def _pulse(self, socket: Any) -> _Pulse:
        now = self._clock.steady()
        return self._pulses.setdefault(socket, _Pulse(now, now, (socket.last_message_at, socket.lastPong)))

    def _feel_pulses(self) -> None:
        """Notes which sockets spoke since the last beat; forgets those that are gone."""
        open_now = self._sockets()
        for socket in open_now:
            pulse, noted = self._pulse(socket), (socket.last_message_at, socket.lastPong)
            if noted != pulse.noted:
                pulse.spoke, pulse.noted = self._clock.steady(), noted
        self._pulses = {socket: self._pulses[socket] for socket in open_now}

    def _cut_silent(self) -> None:
        """Cuts sockets that only look alive; the pumps make them anew."""
        now = self._clock.steady()
        for socket in self._sockets():
            if now - self._pulse(socket).spoke > SOCKET_SILENT_SECONDS:
                self._cut(socket, "the socket is silent")
        if now - max(self._book_heard or 0.0, self._market_since) > TOPIC_SILENT_SECONDS:
            for socket in self._sockets():
                if not self._is_private(socket):
                    self._cut(socket, "its books are silent")

    def _cut_private(self, reason: str) -> None:
        self._forget_listen_key()
        self._set_link(VenueLink.DOWN, reason)
        for socket in self._sockets():
            if self._is_private(socket):
                self._cut(socket, reason)

    def _cut(self, socket: Any, reason: str) -> None:
        if not self._is_private(socket):
            self._forget_market()
        socket.on_error(ccxt.NetworkError(reason))

    def _forget_market(self) -> None:
        """What a broken subscription told is not continued by the next one, whose first message may be a partial one."""
        self._board.forget()
        self._book_heard, self._market_since = None, self._clock.steady()

    def _forget_listen_key(self) -> None:
        """Makes ccxt ask for the key again (the venue answers with the same one while it lives) before it connects."""
        if self._streams.listen_key_call is not None:
            kept = self._client.options.get(self._streams.listen_key_option) or {}
            self._client.options[self._streams.listen_key_option] = {**kept, "lastAuthenticatedTime": 0}

    async def _keep_listen_key(self, call: str) -> None:
        """The key lives an hour; ccxt renews it once and never again."""
        pause = LISTEN_KEY_SECONDS
        while True:
            await self._clock.sleep(pause)
            pause = LISTEN_KEY_SECONDS
            try:
                await self._asker.gate.admit(Lane.RECONCILE, self._profile.weights[Ask.LISTEN_KEY])
                await getattr(self._client, call)()
            except Exception as error:
                pause = LISTEN_KEY_RETRY_SECONDS
                self._cut_private(str(self._asker.failure("listen key", error)))

    def _sockets(self) -> list[Any]:
        return [socket for socket in list(self._client.clients.values()) if socket.isConnected and not socket.closed()]

    def _is_private(self, socket: Any) -> bool:
        return self._streams.private_socket in socket.url

    def _set_link(self, link: VenueLink, reason: str) -> None:
        if link is not self._link:
            self._link = link
            self._inbox.put(VenueLinkChanged(at=self._clock.now(), venue=self._profile.venue, link=link, reason=reason))


def _is_ours(task: asyncio.Task[Any] | None) -> bool:
    return task is not None and task.cancelling() > 0
