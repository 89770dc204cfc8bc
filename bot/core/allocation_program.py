"""An allocation problem as a linear program in integers.

The rule: every number is scaled to an integer once, at the door, and nothing is rounded. A short becomes two columns, what it carries
now (given up only for more than it costs to close) and what it would carry beyond (taken only for more than it costs to open), so the
kink at the present short is where two columns meet. What is frozen is taken off each limit beforehand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.allocation_terms import REQUIRED, Bound, Candidate, Problem, Requirement
from bot.core.simplex import Column, Exact
from bot.core.units import ZERO, Asset, VenueId

BOOK = "book"


def digits_of(values: Iterable[Decimal]) -> int:
    """The decimal places that hold every one of some finite values."""
    exponents = (value.as_tuple().exponent for value in values)
    return max((-e for e in exponents if isinstance(e, int) and e < 0), default=0)


def ten_to(digits: int) -> int:
    """10^digits, for digits >= 0."""
    power: int = 10**digits
    return power


def scaled(value: Decimal, power: int) -> int:
    """value x power, for a power of ten that makes it whole."""
    numerator, denominator = value.as_integer_ratio()
    return numerator * power // denominator


@dataclass(frozen=True, slots=True)
class Row:
    """One limit over several instruments, in integers: `uses` by candidate, the least of its bounds, and what is frozen under it."""

    subject: str
    bounds: tuple[tuple[str, int], ...]
    uses: Mapping[int, int]
    frozen: int
    power: int
    """What one USD under this limit is scaled by."""

    @property
    def most(self) -> int:
        """What may be used under it: the least bound, or what is frozen when that is more."""
        return max(self.frozen, min(most for _, most in self.bounds))

    def used(self, shorts: Sequence[Exact]) -> Exact:
        """What is used under it when the candidates carry `shorts`, frozen ones included."""
        return sum((coefficient * shorts[i] for i, coefficient in self.uses.items()), 0)


@dataclass(frozen=True, slots=True)
class Program:
    """A problem in integers. Lists by candidate, in the order of `candidates` (by instrument id)."""

    candidates: tuple[Candidate, ...]
    requirements: Mapping[Asset, Requirement]
    digits: int
    """A scaled short is USD x 10^digits."""
    limit_digits: int
    """The decimal places of the limits and of what is frozen alone: they do not change when a solution becomes the present."""
    shorts: tuple[int, ...]
    uppers: tuple[int, ...]
    """The most each may carry by its own bounds and its asset's; a frozen one: what it carries."""
    rows: tuple[Row, ...]
    rows_of: tuple[tuple[Row, ...], ...]
    columns: tuple[Column, ...]
    owners: tuple[int, ...]
    """The candidate of each column."""
    capacities: tuple[int, ...]


def program_of(problem: Problem) -> Program:
    """The program of a checked problem."""
    candidates = tuple(sorted(problem.candidates, key=lambda c: c.instrument))
    requirements = {r.asset: r for r in problem.requirements}
    limits = list(_limit_values(problem))
    limit_digits = digits_of(limits)
    digits = max(limit_digits, digits_of(c.short for c in candidates))
    power = ten_to(digits)
    shorts = tuple(scaled(c.short, power) for c in candidates)
    rows = tuple(_rows(problem, candidates, requirements, shorts, digits))
    touching: list[list[Row]] = [[] for _ in candidates]
    for row in rows:
        for i in row.uses:
            touching[i].append(row)
    rows_of = tuple(tuple(found) for found in touching)
    uppers = tuple(_upper(c, shorts[i], rows_of[i], power) for i, c in enumerate(candidates))
    kept = [row for row in rows if _may_bind(row, candidates, uppers)]
    columns, owners, capacities = _columns(candidates, shorts, uppers, kept)
    return Program(
        candidates=candidates,
        requirements=requirements,
        digits=digits,
        limit_digits=limit_digits,
        shorts=shorts,
        uppers=uppers,
        rows=rows,
        rows_of=rows_of,
        columns=columns,
        owners=owners,
        capacities=capacities,
    )


def _limit_values(problem: Problem) -> Iterable[Decimal]:
    bounds: list[Bound] = list(problem.gross)
    for candidate in problem.candidates:
        bounds += candidate.bounds
        if candidate.frozen is not None:
            yield candidate.short
    for room in problem.venues:
        bounds += room.notional + room.margin
    for requirement in problem.requirements:
        yield requirement.required
        bounds += requirement.bounds
    for bound in bounds:
        yield bound.most


def _rows(
    problem: Problem,
    candidates: Sequence[Candidate],
    requirements: Mapping[Asset, Requirement],
    shorts: Sequence[int],
    digits: int,
) -> Iterable[Row]:
    """All limits over several instruments: by asset, by venue or pool of margin there, of the book."""
    by_asset: dict[Asset, list[int]] = {}
    by_venue: dict[VenueId, list[int]] = {}
    for i, candidate in enumerate(candidates):
        by_asset.setdefault(candidate.asset, []).append(i)
        by_venue.setdefault(candidate.venue, []).append(i)
    weights = _whole([c.notional_weight for c in candidates])
    margins = _whole([c.margin_use for c in candidates])
    ones = ([1] * len(candidates), 0)

    def row(subject: str, bounds: Iterable[Bound], members: Iterable[int], coefficients: tuple[list[int], int]) -> Row:
        power = ten_to(digits + coefficients[1])
        uses = {i: coefficients[0][i] for i in members if coefficients[0][i]}
        frozen = sum(use * shorts[i] for i, use in uses.items() if candidates[i].frozen is not None)
        return Row(subject, tuple((b.limit, scaled(max(b.most, ZERO), power)) for b in bounds), uses, frozen, power)

    for asset in sorted(by_asset):
        requirement = requirements.get(asset, Requirement(asset=asset, required=ZERO))
        yield row(asset, (Bound(limit=REQUIRED, most=requirement.required), *requirement.bounds), by_asset[asset], ones)
    for room in sorted(problem.venues, key=lambda r: (r.venue, tuple(sorted(r.instruments)))):
        named = frozenset(room.instruments)
        members = [i for i in by_venue.get(room.venue, ()) if not named or candidates[i].instrument in named]
        if members and room.notional:
            yield row(room.venue, room.notional, members, weights)
        if members and room.margin:
            yield row(room.venue, room.margin, members, margins)
    if problem.gross:
        yield row(BOOK, problem.gross, range(len(candidates)), weights)


def _whole(values: Sequence[Decimal]) -> tuple[list[int], int]:
    """Some values scaled to integers together, and by how many digits."""
    digits = digits_of(values)
    return [scaled(value, ten_to(digits)) for value in values], digits


def _upper(candidate: Candidate, short: int, rows: Sequence[Row], power: int) -> int:
    if candidate.frozen is not None:
        return short
    if any(row.most == row.frozen for row in rows):
        return 0  # spares the search all that is closed anyway
    own = [scaled(max(b.most, ZERO), power) for b in candidate.bounds]
    return min(own + [row.most - row.frozen for row in rows if row.subject == candidate.asset])


def _may_bind(row: Row, candidates: Sequence[Candidate], uppers: Sequence[int]) -> bool:
    """Whether the row is more than a consequence of its members' own upper bounds."""
    free = [(use, uppers[i]) for i, use in row.uses.items() if candidates[i].frozen is None]
    return sum(use * upper for use, upper in free) > row.most - row.frozen


def _columns(
    candidates: Sequence[Candidate], shorts: Sequence[int], uppers: Sequence[int], rows: Sequence[Row]
) -> tuple[tuple[Column, ...], tuple[int, ...], tuple[int, ...]]:
    """Columns with their owners, the best carry first, and the rows' capacities. The best that fit as a whole start full."""
    entries: list[list[tuple[int, int]]] = [[] for _ in candidates]
    capacities: list[int] = []
    for number, row in enumerate(rows):
        free = {i: use for i, use in row.uses.items() if candidates[i].frozen is None and uppers[i]}
        room = row.most - row.frozen
        divisor = math.gcd(room, *free.values())  # small coefficients keep all numbers of the search small, and ones are best
        capacities.append(room // divisor)
        for i, use in free.items():
            entries[i].append((number, use // divisor))
    segments = sorted(_segments(candidates, shorts, uppers), key=lambda s: (-s[2][1], s[0]))
    left = list(capacities)
    columns = []
    for owner, upper, worth in segments:
        fits = all(coefficient * upper <= left[number] for number, coefficient in entries[owner])
        if fits:
            for number, coefficient in entries[owner]:
                left[number] -= coefficient * upper
        columns.append(Column(entries=tuple(entries[owner]), upper=upper, worth=worth, starts_full=fits))
    return tuple(columns), tuple(owner for owner, _, _ in segments), tuple(capacities)


def _segments(candidates: Sequence[Candidate], shorts: Sequence[int], uppers: Sequence[int]) -> Iterable[tuple[int, int, tuple[int, ...]]]:
    """(candidate, length, worth in the four objectives) of what is carried now, and of what may come on top.

    At a given hedge the change is least when most of what is carried now is kept: so that alone counts in the third objective.
    """
    rates = digits_of(rate for c in candidates for rate in (c.carry, c.cost_to_open, c.cost_to_close))
    power = ten_to(rates)
    assets = {asset: n for n, asset in enumerate(sorted({c.asset for c in candidates}))}
    venues = {venue: n for n, venue in enumerate(sorted({c.venue for c in candidates}))}
    for i, candidate in enumerate(candidates):
        if candidate.frozen is not None or not uppers[i]:
            continue
        kept = min(shorts[i], uppers[i])
        carry = scaled(candidate.carry, power)
        turn = (venues[candidate.venue] - assets[candidate.asset]) % len(venues)
        if kept:
            yield i, kept, (1, carry + scaled(candidate.cost_to_close, power), 1, -turn)
        if uppers[i] > kept:
            yield i, uppers[i] - kept, (1, carry - scaled(candidate.cost_to_open, power), 0, -turn)
