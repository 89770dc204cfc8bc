"""The best point of a small linear program in integers, exactly.

The rule: over all points, fractional ones included, with

    0 <= value <= upper                              for every column
    sum of coefficient x value <= capacity           for every row

the first objective is made as large as it can be, then the second without giving up any of the first, then the third, and so on.
Bounded primal simplex, one row of reduced worths at a time: when an objective is at its best, whatever could only worsen it is fixed
where it is, and what is left improves the next one.

Exact and free of fractions: the inverse of the basis is kept as integers over one denominator, its determinant, by which each division
comes out even (Edmonds' integer pivoting). So "is tight", "is equal" and "is better" are facts, not tolerances, and coefficients
that are all 1 keep the denominator at 1. Rows of the inverse are sparse, and one that a step does not touch keeps the denominator it
was last written with.

Ends always: the column that gains most for each unit enters, the earliest of equals; after `PATIENCE` steps in a row that led nowhere,
Bland's rule (the earliest that gains at all) takes over until a step leads somewhere, and Bland's rule does not cycle. The answer depends
on nothing but the program and the order in which its columns and rows are given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

Exact = int | Fraction
"""An exact number: an integer, or a fraction where it is none."""

PATIENCE = 40


@dataclass(frozen=True, slots=True)
class Column:
    """One variable: its coefficients by row, its upper bound, its worth in each objective, and where the search finds it."""

    entries: tuple[tuple[int, int], ...]
    """(row, coefficient), each row at most once, no zeros."""
    upper: int
    worth: tuple[int, ...]
    """What one unit adds to each objective, the most important first."""
    starts_full: bool = False
    """Whether the search starts with the column at its upper bound (else at 0). The start must keep within all capacities."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The best point, and why there is none better.

    `duals[k][row]` is the price of a row in objective k. With the reduced worth of a column, its worth less the prices of what it
    uses, they are the proof. Read as tuples over the objectives (the first that differs from zero decides): no price is below zero,
    no row with capacity to spare has any, no column below its upper bound has a reduced worth above zero, and none above 0 has one below.
    """

    values: tuple[Exact, ...]
    duals: tuple[tuple[Fraction, ...], ...]
    steps: int
    """How many steps the search took, as a measure of its cost."""


def maximise(columns: Sequence[Column], capacities: Sequence[int]) -> Optimum:
    """The lexicographically best point. All columns name the same number of objectives.

    Raises ValueError when the start (see `Column.starts_full`) exceeds a capacity, or an upper bound is below zero.
    """
    search = _Search(columns, capacities)
    objectives = len(columns[0].worth) if columns else 0
    duals = tuple(search.improve([c.worth[k] for c in columns]) for k in range(objectives))
    return Optimum(values=search.values(), duals=duals, steps=search.steps)


class _Search:
    """A basis, its inverse, and the moves between bases. Variables are the columns, then one slack for each row.

    A place is a position in the basis. What is kept by place is over the denominator `written[place]`, all else over `denominator`.
    """

    def __init__(self, columns: Sequence[Column], capacities: Sequence[int]) -> None:
        self.columns = columns
        self.count, self.rows = len(columns), len(capacities)
        self.steps = 0
        self.full = [c.starts_full for c in columns] + [False] * self.rows
        self.upper: list[int | None] = [c.upper for c in columns] + [None] * self.rows
        self.basic = list(range(self.count, self.count + self.rows))
        self.inverse: list[dict[int, int]] = [{row: 1} for row in range(self.rows)]  # by place: row -> numerator
        self.level = list(capacities)  # by place: numerator of the value of the variable there
        self.written = [1] * self.rows
        self.denominator = 1
        self.reduced = [0] * (self.count + self.rows)  # numerators; those of slacks are the rows' prices, negated
        self.touching: list[list[tuple[int, int]]] = [[] for _ in capacities]
        slacks = range(self.count, self.count + self.rows)
        self.live = [v for v, c in enumerate(columns) if c.upper] + list(slacks)
        for column in columns:
            if column.upper < 0:
                raise ValueError("an upper bound below zero leaves no point at all")
            if column.starts_full:
                for row, coefficient in column.entries:
                    self.level[row] -= coefficient * column.upper
        if any(level < 0 for level in self.level):
            raise ValueError("the start exceeds a capacity")

    def values(self) -> tuple[Exact, ...]:
        """The value of each column."""
        found: list[Exact] = [c.upper if self.full[v] else 0 for v, c in enumerate(self.columns)]
        for place, variable in enumerate(self.basic):
            if variable < self.count:
                value = Fraction(self.level[place], self.written[place])
                found[variable] = value.numerator if value.denominator == 1 else value
        return tuple(found)

    def improve(self, worth: Sequence[int]) -> tuple[Fraction, ...]:
        """Makes one objective as large as it can be by what is not fixed yet, and fixes what would worsen it. The rows' prices."""
        self._price(worth)
        idle = 0
        while (entering := self._entering(earliest=idle > PATIENCE)) is not None:
            idle = 0 if self._step(entering) else idle + 1
        self.live = [v for v in self.live if not self.reduced[v]]
        return tuple(Fraction(-price, self.denominator) for price in self.reduced[self.count :])

    def _price(self, worth: Sequence[int]) -> None:
        """Reduced worths in the present basis, afresh, of the variables that may still move and of all slacks."""
        prices = [0] * self.rows
        for place, variable in enumerate(self.basic):
            if variable < self.count and worth[variable]:
                self._rewrite(place)
                for row, value in self.inverse[place].items():
                    prices[row] += worth[variable] * value
        self.reduced = [0] * self.count + [-price for price in prices]
        self.touching = [[(self.count + row, 1)] for row in range(self.rows)]
        for variable in self.live:
            if variable < self.count:
                entries = self.columns[variable].entries
                self.reduced[variable] = worth[variable] * self.denominator - sum(prices[row] * c for row, c in entries)
                for row, coefficient in entries:
                    self.touching[row].append((variable, coefficient))

    def _entering(self, *, earliest: bool) -> int | None:
        """The variable whose move gains most for each unit (or the earliest that gains), None when nothing gains."""
        best, most = None, 0
        for variable in self.live:
            gain = -self.reduced[variable] if self.full[variable] else self.reduced[variable]
            if gain > most:
                if earliest:
                    return variable
                best, most = variable, gain
        return best

    def _step(self, entering: int) -> bool:
        """Moves a variable as far as it gets: to its other bound, or until another stops it and they change places. Whether it moved."""
        self.steps += 1
        direction = self._direction(entering)
        length, per, place = self._longest(entering, direction)
        signed = -length if self.full[entering] else length
        if place is None:
            for p, slope in direction.items():
                self.level[p] -= slope * signed
            self.full[entering] = not self.full[entering]
            return True
        for p, slope in direction.items():
            self.level[p] = (self.level[p] * per - slope * signed) // self.denominator
        leaving, own = self.basic[place], self.upper[entering]
        self.full[leaving] = self.upper[leaving] is not None and self.level[place] != 0
        self.level[place] = own * per - length if self.full[entering] and own is not None else length
        self.full[entering] = False
        self.basic[place] = entering
        self._exchange(place, direction, self.reduced[entering])
        return length != 0

    def _direction(self, variable: int) -> dict[int, int]:
        """By place: what one more unit of a variable takes from the variable there. Those places are rewritten, the others are not met."""
        entries = ((variable - self.count, 1),) if variable >= self.count else self.columns[variable].entries
        found = {}
        for place, numerators in enumerate(self.inverse):
            taken = 0
            for row, coefficient in entries:
                if row in numerators:
                    taken += numerators[row] * coefficient
            if taken:
                found[place] = taken * self.denominator // self.written[place]
                self._rewrite(place)
        return found

    def _rewrite(self, place: int) -> None:
        """Brings a place to the present denominator."""
        was, now = self.written[place], self.denominator
        if was != now:
            self.inverse[place] = {row: value * now // was for row, value in self.inverse[place].items()}
            self.level[place] = self.level[place] * now // was
            self.written[place] = now

    def _longest(self, entering: int, direction: dict[int, int]) -> tuple[int, int, int | None]:
        """How far a variable can move, as numerator and denominator, and the place of what stops it, of equals the earliest variable.

        The place is None when it is the variable's own other bound. Otherwise the denominator is what the whole basis will have next.
        """
        own, falls = self.upper[entering], self.full[entering]
        length, per = (1, 0) if own is None else (own, 1)  # 1 / 0 is beyond everything; something stops a slack: all columns have bounds
        stopping = None
        for place, slope in direction.items():
            room = self.level[place]
            if (slope > 0) is falls:
                ceiling = self.upper[self.basic[place]]
                if ceiling is None:
                    continue
                room = ceiling * self.denominator - room
            size = abs(slope)
            ahead = room * per - length * size
            if ahead < 0 or (ahead == 0 and stopping is not None and self.basic[place] < self.basic[stopping]):
                length, per, stopping = room, size, place
        return length, per, stopping

    def _exchange(self, place: int, direction: dict[int, int], gain: int) -> None:
        """Carries a change of the variable at `place` into the inverse and the reduced worths, with the pivot as next denominator."""
        was, pivot = self.denominator, direction.pop(place)
        row_of_pivot = self.inverse[place]
        if pivot < 0:  # the denominator stays positive: both sides of each quotient change their sign
            row_of_pivot = self.inverse[place] = {row: -value for row, value in row_of_pivot.items()}
        now = abs(pivot)
        for p, slope in direction.items():
            numerators = {row: value * now for row, value in self.inverse[p].items()} if now != 1 else self.inverse[p]
            for row, value in row_of_pivot.items():
                numerators[row] = numerators.get(row, 0) - slope * value
            self.inverse[p] = {row: value // was for row, value in numerators.items() if value}
            self.written[p] = now
        self.written[place] = self.denominator = now
        taken: dict[int, int] = {}
        for row, value in row_of_pivot.items():
            for variable, coefficient in self.touching[row]:
                taken[variable] = taken.get(variable, 0) + value * coefficient
        self._reprice(taken, gain, was, now)

    def _reprice(self, taken: dict[int, int], gain: int, was: int, now: int) -> None:
        """Reduced worths over the next denominator, less what the entering variable takes over."""
        reduced = self.reduced
        if now == was:
            for variable, value in taken.items():
                reduced[variable] -= gain * value // was
            return
        self.reduced = [(r * now - gain * taken[v]) // was if v in taken else r * now // was for v, r in enumerate(reduced)]
