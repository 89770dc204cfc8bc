"""How long a book is without a sender when one of two instances goes: `python -m benchmarks.takeover`.

Two real processes on a real Redis with the default lease, before simulated venues. In the instant in which the sender goes the collateral
changes: the time is from there until the venues' own books hold the hedge of it.
"""

from __future__ import annotations

import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from bot.config.sections import InstanceSettings
from tests.adapters.journal.redis_process import SERVER, RedisProcess
from tests.failover.stage import Instance, Stage, until

TTL_MS: int = InstanceSettings.model_fields["lease_ttl_ms"].default
STEP = Decimal("0.2")
WIDTH = 110


def killed(leader: Instance) -> None:
    """SIGKILL."""
    leader.kill()


def frozen(leader: Instance) -> None:
    """SIGSTOP: its connections stay open, and nothing comes over them."""
    leader.send(signal.SIGSTOP)


def stopped(leader: Instance) -> None:
    """SIGTERM, and waited for."""
    leader.send(signal.SIGTERM)
    leader.ended()


WAYS: dict[str, Callable[[Instance], None]] = {"killed": killed, "frozen": frozen, "stopped in order": stopped}


@dataclass(frozen=True, slots=True)
class Takeover:
    """Seconds from the end of the sender until the lease was granted again, and until the book was hedged again."""

    granted_s: float
    hedged_s: float


def main(
    rounds: Annotated[int, typer.Option(min=1, max=20, help="Times that the sender goes, in each way.")] = 3,
    written: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Also write the figures to this file.", show_default=False)
    ] = None,
) -> None:
    """Measure the takeover: the sender killed, frozen, and stopped in order."""
    if SERVER is None:
        sys.stderr.write("bench: redis-server is not installed here (Debian: apt-get install redis-server); no takeover is measured\n")
        return
    found = measured(rounds)
    table = Table("takeover, seconds: median / longest", "the lease granted again", "the book hedged again")
    for way, takeovers in found.items():
        granted, hedged = ([getattr(each, name) for each in takeovers] for name in ("granted_s", "hedged_s"))
        table.add_row(way, *(f"{statistics.median(each):.1f} / {max(each):.1f}" for each in (granted, hedged)))
    Console(highlight=False, width=WIDTH).print(table)
    if written is not None:
        told = {way: [{"granted_s": round(t.granted_s, 2), "hedged_s": round(t.hedged_s, 2)} for t in each] for way, each in found.items()}
        written.write_bytes(orjson.dumps({"lease_ttl_ms": TTL_MS, "takeover": told}, option=orjson.OPT_INDENT_2))


def measured(rounds: int) -> dict[str, list[Takeover]]:
    """By way of going, each takeover."""
    with tempfile.TemporaryDirectory(prefix="takeover-") as made:
        folder = Path(made)
        store = RedisProcess(folder / "redis").start()
        stage = Stage(folder, store.server, "takeover", ttl_ms=TTL_MS)
        try:
            return {way: [_takeover(stage, go) for _ in range(rounds)] for way, go in WAYS.items()}
        finally:
            stage.end()
            store.kill()


def _takeover(stage: Stage, go: Callable[[Instance], None]) -> Takeover:
    leader, standby = stage.pair()
    go(leader)
    began = time.monotonic()
    stage.hold(str(stage.collateral + STEP))
    until(lambda: standby.metric("lease_held") == 1.0, what="the lease granted again")
    granted = time.monotonic()
    until(stage.hedged, what="the book hedged again")
    hedged = time.monotonic()
    leader.kill()  # also the frozen one
    return Takeover(granted - began, hedged - began)


if __name__ == "__main__":
    typer.run(main)
