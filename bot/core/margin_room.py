"""What margin leaves to hedges, limit by limit: for the allocation.

Candidate.margin_use = `margin_use`. Of each `Room` of a pool, with what its instruments carry now:

    in_margin       sum of margin_use x USD of hedge  <= that of now + spare
    else            USD of notional                   <= that of now + spare - leaving

Spare is what an increase may take (targets); leaving is what must go elsewhere, or be given up, because a least value is passed. A room
that is merely full moves nothing away: what prices did to leverage or ratio ends increases, the least buffer and distance move hedges.
A venue with several pools has rooms for each: they bound the instruments that they name.

Straight lines stand for tiers here, on the strict side; the gate works out the exact figures after each order (`margin.increase_breach`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from bot.core.lasting import Same, lasting
from bot.core.limits import Limit
from bot.core.liquidation_joint import Moving
from bot.core.margin import buffer_limits
from bot.core.margin_account import pools
from bot.core.margin_pool import RATE_MAX, Leg, Pool
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.tiers import TierRule
from bot.core.units import ONE, ZERO, InstrumentId, VenueId

USE_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What one limit leaves to the hedges of one pool together: USD >= 0 that may still be added, and USD >= 0 that must leave.

    `excess`: USD >= 0 by which the value for increases is passed. `in_margin`: counted in margin that hedges take (`margin_use` x USD of
    hedge), else in USD of notional.
    """

    limit: Limit
    instruments: tuple[InstrumentId, ...]
    spare: Decimal
    leaving: Decimal = ZERO
    in_margin: bool = False
    excess: Decimal = ZERO


def margin_rooms(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[Room, ...]:
    """What each limit leaves to each pool of a venue. A pool of which something is unknown has no spare, and nothing must leave it."""
    return tuple(room for rooms in _rooms_by_pool(ledger, policy, venue) for room in rooms)


@lasting
def _rooms_by_pool(ledger: Ledger, policy: Policy, venue: VenueId) -> tuple[tuple[Room, ...], ...]:
    return tuple(_rooms(Same((policy, pool))) for pool in pools(ledger, policy, venue))


@lasting
def _marginal_rates(ledger: Ledger, policy: Policy, venue: VenueId) -> Mapping[InstrumentId, Decimal]:
    return {i: rate for pool in pools(ledger, policy, venue) for i, rate in _rates(Same((policy, pool))).items()}


@lru_cache(maxsize=256)
def _rates(of: Same) -> Mapping[InstrumentId, Decimal]:
    """By instrument of a pool (`of` a policy and it)."""
    policy, pool = of.items
    return {i: _marginal_rate(policy, pool, leg) for i, leg in (pool.legs or {}).items()}


@lru_cache(maxsize=256)
def _rooms(of: Same) -> tuple[Room, ...]:
    """Of a pool (`of` a policy and it)."""
    policy, pool = of.items
    rates = _rates(of)
    instruments = tuple(sorted(pool.legs or {}))
    balance, needed, notional, moving = pool.balance(), pool.maintenance(), pool.notional(), pool.moving()
    if pool.usd is None or balance is None or needed is None or notional is None or moving is None:
        return (Room(limit=Limit.MARGIN_UNKNOWN, instruments=instruments, spare=ZERO),)
    owned, (target, least) = max(balance, ZERO), buffer_limits(policy, pool)
    rate = max((rates[instrument] for instrument in instruments), default=ZERO)
    found = (
        (Limit.LEVERAGE, policy.leverage_max * owned - notional, ZERO, False),
        (Limit.MARGIN_BUFFER, owned / target - notional, notional - owned / least, False),
        (
            Limit.LIQUIDATION_DISTANCE,
            _clear_of(policy.liquidation_distance_target, moving, rate),
            -_clear_of(policy.liquidation_distance_min, moving, ZERO),
            False,
        ),
        (Limit.MARGIN_RATIO, policy.margin_ratio_max * owned - needed, ZERO, True),
    )
    return tuple(
        Room(
            limit=limit,
            instruments=instruments,
            spare=max(ZERO, spare) * pool.usd,
            leaving=min(notional, max(ZERO, leaving)) * pool.usd,
            in_margin=in_margin,
            excess=max(ZERO, -spare) * pool.usd,
        )
        for limit, spare, leaving, in_margin in found
    )


def _clear_of(distance: Decimal, moving: Moving, rate: Decimal) -> Decimal:
    """Notional by which a pool stays clear of a joint distance; negative: by which it has passed it."""
    t = ONE / (ONE + distance) if moving.in_coin else ONE + distance
    return moving.gap(t) / (abs(t - ONE) + rate * t)


def rooms_of(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> tuple[Room, ...]:
    """The rooms of the pool behind one instrument; one without spare before its margin is known."""
    venue = ledger.venue_of(instrument)
    for pool, rooms in zip(pools(ledger, policy, venue), _rooms_by_pool(ledger, policy, venue), strict=True):
        if pool.legs is not None and instrument in pool.legs:
            return rooms
    return (Room(limit=Limit.MARGIN_UNKNOWN, instruments=(instrument,), spare=ZERO),)


@lasting
def margin_use(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Decimal:
    """Maintenance margin that one more USD of hedge takes, at the tier that the position would reach; rounded up to 4 places.

    A position can reach what leverage and buffer leave to its pool, at most the notional allowed per instrument. 1 where nothing is known.
    """
    rate = _marginal_rates(ledger, policy, ledger.venue_of(instrument)).get(instrument)
    if rate is None:
        return ONE
    return min(ONE, rate.quantize(USE_STEP, rounding=ROUND_CEILING))


def _marginal_rate(policy: Policy, pool: Pool, leg: Leg) -> Decimal:
    balance, notional, rate = pool.balance(), pool.notional(), pool.rate()
    if leg.listed.tiers is None:
        return min(rate, RATE_MAX)
    if leg.mark is None or balance is None or notional is None or not pool.usd:
        return RATE_MAX
    own = leg.notional(leg.units, leg.mark)
    spare = min(policy.leverage_max, ONE / buffer_limits(policy, pool)[0]) * max(balance, ZERO) - notional
    per_unit = ONE if leg.is_linear or pool.in_coin else leg.mark
    most = policy.instrument_notional_max / pool.usd
    reached = max(own, min(own + max(ZERO, spare), most) / per_unit)
    units = reached / leg.mark if leg.is_linear else reached * leg.mark
    if leg.listed.tiers.rule is TierRule.WHOLE:
        largest = next((row.cap for row in reversed(leg.listed.tiers.rows)), None)
        units = units if largest is None else min(units, largest * leg.listed.contract_size)
        reached = leg.notional(units, leg.mark)
    then, now = leg.table(units, leg.mark, rate), leg.table(leg.units, leg.mark, rate)
    if then is None or now is None:
        return RATE_MAX
    across = ZERO if reached <= own else (then.maintenance(reached) - now.maintenance(own)) / (reached - own)
    return max(across, then.tier_of(reached).row.maintenance_rate)
