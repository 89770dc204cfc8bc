"""A tiny pure world around the step: venues that fill, partly fill, refuse, lose answers, and tell things late, twice or never.

Everything is drawn from one seed and happens on virtual time, so a failing seed repeats exactly. The world keeps its own books: what
really happened at the venues, against which the ledger is judged. It knows the core only by its events and commands.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from bot.core import events as ev
from bot.core import exposure, invariants
from bot.core.commands import CancelOrder, Command, LookUpOrder, PlaceOrder, ReadVenue
from bot.core.engine import step
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, VenueId
from tests.core.playbook import MARKS, T0, listed, margin_report, quote_of

BEAT_MS = 1_000
SOON_MS = 50
TIMEOUT_MS = 3_000


@dataclass(frozen=True)
class Faults:
    """How often each thing goes wrong, as probabilities per occasion unless told otherwise."""

    answer_lost: float = 0.0
    request_lost: float = 0.0
    request_delayed: float = 0.0
    refusal: float = 0.0
    empty_book: float = 0.0
    partial: float = 0.0
    slow_match: float = 0.0
    report_lost: float = 0.0
    report_twice: float = 0.0
    report_late_ms: int = 20
    anonymous_fills: bool = False
    forgets_unfilled: bool = False
    query_failed: float = 0.0
    position_lag_ms: int = 0
    deleveraging: float = 0.0
    deleveraging_told: float = 0.7
    silence: float = 0.0
    crash: float = 0.0
    collateral_moves: float = 0.0
    funding_moves: float = 0.0
    mark_noise_bps: float = 0.0


@dataclass
class WorldOrder:
    """An order as its venue knows it."""

    command: PlaceOrder
    venue_order_id: str
    filled: Decimal = ZERO
    status: ev.VenueOrderStatus = ev.VenueOrderStatus.ACCEPTED


@dataclass
class WorldVenue:
    """A venue's own books: the truth."""

    orders: dict[ClientOrderId, WorldOrder] = field(default_factory=dict)
    fills: list[ev.FillReport] = field(default_factory=list)
    positions: dict[InstrumentId, list[tuple[int, Decimal]]] = field(default_factory=dict)
    silent_until: int = 0

    def held(self, instrument: InstrumentId, at: int | None = None) -> Decimal:
        """The position, now or as it was at an instant."""
        history = self.positions[instrument]
        if at is None:
            return history[-1][1]
        return next((quantity for since, quantity in reversed(history) if since <= at), ZERO)


class World:
    """The venues, the collateral, the wire and the clock around one ledger."""

    def __init__(self, seed: int, policy: Policy, faults: Faults) -> None:
        self.random = Random(seed)
        self.policy = policy
        self.faults = faults
        self.now = T0
        self.ledger = Ledger()
        self.queue: list[tuple[int, int, int, Callable[[], None]]] = []
        self.number = 0
        self.run_number = 0
        self.fill_number = 0
        self.decision_at: int | None = None
        self.decisions = 0
        self.events: list[ev.Event] = []
        self.commands: list[Command] = []
        self.wired: dict[ClientOrderId, int] = {}
        self.collateral: dict[str, Decimal] = {str(a): ZERO for a in exposure.hedged_assets(policy)}
        self.instruments = [listed(*i.split(":")) for i in sorted(policy.instruments)]
        self.venues = {v: WorldVenue() for v in sorted({str(i.venue) for i in self.instruments})}
        for instrument in self.instruments:
            self.venues[instrument.venue].positions[instrument.id] = [(T0, ZERO)]
        self.overshoot: dict[str, Decimal] = dict.fromkeys(self.collateral, ZERO)

    # time and the wire

    def at(self, delay_ms: int, act: Callable[[], None]) -> None:
        """Does something later, in this run of the bot or for the venue alike."""
        self.number += 1
        heapq.heappush(self.queue, (self.now + max(0, delay_ms), self.number, -1, act))

    def tell(self, delay_ms: int, make: Callable[[int], ev.Event]) -> None:
        """Delivers an event to the bot later; what was on its way when the bot crashed is lost."""
        self.number += 1
        run = self.run_number
        heapq.heappush(self.queue, (self.now + max(0, delay_ms), self.number, run, lambda: self.feed(make(self.now))))

    def run(self, for_ms: int) -> None:
        """Lets virtual time pass."""
        until = self.now + for_ms
        while self.queue and self.queue[0][0] <= until:
            at, _, run, act = heapq.heappop(self.queue)
            self.now = at
            if run in (-1, self.run_number):
                act()
        self.now = until

    def chance(self, probability: float) -> bool:
        """Whether a fault strikes."""
        return probability > 0 and self.random.random() < probability

    # the bot

    def feed(self, event: ev.Event) -> None:
        """One event through the step, its commands onto the wire."""
        result = step(self.ledger, event, self.policy)
        self.ledger = result.ledger
        self.events.append(event)
        self.commands.extend(result.commands)
        assert not invariants.broken(self.ledger), invariants.broken(self.ledger)
        for command in result.commands:
            self._dispatch(command)
        if result.decide_soon:
            self._decide_by(self.now + SOON_MS)

    def _decide_by(self, at: int) -> None:
        if self.decision_at is not None and self.now <= self.decision_at <= at:
            return
        self.decision_at = at
        self.number += 1
        heapq.heappush(self.queue, (at, self.number, self.run_number, lambda: self._decide(at)))

    def _decide(self, due_at: int) -> None:
        if self.decision_at != due_at:
            return
        self.decision_at = None
        self.decisions += 1
        self.feed(ev.DecisionDue(at=self.now, quotes=tuple(self._quote(i.id) for i in self.instruments)))
        self._judge()
        if self.decision_at is None:
            self._decide_by(self.now + BEAT_MS)

    def _quote(self, instrument: InstrumentId) -> ev.Quote:
        mark = MARKS[instrument.split(":")[1]]
        if self.faults.mark_noise_bps:
            mark = (mark * (1 + Decimal(str(self.random.gauss(0, self.faults.mark_noise_bps))) / 10_000)).quantize(Decimal("0.1"))
        heard_at = min(self.now, self.venues[instrument.partition(":")[0]].silent_until - 60_000) if self._silent(instrument) else self.now
        return quote_of(instrument, mark, heard_at)

    def _silent(self, where: str) -> bool:
        return self.now < self.venues[where.partition(":")[0]].silent_until

    def start(self) -> None:
        """A run of the bot begins: the first, or after a crash that lost everything that was on its way."""
        self.run_number += 1
        self.decision_at = None
        epoch = f"r{self.run_number}x"
        self.feed(ev.SessionStarted(at=self.now, epoch=epoch, config_hash="c", policy=self.policy))
        for instrument in self.instruments:
            self.feed(ev.InstrumentListed(at=self.now, instrument=instrument))
        for venue in self.venues:
            self.tell(50, lambda at, v=venue: ev.VenueLinkChanged(at=at, venue=VenueId(v), link=ev.VenueLink.UP, reason="connected"))
        for asset in self.collateral:
            self._tell_collateral(asset)
        self._decide_by(self.now + SOON_MS)

    def beat(self) -> None:
        """Once a second: what happens by itself."""
        self.tell(1, lambda at: ev.CollateralConfirmed(at=at, source="custody"))
        for asset in self.collateral:
            if self.chance(self.faults.collateral_moves):
                self.move_collateral(asset, Decimal(self.random.randint(0, 4000)) / 100)
        for instrument in self.instruments:
            if self.chance(self.faults.deleveraging):
                self.deleverage(instrument.id)
            if self.chance(self.faults.funding_moves):
                self._move_funding(instrument.id)
        for venue in self.venues:
            if self.chance(self.faults.silence):
                self.silence(venue, self.random.randint(1_000, 20_000))
        if self.chance(self.faults.crash):
            self.start()
        self.at(BEAT_MS, self.beat)

    # collateral, funding, silence

    def move_collateral(self, asset: str, quantity: Decimal) -> None:
        """What is held of an asset becomes this."""
        self.collateral[asset] = quantity
        self._tell_collateral(asset)

    def _tell_collateral(self, asset: str) -> None:
        quantity = self.collateral[asset]
        self.feed(
            ev.CollateralObserved(
                at=self.now, source="custody", location="vault", asset=Asset(asset), quantity=quantity, redemption_rate=Decimal(1)
            )
        )

    def _move_funding(self, instrument: InstrumentId) -> None:
        rate = Decimal(self.random.choice((-5, -1, 1, 5))) / 10_000
        for delay in (0, 400, 800):
            self.tell(
                delay,
                lambda at: ev.FundingRateObserved(
                    at=at, instrument=instrument, rate=rate, interval_ms=8 * 3_600_000, next_settlement_at=None
                ),
            )

    def silence(self, venue: str, for_ms: int) -> None:
        """Nothing comes from a venue and no request reaches it for a while."""
        self.venues[venue].silent_until = max(self.venues[venue].silent_until, self.now + for_ms)
        self.tell(10, lambda at: ev.VenueLinkChanged(at=at, venue=VenueId(venue), link=ev.VenueLink.STALE, reason="silent"))
        self.at(for_ms + 10, lambda: self._heard_again(venue))

    def _heard_again(self, venue: str) -> None:
        if not self._silent(venue):
            self.tell(10, lambda at: ev.VenueLinkChanged(at=at, venue=VenueId(venue), link=ev.VenueLink.UP, reason="heard"))

    # venues

    def _dispatch(self, command: Command) -> None:
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
        if self.chance(self.faults.request_lost) or self._silent(command.instrument):
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
            fillable = listed(*command.instrument.split(":")).to_contracts(fillable / 2, Decimal(1)) * self._contract(command.instrument)
        if not answered:
            self._report(order, self.random.randint(2, 200), always=True)
        if self.chance(self.faults.slow_match):
            first = self._half(command.instrument, fillable)
            self.at(self.random.randint(10, 1_000), lambda: self._execute(order, first))
            self.at(self.random.randint(1_000, 3_000), lambda: self._finish(order, fillable - first))
        else:
            self._finish(order, fillable)

    def _contract(self, instrument: InstrumentId) -> Decimal:
        return listed(*instrument.split(":")).contract_size

    def _half(self, instrument: InstrumentId, quantity: Decimal) -> Decimal:
        return listed(*instrument.split(":")).to_contracts(quantity / 2, Decimal(1)) * self._contract(instrument)

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
        self._move(venue, command.instrument, quantity)
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

    def _move(self, venue: WorldVenue, instrument: InstrumentId, quantity: Decimal) -> None:
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
        if self._silent(instrument) or self.chance(self.faults.report_lost):
            return
        self.tell(self.random.randint(1, self.faults.report_late_ms), make)
        if self.chance(self.faults.report_twice):
            self.tell(self.random.randint(1, 4 * self.faults.report_late_ms), make)

    def _cancel(self, command: CancelOrder) -> None:
        order = self.venues[command.instrument.split(":")[0]].orders.get(command.client_order_id)
        if self._silent(command.instrument) or order is None or order.status is not ev.VenueOrderStatus.ACCEPTED:
            self.tell(5, lambda at: ev.CancelUnconfirmed(at=at, client_order_id=command.client_order_id, reason="not found"))
            return
        order.status = ev.VenueOrderStatus.CANCELED
        self._report(order, 5, always=True)

    def _look_up(self, command: LookUpOrder) -> None:
        venue = self.venues[command.instrument.split(":")[0]]
        order = venue.orders.get(command.client_order_id)
        if self._silent(command.instrument) or self.chance(self.faults.query_failed):
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
        if self._silent(command.venue) or self.chance(self.faults.query_failed):
            self.tell(600, lambda at: ev.VenueUnreadable(at=at, venue=command.venue, asked_at=asked_at, reason="503"))
            return
        venue = self.venues[command.venue]
        told: dict[str, tuple[ev.OrderReport, ...] | tuple[ev.FillReport, ...]] = {}

        def sample_fills() -> None:
            told["fills"] = tuple(f for f in venue.fills if f.venue_at >= command.fills_since)
            told["orders"] = tuple(self._told(o) for o in venue.orders.values() if o.status is ev.VenueOrderStatus.ACCEPTED)

        def sample_positions() -> None:
            seen_at = self.now - self.random.randint(0, self.faults.position_lag_ms)
            rows = tuple(
                ev.PositionReport(instrument=i, quantity=venue.held(i, seen_at), entry_price=None, mark_price=None) for i in venue.positions
            )
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
                    margins=(margin_report(),),
                ),
            )

        self.at(there, sample_fills)
        self.at(there + self.random.randint(0, 60), sample_positions)

    def deleverage(self, instrument: InstrumentId) -> None:
        """The venue takes part of a position away, and mostly says so."""
        venue = self.venues[instrument.split(":")[0]]
        taken = -self._half(instrument, venue.held(instrument))
        if taken == ZERO:
            return
        self._move(venue, instrument, taken)
        if not self.chance(self.faults.deleveraging_told):
            return
        self.fill_number += 1
        fill = ev.FillReport(
            instrument=instrument,
            fill_id=f"t{self.fill_number}",
            client_order_id=None,
            venue_order_id=f"adl{self.fill_number}",
            quantity=taken,
            price=MARKS[instrument.split(":")[1]],
            fee=None,
            fee_asset=None,
            kind=ev.FillKind.AUTO_DELEVERAGING,
            venue_at=self.now,
        )
        venue.fills.append(fill)
        self._stream(instrument, lambda at: ev.FillReported(at=at, fill=fill))

    # judging

    def true_net(self, asset: str) -> Decimal:
        """Collateral and what the venues really hold."""
        held = sum((v.held(i) for v in self.venues.values() for i in v.positions if i.endswith(f":{asset}")), ZERO)
        return self.collateral[asset] + held

    def _judge(self) -> None:
        for asset in self.collateral:
            self.overshoot[asset] = min(self.overshoot[asset], self.true_net(asset))

    def heal(self) -> None:
        """Faults stop; what is silent is heard again."""
        self.faults = Faults(
            anonymous_fills=self.faults.anonymous_fills,
            forgets_unfilled=self.faults.forgets_unfilled,
            mark_noise_bps=0.0,
        )
        for name, venue in self.venues.items():
            venue.silent_until = min(venue.silent_until, self.now)
            self._heard_again(name)

    def differences(self) -> list[str]:
        """Where the ledger and the world disagree, or the book is not hedged, in sentences."""
        found = []
        for venue in self.venues.values():
            for instrument in venue.positions:
                ours = self.ledger.positions[instrument].quantity
                if ours != venue.held(instrument):
                    found.append(f"{instrument}: ledger {ours}, venue {venue.held(instrument)}")
        for asset in self.collateral:
            band = exposure.rebalance_threshold(self.ledger, self.policy, Asset(asset))
            if band is None or abs(self.true_net(asset)) > band:
                found.append(f"{asset}: net {self.true_net(asset)} of {self.collateral[asset]} is outside {band}")
        found.extend(f"{o.client_order_id} is {o.state.value}" for o in self.ledger.open_orders())
        found.extend(f"{v} is not reconciled" for v, r in self.ledger.venues.items() if not r.reconciled)
        found.extend(f"{order} was wired {times} times" for order, times in self.wired.items() if times != 1)
        return found

    def orders_placed(self) -> int:
        """Orders that were ever sent."""
        return len(self.wired)

    def replayed(self) -> tuple[Ledger, list[Command]]:
        """The same events folded again from nothing."""
        ledger, commands = Ledger(), []
        for event in self.events:
            result = step(ledger, event, self.policy)
            ledger = result.ledger
            commands.extend(result.commands)
        return ledger, commands
