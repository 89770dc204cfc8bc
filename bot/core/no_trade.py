"""The edges of each asset's no-trade band: how far its net delta may stray before correcting it is worth its cost (F11).

    soft edge   the band of least cost for what hedging costs and for how what is held flows here (see `band`), at most `rebalance_band`
                of what is held, and never below `rebalance_notional_min`
    hard edge   the soft edge plus the flow that one netting window is expected to bring, at most `rebalance_band_hard` of what is held
    aim         what is corrected goes back to here

How they are acted on is told by `netting`. The variance of flow counts as unknown until it was watched for one half-life: before that a
single deposit would decide it. While it is unknown, or while nothing ever moved, the operator's two limits are the edges and zero is
the aim.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache

from bot.core.band import Band, Edges, StrayCost, best_band, edges
from bot.core.holdings import held
from bot.core.lasting import lasting
from bot.core.marks import instruments_of, mark_of_asset, median
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Asset

KNOWN_WEIGHT = Decimal("0.5")
"""Weight of what was watched from which on a variance is known: that of one half-life."""
DEVIATIONS = Decimal(2)
"""Standard deviations of the flow within one netting window that lie between the soft and the hard edge."""
TAKER_FEE_ASSUMED = Decimal("0.0006")
"""Where no venue of an asset has told its fee: more than the base tier of the venues in use."""
DIGITS = 3
"""Digits of a variance that count here: finer ones move an edge by less than a thousandth, and would be worked out anew each time."""


@lasting
def edges_of(ledger: Ledger, policy: Policy, asset: Asset) -> Edges | None:
    """Where to act, in USD of |net delta|; None while what is held, or its mark, is unknown."""
    long, mark = held(ledger, policy, asset), mark_of_asset(ledger, policy, asset)
    if long is None or mark is None:
        return None
    value = abs(long.worst) * mark
    soft_max = max(value * policy.rebalance_band, policy.rebalance_notional_min)
    hard_max = max(value * policy.rebalance_band_hard, soft_max)
    variance = variance_of(ledger, asset)
    band = Band(ZERO, ZERO) if variance is None else _band_of(policy, variance, _cost_rate(ledger, policy, asset))
    told = edges(band, variance, policy.netting_window_ms, soft_max=soft_max, hard_max=hard_max, deviations=DEVIATIONS)
    found = told or Edges(ZERO, soft_max, hard_max)
    soft = max(found.soft, min(policy.rebalance_notional_min, soft_max))
    return Edges(found.aim, soft, max(found.hard, soft))


def variance_of(ledger: Ledger, asset: Asset) -> Decimal | None:
    """USD squared per year of what had to be hedged; None while it was not watched for long enough, or nothing ever moved."""
    flow = ledger.flows.get(asset)
    if flow is None or flow.variance.weight < KNOWN_WEIGHT:
        return None
    return flow.variance.per_year or None


def _cost_rate(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal:
    """What correcting costs per USD traded: fee and half a spread of the middle one of the asset's instruments."""
    named = instruments_of(ledger, policy, asset)
    fees = [fee for i in named if (fee := ledger.instruments[i].taker_fee) is not None]
    halves = [(q.ask - q.bid) / (q.ask + q.bid) for i in named if (q := ledger.quotes.get(i)) is not None and ZERO < q.bid < q.ask]
    fee = median(fees)
    rate = (TAKER_FEE_ASSUMED if fee is None else fee) + (median(halves) or ZERO)
    return max(rate, ZERO).quantize(Decimal("0.00001"), rounding=ROUND_CEILING)


def _band_of(policy: Policy, variance: Decimal, cost_rate: Decimal) -> Band:
    """The band of least cost (USD), worked out once per set of figures."""
    coarse = Decimal(f"{variance:.{DIGITS - 1}E}")
    cost = StrayCost(
        flow_variance=coarse,
        aversion=policy.risk_aversion,
        volatility=policy.volatility_annual,
        cost_rate=cost_rate,
        cost_fixed=policy.order_cost_usd,
    )
    return _best(cost)


@lru_cache(maxsize=256)
def _best(cost: StrayCost) -> Band:
    return best_band(cost)
