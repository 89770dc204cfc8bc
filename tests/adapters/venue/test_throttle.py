"""Precedence, reserve, bounds and cancellation of the gate, on virtual time: how busy this machine is plays no part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from types import SimpleNamespace
from typing import Any

import asyncio_throttle.throttler
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.venue import throttle
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask
from bot.adapters.venue.throttle import Gate, Lane, LaneFull, RequestLimit
from bot.simulator.virtual_time import run_virtually


def virtually(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """The test as a function that runs it on a virtual-time loop."""

    @wraps(test)
    def run(*args: Any, **options: Any) -> None:
        run_virtually(test(*args, **options))

    return run


@pytest.fixture(autouse=True, scope="module")
def _throttlers_read_the_loops_clock():
    """asyncio-throttle reads the machine's clock, and the gate with it; here both read the loop's."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (throttle, asyncio_throttle.throttler):
            patch.setattr(module, "time", SimpleNamespace(monotonic=_now))
        yield


def _now() -> float:
    return asyncio.get_running_loop().time()


def _gate(units: int = 10, period_s: float = 0.2, reserved: int = 2, **options) -> Gate:
    return Gate([RequestLimit("weight", units, period_s, reserved)], **options)


async def _drained(gate: Gate, lane: Lane, count: int) -> None:
    for _ in range(count):
        await gate.admit(lane, {"weight": 1})


@virtually
async def test_what_is_within_the_limit_goes_at_once():
    gate = _gate()
    started = _now()
    await _drained(gate, Lane.RECONCILE, 8)
    assert _now() - started < 0.05


@virtually
async def test_no_window_holds_more_than_the_limit():
    gate = _gate(units=10, period_s=0.1, reserved=2)
    granted: list[float] = []

    async def one() -> None:
        await gate.admit(Lane.MARKET_DATA, {"weight": 1})
        granted.append(_now())

    await asyncio.gather(*(one() for _ in range(24)))
    assert all(later - first >= 0.1 for first, later in zip(granted, granted[8:], strict=False))


@virtually
async def test_reads_never_use_what_is_reserved_for_cancels():
    gate = _gate(units=10, period_s=5.0, reserved=3)
    reads = [asyncio.create_task(gate.admit(Lane.MARKET_DATA, {"weight": 1})) for _ in range(30)]
    await asyncio.sleep(0.05)
    assert gate.left("weight") == 3
    started = _now()
    await _drained(gate, Lane.CANCEL, 3)
    assert _now() - started < 0.05
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)


@virtually
async def test_readings_never_use_what_is_kept_for_look_ups():
    gate = Gate([RequestLimit("weight", 20, 5.0, 3, for_look_ups=7)])
    reads = [asyncio.create_task(gate.admit(lane, {"weight": 1})) for lane in (Lane.RECONCILE, Lane.MARKET_DATA) for _ in range(30)]
    await asyncio.sleep(0.05)
    assert gate.left("weight") == 10
    started = _now()
    await _drained(gate, Lane.LOOK_UP, 7)
    assert gate.left("weight") == 3
    await _drained(gate, Lane.CANCEL, 3)
    assert _now() - started < 0.05
    for read in reads:
        read.cancel()
    await asyncio.gather(*reads, return_exceptions=True)
    with pytest.raises(ValueError, match="look-ups"):
        RequestLimit("weight", 20, 5.0, 3, for_look_ups=17)


@virtually
async def test_market_data_never_uses_what_is_kept_for_readings():
    gate = Gate([RequestLimit("weight", 20, 6.0, 3, for_look_ups=4, for_readings=7)])
    polls = [asyncio.create_task(gate.admit(Lane.MARKET_DATA, {"weight": 1})) for _ in range(30)]
    left = []
    for _ in range(3):
        await asyncio.sleep(0.05)
        left.append(gate.left("weight"))
        await asyncio.sleep(1.95)
    assert left == [18, 16, 14], "a third of its part within a third of the period"
    started = _now()
    await _drained(gate, Lane.RECONCILE, 7)
    assert _now() - started < 0.05
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    with pytest.raises(ValueError, match="readings"):
        RequestLimit("weight", 20, 6.0, 3, for_look_ups=4, for_readings=13)


@pytest.mark.parametrize("venue", list(PROFILES))
@virtually
async def test_a_look_up_goes_through_when_readings_have_used_up_their_part(venue):
    """Of every limit that a look-up and a reading share."""
    profile = PROFILES[venue]
    gate = Gate(profile.limits)
    its = [Ask.CLOCK, Ask.ORDER, Ask.FILLS, *([Ask.ORDER_HISTORY] if profile.reads.order_history else [])]
    shared = {name for ask in its for name in profile.weights[ask]} & {
        name for ask in (Ask.CLOCK, Ask.FILLS, Ask.POSITIONS, Ask.MARGIN) for name in profile.weights[ask]
    }
    reads = []
    for limit in profile.limits:
        if limit.name in shared:
            reads.append(asyncio.create_task(gate.admit(Lane.RECONCILE, {limit.name: limit.units})))
            await asyncio.sleep(0.3)
            assert gate.left(limit.name) == limit.reserved + limit.for_look_ups
            reads[-1].cancel()
    async with asyncio.timeout(0.5):
        for ask in its:
            await gate.admit(Lane.LOOK_UP, profile.weights[ask])
    await asyncio.gather(*reads, return_exceptions=True)


@virtually
async def test_the_more_urgent_goes_first_also_when_it_came_last():
    gate = _gate(units=4, period_s=0.1, reserved=1)
    await _drained(gate, Lane.RECONCILE, 3)
    order: list[Lane] = []

    async def one(lane: Lane) -> None:
        await gate.admit(lane, {"weight": 1})
        order.append(lane)

    waiting = []
    for lane in (Lane.MARKET_DATA, Lane.RECONCILE, Lane.LOOK_UP, Lane.INCREASE):
        waiting.append(asyncio.create_task(one(lane)))
        await asyncio.sleep(0.01)
    await asyncio.gather(*waiting)
    assert order == [Lane.INCREASE, Lane.LOOK_UP, Lane.RECONCILE, Lane.MARKET_DATA]


@virtually
async def test_an_urgent_request_does_not_wait_behind_a_heavy_one_being_drawn():
    gate = _gate(units=10, period_s=0.3, reserved=5)
    heavy = asyncio.create_task(gate.admit(Lane.RECONCILE, {"weight": 12}))
    await asyncio.sleep(0.02)
    started = _now()
    await gate.admit(Lane.CANCEL, {"weight": 2})
    assert _now() - started < 0.05
    assert not heavy.done()
    await heavy


@virtually
async def test_a_full_lane_refuses_and_other_lanes_do_not_care():
    gate = _gate(units=2, period_s=5.0, reserved=1, queue_max=3)
    await gate.admit(Lane.MARKET_DATA, {"weight": 1})
    waiting = [asyncio.create_task(gate.admit(Lane.MARKET_DATA, {"weight": 1})) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(LaneFull):
        await gate.admit(Lane.MARKET_DATA, {"weight": 1})
    await gate.admit(Lane.CANCEL, {"weight": 1})
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@virtually
async def test_a_cancelled_waiter_leaves_no_trace():
    gate = _gate(units=4, period_s=0.1, reserved=1)
    await _drained(gate, Lane.RECONCILE, 3)
    head = asyncio.create_task(gate.admit(Lane.RECONCILE, {"weight": 1}))
    behind = asyncio.create_task(gate.admit(Lane.RECONCILE, {"weight": 1}))
    await asyncio.sleep(0.02)
    head.cancel()
    await asyncio.wait_for(behind, 1)
    assert head.cancelled()
    assert all(gate.waiting(lane) == 0 for lane in Lane)


@virtually
async def test_a_closed_gate_lets_nothing_through():
    gate = _gate()
    gate.close_for(0.1)
    gate.close_for(0.01)
    started = _now()
    await gate.admit(Lane.CANCEL, {"weight": 1})
    assert _now() - started >= 0.1


@virtually
async def test_budget_is_told_and_unknown_limits_are_our_mistake():
    told = []
    gate = _gate(budget_seen=lambda *seen: told.append(seen))
    await gate.admit(Lane.LOOK_UP, {"weight": 3})
    assert told == [("weight", 9), ("weight", 8), ("weight", 7)]
    with pytest.raises(KeyError, match="orders"):
        await gate.admit(Lane.LOOK_UP, {"orders": 1})


def test_a_limit_without_a_reserve_is_refused():
    for reserved in (0, 10, 11):
        with pytest.raises(ValueError, match="reserve"):
            RequestLimit("weight", 10, 1.0, reserved)


@settings(max_examples=25, deadline=None)
@given(
    asks=st.lists(st.tuples(st.sampled_from(Lane), st.integers(1, 3), st.booleans()), min_size=1, max_size=14),
    reserved=st.integers(1, 3),
)
def test_whatever_comes_and_goes_the_limits_hold_and_nothing_stays_behind(asks, reserved):
    """Random lanes, weights and cancellations: every survivor is served, no window is overdrawn, the reserve is kept."""
    period_s = 0.03
    grants: list[tuple[float, Lane]] = []

    async def scenario() -> None:
        gate = _gate(units=4, period_s=period_s, reserved=reserved)

        async def one(lane: Lane, weight: int) -> None:
            for _ in range(weight):
                await gate.admit(lane, {"weight": 1})
                grants.append((_now(), lane))

        tasks = [(asyncio.create_task(one(lane, weight)), leaves) for lane, weight, leaves in asks]
        await asyncio.sleep(period_s / 3)
        for task, leaves in tasks:
            if leaves:
                task.cancel()
        results = await asyncio.wait_for(asyncio.gather(*(task for task, _ in tasks), return_exceptions=True), 10)
        assert all(isinstance(result, asyncio.CancelledError) or result is None for result in results)
        assert all(gate.waiting(lane) == 0 for lane in Lane)

    run_virtually(scenario())
    for index, (at, _) in enumerate(grants):
        window = [lane for later, lane in grants[index:] if later - at < period_s]
        assert len(window) <= 4
        assert sum(lane > Lane.REDUCE for lane in window) <= 4 - reserved
