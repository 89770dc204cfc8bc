"""A bench for whole runs on virtual time: one world, one run of the bot in it after the other, and the questions that tests ask of both.

A crash cuts a run off at one instant: none of its tasks takes another step, what waited in its journal is lost, and what it sent
travels on.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ParamSpec

from bot.core import exposure, invariants
from bot.core.commands import PlaceOrder
from bot.core.events import OrderReport, OrderReported, VenueOrderStatus
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset, ClientOrderId, InstrumentId, Millis
from bot.operating import HaltSwitch, Intents
from bot.ports import Clock, Journal, Snapshot
from bot.shell.heard import Heard
from bot.shell.lifecycle import Run, World
from bot.shell.mandate import Mandate
from bot.shell.recovery import Course, recovered
from bot.simulator.memory import MemoryJournal, MemoryTelemetry
from bot.simulator.model import FillKind
from bot.simulator.virtual_time import VirtualClock, run_virtually
from bot.simulator.world import SimulatedWorld

D = Decimal
P = ParamSpec("P")
LIFE_MS = 6_000
"""Longest time from a decision to the last fill that can follow from it: an order's expiry, and the way."""
UNSEEN_MS = 30_000
"""Longest time in which the bot may not have noticed what a venue took without telling."""


def virtual(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an async test on virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def story() -> None:
            await test(*args, **kwargs)

        run_virtually(story())

    return run


class Crash(BaseException):
    """The process died here."""


class CrashPoint:
    """Counts the points that a run passes (appends, and calls at each stage of their way) and kills it at one of them; 0: never."""

    def __init__(self, number: int = 0) -> None:
        self.number = number
        self.passed: list[str] = []
        self.crashed = asyncio.Event()

    def reached(self, where: str) -> None:
        self.passed.append(where)
        if len(self.passed) == self.number:
            self.crashed.set()
            if "arrived" not in where:  # that one is the venue's doing, and its reply meets nobody
                raise Crash(where)


@dataclass
class Life:
    """One run of the bot, from its start to its end."""

    run: Run
    journal: Journal
    telemetry: MemoryTelemetry
    task: asyncio.Task[None]

    @property
    def ledger(self) -> Ledger:
        return self.run.loop.ledger


class Bench:
    """One world and the runs of the bot in it."""

    def __init__(
        self,
        seed: int = 1,
        *,
        still: bool = False,
        world: dict[str, Any] | None = None,
        clock: Clock | None = None,
        funding_poll_s: float = 5.0,
        **policy: Any,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.world = SimulatedWorld(self.clock, seed, **(world or {}))
        self.policy = policy_of(self.world, **policy)
        self.lives: list[Life] = []
        self.wants: dict[str, list[tuple[Millis, Decimal]]] = {}
        self.deaf: list[tuple[Millis, Millis]] = []
        self.taken: dict[str, list[tuple[Millis, Decimal]]] = {}
        self.crash_point: CrashPoint | None = None
        self.journal_of: Callable[[], Journal] = self._memory_journal
        self.funding_poll_s = funding_poll_s
        self.switch: HaltSwitch | None = None
        self.intents: Intents | None = None
        self.mandate: Mandate | None = None
        self.recovery: tuple[Snapshot, Course] | None = None
        self.heard = Heard()
        self.watched: dict[str, Callable[[], Any]] = {}
        self.market = None if still else asyncio.create_task(self.world.play())
        self.outside = asyncio.all_tasks()

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def ledger(self) -> Ledger:
        return self.life.ledger

    def hold(self, asset: str, quantity: str | Decimal, **more: Any) -> None:
        """Custody holds this much from now on."""
        self.world.collateral.hold(asset, D(quantity), **more)
        base = self.policy.collateral_assets[Asset(asset)]
        self.wants.setdefault(base, []).append((self.clock.now(), self.wanted(base)))

    def deafen_custody(self, seconds: float) -> None:
        """Custody cannot be read for so long, and what changes meanwhile is told on the beat after that."""
        self.world.collateral.readable = False
        self.deaf.append((self.clock.now(), self.clock.now() + int(1000 * (seconds + self.world.collateral.beat_s))))
        asyncio.get_running_loop().call_later(seconds, lambda: setattr(self.world.collateral, "readable", True))

    def deleverage(self, instrument: InstrumentId, fraction: str) -> Decimal:
        """A venue takes a part of a position."""
        taken = self.world.deleverage(instrument, D(fraction))
        self.taken.setdefault(self.world.instruments[instrument].base, []).append((self.clock.now(), taken))
        return taken

    def start(self) -> Life:
        """A run begins."""
        journal = self.journal_of()
        for wire in self.world.wires.values():
            wire.passing = lambda venue, passage: self._reached(f"{venue} {passage.value}")
        telemetry = MemoryTelemetry()
        ports = World(
            venues=self.world.venues(),
            sources=[self.world.collateral],
            journal=journal,
            clock=self.clock,
            telemetry=telemetry,
            funding_poll_s=self.funding_poll_s,
            halt=self.switch,
            intents=self.intents,
            mandate=self.mandate,
            heard=self.heard,
            watched=self.watched,
        )
        self.ports = ports
        run = Run(ports, self.policy, "c0ffee", tag=f"t{len(self.lives):03d}", recovery=self.recovery)
        life = Life(run=run, journal=journal, telemetry=telemetry, task=asyncio.create_task(run.until_stopped()))
        self.lives.append(life)
        return life

    def accepted(self, command: PlaceOrder) -> OrderReported:
        """What a venue says that acknowledges an order before it matches it."""
        report = OrderReport(
            instrument=command.instrument,
            client_order_id=command.client_order_id,
            venue_order_id=None,
            status=VenueOrderStatus.ACCEPTED,
            filled_quantity=D(0),
            average_price=None,
            venue_at=None,
        )
        return OrderReported(at=self.clock.now(), report=report)

    def _memory_journal(self) -> MemoryJournal:
        return MemoryJournal(
            self.world.store, appending=lambda: self._reached("append begins"), appended=lambda: self._reached("append ends")
        )

    def _reached(self, where: str) -> None:
        if self.crash_point is not None:
            self.crash_point.reached(where)

    async def crash(self) -> None:
        """The process is gone, now."""
        if isinstance(self.life.journal, MemoryJournal):
            self.life.journal.crash()
        mine = asyncio.all_tasks() - self.outside - self.world.tasks()
        for task in mine:
            task.cancel()
        with suppress(BaseExceptionGroup):
            await asyncio.gather(*mine, return_exceptions=True)

    async def stop(self) -> float:
        """An orderly stop; how many virtual seconds it took."""
        began = self.clock.steady()
        self.life.run.stop("the test is over")
        await self.life.task
        return self.clock.steady() - began

    async def passes(self, seconds: float) -> None:
        """Time passes; the run must not end."""
        await asyncio.wait({self.life.task}, timeout=seconds)
        if self.life.task.done():
            await self.life.task
            raise AssertionError("the run ended by itself")

    async def until(self, holds: Callable[[], bool], within_s: float, step_s: float = 0.005) -> float:
        """Waits until something holds; how many virtual seconds it took."""
        began = self.clock.steady()
        while not holds():
            assert self.clock.steady() - began < within_s, f"not so within {within_s} s; {self.told()}"
            await self.passes(step_s)
        return self.clock.steady() - began

    # what is true

    def wanted(self, asset: str) -> Decimal:
        """The short that the collateral asks for."""
        totals = self.world.collateral.totals
        return sum(
            (t.quantity * (t.redemption_rate or D(0)) for (_, a), t in totals.items() if self.policy.collateral_assets.get(a) == asset),
            D(0),
        )

    def hedged(self, asset: str) -> bool:
        """Whether the venues' own books are within the band of what custody holds."""
        band = exposure.rebalance_threshold(self.ledger, self.policy, Asset(asset))
        return band is not None and abs(self.wanted(asset) - self.world.short(asset)) <= band

    def at_rest(self) -> bool:
        """Nothing is open, nothing is disputed, every venue has agreed, and the record equals the venues' books."""
        ledger = self.ledger
        return (
            not ledger.open_orders()
            and all(ledger.venues.get(v) is not None and ledger.venues[v].reconciled for v in self.world.exchanges)
            and self.agrees()
        )

    def agrees(self) -> bool:
        """Whether the record equals the venues' books, to the last lot."""
        return all(
            i in self.ledger.positions and self.ledger.positions[i].quantity == self.world.position(i) for i in self.world.instruments
        )

    def all_hedged(self) -> bool:
        return all(self.hedged(a) for a in self.world.fair)

    def converged(self) -> bool:
        return self.at_rest() and self.all_hedged()

    def check(self) -> None:
        """What must be true at any instant, whatever happened."""
        placed = self.world.placed
        assert len(placed) == len(set(placed)), "a client order id went out twice"
        assert not invariants.broken(self.ledger), invariants.broken(self.ledger)
        assert not self.ledger.invariants_broken, self.ledger.invariants_broken
        for asset in self.world.fair:
            band = exposure.rebalance_threshold(self.ledger, self.policy, Asset(asset)) or D(0)
            assert self.overshoot(asset) <= band, f"{asset} was hedged {self.overshoot(asset)} beyond what was wanted"
        for venue, exchange in self.world.exchanges.items():
            orders = exchange.closed_orders("hedge", None, 1, 100_000)
            ids = [o.request.client_order_id for o in orders]
            assert len(ids) == len(set(ids)), f"an id was executed twice at {venue}"

    def overshoot(self, asset: str) -> Decimal:
        """How far any fill of ours ever took the short of an asset beyond what was wanted (0: never).

        Wanted is what custody held at the fill or within the life of an order before it. What a venue took shortly before may not have
        been known yet, and is allowed for; so is the increasing leg of a change of venue, which goes first.
        """
        held = worst = D(0)
        for at, kind, quantity, order_id in self._fills(asset):
            held += quantity
            if kind is not FillKind.TRADE:
                continue
            slack = sum((taken for since, taken in self.taken.get(asset, []) if at - UNSEEN_MS <= since <= at), D(0))
            order = None if order_id is None else self.ledger.orders.get(ClientOrderId(order_id))
            if order is not None and "change of venue" in order.reason:
                continue
            wanted = self._wanted_lately(asset, at)
            beyond = -held - max(wanted) if quantity < 0 else min(wanted) + held
            worst = max(worst, min(beyond, abs(quantity)) - slack)  # what was beyond before it is another fill's doing
        return worst

    def _fills(self, asset: str) -> list[tuple[Millis, FillKind, Decimal, str | None]]:
        fills = [
            (f.at, f.fill_id, f.kind, f.contracts * f.side.sign * e.contracts[f.symbol].contract_size, f.client_order_id)
            for e in self.world.exchanges.values()
            for f in e.fills("hedge", None, 1, 100_000)
            if e.contracts[f.symbol].base == asset
        ]
        return [(at, kind, quantity, order) for at, _, kind, quantity, order in sorted(fills, key=lambda f: f[:2])]

    def _wanted_lately(self, asset: str, at: Millis) -> list[Decimal]:
        """Every quantity that was wanted at some time between one order life ago, or the last word of custody before, and now."""
        start = at - LIFE_MS
        for deaf_from, deaf_to in self.deaf:
            if deaf_from < at and deaf_to >= start:
                start = min(start, deaf_from - LIFE_MS)
        known = [(since, quantity) for since, quantity in self.wants.get(asset, []) if since <= at]
        old = [quantity for since, quantity in known if since <= start]
        return [*old[-1:], *(quantity for since, quantity in known if since > start)] or [D(0)]

    def replayed(self) -> Ledger:
        """What the durable journal folds to now."""
        return recovered(self.world.store.steps(), self.policy).ledger

    def told(self) -> str:
        """The book in one line, for a failing test."""
        books = {i: str(self.world.position(i)) for i in self.world.instruments}
        record = {i: str(p.quantity) for i, p in self.ledger.positions.items()}
        venues = {v: (r.link.value, r.reconciled, r.unreadable) for v, r in self.ledger.venues.items()}
        opened = [(o.client_order_id, o.state.value, str(o.quantity)) for o in self.ledger.open_orders()]
        notes = [f"{n.subject}: {n.sentence}" for n in self.ledger.notes[-6:]]
        return f"venues {books}; record {record}; links {venues}; open {opened}; notes {notes}"


async def hedged_bench(seed: int = 1, btc: str = "10", eth: str = "100", **more: Any) -> Bench:
    """A run that has hedged its collateral and is at rest."""
    bench = Bench(seed, **more)
    for asset, quantity in (("BTC", btc), ("ETH", eth)):
        if asset in bench.world.fair:
            bench.hold(asset, quantity)
    bench.start()
    await bench.until(bench.converged, 20)
    return bench


def policy_of(world: SimulatedWorld, **changes: Any) -> Policy:
    """Room to lose one venue of the three, and no instrument that carries all; stETH-like collateral counts as ETH."""
    assets = {Asset(a): Asset(a) for a in world.fair}
    plain = Policy(
        collateral_assets=assets | ({Asset("wstETH"): Asset("ETH")} if "ETH" in world.fair else {}),
        collateral_sources=frozenset({"custody"}),
        instruments=frozenset(world.instruments),
        venue_share_max=D("0.55"),
        instrument_notional_max=D(280_000),
        # The accounts of this world hold many times what its custody does.
        collateral_share_max=D(1),
        settle_exposure_max=D(1),
    )
    return replace(plain, **changes)


def same_but_for_market(one: Ledger, other: Ledger) -> bool:
    """Whether two ledgers are equal but for what is not part of the record: quotes, the newest decision, and what was asked for last."""
    return _recorded(one) == _recorded(other)


def _recorded(ledger: Ledger) -> Ledger:
    venues = {v: replace(r, read_asked_at=None, read_pending=False, messages=()) for v, r in ledger.venues.items()}
    return replace(ledger, quotes={}, decided_at=None, venues=venues)
