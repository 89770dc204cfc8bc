"""What announcements of collateral may do before the total that confirms them: limits, deadlines, and who is believed.

Every default is the safe side: no depositor is known, no claim is small enough, no place has a source, and nothing that was merely
announced changes the hedge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from bot.core.units import ZERO, Asset, Millis


class RedemptionEnd(StrEnum):
    """When a redemption's delta ends: with the word that it was priced, or only with the total that shows it gone."""

    PRICED = "priced"
    SETTLED = "settled"


def place(asset: Asset, location: str) -> str:
    """One asset at one location, as a key: `ETH@vault`."""
    return f"{asset}@{location}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetLimits:
    """Limits of one asset, in its own units. What is announced beyond them is held back; a total beyond its limit is hedged and told."""

    claim_max: Decimal = ZERO
    """One claim."""
    deposits_max: Decimal = ZERO
    """All deposits that come within `interval_ms`."""
    redemptions_max: Decimal = ZERO
    """All redemptions that come within `interval_ms`."""
    total_max: Decimal | None = None
    """Confirmed totals of all places together, beyond which people are told; None: any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimTerms:
    """How announcements are judged. `authorities` names the one source of each place's total, by `place`."""

    authorities: Mapping[str, str] = field(default_factory=dict)
    depositors: frozenset[str] = frozenset()
    limits: Mapping[Asset, AssetLimits] = field(default_factory=dict)
    hedge_share: Decimal = ZERO
    """Fraction of announced deposits that is hedged before a total confirms them; 0: none."""
    redemption_ends: RedemptionEnd = RedemptionEnd.SETTLED
    interval_ms: Millis = 3_600_000
    """The interval of `deposits_max` and `redemptions_max`, by when a claim was first heard, or announced if that is later."""
    pending_max_ms: Millis = 24 * 3_600_000
    """How long an announced deposit is waited for."""
    settle_max_ms: Millis = 24 * 3_600_000
    """How long after it was priced a redemption may take to settle; then its delta counts again."""
    lead_ms: Millis = 5 * 60_000
    """How long before its announcement a total may already have contained a deposit, or lost a redemption; and how late it may show either
    after the word that it is settled."""
    remembered_ms: Millis = 48 * 3_600_000
    """How long a claim is remembered after the last word on it. Words older than that are not taken."""

    def limits_of(self, asset: Asset) -> AssetLimits:
        """The limits of an asset; of one that has none, nothing may be claimed."""
        return self.limits.get(asset, _NOTHING)


_NOTHING = AssetLimits()
