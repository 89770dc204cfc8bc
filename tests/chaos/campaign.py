"""The seeds that the tests play, and what they came to: each is played once per process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import structlog

from bot.drivers.chaos.command import timed
from bot.drivers.chaos.report import failure
from bot.drivers.chaos.seed import Outcome

CI_HOURS = 0.15
CI_SEEDS: tuple[int, ...] = (405, 424, 447, 465, 461, 423, 401, 459, 441, 15, 21)
"""Seeds in which every fault of chaos fires, nearly all of them in two or more, chosen for little time."""
LIVENESS_HOURS = 0.3
LIVENESS_SEEDS: tuple[int, ...] = (1, 2, 3)
KEPT = Path(__file__).with_name("seeds.txt")


@cache
def outcome_of(seed: int, hours: float = CI_HOURS, mode: str = "safety") -> Outcome:
    """One seed, played. The log's configuration is left as it was."""
    before = structlog.get_config()
    try:
        return timed(seed, hours, mode)[0]
    finally:
        structlog.configure(**before)


def assert_clean(outcome: Outcome, hours: float, mode: str = "safety") -> None:
    """Nothing is broken; else the story and the command that repeats it."""
    assert not outcome.violations, failure(outcome, hours, mode)


def kept() -> list[tuple[int, float, str, str]]:
    """The seeds that once failed: number, hours, mode, and why."""
    found = []
    for line in KEPT.read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            seed, hours, mode, why = line.split(maxsplit=3)
            found.append((int(seed), float(hours), mode, why))
    return found
