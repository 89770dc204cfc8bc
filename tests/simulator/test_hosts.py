"""Hosts: what runs on a stopped one takes no step while the world goes on, and then everything that was due, in order."""

from __future__ import annotations

import asyncio

from bot.simulator.hosts import HERE, Host, run_hosted


def test_a_stopped_host_takes_no_step_and_catches_up_when_it_goes_on() -> None:
    async def story() -> None:
        host, told = Host("left"), list[tuple[str, float]]()
        loop = asyncio.get_running_loop()

        async def ticks(name: str) -> None:
            while True:
                await asyncio.sleep(1.0)
                told.append((name, loop.time()))

        there = asyncio.create_task(ticks("left"), context=host.context())
        world = asyncio.create_task(ticks("world"))
        await asyncio.sleep(1.5)
        host.stop()
        await asyncio.sleep(3.0)
        host.go_on()
        await asyncio.sleep(1.1)
        assert [at for name, at in told if name == "world"] == [1.0, 2.0, 3.0, 4.0, 5.0]
        assert [at for name, at in told if name == "left"] == [1.0, 4.5, 5.5]  # what was due at 2 is done when it goes on
        assert set(host.tasks) == {there}
        world.cancel()
        await host.kill()
        assert there.cancelled()

    run_hosted(story())


def test_a_timeout_and_an_answer_that_both_came_meanwhile_are_met_in_their_order() -> None:
    mistakes = list[object]()

    async def story(answer_s: float) -> str:
        host = Host("left")
        asyncio.get_running_loop().set_exception_handler(lambda _, context: mistakes.append(context))
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def ask() -> str:
            try:
                async with asyncio.timeout(2.0):
                    return await answer
            except TimeoutError:
                return "nothing"

        asked = asyncio.create_task(ask(), context=host.context())
        await asyncio.sleep(0.5)
        host.stop()
        asyncio.get_running_loop().call_later(answer_s, answer.set_result, "yes")
        await asyncio.sleep(10.0)
        assert not asked.done()
        host.go_on()
        return await asked

    assert run_hosted(story(5.0)) == "nothing"  # its time was up before that
    assert run_hosted(story(1.0)) == "yes"  # and the timer, which is due as well, is cancelled by that
    assert mistakes == []


def test_what_a_stopped_host_is_killed_in_the_middle_of_never_goes_on() -> None:
    async def story() -> None:
        host, done = Host("left"), list[str]()

        async def work() -> None:
            assert HERE.get() is host
            await asyncio.sleep(1.0)
            done.append("one")
            await asyncio.sleep(1.0)
            done.append("two")

        begun = asyncio.create_task(work(), context=host.context())
        await asyncio.sleep(0.5)
        host.stop()
        await asyncio.sleep(5.0)
        await host.kill()
        await asyncio.sleep(5.0)
        assert begun.cancelled()
        assert done == []
        assert not host.is_stopped

    run_hosted(story())
    assert HERE.get() is None
