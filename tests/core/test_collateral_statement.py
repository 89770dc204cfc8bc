"""The record of collateral as people see it: it adds up, names what is in quarantine and why, and tells how far settlements are."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.claim_terms import RedemptionEnd
from bot.core.collateral_statement import CLAIMS_SHOWN, CollateralRecord, PlaceStatement, record_of
from bot.core.events import SettlementState
from bot.core.units import Asset
from tests.core.claim_words import claims_policy, deposit, redemption
from tests.core.market_words import custody, market, mirror
from tests.core.openings import hedged
from tests.core.playbook import after, book, collateral, confirmed, decision_due, filled, place, reading
from tests.core.story import Story

D = Decimal
ETH = "binance:ETH"
HOUR = 3_600_000


def record(story: Story) -> CollateralRecord:
    return record_of(story.ledger, story.policy, story.now)


def at_vault(story: Story, asset: str = "ETH") -> PlaceStatement:
    (found,) = (row for row in record(story).places if (row.asset, row.location) == (asset, "vault"))
    return found


def held(quantity: str, **terms: object) -> Story:
    story = book(claims_policy(**terms)) >> market(ETH) >> collateral("ETH", quantity) >> decision_due() << place(ETH, f"-{quantity}")
    return story >> filled(ETH) >> after(10 * 60_000) >> confirmed() >> market(ETH) >> reading("binance") >> decision_due()


def test_each_place_adds_up_and_every_change_of_it_has_a_cause() -> None:
    story = held("30", redemption_ends=RedemptionEnd.PRICED)
    story >> deposit("d1", "5") >> redemption("r1", "10", "priced") >> deposit("x", "7", depositor="nobody")
    story >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    told = at_vault(story)
    assert (told.source, told.confirmed, told.pending, told.leaving, told.held_back, told.counted) == ("custody", 30, 5, 10, 7, 20)
    assert told.counted == told.confirmed - told.leaving
    assert (told.arrived, told.left, told.possible) == (30, 0, 20)
    story >> collateral("ETH", "20") >> decision_due() >> collateral("ETH", "25") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    told = at_vault(story)
    assert (told.confirmed, told.pending, told.leaving, told.counted, told.arrived, told.left) == (25, 0, 0, 25, 35, 10)
    causes = [n.sentence for n in story.ledger.notes if n.kind in ("collateral", "claim", "quarantine")]
    assert [c for c in causes if c.startswith("ETH at vault")] == [
        "ETH at vault: 0 -> 30",
        "ETH at vault: 30 -> 20",
        "ETH at vault: 20 -> 25",
    ]
    assert any("d1 deposit of 5 ETH at vault by acme: announced" in c for c in causes)
    assert any("x deposit of 7 ETH at vault by nobody: announced, held back: nobody is not among the depositors" in c for c in causes)


def test_claims_that_are_not_over_are_listed_with_the_reason_and_all_are_counted() -> None:
    story = held("30", redemption_ends=RedemptionEnd.PRICED)
    (
        story
        >> deposit("d1", "5")
        >> redemption("r1", "10", "priced")
        >> redemption("r2", "1", "canceled")
        >> deposit("x", "7", depositor="nobody")
    )
    story >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH) >> decision_due()
    told = record(story)
    assert {c.claim: (c.kind, c.state, c.left, c.why) for c in told.claims} == {
        "d1": ("deposit", "pending", 5, ""),
        "r1": ("redemption", "leaving", 10, ""),
        "x": ("deposit", "held", 7, "nobody is not among the depositors"),
    }
    assert {state: count for state, count in told.claims_by_state.items() if count} == {
        "pending": 1,
        "leaving": 1,
        "canceled": 1,
        "held": 1,
    }
    for number in range(CLAIMS_SHOWN + 5):
        story >> deposit(f"y{number}", "1", depositor="nobody")
    story >> decision_due()
    told = record(story)
    assert (len(told.claims), told.claims_by_state["held"]) == (CLAIMS_SHOWN, CLAIMS_SHOWN + 6)


def test_a_place_of_which_no_source_is_believed_and_a_stablecoin_are_in_the_record() -> None:
    story = held("10")
    story.policy = replace(story.policy, issuers={Asset("USDT"): "Tether"})
    story >> collateral("USDT", "40", None) >> collateral("wstETH", "2", "1.2", location="drawer") >> decision_due() << place(ETH, "-2.4")
    found = {(row.asset, row.location): row for row in record(story).places}
    assert (found["USDT", "vault"].confirmed, found["wstETH", "drawer"].confirmed) == (40, 2)  # type: ignore[index]  # names are text
    assert found["wstETH", "drawer"].arrived is None  # type: ignore[index]  # names are text
    (sleeve,) = record(story).sleeve
    assert (sleeve.asset, sleeve.issuer, sleeve.held_usd, sleeve.exposure_usd) == ("USDT", "Tether", 40, 100_000_040)


def test_delegations_are_told_with_state_freeze_and_what_is_owed() -> None:
    story = hedged("30")
    row = mirror("okx", "9", cycle=3, state=SettlementState.CALCULATING, settled="0.5", due="0.1", next_settlement_at=story.now + HOUR)
    story >> custody("30", row)
    (told,) = record(story).delegations
    assert (told.custodian, told.venue, told.asset, told.delegated, told.settled, told.due) == (
        "custody",
        "okx",
        "ETH",
        9,
        D("0.5"),
        D("0.1"),
    )
    assert (told.cycle, told.state, told.is_frozen, told.is_disputed) == (3, "calculating", True, False)
    assert told.next_settlement_at == story.now + HOUR
    window = mirror("okx", "9", cycle=4, frozen_from=story.now + 500, frozen_until=story.now + 1_500)
    story >> after(400) >> custody("30", window)
    assert [d.is_frozen for d in record(story).delegations] == [False]
    assert [d.is_frozen for d in record_of(story.ledger, story.policy, story.now + 200).delegations] == [True]
    owed = {o.venue: o for o in record(story).owed}
    assert [*owed] == ["binance", "bybit", "okx"]
    assert all(o.unsettled_usd == 0 and o.exposure_at_risk_usd == 0 for o in (owed[v] for v in owed if v != "okx"))
    story.policy = replace(story.policy, collateral_sources=frozenset({"other"}))
    assert record(story).delegations == (), "a custodian that is not configured any more counts no more"
