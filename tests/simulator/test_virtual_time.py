"""Virtual time: a timer that lies ahead always moves the clock on."""

from __future__ import annotations

import asyncio

from bot.simulator.hosts import run_hosted
from bot.simulator.virtual_time import VirtualClock, run_virtually


async def _waits_for_next_to_nothing() -> float:
    """What is left to wait for a clock that runs a little slower, late in a long run: less than the time of day can tell apart."""
    loop = asyncio.get_running_loop()
    await VirtualClock().sleep(32_768.0)
    began = loop.time()
    assert began + 1e-13 == began
    await VirtualClock().sleep(1e-13)
    return loop.time() - began


def test_a_timer_that_lies_ahead_moves_the_clock_on() -> None:
    assert 0 < run_virtually(_waits_for_next_to_nothing()) < 1e-5
    assert 0 < run_hosted(_waits_for_next_to_nothing()) < 1e-5


def test_what_is_due_now_takes_no_time() -> None:
    async def story() -> float:
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        loop.call_later(0, done.set_result, loop.time())
        return float(await done)

    assert run_virtually(story()) == 0.0
