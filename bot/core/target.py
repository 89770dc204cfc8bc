"""How much short each instrument should carry, and why: the plan of each asset, out of one allocation of the whole book.

The rule:

    gap        how much of the net delta is to be hedged now is told by the no-trade band (`no_trade`)
    shares     who carries it is the exact answer (`allocation`) to the problem of the whole book (`target_problem`)
    standing   that answer stands, and nothing is worked out, until a gap is to be hedged, what is carried no longer adds up to it, another
               thing stands in the way or is exceeded, or `reallocation_interval_ms` have passed and a change of venue could pay
    after it   changes are rounded to lots toward zero; what rounding left goes where there is room; changes of venue worth less than
               `venue_move_notional_min` are dropped, and all of them while the book is not ACTIVE. No step breaks a bound or adds up to
               more than is needed.

What fits nowhere is told with the name of each limit that stood in the way. Delta neutrality comes before carry: what can be hedged at
the worst funding is hedged.

A plan holds slots and shares of the instruments that can take an order now: a slot tells what is carried and how far it could go
(`most`), a share what it should carry and which limits keep it from more. An instrument that is frozen is told in `blocked` alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import IntEnum

from bot.core import exposure, netting, risk
from bot.core.allocation import allocate
from bot.core.allocation_terms import Binding, Coverage, Solution
from bot.core.band import Urgency
from bot.core.copying import replace
from bot.core.lasting import Same, lasting
from bot.core.limits import Breach, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_problem import Leg, Question, question_of
from bot.core.target_records import Allocated, Standing, VenueMove
from bot.core.target_room import in_base
from bot.core.target_rounding import Changes, settled
from bot.core.target_standing import short_of, standing, units_of
from bot.core.units import ZERO, Asset, InstrumentId, Millis, Range, VenueId


class Grade(IntEnum):
    """How willingly an instrument is used; smaller is more willing. AVOID: its funding has flipped."""

    PREFERRED = 0
    HOLD = 1
    AVOID = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """What one instrument carries and may carry, as base units of SHORT (>= 0 when short). `binding` names what sets `most`.

    `most` leaves the shares of the others as they are to be. It is less than `short` where a limit is exceeded.
    """

    instrument: InstrumentId
    short: Decimal
    most: Decimal
    grade: Grade
    binding: Limit | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one instrument should carry (base units of short), and every limit that keeps it from more."""

    instrument: InstrumentId
    short: Decimal
    limits: tuple[Binding, ...] = ()

    @property
    def binding(self) -> Limit | None:
        """The first of its limits."""
        return Limit(self.limits[0].limit) if self.limits else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """The shares of one asset. `unplaced` (base units >= 0) fits under no limit, `overhedged` is frozen beyond what is needed.

    `limits` are those that keep the one unplaced, or hold the other.
    """

    shares: tuple[Share, ...]
    unplaced: Decimal = ZERO
    overhedged: Decimal = ZERO
    limits: tuple[Binding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one asset's decision comes to. `gap` (base, > 0: more short) is what to hedge now; 0: leave it, or wait for flow.

    `moves` are the instruments whose change is a change of venue, in whole or in part. `given_up` (base): lowered for want of margin,
    though nothing takes it over. `price`: the asset's one price, USD.
    """

    asset: Asset
    net: Range | None
    gap: Decimal
    urgency: Urgency = Urgency.NONE
    slots: tuple[Slot, ...] = ()
    allocation: Allocation | None = None
    moves: frozenset[InstrumentId] = frozenset()
    given_up: Decimal = ZERO
    price: Decimal | None = None
    blocked: tuple[Breach, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """What a look at the whole book came to: a plan for each hedged asset, and what the ledger is to remember of it."""

    plans: tuple[Plan, ...]
    allocated: Allocated
    venue_moves: Mapping[Asset, VenueMove]

    def remembered(self, ledger: Ledger) -> Ledger:
        """The ledger with the allocation in force."""
        if self.allocated == ledger.allocated and self.venue_moves == ledger.venue_moves:
            return ledger
        return replace(ledger, allocated=self.allocated, venue_moves=self.venue_moves)


def plan_book(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Plan, ...]:
    """What the shorts of every hedged asset should become, instrument by instrument, and what stands in the way."""
    return targets_for(ledger, policy, now).plans


def targets_for(ledger: Ledger, policy: Policy, now: Millis) -> Targets:
    """The plans of all hedged assets, after the standing allocation or a new one."""
    question = question_of(ledger, policy, now)
    coverage: Mapping[Asset, Coverage] = {}
    is_active = risk.trading_state(ledger, policy) is risk.TradingState.ACTIVE
    kept = standing(ledger, policy, question, now)
    changes = None if kept is None else _changes(ledger, policy, question, kept, may_move=is_active)
    if kept is None or changes is None or not _meets(ledger, policy, question, changes):
        solution = _solved(ledger, policy, Same((question.problem,)))
        coverage = {c.asset: c for c in solution.coverage}
        shares = _shares(ledger, policy, Same((solution, *question.legs.values())))
        kept = Allocated(at=now, obstacles=question.obstacles, shares=shares)
        changes = _changes(ledger, policy, question, kept, may_move=is_active)
    plans = tuple(_plan(ledger, policy, a, question, kept, changes, coverage.get(a), now) for a in exposure.hedged_assets(policy))
    return Targets(plans=plans, allocated=kept, venue_moves=_moves(ledger, policy, question, plans, now))


@lasting
def _solved(_: Ledger, __: Policy, of: Same) -> Solution:
    """The answer to a problem: one that is put again because the interval has passed is solved already."""
    (problem,) = of.items
    return allocate(problem)


@lasting
def _shares(ledger: Ledger, _: Policy, of: Same) -> Mapping[InstrumentId, Standing]:
    """What stands of a solution (the first of these, beside the legs) while prices move."""
    solution, *legs = of.items
    by_name = {leg.instrument: leg for leg in legs}
    return {
        p.instrument: Standing(units=units_of(ledger, leg, _base(leg, p.short)), was=units_of(ledger, leg, leg.short), limits=p.limits)
        for p in solution.portions
        for leg in (by_name[p.instrument],)
    }


def _changes(ledger: Ledger, policy: Policy, question: Question, kept: Allocated, *, may_move: bool) -> Changes:
    asked = Same((question.problem, kept.shares, *question.legs.values()))
    due = (tuple(question.gaps.items()), tuple(question.prices.items()))
    return _settled(ledger, policy, asked, due, may_move=may_move, reconciled=question.reconciled)


@lasting
def _settled(
    ledger: Ledger,
    policy: Policy,
    asked: Same,
    due: tuple[tuple[tuple[Asset, Decimal], ...], tuple[tuple[Asset, Decimal], ...]],
    *,
    may_move: bool,
    reconciled: frozenset[VenueId],
) -> Changes:
    """What an allocation leaves to do, from its problem, its shares and the legs (`asked`), gaps and prices."""
    problem, shares, *legs = asked.items
    by_name = {leg.instrument: leg for leg in legs}
    wanted = {i: short_of(ledger, leg, shares[i]) for i, leg in by_name.items()}
    gaps, prices = map(dict, due)
    question = Question(problem=problem, legs=by_name, prices=prices, gaps=gaps, blocked={}, obstacles=(), reconciled=reconciled)
    return settled(ledger, policy, question, wanted, may_move=may_move)


def _meets(ledger: Ledger, policy: Policy, question: Question, changes: Changes) -> bool:
    """Whether what an allocation of before leaves to do still hedges every gap, within the band: caps may have shrunk since."""
    for asset, gap in question.gaps.items():
        done = sum((changes.shorts[i] - question.legs[i].short for i in changes.shorts if question.legs[i].asset == asset), ZERO)
        if gap != ZERO and abs(gap - done) > (exposure.rebalance_threshold(ledger, policy, asset) or ZERO):
            return False
    return True


def _base(leg: Leg, short: Decimal) -> Decimal:
    """USD of hedge in base units of short; what nothing changes keeps its very quantity."""
    if short == leg.carried.short:
        return max(leg.short, ZERO)
    return in_base(short, leg.price)


def _plan(
    ledger: Ledger,
    policy: Policy,
    asset: Asset,
    question: Question,
    kept: Allocated,
    changes: Changes,
    coverage: Coverage | None,
    now: Millis,
) -> Plan:
    if asset not in question.gaps:
        breach = risk.delta_breach(ledger, policy, asset)
        return Plan(asset=asset, net=exposure.net_delta(ledger, policy, asset), gap=ZERO, blocked=(breach,) if breach else ())
    legs = [leg for leg in question.legs.values() if leg.asset == asset and leg.frozen is None]
    of = Same((kept.shares, changes, coverage, *legs))
    urgency = netting.urgency_of(ledger, policy, asset, now)
    return _planned(ledger, policy, asset, of, (question.gaps[asset], question.prices[asset]), urgency, question.blocked[asset])


@lasting
def _planned(
    ledger: Ledger,
    policy: Policy,
    asset: Asset,
    of: Same,
    due: tuple[Decimal, Decimal],
    urgency: Urgency,
    blocked: tuple[Breach, ...],
) -> Plan:
    """The plan of an asset with this gap and price (`due`): of shares, what they leave to do, how far they cover the need, and the legs."""
    (gap, price), (kept, changes, coverage, *legs) = due, of.items
    shares = tuple(
        Share(
            instrument=leg.instrument,
            short=changes.shorts[leg.instrument],
            limits=kept[leg.instrument].limits,
        )
        for leg in legs
    )
    allocation = Allocation(
        shares=shares,
        unplaced=ZERO if coverage is None else coverage.unhedged / price,
        overhedged=ZERO if coverage is None else coverage.overhedged / price,
        limits=() if coverage is None else coverage.limits,
    )
    return Plan(
        asset=asset,
        net=exposure.net_delta(ledger, policy, asset),
        gap=gap,
        urgency=urgency,
        slots=tuple(_slot(leg, share, changes) for leg, share in zip(legs, shares, strict=True)),
        allocation=allocation,
        moves=changes.moves.get(asset, frozenset()),
        given_up=changes.given_up.get(asset, ZERO),
        price=price,
        blocked=blocked,
    )


def _slot(leg: Leg, share: Share, changes: Changes) -> Slot:
    grade = Grade.AVOID if leg.is_flipped else Grade.HOLD if leg.is_last_resort or leg.obstacles else Grade.PREFERRED
    left = changes.left[leg.instrument]
    binding = None if left.limit is None else Limit(left.limit)
    return Slot(instrument=leg.instrument, short=leg.short, most=share.short + left.usd / leg.price, grade=grade, binding=binding)


def _moves(ledger: Ledger, policy: Policy, question: Question, plans: Sequence[Plan], now: Millis) -> Mapping[Asset, VenueMove]:
    """When each asset began to change its venue for better funding: that is, to leave what no limit and no flip asks it to leave."""
    moves = dict(ledger.venue_moves)
    for plan in plans:
        shares = plan.allocation.shares if plan.allocation is not None else ()
        legs = {s.instrument: question.legs[s.instrument] for s in shares}
        left = frozenset(
            s.instrument
            for s in shares
            if s.instrument in plan.moves and s.short < legs[s.instrument].short and not s.limits and not legs[s.instrument].is_flipped
        )
        before = moves.get(plan.asset)
        is_going_on = before is not None and 0 <= now - before.at < policy.switch_dwell_ms and left <= before.left
        if left and not is_going_on:
            moves[plan.asset] = VenueMove(at=now, left=left)
    return moves


def shortfalls(plan: Plan) -> tuple[Breach, ...]:
    """The limits that keep certain delta unhedged, each once, with how much fits nowhere (base units); empty when all fits."""
    found = plan.allocation
    if found is None or plan.gap <= ZERO or found.unplaced <= ZERO:
        return ()
    limits = {Limit(b.limit) for b in found.limits} | {b.limit for b in plan.blocked}
    return tuple(Breach(limit, plan.asset, found.unplaced, ZERO, _told(plan, "fits nowhere", found.unplaced)) for limit in sorted(limits))


def surpluses(plan: Plan) -> tuple[Breach, ...]:
    """What holds more short than is needed and cannot be lowered now, with how much (base units); empty when nothing does."""
    found = plan.allocation
    if found is None or plan.gap >= ZERO or found.overhedged <= ZERO:
        return ()
    words = _told(plan, "short beyond what is needed", found.overhedged)
    return tuple(Breach(limit, plan.asset, found.overhedged, ZERO, words) for limit in sorted({b.limit for b in plan.blocked}))


def _told(plan: Plan, what: str, quantity: Decimal) -> str:
    return f"base units, {quantity * (plan.price or ZERO):.2f} USD, {what}"


def targets_of(plans: Sequence[Plan]) -> Mapping[InstrumentId, Decimal]:
    """The signed quantity (short < 0) that each instrument should carry, for those that were decided on."""
    return {s.instrument: -s.short for p in plans if p.allocation is not None for s in p.allocation.shares}
