"""The integer simplex: textbook programs, and a proof of optimality for thousands of random ones."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest

from bot.core import simplex
from bot.core.simplex import Column, maximise
from tests.core.allocation_cases import prove

MANY = 10**6
# Two programs on which the simplex method has been seen to go around in a circle: Chvátal's (rows doubled) and Beale's (in hundredths).
CIRCLES = [
    (
        [
            Column(entries=((0, 1), (1, 1), (2, 1)), upper=MANY, worth=(10,)),
            Column(entries=((0, -11), (1, -3)), upper=MANY, worth=(-57,)),
            Column(entries=((0, -5), (1, -1)), upper=MANY, worth=(-9,)),
            Column(entries=((0, 18), (1, 2)), upper=MANY, worth=(-24,)),
        ],
        (1, 0, 1, 0),
    ),
    (
        [
            Column(entries=((0, 25), (1, 50)), upper=MANY, worth=(75,)),
            Column(entries=((0, -6000), (1, -9000)), upper=MANY, worth=(-15000,)),
            Column(entries=((0, -4), (1, -2), (2, 1)), upper=MANY, worth=(2,)),
            Column(entries=((0, 900), (1, 300)), upper=MANY, worth=(-600,)),
        ],
        (Fraction(1, 25), 0, 1, 0),
    ),
]


def random_program(seed: int) -> tuple[list[Column], list[int]]:
    """Coefficients of both signs, many of them equal, capacities that are often 0: as degenerate as they come."""
    random = Random(seed)
    rows = random.randint(0, 6)
    capacities = [random.choice([0, 0, 3, 10, random.randint(0, 10**9)]) for _ in range(rows)]
    left = list(capacities)
    columns = []
    for _ in range(random.randint(0, 9)):
        entries = tuple((r, random.choice([-2, -1, 1, 1, 1, 7, 333])) for r in range(rows) if random.random() < 0.6)
        upper = random.choice([0, 1, 5, random.randint(0, 10**6)])
        full = random.random() < 0.5 and all(left[r] - c * upper >= 0 for r, c in entries)
        if full:
            for r, c in entries:
                left[r] -= c * upper
        columns.append(Column(entries=entries, upper=upper, worth=tuple(random.randint(-3, 3) for _ in range(3)), starts_full=full))
    return columns, capacities


@pytest.mark.parametrize("seeds", [range(n, n + 300) for n in range(0, 3000, 300)], ids=lambda s: str(s.start))
def test_random_programs_are_proven(seeds: range) -> None:
    for seed in seeds:
        columns, capacities = random_program(seed)
        prove(columns, capacities, maximise(columns, capacities))


@pytest.mark.parametrize("patience", [0, 1, simplex.PATIENCE])
def test_any_patience_ends_at_a_proven_point(monkeypatch: pytest.MonkeyPatch, patience: int) -> None:
    monkeypatch.setattr(simplex, "PATIENCE", patience)
    for seed in range(300):
        columns, capacities = random_program(seed)
        prove(columns, capacities, maximise(columns, capacities))


@pytest.mark.parametrize("patience", [0, 1, simplex.PATIENCE])
@pytest.mark.parametrize(("columns", "best"), CIRCLES, ids=["Chvatal", "Beale"])
def test_circles_are_left(monkeypatch: pytest.MonkeyPatch, columns: list[Column], best: tuple[object, ...], patience: int) -> None:
    monkeypatch.setattr(simplex, "PATIENCE", patience)
    found = maximise(columns, [0, 0, 1])
    assert found.values == best
    prove(columns, [0, 0, 1], found)


def test_objectives_in_turn() -> None:
    """The first is indifferent between the columns, the second prefers the last, the third would rather have the first."""
    columns = [Column(entries=((0, 1),), upper=10, worth=(1, worth, -worth)) for worth in (1, 2, 3)]
    assert maximise(columns, [15]).values == (0, 5, 10)


def test_fraction_where_division_is_uneven_and_integer_elsewhere() -> None:
    best = maximise([Column(entries=((0, 3),), upper=9, worth=(1,)), Column(entries=((1, 3),), upper=9, worth=(1,))], [10, 12])
    assert best.values == (Fraction(10, 3), 4)
    assert [type(v) for v in best.values] == [Fraction, int]
    assert best.duals == ((Fraction(1, 3), Fraction(1, 3)),)


def test_best_start_takes_no_step() -> None:
    assert maximise([Column(entries=((0, 1),), upper=4, worth=(1, 5), starts_full=True)], [9]).steps == 0


def test_nothing_to_decide() -> None:
    assert maximise([], [3]).values == ()
    assert maximise([Column(entries=(), upper=7, worth=(1,))], []).values == (7,)


@pytest.mark.parametrize(
    ("column", "says"),
    [
        (Column(entries=((0, 2),), upper=4, worth=(1,), starts_full=True), "start exceeds"),
        (Column(entries=((0, 2),), upper=-1, worth=(1,)), "upper bound below zero"),
    ],
)
def test_senseless_program_is_refused(column: Column, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        maximise([column], [7])
