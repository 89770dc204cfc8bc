"""The venues of the fake world: they fill, partly fill, refuse, lag and forget, and keep their own books."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from bot.core import events as ev
from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId
from tests.core.fake_wire import TIMEOUT_MS, Wire, WorldOrder, WorldVenue
from tests.core.story import MARKS, margin_report

FUNDED = Decimal(100_000_000)
"""In every account that is margined in a stablecoin."""


class Venues(Wire):
    """What venues do with requests, and what of it they tell."""

    # venues

    def dispatch(self, command: Command) -> None:
        there = self.random.randint(2, 40)
        if isinstance(command, PlaceOrder):
            self.wired[command.client_order_id] = self.wired.get(command.client_order_id, 0) + 1
            self._place(command, there)
        elif isinstance(command, CancelOrder):
            self.at(there, lambda: self._cancel(command))
        elif isinstance(command, LookUpOrder):
            self.at(there, lambda: self._look_up(command))
        elif isinstance(command, ReadVenue):
            self._read(command, there)

    def _unknown(self, order_id: ClientOrderId) -> None:
        self.tell(TIMEOUT_MS, lambda at: ev.OrderOutcomeUnknown(at=at, client_order_id=order_id, reason="timed out"))

    def _place(self, command: PlaceOrder, there: int) -> None:
        if self.chance(self.faults.request_lost) or self.is_silent(command.instrument):
            self._unknown(command.client_order_id)
            return
        if self.chance(self.faults.request_delayed):
            there = self.random.randint(1_000, 7_000)
            self._unknown(command.client_order_id)
            self.at(there, lambda: self._arrive(command, answered=True))
            return
        lost = self.chance(self.faults.answer_lost)
        if lost:
            self._unknown(command.client_order_id)
        self.at(there, lambda: self._arrive(command, answered=lost))

    def _arrive(self, command: PlaceOrder, *, answered: bool) -> None:
        venue = self.venues[command.instrument.split(":")[0]]
        held = venue.held(command.instrument)
        useless = command.reduce_only and held * command.quantity >= ZERO
        if self.now > command.expires_at or useless or self.chance(self.faults.refusal):
            if not answered:
                self.tell(5, lambda at: ev.OrderRefused(at=at, client_order_id=command.client_order_id, code="-1", reason="no such thing"))
            return
        order = WorldOrder(command=command, venue_order_id=f"v{len(venue.orders)}")
        venue.orders[command.client_order_id] = order
        fillable = command.quantity
        if command.reduce_only and abs(fillable) > abs(held):
            fillable = -held
        if self.chance(self.faults.empty_book):
            fillable = ZERO
        elif self.chance(self.faults.partial):
            fillable = self._half(command.instrument, fillable)
        if not answered:
            self._report(order, self.random.randint(2, 200), always=True)
        if command.post_only:
            self._rest(order, fillable)
        elif self.chance(self.faults.slow_match):
            first = self._half(command.instrument, fillable)
            self.at(self.random.randint(10, 1_000), lambda: self._execute(order, first))
            self.at(self.random.randint(1_000, 3_000), lambda: self._finish(order, fillable - first))
        else:
            self._finish(order, fillable)

    def _rest(self, order: WorldOrder, fillable: Decimal) -> None:
        """A post-only order: cancelled if it would take, else in the book until somebody takes it, a part of it, or nobody does."""
        if self.chance(self.faults.would_take):
            self._finish(order, ZERO)
            return
        first = self._half(order.command.instrument, fillable)
        self.at(self.random.randint(10, 6_000), lambda: self._touched(order, first))
        self.at(self.random.randint(3_000, 12_000), lambda: self._touched(order, fillable - first))

    def _touched(self, order: WorldOrder, quantity: Decimal) -> None:
        self._execute(order, quantity)
        if order.filled == order.command.quantity:
            self._finish(order, ZERO)

    def _half(self, instrument: InstrumentId, quantity: Decimal) -> Decimal:
        described = self.described[instrument]
        return described.units_of_contracts(described.contracts_of_units(quantity / 2))

    def _execute(self, order: WorldOrder, quantity: Decimal) -> None:
        command = order.command
        if order.status is not ev.VenueOrderStatus.ACCEPTED or quantity == ZERO:
            return
        venue = self.venues[command.instrument.split(":")[0]]
        if command.reduce_only:
            held = venue.held(command.instrument)
            quantity = ZERO if held * quantity >= ZERO else max(-abs(held), min(abs(held), quantity))
            if quantity == ZERO:
                return
        order.filled += quantity
        self._move(venue, command.instrument, quantity, command.price)
        self.fill_number += 1
        fill = ev.FillReport(
            instrument=command.instrument,
            fill_id=f"t{self.fill_number}",
            client_order_id=None if self.faults.anonymous_fills else command.client_order_id,
            venue_order_id=order.venue_order_id,
            quantity=quantity,
            price=command.price,
            fee=Decimal("0.01"),
            fee_asset=Asset("USDT"),
            kind=ev.FillKind.TRADE,
            venue_at=self.now,
        )
        venue.fills.append(fill)
        self._stream(command.instrument, lambda at: ev.FillReported(at=at, fill=fill))

    def _move(self, venue: WorldVenue, instrument: InstrumentId, quantity: Decimal, price: Decimal) -> None:
        self.paid[instrument] += quantity / price
        venue.positions[instrument].append((self.now, venue.held(instrument) + quantity))

    def _finish(self, order: WorldOrder, quantity: Decimal) -> None:
        if order.status is not ev.VenueOrderStatus.ACCEPTED:
            return
        self._execute(order, quantity)
        done = order.filled == order.command.quantity
        order.status = ev.VenueOrderStatus.FILLED if done else ev.VenueOrderStatus.CANCELED
        self._report(order, self.random.randint(2, 20))

    def _told(self, order: WorldOrder) -> ev.OrderReport:
        return ev.OrderReport(
            instrument=order.command.instrument,
            client_order_id=order.command.client_order_id,
            venue_order_id=order.venue_order_id,
            status=order.status,
            filled_quantity=order.filled,
            average_price=None,
            venue_at=self.now,
        )

    def _report(self, order: WorldOrder, delay: int, *, always: bool = False) -> None:
        report = self._told(order)
        if always:
            self.tell(delay, lambda at: ev.OrderReported(at=at, report=report))
        else:
            self._stream(order.command.instrument, lambda at: ev.OrderReported(at=at, report=report))

    def _stream(self, instrument: InstrumentId, make: Callable[[int], ev.Event]) -> None:
        """By the private stream: lost, late, twice and out of order as the faults say."""
        if self.is_silent(instrument) or self.chance(self.faults.report_lost):
            return
        self.tell(self.random.randint(1, self.faults.report_late_ms), make)
        if self.chance(self.faults.report_twice):
            self.tell(self.random.randint(1, 4 * self.faults.report_late_ms), make)

    def _cancel(self, command: CancelOrder) -> None:
        order = self.venues[command.instrument.split(":")[0]].orders.get(command.client_order_id)
        if self.is_silent(command.instrument) or order is None or order.status is not ev.VenueOrderStatus.ACCEPTED:
            self.tell(5, lambda at: ev.CancelUnconfirmed(at=at, client_order_id=command.client_order_id, reason="not found"))
            return
        order.status = ev.VenueOrderStatus.CANCELED
        if self.chance(self.faults.answer_lost):
            self.tell(TIMEOUT_MS, lambda at: ev.CancelUnconfirmed(at=at, client_order_id=command.client_order_id, reason="timed out"))
            return
        self._report(order, 5, always=True)

    def _look_up(self, command: LookUpOrder) -> None:
        venue = self.venues[command.instrument.split(":")[0]]
        order = venue.orders.get(command.client_order_id)
        if self.is_silent(command.instrument) or self.chance(self.faults.query_failed):
            self.tell(500, lambda at: ev.LookUpFailed(at=at, client_order_id=command.client_order_id, reason="503"))
            return
        forgotten = (
            order is not None and self.faults.forgets_unfilled and order.status is ev.VenueOrderStatus.CANCELED and order.filled == ZERO
        )
        if order is None or forgotten:
            clock = self.now
            self.tell(5, lambda at: ev.OrderAbsent(at=at, client_order_id=command.client_order_id, venue_clock_at=clock))
            return
        self._report(order, self.random.randint(2, 60), always=True)

    def _read(self, command: ReadVenue, there: int) -> None:
        asked_at = self.now
        if self.is_silent(command.venue) or self.chance(self.faults.query_failed):
            self.tell(600, lambda at: ev.VenueUnreadable(at=at, venue=command.venue, asked_at=asked_at, reason="503"))
            return
        venue = self.venues[command.venue]
        told: dict[str, tuple[ev.OrderReport, ...] | tuple[ev.FillReport, ...]] = {}

        def sample_fills() -> None:
            told["fills"] = tuple(f for f in venue.fills if f.venue_at >= command.fills_since)
            told["orders"] = tuple(self._told(o) for o in venue.orders.values() if o.status is ev.VenueOrderStatus.ACCEPTED)

        def sample_positions() -> None:
            seen_at = self.now - self.random.randint(0, self.faults.position_lag_ms)
            rows = tuple(self._row(i, venue.held(i, seen_at)) for i in venue.positions)
            margins = self._margins(command.venue)
            self.tell(
                self.random.randint(2, 60),
                lambda at: ev.VenueReported(
                    at=at,
                    venue=command.venue,
                    asked_at=asked_at,
                    clock_offset_ms=0,
                    orders=told["orders"],  # type: ignore[arg-type]  # one dict for both kinds of rows
                    positions=rows,
                    fills=told["fills"],  # type: ignore[arg-type]  # one dict for both kinds of rows
                    margins=margins,
                ),
            )

        self.at(there, sample_fills)
        self.at(there + self.random.randint(0, 60), sample_positions)

    def mark(self, instrument: InstrumentId) -> Decimal:
        """The price of now, before any noise."""
        return MARKS[self.described[instrument].base]

    def _row(self, instrument: InstrumentId, held: Decimal) -> ev.PositionReport:
        return ev.PositionReport(instrument=instrument, quantity=held, entry_price=None, mark_price=self.mark(instrument))

    def _margins(self, venue: str) -> tuple[ev.MarginReport, ...]:
        settles = sorted({i.settle for i in self.instruments if i.venue == venue})
        coins = {a: self.coins(venue, a) for v, a in self.wallets if v == venue}
        return tuple(replace(margin_report(coins.get(a, FUNDED), "0.01" if a in coins else "1000"), asset=a) for a in settles)

    def coins(self, venue: str, asset: str) -> Decimal:
        """Coins in an account at a venue as it counts them: the wallet and what the inverse positions made, at the mark of now."""
        made = (
            self.paid[i.id] - self.venues[venue].held(i.id) / self.mark(i.id)
            for i in self.instruments
            if i.is_inverse and i.venue == venue and i.settle == asset
        )
        return self.wallets.get((venue, asset), ZERO) + sum(made, ZERO)

    def deleverage(self, instrument: InstrumentId) -> None:
        """The venue takes part of a position away, and mostly says so."""
        venue = self.venues[instrument.split(":")[0]]
        taken = -self._half(instrument, venue.held(instrument))
        if taken == ZERO:
            return
        self._move(venue, instrument, taken, self.mark(instrument))
        if not self.chance(self.faults.deleveraging_told):
            return
        self.fill_number += 1
        fill = ev.FillReport(
            instrument=instrument,
            fill_id=f"t{self.fill_number}",
            client_order_id=None,
            venue_order_id=f"adl{self.fill_number}",
            quantity=taken,
            price=self.mark(instrument),
            fee=None,
            fee_asset=None,
            kind=ev.FillKind.AUTO_DELEVERAGING,
            venue_at=self.now,
        )
        venue.fills.append(fill)
        self._stream(instrument, lambda at: ev.FillReported(at=at, fill=fill))
