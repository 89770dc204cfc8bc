"""Samples and what is made of them: counts, percentiles, ratios. Times are microseconds throughout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Any

Progress = Callable[[str], None]
"""Told what is being done, in a few words."""


class BenchmarkFailed(Exception):
    """Something went otherwise than meant, so that figures would lie: one sentence."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A lane's samples in two numbers."""

    count: int
    p50_us: float
    p99_us: float

    def as_json(self) -> dict[str, float]:
        """Count and percentiles, to a tenth of a microsecond."""
        return {"count": self.count, "p50_us": round(self.p50_us, 1), "p99_us": round(self.p99_us, 1)}


@dataclass(slots=True)
class Samples:
    """Samples by lane, in the order in which lanes were first heard of."""

    by_lane: dict[str, list[float]] = field(default_factory=dict)

    def add(self, lane: str, nanoseconds: int) -> None:
        """One more sample of a lane. Raises BenchmarkFailed for a negative time: two clocks were mixed up."""
        if nanoseconds < 0:
            raise BenchmarkFailed(f"{lane}: a sample took {nanoseconds} ns, which cannot be")
        self.by_lane.setdefault(lane, []).append(nanoseconds / 1_000)

    def figures(self) -> dict[str, Figure]:
        """Every lane's figure."""
        return {lane: figure_of(values) for lane, values in self.by_lane.items()}


def figure_of(values_us: list[float]) -> Figure:
    """Median and 99th percentile by nearest rank; below a hundred samples the latter is the largest one."""
    if not values_us:
        raise BenchmarkFailed("a lane has no samples")
    ordered = sorted(values_us)
    return Figure(len(ordered), _rank(ordered, 0.50), _rank(ordered, 0.99))


def _rank(ordered: list[float], share: float) -> float:
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Ratio:
    """One lane over the sum of others, at both percentiles."""

    name: str
    p50: float
    p99: float

    def as_json(self) -> dict[str, Any]:
        """To two decimals."""
        return {"name": self.name, "p50": round(self.p50, 2), "p99": round(self.p99, 2)}


def ratio(name: str, figures: Mapping[str, Figure], over: str, under: tuple[str, ...]) -> Ratio:
    """A lane over the sum of its floors. Percentiles do not add up exactly; a sum of p99s is more than the p99 of the sum."""
    top = figures[over]
    return Ratio(
        name,
        top.p50_us / sum(figures[lane].p50_us for lane in under),
        top.p99_us / sum(figures[lane].p99_us for lane in under),
    )
