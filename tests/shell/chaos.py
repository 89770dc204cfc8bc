"""A small chaos drawn from one seed: virtual minutes of deposits, lost calls, silence, deleveraging and crashes, and then calm.

The probabilities are drawn from the seed too, so that some seeds are gentle and some are not. After the calm the book has converged, the
record equals the venues' books, no id went out twice and nothing was hedged twice. `python -m tests.shell.chaos SEED` repeats a seed.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from dataclasses import dataclass
from random import Random

import structlog

from bot.core.commands import PlaceOrder
from bot.core.units import VenueId
from bot.simulator.virtual_time import run_virtually
from bot.simulator.wire import Wire, WireFault
from tests.shell.bench import Bench, D

TROUBLE_S = 60.0
CALM_S = 120.0
FAULTS = (WireFault.REPLY_LOST, WireFault.NEVER_ARRIVES, WireFault.ARRIVES_LATE)


@dataclass(frozen=True)
class Outcome:
    """What a seed came to: the journal's hash, how often each thing struck, and how many orders went out."""

    digest: str | None
    struck: Counter[str]
    orders: int
    took_s: float


class Trouble:
    """The world's misbehaviour, drawn from a seed of its own so that the bot's doings do not change it."""

    def __init__(self, bench: Bench, seed: int) -> None:
        self.bench = bench
        self.random = Random(seed * 7919 + 1)
        self.struck: Counter[str] = Counter()
        self.call_faults = self.random.choice((0.0, 0.1, 0.3))
        self.weights = {
            self.deposit: 4.0,
            self.silence: self.random.choice((0.0, 1.0, 2.0)),
            self.deleverage: self.random.choice((0.0, 1.0, 2.0)),
            self.slow_stream: self.random.choice((0.0, 1.0)),
            self.deaf_journal: self.random.choice((0.0, 0.5)),
            self.deaf_custody: self.random.choice((0.0, 0.5)),
            self.crash: self.random.choice((0.0, 0.0, 1.0)),
            self.thin_book: self.random.choice((0.0, 0.5)),
        }
        for wire in bench.world.wires.values():
            wire.next_fault = self.next_fault
            wire.latency_s = self.random.choice((0.002, 0.01, 0.08))
            wire.late_s = self.random.choice((0.5, 2.0, 4.9, 7.0))

    def next_fault(self, _: PlaceOrder) -> WireFault:
        if self.random.random() >= self.call_faults:
            return WireFault.NONE
        fault = self.random.choice(FAULTS)
        self.struck[fault.value] += 1
        return fault

    async def until(self, end: float) -> None:
        """One thing after the other."""
        while self.bench.clock.steady() < end:
            await self.bench.passes(self.random.expovariate(0.5))
            strike = self.random.choices(list(self.weights), list(self.weights.values()))[0]
            self.struck[strike.__name__] += 1
            await strike()

    async def deposit(self) -> None:
        asset = self.random.choice(sorted(self.bench.world.fair))
        most = {"BTC": 12, "ETH": 200}[asset]
        self.bench.hold(asset, D(self.random.randint(0, most * 1000)) / 1000)

    async def silence(self) -> None:
        wire = self.wire()
        wire.silent = True
        self.later(self.random.uniform(0.2, 20.0), lambda: setattr(wire, "silent", False))

    async def deleverage(self) -> None:
        instrument = self.random.choice(sorted(self.bench.world.instruments))
        self.bench.deleverage(instrument, self.random.choice(("0.1", "0.5", "1")))

    async def slow_stream(self) -> None:
        self.wire().stream_s = self.random.choice((0.005, 0.3, 3.0))

    async def deaf_journal(self) -> None:
        self.bench.world.store.taking = False
        self.later(self.random.uniform(0.5, 6.0), lambda: setattr(self.bench.world.store, "taking", True))

    async def deaf_custody(self) -> None:
        self.bench.deafen_custody(self.random.uniform(1.0, 10.0))

    async def thin_book(self) -> None:
        self.bench.world.depth["ETH"] = (D(self.random.randint(1, 20)),) * 3

    async def crash(self) -> None:
        self.bench.world.store.taking = True
        await self.bench.crash()
        self.bench.start()

    def wire(self) -> Wire:
        return self.bench.world.wires[VenueId(self.random.choice(sorted(self.bench.world.wires)))]

    def later(self, seconds: float, act: object) -> None:
        asyncio.get_running_loop().call_later(seconds, act)  # type: ignore[arg-type]  # a lambda whose value nobody wants

    def calm(self) -> None:
        """From here on nothing goes wrong any more."""
        for wire in self.bench.world.wires.values():
            wire.silent, wire.next_fault, wire.stream_s = False, lambda _: WireFault.NONE, 0.005
        self.bench.world.store.taking = self.bench.world.collateral.readable = True
        self.bench.world.depth["ETH"] = (D(100),) * 5


async def story(seed: int, *, hashed: bool) -> Outcome:
    """One seed from start to an orderly stop."""
    bench = Bench(seed, world={"tick_s": 2.0})
    trouble = Trouble(bench, seed)
    bench.hold("BTC", "5")
    bench.hold("ETH", "60")
    bench.start()
    await trouble.until(TROUBLE_S)
    trouble.calm()
    bench.hold("ETH", "77.7")
    took = await bench.until(bench.converged, CALM_S, 0.1)
    await bench.passes(15)
    assert bench.converged(), bench.told()
    bench.check()
    await bench.stop()
    return Outcome(bench.world.store.digest() if hashed else None, trouble.struck, len(bench.world.placed), took)


def run(seed: int, *, hashed: bool = False) -> Outcome:
    """One seed, with the command that repeats it when it fails."""
    try:
        return run_virtually(story(seed, hashed=hashed))
    except BaseException as error:
        raise AssertionError(f"seed {seed}: {error}\nrepeat with: python -m tests.shell.chaos {seed}") from error


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    for argument in sys.argv[1:]:
        print(argument, run(int(argument), hashed=True))
