"""Words of stories about announced collateral: who says what of a claim, and what the record of a place then says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from bot.core import events as ev
from bot.core.claim_terms import AssetLimits, ClaimTerms
from bot.core.claims import judged, place_records
from bot.core.policy import Policy
from bot.core.reports import ClaimKind, ClaimStage
from bot.core.units import Asset
from tests.core.market_words import told
from tests.core.story import Expect, Feed, Story, policy_for

D = Decimal
ETH, USDT = Asset("ETH"), Asset("USDT")
LIMITS = AssetLimits(claim_max=D(50), deposits_max=D(80), redemptions_max=D(30), total_max=D(60))
TERMS: dict[str, Any] = {
    "authorities": {"ETH@vault": "custody", "wstETH@vault": "custody", "USDT@vault": "custody"},
    "depositors": frozenset({"acme", "zenith"}),
    "limits": {ETH: LIMITS, Asset("wstETH"): LIMITS, USDT: LIMITS},
}


def claims_policy(**terms: Any) -> Policy:
    """ETH of one source at one place, two known depositors, and limits; what is announced is told and not hedged unless told otherwise."""
    return policy_for("ETH", venues=("binance",), venue_share_max=D(1), stables=frozenset({USDT}), claims=ClaimTerms(**(TERMS | terms)))


def announcement(claim: str, quantity: str, at: int, **changes: Any) -> ev.CollateralAnnounced:
    """Acme's word on a deposit of ETH into the vault."""
    plain: dict[str, Any] = {
        "at": at,
        "source": "backend",
        "claim": claim,
        "kind": ClaimKind.DEPOSIT,
        "stage": ClaimStage.ANNOUNCED,
        "asset": ETH,
        "quantity": D(quantity),
        "location": "vault",
        "depositor": "acme",
        "announced_at": at,
    }
    return ev.CollateralAnnounced(**(plain | changes))


def deposit(claim: str, quantity: str, **changes: Any) -> Feed:
    """A deposit is announced."""
    return told(f"deposit {claim} {quantity}", lambda s: announcement(claim, quantity, s.now, **changes))


def redemption(claim: str, quantity: str, stage: str = "announced", **changes: Any) -> Feed:
    """A redemption is announced, or comes to another stage."""
    terms = {"kind": ClaimKind.REDEMPTION, "stage": ClaimStage(stage)} | changes
    return told(f"redemption {claim} {quantity} {stage}", lambda s: announcement(claim, quantity, s.now, **terms))


def claim(claim_id: str, state: str, why: str = "") -> Expect:
    """A claim stands so, and if it is held back, for a reason in which `why` stands."""

    def check(story: Story) -> None:
        found = {j.claim.id: j for j in judged(story.ledger, story.policy)}
        assert claim_id in found, f"{claim_id} is not remembered: {sorted(found)}"
        assert found[claim_id].state == state, found[claim_id]
        assert why in found[claim_id].why, found[claim_id]

    return Expect(f"{claim_id} is {state}", check)


def forgotten(claim_id: str) -> Expect:
    """A claim is not remembered any more."""

    def check(story: Story) -> None:
        assert claim_id not in story.ledger.claims

    return Expect(f"{claim_id} is forgotten", check)


def record(location: str = "vault", asset: str = "ETH", **expected: str) -> Expect:
    """The record of one place says so, in the asset's units; it adds up."""

    def check(story: Story) -> None:
        found = next(r for r in place_records(story.ledger, story.policy) if (r.location, r.asset) == (location, asset))
        assert {name: getattr(found, name) for name in expected} == {name: D(value) for name, value in expected.items()}
        assert found.counted == found.confirmed + found.pending * story.policy.claims.hedge_share - found.leaving

    return Expect(f"record of {asset} at {location} {expected}", check)
