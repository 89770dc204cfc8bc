"""What a unit of an asset redeems for in the coin that it is hedged as: who told it, and how much.

The protocol's rate, not a market price. Whoever tells a quantity may tell the rate with it; where it does not, the rate that another
configured source told of the asset last holds for it as well.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.lasting import lasting
from bot.core.marks import hedged_as
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.units import ONE, Asset, Millis


def redemption_rate(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Base units per unit of an asset: 1 for what is hedged as itself, else as the configured sources told last; None when untold."""
    if hedged_as(policy, asset) == asset:
        return ONE
    told = newest_rated(ledger, policy, asset)
    return None if told is None else told.redemption_rate


@lasting
def newest_rated(ledger: Ledger, policy: Policy, asset: Asset) -> Holding | None:
    """The holding of an asset that told its redemption rate last, of configured sources; None where none did.

    What counts is when the rate was told: a total that came later without one makes it no newer.
    """
    told = [h for h in ledger.holdings.values() if h.asset == asset and h.source in policy.collateral_sources and h.redemption_rate]
    return max(told, key=lambda h: (_rated_at(h), h.source, h.location)) if told else None


def _rated_at(holding: Holding) -> Millis:
    """When its rate was told, our clock."""
    return holding.observed_at if holding.rate_at is None else holding.rate_at


def rated_by(ledger: Ledger, policy: Policy, holding: Holding) -> Holding | None:
    """The holding that tells the rate of another, itself or the newest; None of what is hedged as itself and needs none."""
    if hedged_as(policy, holding.asset) == holding.asset:
        return None
    return newest_rated(ledger, policy, holding.asset) if holding.redemption_rate is None else holding


def rate_of(ledger: Ledger, policy: Policy, holding: Holding) -> Decimal | None:
    """Base units per unit of a holding: as its own source told, else as another one told of the asset last; None when untold.

    A venue's wallet tells how many staked tokens lie there, and only the protocol what they redeem for.
    """
    return redemption_rate(ledger, policy, holding.asset) if holding.redemption_rate is None else holding.redemption_rate
