"""What is held, each coin once: collateral, and coin equity at venues carried to the mark of now."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import collateral_limits, exposure, holdings
from bot.core.limits import Effect, Limit
from bot.core.order import Order, OrderState
from bot.core.records import Ledger, VenueRecord
from bot.core.redemption import redemption_rate
from bot.core.units import Asset, ClientOrderId, InstrumentId, Range, VenueId
from tests.core.coin_accounts import ETH, ETH_USD, OKX, POLICY, USDC, USDT, WSTETH, account, held_as, holding, ledger_with, told
from tests.core.story import T0, listed, quote_of

D = Decimal
BTC = Asset("BTC")
PRICES = st.decimals(min_value=D("0.01"), max_value=D("200000"), places=2)
COINS = st.decimals(min_value=D("0.001"), max_value=D("100000"), places=6)
TINY = D("1e-18")


def delta(ledger: Ledger) -> Decimal | None:
    """The net delta of ETH, which must be exact."""
    net = exposure.net_delta(ledger, POLICY, ETH)
    assert net is None or net.is_exact
    return None if net is None else net.low


@given(COINS, PRICES, PRICES, PRICES)
def test_a_fully_coin_margined_short_of_1x_has_no_delta_at_any_price(coins: Decimal, entry: Decimal, then: Decimal, now: Decimal) -> None:
    units = -coins * entry  # as many USD as the wallet was worth at the entry
    equity = coins + units / entry - units / then
    by_mark = ledger_with(account("ETH", equity), position=told(units, then), mark=now)
    by_entry = ledger_with(account("ETH", None, coins), position=told(units, then, entry), mark=now)
    for ledger in (by_mark, by_entry):
        net = delta(ledger)
        assert net is not None
        assert abs(net) <= TINY * max(coins, coins * entry / min(then, now), D(1))


@given(COINS, st.decimals(min_value=-1_000_000, max_value=1_000_000, places=0), PRICES, PRICES)
def test_delta_is_the_one_of_the_reading_whatever_the_price_did_since(wallet: Decimal, units: Decimal, then: Decimal, now: Decimal) -> None:
    at_once, later = (delta(ledger_with(account("ETH", wallet), position=told(units, then), mark=price)) for price in (then, now))
    assert at_once is not None
    assert later is not None
    assert abs(at_once - (wallet + units / then)) <= TINY * (1 + abs(units / then))
    assert abs(later - at_once) <= TINY * (1 + abs(units) / min(then, now) + wallet)


def test_only_what_changed_since_the_reading_counts_at_the_mark_of_now() -> None:
    ledger = ledger_with(account("ETH", "10"), position=told("-15000", "3000"), record="-18000", mark="6000")
    assert delta(ledger) == 10 - D(15_000) / 3_000 - D(3_000) / 6_000


@pytest.mark.parametrize("now", ["3000", "3150", "6000", "1500"])
def test_what_an_order_of_ours_did_since_the_reading_has_no_delta_by_what_the_price_did_after_it(now: str) -> None:
    """Found by chaos (I02): a mark that ran away between a fill and the next reading was hedged as if the coins had not moved with it."""
    ledger = ledger_with(account("ETH", "10"), position=told("-15000", "3000"), record="-18000", mark=now)
    made = Order(
        client_order_id=ClientOrderId("h1"),
        instrument=ETH_USD,
        quantity=D(-4_000),
        price=D("2995.5"),
        reduce_only=False,
        placed_at=T0 - 3_000,
        expires_at=T0 + 2_000,
        arrival_mid=D(3_000),
        reason="a gap",
        state=OrderState.CANCELED,
        reported_filled=D(-3_000),
        closed_at=T0 - 2_900,
    )
    found = delta(replace(ledger, orders={made.client_order_id: made}))
    assert found is not None
    assert abs(found - (10 - D(18_000) / 3_000)) <= TINY * 10
    bought = replace(made, quantity=D(4_000), reported_filled=D(3_000))  # not what moved it: at the mark of now until the next reading
    assert delta(replace(ledger, orders={made.client_order_id: bought})) == 10 - D(15_000) / 3_000 - D(3_000) / D(now)


def test_the_account_of_domain_1_4_with_equity_beside_marks_and_wallet_beside_entries() -> None:
    # PnL in coin = n x (1 / E - 1 / P): a short of 30,000 USD from 3,000 has earned 2.5 ETH at 2,400.
    wallet = ledger_with(account("ETH", None, "10"), position=told("-30000", None, "3000"), mark="2400")
    equity = ledger_with(account("ETH", "12.5", "10"), position=told("-30000", "2400", "3000"), mark="2400")
    assert holdings.coin_equity(wallet, POLICY, ETH) == 12.5
    assert (delta(wallet), delta(equity)) == (0, 0)


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        (ledger_with(account("ETH", "10"), position=told("-30000", None)), None),  # equity without a mark, no wallet
        (ledger_with(account("ETH", "10", "10"), position=told("-30000", None)), None),  # and none with an entry
        (ledger_with(account("ETH", None, None)), None),
        (ledger_with(account("USDT", "10"), position=told("-30000")), None),  # the coin account was not told
        (ledger_with(position=told("0"), record="-10"), None),
        (ledger_with(account("USDT", "10")), 0),  # nobody told of coins, and nothing says that there are any
        (ledger_with(account("ETH", "10"), position=told("-30000"), mark=None), None),
        (ledger_with(account("ETH", "10"), mark=None), 10),  # without a position no mark is needed
        (ledger_with(account("ETH", "0.5", is_account_wide=True, equity=D(7))), 7),
        (ledger_with(account("ETH", "30000", "7", is_account_wide=True)), 7),
    ],
)
def test_unknown_equity_is_unknown_delta_and_not_zero(ledger: Ledger, expected: int | None) -> None:
    assert holdings.coin_equity(ledger, POLICY, ETH) == expected
    assert (exposure.net_delta(ledger, POLICY, ETH) is None) == (expected is None)


def test_a_position_of_an_instrument_that_is_not_described_makes_the_equity_unknown() -> None:
    ledger = ledger_with(account("ETH", "10"), position=told("-30000"))
    assert holdings.coin_equity(replace(ledger, instruments={}), POLICY, ETH) is None


def test_collateral_is_unknown_until_all_spoke_and_every_rate_is_told() -> None:
    ledger = ledger_with(holdings=held_as(holding("ETH", "5"), holding("DOGE", "9"), holding("wstETH", "0", None)))
    assert exposure.collateral(ledger, POLICY, ETH) == Range.exactly(D(5))
    assert exposure.collateral(replace(ledger, sources_confirmed_at={}), POLICY, ETH) is None
    assert exposure.collateral(replace(ledger, holdings=held_as(holding("wstETH", "1", None))), POLICY, ETH) is None
    two = replace(POLICY, collateral_assets={**POLICY.collateral_assets, BTC: BTC})
    assert exposure.collateral(ledger, two, BTC) == Range.exactly(D(0))


def test_a_linear_position_leaves_the_coins_as_told() -> None:
    ledger = ledger_with(account("ETH", "10"), position=told("-30000"), mark="4000")
    linear = listed("okx", "ETH", venue_symbol="ETH-USD")
    assert holdings.coin_equity(replace(ledger, instruments={ETH_USD: linear}), POLICY, ETH) == 10


def test_staked_coins_in_an_account_count_at_their_rate_or_are_unknown() -> None:
    staked = account("wstETH", "10")
    assert holdings.coin_equity(ledger_with(staked), POLICY, ETH) is None
    assert holdings.coin_equity(ledger_with(account("wstETH", "0")), POLICY, ETH) == 0
    old, new = holding("wstETH", "0", "1.1", at=1), holding("wstETH", "0", "1.2", "cold", at=2)
    other = holding("wstETH", "0", "9", "away", at=3, source="not configured")
    known = ledger_with(staked, holdings=held_as(old, new, other, holding("wstETH", "1", None, "x", at=4)))
    assert holdings.coin_equity(known, POLICY, ETH) == 12
    assert redemption_rate(known, POLICY, WSTETH) == D("1.2")
    assert redemption_rate(known, POLICY, ETH) == 1


def test_dust_of_a_token_in_an_account_without_a_rate_counts_as_nothing_and_is_told() -> None:
    """Ten base units for each are worth 24 USD, and a rebalance begins at 25."""
    dust, more = (ledger_with(account("ETH", "10"), account("wstETH", quantity)) for quantity in ("0.0008", "0.0009"))
    assert (holdings.coin_equity(dust, POLICY, ETH), holdings.coin_equity(more, POLICY, ETH)) == (10, None)
    told_only = [b for b in collateral_limits.stale_breaches(dust, POLICY, T0) if b.limit is Limit.COLLATERAL_UNKNOWN]
    assert [(b.subject, b.observed, b.effect) for b in told_only] == [("wstETH@okx", D("0.0008"), Effect.TELLS)]
    assert collateral_limits.unknown_breaches(dust, POLICY, ETH) == ()
    assert [(b.subject, b.effect) for b in collateral_limits.unknown_breaches(more, POLICY, ETH)] == [("wstETH@okx", Effect.BLOCKS)]
    rated = replace(more, holdings=held_as(holding("wstETH", "0", "1.2")))
    assert (holdings.coin_equity(rated, POLICY, ETH), holdings.unrated_in_accounts(rated, POLICY, ETH)) == (D("10.00108"), ())


def test_each_coin_counts_once() -> None:
    elsewhere, there = holding("ETH", "5"), holding("ETH", "10", location="okx")
    ledger = ledger_with(account("ETH", "10"), holdings=held_as(elsewhere, there))
    assert exposure.collateral(ledger, POLICY, ETH) == Range.exactly(D(5))
    assert holdings.held(ledger, POLICY, ETH) == Range.exactly(D(15))
    assert exposure.share_base(ledger, POLICY) == 45_000
    assert exposure.required_notional(ledger, POLICY) == 45_000
    untold = replace(ledger, venues={})  # an account that does not tell the coin leaves it to the source
    assert holdings.held(untold, POLICY, ETH) == Range.exactly(D(15))


def test_what_a_custodian_delegated_counts_at_the_custodian() -> None:
    ledger = ledger_with(account("ETH", "10.25"), holdings=held_as(holding("ETH", "10")), delegations={OKX: {ETH: D(10)}})
    assert holdings.coin_equity(ledger, POLICY, ETH) == D("0.25")
    assert holdings.held(ledger, POLICY, ETH) == Range.exactly(D("10.25"))
    assert holdings.net_asset_value(ledger, POLICY) == D("10.25") * 3_000


def test_a_hedged_coin_account_has_the_same_value_at_every_price() -> None:
    for mark in ("1500", "3000", "6000"):
        ledger = ledger_with(account("ETH", "10"), account("USDT", "500"), position=told("-30000"), mark=mark)
        assert holdings.net_asset_value(ledger, POLICY) == pytest.approx(D(30_500), abs=TINY)
        assert exposure.hedge_ratio(ledger, POLICY, ETH) == 1
        assert exposure.gross_notional(ledger, POLICY) == 30_000


def test_value_is_unknown_while_a_part_is() -> None:
    whole = ledger_with(account("ETH", "1"), account("USDT", "500"), holdings=held_as(holding("ETH", "2")))
    assert holdings.net_asset_value(whole, POLICY) == 9_500
    for part in (
        replace(whole, sources_confirmed_at={}),
        replace(whole, quotes={}),
        replace(whole, venues={OKX: VenueRecord()}),
        ledger_with(account("USDT", None)),
        ledger_with(account("ETH", None)),
        ledger_with(account("wstETH", "1")),
        ledger_with(account("USDT", None, is_account_wide=True)),
    ):
        assert holdings.net_asset_value(part, POLICY) is None
    assert holdings.balance_usd(whole, POLICY, VenueId("bybit")) is None


def test_an_account_told_as_a_whole_counts_once_at_the_worse_copy_less_what_was_delegated() -> None:
    wide = [account(a, b, is_account_wide=True) for a, b in (("ETH", "70000"), ("USDT", "69000"))]
    ledger = ledger_with(*wide, delegations={OKX: {ETH: D(10), USDT: D(1_000)}})
    assert holdings.balance_usd(ledger, POLICY, OKX) == 69_000 - 30_000 - 1_000
    assert holdings.balance_usd(replace(ledger, quotes={}), POLICY, OKX) is None


def test_a_margin_update_between_readings_values_its_own_coins() -> None:
    ledger = ledger_with(account("USDT", "1"))
    record = replace(ledger.venues[OKX], margins={ETH: account("ETH", "2")})
    assert holdings.balance_usd(replace(ledger, venues={OKX: record}), POLICY, OKX) == 6_000


def test_settle_exposure_is_per_stablecoin_and_never_of_a_hedged_coin() -> None:
    own = ledger_with(account("USDT", "700"), account("USDC", "300"), account("ETH", "10"), account("wstETH", "1"))
    assert holdings.settle_exposure(own, POLICY) == {USDT: 700, USDC: 300}
    untold = ledger_with(account("USDT", None), account("USDC", "300"))
    assert holdings.settle_exposure(untold, POLICY) == {USDC: 300}


def test_settle_exposure_of_an_account_told_as_a_whole() -> None:
    usdt, usdc = (account(a, "1000", w, is_account_wide=True) for a, w in (("USDT", "600"), ("USDC", "400")))
    assert holdings.settle_exposure(ledger_with(usdt, usdc), POLICY) == {USDT: 600, USDC: 400}
    assert holdings.settle_exposure(ledger_with(usdt), POLICY) == {USDT: 1_000}
    assert holdings.settle_exposure(ledger_with(usdt, replace(usdc, wallet_balance=None)), POLICY) == {USDC: 1_000}
    profit = ledger_with(replace(usdt, equity=D(650)), replace(usdc, equity=D(390)))
    assert holdings.settle_exposure(profit, POLICY) == {USDT: 650, USDC: 390}  # unrealised PnL is the stablecoin's
    assert holdings.settle_exposure(Ledger(), POLICY) == {}


def test_worth_is_of_dollars_of_coins_and_of_staked_coins_and_unknown_of_anything_else() -> None:
    ledger = ledger_with(holdings=held_as(holding("wstETH", "1", "1.2")))
    told_of = [holdings.worth(ledger, POLICY, a, D(2)) for a in (USDT, ETH, WSTETH, BTC)]
    assert told_of == [2, 6_000, 7_200, None]
    assert holdings.worth(ledger_with(), POLICY, WSTETH, D(2)) is None
    assert holdings.worth(ledger, POLICY, BTC, D(0)) == 0
    stranger = ledger_with(account("USDT", "500"), account("BTC", "1"))
    assert holdings.net_asset_value(stranger, POLICY) is None
    assert holdings.settle_exposure(stranger, POLICY) == {USDT: 500}


def test_the_rate_that_was_told_last_holds_and_not_that_of_the_total_that_was_told_last() -> None:
    old = replace(holding("wstETH", "1", rate="1.10"), observed_at=T0 + 2, rate_at=T0)
    new = replace(holding("wstETH", "5", rate="1.25", location="cold"), observed_at=T0 + 1, rate_at=T0 + 1)
    assert redemption_rate(ledger_with(holdings=held_as(old, new)), POLICY, WSTETH) == D("1.25")


def test_the_account_of_a_venue_that_is_out_of_the_book_counts_no_more() -> None:
    """Its last word would stand for ever: nobody reads it again."""
    ledger = ledger_with(account("ETH", "10"), account("USDT", "500"))
    without = replace(POLICY, instruments=frozenset({InstrumentId("bybit:ETH")}))
    assert holdings.coin_equity(ledger, without, ETH) == 0
    assert (holdings.settle_exposure(ledger, without), holdings.net_asset_value(ledger, without)) == ({}, 0)
    carried = ledger_with(account("ETH", "10"), position=told("-30"))
    assert holdings.coin_equity(carried, without, ETH) == 10


def test_coins_at_a_venue_that_is_out_of_the_book_are_the_sources_again_and_widen_no_share() -> None:
    ledger = ledger_with(account("ETH", "10"), holdings=held_as(holding("ETH", "9", location="okx"), holding("ETH", "5")))
    without = replace(POLICY, instruments=frozenset({InstrumentId("bybit:ETH")}))
    marked = replace(ledger, instruments={**ledger.instruments, InstrumentId("bybit:ETH"): listed("bybit", "ETH")})
    marked = replace(marked, quotes={InstrumentId("bybit:ETH"): quote_of("bybit:ETH", D(3_000), T0)})
    assert holdings.held(marked, without, ETH) == Range.exactly(D(14))
    assert exposure.share_base(marked, without) == 42_000


def test_collateral_in_an_account_told_as_a_whole_counts_once() -> None:
    """The whole, 31,000, holds 10 ETH at their haircut; a source tells these, so only the stablecoin's own equity is added."""
    whole = account("USDT", "31000", "900", is_account_wide=True, equity=D(1_000))
    ledger = ledger_with(whole, holdings=held_as(holding("ETH", "10", location="okx"), holding("ETH", "5")))
    assert holdings.net_asset_value(ledger, POLICY) == 46_000
    assert (holdings.balance_usd(ledger, POLICY, OKX), holdings.standing_at(ledger, POLICY, OKX)) == (1_000, 31_000)
    assert holdings.standing_at(replace(ledger, quotes={}), POLICY, OKX) is None
    assert holdings.standing_at(replace(ledger, venues={}), POLICY, OKX) is None
    own = replace(whole, asset=ETH, equity=D(2))
    inside = ledger_with(whole, own, delegations={OKX: {ETH: D(1), USDT: D(100)}})
    assert holdings.balance_usd(inside, POLICY, OKX) == 1_000 - 100 + 3_000
