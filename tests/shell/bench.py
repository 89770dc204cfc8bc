"""A bench for whole runs on virtual time: one world, one run of the bot in it after the other, and the questions that tests ask of both.

A crash cuts a run off at one instant: none of its tasks takes another step, what waited in its journal is lost, and what it sent travels on.
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
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset
from bot.shell.lifecycle import Run, World
from bot.shell.recovery import recovered
from bot.simulator.memory import MemoryJournal, MemoryTelemetry
from bot.simulator.virtual_time import VirtualClock, run_virtually
from bot.simulator.world import SimulatedWorld

D = Decimal
P = ParamSpec("P")


def virtual(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Runs an async test on virtual time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def story() -> None:
            await test(*args, **kwargs)

        run_virtually(story())

    del run.__wrapped__  # type: ignore[attr-defined]  # pytest would see the coroutine function behind it
    run.__signature__ = __import__("inspect").signature(test)  # type: ignore[attr-defined]  # parameters are asked for by name
    return run


class Crash(BaseException):
    """The process died here."""


@dataclass
class Life:
    """One run of the bot, from its start to its end."""

    run: Run
    journal: MemoryJournal
    telemetry: MemoryTelemetry
    task: asyncio.Task[None]

    @property
    def ledger(self) -> Ledger:
        return self.run.loop.ledger


class Bench:
    """One world and the runs of the bot in it."""

    def __init__(self, seed: int = 1, *, still: bool = False, world: dict[str, Any] | None = None, **policy: Any) -> None:
        self.clock = VirtualClock()
        self.world = SimulatedWorld(self.clock, seed, **(world or {}))
        self.policy = policy_of(self.world, **policy)
        self.lives: list[Life] = []
        self.crashed = asyncio.Event()
        self.funding_poll_s = 5.0
        self.appending: Callable[[], None] = lambda: None
        self.appended: Callable[[], None] = lambda: None
        self.market = None if still else asyncio.create_task(self.world.play())
        self._outside = asyncio.all_tasks()

    @property
    def life(self) -> Life:
        return self.lives[-1]

    @property
    def ledger(self) -> Ledger:
        return self.life.ledger

    def hold(self, asset: str, quantity: str, **more: Any) -> None:
        self.world.collateral.hold(asset, D(quantity), **more)

    def start(self) -> Life:
        """A run begins."""
        journal = MemoryJournal(self.world.store, appending=self.appending, appended=self.appended)
        telemetry = MemoryTelemetry()
        ports = World(
            venues=self.world.venues(),
            sources=[self.world.collateral],
            journal=journal,
            clock=self.clock,
            telemetry=telemetry,
            funding_poll_s=self.funding_poll_s,
        )
        run = Run(ports, self.policy, "c0ffee", tag=f"t{len(self.lives):03d}")
        life = Life(run=run, journal=journal, telemetry=telemetry, task=asyncio.create_task(run.until_stopped()))
        self.lives.append(life)
        return life

    async def crash(self) -> None:
        """The process is gone, now."""
        self.life.journal.crash()
        mine = asyncio.all_tasks() - self._outside - self.world.tasks()
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

    async def until(self, holds: Callable[[], bool], within_s: float) -> float:
        """Waits until something holds; how many virtual seconds it took."""
        began = self.clock.steady()
        while not holds():
            assert self.clock.steady() - began < within_s, f"not so within {within_s} s; {self.told()}"
            await self.passes(0.005)
        return self.clock.steady() - began

    # what is true

    def wanted(self, asset: str) -> Decimal:
        """The short that the collateral asks for."""
        totals = self.world.collateral.totals
        return sum(
            (t.quantity * (t.redemption_rate or D(0)) for (_, a), t in totals.items() if self.policy.collateral_assets.get(a) == asset), D(0)
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
        return all(i in self.ledger.positions and self.ledger.positions[i].quantity == self.world.position(i) for i in self.world.instruments)

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
        for venue, exchange in self.world.exchanges.items():
            orders = exchange.closed_orders("hedge", None, 1, 100_000)
            ids = [o.request.client_order_id for o in orders]
            assert len(ids) == len(set(ids)), f"an id was executed twice at {venue}"

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


def policy_of(world: SimulatedWorld, **changes: Any) -> Policy:
    """Room to lose one venue of the three; stETH-like collateral counts as ETH."""
    assets = {Asset(a): Asset(a) for a in world.fair}
    plain = Policy(
        collateral_assets=assets | ({Asset("wstETH"): Asset("ETH")} if "ETH" in world.fair else {}),
        collateral_sources=frozenset({"custody"}),
        instruments=frozenset(world.instruments),
        venue_share_max=D("0.55"),
    )
    return replace(plain, **changes)


def same_but_for_market(one: Ledger, other: Ledger) -> bool:
    """Whether two ledgers are equal; quotes and the instant of the newest decision are not part of the record."""
    return replace(one, quotes={}, decided_at=None) == replace(other, quotes={}, decided_at=None)
