"""Delta is computed in one place: what is known, what may still fill, what nobody told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core import exposure
from bot.core.order import OrderState
from bot.core.records import Dispute, Ledger
from bot.core.units import Asset, InstrumentId, Range
from tests.core import coin_accounts as coins
from tests.core.market_words import narrow, wide
from tests.core.playbook import book, collateral, decision_due, evenly, filled, outcome_unknown, place, started
from tests.core.story import Story, listed, policy_for

D = Decimal
ETH, OKX, BYBIT = Asset("ETH"), InstrumentId("okx:ETH"), InstrumentId("bybit:ETH")


def two_venues(quantity: str = "20") -> Story:
    """ETH at two venues, hedged half and half."""
    story = book(policy_for("ETH", venues=("bybit", "okx"))) >> evenly(quantity) >> decision_due()
    half = f"{-D(quantity) / 2:f}"
    return story << place(BYBIT, half) << place(OKX, half) >> filled(BYBIT, OKX) >> wide() >> decision_due()


def test_collateral_counts_every_location_and_form_at_its_rate() -> None:
    story = two_venues() >> narrow("5") >> collateral("ETH", "5", location="cold") >> collateral("wstETH", "10", rate="1.2")
    assert exposure.collateral(story.ledger, story.policy, ETH) == Range.exactly(D(37))
    assert exposure.hedged_assets(story.policy) == (ETH,)


def test_what_nobody_told_is_unknown_and_not_zero() -> None:
    story = two_venues()
    assert exposure.net_delta(story.ledger, story.policy, ETH) == Range.exactly(D(0))
    silent = replace(story.ledger, sources_confirmed_at={})
    assert exposure.collateral(silent, story.policy, ETH) is None
    assert exposure.net_delta(silent, story.policy, ETH) is None
    assert exposure.required_notional(silent, story.policy) is None
    assert exposure.share_base(silent, story.policy) is None
    assert exposure.rebalance_threshold(silent, story.policy, ETH) is None
    unlisted = replace(story.ledger, instruments={})
    assert exposure.position_of_asset(unlisted, story.policy, ETH) is None
    assert exposure.mark_of_asset(unlisted, story.policy, ETH) is None
    assert exposure.required_notional(unlisted, story.policy) is None
    unread = replace(story.ledger, positions={})
    assert exposure.position(unread, OKX) is None
    assert exposure.net_delta(unread, story.policy, ETH) is None
    assert exposure.notional(unread, story.policy, OKX) is None
    assert exposure.venue_notional(unread, story.policy, "okx") is None


def test_a_holding_without_a_rate_is_unknown_but_does_not_hide_the_others() -> None:
    story = two_venues() >> collateral("wstETH", "10", rate=None)
    assert exposure.collateral(story.ledger, story.policy, ETH) is None
    assert exposure.required_notional(story.ledger, story.policy) is None
    assert exposure.share_base(story.ledger, story.policy) == 20 * 3_000


def test_an_asset_that_is_not_hedged_counts_nowhere() -> None:
    story = two_venues() >> collateral("DOGE", "1000000")
    assert exposure.required_notional(story.ledger, story.policy) == 20 * 3_000
    assert exposure.share_base(story.ledger, story.policy) == 20 * 3_000


@given(st.decimals(min_value=-50, max_value=50, places=3), st.decimals(min_value=-50, max_value=50, places=3), st.sampled_from(OrderState))
def test_c05_an_open_order_counts_at_its_worst_on_either_side(quantity: Decimal, held: Decimal, state: OrderState) -> None:
    story = two_venues()
    order = replace(story.order(OKX), quantity=quantity, reported_filled=D(0), fills_filled=D(0), state=state)
    position = replace(story.ledger.positions[OKX], quantity=held)
    ledger = replace(story.ledger, orders={order.client_order_id: order}, positions={OKX: position})
    known = exposure.position(ledger, OKX)
    assert known is not None
    if state.is_open:
        assert {known.low, known.high} == {held + min(quantity, D(0)), held + max(quantity, D(0))}
    else:
        assert known == Range.exactly(held)


def test_a_dispute_spans_both_figures() -> None:
    story = two_venues()
    disputed = replace(story.ledger.positions[OKX], dispute=Dispute(observed=D(-7), readings=1, since=0))
    ledger = replace(story.ledger, positions={**story.ledger.positions, OKX: disputed})
    assert exposure.net_delta(ledger, story.policy, ETH) == Range(D(0), D(3))
    assert exposure.notional(ledger, story.policy, OKX) == 10 * 3_000  # the worse end


def test_c15_an_order_counts_in_notional_before_its_answer() -> None:
    story = two_venues() >> evenly("30") >> decision_due() << place(BYBIT, "-5") << place(OKX, "-5") >> outcome_unknown(OKX)
    assert exposure.notional(story.ledger, story.policy, OKX) == 15 * 3_000
    assert exposure.venue_notional(story.ledger, story.policy, "okx") == 15 * 3_000


def test_the_mark_of_an_asset_is_the_median_of_its_venues() -> None:
    story = book(policy_for("ETH"))
    story.marks |= {"binance:ETH": D(3_000), "bybit:ETH": D(3_010), OKX: D(9_000)}
    story >> decision_due()
    assert exposure.mark_of_asset(story.ledger, story.policy, ETH) == 3_010
    less = replace(story.ledger, quotes={i: q for i, q in story.ledger.quotes.items() if i != OKX})
    assert exposure.mark_of_asset(less, story.policy, ETH) == 3_005
    assert exposure.mark_of(less, OKX) is None
    assert exposure.mark_of_asset(replace(less, quotes={}), story.policy, ETH) is None


def test_a_mark_of_a_venue_that_fell_silent_values_nothing_while_another_is_fresh() -> None:
    story = two_venues()
    at = story.ledger.decided_at or 0
    limit_ms = story.policy.quote_age_max_ms * exposure.VALUATION_AGE_FACTOR

    def with_marks(okx_ms: int, bybit_ms: int) -> Ledger:
        okx = replace(story.ledger.quotes[OKX], mark=D(9_000), mark_at=at - okx_ms)
        bybit = replace(story.ledger.quotes[BYBIT], mark=D(3_000), mark_at=at - bybit_ms)
        return replace(story.ledger, quotes={OKX: okx, BYBIT: bybit})

    for okx_ms, bybit_ms, asset_mark, okx_usd in (
        (limit_ms, 0, 6_000, 90_000),
        (limit_ms + 1, 0, 3_000, 30_000),
        (-1_001, 0, 3_000, 30_000),  # from before our clock stepped back
        (limit_ms + 1, limit_ms + 1, 6_000, 60_000),  # all silent: the last ones known
    ):
        ledger = with_marks(okx_ms, bybit_ms)
        assert exposure.mark_of_asset(ledger, story.policy, ETH) == asset_mark
        assert exposure.venue_notional(ledger, story.policy, "okx") == okx_usd
    undated = replace(story.ledger.quotes[OKX], mark=D(9_000), mark_at=None)
    assert exposure.mark_of_asset(replace(story.ledger, quotes=story.ledger.quotes | {OKX: undated}), story.policy, ETH) == 3_000


def test_a_position_without_a_mark_is_valued_at_the_assets_and_without_any_not_at_all() -> None:
    story = two_venues()
    other = replace(story.ledger, quotes={i: q for i, q in story.ledger.quotes.items() if i != OKX})
    assert exposure.notional(other, story.policy, OKX) == 10 * 3_000
    assert exposure.notional(replace(other, quotes={}), story.policy, OKX) is None
    assert exposure.notional(replace(other, instruments={}), story.policy, OKX) is None
    flat = replace(other, quotes={}, positions={OKX: replace(other.positions[OKX], quantity=D(0))})
    assert exposure.notional(flat, story.policy, OKX) == 0


def test_the_required_notional_needs_a_mark_only_for_what_is_held() -> None:
    story = book(policy_for("BTC", "ETH")) >> collateral("ETH", "10") >> decision_due()
    story << place("bybit:ETH", "-6") << place("okx:ETH", "-4")
    only_eth = {i: q for i, q in story.ledger.quotes.items() if i.endswith("ETH")}
    assert exposure.required_notional(replace(story.ledger, quotes=only_eth), story.policy) == 30_000
    only_btc = {i: q for i, q in story.ledger.quotes.items() if i.endswith("BTC")}
    assert exposure.required_notional(replace(story.ledger, quotes=only_btc), story.policy) is None
    assert exposure.share_base(replace(story.ledger, quotes=only_btc), story.policy) == 0


def test_the_band_is_a_fraction_of_collateral_but_at_least_worth_a_trade() -> None:
    large = two_venues("150")
    assert exposure.rebalance_threshold(large.ledger, large.policy, ETH) == D("0.075")
    small = two_venues("2")
    assert exposure.rebalance_threshold(small.ledger, small.policy, ETH) == D(25) / 3_000


def test_a_run_that_began_knows_no_collateral_yet() -> None:
    story = two_venues() >> started()
    assert exposure.net_delta(story.ledger, story.policy, ETH) is None
    assert exposure.net_delta(Ledger(), story.policy, ETH) is None


def test_delta_of_each_class_of_domain_1_4() -> None:
    """spot q; stETH units x 1; wstETH units x R; stablecoins 0; linear q x contract size; inverse n x M / P beside equity."""
    policy = replace(coins.POLICY, collateral_assets=dict.fromkeys((ETH, coins.WSTETH, Asset("stETH")), ETH))

    def delta(ledger: Ledger) -> Range | None:
        return exposure.net_delta(ledger, policy, ETH)

    for asset, quantity, rate, expected in (
        ("ETH", "2", "1", 2),
        ("stETH", "2", "1", 2),
        ("wstETH", "2", "1.2", D("2.4")),
        ("USDT", "2", "1", 0),
    ):
        held = coins.held_as(coins.holding(asset, quantity, rate))
        assert delta(coins.ledger_with(holdings=held)) == Range.exactly(D(expected))
    linear = {coins.ETH_USD: listed("okx", "ETH", venue_symbol="ETH-USD")}
    assert delta(coins.ledger_with(position=coins.told("-3"), instruments=linear)) == Range.exactly(D(-3))
    beside_equity = coins.ledger_with(coins.account("ETH", "5"), position=coins.told("-30000"))
    assert delta(beside_equity) == Range.exactly(D(-5))


def test_an_inverse_position_is_usd_in_the_record_and_coins_in_delta() -> None:
    ledger = coins.ledger_with(coins.account("ETH", "10"), position=coins.told("-30000"))
    assert exposure.position_units(ledger, coins.ETH_USD) == Range.exactly(D(-30_000))
    assert exposure.position(ledger, coins.ETH_USD) == Range.exactly(D(-10))
    assert exposure.position(ledger, coins.ETH_USD, mark=D(1_500)) == Range.exactly(D(-20))
    assert exposure.recorded(ledger, coins.ETH_USD) == -10
    assert exposure.notional(ledger, coins.POLICY, coins.ETH_USD) == 30_000
    dark = replace(ledger, quotes={})
    assert (exposure.position(dark, coins.ETH_USD), exposure.recorded(dark, coins.ETH_USD)) == (None, None)
    assert exposure.notional(dark, coins.POLICY, coins.ETH_USD) == 30_000  # USD needs no mark
    assert exposure.net_delta(dark, coins.POLICY, ETH) is None
    flat = replace(coins.ledger_with(), quotes={})
    assert exposure.position(flat, coins.ETH_USD) == Range.exactly(D(0))
    assert exposure.recorded(flat, coins.ETH_USD) == 0
    assert exposure.recorded(replace(flat, positions={}), coins.ETH_USD) is None
    assert exposure.recorded(two_venues().ledger, OKX) == -10


def test_the_hedge_ratio_is_short_over_all_that_is_held() -> None:
    held = coins.held_as(coins.holding("ETH", "10"))
    ledger = coins.ledger_with(coins.account("ETH", "10"), position=coins.told("-30000"), holdings=held)
    assert exposure.hedge_ratio(ledger, coins.POLICY, ETH) == D("0.5")
    assert exposure.hedge_ratio(coins.ledger_with(), coins.POLICY, ETH) is None
    assert exposure.hedge_ratio(replace(ledger, sources_confirmed_at={}), coins.POLICY, ETH) is None


def test_s14_what_no_order_can_carry_is_dust() -> None:
    policy = replace(coins.POLICY, rebalance_notional_min=D(1))

    def dust(equity: str, units: str, **changes: Any) -> Decimal | None:
        ledger = coins.ledger_with(coins.account("ETH", equity), position=coins.told(units), **changes)
        return exposure.dust(ledger, policy, ETH)

    assert dust("0.002", "0") == D("0.002")  # 6 USD, and a contract is 10
    assert dust("0.004", "0") == 0  # 12 USD: one can be sold
    assert dust("0.0003", "0") == 0  # within the band
    assert dust("0.001", "-10") == D("0.001") - D(10) / 3_000  # 7 USD too many, less than the contract that is short
    assert dust("-0.002", "0") == 0  # over-hedged, and nothing is short that could be reduced
    assert dust("0.002", "0", mark=None) is None
