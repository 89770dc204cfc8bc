"""Stories of where the hedge is carried: moves for funding, those that do not pay, caps that bind, and books where nothing changes."""

from __future__ import annotations

from typing import Any

from bot.core.limits import Limit
from bot.core.units import Asset, InstrumentId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    after,
    book,
    breach,
    collateral,
    confirmed,
    decision_due,
    filled,
    funding,
    holds,
    link,
    net_delta,
    nothing,
    place,
    read,
    reading,
    says,
)
from tests.core.story import D, Story, policy_for

MINUTE = 60_000
PATIENT = {"collateral_age_max_ms": 10**11, "report_age_max_ms": 10**11, "funding_age_max_ms": 10**11}
"""Days may pass in one step."""


def rates(story: Story, **by_venue: str) -> Story:
    """Each venue tells the rate of its ETH perpetual, for eight hours."""
    for venue, rate in by_venue.items():
        story >> funding(f"{venue}:ETH", rate)
    return story


def later(story: Story, ms: int = MINUTE + 1) -> Story:
    """Time for the allocation to be looked at again."""
    return story >> after(ms) >> confirmed()


def known(**changes: Any) -> Story:
    """30 ETH hedged in equal parts, and funding that is told and the same everywhere."""
    story = hedged("30", **(PATIENT | {"funding_half_life_ms": 1_000, "funding_dwell_ms": 2_000} | changes))
    rates(story, okx="0.0001", bybit="0.0001", binance="0.0001")
    return later(story) >> decision_due() << nothing()


def flipped_at_okx(rate: str, elsewhere: str = "0.0001", **changes: Any) -> Story:
    """Funding at OKX stays at a rate that is negative for longer than the dwell; a decision is due."""
    story = known(**changes)
    for _ in range(3):
        later(rates(story, okx=rate, bybit=elsewhere, binance=elsewhere))
    rates(story, okx=rate, bybit=elsewhere, binance=elsewhere)
    assert story.ledger.funding[InstrumentId(OKX)].flipped
    return story >> decision_due()


def moved_to_okx(story: Story) -> Story:
    """Funding at OKX pays for a change of venue: eight of the ten at Bybit go there, as much as OKX's share of the book takes."""
    rates(later(rates(story, okx="0.0003")), okx="0.0003") >> decision_due() << place(OKX, "-8", post_only=True)
    story >> filled(OKX) >> decision_due() << place(BYBIT, "8", reduce_only=True)
    story >> filled(BYBIT) >> decision_due() << nothing()
    return story << net_delta("ETH", "0")


def test_funding_that_flipped_for_good_moves_the_short_to_where_there_is_room() -> None:
    story = flipped_at_okx("-0.0005") << place(BINANCE, "-8", post_only=True) << place(BYBIT, "-2", post_only=True)
    story >> filled(BINANCE, BYBIT) >> decision_due() << place(OKX, "10", reduce_only=True)
    story >> filled(OKX) << holds(OKX, "0") << holds(BINANCE, "-18") << holds(BYBIT, "-12") << net_delta("ETH", "0")
    (later(story) >> decision_due() << nothing()).close()


def test_funding_that_flipped_where_no_move_pays_back_moves_nothing() -> None:
    """-3.3 % against 3.3 % a year: 12.1 bps of cost need 8.7 % within the payback time."""
    story = flipped_at_okx("-0.00003", "0.00003") << nothing() << breach("funding_flip", OKX)
    (later(story) >> decision_due() << nothing() << holds(OKX, "-10") << net_delta("ETH", "0")).close()


def test_a_lost_venue_and_caps_that_bind_hedge_what_fits_and_tell_the_rest_until_there_is_room() -> None:
    story = hedged("30", venue_share_max=D("0.4")) >> link("okx", "down") >> after(4_000) >> confirmed()
    story >> collateral("ETH", "60") >> decision_due() << place(BINANCE, "-14") << place(BYBIT, "-14") >> filled(BINANCE, BYBIT)
    story << net_delta("ETH", "2") >> after(1_000) >> confirmed() >> decision_due() << nothing()
    told = {b.limit: b for b in story.statement().breaches if b.subject == "ETH"}
    assert told[Limit.VENUE_SHARE].observed == 2
    assert "6000.00 USD, fits nowhere" in told[Limit.VENUE_SHARE].sentence()
    story << breach("venue_link", "okx") << breach("net_delta", "ETH") << says("left unhedged by: quote_age, venue_share")
    story >> link("okx", "up") >> reading("okx") >> decision_due() << read("okx") >> reading("okx") >> decision_due()
    story << place(OKX, "-2") >> filled(OKX) << net_delta("ETH", "0") >> decision_due() << nothing()
    assert not [b for b in story.statement().breaches if b.subject == "ETH"]
    story.close()


def test_a_deposit_is_hedged_however_negative_all_funding_is() -> None:
    story = book(policy_for("ETH", **(PATIENT | {"funding_half_life_ms": 1_000, "funding_dwell_ms": 2_000})))
    for _ in range(3):
        later(rates(story, okx="-0.02", bybit="-0.02", binance="-0.02"))
    assert all(state.flipped and (state.annual or 0) < -20 for state in story.ledger.funding.values())
    story >> collateral("ETH", "30") >> decision_due() << place(BINANCE, "-18") << place(BYBIT, "-12")
    (story >> filled(BINANCE, BYBIT) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_a_rate_that_grew_too_old_to_be_known_draws_no_hedge_and_drives_none_away() -> None:
    story = known(funding_age_max_ms=10 * MINUTE)
    rates(story, okx="0.0005") >> after(10 * MINUTE + 1) >> confirmed()
    rates(story, bybit="0.0001", binance="0.0001")
    assert story.statement().instruments[-1].funding_annual is None
    story >> decision_due() << nothing()
    rates(later(story), bybit="0.0005", binance="-0.0001") >> decision_due() << place(BYBIT, "-8", post_only=True)
    story >> filled(BYBIT) >> decision_due() << place(BINANCE, "8", reduce_only=True)  # the least of those that are known, and not OKX
    story >> filled(BINANCE) >> decision_due() << nothing()
    story.close()


def test_after_a_move_for_funding_there_is_no_second_one_within_the_dwell() -> None:
    story = moved_to_okx(known())
    began = story.ledger.venue_moves[Asset("ETH")].at
    rates(later(rates(story, okx="0.0001", binance="0.0005")), okx="0.0001", binance="0.0005") >> decision_due()
    story << place(BINANCE, "-2", post_only=True) >> filled(BINANCE) >> decision_due()  # what the first one was leaving goes on leaving
    story << place(BYBIT, "2", reduce_only=True) >> filled(BYBIT) >> decision_due() << nothing()
    assert story.ledger.venue_moves[Asset("ETH")].at == began
    for ms in (MINUTE + 1, 3_600_000, 20 * 3_600_000):
        rates(later(rates(story, okx="0.0001", binance="0.0005"), ms), okx="0.0001", binance="0.0005") >> decision_due() << nothing()
    story >> after(began + story.policy.switch_dwell_ms - story.now - 1) >> confirmed() >> decision_due() << nothing()
    story >> after(1) >> confirmed() >> decision_due()
    story << place(BINANCE, "-6", post_only=True) >> filled(BINANCE) >> decision_due()
    story << place(OKX, "5.985", reduce_only=True)  # flow was watched for a day: back to the aim of its no-trade band, 45 USD
    story >> filled(OKX) >> decision_due() << nothing() << net_delta("ETH", "-0.015")
    story.close()


def test_what_flipped_is_left_within_the_dwell_all_the_same() -> None:
    story = moved_to_okx(known())
    for _ in range(3):
        later(rates(story, okx="-0.0005", bybit="0.0001", binance="0.0001"))
    rates(story, okx="-0.0005", bybit="0.0001", binance="0.0001") >> decision_due()
    story << place(BINANCE, "-8", post_only=True) << place(BYBIT, "-10", post_only=True) >> filled(BINANCE, BYBIT) >> decision_due()
    story << place(OKX, "18", reduce_only=True) >> filled(OKX) >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_where_nothing_changes_nothing_is_ordered_and_nothing_worked_out_again() -> None:
    story = known()
    before = story.ledger.allocated
    assert before is not None
    for ms in (50, 1_000, MINUTE + 1, 3_600_000, 24 * 3_600_000):
        rates(later(story, ms), okx="0.0001", bybit="0.0001", binance="0.0001") >> decision_due() << nothing()
        assert story.ledger.allocated is before
    story.close()
