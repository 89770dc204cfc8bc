"""Strikes at time, store and process: F46-F63, and the kills of F68."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from bot.core.events import OperatorAction
from bot.core.records import TradingState
from bot.core.units import ZERO, Asset
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, conditions_of, flow, hold, venue_of
from bot.drivers.chaos.world import ASSETS

POINTS_MAX = 60
"""The farthest point of a run's way at which it crashes."""
CRASH_WITHIN_S = 20.0
PROTECTED_S = 10.0
"""Longest time from a start until what is too much is reduced, with a venue's slowest quotes beside it."""


def clock_step(stage: Stage) -> None:
    """F46: the host's clock steps, and steps back."""
    clock = stage.bot_clock
    clock.offset_ms = stage.random.choice((-2_000, -700, -300, 300, 700, 2_000))
    stage.story.tell("stage", f"the bot's clock is off by {clock.offset_ms} ms")
    stage.later(stage.random.uniform(5.0, 60.0), lambda: setattr(clock, "offset_ms", 0))
    flow(stage)


def paused(stage: Stage) -> None:
    """F47: the process is stopped for a minute."""
    flow(stage)
    stage.story.tell("stage", "the process stands still for 60 s")
    stage.stand_still(60.0)
    stage.later(1.0, lambda: None)


def blocked(stage: Stage) -> None:
    """F63: the loop is blocked."""
    seconds = stage.random.uniform(2.0, 30.0)
    stage.story.tell("stage", f"the loop is blocked for {seconds:.1f} s")
    stage.later(seconds, lambda: None)
    stage.stand_still(seconds)
    flow(stage)


async def crash_somewhere(stage: Stage) -> None:
    """F49: the process dies at one of the points that it passes: an append, or a call at any stage of its way."""
    stage.crashing.clear()
    stage.crash_in = stage.random.randint(1, POINTS_MAX)
    flow(stage)
    deadline = stage.clock.steady() + CRASH_WITHIN_S
    while not stage.crashing.is_set() and stage.clock.steady() < deadline:
        await stage.until_soon(stage.crashing)
    await stage.crash()
    await stage.clock.sleep(stage.random.choice((0.0, 0.2, 3.0, 20.0)))
    stage.start()


def store_down(stage: Stage) -> None:
    """F50: the store takes nothing."""
    stage.world.store.taking = False
    stage.later(stage.random.choice((0.5, 5.0, 30.0, 90.0)), lambda: setattr(stage.world.store, "taking", True))
    flow(stage)


def store_slow(stage: Stage) -> None:
    """F51: each durable entry takes up to two seconds, and the loop waits for it."""
    stage.slow_store_s = stage.random.choice((0.05, 0.3, 2.0))
    stage.later(stage.random.uniform(2.0, 20.0), lambda: setattr(stage, "slow_store_s", 0.0))
    flow(stage)


async def torn_tail(stage: Stage) -> None:
    """F54: the process dies and the store's newest entries are torn; the journal says so."""
    await _lose(stage, stage.random.randint(1, 5))


async def rolled_back(stage: Stage) -> None:
    """F55 and F57: a failover brings an older store back, with its counter, and the journal says so."""
    stage.struck[57] += 1
    stage.world.store.epoch = 0
    await _lose(stage, stage.random.randint(20, 500))


async def _lose(stage: Stage, entries: int) -> None:
    flow(stage)
    await stage.clock.sleep(stage.random.uniform(0.0, 1.0))
    await stage.crash()
    stage.world.store.lose(entries)
    stage.forget()
    stage.start()


async def history_dead(stage: Stage) -> None:
    """F38: no venue tells of the past while the process starts, on its journal or on an empty one: what is too much is reduced."""
    asset = Asset(stage.random.choice(ASSETS))
    if stage.switch.halted is not None or any(r.state is TradingState.HALTED for r in stage.ledger.states):
        return
    stage.heal()
    await stage.crash()
    if stage.random.random() < 0.5:
        stage.world.store.lose(len(stage.world.store.entries))
        stage.forget()
    for here in stage.world.conditions.values():
        here.history_dead = True
        stage.later(stage.random.uniform(PROTECTED_S, 60.0), partial(setattr, here, "history_dead", False))
    hold(stage, asset, ZERO)
    sent = len(stage.oracle.truth.sent)
    stage.start()
    deadline = stage.clock.steady() + PROTECTED_S + 2 * stage.pace.quote_s
    while stage.clock.steady() < deadline and not stage.oracle.is_protected(asset, sent):
        await stage.clock.sleep(0.5)
    if not stage.oracle.is_protected(asset, sent) and not any(wire.silent for wire in stage.world.wires.values()):
        stage.oracle.broke("C22", f"{asset} stays short of what is held {PROTECTED_S:.0f} s after a start without history")


async def orderly_stop(stage: Stage) -> None:
    """F60: SIGTERM while an order is on its way; now and then the process is killed before it has ended."""
    flow(stage)
    await stage.clock.sleep(stage.random.uniform(0.0, 0.5))
    if stage.random.random() < 0.5:
        took = await stage.stop()
        if took > 10.0:
            stage.oracle.broke("LIFE", f"an orderly stop took {took:.1f} s")
    else:
        stage.life.cut = True
        stage.life.run.stop("SIGTERM")
        await stage.clock.sleep(stage.random.uniform(0.0, 2.0))
        await stage.crash()
    stage.start()


def feed_dies(stage: Stage) -> None:
    """F62: a background task ends: the run ends, and is started again."""
    conditions_of(stage).feed_dies = True
    stage.later(stage.pace.quote_s + 5.0, lambda: None)


async def kills(stage: Stage) -> None:
    """F68: two people halt the book, one of them while a venue is down; later one resumes it."""
    if not stage.world.store.taking:
        return
    stage.struck[68] += 1
    wire = stage.world.chaos_wires[venue_of(stage)]
    wire.silent = True
    flow(stage)
    stage.later(8.0, lambda: setattr(wire, "silent", False))
    await stage.person(OperatorAction.HALT)
    await stage.person(OperatorAction.HALT)
    await stage.clock.sleep(stage.random.uniform(5.0, 30.0))
    await stage.person(OperatorAction.RESUME)
    stage.later(1.0, lambda: None)


STRIKES: Sequence[Strike] = (
    Strike(38, history_dead, counts_itself=True, needs_person=True),
    Strike(46, clock_step),
    Strike(47, paused),
    Strike(49, crash_somewhere),
    Strike(50, store_down),
    Strike(51, store_slow, counts_itself=True),
    Strike(54, torn_tail, needs_person=True),
    Strike(55, rolled_back, needs_person=True),
    Strike(60, orderly_stop),
    Strike(62, feed_dies, counts_itself=True),
    Strike(63, blocked),
    Strike(68, kills, counts_itself=True),
)
