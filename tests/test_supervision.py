"""Tasks that must all live: however one of them ends, all end, and the reason comes out."""

from __future__ import annotations

import asyncio

import pytest

from bot.supervision import Ended, cause_of, is_cancelled_from_outside, never_ending


class Life:
    """A work that goes on until it is told otherwise, and notes that it ended."""

    def __init__(self, failure: BaseException | None = None, after_s: float | None = None) -> None:
        self.failure, self.after_s, self.ended = failure, after_s, False

    async def work(self) -> None:
        try:
            await asyncio.sleep(3600 if self.after_s is None else self.after_s)
            if self.failure is not None:
                raise self.failure
        finally:
            self.ended = True


@pytest.mark.parametrize(
    ("failure", "raised", "says"),
    [
        (ValueError("a bug"), ValueError, "a bug"),
        (None, Ended, "one ended"),
        (asyncio.CancelledError(), Ended, "one was cancelled from within"),
    ],
)
async def test_whatever_ends_one_ends_all_and_is_told(failure: BaseException | None, raised: type[Exception], says: str):
    one, other = Life(failure, 0.001), Life()
    with pytest.raises(raised, match=says):
        await never_ending(("one", one.work()), ("other", other.work()))
    assert one.ended
    assert other.ended


async def test_a_task_that_somebody_else_cancels_is_told_too():
    other = Life()
    whole = asyncio.create_task(never_ending(("one", Life().work()), ("other", other.work())))
    await asyncio.sleep(0.001)
    next(t for t in asyncio.all_tasks() if t.get_name() == "one").cancel()
    with pytest.raises(Ended, match="one was cancelled from within"):
        await whole
    assert other.ended


async def test_cancelled_from_outside_it_ends_all_and_is_cancelled():
    one, other = Life(), Life()
    whole = asyncio.create_task(never_ending(("one", one.work()), ("other", other.work())))
    await asyncio.sleep(0.001)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
    assert one.ended
    assert other.ended


async def test_the_cause_is_taken_out_of_the_groups_around_it():
    async def grouped() -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [OSError("the cause")])])

    task = asyncio.create_task(grouped(), name="grouped")
    await asyncio.wait({task})
    assert str(cause_of(task)) == "the cause"


async def test_who_cancels_is_known():
    seen: list[bool] = []

    async def waits(on: asyncio.Future[None]) -> None:
        try:
            await on
        except asyncio.CancelledError:
            seen.append(is_cancelled_from_outside())

    within, outside = asyncio.get_running_loop().create_future(), asyncio.get_running_loop().create_future()
    tasks = [asyncio.create_task(waits(within)), asyncio.create_task(waits(outside))]
    await asyncio.sleep(0)
    within.cancel()
    tasks[1].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert seen == [False, True]
