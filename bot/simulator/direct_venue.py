"""`ports.Venue` straight on the matching engine: no HTTP, no dialect, virtual or real time, and a wire that loses things.

For tests of the shell and for fault simulation. What the wire does to each call is told by `Wire`; the engine behind it is the very one
that the dialects speak for, and `direct_words` says what it means. The venue has a clock of its own: it is the engine's, and ours may
differ. A request is dealt with when it arrives, and one that arrives after its expiry is refused, as a venue does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from bot.core import events as ev
from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.instrument import Instrument
from bot.core.units import InstrumentId, Millis, VenueId
from bot.ports import CancelAnswer, Clock, Inbox, LookUpAnswer, PlaceAnswer, ReadAnswer
from bot.simulator.direct_words import (
    fill_report,
    funding_payment,
    instrument_of,
    margin_report,
    market_observed,
    order_report,
    position_reports,
    quote_of,
    rate_observed,
)
from bot.simulator.exchange import Exchange
from bot.simulator.model import (
    BalanceReport,
    BookReport,
    FillReport,
    MarketReport,
    Order,
    OrderKind,
    OrderReport,
    OrderRequest,
    Reason,
    Refused,
    Report,
    Side,
    TimeInForce,
)
from bot.simulator.wire import Unanswered, Wire

T = TypeVar("T")

TELLINGS = 2
"""How often a reading whose fills do not come tells the present, as a connector does, and"""
TELLING_PAUSE_S = 0.5
"""how long it waits for them before each."""
BEAT_S = 0.5
"""How often the streams tell that they are alive: quotes are repeated, and silence is noticed."""
STALE_AFTER_S = 1.0
EVERY_FILL = 1_000_000
NOT_OPEN = "the venue is not open"


class DirectVenue:
    """One account at one engine, as one run of the bot sees it: a new run gets a new one on the same engine and wire."""

    def __init__(
        self,
        venue: VenueId,
        exchange: Exchange,
        account: str,
        clock: Clock,
        wire: Wire,
        symbols: Collection[str] | None = None,
        *,
        venue_clock: Clock | None = None,
        beat_s: float = BEAT_S,
    ) -> None:
        """`symbols` are the contracts in use, None for all; `venue_clock` is the engine's, None for ours; `beat_s` that of its quotes."""
        self.id = venue
        self._exchange = exchange
        self._account = account
        self._clock = clock
        self._venue_clock = venue_clock or clock
        self._beat_s = beat_s
        self._wire = wire
        self._inbox: Inbox | None = None
        self._is_open = self._was_read = False
        self.was_disarmed = False
        self.tells_no_past = False
        """Whether fills are asked for in vain: nothing but the present is told then."""
        self._listed = {s: instrument_of(venue, c) for s, c in exchange.contracts.items() if symbols is None or s in symbols}

    async def open(self) -> Sequence[Instrument]:
        """Describes every contract in use. Raises Unanswered while the wire is silent."""
        listed = await self._wire.call(lambda: tuple(self._listed.values()))
        self._is_open = True
        return listed

    async def describe(self) -> Sequence[Instrument]:
        """The contracts in use as the engine has them now; nothing while the wire is silent."""
        try:
            contracts = await self._asked(lambda: self._exchange.contracts)
        except Unanswered:
            return ()
        found = {symbol: instrument_of(self.id, contracts[symbol]) for symbol in self._listed if symbol in contracts}
        self._listed = self._listed | found
        return tuple(found.values())

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """One attempt, with whatever the wire does to it."""
        order_id = command.client_order_id
        if not self._is_open:
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code="not_sent", reason=NOT_OPEN)
        self._wire.placed.append(order_id)
        until = command.expires_at + self._offset_ms
        try:
            order = await self._wire.call(lambda: self._accept(command, until), self._wire.next_fault(command))
        except Refused as refused:
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code=refused.refusal.value, reason=refused.detail)
        except Unanswered as error:
            return ev.OrderOutcomeUnknown(at=self._clock.now(), client_order_id=order_id, reason=str(error))
        if order is None:
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code="expired", reason="arrived after its expiry")
        if order.reason is Reason.POST_ONLY:
            return ev.OrderRefused(at=self._clock.now(), client_order_id=order_id, code=Reason.POST_ONLY.value, reason="would have taken")
        return self._reported(order)

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """Cancels by client id, or one of others by the engine's."""
        try:
            return self._reported(await self._asked(lambda: self._cancel(command)))
        except (Unanswered, Refused) as error:
            return ev.CancelUnconfirmed(at=self._clock.now(), client_order_id=command.client_order_id, reason=str(error))

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """By client id."""
        try:
            order, venue_at = await self._asked(lambda: (self._find(command), self._venue_clock.now()))
        except Unanswered as error:
            return ev.LookUpFailed(at=self._clock.now(), client_order_id=command.client_order_id, reason=str(error))
        if order is None:
            return ev.OrderAbsent(at=self._clock.now(), client_order_id=command.client_order_id, venue_clock_at=venue_at)
        return self._reported(order)

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """Everything, taken at one instant between question and answer."""
        asked_at = self._clock.now()
        try:
            if self.tells_no_past:
                await self._tell_present(command)
                raise Unanswered("its fills were not told")
            reading = await self._asked(lambda: self._reading(command, asked_at))
        except Unanswered as error:
            return ev.VenueUnreadable(at=self._clock.now(), venue=self.id, asked_at=asked_at, reason=str(error))
        self._was_read = True
        return replace(reading, at=self._clock.now())

    async def _tell_present(self, command: ReadVenue) -> None:
        """What is told of the present while the fills of a first reading do not come. Raises Unanswered."""
        for _ in range(TELLINGS):
            await self._clock.sleep(TELLING_PAUSE_S)
            asked_at = self._clock.now()
            told = await self._asked(partial(self._reading, command, asked_at))
            if self._inbox is None or self._was_read:
                return
            self._inbox.put(
                ev.HoldingsReported(
                    at=self._clock.now(),
                    venue=self.id,
                    asked_at=asked_at,
                    clock_offset_ms=told.clock_offset_ms,
                    orders=told.orders,
                    positions=told.positions,
                    margins=told.margins,
                )
            )

    async def funding_rates(self) -> Sequence[ev.FundingRateObserved]:
        """The engine's current rates; nothing while the wire is silent."""
        try:
            views = await self._asked(lambda: [(listed, self._exchange.market(symbol)) for symbol, listed in self._listed.items()])
        except (Unanswered, Refused):
            return ()
        return tuple(rate_observed(listed, view, self._clock.now()) for listed, view in views)

    async def markets(self) -> Sequence[ev.MarketObserved]:
        """The engine's open interest; nothing while the wire is silent."""
        try:
            views = await self._asked(lambda: [(listed, self._exchange.market(symbol)) for symbol, listed in self._listed.items()])
        except (Unanswered, Refused):
            return ()
        return tuple(market_observed(listed, view, self._clock.now()) for listed, view in views)

    async def funding_payments(self, since: Millis) -> ev.FundingRecordsRead | None:
        """The engine's records; None while the wire is silent."""
        to_at = self._clock.now()
        try:
            records = await self._asked(lambda: self._exchange.funding_payments(self._account, None, since + self._offset_ms))
        except Unanswered:
            return None
        payments = tuple(funding_payment(self._listed[r.symbol], r) for r in records if r.symbol in self._listed)
        return ev.FundingRecordsRead(at=self._clock.now(), venue=self.id, from_at=since, to_at=to_at, payments=payments)

    async def listen(self, inbox: Inbox) -> None:
        """Tells quotes on a beat and whenever they move, own reports as they arrive, and link changes as the wire falls silent."""
        self._inbox = inbox
        self._wire.connect(self._heard)
        link, heard_at = None, float("-inf")
        while True:
            now = self._clock.steady()
            if not self._wire.silent:
                heard_at = now
                self._beat(inbox)
            now_link = ev.VenueLink.UP if now - heard_at < max(STALE_AFTER_S, 2 * self._beat_s) else ev.VenueLink.STALE
            if now_link is not link:
                link = now_link
                inbox.put(ev.VenueLinkChanged(at=self._clock.now(), venue=self.id, link=link, reason="the wire"))
            await self._clock.sleep(self._beat_s)

    def _beat(self, inbox: Inbox) -> None:
        """The streams are alive: quotes are repeated."""
        for symbol in self._listed:
            self._quote(inbox, symbol)

    async def disarm(self) -> None:
        """This venue has no dead-man switch; that it was told to is noted."""
        self.was_disarmed = True

    async def close(self) -> None:
        """Hears nothing more. What is on its way goes on."""
        self._wire.disconnect(self._heard)
        self._inbox = None
        self._is_open = False

    def _heard(self, reports: Sequence[Report]) -> None:
        """The streams: reports of our account, and quotes that moved."""
        if self._inbox is None:
            return
        moved: dict[str, None] = {}
        for report in reports:
            if isinstance(report, MarketReport):
                moved[report.view.contract.symbol] = None
            elif isinstance(report, BookReport):
                moved[report.symbol] = None
            else:
                self._own(self._inbox, report)
        for symbol in moved:
            if symbol in self._listed:
                self._quote(self._inbox, symbol)

    def _own(self, inbox: Inbox, report: Report) -> None:
        now = self._clock.now()
        if isinstance(report, OrderReport) and report.order.request.account == self._account:
            inbox.put(self._reported(report.order))
        elif isinstance(report, FillReport) and report.fill.account == self._account:
            inbox.put(ev.FillReported(at=now, fill=fill_report(self._listed[report.fill.symbol], report.fill)))
        elif isinstance(report, BalanceReport) and report.balance.account == self._account:
            marks = {listed.id: self._exchange.market(symbol).mark for symbol, listed in self._listed.items()}
            inbox.put(ev.MarginObserved(at=now, venue=self.id, margin=margin_report(report.balance), marks=marks))

    async def _asked(self, deal: Callable[[], T]) -> T:
        """A call of an open venue. Raises Unanswered before it was opened."""
        if not self._is_open:
            raise Unanswered(NOT_OPEN)
        return await self._wire.call(deal)

    @property
    def _offset_ms(self) -> Millis:
        """The venue's clock less ours, as a connector measures it."""
        return self._venue_clock.now() - self._clock.now()

    # What the venue does with a request when it arrives.

    def _accept(self, command: PlaceOrder, until: Millis) -> Order | None:
        """The order that was taken, None after `until` (the venue's clock)."""
        now = self._venue_clock.now()
        if now > until:
            return None
        request = OrderRequest(
            account=self._account,
            symbol=self._symbol(command.instrument),
            side=Side.SELL if command.quantity < 0 else Side.BUY,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.POST_ONLY if command.post_only else TimeInForce.IOC,
            contracts=command.contracts,
            price=command.price,
            reduce_only=command.reduce_only,
            client_order_id=command.client_order_id,
        )
        order, reports = self._exchange.place(request, now)
        self._wire.tell(reports)
        return order

    def _cancel(self, command: CancelOrder) -> Order:
        symbol = self._symbol(command.instrument)
        which: dict[str, Any] = {"client_order_id": command.client_order_id}
        if command.by_venue_id:
            which = {"order_id": int(command.venue_order_id or 0)}
        order, reports = self._exchange.cancel(self._account, symbol, self._venue_clock.now(), **which)
        self._wire.tell(reports)
        return order

    def _find(self, command: LookUpOrder) -> Order | None:
        return self._exchange.order(self._account, self._symbol(command.instrument), client_order_id=command.client_order_id)

    def _reading(self, command: ReadVenue, asked_at: Millis) -> ev.VenueReported:
        fills = self._exchange.fills(self._account, None, command.fills_since + self._offset_ms, EVERY_FILL)
        orders = self._exchange.open_orders(self._account)
        return ev.VenueReported(
            at=self._clock.now(),
            venue=self.id,
            asked_at=asked_at,
            clock_offset_ms=self._offset_ms,
            orders=tuple(order_report(self._listed[o.request.symbol], o) for o in orders),
            positions=position_reports(self._listed, self._exchange.positions(self._account)),
            fills=tuple(fill_report(self._listed[f.symbol], f) for f in fills),
            margins=tuple(margin_report(b) for b in self._exchange.balances(self._account)),
        )

    def _reported(self, order: Order) -> ev.OrderReported:
        return ev.OrderReported(at=self._clock.now(), report=order_report(self._listed[order.request.symbol], order))

    def _quote(self, inbox: Inbox, symbol: str) -> None:
        view = self._exchange.market(symbol)
        quote = quote_of(self._listed[symbol], self._exchange.book(symbol, 1), view, self._clock.now())
        if quote is not None:
            inbox.put_quote(self._seen(quote))

    def _seen(self, quote: ev.Quote) -> ev.Quote:
        """A market view as it is told."""
        return quote

    def _symbol(self, instrument: InstrumentId) -> str:
        return instrument.partition(":")[2]
