"""Which limits stand in the way now, and of which people are told: one list, for statements, metrics and pages. Nothing here decides."""

from __future__ import annotations

from dataclasses import replace

from bot.core import (
    allowances,
    collateral_limits,
    deployment,
    exposure,
    funding_statement,
    margin,
    obstacles,
    repetition,
    risk,
    target,
    traffic,
    unread,
    working,
)
from bot.core.limits import Breach, Effect, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Millis


def breaches(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """Every limit that binds, is broken, or of which people are told now, each (limit, subject, effect) once; what acts comes first."""
    found = [*risk.state_breaches(ledger, policy), *collateral_limits.stale_breaches(ledger, policy, now)]
    found.extend(b for asset in exposure.hedged_assets(policy) for b in collateral_limits.unknown_breaches(ledger, policy, asset))
    hedged, plans = exposure.hedged_assets(policy), {p.asset: p for p in target.plan_book(working.as_if_withdrawn(ledger), policy, now)}
    found += [start] if (start := risk.start_breach(ledger, policy, now)) is not None else []
    for asset in exposure.assets_in_book(ledger, policy):
        found.extend(unread.of_asset(ledger, policy, asset))
    for venue in exposure.venues_in_book(ledger, policy):
        found.extend(risk.venue_breaches(ledger, policy, venue, now))
    for asset in exposure.assets_in_book(ledger, policy):
        breach = risk.delta_breach(ledger, policy, asset)
        if breach is not None:
            found.append(breach)
        if asset in hedged:
            found.extend(target.shortfalls(plans[asset]))
            found.extend(target.surpluses(plans[asset]))
        for instrument in exposure.instruments_of(ledger, policy, asset):
            own = (
                risk.unnamed_breach(ledger, policy, instrument),
                risk.spent_breach(ledger, instrument),
                risk.rest_breach(ledger, policy, instrument, now),
                risk.last_resort_breach(ledger, policy, instrument, now),
                repetition.repetition_breach(ledger, policy, instrument),
            )
            found.extend(b for b in own if b is not None)
            found.extend(obstacles.of_instrument(ledger, policy, instrument, now))
            blocked = risk.instrument_breach(working.as_if_withdrawn(ledger, (instrument,)), policy, instrument, now)
            if blocked is not None:
                found.append(blocked)
            state = ledger.funding.get(instrument)
            if state is not None and state.flipped:
                found.append(Breach(Limit.FUNDING_FLIP, instrument, state.annual, policy.funding_flip_exit))
    found.extend(warning for cap in allowances.all_of(ledger, policy) if (warning := cap.warning_of()) is not None)
    for venue in exposure.venues_in_book(ledger, policy):
        unknown = margin.unknown_breach(ledger, policy, venue)
        found.extend(() if unknown is None else (unknown,))
        found.extend(replace(b, effect=Effect.REDUCING) for b in margin.margin_breaches(ledger, policy, venue))
        found.extend((*margin.used_up(ledger, policy, venue), *traffic.used_up(ledger, policy, venue, now)))
    found.extend(risk.nearly_in_doubt(ledger, policy))
    found.extend(obstacles.told_only(ledger, policy, now))
    found.extend((*deployment.breaches(ledger, policy, now), *funding_statement.breaches(ledger)))
    once_each: dict[tuple[Limit, str, bool], Breach] = {}
    for breach in found:
        once_each.setdefault((breach.limit, breach.subject, breach.effect is Effect.TELLS), breach)
    return tuple(sorted(once_each.values(), key=lambda b: b.effect is Effect.TELLS))
