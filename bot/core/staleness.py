"""How much less or more than told may be there of collateral whose source, or whose redemption rate, has not been heard for too long.

The rule: what was told last stays, and is known only as a range that grows with the silence: by `collateral_drift_per_day` of a total
whose source confirmed nothing for longer than `collateral_age_max_ms`, and by `rate_drift_per_day` of a rate that is older than
`rate_age_max_ms`, each for all of the time since it was heard. Nothing is traded inside that range, so only what the silent source would
change waits; what others tell is hedged. A rate is confirmed with the totals of its source while the newest of these told it.

What earlier runs were told is remembered, and known as the same kind of range, for all of the time since it was heard. It counts where a
source was not heard in this run, from `HEARD_WITHIN_MS` after its start on: one that can be read is heard before that, and nothing is
decided on what it said before somebody moved coins while no run was there to see it. Before that, and of a source of which nothing is
remembered, what it may tell of is unknown, and everything else goes on.

Ages are judged at the newest decision. An instant that lies far ahead of it is of unknown age: it counts as old as its distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from bot.core.policy import Policy
from bot.core.records import Holding, Ledger
from bot.core.units import DAY_MS, ONE, ZERO, Asset, Millis, is_recent

HEARD_WITHIN_MS: Millis = 60_000
"""How long a source has from the start of a run to be heard before what it told to earlier runs stands for it."""


def heard_at(ledger: Ledger, source: str) -> Millis | None:
    """When a source last told that it has told everything, in this run or, where it has not, in those before; None where it never did."""
    return ledger.sources_confirmed_at.get(source, ledger.sources_heard_at.get(source))


def is_known(ledger: Ledger, source: str, now: Millis | None) -> bool:
    """Whether what a source told is known: it was heard in this run, or had its time to be, and is remembered."""
    if source in ledger.sources_confirmed_at:
        return True
    return source in ledger.sources_heard_at and now is not None and abs(now - ledger.started_at) >= HEARD_WITHIN_MS


def unknown_sources(ledger: Ledger, policy: Policy) -> Mapping[str, bool]:
    """The configured sources of which nothing is known at the newest decision, and whether something is remembered of each."""
    unknown = (source for source in policy.collateral_sources if not is_known(ledger, source, ledger.decided_at))
    return {source: source in ledger.sources_heard_at for source in unknown}


def partly_told(ledger: Ledger, policy: Policy) -> Mapping[str, Mapping[str, Decimal]]:
    """What each source that has not told everything in this run, or is silent, had told of places before it began to (asset units).

    Mostly empty.
    """
    begun = ledger.unconfirmed.items()
    return {source: before for source, before in begun if not is_heard(ledger, policy, source)}


def may_tell_of(policy: Policy, source: str, asset: Asset) -> bool:
    """Whether a source may tell of collateral that is hedged as an asset."""
    told = policy.source_assets.get(source)
    return told is None or any(policy.collateral_assets.get(each) == asset for each in told)


def silence(ledger: Ledger, policy: Policy, source: str, now: Millis | None) -> Millis | None:
    """Ms since a source that is silent for too long was last heard; None while it is not, or while nothing is known of it.

    What is remembered of earlier runs is silent from when it was told.
    """
    confirmed, heard = ledger.sources_confirmed_at.get(source), heard_at(ledger, source)
    if now is None or heard is None or not is_known(ledger, source, now):
        return None
    if confirmed is not None and is_recent(now, confirmed, policy.collateral_age_max_ms):
        return None
    return abs(now - heard)


def unheard(ledger: Ledger, policy: Policy, source: str) -> Millis | None:
    """The same at the newest decision. What was heard since then is heard."""
    now, confirmed = ledger.decided_at, ledger.sources_confirmed_at.get(source)
    if now is not None and confirmed is not None and 0 <= confirmed - now <= policy.collateral_age_max_ms:
        return None
    return silence(ledger, policy, source, now)


def is_heard(ledger: Ledger, policy: Policy, source: str) -> bool:
    """Whether a source told in this run that it has told everything, and not too long before the newest decision."""
    return source in ledger.sources_confirmed_at and unheard(ledger, policy, source) is None


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
    confirmed = heard_at(ledger, holding.source)
    return told if confirmed is None or not is_newest else max(told, confirmed)


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
