"""Margin that people are advised to move: how much, to which venue, from where, and why. The bot moves no money; nothing here decides.

For each pool of margin that carries something, the least balance under which its venue still takes an increase:

    needed = the largest of   buffer target x notional
                              notional / leverage limit
                              maintenance / margin ratio limit
                              d x loss + maintenance x (1 + d)    d: liquidation distance target; pools that are not in coin
                              loss: USD that the pool loses for each 100 % that the marks of its shorts rise, its coins counted (F7)

What is missing is advised with a twentieth more, so that it is not asked for again at once; less than `venue_move_notional_min` is not
worth it. It comes from where something is spare that the pool counts: a pool of one asset counts that asset; a whole account the dollars
and coins that it told as margin, coins after its ratios, so that more of them is moved than is missing. Custody gives first (what lies
there backs no position), then the venue with the most beyond a quarter more than it needs; of a whole account that is given asset by asset,
all of them together no more than it can spare. What is found nowhere is told as coming from outside.

What a custodian mirrors at a venue moves by no transfer: it lies in custody and is taken, and the venue holds none of it. Neither does
profit that is not realised. USD; what is unknown is not advised on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core import custody, exposure
from bot.core.holdings import worth
from bot.core.limits import Limit
from bot.core.margin import PoolFigures, buffer_limits, figures_of
from bot.core.margin_account import pools
from bot.core.margin_pool import Pool
from bot.core.marks import dollars
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.reports import MarginReport
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


@dataclass(slots=True)
class _Budget:
    """USD of margin that a pool can spare, whatever it is given in."""

    usd: Decimal


@dataclass(slots=True, kw_only=True)
class _Source:
    """USD of an asset that can be moved from somewhere; each takes `counted` USD of margin from its pool's budget (None: backs nothing)."""

    name: str
    asset: Asset
    usd: Decimal
    counted: Decimal = ONE
    budget: _Budget | None = None

    @property
    def free(self) -> Decimal:
        return self.usd if self.budget is None or self.counted == ZERO else min(self.usd, self.budget.usd / self.counted)

    def take(self, usd: Decimal) -> None:
        self.usd -= usd
        if self.budget is not None:
            self.budget.usd -= usd * self.counted


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
            sources.extend(_spare(ledger, policy, pool, figures.margin_balance - usd * SPARE_FROM))
    found: list[Transfer] = []
    for missing, pool, why in sorted(wanting, key=lambda each: (-each[0], each[1].venue)):
        found.extend(_covered(missing, pool, why, sources, _counts(ledger, policy, pool)))
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
        moving, distance = pool.moving(), policy.liquidation_distance_target
        if moving is None:
            return None
        loss = max(ZERO, -moving.slope)
        wanted.append((Limit.LIQUIDATION_DISTANCE, distance * loss + moving.maintenance_margin * (ONE + distance)))
    return max(wanted, key=lambda each: each[1])


def _custody(ledger: Ledger, policy: Policy) -> Iterator[_Source]:
    """What lies in custody, by place, and is mirrored nowhere."""
    for holding in ledger.holdings.values():
        if holding.source not in policy.collateral_sources:
            continue
        mirrored = (
            d.told.delegated for (source, _, asset), d in ledger.mirrored.items() if (source, asset) == (holding.source, holding.asset)
        )
        free = holding.quantity - sum(mirrored, ZERO)
        usd = worth(ledger, policy, holding.asset, free) if free > ZERO else None
        if usd is not None:
            yield _Source(name=f"custody: {holding.location}", asset=holding.asset, usd=usd)


def _counts(ledger: Ledger, policy: Policy, pool: Pool) -> Mapping[Asset, Decimal]:
    """The assets that a pool counts as margin, each with how much of a dollar's worth of it counts."""
    if pool.asset is not None:
        return {pool.asset: ONE}
    counts = {m.asset: ONE for m in _told(ledger, pool) if m.asset in dollars(ledger, policy)}
    coins = {asset: counted / pool.equity[asset] for asset, counted in pool.counted.items() if pool.equity[asset] > ZERO and counted > ZERO}
    return counts | coins


def _told(ledger: Ledger, pool: Pool) -> Sequence[MarginReport]:
    margins = ledger.venues[pool.venue].margins.values()
    return [m for m in margins if (m.is_account_wide if pool.asset is None else m.asset == pool.asset)]


def _spare(ledger: Ledger, policy: Policy, pool: Pool, spare: Decimal) -> Iterator[_Source]:
    """What a pool can give of each asset: its own coins there, no profit that is not realised, and nothing that is mirrored."""
    budget, mirrored = _Budget(spare), custody.delegated_at(ledger, policy, pool.venue)
    for told in _told(ledger, pool):
        own = [v for v in (told.wallet_balance, told.equity if told.is_account_wide else told.margin_balance) if v is not None]
        movable = min(own) - mirrored.get(told.asset, ZERO) if own else ZERO
        usd = worth(ledger, policy, told.asset, movable) if movable > ZERO else None
        if usd is not None:
            counted = _counts(ledger, policy, pool).get(told.asset, ONE)
            yield _Source(name=pool.venue, asset=told.asset, usd=usd, counted=counted, budget=budget)


def _covered(missing: Decimal, pool: Pool, why: str, sources: Sequence[_Source], counts: Mapping[Asset, Decimal]) -> Iterator[Transfer]:
    """Advices that together bring what is missing, from the sources in order; each is used up by it."""
    fits = [s for s in sources if s.name != pool.venue and s.asset in counts]
    for source in sorted(fits, key=lambda each: (not each.name.startswith("custody"), -each.free, each.name)):
        taken = min(missing / counts[source.asset], source.free)
        if taken > ZERO:
            source.take(taken)
            missing -= taken * counts[source.asset]
            yield Transfer(venue=pool.venue, asset=source.asset, usd=taken, source=source.name, why=why)
    if missing > ZERO:
        yield Transfer(venue=pool.venue, asset=pool.asset, usd=missing, source=OUTSIDE, why=why)
