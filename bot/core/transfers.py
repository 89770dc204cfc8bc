"""Margin that people are advised to move: how much, to which venue, from where, and why. The bot moves no money; nothing here decides.

For each pool of margin that carries something, the least balance under which its venue still takes an increase:

    needed = the largest of   buffer target x notional
                              notional / leverage limit
                              maintenance / margin ratio limit
                              d x notional + maintenance x (1 + d)      d: liquidation distance target; pools that are not in coin

What is missing is advised with a twentieth more, so that it is not asked for again at once; less than `venue_move_notional_min` is not
worth it. It comes from where the same asset is spare: custody first (what lies there backs no position), then the venue with the most
beyond a quarter more than it needs. What is found nowhere is told as coming from outside. USD; what is unknown is not advised on.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from bot.core import exposure
from bot.core.limits import Limit
from bot.core.margin import PoolFigures, buffer_limits, figures_of
from bot.core.margin_account import pools
from bot.core.margin_pool import Pool
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ONE, ZERO, Asset, VenueId

MORE = Decimal("1.05")
"""What is advised over what is needed."""
SPARE_FROM = Decimal("1.25")
"""A pool gives only what it has beyond so many times its own need."""
OUTSIDE = "outside of the book"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One advice. `asset` None: any that the venue counts as margin. `source`: a venue, `custody: PLACE`, or OUTSIDE."""

    venue: VenueId
    asset: Asset | None
    usd: Decimal
    source: str
    why: str


@dataclass(slots=True, kw_only=True)
class _Source:
    name: str
    asset: Asset | None
    usd: Decimal


def recommended(ledger: Ledger, policy: Policy) -> tuple[Transfer, ...]:
    """Every advice, the venue that misses most first."""
    known = [(pool, figures_of(pool)) for venue in exposure.venues_in_book(ledger, policy) for pool in pools(ledger, policy, venue)]
    wanting, sources = [], list(_custody(ledger, policy))
    for pool, figures in known:
        needed = needed_of(policy, pool, figures)
        if needed is None or figures.margin_balance is None:
            continue
        limit, usd = needed
        missing = usd * MORE - figures.margin_balance
        if figures.margin_balance < usd and missing >= policy.venue_move_notional_min:
            wanting.append((missing, pool, f"{limit.value}: {figures.margin_balance:.0f} USD of margin, {usd:.0f} are needed"))
        elif figures.margin_balance > usd * SPARE_FROM:
            sources.append(_Source(name=pool.venue, asset=pool.asset, usd=figures.margin_balance - usd * SPARE_FROM))
    found: list[Transfer] = []
    for missing, pool, why in sorted(wanting, key=lambda each: (-each[0], each[1].venue)):
        found.extend(_covered(missing, pool, why, sources))
    return tuple(found)


def needed_of(policy: Policy, pool: Pool, figures: PoolFigures) -> tuple[Limit, Decimal] | None:
    """The limit that asks for most margin, and how much (USD), at what the pool carries now; None when it carries nothing or is unknown."""
    notional, maintenance = figures.notional, figures.maintenance_margin
    if notional is None or maintenance is None or notional == ZERO:
        return None
    wanted = [
        (Limit.MARGIN_BUFFER, buffer_limits(policy, pool)[0] * notional),
        (Limit.LEVERAGE, notional / policy.leverage_max),
        (Limit.MARGIN_RATIO, maintenance / policy.margin_ratio_max),
    ]
    if not pool.in_coin:
        distance = policy.liquidation_distance_target
        wanted.append((Limit.LIQUIDATION_DISTANCE, distance * notional + maintenance * (ONE + distance)))
    return max(wanted, key=lambda each: each[1])


def _custody(ledger: Ledger, policy: Policy) -> Iterator[_Source]:
    """What lies in custody, by place: stablecoins, and coins for pools in that coin."""
    for holding in ledger.holdings.values():
        if holding.source not in policy.collateral_sources or holding.quantity <= ZERO:
            continue
        mark = ONE if holding.asset in policy.stables else exposure.mark_of_asset(ledger, policy, holding.asset)
        if mark is not None:
            yield _Source(name=f"custody: {holding.location}", asset=holding.asset, usd=holding.quantity * mark)


def _covered(missing: Decimal, pool: Pool, why: str, sources: list[_Source]) -> Iterator[Transfer]:
    """Advices that together bring what is missing, from the sources in order; each is used up by it."""
    fits = [s for s in sources if s.name != pool.venue and s.asset is not None and s.asset in (pool.asset, *pool.counted)]
    for source in sorted(fits, key=lambda each: (not each.name.startswith("custody"), -each.usd, each.name)):
        taken = min(missing, source.usd)
        if taken > ZERO:
            source.usd -= taken
            missing -= taken
            yield Transfer(venue=pool.venue, asset=source.asset, usd=taken, source=source.name, why=why)
    if missing > ZERO:
        yield Transfer(venue=pool.venue, asset=pool.asset, usd=missing, source=OUTSIDE, why=why)
