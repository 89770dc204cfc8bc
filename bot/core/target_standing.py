"""Whether the allocation that was worked out before still stands, so that nothing is worked out.

It does not stand

    when a position is not between what it was then and what it should be: something else moved it
    when the changes still to be made do not come to the gap that is to be hedged now, by more than the band: collateral or a position
    was moved by something else, or not all of the gap fits
    when another thing stands in the way than then, or stands no longer: a limit, a freeze, a flip, a rest, a state
    when `reallocation_interval_ms` have passed and a dollar moved would earn more than the move costs, or a cap was exceeded then

Orders of ours on their way stand in nobody's way here: they are what the allocation asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.core import exposure
from bot.core.lasting import Same, lasting
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_problem import PROHIBITIVE, Leg, Question
from bot.core.target_records import Allocated, Standing
from bot.core.units import ZERO, Asset, InstrumentId, Millis

Shares = Mapping[InstrumentId, Standing]


def standing(ledger: Ledger, policy: Policy, question: Question, now: Millis) -> Allocated | None:
    """The ledger's allocation while it is still to be followed."""
    kept = ledger.allocated
    if kept is None or kept.obstacles != question.obstacles:
        return None
    of, gaps = Same((kept.shares, kept.obstacles, *question.legs.values())), tuple(question.gaps.items())
    if not question.legs.keys() <= kept.shares.keys() or not _is_followed(ledger, policy, of, gaps):
        return None
    return kept if 0 <= now - kept.at < policy.reallocation_interval_ms or not _is_worth_a_look(ledger, policy, of, gaps) else None


@lasting
def _is_followed(ledger: Ledger, policy: Policy, of: Same, gaps: tuple[tuple[Asset, Decimal], ...]) -> bool:
    """Whether nothing but an allocation has moved what is carried, and what is left of it to do comes to the gaps.

    `of` are its shares, what stood in the way then, and the legs.
    """
    shares, _, *legs = of.items
    return all(_is_on_its_way(ledger, leg, shares) for leg in legs) and all(_adds_up(ledger, policy, shares, legs, *gap) for gap in gaps)


@lasting
def _is_worth_a_look(_ledger: Ledger, _policy: Policy, of: Same, gaps: tuple[tuple[Asset, Decimal], ...]) -> bool:
    _, obstacles, *legs = of.items
    return any(" beyond " in o for o in obstacles) or any(_could_pay(legs, asset) for asset, _ in gaps)


def _is_on_its_way(ledger: Ledger, leg: Leg, shares: Shares) -> bool:
    """Whether a leg stands between where it was and where it should be: else something else has moved it."""
    share = shares[leg.instrument]
    return leg.frozen is not None or min(share.was, share.units) <= units_of(ledger, leg, leg.short) <= max(share.was, share.units)


def _adds_up(ledger: Ledger, policy: Policy, shares: Shares, legs: Sequence[Leg], asset: Asset, gap: Decimal) -> bool:
    """Whether what is still to be raised less what is still to be lowered comes to the gap, within the band.

    Or to the net delta, while a change of venue is under way: its first leg over-hedges, its second takes that back. While orders of ours
    are on their way, either without what they are for, or with what is to follow them, held against net delta as they will leave it.
    """
    edge, net = exposure.rebalance_threshold(ledger, policy, asset), exposure.net_delta(ledger, policy, asset)
    if edge is None or net is None:
        return False
    own = [leg for leg in legs if leg.asset == asset]
    free = sum((_still_due(ledger, leg, shares) for leg in own if leg.frozen is None), ZERO)
    later = sum((_still_due(ledger, leg, shares) for leg in own if leg.is_waiting), ZERO)
    # What net delta comes to when all that is on its way has filled: the low end has every sale in it, the high end every purchase.
    on_way = [leg.ahead + (exposure.recorded(ledger, leg.instrument) or ZERO) for leg in own if leg.is_waiting]
    bought = sum((-change for change in on_way if change < ZERO), ZERO)
    misses = (free - gap, free - net.nearest_zero, free + later - (net.low + bought))
    return min(abs(miss) for miss in misses) <= edge


def _still_due(ledger: Ledger, leg: Leg, shares: Shares) -> Decimal:
    return short_of(ledger, leg, shares[leg.instrument]) - leg.begins_at


def short_of(ledger: Ledger, leg: Leg, kept: Standing) -> Decimal:
    """Base units of short of a standing share, at the mark of now."""
    return ledger.instruments[leg.instrument].base_of(kept.units, exposure.mark_of(ledger, leg.instrument) or leg.price)


def units_of(ledger: Ledger, leg: Leg, short: Decimal) -> Decimal:
    """Contract units of short of so many base units: what stands while the price of an inverse instrument moves."""
    return ledger.instruments[leg.instrument].units_of(short, exposure.mark_of(ledger, leg.instrument) or leg.price)


def _could_pay(legs: Sequence[Leg], asset: Asset) -> bool:
    """Whether a dollar from the instrument that loses least by losing it, at the one that gains most, earns more than the move costs."""
    free = [leg for leg in legs if leg.asset == asset and leg.frozen is None]
    gains = [leg.carry - leg.opens for leg in free if _may_grow(leg)]
    losses = [leg.carry + leg.closes for leg in free if leg.short > ZERO and leg.closes < PROHIBITIVE]
    return bool(gains and losses) and max(gains) > min(losses)


def _may_grow(leg: Leg) -> bool:
    most = min((b.most for b in leg.bounds), default=None)
    return not leg.obstacles and leg.opens < PROHIBITIVE and (most is None or most > leg.carried.short)
