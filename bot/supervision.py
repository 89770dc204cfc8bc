"""Tasks that must all live: whatever ends one of them ends them all, and the reason comes out.

`asyncio.TaskGroup` is not enough for that: a task that ends in `CancelledError` without anybody having cancelled the group (a connector
that cancels what it was waiting for does that) is gone without a word, and so is one that merely returns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any, NoReturn

from bot.ports import Clock


class Ended(Exception):
    """A task that must never end returned, or was cancelled by something within it: its name."""


async def never_ending(*works: tuple[str, Coroutine[Any, Any, Any]]) -> NoReturn:
    """Runs named works until cancelled. Raises what the first of them to die raised, or Ended; the others are cancelled and awaited."""
    tasks: list[asyncio.Task[Any]] = [asyncio.create_task(work, name=name) for name, work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        dead = next(task for task in tasks if task.done())  # in the order in which they were given: the same in every run
    finally:
        await _ended(tasks)
    raise cause_of(dead)


async def _ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def cause_of(task: asyncio.Task[Any]) -> BaseException:
    """What killed a task, out of the groups that wrapped it; Ended when it returned or was cancelled."""
    error = None if task.cancelled() else task.exception()
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error or Ended(f"{task.get_name()} {'was cancelled from within' if task.cancelled() else 'ended'}")


def is_cancelled_from_outside() -> bool:
    """Whether the running task itself is asked to end. A CancelledError without that came from within what it waited for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def set_or_after(news: asyncio.Event, clock: Clock, seconds: float) -> None:
    """Waits until `news` is set, no longer than `seconds` of the clock."""
    waits = [asyncio.create_task(news.wait()), asyncio.create_task(clock.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await _ended(waits)
