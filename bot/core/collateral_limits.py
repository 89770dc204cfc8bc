"""What of collateral is unknown, so that its asset waits, and what is known only as a range: as breaches, with their numbers.

Neither is a reason for the book as a whole: what one source would change holds up nothing that others tell.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core import exposure, staleness
from bot.core.collateral import dust_without_rate, is_dust, moved_by_others, unrated, waits_for
from bot.core.holdings import unrated_in_accounts
from bot.core.limits import Breach, Effect, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset, Millis


def unknown_breaches(ledger: Ledger, policy: Policy, asset: Asset) -> tuple[Breach, ...]:
    """Why it is not known how much of an asset is held as collateral: it waits, and no other asset does."""
    found = [Breach(Limit.COLLATERAL_UNKNOWN, name, None, None, _unheard(ledger, name)) for name in waits_for(ledger, policy, asset)]
    if dust_without_rate(ledger, policy, asset) is None:
        unrated_here = unrated(ledger, policy, asset)
        found.extend(Breach(Limit.COLLATERAL_UNKNOWN, held.asset, None, None, "no redemption rate") for held in unrated_here)
    found.extend(
        Breach(Limit.COLLATERAL_UNKNOWN, f"{token}@{venue}", held, None, "no redemption rate")
        for venue, token, held in unrated_in_accounts(ledger, policy, asset)
        if not is_dust(ledger, policy, asset, held)
    )
    return tuple(found)


def _unheard(ledger: Ledger, source: str) -> str:
    """Why nothing is known of a source."""
    reason = ledger.sources_unreadable.get(source, "")
    known = "nothing is remembered of it"
    if source in ledger.sources_heard_at:
        known = "what it told to earlier runs counts from a minute after the start on"
    return f"the source has not spoken in this run, and {known}" + (f"; {reason}" if reason else "")


def _moved(ledger: Ledger, policy: Policy, source: str) -> str:
    """What others did to the hedges of what a silent source told last; "" when nothing."""
    closed: list[str] = []
    opened: list[str] = []
    for asset in exposure.hedged_assets(policy):
        moved = moved_by_others(ledger, policy, source, asset) if staleness.may_tell_of(policy, source, asset) else None
        if moved:
            (closed if moved > 0 else opened).append(f"{abs(moved).normalize():f} {asset}")
    words = f"; others closed hedges of {', '.join(closed)}, and as much may have been paid out" if closed else ""
    return words + (f"; others opened hedges of {', '.join(opened)}, and as much may have been paid in" if opened else "")


def stale_breaches(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """Sources that are silent for too long and redemption rates that grew old: what they would change waits, and nothing else does.

    Also what is silent for so long that nothing of it is certain, and dust that no rate is known of.
    """
    found = []
    for name in sorted(policy.collateral_sources):
        silent = staleness.silence(ledger, policy, name, now)
        if silent is not None:
            why = ledger.sources_unreadable.get(name, "")
            words = f"ms of silence: its last totals stay, as a range{_moved(ledger, policy, name)}" + (f"; {why}" if why else "")
            found.append(Breach(Limit.COLLATERAL_AGE, name, Decimal(silent), Decimal(policy.collateral_age_max_ms), words))
        if staleness.is_lost(ledger, policy, name, now):
            words = "silent for so long that nothing of its last totals is certain"
            found.append(Breach(Limit.COLLATERAL_UNKNOWN, name, None, None, words, Effect.PAGES))
    for asset, hedge in sorted(policy.collateral_assets.items()):
        told = None if asset == hedge else exposure.newest_rated(ledger, policy, asset)
        old = None if told is None else staleness.rate_silence(ledger, policy, told, now)
        if old is not None:
            words = "ms since its redemption rate was told: the last one stays, as a range"
            found.append(Breach(Limit.RATE_AGE, asset, Decimal(old), Decimal(policy.rate_age_max_ms), words))
    for asset in exposure.hedged_assets(policy):
        dust = dust_without_rate(ledger, policy, asset)
        words = f"no redemption rate, and not worth {policy.rebalance_notional_min:f} USD at any that it could have: it may be there"
        here = [] if dust is None else [(str(h.asset), h.quantity) for h in unrated(ledger, policy, asset)]
        at_venues = unrated_in_accounts(ledger, policy, asset)
        here += [(f"{token}@{venue}", held) for venue, token, held in at_venues if is_dust(ledger, policy, asset, held)]
        found.extend(Breach(Limit.COLLATERAL_UNKNOWN, what, held, None, words, Effect.TELLS) for what, held in here)
    return tuple(found)
