"""One seed from start to end: trouble, calm, quiet, again and again until its hours are over; then an orderly stop and the last look.

In each calm every fault has ended: the book must then be ACTIVE, in band and equal to the world within HEAL_S, without a person unless
one of the faults needs one. After that the market stands still for a while, and nothing may be ordered.
"""

from __future__ import annotations

import asyncio
import inspect
import traceback
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from bot.core.events import OperatorAction
from bot.drivers.chaos import strikes_custody, strikes_orders, strikes_pair, strikes_process, strikes_venues
from bot.drivers.chaos.judge import Averages, Judge
from bot.drivers.chaos.oracle import Violation
from bot.drivers.chaos.pair import PairStage
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, flow, hold, trickle
from bot.drivers.chaos.world import BRISK, MOST_HELD, SLOW, STEADY, Pace
from bot.simulator.hosts import run_hosted
from bot.simulator.virtual_time import Deadlock, run_virtually
from bot.simulator.world import ACCOUNT

OF_ONE: Sequence[Strike] = (*strikes_orders.STRIKES, *strikes_venues.STRIKES, *strikes_custody.STRIKES, *strikes_process.STRIKES)
"""Every kind of fault that one instance can meet, and"""
OF_TWO: Sequence[Strike] = strikes_pair.STRIKES
"""those that need two."""
STRIKES: Sequence[Strike] = (*OF_ONE, *OF_TWO)
PAIRS_SHARE = 1 / 3
"""The part of seeds that play two instances."""
HEAL_S = 900.0
"""Longest time from the end of the last fault until the book is ACTIVE, in band and equal to the world: two quiet periods of five minutes,
one for what the last fault left, one for what was found out during it, and the longest pauses in between."""
STILL_S = 60.0
"""How long nothing may be ordered in a still market once work has ended."""
SETTLES_S = 420.0
"""How long the patient work of a hedged book, changes of venue included, may go on in a market that stands still, and"""
SETTLES_ORDERS = 40
"""how many orders it may take."""
TROUBLE_S = (120.0, 600.0)
SLOW_FROM_HOURS = 2.0
"""From how many hours on a seed runs at the slow pace, and only a part of its store, which is drawn, is folded again at the end:"""
FOLDED_WHOLE = 0.1
"""all of it in so many of these seeds, else the newest"""
FOLDED_POWER = 3
"""quarter on average."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a seed came to. `struck` is by number of the fault; `cpu_s` is left out of comparisons by whoever compares."""

    seed: int
    hours: float
    pace: str
    violations: tuple[Violation, ...]
    struck: Counter[int]
    averages: Averages
    orders: int
    crashes: int
    ended_by_itself: int
    persons: int
    slowest_heal_s: float
    instances: int
    takeovers: tuple[float, ...]
    """How long each takeover took that was timed, virtual seconds."""
    digest: str
    last: tuple[str, ...]


class Seed:
    """Plays one seed on the running virtual-time loop."""

    def __init__(self, number: int, hours: float, pace: Pace | None = None, *, in_pair: bool = False) -> None:
        """`in_pair`: two instances share the store. Needs a loop that knows hosts."""
        self.hours = hours
        self.random = Random(f"{number} plan")
        drawn = self.random.choice((BRISK, STEADY, STEADY, STEADY, SLOW))
        self.pace = pace or (SLOW if hours >= SLOW_FROM_HOURS else drawn)
        self.stage = PairStage(number, self.pace) if in_pair else Stage(number, self.pace)
        self.judge = Judge(self.stage)
        self.strikes = [s for s in OF_ONE if self.random.random() < 0.7] or list(OF_ONE)
        self.weights = [self.random.choice((0.5, 1.0, 2.0)) for _ in self.strikes]
        self.gap_s = self.random.choice((4.0, 12.0, 40.0))
        if in_pair:
            self.strikes += OF_TWO
            self.weights += [self.random.choice((1.0, 2.0, 4.0)) for _ in OF_TWO]
        self.persons = 0
        self.slowest_heal_s = 0.0
        self.needs_person = False
        self.judge_s = self.pace.judge_s

    async def play(self) -> Outcome:
        """The whole seed."""
        stage = self.stage
        current = asyncio.current_task()
        assert current is not None  # noqa: S101  a coroutine that runs has a task
        stage.main = current
        stage.own(self._market(), "market")
        stage.own(self._judged(), "judge")
        for asset, most in MOST_HELD.items():
            hold(stage, asset, Decimal(self.random.randint(1, 10) * most) / 20)
        stage.start()
        end = stage.clock.steady() + self.hours * 3_600
        try:
            while stage.clock.steady() < end and not stage.oracle.violations:
                await self._trouble(end)
                await self._calm()
                await self._idle(end)
            await self._end()
        except Deadlock as dead:
            stage.oracle.broke("LIFE", f"deadlock: {dead}")
        except Exception as error:  # of the harness itself: the seed has failed, and the campaign goes on
            where = traceback.extract_tb(error.__traceback__)[-1]
            stage.oracle.broke("LIFE", f"chaos itself ended with {type(error).__name__}: {error} ({where.name}, line {where.lineno})")
        return self._outcome()

    # phases

    async def _trouble(self, end: float) -> None:
        stage = self.stage
        until = min(end, stage.clock.steady() + self.random.uniform(*TROUBLE_S))
        while stage.clock.steady() < until and not stage.oracle.violations:
            await stage.clock.sleep(self.random.expovariate(1.0 / self.gap_s))
            if self.random.random() < 0.25:
                self.random.choice((flow, trickle))(stage)
                continue
            chosen = self.random.choices(self.strikes, self.weights)[0]
            stage.story.tell("strike", f"F{chosen.number:02d} {getattr(chosen.act, '__name__', '')}")
            stage.busy_until = max(stage.busy_until, stage.clock.steady())
            self.needs_person = self.needs_person or chosen.needs_person
            if not chosen.counts_itself:
                stage.struck[chosen.number] += 1
            struck = chosen.act(stage)
            if inspect.isawaitable(struck):
                await struck
            stage.busy_until = max(stage.busy_until, stage.clock.steady())

    async def _calm(self) -> None:
        """Everything heals, and so must the book."""
        stage = self.stage
        stage.heal()
        stage.story.tell("stage", "calm")
        flow(stage)
        began = stage.clock.steady()
        while not self._is_healed() and not stage.oracle.violations:
            waited = stage.clock.steady() - began
            if waited > HEAL_S:
                stage.oracle.broke("HEAL", f"not ACTIVE, in band and equal to the world after {waited:.0f} s: {self._told()}")
                return
            if self.needs_person and waited > HEAL_S / 3 and await self._resume_halted():
                self.needs_person = False
            await stage.clock.sleep(1.0)
        self.needs_person = False
        self.slowest_heal_s = max(self.slowest_heal_s, stage.clock.steady() - began)
        if not stage.oracle.violations:
            await self._still()
            self.judge.attributed()
            self.judge.cash()

    def _is_healed(self) -> bool:
        return self.judge.is_active() and self.judge.in_band() and self.judge.at_rest()

    async def _resume_halted(self) -> bool:
        venues = {r.venue for r in self.stage.ledger.states if r.latched}
        for venue in sorted(venues, key=str):
            self.persons += 1
            await self.stage.person(OperatorAction.RESUME, venue)
        return self._withdraw_strange() or bool(venues)

    def _withdraw_strange(self) -> bool:
        """A person withdraws by hand what works at a venue and is not in the bot's book: of an epoch that the store has lost."""
        stage, found = self.stage, False
        for venue, exchange in stage.world.exchanges.items():
            for order in exchange.open_orders(ACCOUNT):
                if order.request.client_order_id not in stage.ledger.orders:
                    stage.story.tell("person", f"withdraws {order.request.client_order_id} at {venue}")
                    _, reports = exchange.cancel(ACCOUNT, order.request.symbol, stage.now(), order_id=order.order_id)
                    stage.world.wires[venue].tell(reports)
                    self.persons += 1
                    found = True
        return found

    async def _still(self) -> None:
        """I17: while nothing moves, work ends, and then nothing is ordered."""
        stage = self.stage
        stage.world.still = True
        began = quiet_since = stage.clock.steady()
        before = sent = len(stage.oracle.truth.sent)
        while stage.clock.steady() - quiet_since < STILL_S and not stage.oracle.violations:
            await stage.clock.sleep(5.0)
            if len(stage.oracle.truth.sent) != sent:
                sent, quiet_since = len(stage.oracle.truth.sent), stage.clock.steady()
            if stage.clock.steady() - began > SETTLES_S or sent - before > SETTLES_ORDERS:
                stage.oracle.broke("I17", f"{sent - before} orders within {stage.clock.steady() - began:.0f} s in which nothing moved")
        stage.world.still = False

    async def _idle(self, end: float) -> None:
        """Hours in which nothing goes wrong: the market moves, collateral comes and goes, funding settles."""
        stage = self.stage
        cycles = max(1.0, self.hours * 3_600 / 7_200)
        until = min(end, stage.clock.steady() + (self.hours * 3_600 / cycles if self.hours >= SLOW_FROM_HOURS else 60.0))
        self._slow_down(self.pace.idle_factor)
        while stage.clock.steady() < until and not stage.oracle.violations:
            await stage.clock.sleep(min(self.random.expovariate(1.0 / 600.0), max(1.0, until - stage.clock.steady())))
            self.random.choice((flow, trickle))(stage)
            if self.random.random() < 0.1:
                stage.world.settle_funding()
        self._slow_down(1)

    def _slow_down(self, factor: int) -> None:
        self.stage.world.slow_down(factor)
        self.judge_s = self.pace.judge_s * factor

    async def _end(self) -> None:
        stage = self.stage
        if stage.oracle.violations:
            return
        await self._calm()
        if stage.oracle.violations:
            return
        took = await stage.end()
        if took > 10.0:
            stage.oracle.broke("LIFE", f"an orderly stop took {took:.1f} s")
        self.judge.attributed()
        self.judge.cash()
        is_all = self.hours < SLOW_FROM_HOURS or self.random.random() < FOLDED_WHOLE
        self.judge.folds(1.0 if is_all else self.random.random() ** FOLDED_POWER)

    # around it

    async def _market(self) -> None:
        await self.stage.world.play()

    async def _judged(self) -> None:
        while True:
            await self.stage.clock.sleep(self.judge_s)
            self.judge.look()

    def _told(self) -> str:
        ledger, truth = self.stage.ledger, self.stage.oracle.truth
        venues = {str(v): (r.link.value, r.reconciled, r.unreadable) for v, r in ledger.venues.items() if not r.reconciled}
        states = [f"{r.venue or 'book'} {r.state.value} by {r.cause.value}" for r in ledger.states]
        strays = {str(a): f"{truth.delta(a) * truth.price(a):.0f} USD (band {truth.band_usd(a):.0f})" for a in self.judge.assets()}
        opened = [f"{o.client_order_id} {o.state.value}" for o in ledger.open_orders()]
        return f"states {states}; venues {venues}; net {strays}; open {opened}"

    def _outcome(self) -> Outcome:
        stage = self.stage
        return Outcome(
            seed=stage.seed,
            hours=stage.clock.steady() / 3_600,
            pace=self.pace.name,
            violations=tuple(stage.oracle.violations),
            struck=stage.struck,
            averages=self.judge.averages,
            orders=len(stage.oracle.truth.sent),
            crashes=stage.crashes,
            ended_by_itself=stage.ended_by_itself,
            persons=self.persons,
            slowest_heal_s=self.slowest_heal_s,
            instances=2 if isinstance(stage, PairStage) else 1,
            takeovers=tuple(stage.takeovers) if isinstance(stage, PairStage) else (),
            digest=stage.story.digest(),
            last=stage.story.last(),
        )


def is_pair(number: int) -> bool:
    """Whether a seed plays two instances."""
    return Random(f"{number} instances").random() < PAIRS_SHARE


def play(number: int, hours: float, pace: Pace | None = None) -> Outcome:
    """One seed, on virtual time."""

    async def whole() -> Outcome:
        return await Seed(number, hours, pace, in_pair=is_pair(number)).play()

    return (run_hosted if is_pair(number) else run_virtually)(whole())


__all__ = ["HEAL_S", "STRIKES", "Outcome", "Seed", "is_pair", "play"]
