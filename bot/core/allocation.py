"""How much short each instrument should carry: the exact answer to the continuous, static problem.

The rule, in this order, under every limit:

    1. the least unhedged USD: sum over assets of required less short, and never more short than required
    2. the most expected carry, net of what the change from the present shorts costs
    3. the least change
    4. spread: of equally good shares the n-th asset prefers the n-th venue, then the next one, and so on around

Nothing is tried and rounded: the program is solved in exact numbers (`simplex`), and that a limit binds means that nothing at all is
left under it. What no Decimal holds (a third, where margin of two kinds binds) is cut off far behind the finest digit of the limits,
always downward, so that no limit is exceeded by even that.

What is frozen stays exactly as it is. When it alone exceeds a limit, that limit is taken to be what is frozen, the solution names it
(`relaxed`), and nothing else may be carried under it: shorts there that are not frozen are given up.

Deterministic, and blind to the order of its input. Fed with its own answer it changes nothing: a way in two changes never costs less
than the direct one, so nothing can have become better, and of equals the least change wins. That the largest share is not made
smallest among equals is deliberate: it takes thirds and sevenths, which no Decimal holds, and would leave a rest of each unhedged.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core.allocation_program import Program, digits_of, program_of, scaled, ten_to
from bot.core.allocation_terms import NO_INSTRUMENT, REQUIRED, Binding, Candidate, Coverage, Portion, Problem, Relaxed, Solution
from bot.core.simplex import Exact, maximise
from bot.core.units import ZERO, Asset

GRAIN_DIGITS = 20
"""A share that no Decimal holds is cut off this many digits behind the finest digit of the limits."""
STILL_DIGITS = 14
"""When no share would move by more than one in this digit behind the finest digit of the limits, nothing changes."""


def allocate(problem: Problem) -> Solution:
    """The best allocation. Raises ValueError on a problem that makes no sense (see `check`)."""
    check(problem)
    program = program_of(problem)
    optimum = maximise(program.columns, program.capacities)
    exact: list[Exact] = [s if c.frozen is not None else 0 for c, s in zip(program.candidates, program.shorts, strict=True)]
    for owner, value in zip(program.owners, optimum.values, strict=True):
        exact[owner] += value
    digits, shares = _as_decimals(program, exact)
    return _solution(program, exact, shares, digits, optimum.steps)


def check(problem: Problem) -> None:
    """Raises ValueError for a number that is not finite or has a sign it cannot have, and for anything that is named twice."""
    _once("an instrument", [c.instrument for c in problem.candidates])
    _once("an asset", [r.asset for r in problem.requirements])
    _once("a venue", [" ".join((v.venue, *sorted(v.instruments))) for v in problem.venues])
    for c in problem.candidates:
        if not all(v.is_finite() for v in (c.short, c.carry, c.cost_to_open, c.cost_to_close, c.margin_use, c.notional_weight)):
            raise ValueError(f"{c.instrument}: a number is not finite")
        if min(c.short, c.cost_to_open, c.cost_to_close, c.margin_use) < ZERO or c.notional_weight <= ZERO:
            raise ValueError(f"{c.instrument}: short, costs and margin use are never below zero, and a notional weight is above it")
    bounds = [*problem.gross, *(b for c in problem.candidates for b in c.bounds), *(b for r in problem.requirements for b in r.bounds)]
    bounds += [b for v in problem.venues for b in v.notional + v.margin]
    if not all(b.most.is_finite() for b in bounds) or not all(r.required.is_finite() for r in problem.requirements):
        raise ValueError("a bound or a requirement is not finite; leave out what is unlimited")


def _once(what: str, names: Sequence[str]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{what} is named twice")


def _as_decimals(program: Program, exact: Sequence[Exact]) -> tuple[int, list[int]]:
    """Shares on a decimal grid (places, shares x 10^places): cut downward, and what an asset loses by that given to one that has room."""
    still = ten_to(max(program.digits - program.limit_digits - STILL_DIGITS, 0))
    finer = ten_to(max(program.limit_digits + STILL_DIGITS - program.digits, 0))
    rests = (-still <= (value - short) * finer <= still for value, short in zip(exact, program.shorts, strict=True))
    if all(rests) and _is_allowed(program, program.shorts):
        return program.digits, list(program.shorts)
    if all(isinstance(value, int) for value in exact):
        return program.digits, [int(value) for value in exact]
    digits = max(program.digits, program.limit_digits + GRAIN_DIGITS)
    grain = ten_to(digits - program.digits)
    shares = [int(value * grain // 1) for value in exact]
    lost: dict[Asset, Exact] = {}
    for candidate, value, share in zip(program.candidates, exact, shares, strict=True):
        lost[candidate.asset] = lost.get(candidate.asset, 0) + value * grain - share
    for i, candidate in enumerate(program.candidates):
        rest = min(int(lost[candidate.asset] // 1), program.uppers[i] * grain - shares[i])
        if rest and not isinstance(exact[i], int) and _has_room(program, i, rest, shares, grain):
            shares[i] += rest
            lost[candidate.asset] -= rest
    return digits, shares


def _is_allowed(program: Program, shorts: Sequence[int]) -> bool:
    within = all(short <= upper for short, upper in zip(shorts, program.uppers, strict=True))
    return within and all(row.used(shorts) <= row.most for row in program.rows)


def _has_room(program: Program, i: int, rest: int, shares: Sequence[int], grain: int) -> bool:
    return all(row.used(shares) + row.uses[i] * rest <= row.most * grain for row in program.rows_of[i])


def _solution(program: Program, exact: Sequence[Exact], shares: Sequence[int], digits: int, steps: int) -> Solution:
    limits = _limits(program, exact)
    portions = tuple(
        Portion(
            instrument=c.instrument, short=c.short if _unmoved(program, i, share, digits) else _decimal(share, digits), limits=limits[i]
        )
        for i, (c, share) in enumerate(zip(program.candidates, shares, strict=True))
    )
    coverage = _coverage(program, shares, digits, limits)
    grain = ten_to(digits - program.digits)
    change = sum(abs(share - short * grain) for share, short in zip(shares, program.shorts, strict=True))
    return Solution(
        portions=portions,
        coverage=coverage,
        unhedged=_decimal(sum(_scaled_up(c.unhedged, digits) for c in coverage), digits),
        carry=_carry(program.candidates, shares, [short * grain for short in program.shorts], digits),
        change=_decimal(change, digits),
        relaxed=_relaxed(program),
        steps=steps,
    )


def _unmoved(program: Program, i: int, share: int, digits: int) -> bool:
    return share == program.shorts[i] * ten_to(digits - program.digits)


def _limits(program: Program, exact: Sequence[Exact]) -> list[tuple[Binding, ...]]:
    """By candidate: every limit with nothing left under it, sorted by name."""
    tight: dict[int, list[Binding]] = {}
    for row in program.rows:
        used = row.used(exact)
        if used >= row.most:
            found = [Binding(limit, row.subject) for limit, most in row.bounds if most <= used and limit != REQUIRED]
            for i in row.uses:
                tight.setdefault(i, []).extend(found)
    power = ten_to(program.digits)
    named: list[tuple[Binding, ...]] = []
    for i, c in enumerate(program.candidates):
        if c.frozen is not None:
            named.append((Binding(c.frozen, c.instrument),))
            continue
        own = [Binding(b.limit, c.instrument) for b in c.bounds if scaled(max(b.most, ZERO), power) <= exact[i]]
        named.append(tuple(sorted({*own, *tight.get(i, ())})))
    return named


def _coverage(program: Program, shares: Sequence[int], digits: int, limits: Sequence[tuple[Binding, ...]]) -> tuple[Coverage, ...]:
    hedged: dict[Asset, int] = dict.fromkeys(program.requirements, 0)
    standing: dict[Asset, set[Binding]] = {}
    for candidate, share, names in zip(program.candidates, shares, limits, strict=True):
        hedged[candidate.asset] = hedged.get(candidate.asset, 0) + share
        standing.setdefault(candidate.asset, set()).update(names)
    found = []
    for asset, short in sorted(hedged.items()):
        requirement = program.requirements.get(asset)
        required = _scaled_up(max(requirement.required, ZERO), digits) if requirement is not None else 0
        reasons = standing.get(asset, {Binding(NO_INSTRUMENT, asset)}) if short < required else set()
        found.append(
            Coverage(
                asset=asset,
                hedged=_decimal(short, digits),
                unhedged=_decimal(max(required - short, 0), digits),
                overhedged=_decimal(max(short - required, 0), digits),
                limits=tuple(sorted(reasons)),
            )
        )
    return tuple(found)


def _carry(candidates: Sequence[Candidate], shares: Sequence[int], shorts: Sequence[int], digits: int) -> Decimal:
    """Expected USD per year, less the yearly cost of what is opened and closed."""
    rates = digits_of(rate for c in candidates for rate in (c.carry, c.cost_to_open, c.cost_to_close))
    power, total = ten_to(rates), 0
    for c, share, short in zip(candidates, shares, shorts, strict=True):
        cost = c.cost_to_open if share > short else c.cost_to_close
        total += scaled(c.carry, power) * share - scaled(cost, power) * abs(share - short)
    return _decimal(total, digits + rates)


def _relaxed(program: Program) -> tuple[Relaxed, ...]:
    """Every limit that what is frozen exceeds by itself."""
    found = [
        Relaxed(binding=Binding(b.limit, c.instrument), allowed=max(b.most, ZERO), frozen=c.short)
        for c in program.candidates
        if c.frozen is not None
        for b in c.bounds
        if max(b.most, ZERO) < c.short
    ]
    for row in program.rows:
        places = len(str(row.power)) - 1
        found.extend(
            Relaxed(binding=Binding(limit, row.subject), allowed=_decimal(most, places), frozen=_decimal(row.frozen, places))
            for limit, most in row.bounds
            if most < row.frozen
        )
    return tuple(sorted(found, key=lambda r: r.binding))


def _scaled_up(value: Decimal, digits: int) -> int:
    return scaled(value, ten_to(digits))


def _decimal(value: int, places: int) -> Decimal:
    """value / 10^places, exactly (a constructor rounds nothing, whatever the context), without idle zeros behind the point."""
    text = str(value)
    dropped = min(len(text) - len(text.rstrip("0")), places) if value else 0
    return Decimal(f"{text[: len(text) - dropped]}E{dropped - places}") if value else ZERO
