"""How much less or more than told may be there of collateral whose source, or whose redemption rate, has not been heard for too long.

The rule: what was told last stays, and is known only as a range that grows with the silence: by `collateral_drift_per_day` of a total
whose source confirmed nothing for longer than `collateral_age_max_ms`, and by `rate_drift_per_day` of a rate that is older than
`rate_age_max_ms`, each for all of the time since it was heard. Nothing is traded inside that range, so only what the silent source would
change waits; what others tell is hedged. A rate is confirmed with the totals of its source while the newest of these told it.

Ages are judged at the newest decision. An instant that lies far ahead of it is of unknown age: it counts as old as its distance.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.units import DAY_MS, ONE, ZERO, Millis, is_recent


def silence(ledger: Ledger, policy: Policy, source: str, now: Millis | None) -> Millis | None:
    """Ms since a source that is silent for too long was last heard; None while it is not, or before it ever spoke in this run."""
    confirmed = ledger.sources_confirmed_at.get(source)
    if now is None or confirmed is None or is_recent(now, confirmed, policy.collateral_age_max_ms):
        return None
    return abs(now - confirmed)


def unheard(ledger: Ledger, policy: Policy, source: str) -> Millis | None:
    """The same at the newest decision. What was heard since then is heard."""
    now, confirmed = ledger.decided_at, ledger.sources_confirmed_at.get(source)
    if now is not None and confirmed is not None and 0 <= confirmed - now <= policy.collateral_age_max_ms:
        return None
    return silence(ledger, policy, source, now)


def is_lost(ledger: Ledger, policy: Policy, source: str, now: Millis) -> bool:
    """Whether a source is silent for so long that all of its totals may have gone, or as much may have come."""
    silent = silence(ledger, policy, source, now)
    return silent is not None and policy.collateral_drift_per_day * silent >= DAY_MS


def rate_told_at(ledger: Ledger, holding: Holding) -> Millis | None:
    """When a holding's own rate was last told, or confirmed with its total; None where it has none."""
    if holding.redemption_rate is None:
        return None
    told = holding.observed_at if holding.rate_at is None else holding.rate_at
    is_newest = holding.rate_at in (None, holding.observed_at)
    return max(told, ledger.sources_confirmed_at.get(holding.source, told)) if is_newest else told


def rate_silence(ledger: Ledger, policy: Policy, holding: Holding, now: Millis | None) -> Millis | None:
    """Ms since the rate of a holding was last told, where that is too long ago; None while it is not."""
    told = rate_told_at(ledger, holding)
    return None if now is None or told is None or abs(now - told) <= policy.rate_age_max_ms else abs(now - told)


def rate_unheard(ledger: Ledger, policy: Policy, holding: Holding) -> Millis | None:
    """The same at the newest decision."""
    return rate_silence(ledger, policy, holding, ledger.decided_at)


def silences(ledger: Ledger, policy: Policy) -> tuple[tuple[str, Millis], ...]:
    """Everything that `doubt` follows from beside the holdings: what is silent or old for too long, and for how long. Mostly empty."""
    silent = ((source, unheard(ledger, policy, source)) for source in sorted(policy.collateral_sources))
    rated = (h for h in ledger.holdings.values() if policy.collateral_assets.get(h.asset, h.asset) != h.asset)
    old = (("@".join((h.source, h.asset, h.location)), rate_unheard(ledger, policy, h)) for h in rated)
    return tuple((name, ms) for name, ms in (*silent, *old) if ms is not None)


def doubt(ledger: Ledger, policy: Policy, holding: Holding, rated: Holding | None) -> Decimal:
    """Fraction by which base units of a holding may be less or more than told, at most one; `rated` tells its rate, None: it needs none."""
    silent = unheard(ledger, policy, holding.source)
    old = None if rated is None else rate_unheard(ledger, policy, rated)
    found = ZERO if silent is None else policy.collateral_drift_per_day * silent / DAY_MS
    found += ZERO if old is None else policy.rate_drift_per_day * old / DAY_MS
    return min(found, ONE)
