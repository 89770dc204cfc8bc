"""Deposits and redemptions are announced, confirmed by totals, forged, doubled, late, forgotten: one hedge, and a record that adds up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.claim_terms import RedemptionEnd
from bot.core.limits import Effect, Limit
from bot.core.reports import ClaimStage
from tests.core.claim_words import claim, claims_policy, deposit, forgotten, record, redemption
from tests.core.playbook import (
    after,
    book,
    breach,
    collateral,
    confirmed,
    decision_due,
    filled,
    holds,
    link,
    market,
    net_delta,
    nothing,
    place,
    reading,
    says,
    source_unreadable,
    started,
    total,
)
from tests.core.story import Story

D = Decimal
ETH = "binance:ETH"
PRICED = RedemptionEnd.PRICED
MINUTE = 60_000
HOUR = 60 * MINUTE


def hedged(quantity: str, **terms: object) -> Story:
    """A book that holds so much ETH in the vault, hedged."""
    story = book(claims_policy(**terms))
    story >> market(ETH) >> collateral("ETH", quantity) >> decision_due() << place(ETH, f"-{quantity}")
    story >> filled(ETH) >> decision_due() << nothing() << holds(ETH, f"-{quantity}")
    return later(story, 10 * MINUTE) << nothing()  # what arrived so long ago confirms nothing that is announced from here on


def later(story: Story, ms: int) -> Story:
    """Time passes, and source and venue are heard and agree."""
    return story >> after(ms) >> confirmed() >> market(ETH) >> reading("binance") >> decision_due()


def test_a_deposit_is_announced_confirmed_and_hedged_once() -> None:
    story = hedged("10")
    story >> deposit("d1", "5") >> decision_due() << nothing() << claim("d1", "pending")
    story << record(confirmed="10", pending="5", counted="10")
    story << says("deposit of 5 ETH at vault by acme: announced") << net_delta("ETH", "0")
    story >> collateral("ETH", "15") >> decision_due() << place(ETH, "-5") << claim("d1", "confirmed")
    story << record(confirmed="15", pending="0")
    story >> filled(ETH) >> decision_due() << nothing()
    # Told again, by another source too, before and after: nothing.
    story >> deposit("d1", "5") >> deposit("d1", "5", source="chain") >> collateral("ETH", "15") >> decision_due() << nothing()
    story << holds(ETH, "-15") << claim("d1", "confirmed")
    story.close()


def test_a_total_that_comes_before_the_announcement_confirms_it_all_the_same() -> None:
    story = hedged("10", hedge_share=1)
    story >> collateral("ETH", "15") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    story >> deposit("d1", "5") >> decision_due() << nothing() << claim("d1", "confirmed")
    story << record(confirmed="15", pending="0", counted="15")
    story.close()


def test_where_policy_says_so_a_deposit_is_hedged_before_it_is_confirmed_and_not_again_afterwards() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("d1", "5") >> decision_due() << place(ETH, "-5") >> filled(ETH) << record(confirmed="10", pending="5", counted="15")
    story >> collateral("ETH", "15") >> decision_due() << nothing() << net_delta("ETH", "0") << claim("d1", "confirmed")
    story.close()


def test_of_half_a_share_the_other_half_may_come_and_nothing_is_hedged_on_it() -> None:
    story = hedged("10", hedge_share=Decimal("0.5"))
    story >> deposit("d1", "8") >> decision_due() << place(ETH, "-4") >> filled(ETH) >> decision_due() << nothing()
    story << net_delta("ETH", "0", "4")
    story >> after(1_000) >> collateral("ETH", "18") >> decision_due() << place(ETH, "-4") >> filled(ETH) << net_delta("ETH", "0")
    story.close()


def test_a_deposit_that_never_comes_is_given_up_and_its_hedge_undone() -> None:
    story = hedged("10", hedge_share=1, pending_max_ms=HOUR)
    story >> deposit("d1", "5") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    later(story, HOUR) << nothing() << claim("d1", "pending")
    later(story, 1) << place(ETH, "5", reduce_only=True) << claim("d1", "expired") << says("5 of it never came")
    story >> filled(ETH) >> decision_due() << nothing() << record(confirmed="10", pending="0", counted="10")
    story.close()


def test_what_nobody_vouches_for_is_held_back_and_hedged_once_a_total_shows_it() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("a", "5", depositor="nobody") >> deposit("b", "5", asset="DOGE") >> deposit("c", "5", location="elsewhere")
    story >> deposit("d", "51") >> deposit("e", "5", is_authentic=False) >> decision_due() << nothing()
    story << claim("a", "held", "nobody is not among the depositors") << claim("b", "held", "DOGE is no collateral")
    story << claim("c", "held", "no source is named") << claim("d", "held", "more than one claim may be (50)") << forgotten("e")
    story << says("e not taken: its signature is wrong") << record(confirmed="10", pending="0", held_back="56", counted="10")
    story >> collateral("ETH", "61") >> decision_due() << place(ETH, "-51") >> filled(ETH) << net_delta("ETH", "0")
    story.close()


def test_a_forged_word_does_not_use_up_the_id_of_the_real_one() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("d1", "9", is_authentic=False) >> deposit("d1", "5") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    story << claim("d1", "pending")
    story.close()


def test_of_forged_words_that_are_not_told_one_by_one_people_hear_the_number() -> None:
    story = hedged("10") >> deposit("d1", "9", is_authentic=False) >> deposit("d2", "9", is_authentic=False, beside=41)
    story << says("d2 not taken: its signature is wrong, and 41 more like it")
    assert not story.ledger.claims
    story.close()


def test_one_id_with_two_meanings_is_believed_in_neither() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("d1", "5") >> deposit("d1", "50") >> decision_due() << nothing() << claim("d1", "held", "different terms")
    story.close()


def test_beyond_the_limit_of_an_interval_claims_wait_and_the_next_interval_takes_more() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("a", "50") >> deposit("b", "30") >> deposit("c", "1") >> decision_due() << place(ETH, "-80") >> filled(ETH)
    story << claim("c", "held", "deposits of ETH pass 80") << says("held back, deposits of ETH pass 80")
    later(story, HOUR) >> deposit("e", "2") >> decision_due() << place(ETH, "-2") >> filled(ETH) << claim("e", "pending")
    story << claim("c", "held")
    story.close()


def test_redemptions_have_a_limit_for_each_interval_too() -> None:
    story = hedged("50", redemption_ends=PRICED)
    story >> redemption("a", "25", "priced") >> redemption("b", "6", "priced") >> redemption("c", "5", "priced") >> decision_due()
    story << place(ETH, "30", reduce_only=True) >> filled(ETH) << claim("b", "held", "redemptions of ETH pass 30") << claim("c", "leaving")
    story << record(confirmed="50", leaving="30", held_back="6", counted="20")
    # What left all the same is no claim: the total tells it, and the hedge follows.
    story >> collateral("ETH", "14") >> decision_due() << place(ETH, "6", reduce_only=True) >> filled(ETH) << net_delta("ETH", "0")
    story.close()


def test_a_claim_that_was_told_with_two_meanings_stays_held_whatever_is_told_of_it_afterwards() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("d1", "5") >> deposit("d1", "50") >> deposit("d1", "5") >> deposit("d1", "5") >> decision_due() << nothing()
    story << claim("d1", "held", "different terms")
    story >> collateral("ETH", "15") >> decision_due() << place(ETH, "-5") >> filled(ETH) << net_delta("ETH", "0")
    story.close()


def test_confirmed_collateral_beyond_its_limit_is_hedged_and_told() -> None:
    story = hedged("50")
    story >> collateral("ETH", "70") >> decision_due() << place(ETH, "-20") >> filled(ETH) << net_delta("ETH", "0")
    story << says("70 ETH is confirmed, more than its limit of 60: it is hedged all the same") << breach("collateral_total", "ETH")
    (found,) = (b for b in story.statement().breaches if b.limit is Limit.COLLATERAL_TOTAL)
    assert (found.observed, found.allowed, found.effect) == (70, 60, Effect.PAGES)
    assert [a.used_ratio for a in story.statement().allowances if a.limit is Limit.COLLATERAL_TOTAL and a.subject == "ETH"] == [D(70) / 60]
    story >> collateral("ETH", "60") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    story << says("60 ETH is confirmed, within its limit of 60")
    assert [b.effect for b in story.statement().breaches if b.limit is Limit.COLLATERAL_TOTAL] == [Effect.TELLS], "all of it is used"
    story.close()


def test_a_stablecoin_beyond_its_limit_is_counted_and_told() -> None:
    story = hedged("10") >> collateral("USDT", "61", None) >> decision_due() << nothing() << net_delta("ETH", "0")
    story << says("61 USDT is confirmed, more than its limit of 60: it is counted all the same") << breach("collateral_total", "USDT")
    story.close()


def test_a_redemption_ends_its_delta_with_the_total_unless_policy_says_with_the_price() -> None:
    story = hedged("30")
    story >> redemption("r1", "10") >> redemption("r1", "10", "priced") >> decision_due() << nothing() << record(leaving="0", counted="30")
    story >> collateral("ETH", "20") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH) << claim("r1", "confirmed")
    story.close()


def test_a_priced_redemption_is_unhedged_before_it_leaves_and_not_again_when_it_does() -> None:
    story = hedged("30", redemption_ends=PRICED)
    story >> redemption("r1", "10") >> decision_due() << nothing() << claim("r1", "pending")
    story >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) << claim("r1", "leaving")
    story >> filled(ETH) << record(confirmed="30", leaving="10", counted="20") << net_delta("ETH", "0")
    story >> collateral("ETH", "20") >> decision_due() << nothing() << claim("r1", "confirmed") << record(leaving="0", counted="20")
    # The stages told again in the wrong order are the same redemption.
    story >> redemption("r1", "10", "priced") >> redemption("r1", "10") >> decision_due() << nothing() << holds(ETH, "-20")
    story.close()


def test_a_redemption_that_never_settles_is_hedged_again_and_told() -> None:
    story = hedged("30", redemption_ends=PRICED, settle_max_ms=HOUR)
    story >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    later(story, HOUR) << nothing()
    later(story, 1) << place(ETH, "-10") << claim("r1", "overdue") << says("10 of it was not settled in time, and counts again")
    story >> filled(ETH) << net_delta("ETH", "0")
    # It settles after all.
    story >> collateral("ETH", "20") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH) << net_delta("ETH", "0")
    story.close()


def in_silence(story: Story, minutes: int) -> Story:
    """Time passes in which nothing is traded: the venue is read, and the source of collateral cannot be."""
    for _ in range(minutes):
        story >> after(MINUTE) >> source_unreadable() >> market(ETH) >> reading("binance") >> decision_due() << nothing()
    return story


@pytest.mark.parametrize("quiet", [30_000, 5 * MINUTE], ids=["just read", "silent"])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_a_redemption_whose_deadline_passes_while_its_source_is_silent_is_not_hedged_again(quiet: int, is_restarted: bool) -> None:
    """It may have been paid out unseen: the hedge stays as it is until the source speaks."""
    story = hedged("10", redemption_ends=PRICED, settle_max_ms=20 * MINUTE)
    story >> redemption("r1", "4", "priced") >> decision_due() << place(ETH, "4", reduce_only=True) >> filled(ETH)
    later(story, 20 * MINUTE - quiet) << nothing()
    if is_restarted:
        story >> started() >> link("binance", "up") >> reading("binance") >> source_unreadable()
    in_silence(story, 10) << holds(ETH, "-6")
    story >> collateral("ETH", "6") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


@pytest.mark.parametrize(("total", "order"), [("10", "5"), ("15", None)])
def test_the_hedge_of_a_deposit_whose_deadline_passes_while_its_source_is_silent_stays(total: str, order: str | None) -> None:
    story = hedged("10", hedge_share=1, pending_max_ms=20 * MINUTE)
    story >> deposit("d1", "5") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    in_silence(later(story, 15 * MINUTE), 10) << holds(ETH, "-15")
    story >> collateral("ETH", total) >> decision_due() << (place(ETH, order, reduce_only=True) if order else nothing())
    story >> filled(ETH) if order else story
    story << net_delta("ETH", "0")
    story.close()


def test_a_canceled_redemption_counts_again_at_once() -> None:
    story = hedged("30", redemption_ends=PRICED)
    story >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    story >> redemption("r1", "10", "canceled") >> decision_due() << place(ETH, "-10") >> filled(ETH) << claim("r1", "canceled")
    story.close()


def test_a_deposit_and_a_redemption_that_net_out_within_one_reading_leave_nothing_unhedged() -> None:
    story = hedged("30", redemption_ends=PRICED)
    story >> deposit("d1", "10") >> redemption("r1", "7", "priced") >> decision_due() << place(ETH, "7", reduce_only=True) >> filled(ETH)
    story >> collateral("ETH", "33") >> decision_due() << place(ETH, "-10") >> filled(ETH) << net_delta("ETH", "0")
    story << claim("d1", "confirmed") << claim("r1", "confirmed") << record(confirmed="33", pending="0", leaving="0", counted="33")
    story.close()


def test_where_one_reading_shows_nothing_of_them_the_hedge_stays_until_the_word_that_one_is_settled() -> None:
    story = hedged("30", redemption_ends=PRICED)
    story >> deposit("d1", "10") >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    later(story, 1_000) << nothing() << net_delta("ETH", "0", "10")
    story >> redemption("r1", "10", "settled") >> decision_due() << nothing()
    later(story, 5 * MINUTE) << place(ETH, "-10") >> filled(ETH) << net_delta("ETH", "0")
    story << claim("d1", "confirmed") << claim("r1", "confirmed")
    story.close()


def test_what_a_reorg_took_away_and_put_back_is_awaited_again_and_confirmed() -> None:
    story = hedged("10", hedge_share=1)
    story >> deposit("d1", "5", source="chain") >> decision_due() << place(ETH, "-5") >> filled(ETH)
    story >> after(1) >> deposit("d1", "5", source="chain", stage=ClaimStage.CANCELED) >> decision_due()
    story << place(ETH, "5", reduce_only=True) << claim("d1", "canceled") >> filled(ETH)
    later(story, MINUTE) >> deposit("d1", "5", source="chain") >> decision_due() << place(ETH, "-5") << claim("d1", "pending")
    story >> filled(ETH) >> collateral("ETH", "15") >> decision_due() << nothing() << claim("d1", "confirmed")
    story.close()


def test_nobody_takes_back_what_another_called_off_and_an_old_word_takes_back_nothing() -> None:
    story = hedged("10", hedge_share=1)
    said = story.now
    story >> deposit("d1", "5") >> after(1) >> deposit("d1", "5", stage=ClaimStage.CANCELED) >> decision_due() << nothing()
    story >> after(1) >> deposit("d1", "5", source="chain") >> deposit("d1", "5", announced_at=said) >> decision_due() << nothing()
    story << claim("d1", "canceled")
    story.close()


def test_more_than_is_there_never_leaves() -> None:
    story = hedged("10", redemption_ends=PRICED)
    story >> redemption("r1", "25", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    story << record(confirmed="10", leaving="10", counted="0") << net_delta("ETH", "0")
    story.close()


def test_a_forgotten_claim_never_comes_back() -> None:
    story = hedged("30", redemption_ends=PRICED, remembered_ms=2 * HOUR)
    story >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    said = story.now
    story >> collateral("ETH", "20") >> decision_due() << nothing()
    later(story, 2 * HOUR) << nothing() << forgotten("r1")
    story >> redemption("r1", "10", "priced", announced_at=said) >> decision_due() << nothing() << forgotten("r1")
    story << says("r1 not taken: it is older than anything that is remembered") << holds(ETH, "-20")
    story >> deposit("d9", "1", announced_at=story.now + 60_001) << says("d9 not taken: it is from the future")
    story.close()


def test_claims_outlive_a_restart() -> None:
    story = hedged("30", redemption_ends=PRICED)
    story >> redemption("r1", "10", "priced") >> decision_due() << place(ETH, "10", reduce_only=True) >> filled(ETH)
    story >> started() >> decision_due() >> redemption("r1", "10", "priced")
    assert [c.id for c in story.ledger.claims.values()] == ["r1"]
    story << claim("r1", "leaving")


def test_a_late_total_of_the_same_source_changes_nothing() -> None:
    story = hedged("10")
    for quantity, as_of in (("15", 200), ("12", 100)):
        feed = total("ETH", quantity)
        story.feed(replace(feed.events(story)[0], as_of=as_of))
    story >> decision_due() << place(ETH, "-5") >> filled(ETH) << record(confirmed="15")
    story.close()


def test_a_source_that_is_silent_keeps_its_last_total_and_its_claims_wait() -> None:
    story = hedged("10")
    story >> source_unreadable() >> deposit("d1", "5") >> decision_due() << nothing() << record(confirmed="10", pending="5")
    story >> collateral("ETH", "15") >> decision_due() << place(ETH, "-5") >> filled(ETH) << claim("d1", "confirmed")
    story.close()


def test_five_sources_that_see_one_deposit_make_one_hedge() -> None:
    policy = claims_policy()
    sources = ("custody", "chain", "desk", "venue", "backend")
    story = book(replace(policy, collateral_sources=frozenset(sources)))
    story >> market(ETH)
    for source in sources:
        story >> deposit("d1", "5", source=source) >> collateral("ETH", "5", source=source)
    story >> decision_due() << place(ETH, "-5") >> filled(ETH) >> decision_due() << nothing() << net_delta("ETH", "0")
    story << claim("d1", "confirmed") << record(confirmed="5", counted="5")
    story.close()


def test_a_stablecoin_adds_no_delta_and_counts_in_its_sleeve() -> None:
    story = hedged("10")
    before = story.statement()
    story >> deposit("u1", "40", asset="USDT") >> collateral("USDT", "40") >> decision_due() << nothing() << net_delta("ETH", "0")
    now = story.statement()
    usdt = {asset: quantity - before.settle_exposure_usd[asset] for asset, quantity in now.settle_exposure_usd.items()}
    assert usdt == {"USDT": 40}
    story << claim("u1", "confirmed") << record(asset="USDT", confirmed="40", counted="40")
    story.close()
