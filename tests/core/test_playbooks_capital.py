"""Stories of money, settings and limits at venues: what is no profit, what blocks increases and never reductions, what is too much to be
true. The language is in `playbook`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.commands import PlaceOrder
from bot.core.trading import causes
from bot.core.units import Asset, VenueId
from tests.core.market_words import market, narrow, reference, wide
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import reduces, state_is
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
    funding,
    holds,
    net_delta,
    nothing,
    outcome_unknown,
    place,
    query,
    reading,
    refused,
    reported_filled,
    says,
    total,
)
from tests.core.story import Story, margin_report, policy_for

D = Decimal
ALONE = {"venues": ("okx",), "venue_share_max": D(1)}
VENUES = ("binance", "bybit", "okx")


def orders(story: Story) -> list[PlaceOrder]:
    """The orders of the latest decision, taken."""
    taken = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    story.outbox.clear()
    return taken


def test_s16_f44_an_account_that_refuses_every_increase_may_still_be_reduced_at_once() -> None:
    """Leverage or position mode was changed from outside: each increase is refused. The buy back goes in the same instant."""
    story = book(policy_for("ETH", **ALONE)) >> evenly("10") >> decision_due() << place(OKX, "-10") >> filled(OKX)
    story >> after(500) >> evenly("15") >> decision_due() << place(OKX, "-5") >> refused(OKX) << says("-2019")
    for pause in (1_000, 2_000, 4_000):
        story >> after(pause) >> confirmed() >> decision_due() << place(OKX, "-5") >> refused(OKX)
    story >> after(10) >> evenly("4") >> decision_due() << place(OKX, "6", reduce_only=True) >> filled(OKX)
    (story << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_s16_an_account_that_refuses_every_increase_is_filled_from_the_others() -> None:
    story = hedged("30") >> after(500) >> evenly("36") >> decision_due()
    story << place(OKX, "-2") << place(BYBIT, "-2") << place(BINANCE, "-2") >> refused(OKX) >> filled(BYBIT, BINANCE)
    story >> narrow("39") >> decision_due()
    (story << place(BYBIT, "-1") << place(BINANCE, "-1") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")).close()


@pytest.mark.parametrize("balance", ["60000", "200000000"])
def test_s25_a_transfer_of_margin_is_no_loss_and_no_profit(balance: str) -> None:
    """Margin leaves a venue for custody, or comes from there: nothing is halted, and nothing is sold for it."""
    story = hedged("30")
    story.margins["okx"] = margin_report(balance)
    for venue in VENUES:
        story >> reading(venue)
    story >> decision_due() << nothing() << state_is("active") << state_is("active", "okx") << net_delta("ETH", "0")
    story.close()


def test_s25_a_withdrawal_of_nearly_all_collateral_is_a_smaller_hedge_and_no_alarm_of_loss() -> None:
    story = hedged("30") >> after(500) >> evenly("0.3") >> decision_due()
    assert sum(c.quantity for c in orders(story)) == D("29.7")
    story >> filled(BINANCE, BYBIT, OKX) << net_delta("ETH", "0") << state_is("active")
    (story >> after(500) >> evenly("30") >> decision_due()).outbox.clear()
    story.close()


@pytest.mark.parametrize(("balance", "maintenance"), [(None, "1000"), ("100000000", None), (None, None)])
def test_s25_a_margin_that_nobody_tells_is_a_state_of_its_own_and_only_of_its_venue(balance: str | None, maintenance: str | None) -> None:
    story = hedged("30")
    story.margins["okx"] = margin_report(balance, maintenance)
    story >> reading("okx") << breach("margin_unknown", "okx") << state_is("active") >> narrow("39") >> collateral("ETH", "36")
    story >> decision_due()
    story << place(BYBIT, "-3") << place(BINANCE, "-3") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    story.margins["okx"] = margin_report()
    story >> reading("okx") >> after(500) >> collateral("ETH", "37") >> decision_due() << place(OKX, "-1")
    story.close()


def test_s25_trouble_of_one_venue_does_not_latch_the_whole_book() -> None:
    """A liquidation at one venue: that venue takes no more, and the book goes on."""
    story = hedged("30")
    story.margins["okx"] = margin_report("20000", "19000")
    story >> reading("okx") >> decision_due()
    assert state_of_book(story) == []
    moved = orders(story)
    assert sum(c.quantity for c in moved if c.instrument == OKX) >= 0
    assert all(c.reduce_only for c in moved if c.instrument == OKX)
    story.close()


def state_of_book(story: Story) -> list[object]:
    return list(causes(story.ledger, None))


@pytest.mark.parametrize("quantity", ["300000", "1e12"])
def test_f32_a_deposit_too_large_to_be_hedged_is_hedged_as_far_as_the_limits_go_and_told(quantity: str) -> None:
    """A billion of ETH appears: slices, caps and rates hold, and what is left over is told with its limits."""
    story = hedged("30") >> after(500) >> collateral("ETH", quantity)
    for _ in range(40):
        story >> after(600) >> confirmed() >> decision_due()
        for command in orders(story):
            assert abs(command.quantity) * D(3_000) <= story.policy.order_notional_max
            story >> filled(command.instrument)
        for venue in VENUES:
            story >> reading(venue)
    held = sum(abs(story.position(i)) for i in (BINANCE, BYBIT, OKX)) * D(3_000)
    assert held <= story.policy.gross_notional_max
    story << breach("net_delta", "ETH")
    assert any("left unhedged" in n.sentence for n in story.ledger.notes)
    story.close()


def test_f32_a_deposit_of_an_asset_that_nobody_configured_is_not_hedged_and_disturbs_nothing() -> None:
    story = hedged("30") >> total("DOGE", "1000000") >> confirmed() << net_delta("ETH", "0") >> decision_due() << nothing()
    (story >> after(500) >> evenly("33") >> decision_due() << place(BYBIT, "-1") << place(BINANCE, "-1") << place(OKX, "-1")).close()


def test_f31_a_deposit_that_is_reversed_before_it_was_hedged_leaves_the_book_where_it_was() -> None:
    """Totals heal: seen twice, taken back by the chain, seen again."""
    story = hedged("30") >> total("ETH", "60") >> total("ETH", "60") >> evenly("30") >> decision_due() << nothing()
    story >> after(500) >> evenly("60") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, OKX) >> collateral("ETH", "30") << net_delta("ETH", "-30", "-20") >> decision_due()
    reduced = orders(story)  # what is certain is taken back at once, never more
    assert sum(c.quantity for c in reduced) <= 20
    assert all(c.reduce_only for c in reduced)
    story >> filled(*(c.instrument for c in reduced)) >> filled(BINANCE)
    for _ in range(8):
        story >> after(600) >> confirmed() >> decision_due()
        story >> filled(*(c.instrument for c in orders(story)))
    (story << net_delta("ETH", "0") >> after(600) >> confirmed() >> decision_due() << nothing()).close()


def test_f40_a_market_that_dries_up_takes_no_increase_and_lets_go_of_what_it_has() -> None:
    story = hedged("30") >> market(OKX, None) >> after(500) >> collateral("ETH", "36") >> decision_due()
    story << place(BINANCE, "-6") << breach("eligibility", OKX) >> filled(BINANCE)
    story >> after(500) >> collateral("ETH", "6") >> decision_due()
    reduced = orders(story)
    assert sum(c.quantity for c in reduced) == 30
    assert OKX in {c.instrument for c in reduced}
    story.close()


def test_f28_a_stablecoin_off_its_peg_at_one_source_stops_increases_and_triggers_no_panic() -> None:
    """USDe at 0.65 on one venue: nothing that settles in the coin grows; nothing is closed for it; hedges stay hedges."""
    story = hedged("30") >> reference("USDT", "0.65") >> decision_due() << nothing() << breach("stablecoin_depeg", "USDT")
    story >> after(500) >> evenly("33") >> decision_due() << nothing() << holds(OKX, "-10") << net_delta("ETH", "3")
    story >> evenly("27") >> decision_due()
    assert sum(c.quantity for c in orders(story)) == 3
    story >> filled(BYBIT, BINANCE, OKX) >> reference("USDT", "0.9995") >> after(500) >> evenly("30") >> decision_due()
    assert sum(c.quantity for c in orders(story)) == -3
    story.close()


def test_s25_a_reserve_or_price_that_is_never_told_is_shown_as_not_known() -> None:
    story = hedged("30") << breach("reserve_coverage", "book") << breach("stablecoin_depeg", "USDT")
    for found in story.statement().breaches:
        if found.limit.value in ("reserve_coverage", "stablecoin_depeg"):
            assert found.observed is None
    assert Asset("USDT") not in story.ledger.references
    told = replace(ev.ReferencePriceObserved(at=story.now, source="feed", asset=Asset("USDT"), price=D(1)))
    story.feed(told)
    assert not any(b.limit.value == "stablecoin_depeg" for b in story.statement().breaches)
    story.close()


def test_i17_c15_an_order_on_its_way_to_a_venue_full_of_margin_drives_no_other_hedge_away_from_it() -> None:
    """60,000 USD are what the margin at OKX carries: 36,000 of BTC are there, 24,000 of ETH on their way."""
    story = book(policy_for("ETH", "BTC", passive_deadline_ms=0))
    story.margins["okx"] = margin_report("25500", "0.01")
    for venue in VENUES:
        rate = "0.001" if venue == "okx" else "0.0001"
        story >> reading(venue) >> funding(f"{venue}:ETH", rate) >> funding(f"{venue}:BTC", rate)
    story >> collateral("BTC", "1") >> decision_due() << place("okx:BTC", "-0.6") << place("binance:BTC", "-0.4")
    story >> filled("okx:BTC", "binance:BTC") >> after(1_000) >> reading("okx") >> decision_due() << nothing()
    story >> collateral("ETH", "30") >> decision_due() << place(OKX, "-8") << place(BYBIT, "-22") >> filled(BYBIT)
    story >> after(100) >> decision_due() << nothing()
    story >> filled(OKX) >> decision_due() << nothing() << holds("okx:BTC", "-0.6") << net_delta("ETH", "0") << net_delta("BTC", "0")
    story.close()


def thin(story: Story, *venues: str, balance: str = "6000") -> Story:
    """Prices took so much of the margin at these venues that a fifth of their notional is left: 21,818 USD are what it may carry."""
    for venue in venues:
        story.margins[venue] = margin_report(balance, "300")
    story >> after(40_000) >> confirmed()
    for venue in VENUES:
        story >> reading(venue)
    return story


def test_margin_below_its_least_with_nowhere_to_go_is_given_up_and_hedged_again_when_there_is_room() -> None:
    story = thin(hedged("30", passive_deadline_ms=0), *VENUES) >> decision_due()
    for instrument, quantity in ((BINANCE, "2.727"), (BYBIT, "2.72"), (OKX, "2.727")):
        story << place(instrument, quantity, reduce_only=True)
    story >> filled(BINANCE, BYBIT, OKX) << says("given up for want of margin") << net_delta("ETH", "8.174") >> decision_due() << nothing()
    story << says("delta is left unhedged by: margin_buffer") << breach("net_delta", "ETH")
    for _ in range(3):
        (thin(story, *VENUES) >> decision_due() << nothing())
    placed = orders(thin(story, *VENUES, balance="15000") >> decision_due())  # up to the target values again
    (story >> filled(*(o.instrument for o in placed)) << net_delta("ETH", "0.003") >> decision_due() << nothing()).close()  # what lots left


def test_beside_what_is_given_up_the_first_leg_of_a_move_says_what_it_is_for() -> None:
    """2.727 must leave OKX. Of the 2.548 that Binance has room for, one closes a gap and the rest takes over: 1.179 is given up."""
    story = hedged("30", passive_deadline_ms=0)
    story.margins |= {"binance": margin_report("16000", "300"), "bybit": margin_report("8400", "300")}
    thin(story, "okx") >> collateral("ETH", "31") >> decision_due() << place(BINANCE, "-2.548") << place(OKX, "1.178", reduce_only=True)
    reasons = {o.instrument: o.reason for o in story.ledger.open_orders()}
    assert reasons[BINANCE] == "ETH: net delta +1.000, change of venue; take: at once"
    assert reasons[OKX] == "ETH: net delta +1.000, given up for want of margin; take: at once"
    story >> filled(BINANCE, OKX) << net_delta("ETH", "-0.370") >> decision_due() << place(OKX, "1.549", reduce_only=True) >> filled(OKX)
    (story << net_delta("ETH", "1.179") >> decision_due() << nothing()).close()


def test_nothing_is_given_up_on_the_word_of_a_venue_that_does_not_agree() -> None:
    story = thin(hedged("30", passive_deadline_ms=0), *VENUES)
    story.feed(ev.ReportUnreadable(at=story.now, venue=VenueId("okx"), what="margin: no number"))
    story >> decision_due() << place(BINANCE, "2.727", reduce_only=True) << place(BYBIT, "2.72", reduce_only=True)
    story >> filled(BINANCE, BYBIT) >> reading("okx") >> decision_due() << place(OKX, "2.727", reduce_only=True)
    (story >> filled(OKX) >> decision_due() << nothing()).close()


def test_margin_below_its_least_moves_while_another_takes_it_over_and_its_first_leg_goes_first() -> None:
    story = thin(hedged("30", passive_deadline_ms=0), "okx") >> decision_due() << place(BINANCE, "-2.727") >> after(100)
    story >> decision_due() << nothing() >> ended(BINANCE) >> after(1_001) >> decision_due() << place(BINANCE, "-2.727") >> filled(BINANCE)
    story >> decision_due() << place(OKX, "2.727", reduce_only=True) >> after(100) >> decision_due() << nothing() >> filled(OKX)
    (story << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_margin_below_its_least_does_not_wait_for_a_doubt_about_the_leg_that_was_to_take_it_over() -> None:
    """Of 45,000 USD at OKX 38,181 may stay. If the sale at Binance did fill, the book is hedged again at once."""
    story = book(policy_for("ETH", venues=("binance", "okx"), passive_deadline_ms=0)) >> evenly("30") >> decision_due()
    story << place(BINANCE, "-15") << place(OKX, "-15") >> filled(BINANCE, OKX) >> wide() >> after(40_000) >> confirmed()
    story.margins["okx"] = margin_report("10500", "300")
    story >> reading("binance") >> reading("okx") >> decision_due() << place(BINANCE, "-2.272") >> outcome_unknown(BINANCE)
    story >> decision_due() << query(BINANCE) << place(OKX, "2.272", reduce_only=True) >> filled(OKX) << net_delta("ETH", "0", "2.272")
    story >> after(100) >> reported_filled(BINANCE) << net_delta("ETH", "0") >> decision_due() << nothing()
    story.close()


def test_margin_below_its_least_is_reduced_in_a_book_that_moves_nothing_and_what_that_opens_is_hedged_elsewhere() -> None:
    story = thin(hedged("30"), "okx") >> reduces("alice") >> after(61_000) >> reading("okx") >> reading("bybit") >> reading("binance")
    story >> confirmed() >> decision_due()
    assert story.statement().trading_state == "reducing"
    story << place(OKX, "2.727", reduce_only=True, post_only=True) >> filled(OKX) >> decision_due() << place(BINANCE, "-2.727")
    (story >> filled(BINANCE) << net_delta("ETH", "0") >> decision_due() << nothing()).close()


def test_what_is_on_its_way_out_of_a_thin_margin_is_not_given_up_of_another_asset_too() -> None:
    story = book(policy_for("ETH", "BTC", passive_deadline_ms=0, **ALONE)) >> collateral("ETH", "6") >> collateral("BTC", "0.2")
    story >> decision_due() << place("okx:ETH", "-6") << place("okx:BTC", "-0.2") >> filled(OKX, "okx:BTC")
    story.margins["okx"] = margin_report("6000", "300")
    story >> after(40_000) >> confirmed() >> reading("okx") >> decision_due()
    placed = orders(story)
    gone = sum((abs(order.quantity) * story.marks[order.instrument] for order in placed), D(0))
    assert all(order.reduce_only for order in placed)
    assert D(8_100) < gone <= D(8_200)
    for _ in range(3):
        (story >> after(100) >> decision_due() << nothing())
    (story >> filled(*(order.instrument for order in placed)) >> decision_due() << nothing()).close()
