"""Random allocation problems of many kinds, and judges that share nothing with the solver: exact feasibility, duality, scipy's HiGHS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import numpy as np
from scipy.optimize import linprog

from bot.core.allocation_terms import Bound, Candidate, Problem, Requirement, Solution, VenueRoom
from bot.core.simplex import Column, Optimum
from bot.core.units import Asset, InstrumentId, VenueId

D = Decimal
KINDS = ("general", "coarse", "equal", "negative", "tiny", "huge", "mixed", "frozen", "one_venue", "closed", "weighted", "crowded", "empty")
TOLERANCES = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}


def case(seed: int) -> Problem:
    """A problem of the kind that the seed's turn brings."""
    random = Random(seed)
    kind = KINDS[seed % len(KINDS)]
    assets = [Asset(f"A{n}") for n in range(random.randint(1, 4))]
    venues = [VenueId(f"v{n}") for n in range(1 if kind == "one_venue" else random.randint(1, 5))]
    unit = {"tiny": D("1e-12"), "huge": D("1e15")}.get(kind, D(1))

    def usd(most: int) -> Decimal:
        if kind in ("coarse", "equal", "crowded"):
            return D(random.choice([0, most // 4, most // 2, most])) * unit
        scale = D(10) ** random.randint(-6, 6) if kind == "mixed" else D(1)
        return D(random.randint(0, most * 100)) / 100 * unit * scale

    requirements = tuple(Requirement(asset=a, required=usd(1000), bounds=_bounds(random, "asset_share", usd(1200), 0.4)) for a in assets)
    rooms = tuple(
        VenueRoom(
            venue=v,
            notional=_bounds(random, "venue_share", D(0) if kind == "closed" and random.random() < 0.4 else usd(1500), 0.7)
            + _bounds(random, "leverage", usd(2000), 0.4),
            margin=_bounds(random, "margin_ratio", usd(150), 0.7),
        )
        for v in venues
    )
    candidates = tuple(
        _candidate(random, kind, a, v, usd(500), usd(400)) for a in assets for v in venues if kind != "empty" and random.random() < 0.9
    )
    return Problem(candidates=candidates, requirements=requirements, venues=rooms, gross=_bounds(random, "gross", usd(3000), 0.5))


def _bounds(random: Random, name: str, most: Decimal, chance: float) -> tuple[Bound, ...]:
    return (Bound(limit=name, most=most),) if random.random() < chance else ()


def _candidate(random: Random, kind: str, asset: Asset, venue: VenueId, most: Decimal, short: Decimal) -> Candidate:
    frozen = (kind == "frozen" and random.random() < 0.4) or random.random() < 0.05
    low, high = (-2000, 0) if kind == "negative" else (-500, 2000)
    least = {"weighted": 200, "mixed": 1}.get(kind)
    margins = [D("0.05"), D("0.1")] if least is None else [D(random.randint(least, 3000)) / 10_000, D("0.0333"), D(0), D("0.07")]
    coarse = kind in ("coarse", "crowded")
    return Candidate(
        instrument=InstrumentId(f"{venue}:{asset}"),
        asset=asset,
        venue=venue,
        short=short if random.random() < 0.6 or frozen else D(0),
        bounds=_bounds(random, "open_interest_share", most, 0.7)
        + (_bounds(random, "eligibility", D(0), 0.5) if kind == "closed" else _bounds(random, "instrument_notional", most * 2, 0.3)),
        frozen="in_doubt" if frozen else None,
        carry=D("0.1") if kind == "equal" else D(random.randint(low, high)) / (100 if coarse else 10_000),
        cost_to_open=D(0) if kind == "equal" and random.random() < 0.7 else D(random.randint(0, 50)) / 10_000,
        cost_to_close=D(0) if kind == "equal" and random.random() < 0.7 else D(random.randint(0, 50)) / 10_000,
        margin_use=random.choice(margins),
        notional_weight=D(random.randint(9_800, 10_200)) / 10_000 if kind == "weighted" else D(1),
    )


def with_shorts(problem: Problem, solution: Solution) -> Problem:
    """The same problem, once the solution has become the present."""
    shorts = {p.instrument: p.short for p in solution.portions}
    return replace(problem, candidates=tuple(replace(c, short=shorts[c.instrument]) for c in problem.candidates))


def limit_rows(problem: Problem) -> list[tuple[str, dict[InstrumentId, Fraction], Fraction]]:
    """Every limit with its coefficients and what it allows, relaxed to what is frozen, as the rule says it (own words)."""
    rows: list[tuple[str, dict[InstrumentId, Fraction], Fraction]] = []
    frozen = {c.instrument: Fraction(c.short) for c in problem.candidates if c.frozen is not None}

    def add(name: str, uses: dict[InstrumentId, Fraction], most: Decimal) -> None:
        stuck = sum((uses[i] * frozen[i] for i in uses if i in frozen), Fraction(0))
        rows.append((name, uses, max(Fraction(most), stuck)))

    for c in problem.candidates:
        for b in c.bounds:
            add(b.limit, {c.instrument: Fraction(1)}, b.most)
    needs = {r.asset: r for r in problem.requirements}
    for asset in {c.asset for c in problem.candidates}:
        ones = {c.instrument: Fraction(1) for c in problem.candidates if c.asset == asset}
        add("required_short", ones, needs[asset].required if asset in needs else D(0))
        for b in needs[asset].bounds if asset in needs else ():
            add(b.limit, ones, b.most)
    for room in problem.venues:
        there = [c for c in problem.candidates if c.venue == room.venue]
        for b in room.notional:
            add(b.limit, {c.instrument: Fraction(c.notional_weight) for c in there}, b.most)
        for b in room.margin:
            add(b.limit, {c.instrument: Fraction(c.margin_use) for c in there}, b.most)
    for b in problem.gross:
        add(b.limit, {c.instrument: Fraction(c.notional_weight) for c in problem.candidates}, b.most)
    return rows


def by_highs(problem: Problem) -> tuple[float, float]:
    """(most hedged, best carry at that) in USD, by floating point; changes are variables of their own: short = present + up - down."""
    candidates = problem.candidates
    rows = limit_rows(problem)
    count = len(candidates)
    scale = float(max([Fraction(r.required) for r in problem.requirements] + [Fraction(c.short) for c in candidates])) or 1.0
    place = {c.instrument: n for n, c in enumerate(candidates)}
    matrix, most = np.zeros((len(rows), 3 * count)), np.zeros(len(rows))
    for n, (_, uses, allowed) in enumerate(rows):
        size = float(max(uses.values(), default=Fraction(1))) or 1.0
        for instrument, coefficient in uses.items():
            matrix[n, place[instrument]] = float(coefficient) / size
        most[n] = float(allowed / Fraction(scale)) / size
    shorts = np.array([float(Fraction(c.short) / Fraction(scale)) for c in candidates])
    same = np.hstack([np.eye(count), -np.eye(count), np.eye(count)])
    frozen = [(s, s) if c.frozen is not None else (0, None) for c, s in zip(candidates, shorts, strict=True)]
    limits = frozen + [(0, None)] * (2 * count)
    hedge = np.concatenate([-np.ones(count), np.zeros(2 * count)])
    first = linprog(hedge, A_ub=matrix, b_ub=most, A_eq=same, b_eq=shorts, bounds=limits, method="highs", options=TOLERANCES)
    assert first.status == 0, first.message
    costs = [
        [-float(c.carry) for c in candidates],
        [float(c.cost_to_open) for c in candidates],
        [float(c.cost_to_close) for c in candidates],
    ]
    for slack in (0.0, 1e-13, 1e-11, 1e-9):  # the least that lets HiGHS find its own first answer again
        second = linprog(
            np.concatenate(costs),
            A_ub=np.vstack([matrix, hedge]),
            b_ub=np.append(most, first.fun + slack),
            A_eq=same,
            b_eq=shorts,
            bounds=limits,
            method="highs",
            options=TOLERANCES,
        )
        if second.status == 0:
            return -first.fun * scale, -second.fun * scale
    raise AssertionError(second.message)


def prove(columns: Sequence[Column], capacities: Sequence[int], optimum: Optimum) -> None:
    """That no point is better, by exact complementary slackness in all objectives at once; raises AssertionError if not proven."""
    used = [Fraction(0)] * len(capacities)
    for column, value in zip(columns, optimum.values, strict=True):
        assert 0 <= value <= column.upper
        reduced = [Fraction(worth) for worth in column.worth]
        for row, coefficient in column.entries:
            used[row] += coefficient * value
            reduced = [r - duals[row] * coefficient for r, duals in zip(reduced, optimum.duals, strict=True)]
        sign = next((r for r in reduced if r), 0)
        assert value == column.upper or sign <= 0
        assert value == 0 or sign >= 0
    for row, capacity in enumerate(capacities):
        prices = [duals[row] for duals in optimum.duals]
        assert used[row] <= capacity
        assert next((p for p in prices if p), 0) >= 0
        assert used[row] == capacity or not any(prices)
