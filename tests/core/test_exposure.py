"""Delta is computed in one place: what is known, what may still fill, what nobody told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.core import exposure
from bot.core.order import OrderState
from bot.core.records import Dispute, Ledger
from bot.core.units import Asset, InstrumentId, Range
from tests.core.playbook import book, collateral, decision_due, filled, outcome_unknown, place, started
from tests.core.story import Story, policy_for

D = Decimal
ETH, OKX, BYBIT = Asset("ETH"), InstrumentId("okx:ETH"), InstrumentId("bybit:ETH")


def two_venues(quantity: str = "20") -> Story:
    """ETH at two venues, hedged half and half."""
    story = book(policy_for("ETH", venues=("bybit", "okx"))) >> collateral("ETH", quantity) >> decision_due()
    half = f"{-D(quantity) / 2:f}"
    return story << place(BYBIT, half) << place(OKX, half) >> filled(BYBIT, OKX) >> decision_due()


def test_collateral_counts_every_location_and_form_at_its_rate() -> None:
    story = two_venues() >> collateral("ETH", "5", location="cold") >> collateral("wstETH", "10", rate="1.2")
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
    story = two_venues() >> collateral("ETH", "30") >> decision_due() << place(BYBIT, "-5") << place(OKX, "-5") >> outcome_unknown(OKX)
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
    story << place("bybit:ETH", "-3.33") << place("binance:ETH", "-3.336") << place("okx:ETH", "-3.334")
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
