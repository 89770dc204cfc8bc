"""One account at one venue, over the real ccxt.pro client: the `Venue` port.

The rule: one command is one wire attempt, and its answer claims no more than the venue proved. Every order request waits its turn first
and is signed after, carries our client id and the venue-side expiry (at most 5 s), and is never repeated here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import Any

import structlog

from bot.adapters.venue import cancelling, funding_reads, market_reads, wallet_reads
from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ban_file import BanFile
from bot.adapters.venue.ccxt_client import doors, expiring_at, make_client, tap
from bot.adapters.venue.ccxt_mapping import Unreadable, accepted, at_path, order_report, told
from bot.adapters.venue.dead_man import ArmedTold, DeadManSwitch
from bot.adapters.venue.feedback import STAY_AWAY_SECONDS_MAX, Brake, SecondsTold
from bot.adapters.venue.listing import let_go, listing_apart
from bot.adapters.venue.opening import Opened, open_account, redescribe, settle_account
from bot.adapters.venue.outcomes import NOT_SENT, Refused, classify
from bot.adapters.venue.profile import DeadMan, Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.reading import Reader
from bot.adapters.venue.rehearsal import Rehearsal, rehearse
from bot.adapters.venue.routing import RoutingSession, counting_attempts
from bot.adapters.venue.settings import VenueSettings
from bot.adapters.venue.streams import Listener
from bot.adapters.venue.throttle import BudgetSeen, Gate, Lane, NotAdmitted
from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.events import (
    CancelUnconfirmed,
    FundingRateObserved,
    FundingRecordsRead,
    LookUpFailed,
    MarketObserved,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueOrderStatus,
    VenueUnreadable,
)
from bot.core.instrument import Instrument
from bot.core.units import ZERO, Asset, InstrumentId, Millis
from bot.ports import CancelAnswer, Clock, Inbox, LookUpAnswer, PlaceAnswer, ReadAnswer, SendRight, VenueNotReady
from bot.supervision import never_ending

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 6.0
"""Beyond ccxt's own 4 s: nothing may keep an order's outcome open for longer."""
DESCRIBE_SECONDS = 20.0
BAN_KEPT_SECONDS = 5.0
"""A ban shorter than this is not remembered over a restart."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """What one successful `open` made."""

    client: Any
    session: RoutingSession
    public: Any
    public_session: RoutingSession
    asker: Asker
    reader: Reader
    opened: Opened

    def instrument(self, sought: InstrumentId) -> Instrument | None:
        return next((each for each in self.opened.instruments.values() if each.id == sought), None)


class CcxtVenue:
    """Implements `bot.ports.Venue`. `budget_seen` is told what each grant leaves of a request limit, `stay_away` for how long the venue
    wants to be left alone, `armed` whether its dead-man switch is armed. `right`: where only one of several instances may send, ours to do
    it. `bans` remembers a ban for the next run. `answered` and `delayed`: seconds of each request, and of each book on a stream.
    """

    _open_account = staticmethod(open_account)

    def __init__(
        self,
        settings: VenueSettings,
        clock: Clock,
        *,
        budget_seen: BudgetSeen | None = None,
        stay_away: SecondsTold | None = None,
        armed: ArmedTold | None = None,
        right: SendRight | None = None,
        bans: BanFile | None = None,
        answered: SecondsTold | None = None,
        delayed: SecondsTold | None = None,
    ) -> None:
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
        self._gate = Gate([limit.shared(settings.request_share) for limit in profile.limits], budget_seen=budget_seen)
        self._brake = Brake(settings.venue, profile.feedback, self._gate, stay_away, self._keep_ban)
        self._bans, self._answered, self._delayed = bans, answered, delayed
        self._listener: Listener | None = None
        self._armed_told = armed
        self._right = right
        self._switch: DeadManSwitch | None = None
        self._up: _Connection | None = None
        self._proven = False

    async def prove(self) -> Rehearsal:
        """What the client will ask for in this environment, held against the list of what may leave. Sends nothing.

        Raises VenueNotReady with one sentence when something does not fit. `open` asks once, whoever asked before.
        """
        if (told := await rehearse(self._profile, self._settings, self._clock)).faults:
            more = f" (and {len(told.faults) - 1} more)" if len(told.faults) > 1 else ""
            raise VenueNotReady(
                f"{self.id}: what ccxt would send does not fit the {self._settings.environment.value} environment: {told.faults[0]}{more}"
            )
        self._proven = True
        return told

    async def open(self) -> Sequence[Instrument]:
        """See the port. May be called again after a failure; ConnectionError when the venue did not answer as it should."""
        await self.close()
        if not self._proven:
            await self.prove()
        self._heed_kept_ban()
        routed = partial(RoutingSession, headers_seen=self._headers_seen, stay_away=self._closed_for, answered=self._answered)
        session, public_session = routed(self._doors), routed(self._doors.public())
        client = make_client(self._profile, self._settings, session, self._clock)
        public = make_client(self._profile, self._settings, public_session, self._clock, keyless=True)
        try:
            if not (session.one_wire_attempt and public_session.one_wire_attempt) or client.options["maxRetriesOnFailure"]:
                raise VenueNotReady("the client would send some requests twice")
            tap(client, self._message_heard)
            asker = Asker(
                client,
                self._profile,
                self._settings,
                self._gate,
                self._clock,
                public=public,
                listing=listing_apart(self._doors, self._profile, self._settings, self._clock, self._closed_for, self._headers_seen),
                brake=self._brake,
            )
            opened = await self._open_account(asker, self._profile, self._settings)
        except BaseException:
            await let_go((client, public), (session, public_session))
            raise
        sent, leverage = self._profile.writes.client_id_as_sent, self._settings.leverage
        ours, unverified = opened.instruments, opened.unverified
        reader = Reader(asker, self._profile.reads, self.id, ours, self._clock, sent=sent, leverage=leverage, unverified=unverified)
        self._up = _Connection(client, session, public, public_session, asker, reader, opened)
        return tuple(opened.instruments.values())

    async def describe(self) -> Sequence[Instrument]:
        """The instruments in use as the venue describes them now, changed or not; empty when it could not be read.

        What could not be verified of the account, or is not as it was set (a leverage), is set again on the way.
        """
        up = self._up
        if up is None:
            return ()
        try:
            async with asyncio.timeout(DESCRIBE_SECONDS):
                await settle_account(up.asker, self._profile, self._settings, up.opened, up.reader.leverages)
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
        if (why := await self._turn(command) or await self._knows_the_time(up, command)) is not None:
            return OrderRefused(at=self._clock.now(), client_order_id=ours, code=NOT_SENT, reason=why)
        may_send = None if self._right is None else self._right.seconds
        with counting_attempts() as attempts, expiring_at(command.expires_at, may_send):
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    order = await self._send(up, command, instrument)
            except Exception as error:
                up.asker.noticed(Ask.PLACE, error)
                sent, failure = attempts.count > 0, error
            else:
                return self._placed(command, instrument, order)
        return await self._not_placed(up, command, failure, sent=sent)

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """One cancel attempt. What the venue did with the order is then asked for, where its answer does not say."""
        writes, ours, up = self._profile.writes, command.client_order_id, self._up
        instrument = up.instrument(command.instrument) if up else None
        if up is None or instrument is None:
            return CancelUnconfirmed(at=self._clock.now(), client_order_id=ours, reason="the venue is not open")
        try:
            call = partial(cancelling.asked, up.asker, up.client, writes, instrument, up.opened.ccxt_symbols[instrument.venue_symbol])
            if command.by_venue_id:
                await call(venue_id=command.venue_order_id)
                return CancelUnconfirmed(at=self._clock.now(), client_order_id=ours, reason=cancelling.READ_NEXT)
            answer = await call(client_id=writes.client_id_as_sent(ours))
            report = None
            if isinstance(answer, dict) and told(answer, self._profile.reads.order.status) is not None:
                report = order_report(answer, self._profile.reads.order, {instrument.venue_symbol: instrument})
            report = report or await up.reader.by_client_id(command.instrument, ours)
        except (NotAnswered, Unreadable, ValueError) as failure:
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

    async def funding_payments(self, since: Millis) -> FundingRecordsRead | None:
        """See `funding_reads`."""
        if self._up is None:
            return None
        return await funding_reads.payments(self.id, self._up.asker, self._profile.funding, self._up.opened.instruments, self._clock, since)

    async def markets(self) -> Sequence[MarketObserved]:
        """See `market_reads`."""
        if self._up is None:
            return ()
        return await market_reads.observed(self._up.asker, self._profile.market, self._up.opened.instruments, self._clock)

    async def wallets(self) -> Mapping[str, Mapping[Asset, Decimal]] | None:
        """See `wallet_reads`."""
        return None if self._up is None else await wallet_reads.balances(self._up.asker, self._profile, self._settings)

    async def listen(self, inbox: Inbox) -> None:
        """See `streams`. Raises VenueNotReady when the venue was not opened."""
        up = self._up
        if up is None:
            raise VenueNotReady(f"{self.id} was not opened")
        listener = Listener(up.asker, self._profile, up.opened.instruments, up.opened.ccxt_symbols, self._clock, inbox, self._delayed)
        self._listener, up.reader.inbox = listener, inbox
        try:
            works: list[tuple[str, Coroutine[Any, Any, None]]] = [
                (f"{self.id} streams", listener.run()),
                (f"{self.id} clock", up.asker.keep_clock()),
            ]
            if self._profile.dead_man is None:
                log.info("dead_man_switch_absent", venue=self.id)
            else:
                works.append((f"{self.id} dead-man switch", self._keep_armed(up, listener, self._profile.dead_man)))
            await never_ending(*works)
        finally:
            self._listener = None

    async def _keep_armed(self, up: _Connection, listener: Listener, switch: DeadMan) -> None:
        sockets, right = listener.private_sockets, self._right
        self._switch = DeadManSwitch(self.id, up.asker, switch, up.opened.instruments, sockets, self._clock, self._armed_told, right)
        await self._switch.run()

    async def disarm(self) -> None:
        """See `dead_man`."""
        if self._switch is not None:
            await self._switch.disarm()

    async def close(self) -> None:
        """Ends every connection. Safe to call twice."""
        up, self._up, self._switch = self._up, None, None
        if up is not None:
            await let_go((up.client, up.public), (up.session, up.public_session))

    async def _turn(self, command: PlaceOrder) -> str | None:
        """Waits for the request's turn; why it never came, None when it came."""
        lane = Lane.REDUCE if command.reduce_only else Lane.INCREASE
        seconds = max(0, command.expires_at - self._clock.now()) / 1_000
        try:
            async with asyncio.timeout(seconds):
                await self._gate.admit(lane, self._profile.weights[Ask.PLACE])
        except TimeoutError:
            return "its time was over while it waited for the venue's request limit"
        except NotAdmitted as refused:
            return str(refused)
        return None

    async def _knows_the_time(self, up: _Connection, command: PlaceOrder) -> str | None:
        """Why the order's expiry cannot be told in the venue's time, None when it can: nothing leaves on a clock that stepped."""
        try:
            await up.asker.know_clock(Lane.REDUCE if command.reduce_only else Lane.INCREASE)
        except (NotAnswered, Unreadable) as failure:
            return f"our clock stepped, and the venue's could not be read: {failure}"
        return None

    async def _send(self, up: _Connection, command: PlaceOrder, instrument: Instrument) -> Any:
        """One limit order, IOC or post-only, never both: `postOnly` is sent as Binance GTX, Bybit PostOnly and OKX `post_only`."""
        writes = self._profile.writes
        parameters = {**writes.place_parameters, writes.client_id_as: writes.client_id_as_sent(command.client_order_id)}
        parameters |= {"postOnly": True} if command.post_only else {"timeInForce": "IOC"}
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
        if self._listener is not None and report.status in (VenueOrderStatus.ACCEPTED, VenueOrderStatus.FILLED):
            self._listener.taken(ours)
        return OrderReported(at=self._clock.now(), report=replace(report, client_order_id=ours))

    async def _not_placed(self, up: _Connection, command: PlaceOrder, error: Exception, *, sent: bool) -> PlaceAnswer:
        outcome, ours = classify(self.id, error, sent=sent), command.client_order_id
        reason = self._settings.redact(outcome.reason)
        if outcome.code in self._profile.writes.ended_codes:
            return await self._ended(up, command, reason)
        if isinstance(outcome, Refused):
            return OrderRefused(at=self._clock.now(), client_order_id=ours, code=outcome.code, reason=reason)
        return OrderOutcomeUnknown(at=self._clock.now(), client_order_id=ours, reason=reason)

    async def _ended(self, up: _Connection, command: PlaceOrder, reason: str) -> PlaceAnswer:
        """An order that was taken and is gone: as the venue keeps it."""
        try:
            report = await up.reader.by_client_id(command.instrument, command.client_order_id)
        except (NotAnswered, Unreadable):
            report = None
        if report is None:
            return OrderOutcomeUnknown(at=self._clock.now(), client_order_id=command.client_order_id, reason=reason)
        return OrderReported(at=self._clock.now(), report=report)

    def _message_heard(self, socket: Any, message: Any) -> None:
        if self._listener is not None:
            self._listener.heard(socket, message)

    def _keep_ban(self, seconds: float) -> None:
        if self._bans is not None and seconds >= BAN_KEPT_SECONDS:
            self._bans.keep(self._clock.now() + int(seconds * 1_000))

    def _heed_kept_ban(self) -> None:
        until = None if self._bans is None else self._bans.until()
        if until is not None and (left := (until - self._clock.now()) / 1_000) > 0:
            self._gate.close_for(min(left, STAY_AWAY_SECONDS_MAX))

    def _closed_for(self) -> float:
        return self._gate.closed_for

    def _headers_seen(self, path: str, status: int, headers: Mapping[str, str]) -> None:
        offset_ms = self._up.asker.offset_ms if self._up is not None else 0
        self._brake.answered(path, status, headers, self._clock.now() + offset_ms)
