"""Coin-margined and USDC-settled perpetuals: the record counts contract units, the hedge counts coins, and each coin once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import exposure
from bot.core.units import Asset, InstrumentId
from tests.core.coin_words import coins_at, marks
from tests.core.market_words import narrow
from tests.core.playbook import (
    after,
    book,
    collateral,
    confirmed,
    decision_due,
    evenly,
    fill,
    filled,
    holds,
    net_delta,
    nothing,
    outcome_unknown,
    place,
    query,
    reading,
    venue_acts,
)
from tests.core.story import Story, inverse, listed, margin_report, policy_for

D = Decimal
ETH = Asset("ETH")
OKX_USD = "okx:ETH-USD"


def named(*instruments: str) -> frozenset[InstrumentId]:
    return frozenset(InstrumentId(i) for i in instruments)


def test_an_inverse_perpetual_hedges_collateral_beside_linear_ones() -> None:
    policy = policy_for("ETH", instruments=named("bybit:ETH", OKX_USD))
    story = (
        book(policy, instruments=(listed("bybit", "ETH"), inverse("okx", "ETH")))
        >> coins_at("okx", "ETH", "4")
        >> reading("okx")
        >> narrow("20")
        >> collateral("ETH", "16")
        >> decision_due()
        << place("bybit:ETH", "-10")
        << place(OKX_USD, "-30000")
    )
    assert story.order(OKX_USD).quantity == -30_000
    story >> filled("bybit:ETH", OKX_USD) >> decision_due() << nothing() << holds(OKX_USD, "-30000") << net_delta("ETH", "0")
    assert story.statement().assets[0].hedge_ratio == 1
    assert story.statement().gross_notional_usd == 60_000
    story.close()


def coin_margined() -> Story:
    """Ten ETH in the account and nothing elsewhere, hedged where they lie."""
    policy = policy_for("ETH", instruments=named(OKX_USD), venue_share_max=D(1))
    story = book(policy, instruments=(inverse("okx", "ETH"),))
    story.margins["okx"] = margin_report("0", "0")
    return (
        story
        >> coins_at("okx", "ETH", "10")
        >> reading("okx")
        >> decision_due()
        << place(OKX_USD, "-30000")
        >> filled(OKX_USD)
        >> decision_due()
        << nothing()
        >> reading("okx")
    )


def test_a_fully_coin_margined_book_needs_no_order_when_the_price_moves_by_30_percent() -> None:
    story = coin_margined() << net_delta("ETH", "0")
    for mark in ("3900", "2100", "3000"):
        story >> marks("ETH", mark) >> after(1_000) >> confirmed() >> decision_due() << nothing()
        between = exposure.net_delta(story.ledger, story.policy, ETH)
        story >> reading("okx") >> decision_due() << nothing()
        told = exposure.net_delta(story.ledger, story.policy, ETH)
        for net in (between, told):
            assert net is not None
            assert abs(net.worst) < D("1e-20")
        assert story.statement().assets[0].hedge_ratio is not None
        assert exposure.hedge_ratio(story.ledger, story.policy, ETH).quantize(D("1e-12")) == 1  # type: ignore[union-attr]  # known here
        value = exposure.net_asset_value(story.ledger, story.policy)
        assert value is not None
        assert value.quantize(D("1e-12")) == 30_000  # a hedged coin is worth the same at every price
    story.close()


@pytest.mark.parametrize("is_reduced_before", [False, True])
def test_deleveraging_counts_at_its_price_and_not_at_an_older_mark_or_order(is_reduced_before: bool) -> None:
    """The venue took the short at 3300, ten percent above the mark that we had been told: its coins less n x (1/3000 - 1/3300) are left."""
    story, held = coin_margined(), D(30_000)
    if is_reduced_before:  # by an order of ours, at 3000
        (
            story
            >> coins_at("okx", "ETH", "9")
            >> after(1_000)
            >> reading("okx")
            >> confirmed()
            >> decision_due()
            << place(OKX_USD, "3000", reduce_only=True)
        )
        story, held = story >> filled(OKX_USD) >> after(1_000) >> reading("okx"), D(27_000)
    story << net_delta("ETH", "0") >> venue_acts(OKX_USD, f"{held}", price="3300")
    for mark in ("3000", "3300", "2700"):
        story >> marks("ETH", mark) >> after(100) >> confirmed()
        net = exposure.net_delta(story.ledger, story.policy, ETH)
        assert net is not None
        assert abs(net.worst - held / 3_300) < D("1e-20")


def test_deleveraging_that_a_reading_contains_prices_no_later_fill_of_ours() -> None:
    story = coin_margined()
    story >> coins_at("okx", "ETH", "9") >> after(1_000) >> reading("okx") >> confirmed() >> decision_due()
    (
        story
        << place(OKX_USD, "3000", reduce_only=True)
        >> after(100)
        >> venue_acts(OKX_USD, "30", price="3300")
        >> after(1_000)
        >> reading("okx")
    )
    before = exposure.net_delta(story.ledger, story.policy, ETH)
    story >> after(500) >> fill(OKX_USD, "2000")  # of the order that left before, at the mark
    after_it = exposure.net_delta(story.ledger, story.policy, ETH)
    assert before is not None
    assert after_it is not None
    assert abs(after_it.low - before.low - D(2_000) / 3_000) < D("1e-20")


def test_usdt_and_usdc_hedges_leave_the_book_long_of_each_stablecoin() -> None:
    policy = policy_for("ETH", instruments=named("bybit:ETH", "okx:ETH-USDC"))
    usdc = listed("okx", "ETH", venue_symbol="ETH-USDC", quote=Asset("USDC"), settle=Asset("USDC"))
    story = book(policy, instruments=(listed("bybit", "ETH"), usdc))
    story.margins["okx"] = replace(margin_report("60000"), asset=Asset("USDC"))
    story.margins["bybit"] = margin_report("40000")
    story >> reading("okx") >> reading("bybit") >> evenly("20") >> decision_due() << place("bybit:ETH", "-10")
    story << place("okx:ETH-USDC", "-10") >> filled("bybit:ETH", "okx:ETH-USDC") >> decision_due() << nothing() << net_delta("ETH", "0")
    assert story.statement().settle_exposure_usd == {"USDC": 60_000, "USDT": 40_000}
    # The price falls by a tenth: what the collateral lost, the accounts won, each in its own stablecoin.
    story.margins["okx"] = replace(margin_report("63000"), asset=Asset("USDC"))
    story.margins["bybit"] = margin_report("43000")
    story >> marks("ETH", "2700") >> after(1_000) >> reading("okx") >> reading("bybit") >> confirmed() >> decision_due() << nothing()
    assert story.statement().settle_exposure_usd == {"USDC": 63_000, "USDT": 43_000}
    assert exposure.net_asset_value(story.ledger, story.policy) == 20 * 3_000 + 100_000
    assert story.statement().gross_notional_usd == 20 * 2_700
    story.close()


def test_s14_s30_what_is_less_than_a_contract_is_told_as_dust_and_not_looped_on() -> None:
    fine = {"rebalance_band": D("0.000001"), "rebalance_notional_min": D(1), "venue_share_max": D(1)}
    policy = policy_for("ETH", instruments=named(OKX_USD), **fine)
    story = book(policy, instruments=(inverse("okx", "ETH"),)) >> coins_at("okx", "ETH", "10.002") >> reading("okx") >> decision_due()
    story << place(OKX_USD, "-30000") >> filled(OKX_USD) >> decision_due() << nothing() >> reading("okx")
    for _ in range(20):
        story >> after(1_000) >> confirmed() >> decision_due() << nothing()
    (told,) = story.statement().assets
    assert (told.dust, told.in_band, told.coin_equity, told.held_usd) == (D("0.002"), False, D("10.002"), 30_006)
    assert len(story.ledger.orders) == 1
    story.close()


def test_s14_an_inverse_hedge_is_closed_to_the_last_contract() -> None:
    policy = policy_for("ETH", instruments=named(OKX_USD), venue_share_max=D(1))
    story = book(policy, instruments=(inverse("okx", "ETH"),)) >> coins_at("okx", "ETH", "8") >> reading("okx")
    story >> collateral("ETH", "0") >> decision_due() << place(OKX_USD, "-24000") >> filled(OKX_USD) >> reading("okx")
    story >> marks("ETH", "3137.77") >> after(1_000) >> coins_at("okx", "ETH", "0") >> reading("okx")
    story >> collateral("ETH", "0") >> decision_due() << place(OKX_USD, "24000", reduce_only=True) >> filled(OKX_USD)
    story >> decision_due() << nothing() << holds(OKX_USD, "0")


def test_an_inverse_order_in_doubt_widens_delta_in_coins() -> None:
    policy = policy_for("ETH", instruments=named(OKX_USD), venue_share_max=D(1))
    story = book(policy, instruments=(inverse("okx", "ETH"),)) >> coins_at("okx", "ETH", "10") >> reading("okx") >> decision_due()
    story << place(OKX_USD, "-30000") >> outcome_unknown(OKX_USD) << net_delta("ETH", "0", "10")
    assert story.statement().gross_notional_usd == 30_000
    story >> marks("ETH", "6000") >> decision_due() << query(OKX_USD) << net_delta("ETH", "5", "10")


def test_fills_of_an_inverse_perpetual_are_tallied_in_usd() -> None:
    policy = policy_for("ETH", instruments=named(OKX_USD), venue_share_max=D(1))
    story = book(policy, instruments=(inverse("okx", "ETH"),)) >> coins_at("okx", "ETH", "10") >> reading("okx") >> decision_due()
    story << place(OKX_USD, "-30000") >> fill(OKX_USD, "-30000", price=D(2_999), fee=D("0.002"), fee_asset=None)
    tallies = story.ledger.tallies
    assert (tallies.filled_notional_usd, tallies.fees_usd) == (30_000, D("0.002") * 2_999)
    assert tallies.slippage_usd == D(30_000) / 2_999  # ten coins sold one dollar below the middle
