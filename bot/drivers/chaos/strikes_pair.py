"""Strikes at two instances that share a store with a lease: one dies, stands still, is cut off; the store loses what it knew, or is two."""

from __future__ import annotations

from collections.abc import Sequence

from bot.core import risk
from bot.core.records import TradingState
from bot.core.units import ZERO, Asset, InstrumentId
from bot.drivers.chaos.pair import Instance, PairStage
from bot.drivers.chaos.stage import Stage
from bot.drivers.chaos.strike import Strike, flow, hold
from bot.drivers.chaos.world import ASSETS

TAKEOVER_S = 10.0
"""Longest time from the end of a leader until the other one hedges: reductions at least, when no venue is in trouble. Where the pace asks
for decisions more rarely than by default, one beat of them more."""
SHORTEST_S = 12.0
"""A leader that is gone for so long and longer has lost its place."""
RATES = (0.97, 0.99, 1.01, 1.03)
"""How fast a host's clock may run: two of them differ by no more than what is allowed for."""


def _pair(stage: Stage) -> PairStage:
    assert isinstance(stage, PairStage)  # noqa: S101  only a seed with two instances draws these
    return stage


def clear_assets(stage: PairStage) -> list[Asset]:
    """Assets whose reductions are to be expected in time: nobody halted anything, and no earlier fault holds an instrument of them up."""
    if stage.switch.halted is not None or any(r.state is TradingState.HALTED for r in stage.ledger.states):
        return []
    held_up = {listed.base for i, listed in stage.world.instruments.items() if _is_held_up(stage, i)}
    return [Asset(a) for a in ASSETS if a not in held_up]


def _is_held_up(stage: PairStage, instrument: InstrumentId) -> bool:
    """Whether an order of ours is open there that never came to its venue, or reductions rest.

    The proof that it is absent and the rest after that take a beat each: at a slow pace longer than a takeover may. One that arrived while
    nobody heard of it is found by the first question that is answered.
    """
    known = stage.oracle.truth.sent
    for order in stage.ledger.open_orders(instrument):
        sent = known.get(order.client_order_id)
        if sent is None or not (sent.is_open or sent.has_ended):
            return True
    return risk.rest_breach(stage.ledger, stage.policy, instrument, stage.bot_clock.now(), reductions=True) is not None


async def _just_before(stage: PairStage) -> None:
    """Something is under way when it happens, and not always the same."""
    flow(stage)
    await stage.clock.sleep(stage.random.uniform(0.0, 1.0))


async def hedges_again(stage: PairStage, lost: Instance, assets: Sequence[Asset], what: str) -> None:
    """From now on the leader is lost: what is too much of any of these is reduced by the other one within the stated time.

    Beside an order that works there and that the store had lost, a venue's first word on a position is not believed: one beat more.
    """
    asset = stage.random.choice(assets)
    began, sent = stage.clock.steady(), len(stage.oracle.truth.sent)
    beat_s = stage.pace.policy.get("decision_beat_ms", 0) / 1_000
    hold(stage, asset, ZERO)
    is_protected = await _is_protected_by(stage, asset, sent, began + TAKEOVER_S + beat_s)
    if not is_protected and stage.oracle.forgotten_works(asset):
        is_protected = await _is_protected_by(stage, asset, sent, began + TAKEOVER_S + 2 * beat_s)
    took = stage.clock.steady() - began
    if not is_protected:
        stage.oracle.broke("TAKEOVER", f"{asset} stays short of what is held {took:.0f} s after {lost.host.name} {what}")
    elif stage.leader is not lost and took > 0.0:
        stage.takeovers.append(took)


async def _is_protected_by(stage: PairStage, asset: Asset, sent: int, deadline: float) -> bool:
    while not (is_protected := stage.oracle.is_protected(asset, sent)) and stage.clock.steady() < deadline:
        await stage.clock.sleep(0.05)
    return is_protected


async def killed(stage: Stage) -> None:
    """F71: an instance is killed: the one that sends, and now and then the one that stands by."""
    pair = _pair(stage)
    await _just_before(pair)
    if pair.random.random() < 0.25 and (follower := pair.follower) is not None:
        await pair.kill(follower)
        pair.later(pair.random.uniform(1.0, 20.0), pair.start)
        return
    timed = clear_assets(pair) if pair.random.random() < 0.5 else []
    if timed:
        pair.heal()
    if (leader := pair.leader) is None or (timed and pair.follower is None):
        return
    pair.struck[71] += 1
    await pair.kill(leader)
    pair.later(pair.random.uniform(1.0, 30.0), pair.start)
    if timed:
        await hedges_again(pair, leader, timed, "was killed")


async def frozen(stage: Stage) -> None:
    """F72: the leader is stopped while the world goes on, and wakes up as if nothing had happened."""
    pair = _pair(stage)
    await _just_before(pair)
    seconds = pair.random.choice((0.5, 2.0, 3.0, 4.0, 8.0, 20.0, 60.0))
    timed = clear_assets(pair) if seconds > SHORTEST_S else []
    if timed:
        pair.heal()
    if (leader := pair.leader) is None or (timed and pair.follower is None):
        return
    pair.struck[72] += 1
    pair.freeze(leader, seconds)
    if timed:
        await hedges_again(pair, leader, timed, "was stopped")
    else:
        flow(pair)


async def cut_off(stage: Stage) -> None:
    """F73: the store does not answer the leader, and answers the other one; venues answer both."""
    pair = _pair(stage)
    await _just_before(pair)
    seconds = pair.random.choice((1.0, 2.5, 4.0, 10.0, 30.0))
    timed = clear_assets(pair) if seconds > SHORTEST_S else []
    if timed:
        pair.heal()
    if (leader := pair.leader) is None or (timed and pair.follower is None):
        return
    pair.struck[73] += 1
    pair.story.tell("stage", f"{leader.host.name} is cut off from the store for {seconds:.1f} s")
    leader.is_linked = False
    pair.later(seconds, lambda: setattr(leader, "is_linked", True))
    if timed:
        await hedges_again(pair, leader, timed, "was cut off from the store")
    else:
        flow(pair)


async def fails_over(stage: Stage) -> None:
    """F74: a failover loses acknowledged entries and the newest grant, now and then while the leader cannot hear of it."""
    pair = _pair(stage)
    await _just_before(pair)
    leader = pair.leader
    if leader is None or pair.follower is None:
        return
    pair.struck[74] += 1
    if pair.random.random() < 0.5:
        leader.is_linked = False
        pair.later(pair.random.uniform(1.0, 10.0), lambda: setattr(leader, "is_linked", True))
    entries = pair.random.choice((0, 1, 5, 50))
    pair.story.tell("stage", f"the store fails over and has lost {entries} entries")
    pair.fail_over(entries, forgets=pair.random.random() < 0.5)
    pair.later(1.0, lambda: flow(pair))


async def granted_twice(stage: Stage) -> None:
    """F56: the store is two for a while, and each half grants the lease."""
    pair = _pair(stage)
    await _just_before(pair)
    leader, follower = pair.leader, pair.follower
    if leader is None or follower is None or leader.turn is None or not leader.reaches():
        return
    turn, seconds = leader.turn, pair.random.uniform(5.0, 40.0)
    pair.story.tell("stage", f"the store is two for {seconds:.1f} s")
    pair.split(leader, pair.random.choice((0, 1, 5, 20)), seconds)
    for n in range(4):
        pair.later(seconds * n / 4, lambda: flow(pair))
    while not (is_both := follower.life is not None and leader.turn is turn) and pair.clock.steady() < pair.busy_until:
        await pair.clock.sleep(0.25)
    pair.struck[56] += is_both


def clocks_differ(stage: Stage) -> None:
    """F75: the clocks of one host are off: what it tells of the time of day, and how fast its seconds are."""
    pair = _pair(stage)
    one = pair.random.choice(pair.instances)
    one.clock.offset_ms = pair.random.choice((-2_000, -300, 300, 2_000))
    one.clock.run_at(pair.random.choice(RATES))
    pair.struck[75] += 1
    pair.story.tell("stage", f"the clock of {one.host.name} is off by {one.clock.offset_ms} ms")

    def right() -> None:
        one.clock.offset_ms = 0
        one.clock.run_at(1.0)

    pair.later(pair.random.uniform(10.0, 60.0), right)
    flow(pair)


STRIKES: Sequence[Strike] = (
    Strike(56, granted_twice, counts_itself=True, needs_person=True),
    Strike(71, killed, counts_itself=True),
    Strike(72, frozen, counts_itself=True),
    Strike(73, cut_off, counts_itself=True),
    Strike(74, fails_over, counts_itself=True, needs_person=True),
    Strike(75, clocks_differ, counts_itself=True),
)
