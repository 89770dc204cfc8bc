"""A thread that finds that the event loop has stopped turning, says where it stands, and ends the process when it does not go on.

A blocked loop hears no signal, answers no probe and cancels no order: nothing inside it can help. The loop leaves a beat twice a second;
the thread counts its own rounds without a new one. Counting rounds, and not what the clock says, is what tells a blocked loop from a
process that was itself paused (SIGSTOP, a suspended machine): both went without a beat, but only the first while the thread went on.

    after WARN_S    every thread's stack on stderr (faulthandler: names and lines only, no values), and a line in the log
    after END_S     the same again, and the process ends with EXIT_BLOCKED; its supervisor starts it anew, as after a crash

Whatever writes may hang as well (a full pipe may be what blocks the loop), so that is done in a thread of its own, not waited for long;
where none can be started nothing is said, and the process is ended all the same.
Should even this thread get no turn, because something holds the interpreter's lock, the interpreter's own timer ends the process after
LOCKED_S with all stacks, as far as they can be told without waiting, and exit code 1.
"""

from __future__ import annotations

import asyncio
import faulthandler
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog

log = structlog.get_logger(__name__)

BEAT_S = 0.5
WARN_S = 5.0
END_S = 30.0
LOCKED_S = 120.0
SAY_S = 2.0
"""Longest wait for what is said at the end."""
EXIT_BLOCKED = 70
"""What the process ends with: an internal software error, in the words of sysexits.h."""


class Watchdog:
    """Watches over the running event loop between `start` and `stop`."""

    def __init__(
        self, *, beat_s: float = BEAT_S, warn_s: float = WARN_S, end_s: float = END_S, end: Callable[[int], object] = os._exit
    ) -> None:
        """`end` is called with the exit code, from the watching thread."""
        self._beat_s, self._warn_s, self._end_s, self._end = beat_s, warn_s, end_s, end
        self._beats = 0
        self._end_at: float | None = None
        self._stopped = threading.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def start(self) -> None:
        """Begins. Called on the event loop that is to be watched; again changes nothing.

        Raises OSError without a file descriptor left, RuntimeError without a thread.
        """
        if self._timer is None:
            self._beat()
            self._room = _room_for_last_words()
            self._thread.start()

    def end_within(self, seconds: float) -> None:
        """The process is to be gone by then: whatever hangs is ended with it. The first word counts."""
        if self._end_at is None:
            self._end_at = time.monotonic() + seconds

    def stop(self) -> None:
        """Ends; safe to call twice, and before `start`."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
        if self._thread.is_alive():
            self._thread.join(timeout=2 * self._beat_s)

    def _beat(self) -> None:
        self._beats += 1
        self._timer = asyncio.get_running_loop().call_later(self._beat_s, self._beat)

    def _watch(self) -> None:
        seen, rounds, told = self._beats, 0, False
        try:
            while not self._stopped.wait(self._beat_s):
                _renew_last_resort(self._room)
                if self._end_at is not None and time.monotonic() >= self._end_at:
                    _said_within(SAY_S / 10, partial(_say, "process_ended_by_watchdog", "the stop took too long"))
                    self._end(EXIT_BLOCKED)
                    return
                if self._beats != seen:
                    if told:
                        _said_within(SAY_S, partial(log.warning, "loop_turns_again", after_s=round(rounds * self._beat_s, 1)))
                    seen, rounds, told = self._beats, 0, False
                    continue
                rounds += 1
                blocked_s = rounds * self._beat_s
                if blocked_s >= self._end_s:
                    _said_within(SAY_S, partial(_say, "process_ended_by_watchdog", _blocked(blocked_s)))
                    self._end(EXIT_BLOCKED)
                    return
                if blocked_s >= self._warn_s and not told:
                    told = True
                    _said_within(SAY_S, partial(_say, "loop_blocked", _blocked(blocked_s)))
        finally:
            faulthandler.cancel_dump_traceback_later()
            os.close(self._room)


def _room_for_last_words() -> int:
    """Where the last resort writes: stderr opened once more, so that what finds no room there is dropped and not waited for. Nowhere, where
    that cannot be done (a socket, a system without /proc).
    """
    with suppress(ValueError, OSError, AttributeError):
        return os.open(f"/proc/self/fd/{sys.stderr.fileno()}", os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
    return os.open(os.devnull, os.O_WRONLY)


def _renew_last_resort(room: int) -> None:
    with suppress(RuntimeError):  # no more threads
        faulthandler.dump_traceback_later(LOCKED_S, exit=True, file=room)


def _blocked(seconds: float) -> str:
    return f"the event loop has not turned for {seconds:.1f} s"


def _say(event: str, reason: str) -> None:
    with suppress(ValueError, OSError, AttributeError):
        sys.stderr.write(_stacks())
        sys.stderr.flush()
    log.error(event, reason=f"{reason}; stacks on stderr", exit_code=EXIT_BLOCKED)


def _stacks() -> str:
    """Where every thread stands. Into a file of nobody's first: faulthandler holds the interpreter's lock while it writes."""
    with tempfile.TemporaryFile() as room:
        faulthandler.dump_traceback(file=room, all_threads=True)
        room.seek(0)
        return room.read().decode(errors="replace")


def _said_within(seconds: float, say: Callable[[], None]) -> None:
    saying = threading.Thread(target=say, name="watchdog-says", daemon=True)
    with suppress(RuntimeError):  # no more threads
        saying.start()
        saying.join(seconds)
