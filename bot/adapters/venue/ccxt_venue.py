"""One account at one venue, over the real ccxt.pro client: the `Venue` port.

The rule: one command is one wire attempt, and its answer claims no more than the venue proved. Every order request waits its turn first
and is signed after, carries our client id and the venue-side expiry (at most 5 s), and is never repeated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.venue import funding_reads
from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_client import MessageHeard, doors, expiring_at, make_client, tap
from bot.adapters.venue.ccxt_mapping import Unreadable, accepted, at_path, order_report, told
from bot.adapters.venue.opening import Opened, open_account, redescribe
from bot.adapters.venue.outcomes import NOT_SENT, Refused, classify
from bot.adapters.venue.profile import Ask, Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.reading import Reader
from bot.adapters.venue.routing import RoutingSession, counting_attempts
from bot.adapters.venue.settings import VenueSettings
from bot.adapters.venue.streams import Listener
from bot.adapters.venue.throttle import BudgetSeen, Gate, Lane, LaneFull
from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import (
    CancelUnconfirmed,
    FundingPaid,
    FundingRateObserved,
    LookUpFailed,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueUnreadable,
)
from bot.core.instrument import Instrument
from bot.core.units import ZERO, ClientOrderId, InstrumentId, Millis
from bot.ports import CancelAnswer, Clock, Inbox, LookUpAnswer, PlaceAnswer, ReadAnswer, VenueNotReady

ANSWER_SECONDS = 6.0
"""Beyond ccxt's own 4 s: nothing may keep an order's outcome open for longer."""
DESCRIBE_SECONDS = 20.0
BAN_SECONDS_FIRST = 1.0
BAN_SECONDS_MAX = 600.0
_BAN_STATUSES = frozenset({418, 429})


@dataclass(frozen=True, slots=True)
class _Connection:
    """What one successful `open` made."""

    client: Any
    session: RoutingSession
    asker: Asker
    reader: Reader
    opened: Opened

    def instrument(self, sought: InstrumentId) -> Instrument | None:
        return next((each for each in self.opened.instruments.values() if each.id == sought), None)


class CcxtVenue:
    """Implements `bot.ports.Venue`. `budget_seen` is told what each grant leaves of a request limit."""

    def __init__(self, settings: VenueSettings, clock: Clock, *, budget_seen: BudgetSeen | None = None) -> None:
        """Raises VenueNotReady when the settings cannot work: an unknown venue, a host without a route, a passphrase missing."""
        profile = PROFILES.get(settings.venue)
        if profile is None:
            raise VenueNotReady(f"no venue is called {settings.venue}; known are {', '.join(PROFILES)}")
        if profile.needs_passphrase and not settings.passphrase:
            raise VenueNotReady(f"{settings.venue} needs a passphrase beside key and secret")
        try:
            self._doors = doors(profile, settings)
        except ValueError as error:
            raise VenueNotReady(f"{settings.venue}: {error}") from None
        self.id = settings.venue
        self._profile: Profile = profile
        self._settings = settings
        self._clock = clock
        self._gate = Gate(profile.limits, budget_seen=budget_seen)
        self._heard: MessageHeard | None = None
        self._up: _Connection | None = None

    async def open(self) -> Sequence[Instrument]:
        """See the port. May be called again after a failure; ConnectionError when the venue did not answer as it should."""
        await self.close()
        session = RoutingSession(self._doors, headers_seen=self._headers_seen)
        client = make_client(self._profile, self._settings, session, self._clock)
        try:
            if not session.one_wire_attempt or client.options["maxRetriesOnFailure"]:
                raise VenueNotReady("the client would send some requests twice")
            tap(client, self._message_heard)
            asker = Asker(client, self._profile, self._settings, self._gate, self._clock)
            opened = await open_account(asker, self._profile, self._settings)
        except BaseException:
            await _let_go(client, session)
            raise
        reader = Reader(asker, self._profile.reads, self.id, opened.instruments, self._clock)
        self._up = _Connection(client, session, asker, reader, opened)
        return tuple(opened.instruments.values())

    async def describe(self) -> Sequence[Instrument]:
        """The instruments in use as the venue describes them now, changed or not; empty when it could not be read."""
        up = self._up
        if up is None:
            return ()
        try:
            async with asyncio.timeout(DESCRIBE_SECONDS):
                await redescribe(up.asker, self._profile, self._settings, up.opened)
        except (NotAnswered, Unreadable, TimeoutError):
            return ()
        return tuple(up.opened.instruments.values())

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """One wire attempt. Refused only with proof; in all other cases reported with an id, or unknown."""
        ours = command.client_order_id
        up = self._up
        instrument = up.instrument(command.instrument) if up else None
        if up is None or instrument is None:
            return OrderRefused(at=self._clock.now(), client_order_id=ours, code=NOT_SENT, reason="the venue is not open")
        if (why := await self._turn(command)) is not None:
            return OrderRefused(at=self._clock.now(), client_order_id=ours, code=NOT_SENT, reason=why)
        with counting_attempts() as attempts, expiring_at(command.expires_at):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    order = await self._send(up, command, instrument)
            except Exception as error:
                return self._not_placed(ours, error, sent=attempts.count > 0)
        return self._placed(command, instrument, order)

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """One cancel attempt. What the venue did with the order is then asked for, where its answer does not say."""
        writes, ours, up = self._profile.writes, command.client_order_id, self._up
        instrument = up.instrument(command.instrument) if up else None
        if up is None or instrument is None:
            return CancelUnconfirmed(at=self._clock.now(), client_order_id=ours, reason="the venue is not open")
        try:
            scope = {str(writes.cancel.symbol_as): instrument.venue_symbol, writes.cancel_client_id_as: ours}
            answer = await up.asker.ask(writes.cancel, Lane.URGENT, **scope)
            report = None
            if isinstance(answer, dict) and told(answer, self._profile.reads.order.status) is not None:
                report = order_report(answer, self._profile.reads.order, {instrument.venue_symbol: instrument})
            report = report or await up.reader.by_client_id(command.instrument, ours)
        except (NotAnswered, Unreadable) as failure:
            return CancelUnconfirmed(at=self._clock.now(), client_order_id=ours, reason=str(failure))
        if report is None:
            return CancelUnconfirmed(at=self._clock.now(), client_order_id=ours, reason="taken, but the order is not known to the venue")
        return OrderReported(at=self._clock.now(), report=report)

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """See `reading`."""
        if self._up is None or self._up.instrument(command.instrument) is None:
            return LookUpFailed(at=self._clock.now(), client_order_id=command.client_order_id, reason="the venue is not open")
        return await self._up.reader.look_up(command)

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """See `reading`."""
        if self._up is None:
            now = self._clock.now()
            return VenueUnreadable(at=now, venue=self.id, asked_at=now, reason="the venue is not open")
        return await self._up.reader.read(command)

    async def funding_rates(self) -> Sequence[FundingRateObserved]:
        """See `funding_reads`."""
        if self._up is None:
            return ()
        return await funding_reads.rates(self._up.asker, self._profile.funding, self._up.opened.instruments, self._clock)

    async def funding_payments(self, since: Millis) -> Sequence[FundingPaid]:
        """See `funding_reads`."""
        if self._up is None:
            return ()
        return await funding_reads.payments(self._up.asker, self._profile.funding, self._up.opened.instruments, self._clock, since)

    async def listen(self, inbox: Inbox) -> None:
        """See `streams`. Raises VenueNotReady when the venue was not opened."""
        up = self._up
        if up is None:
            raise VenueNotReady(f"{self.id} was not opened")
        symbols = list(up.opened.ccxt_symbols.values())
        listener = Listener(up.asker, self._profile, up.opened.instruments, symbols, self._clock, inbox)
        self._heard = listener.heard
        try:
            await listener.run()
        finally:
            self._heard = None

    async def close(self) -> None:
        """Ends every connection. Safe to call twice."""
        up, self._up = self._up, None
        if up is not None:
            await _let_go(up.client, up.session)

    async def _turn(self, command: PlaceOrder) -> str | None:
        """Waits for the request's turn; why it never came, None when it came."""
        lane = Lane.URGENT if command.reduce_only else Lane.INCREASE
        seconds = max(0, command.expires_at - self._clock.now()) / 1_000
        try:
            async with asyncio.timeout(seconds):
                await self._gate.admit(lane, self._profile.weights[Ask.PLACE])
        except TimeoutError:
            return "its time was over while it waited for the venue's request limit"
        except LaneFull as full:
            return str(full)
        return None

    async def _send(self, up: _Connection, command: PlaceOrder, instrument: Instrument) -> Any:
        writes = self._profile.writes
        parameters = {**writes.place_parameters, writes.client_id_as: command.client_order_id, "timeInForce": "IOC"}
        if command.reduce_only:
            parameters["reduceOnly"] = True
        return await up.client.create_order(
            up.opened.ccxt_symbols[instrument.venue_symbol],
            "limit",
            "sell" if command.quantity < ZERO else "buy",
            f"{command.contracts:f}",
            f"{command.price:f}",
            parameters,
        )

    def _placed(self, command: PlaceOrder, instrument: Instrument, order: Any) -> PlaceAnswer:
        """What ccxt returned without an exception: a report when it names the order, else nothing is known."""
        ours, shape = command.client_order_id, self._profile.reads.order
        row = at_path(order, ("info",))
        try:
            if not isinstance(row, dict):
                raise Unreadable("an answer without an order")
            whole = told(row, shape.status) is not None
            report = order_report(row, shape, {instrument.venue_symbol: instrument}) if whole else accepted(row, shape, instrument)
            if report is None or report.client_order_id not in {None, ours}:
                raise Unreadable("an answer without our order's id")
        except Unreadable as unreadable:
            return OrderOutcomeUnknown(at=self._clock.now(), client_order_id=ours, reason=str(unreadable))
        return OrderReported(at=self._clock.now(), report=report)

    def _not_placed(self, ours: ClientOrderId, error: Exception, *, sent: bool) -> PlaceAnswer:
        outcome = classify(self.id, error, sent=sent)
        reason = self._settings.redact(outcome.reason)
        if isinstance(outcome, Refused):
            return OrderRefused(at=self._clock.now(), client_order_id=ours, code=outcome.code, reason=reason)
        return OrderOutcomeUnknown(at=self._clock.now(), client_order_id=ours, reason=reason)

    def _message_heard(self, socket: Any, message: Any) -> None:
        if self._heard is not None:
            self._heard(socket, message)

    def _headers_seen(self, host: str, status: int, headers: Mapping[str, str]) -> None:
        """A venue that says "too many" is left alone for as long as it says."""
        del host
        if status in _BAN_STATUSES:
            told_seconds = headers.get("Retry-After", "")
            seconds = float(told_seconds) if told_seconds.isdecimal() else BAN_SECONDS_FIRST
            self._gate.close_for(min(seconds, BAN_SECONDS_MAX))


async def _let_go(client: Any, session: RoutingSession) -> None:
    client.timeout_on_exit = 0  # ccxt's pause after closing; the session is ours and is closed next
    await client.close()
    await session.close()
