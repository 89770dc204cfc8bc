"""`ports.Venue` straight on the matching engine: no HTTP, no dialect, virtual or real time, and a wire that loses things.

For tests of the shell and for fault simulation. What the wire does to each call is told by `Wire.next_fault`; the engine behind it is the
very one that the dialects speak for. Venue time is the clock's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core import events as ev
from bot.core.commands import CancelOrder, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.instrument import ContractKind, Instrument
from bot.core.units import Asset, ClientOrderId, InstrumentId, Millis, VenueId
from bot.ports import CancelAnswer, Clock, Inbox, LookUpAnswer, PlaceAnswer, ReadAnswer
from bot.simulator.exchange import Exchange
from bot.simulator.model import (
    Contract,
    Fill,
    FillKind,
    FillReport,
    MarketReport,
    Order,
    OrderKind,
    OrderReport,
    OrderRequest,
    OrderState,
    Refused,
    Report,
    Side,
    TimeInForce,
)


class WireFault(StrEnum):
    """What happens to one call."""

    NONE = "none"
    REPLY_LOST = "reply_lost"
    NEVER_ARRIVES = "never_arrives"
    ARRIVES_LATE = "arrives_late"


@dataclass(slots=True, kw_only=True)
class Wire:
    """The way to one venue. `silent` lets reads and calls fail and streams say nothing; times in seconds."""

    latency_s: float = 0.01
    timeout_s: float = 1.0
    late_s: float = 2.0
    silent: bool = False
    next_fault: Callable[[PlaceOrder], WireFault] = field(default=lambda _: WireFault.NONE)


class DirectVenue:
    """One account at one engine."""

    def __init__(self, venue: VenueId, exchange: Exchange, account: str, clock: Clock, wire: Wire) -> None:
        self.id = venue
        self.exchange = exchange
        self.wire = wire
        self.placed: list[ClientOrderId] = []
        self._account = account
        self._clock = clock
        self._inbox: Inbox | None = None
        self._listed = {c.symbol: _instrument(venue, c) for c in exchange.contracts.values()}
        self._late: set[asyncio.Task[None]] = set()

    async def open(self) -> Sequence[Instrument]:
        """Describes every contract. Raises ConnectionError while the wire is silent."""
        await self._travel()
        return tuple(self._listed.values())

    async def place(self, command: PlaceOrder) -> PlaceAnswer:
        """One attempt, with whatever the wire does to it."""
        self.placed.append(command.client_order_id)
        fault = self.wire.next_fault(command)
        if self.wire.silent or fault is WireFault.NEVER_ARRIVES:
            return await self._unanswered(command)
        if fault is WireFault.ARRIVES_LATE:
            self._later(command)
            return await self._unanswered(command)
        await self._clock.sleep(self.wire.latency_s)
        try:
            order = self._accept(command)
        except Refused as refused:
            return ev.OrderRefused(
                at=self._clock.now(), client_order_id=command.client_order_id, code=refused.refusal.value, reason=refused.detail
            )
        if fault is WireFault.REPLY_LOST:
            return await self._unanswered(command)
        await self._clock.sleep(self.wire.latency_s)
        return ev.OrderReported(at=self._clock.now(), report=self._order_report(order))

    async def cancel(self, command: CancelOrder) -> CancelAnswer:
        """Cancels by client id."""
        at = self._clock.now
        try:
            await self._travel()
            symbol = self._symbol(command.instrument)
            order, reports = self.exchange.cancel(self._account, symbol, at(), client_order_id=command.client_order_id)
        except (ConnectionError, Refused) as error:
            return ev.CancelUnconfirmed(at=at(), client_order_id=command.client_order_id, reason=str(error))
        self.heard(reports)
        return ev.OrderReported(at=at(), report=self._order_report(order))

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """By client id."""
        try:
            await self._travel()
        except ConnectionError as error:
            return ev.LookUpFailed(at=self._clock.now(), client_order_id=command.client_order_id, reason=str(error))
        symbol = self._symbol(command.instrument)
        order = self.exchange.order(self._account, symbol, client_order_id=command.client_order_id)
        now = self._clock.now()
        if order is None:
            return ev.OrderAbsent(at=now, client_order_id=command.client_order_id, venue_clock_at=now)
        return ev.OrderReported(at=now, report=self._order_report(order))

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """Everything, taken at one instant."""
        asked_at = self._clock.now()
        try:
            await self._travel()
        except ConnectionError as error:
            return ev.VenueUnreadable(at=self._clock.now(), venue=self.id, asked_at=asked_at, reason=str(error))
        held = {p.symbol: p for p in self.exchange.positions(self._account)}
        return ev.VenueReported(
            at=self._clock.now(),
            venue=self.id,
            asked_at=asked_at,
            clock_offset_ms=0,
            orders=tuple(self._order_report(o) for o in self.exchange.open_orders(self._account)),
            positions=tuple(
                ev.PositionReport(
                    instrument=listed.id,
                    quantity=held[symbol].contracts * listed.contract_size if symbol in held else Decimal(0),
                    entry_price=held[symbol].entry_price if symbol in held else None,
                    mark_price=held[symbol].mark_price if symbol in held else None,
                )
                for symbol, listed in self._listed.items()
            ),
            fills=tuple(self._fill_report(f) for f in self.exchange.fills(self._account, None, command.fills_since)),
            margins=tuple(
                ev.MarginReport(
                    asset=Asset(b.asset),
                    margin_balance=b.margin_balance,
                    wallet_balance=b.wallet,
                    maintenance_margin=b.maintenance_margin,
                    initial_margin=b.initial_margin,
                )
                for b in self.exchange.balances(self._account)
            ),
        )

    async def funding_rates(self) -> Sequence[ev.FundingRateObserved]:
        """The engine's current rates; nothing while the wire is silent."""
        if self.wire.silent:
            return ()
        now = self._clock.now()
        return tuple(
            ev.FundingRateObserved(
                at=now,
                instrument=listed.id,
                rate=self.exchange.market(symbol).funding_rate,
                interval_ms=listed.funding_interval_ms,
                next_settlement_at=self.exchange.market(symbol).next_funding_at,
            )
            for symbol, listed in self._listed.items()
        )

    async def funding_payments(self, since: Millis) -> Sequence[ev.FundingPaid]:
        """The engine's records; nothing while the wire is silent."""
        if self.wire.silent:
            return ()
        now = self._clock.now()
        return tuple(
            ev.FundingPaid(
                at=now,
                payment=ev.FundingPayment(
                    instrument=self._listed[r.symbol].id,
                    payment_id=str(r.payment_id),
                    quantity=r.amount,
                    asset=Asset(r.asset),
                    venue_at=r.at,
                ),
            )
            for r in self.exchange.funding_payments(self._account, None, since)
        )

    async def listen(self, inbox: Inbox) -> None:
        """Tells quotes ten times a second, and link changes as the wire falls silent and speaks again; own reports as they happen."""
        self._inbox = inbox
        link = None
        while True:
            now_link = ev.VenueLink.STALE if self.wire.silent else ev.VenueLink.UP
            if now_link is not link:
                link = now_link
                inbox.put(ev.VenueLinkChanged(at=self._clock.now(), venue=self.id, link=link, reason="the wire"))
            if not self.wire.silent:
                for symbol in self._listed:
                    self._quote(inbox, symbol)
            await self._clock.sleep(0.1)

    async def close(self) -> None:
        """Forgets the inbox and drops what is still on its way."""
        self._inbox = None
        for task in self._late:
            task.cancel()

    def heard(self, reports: Sequence[Report]) -> None:
        """The private stream: reports of our account go into the inbox at once, unless the wire is silent."""
        if self._inbox is None or self.wire.silent:
            return
        for report in reports:
            if isinstance(report, OrderReport) and report.order.request.account == self._account:
                self._inbox.put(ev.OrderReported(at=self._clock.now(), report=self._order_report(report.order)))
            if isinstance(report, FillReport) and report.fill.account == self._account:
                self._inbox.put(ev.FillReported(at=self._clock.now(), fill=self._fill_report(report.fill)))
            if isinstance(report, MarketReport):
                self._quote(self._inbox, report.view.contract.symbol)

    async def _travel(self) -> None:
        await self._clock.sleep(self.wire.latency_s)
        if self.wire.silent:
            await self._clock.sleep(self.wire.timeout_s)
            raise ConnectionError("no answer")

    async def _unanswered(self, command: PlaceOrder) -> ev.OrderOutcomeUnknown:
        await self._clock.sleep(self.wire.timeout_s)
        return ev.OrderOutcomeUnknown(at=self._clock.now(), client_order_id=command.client_order_id, reason="no answer in time")

    def _later(self, command: PlaceOrder) -> None:
        async def arrive() -> None:
            await self._clock.sleep(self.wire.late_s)
            if self._clock.now() <= command.expires_at:  # the venue's own expiry check
                self._accept(command)

        task = asyncio.create_task(arrive())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def _accept(self, command: PlaceOrder) -> Order:
        request = OrderRequest(
            account=self._account,
            symbol=self._symbol(command.instrument),
            side=Side.SELL if command.quantity < 0 else Side.BUY,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.IOC,
            contracts=command.contracts,
            price=command.price,
            reduce_only=command.reduce_only,
            client_order_id=command.client_order_id,
        )
        order, reports = self.exchange.place(request, self._clock.now())
        self.heard(reports)
        return order

    def _quote(self, inbox: Inbox, symbol: str) -> None:
        book, view, listed = self.exchange.book(symbol, 1), self.exchange.market(symbol), self._listed[symbol]
        if not book.bids or not book.asks:
            return
        now = self._clock.now()
        inbox.put_quote(
            ev.Quote(
                instrument=listed.id,
                bid=book.bids[0].price,
                ask=book.asks[0].price,
                bid_quantity=book.bids[0].contracts * listed.contract_size,
                ask_quantity=book.asks[0].contracts * listed.contract_size,
                mark=view.mark,
                index=view.index,
                book_at=now,
                mark_at=now,
            )
        )

    def _symbol(self, instrument: InstrumentId) -> str:
        return instrument.partition(":")[2]

    def _order_report(self, order: Order) -> ev.OrderReport:
        listed, request = self._listed[order.request.symbol], order.request
        return ev.OrderReport(
            instrument=listed.id,
            client_order_id=None if request.client_order_id is None else ClientOrderId(request.client_order_id),
            venue_order_id=str(order.order_id),
            status=_STATUS[order.state],
            filled_quantity=order.filled * listed.contract_size * request.side.sign,
            average_price=order.average_price,
            venue_at=order.updated_at,
        )

    def _fill_report(self, fill: Fill) -> ev.FillReport:
        listed = self._listed[fill.symbol]
        return ev.FillReport(
            instrument=listed.id,
            fill_id=str(fill.fill_id),
            client_order_id=None if fill.client_order_id is None else ClientOrderId(fill.client_order_id),
            venue_order_id=None if fill.order_id is None else str(fill.order_id),
            quantity=fill.contracts * listed.contract_size * fill.side.sign,
            price=fill.price,
            fee=fill.fee,
            fee_asset=Asset(fill.fee_asset),
            kind=_KIND[fill.kind],
            venue_at=fill.at,
        )


_STATUS = {
    OrderState.NEW: ev.VenueOrderStatus.ACCEPTED,
    OrderState.PARTIALLY_FILLED: ev.VenueOrderStatus.ACCEPTED,
    OrderState.FILLED: ev.VenueOrderStatus.FILLED,
    OrderState.CANCELED: ev.VenueOrderStatus.CANCELED,
    OrderState.EXPIRED: ev.VenueOrderStatus.CANCELED,
    OrderState.REJECTED: ev.VenueOrderStatus.REJECTED,
}
_KIND = {
    FillKind.TRADE: ev.FillKind.TRADE,
    FillKind.AUTO_DELEVERAGING: ev.FillKind.AUTO_DELEVERAGING,
    FillKind.LIQUIDATION: ev.FillKind.LIQUIDATION,
}


def _instrument(venue: VenueId, contract: Contract) -> Instrument:
    return Instrument(
        venue=venue,
        venue_symbol=contract.symbol,
        base=Asset(contract.base),
        quote=Asset(contract.quote),
        settle=Asset(contract.settle),
        kind=ContractKind.INVERSE if contract.inverse else ContractKind.LINEAR,
        contract_size=contract.contract_size,
        lot=contract.lot,
        tick=contract.tick,
        contracts_min=contract.contracts_min,
        contracts_max=contract.contracts_max,
        notional_min=contract.notional_min,
        funding_interval_ms=contract.funding_interval_ms,
        taker_fee=contract.taker_fee,
        maker_fee=contract.maker_fee,
    )
