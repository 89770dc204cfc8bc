"""What the whole book earns, and the signal whether new money belongs into hedged coin or into stables.

    blended yield = hedged_share x (funding + staking yield x staked_share) + stable_share x risk-free - fees
    to stables    when funding + staking < risk-free - band_exit
    back          when funding + staking > risk-free + band_entry
    and never twice within the dwell
    hurdle        = risk-free reference + premium              below it, traditional money is indifferent (SOFR + 100 to 200 bps)

All are simple annual fractions; funding is the smoothed rate. On past rates a slow mean (two weeks) with bands of 2 % earned as
much as being always hedged at half the drawdown, and a fast one without hysteresis was worse in both. The signal advises on
deployment. It never stops the hedging of collateral that is held.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core.precision import precisely
from bot.core.units import BPS, ONE, ZERO, Millis


@precisely
def blended_yield(
    *,
    hedged_share: Decimal,
    funding: Decimal,
    staking_yield: Decimal,
    staked_share: Decimal,
    stable_share: Decimal,
    risk_free: Decimal,
    fees: Decimal,
) -> Decimal:
    """Annual yield of the book. `staked_share` is the part of the hedged coin that is staked; `fees` is what is paid, >= 0.

    Raises ValueError when a share leaves 0..1 or hedged and stable shares exceed the whole.
    """
    if min(hedged_share, stable_share, staked_share) < ZERO or staked_share > ONE or hedged_share + stable_share > ONE:
        raise ValueError(f"shares must lie in 0..1 and fit together, got {hedged_share}, {stable_share}, {staked_share}")
    return hedged_share * (funding + staking_yield * staked_share) + stable_share * risk_free - fees


@precisely
def hurdle(reference_rate: Decimal, premium_bps: Decimal) -> Decimal:
    """The annual yield that beats a reference rate by a premium in basis points."""
    return reference_rate + premium_bps * BPS


@dataclass(frozen=True, slots=True, kw_only=True)
class SleeveRule:
    """Widths of the hysteresis (annual fractions) and the least time between two turns. Raises ValueError for a negative one."""

    band_exit: Decimal
    band_entry: Decimal
    dwell_ms: Millis

    def __post_init__(self) -> None:
        if min(self.band_exit, self.band_entry) < ZERO or self.dwell_ms < 0:
            raise ValueError(f"bands and dwell are not negative, got {self}")


@dataclass(frozen=True, slots=True)
class SleeveSignal:
    """Whether new money belongs into stables, and since when that is so (None: it never turned)."""

    stables_preferred: bool = False
    turned_at: Millis | None = None

    @precisely
    def observe(self, carry: Decimal | None, risk_free: Decimal | None, at: Millis, rule: SleeveRule) -> SleeveSignal:
        """The signal after a reading: funding plus staking yield, and the risk-free rate. An absent reading changes nothing."""
        if carry is None or risk_free is None:
            return self
        if self.turned_at is not None and at - self.turned_at < rule.dwell_ms:
            return self
        turns = carry > risk_free + rule.band_entry if self.stables_preferred else carry < risk_free - rule.band_exit
        return replace(self, stables_preferred=not self.stables_preferred, turned_at=at) if turns else self
