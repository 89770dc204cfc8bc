"""Virtual time for asyncio: a loop whose clock jumps to the next timer, so that an hour passes in the time that its work takes.

The unchanged shell runs on it. There are no sockets and no threads here: a coroutine that waits for something that no timer and no other
task will bring is a deadlock, and is raised as one instead of hanging. A thread would bring real time back in, so there is none to be had.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, NoReturn, TypeVar

from bot.core.units import Millis

T = TypeVar("T")


LEAST_STEP_S = 1e-6
"""What a timer that lies ahead takes at least: less could be nothing beside the time of day that it is added to, and whoever waits for
another clock to get there, one that runs a little slower, would wait for ever at one instant."""


class Deadlock(Exception):
    """Every task waits and no timer is set: nothing can ever happen again."""


class _JumpingSelector(selectors.SelectSelector):
    """A selector that never waits: it moves the clock on by as long as it was asked to wait."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("every task waits and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop on virtual seconds, beginning at zero."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now

    def call_later(self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:  # type: ignore[override]  # typeshed ties the arguments to the callback
        """See asyncio."""
        return self.call_at(self.time() + (max(delay, LEAST_STEP_S) if delay > 0 else delay), callback, *args, context=context)

    def jump(self, seconds: float) -> None:
        """Virtual seconds pass in which nothing on the loop runs: a process that is stopped, or a call that blocks it."""
        self._jumping.now += max(0.0, seconds)

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> NoReturn:  # type: ignore[override]  # it never returns
        """Raises RuntimeError: a thread lives in real time."""
        raise RuntimeError(f"no threads in virtual time: {func!r} with {args!r} on {executor!r}")


class VirtualClock:
    """`ports.Clock` on the running virtual-time loop; wall time begins at `start_ms`."""

    def __init__(self, start_ms: Millis = 1_767_225_600_000) -> None:
        self._start_ms = start_ms

    def now(self) -> Millis:
        """Unix milliseconds, virtual."""
        return self._start_ms + int(self.steady() * 1000)

    def steady(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Waits in virtual time."""
        await asyncio.sleep(seconds)


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in virtual time. Raises Deadlock when nothing can ever happen again."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
