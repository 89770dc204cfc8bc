"""Seeded random paths that can be read at any instant: the same key gives the same path, whatever is asked first.

Each series owns its stream, `random.Random(key)` with a text key (hashed with SHA-512 by the standard library, so neither
PYTHONHASHSEED nor the Python release matters). Values live on a fixed time grid that grows on demand and are interpolated linearly
in between. Growing costs about 1 ms per series and day of market time; reading afterwards is a look-up. Offsets are milliseconds
since the start of the path and must not be negative.
"""

from __future__ import annotations

from array import array
from math import exp, log, sqrt
from random import Random

from bot.core.units import YEAR_MS, Millis

BLOCK_MS: Millis = 600_000
STEP_MS: Millis = 2_000
_STEPS = BLOCK_MS // STEP_MS
_BLOCKS_KEPT = 8


class Walk:
    """A standard Brownian path: starts at 0, its variance grows by 1 a year.

    A coarse walk in blocks of ten minutes is kept; inside a block a Brownian bridge in steps of two seconds is drawn from a stream of
    its own when the block is first looked at, so a far instant costs a coarse step per block and one bridge.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self._random = Random(key)
        self._coarse = array("d", [0.0])
        self._bridges: dict[int, array[float]] = {}

    def at(self, offset: Millis) -> float:
        """The path's value `offset` ms after its start."""
        block, inside = divmod(offset, BLOCK_MS)
        bridge = self._bridges.get(block) or self._bridge(block)
        step, rest = divmod(inside, STEP_MS)
        return bridge[step] + (bridge[step + 1] - bridge[step]) * rest / STEP_MS

    def _bridge(self, block: int) -> array[float]:
        deviation = sqrt(BLOCK_MS / YEAR_MS)
        while len(self._coarse) <= block + 1:
            self._coarse.append(self._coarse[-1] + self._random.gauss(0.0, deviation))
        first, last = self._coarse[block], self._coarse[block + 1]
        draw = Random(f"{self._key}/{block}")
        bridge = array("d", [first])
        for left in range(_STEPS, 1, -1):  # towards the known end, with the variance that the remaining steps leave open
            here = bridge[-1]
            spread = sqrt(STEP_MS / YEAR_MS * (left - 1) / left)
            bridge.append(here + (last - here) / left + draw.gauss(0.0, spread))
        bridge.append(last)
        if len(self._bridges) >= _BLOCKS_KEPT:
            del self._bridges[next(iter(self._bridges))]
        self._bridges[block] = bridge
        return bridge


class Jumps:
    """Rare steps: a compound Poisson path with `per_day` jumps of normal size (standard deviation `deviation`)."""

    def __init__(self, key: str, *, per_day: float, deviation: float) -> None:
        self._random = Random(key)
        self._chance = per_day * BLOCK_MS / 86_400_000
        self._deviation = deviation
        self._before = array("d", [0.0])
        self._steps: dict[int, tuple[Millis, float]] = {}

    def at(self, offset: Millis) -> float:
        """The sum of all jumps up to and including `offset`."""
        block, inside = divmod(offset, BLOCK_MS)
        while len(self._before) <= block + 1:
            self._grow()
        instant, step = self._steps.get(block, (0, 0.0))
        return self._before[block] + (step if inside >= instant else 0.0)

    def _grow(self) -> None:
        step = 0.0
        if self._random.random() < self._chance:  # at most one per block: two in ten minutes would be rarer than once a month
            instant = int(self._random.random() * BLOCK_MS)
            step = self._random.gauss(0.0, self._deviation)
            self._steps[len(self._before) - 1] = (instant, step)
        self._before.append(self._before[-1] + step)


class Reverting:
    """A stationary path around 0 that forgets half of where it is in `half_life_ms` (Ornstein-Uhlenbeck, exact on its grid)."""

    def __init__(self, key: str, *, deviation: float, half_life_ms: Millis, step_ms: Millis) -> None:
        self._random = Random(key)
        self._step_ms = step_ms
        self._keep = exp(-log(2) * step_ms / half_life_ms)
        self._fresh = deviation * sqrt(1 - self._keep * self._keep)
        self._values = array("d", [self._random.gauss(0.0, deviation)])
        self._sums = array("d", [0.0])

    def at(self, offset: Millis) -> float:
        """The path's value `offset` ms after its start."""
        step, rest = divmod(offset, self._step_ms)
        self._grow(step + 1)
        here = self._values[step]
        return here + (self._values[step + 1] - here) * rest / self._step_ms

    def mean(self, after: Millis, until: Millis) -> float:
        """The time-weighted mean over [after, until]; the value at `until` when that is one instant."""
        if until <= after:
            return self.at(until)
        return (self._integral(until) - self._integral(after)) / (until - after)

    def _integral(self, offset: Millis) -> float:
        step, rest = divmod(offset, self._step_ms)
        here, there = self._value(step), self.at(offset)
        return self._sums[step] + (here + there) / 2 * rest

    def _value(self, step: int) -> float:
        self._grow(step)
        return self._values[step]

    def _grow(self, step: int) -> None:
        while len(self._values) <= step:
            last = self._values[-1]
            self._values.append(last * self._keep + self._random.gauss(0.0, self._fresh))
            self._sums.append(self._sums[-1] + (last + self._values[-1]) / 2 * self._step_ms)
