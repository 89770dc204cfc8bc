"""Real time. The only place in the shell that reads a clock."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from bot.core.units import Millis


class SystemClock:
    """The machine's clocks: `now` is wall time in Unix ms; `steady` never steps back and counts suspension where the system can."""

    def now(self) -> Millis:
        """Unix milliseconds."""
        return time.time_ns() // 1_000_000

    def steady(self) -> float:
        """Seconds on CLOCK_BOOTTIME (Linux), else on the monotonic clock."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime(time.CLOCK_BOOTTIME)
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Waits on the event loop."""
        await asyncio.sleep(seconds)


def in_words(at: Millis) -> str:
    """An instant, Unix ms, for people."""
    return datetime.fromtimestamp(at / 1_000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
