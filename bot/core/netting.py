"""How an asset's net delta is acted on: left alone, given time for flow that cancels it, or corrected; and what flow was seen.

The rule: inside the soft edge of its no-trade band (`no_trade`) nothing is traded. Between the edges a stray waits `netting_window_ms`
for flow that cancels it, then it is due, and stays so while it is only offered. Beyond the hard edge it is corrected at once. What is
corrected goes back to the band's aim.

Flow of collateral is looked at where decisions are made: deposits and withdrawals between two decisions cancel, and no flow is news
too. What prices do to coin accounts at venues is no flow: inverse positions there lose what the account gains.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core import exposure
from bot.core.band import Urgency
from bot.core.copying import replace
from bot.core.flow import FlowVariance
from bot.core.ledger import put
from bot.core.no_trade import edges_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_records import Flow
from bot.core.units import ZERO, Asset, Millis, Range, sign

LOOKS_PER_HALF_LIFE = 16
"""How often a holding that does not change is news: this many times in a half-life."""


def urgency_of(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> Urgency:
    """What the certain part of an asset's net delta calls for; NONE while it is not known."""
    net, found = exposure.net_delta(ledger, policy, asset), edges_of(ledger, policy, asset)
    mark = exposure.mark_of_asset(ledger, policy, asset)
    if net is None or found is None or mark is None:
        return Urgency.NONE
    since = ledger.strayed_at.get(asset)
    waited = policy.netting_window_ms if since is not None and since > now else now - (now if since is None else since)
    return found.urgency(net.nearest_zero * mark, waited, policy.netting_window_ms)


def gap_of(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> Decimal:
    """Base units to hedge now (> 0: more short), back to the band's aim; 0 inside the band, while flow may still cancel it, or unknown."""
    net, found = exposure.net_delta(ledger, policy, asset), edges_of(ledger, policy, asset)
    mark = exposure.mark_of_asset(ledger, policy, asset)
    if net is None or found is None or mark is None or urgency_of(ledger, policy, asset, now) in (Urgency.NONE, Urgency.NETTING):
        return ZERO
    certain = net.nearest_zero
    return certain if found.aim == ZERO else certain - sign(certain) * found.aim / mark


def watched(ledger: Ledger, policy: Policy, now: Millis) -> Ledger:
    """The ledger after a look at every hedged asset: flow since the last look, and since when its delta is beyond the soft edge."""
    bare = _without_offers(ledger)
    for asset in exposure.hedged_assets(policy):
        ledger = _with_flow(ledger, policy, asset, now)
        ledger = _with_stray(ledger, policy, asset, exposure.net_delta(bare, policy, asset), now)
    return ledger


def _with_stray(ledger: Ledger, policy: Policy, asset: Asset, net: Range | None, now: Millis) -> Ledger:
    """`net` is the delta without what is only offered (post-only): else the offer itself would take away the reason for which it stands."""
    soft = exposure.rebalance_threshold(ledger, policy, asset)
    strays = net is not None and soft is not None and abs(net.nearest_zero) > soft
    if strays is (asset in ledger.strayed_at):
        return ledger
    left = {a: at for a, at in ledger.strayed_at.items() if a != asset}
    return replace(ledger, strayed_at={**left, asset: now} if strays else left)


def _without_offers(ledger: Ledger) -> Ledger:
    """The ledger as it would be without our post-only orders that are open."""
    offers = {o.client_order_id for o in ledger.open_orders() if o.post_only}
    return replace(ledger, orders={i: o for i, o in ledger.orders.items() if i not in offers}) if offers else ledger


def _with_flow(ledger: Ledger, policy: Policy, asset: Asset, now: Millis) -> Ledger:
    held, mark = exposure.collateral(ledger, policy, asset), exposure.mark_of_asset(ledger, policy, asset)
    if held is None or mark is None:
        return ledger
    before = ledger.flows.get(asset)
    if before is None or before.variance.half_life_ms != policy.flow_half_life_ms:
        seen = Flow(held=held.middle, observed_at=now, variance=FlowVariance(policy.flow_half_life_ms))
        return replace(ledger, flows=put(ledger.flows, asset, seen))  # what was there before anybody looked is no flow
    elapsed = now - before.observed_at
    if held.middle == before.held and 0 <= elapsed < policy.flow_half_life_ms // LOOKS_PER_HALF_LIFE:
        return ledger
    seen = Flow(held=held.middle, observed_at=now, variance=before.variance.observe((held.middle - before.held) * mark, elapsed))
    return replace(ledger, flows=put(ledger.flows, asset, seen))
