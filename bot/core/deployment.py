"""Whether new money belongs into hedged coin or into stables, per asset, and what a conversion would bring: advice in numbers.

    carry    = smoothed annual funding of the asset's instruments, weighted by what is short there; their plain mean while flat
    refused  when carry < risk-free - band_exit, welcome again when carry > risk-free + band_enter, never twice within the dwell
    gain     = USD held x (risk-free - carry) a year
    cost     = 2 x (taker fee + half a spread) + impact, as a fraction: the perpetual is bought back and the coin is sold
    break-even = cost / (risk-free - carry)

It is refused as well while a staked token that is hedged as the asset is off its peg beyond its limit (see `obstacles`).

New hedges go where funding has not flipped, so flipped instruments count only when all have. Rates that are too old to be known do not
count; without any the carry is unknown, and a signal once given stays. The spot leg is assumed to cost what the perpetual costs. Staking
yield is not counted: it is earned without a hedge too, and leaving it out errs on the side of refusing.

Nothing here decides on orders: what is held is hedged whatever it earns. Sources: F10 and F13 of the domain notes (see `switching`,
`carry`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from bot.core import exposure, obstacles, switching
from bot.core.carry import SleeveRule, SleeveSignal
from bot.core.copying import replace
from bot.core.funding import known_annual
from bot.core.holdings import held
from bot.core.ledger import noted, put
from bot.core.limits import Breach, Effect, Limit
from bot.core.lookups import of_policy
from bot.core.marks import hedged_assets, instruments_of, mark_of_asset
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.units import ZERO, Asset, InstrumentId, Millis

_NO_SIGNAL = SleeveSignal()


class DeploymentState(StrEnum):
    """Whether new deployment of an asset is advised. UNKNOWN: no rate is known, and nothing was signalled before."""

    WELCOME = "welcome"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What converting all that is held of an asset (collateral and coin equity) to stables would mean.

    USD at mark; None where a price or a fee is unknown.
    `gain_usd_annual` is what stables would earn more in a year than the hedge does (< 0: less), `cost_usd` what the way there costs.
    """

    base_units: Decimal
    usd: Decimal | None
    gain_usd_annual: Decimal | None
    cost_usd: Decimal | None
    break_even_ms: Millis | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentStatement:
    """The signal for one asset. `carry_annual`, `floor` (below it refused) and `entry` (above it welcome again) are annual fractions."""

    asset: Asset
    state: DeploymentState
    carry_annual: Decimal | None
    floor: Decimal
    entry: Decimal
    turned_at: Millis | None
    reason: str
    conversion: Conversion | None


def weighted_annual(ledger: Ledger, policy: Policy, instruments: Iterable[InstrumentId], now: Millis) -> Decimal | None:
    """The known annual rates weighted by what is short there in USD, their plain mean while that is nothing; None of none."""
    weighted, weights, plain = ZERO, ZERO, []
    for instrument in instruments:
        annual = known_annual(ledger, policy, instrument, now)
        if annual is None:
            continue
        weight = exposure.notional(ledger, policy, instrument) or ZERO
        plain.append(annual)
        weighted, weights = weighted + weight * annual, weights + weight
    if weights > ZERO:
        return weighted / weights
    return sum(plain, ZERO) / len(plain) if plain else None


def carry_of(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> Decimal | None:
    """What hedging more of an asset is expected to earn, simple annual; None while no rate of it is known."""
    named = [i for i in instruments_of(ledger, policy, asset) if i in policy.instruments]
    sound = [i for i in named if i in ledger.funding and not ledger.funding[i].flipped]
    carry = weighted_annual(ledger, policy, sound, now)
    return weighted_annual(ledger, policy, named, now) if carry is None else carry


def observe(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """Folds the carry of each hedged asset into its signal, at a decision; tells each turn."""
    rule = _rule(policy)
    for asset in hedged_assets(policy):
        before = ledger.sleeves.get(asset, _NO_SIGNAL)
        carry = carry_of(ledger, policy, asset, now)
        after = before.observe(carry, policy.risk_free_rate, now, rule)
        if after is before or carry is None:
            continue
        words = "new deployment is refused" if after.stables_preferred else "new deployment is welcome again"
        sentence = f"{words}: carry {carry:.4f} a year, risk-free {policy.risk_free_rate:f}"
        ledger = noted(
            replace(ledger, sleeves=put(ledger.sleeves, asset, after)), Note(at=now, kind="funding", subject=asset, sentence=sentence)
        )
    return ledger


@of_policy
def _rule(policy: Policy) -> SleeveRule:
    return SleeveRule(band_exit=policy.stable_band_exit, band_entry=policy.stable_band_enter, dwell_ms=policy.stable_dwell_ms)


def deployment_of(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> DeploymentStatement:
    """The signal for one asset with its numbers; a conversion is worked out while the carry refuses deployment."""
    signal = ledger.sleeves.get(asset, _NO_SIGNAL)
    carry = carry_of(ledger, policy, asset, now)
    floor, entry = policy.risk_free_rate - policy.stable_band_exit, policy.risk_free_rate + policy.stable_band_enter
    refusals = [b.sentence() for b in obstacles.deployment_refusals(ledger, policy, asset, now)]
    if signal.stables_preferred:
        refusals.append(f"carry fell below {floor:f} a year and has not been above {entry:f} since")
    if refusals:
        state, reason = DeploymentState.REFUSED, "; ".join(refusals)
    elif carry is None:
        state, reason = DeploymentState.UNKNOWN, "no funding rate is known"
    else:
        state, reason = DeploymentState.WELCOME, f"carry has not been below {floor:f} a year since it was last above {entry:f}"
    return DeploymentStatement(
        asset=asset,
        state=state,
        carry_annual=carry,
        floor=floor,
        entry=entry,
        turned_at=signal.turned_at,
        reason=reason,
        conversion=_conversion(ledger, policy, asset, carry) if signal.stables_preferred else None,
    )


def _conversion(ledger: Ledger, policy: Policy, asset: Asset, carry: Decimal | None) -> Conversion | None:
    ours = held(ledger, policy, asset)
    if ours is None:
        return None
    mark, cost = mark_of_asset(ledger, policy, asset), _cost(ledger, policy, asset)
    usd = None if mark is None else ours.middle * mark
    gap = None if carry is None else policy.risk_free_rate - carry
    return Conversion(
        base_units=ours.middle,
        usd=usd,
        gain_usd_annual=None if usd is None or gap is None else usd * gap,
        cost_usd=None if usd is None or cost is None else usd * cost,
        break_even_ms=None if cost is None or gap is None else switching.break_even_ms(cost, gap),
    )


def _cost(ledger: Ledger, policy: Policy, asset: Asset) -> Decimal | None:
    """Fraction of the notional that closing hedge and coin costs, at the dearest of the asset's fees and spreads; None while unknown."""
    named = [i for i in instruments_of(ledger, policy, asset) if i in policy.instruments]
    fees = [fee for i in named if (fee := ledger.instruments[i].taker_fee) is not None]
    quotes = [q for i in named if (q := ledger.quotes.get(i)) is not None and q.bid > ZERO]
    if not fees or not quotes:
        return None
    fee, spread = max(fees), max((q.ask - q.bid) / ((q.ask + q.bid) / 2) for q in quotes)
    return switching.SwitchCost(
        fee_close=fee,
        fee_open=fee,
        spread_close=spread,
        spread_open=spread,
        impact=policy.impact_cost,
        funding_lost=ZERO,
        settlement_wait=ZERO,
    ).total


def breaches(ledger: Ledger, policy: Policy, now: Millis) -> tuple[Breach, ...]:
    """The assets whose carry refuses new deployment, with the carry and the floor. A token off its peg is told by a limit of its own."""
    found = []
    for asset in hedged_assets(policy):
        if ledger.sleeves.get(asset, _NO_SIGNAL).stables_preferred:
            told = deployment_of(ledger, policy, asset, now)
            found.append(Breach(Limit.CARRY_FLOOR, asset, told.carry_annual, told.floor, "new deployment is refused", Effect.TELLS))
    return tuple(found)
