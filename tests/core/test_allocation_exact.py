"""The allocation against another solver, against exact feasibility, and against its own proof, over thousands of random problems."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from bot.core.allocation import allocate
from bot.core.allocation_program import program_of
from bot.core.allocation_terms import Bound, Problem, Solution
from bot.core.simplex import maximise
from tests.core.allocation_cases import KINDS, by_highs, case, limit_rows, prove, with_shorts

CHUNK = 70
CHUNKS = range(36)
SEEDS = [range(n * CHUNK, (n + 1) * CHUNK) for n in CHUNKS]
RELATIVE = Fraction(1, 10**9)


def shares(solution: Solution) -> dict[str, Decimal]:
    return {p.instrument: p.short for p in solution.portions}


def carry_of(problem: Problem, short: dict[str, Decimal]) -> tuple[Fraction, Fraction]:
    """(carry net of cost, the sum of its terms' magnitudes) of some shares."""
    net = size = Fraction(0)
    for c in problem.candidates:
        up = Fraction(short[c.instrument]) - Fraction(c.short)
        terms = (
            Fraction(c.carry) * Fraction(short[c.instrument]),
            -Fraction(c.cost_to_open) * max(up, 0),
            Fraction(c.cost_to_close) * min(up, 0),
        )
        net += sum(terms)
        size += sum(abs(t) for t in terms)
    return net, size


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda s: f"{s.start}-{s.stop - 1}")
def test_as_good_as_another_solver_and_proven(seeds: range) -> None:
    for seed in seeds:
        problem = case(seed)
        solution = allocate(problem)
        program = program_of(problem)
        prove(program.columns, program.capacities, maximise(program.columns, program.capacities))
        short = shares(solution)
        for c in problem.candidates:
            assert short[c.instrument] >= 0
            assert c.frozen is None or short[c.instrument] == c.short
        for name, uses, most in limit_rows(problem):
            assert sum(Fraction(short[i]) * coefficient for i, coefficient in uses.items()) <= most, (seed, name)
        hedged = sum((Fraction(s) for s in short.values()), Fraction(0))
        carry, size = carry_of(problem, short)
        assert Fraction(solution.carry) == carry
        if not problem.candidates:
            continue
        most_hedged, best_carry = (Fraction(f) for f in by_highs(problem))
        if KINDS[seed % len(KINDS)] == "mixed":
            # Magnitudes twelve digits apart: HiGHS may exceed each limit by 1e-10 of the largest one, which is all there is of the
            # smallest. The proof above holds exactly; here the two can only agree as far as the other solver is exact.
            hedged_size = size = max([Fraction(r.required) for r in problem.requirements] + [Fraction(c.short) for c in problem.candidates])
        else:
            hedged_size = max(most_hedged, hedged)
        assert abs(hedged - most_hedged) <= RELATIVE * hedged_size, seed
        assert abs(carry - best_carry) <= RELATIVE * size, (seed, float(carry), float(best_carry))


@pytest.mark.parametrize("seeds", SEEDS[:12], ids=lambda s: f"{s.start}-{s.stop - 1}")
def test_blind_to_order_still_and_monotone(seeds: range) -> None:
    for seed in seeds:
        problem = case(seed)
        solution = allocate(problem)
        assert allocate(shuffled(problem, Random(seed))) == solution
        again = allocate(with_shorts(problem, solution))
        assert shares(again) == shares(solution), seed
        assert again.change == 0
        assert again.unhedged == solution.unhedged
        wider = allocate(widened(problem, Random(seed)))
        assert wider.unhedged <= solution.unhedged + Decimal("1e-15") * sum(c.hedged for c in solution.coverage)


def shuffled(problem: Problem, random: Random) -> Problem:
    def mixed(items):
        return tuple(random.sample(items, len(items)))

    candidates = mixed([replace(c, bounds=mixed(c.bounds)) for c in problem.candidates])
    venues = mixed([replace(v, notional=mixed(v.notional), margin=mixed(v.margin)) for v in problem.venues])
    requirements = mixed([replace(r, bounds=mixed(r.bounds)) for r in problem.requirements])
    return replace(problem, candidates=candidates, requirements=requirements, venues=venues)


def widened(problem: Problem, random: Random) -> Problem:
    """The problem with some of its limits eased."""

    def eased(bounds: tuple[Bound, ...]) -> tuple[Bound, ...]:
        return tuple(replace(b, most=b.most * random.choice([1, 1, 2]) + random.choice([0, 0, 10])) for b in bounds)

    candidates = tuple(replace(c, bounds=eased(c.bounds)) for c in problem.candidates)
    venues = tuple(replace(v, notional=eased(v.notional), margin=eased(v.margin)) for v in problem.venues)
    requirements = tuple(replace(r, bounds=eased(r.bounds)) for r in problem.requirements)
    return Problem(candidates=candidates, requirements=requirements, venues=venues, gross=eased(problem.gross))


def test_every_kind_is_met_and_none_is_trivial() -> None:
    """A guard of the generator: each kind brings searches with steps, and something left unhedged as well as nothing left."""
    assert sum(len(s) for s in SEEDS) >= 2_000
    for n, kind in enumerate(KINDS):
        solutions = [allocate(case(seed)) for seed in range(n, 40 * len(KINDS), len(KINDS))]
        assert any(s.unhedged > 0 for s in solutions), kind
        if kind != "empty":
            assert any(s.unhedged == 0 for s in solutions), kind
            assert sum(s.steps for s in solutions) > 0, kind
    relaxed = {r.binding.limit for seed in range(600) for r in allocate(case(seed)).relaxed}
    assert relaxed >= {"required_short", "open_interest_share", "venue_share", "margin_ratio", "gross", "asset_share", "leverage"}
