"""Hosts on virtual time: each runs its own processes, and one of them can be stopped as SIGSTOP stops it while the world goes on.

What is begun in a host's context (`Host.context`) belongs to the host, with every task and timer that comes of it. While the host is
stopped none of it takes a step: what is due waits, in order, and is done when the host goes on. Needs a `HostedLoop`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from bot.simulator.virtual_time import VirtualTimeLoop

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Due:
    """One callback of the loop that belongs to a host."""

    callback: Callable[..., object]
    args: tuple[Any, ...]
    context: Context
    handle: asyncio.Handle | None = None


class Host:
    """Where one process runs. `name` is for people."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_stopped = False
        self.tasks: dict[asyncio.Task[Any], None] = {}
        """Every task of this host that has not ended."""
        self._waiting: list[_Due] = []

    def context(self) -> Context:
        """A context of this host: what is begun in it belongs here."""
        made = copy_context()
        made.run(HERE.set, self)
        return made

    def stop(self) -> None:
        """Nothing of this host takes another step, until it goes on."""
        self.is_stopped = True

    def go_on(self) -> None:
        """What was due meanwhile is done now, in order, and everything goes on."""
        self.is_stopped = False
        waiting, self._waiting = self._waiting, []
        loop = asyncio.get_running_loop()
        for due in waiting:
            loop.call_soon(self.take, due, context=due.context)

    async def kill(self) -> None:
        """Ends every task of this host at this instant, stopped or not."""
        doomed = tuple(self.tasks)
        for task in doomed:
            task.cancel()
        self.go_on()
        await asyncio.gather(*doomed, return_exceptions=True)

    def take(self, due: _Due) -> None:
        """Does what is due, or lets it wait. What was cancelled while it waited is due no more."""
        if self.is_stopped:
            self._waiting.append(due)
        elif due.handle is None or not due.handle.cancelled():
            due.callback(*due.args)


HERE: ContextVar[Host | None] = ContextVar("host", default=None)
"""The host on which something runs; None: it belongs to the world."""


class HostedLoop(VirtualTimeLoop):
    """A virtual-time loop that lets wait what belongs to a stopped host."""

    def create_task(self, coro: Any, *, name: Any = None, context: Context | None = None) -> asyncio.Task[Any]:
        """See asyncio."""
        host = HERE.get() if context is None else context.get(HERE)
        task = super().create_task(coro, name=name, context=context)
        if host is not None:
            host.tasks[task] = None
            task.add_done_callback(lambda done: host.tasks.pop(done, None))
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]  # typeshed ties the arguments to the callback
        """See asyncio."""
        host = HERE.get() if context is None else context.get(HERE)
        if host is None:
            return super().call_soon(callback, *args, context=context)
        due = _Due(callback, args, context or copy_context())
        due.handle = super().call_soon(host.take, due, context=due.context)
        return due.handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.TimerHandle:  # type: ignore[override]  # as above
        """See asyncio."""
        host = HERE.get() if context is None else context.get(HERE)
        if host is None:
            return super().call_at(when, callback, *args, context=context)
        due = _Due(callback, args, context or copy_context())
        handle = due.handle = super().call_at(when, host.take, due, context=due.context)
        return handle


def run_hosted(main: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end in virtual time, on a loop that knows hosts. Raises Deadlock when nothing can ever happen again."""
    with asyncio.Runner(loop_factory=HostedLoop) as runner:
        return runner.run(main)
