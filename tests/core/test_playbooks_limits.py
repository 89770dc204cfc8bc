"""Stories of what is not known, makes no sense or does not fit: sources, marks, caps, dust, clocks. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.claim_terms import AssetLimits, ClaimTerms, RedemptionEnd
from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.limits import Limit
from bot.core.units import Asset
from tests.core.claim_words import deposit, redemption
from tests.core.market_words import market, narrow, wide
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged, in_doubt_at_okx
from tests.core.operators import reduces, resumes
from tests.core.playbook import (
    after,
    book,
    breach,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    filled,
    first_readings,
    funding,
    holds,
    link,
    net_delta,
    nothing,
    place,
    query,
    read,
    reading,
    says,
    source_unreadable,
    started,
    total,
    venue_acts,
)
from tests.core.story import D, Story, policy_for


def read_all(story: Story) -> Story:
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    return story


def test_a_collateral_source_that_falls_silent_keeps_its_totals_as_a_range_and_holds_up_nothing_else() -> None:
    """A millionth of 30 ETH for each second of silence: nothing is traded inside that range."""
    story = hedged("30", collateral_drift_per_day=D("0.0864")) >> source_unreadable() >> after(60_000) >> decision_due() << nothing()
    story << net_delta("ETH", "0")
    read_all(story >> after(1_000)) >> decision_due() << nothing() << breach("collateral_age", "custody")
    story << net_delta("ETH", "-0.00183", "0.00183")
    assert story.statement().trading_state == "active"
    assert [b.sentence() for b in story.statement().breaches if b.limit is Limit.COLLATERAL_AGE] == [
        "collateral_age on custody: 61000 (allowed 60000), ms of silence: its last totals stay, as a range; no answer"
    ]
    story >> venue_acts(OKX, "4") >> decision_due() << place(BINANCE, "-3.998") >> filled(BINANCE)
    story >> venue_acts(BYBIT, "-6", kind="settlement") >> decision_due() << place(OKX, "5.996", reduce_only=True) >> filled(OKX)
    story >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "-0.002")
    story.close()


def test_what_other_sources_tell_is_hedged_while_one_is_silent_and_its_announcements_wait() -> None:
    """The treasury is silent for 100 s: a deposit that the desk's total shows is hedged, one that is announced at the treasury is not."""
    sources = frozenset({"custody", "desk"})
    terms = ClaimTerms(
        authorities={"ETH@vault": "custody", "ETH@desk": "desk"},
        depositors=frozenset({"acme"}),
        limits={Asset("ETH"): AssetLimits(claim_max=D(50), deposits_max=D(50), redemptions_max=D(50))},
        hedge_share=D(1),
        redemption_ends=RedemptionEnd.PRICED,
    )
    policy = policy_for("ETH", venues=("binance",), venue_share_max=D(1), collateral_sources=sources, claims=terms)
    story = book(replace(policy, collateral_drift_per_day=D("0.0864"))) >> market(BINANCE)
    story >> total("ETH", "30") >> total("ETH", "2", source="desk", location="desk") >> confirmed() >> confirmed("desk")
    story >> decision_due() << place(BINANCE, "-32") >> filled(BINANCE)
    story >> after(600_000) >> confirmed() >> confirmed("desk") >> reading("binance") >> decision_due() << nothing()
    story >> deposit("d1", "3") >> redemption("r1", "1", "priced") >> decision_due() << place(BINANCE, "-2") >> filled(BINANCE)
    story >> after(100_000) >> reading("binance") >> confirmed("desk") >> decision_due() << nothing()
    story << net_delta("ETH", "-3.003", "1.003")
    story >> deposit("d2", "10") >> redemption("r2", "20", "priced") >> decision_due() << nothing()
    story << net_delta("ETH", "-23.003", "11.003")
    story >> deposit("d3", "5", location="desk") >> decision_due() << nothing()  # less than what may have left the vault
    story >> confirmed() >> decision_due() << place(BINANCE, "5", reduce_only=True) >> filled(BINANCE) << net_delta("ETH", "0")
    story >> after(100_000) >> reading("binance") >> confirmed("desk") >> total("ETH", "47", source="desk", location="desk")
    story >> decision_due() << place(BINANCE, "-26.997")
    story.close()


def test_a_redemption_rate_that_nobody_tells_any_more_stays_and_is_a_range() -> None:
    story = book(policy_for("ETH", venues=("binance",), venue_share_max=D(1), rate_drift_per_day=D("0.0864"), rate_age_max_ms=600_000))
    story >> market(BINANCE) >> collateral("wstETH", "10", "1.2") >> decision_due() << place(BINANCE, "-12") >> filled(BINANCE)
    for _ in range(10):
        story >> after(60_000) >> collateral("wstETH", "10", None) >> reading("binance") >> decision_due() << nothing()
    story << net_delta("ETH", "0")
    story >> after(400_000) >> collateral("wstETH", "10", None) >> reading("binance") >> decision_due() << nothing()
    story << net_delta("ETH", "-0.012", "0.012") << breach("rate_age", "wstETH")
    # What came is hedged, but for what its rate may be less.
    story >> after(1) >> collateral("wstETH", "20", None) >> decision_due() << place(BINANCE, "-11.975") >> filled(BINANCE)
    story >> collateral("wstETH", "20", "1.2") >> decision_due() << nothing() << net_delta("ETH", "0.025")
    assert not [b for b in story.statement().breaches if b.limit is Limit.RATE_AGE]
    story.close()


def test_no_move_of_hedges_while_the_book_is_reducing() -> None:
    story = hedged("30", funding_dwell_ms=1_000, funding_half_life_ms=1_000) >> funding(OKX, "-0.0005") >> reduces("alice") >> after(59_000)
    story >> confirmed() >> funding(OKX, "-0.0005") >> funding(BYBIT, "0.0001") >> funding(BINANCE, "0.0001")
    (
        read_all(story)
        >> decision_due()
        << nothing()
        >> resumes("alice")
        >> confirmed()
        >> decision_due()
        << place(BYBIT, "-2", post_only=True)
        << place(BINANCE, "-8", post_only=True)  # up to its cap
    ).close()


def test_an_unknown_source_hedges_nothing_and_unwinds_nothing() -> None:
    policy = policy_for("ETH", collateral_sources=frozenset({"custody", "vault2"}))
    story = book(policy) >> evenly("30") >> decision_due() << nothing() << breach("collateral_unknown", "vault2")
    story >> confirmed("vault2") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE, OKX) >> started() >> decision_due()
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up") >> reading(venue)
    (story >> confirmed() >> decision_due() << nothing() >> confirmed("vault2") >> decision_due() << nothing()).close()


def test_a_missing_rate_keeps_its_own_asset_waiting_and_not_the_others() -> None:
    story = book(policy_for("BTC", "ETH")) >> collateral("wstETH", "10", rate=None) >> evenly("3", "BTC") >> decision_due()
    story << place("bybit:BTC", "-1") << place("binance:BTC", "-1") << place("okx:BTC", "-1") << breach("collateral_unknown", "wstETH")
    story >> filled("bybit:BTC", "binance:BTC", "okx:BTC") >> narrow("12") >> collateral("wstETH", "10", rate="1.2")
    (story >> decision_due() << place(BYBIT, "-4") << place(BINANCE, "-4") << place(OKX, "-4")).close()


@pytest.mark.parametrize(("quantity", "rate"), [("-1", "1"), ("10", "0"), ("10", "-1.2")])
def test_c16_a_senseless_total_is_not_taken(quantity: str, rate: str) -> None:
    story = hedged("30") >> collateral("ETH", quantity, rate=rate) << net_delta("ETH", "0") << says("senseless total of ETH")
    (story >> decision_due() << nothing() >> evenly("30") >> decision_due() << nothing()).close()
    assert story.ledger.sources_unreadable == {}


def test_everything_at_its_limits_hedges_what_fits_and_says_which_limit_binds() -> None:
    story = book(policy_for("ETH", venue_share_max=Decimal("0.25"))) >> evenly("40") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") << says("at a limit: venue_share")
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "10")
    for _ in range(3):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
    story << breach("net_delta", "ETH") << breach("venue_share", "ETH") << says("delta is left unhedged by: venue_share")
    assert sum("left unhedged" in n.sentence for n in story.ledger.notes) == 1  # told once, not once a second
    story.close()


def test_a_large_deposit_goes_in_slices() -> None:
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=Decimal(1), order_notional_max=Decimal(12_000)))
    (story >> evenly("10") >> decision_due() << place(OKX, "-4") >> filled(OKX) >> after(499) >> decision_due() << nothing())
    story >> after(1) >> decision_due() << place(OKX, "-4")  # the same slice again is a duplicate for half a second
    (story >> filled(OKX) >> decision_due() << place(OKX, "-2") >> filled(OKX) >> decision_due() << nothing()).close()


def test_s14_dust_is_left_alone_and_never_looped_on() -> None:
    story = book(policy_for("ETH", venues=("bybit",), venue_share_max=Decimal(1), rebalance_notional_min=Decimal(1)))
    (story >> evenly("0.109") >> decision_due() << place(BYBIT, "-0.10") >> filled(BYBIT) << net_delta("ETH", "0.009"))
    for _ in range(5):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
    story >> evenly("0.101") >> decision_due() << nothing()
    # The rest of a position below the least notional is closed all the same: a reducing order is exempt.
    story >> evenly("0.001") >> decision_due() << place(BYBIT, "0.09", reduce_only=True) >> filled(BYBIT)
    (story >> collateral("ETH", "0") >> decision_due() << place(BYBIT, "0.01", reduce_only=True)).close()


def test_s4_a_position_from_before_is_adopted_told_and_used() -> None:
    story = Story(ETH) >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id)
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up")
    (story >> evenly("30") >> decision_due() << nothing())  # no position was told yet: nothing is known, nothing is done
    story >> first_readings("binance") >> first_readings("bybit") >> first_readings("okx", ETH="-12") << says("pre_existing")
    story >> wide() >> decision_due() << place(BINANCE, "-18")  # its cap, and no more than what is missing
    (story >> filled(BINANCE) << net_delta("ETH", "0")).close()


def test_a_long_that_should_not_be_there_is_sold() -> None:
    story = hedged("30") >> venue_acts(OKX, "13", kind="trade") << holds(OKX, "3") << net_delta("ETH", "13") >> reading("okx")
    # Somebody else trades there: the venue is REDUCING, so its long is sold and what is missing goes elsewhere.
    story >> narrow("45") >> decision_due() << place(OKX, "-3", reduce_only=True) << place(BYBIT, "-5") << place(BINANCE, "-5")
    story >> filled(OKX, BYBIT, BINANCE) << net_delta("ETH", "0")
    story.close()


def test_f28_a_mark_far_from_the_other_venues_takes_no_order() -> None:
    story = book(ETH)
    story.marks[OKX] = Decimal(2_000)
    story >> narrow("45") >> collateral("ETH", "30") >> decision_due()
    (story << place(BYBIT, "-15") << place(BINANCE, "-15") << breach("reference_deviation", OKX))
    story.close()


@pytest.mark.parametrize("mark", ["0", "-3000"])
def test_f29_a_mark_that_is_no_price_takes_no_order_and_values_nothing(mark: str) -> None:
    story = book(ETH)
    story.marks[OKX] = Decimal(mark)
    story >> narrow("45") >> collateral("ETH", "30") >> decision_due()
    (story << place(BYBIT, "-15") << place(BINANCE, "-15") << breach("quote_age", OKX))
    story.close()


def test_f46_a_clock_that_steps_back_starves_neither_readings_nor_questions() -> None:
    story = in_doubt_at_okx() >> after(-3_600_000) >> confirmed() >> decision_due() << query(OKX) << read("okx") << read("bybit")
    story.close()


def test_a_stale_reading_from_before_a_silence_does_not_end_it() -> None:
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> after(100) >> link("okx", "stale") >> after(100) >> link("okx", "up") >> reading("okx") << breach("unreconciled", "okx")
    (story >> after(500) >> decision_due() << read("okx") >> reading("okx") >> decision_due() << nothing()).close()
    assert story.ledger.venues["okx"].reconciled  # type: ignore[index]  # a plain string is the venue's id


def test_an_unreadable_report_makes_the_venue_be_read_before_it_takes_more() -> None:
    story = hedged("30") >> after(1_000)
    story.feed(ev.ReportUnreadable(at=story.now, venue=story.instruments[2].venue, what="order without a status"))
    story << says("unreadable: order without a status") >> narrow("33") >> collateral("ETH", "32") >> decision_due()
    (story << read("okx") << place(BYBIT, "-1") << place(BINANCE, "-1")).close()


def test_moves_to_a_venue_that_fills_nothing_end_after_two_attempts() -> None:
    """Else a hedge is bought back where funding flipped, not sold where it should go, and sold again where it was, over and over."""
    changes = {"funding_dwell_ms": 1_000, "funding_half_life_ms": 1_000, "venue_share_max": Decimal(1)}
    story = book(policy_for("ETH", venues=("bybit", "okx"), **changes)) >> evenly("20") >> decision_due()
    story << place(BYBIT, "-10") << place(OKX, "-10") >> filled(BYBIT, OKX)
    bought = 0
    for second in range(120):
        story >> after(1_000) >> confirmed() >> funding(OKX, "-0.001") >> decision_due()
        placed = [c for c in story.outbox if isinstance(c, PlaceOrder)]
        reads = [c.venue for c in story.outbox if isinstance(c, ReadVenue)]
        story.outbox.clear()
        for command in placed:
            story >> (ended(BYBIT) if command.instrument == BYBIT else filled(OKX))
            bought += command.quantity > 0 and second < 60
        for venue in reads:
            story >> reading(venue)
    assert bought <= 2
    story.close()
