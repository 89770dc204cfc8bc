"""How long a process takes from its start until venues are ready, and what it then weighs: `python -m benchmarks.startup [VENUE ...]`.

Where each host lives is given in the environment as `ROUTES`, JSON. Without a venue, only `ccxt.pro` is imported: the floor. It says
one JSON line.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def resident_mb() -> float:
    """This process's resident memory, megabytes."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * PAGE_BYTES / 1e6


async def ready(venues: list[str]) -> None:
    """Opens every venue, as a run does, until its instruments are described."""
    from benchmarks.dialects import account_of, symbols_of
    from bot.adapters.venue.ccxt_venue import CcxtVenue
    from bot.shell.clock import SystemClock

    routes = json.loads(os.environ["ROUTES"])
    opened = [CcxtVenue(account_of(venue, routes, symbols_of(venue)), SystemClock()) for venue in venues]
    await asyncio.gather(*(venue.open() for venue in opened))
    _say()
    await asyncio.gather(*(venue.close() for venue in opened))


def _say() -> None:
    sys.stdout.write(json.dumps({"resident_mb": round(resident_mb(), 1)}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(ready(sys.argv[1:]))
    else:
        import ccxt.pro  # noqa: F401  what it costs is the question

        _say()
