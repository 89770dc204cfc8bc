"""Coin-margined and USDC-settled perpetuals: what a quantity is worth, in which asset money moves, and which part of a venue is asked."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from bot.adapters.venue import ccxt_mapping as mapping
from bot.adapters.venue.asking import Asker
from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.ccxt_markets import instrument_of, is_usable
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.reading import _explained
from bot.adapters.venue.shapes import paths
from bot.adapters.venue.throttle import Gate
from bot.core.events import MarginReport
from bot.core.instrument import ContractKind
from bot.core.units import Asset, VenueId
from tests.adapters.venue.payloads import BYBIT, BYBIT_EXECUTION, BYBIT_ORDER, INVERSE, OKX, OKX_FILL, OURS, instrument
from tests.adapters.venue.test_environments import settings
from tests.adapters.venue.venue_stand import WallClock

D = Decimal
BTC_USD = INVERSE["BTCUSD"]
OKX_USD = instrument("okx", "BTC-USD-SWAP", "100", kind=ContractKind.INVERSE, quote="USD", settle="BTC")


def market(symbol: str, quote: str, settle: str, contract_size: float, **changed: Any) -> dict[str, Any]:
    """A ccxt market of a perpetual on BTC, inverse where it settles in BTC."""
    given = {
        "id": symbol,
        "base": "BTC",
        "quote": quote,
        "settle": settle,
        "linear": settle != "BTC",
        "inverse": settle == "BTC",
        "contractSize": contract_size,
        "precision": {"amount": 1.0, "price": 0.5},
        "limits": {"amount": {"min": 1.0, "max": 25e6}, "cost": {"min": None}},
    }
    return given | changed


def described(profile: Any, told: dict[str, Any]) -> Any:
    return instrument_of(profile.venue, told, interval_ms=None, taker_fee=None, maker_fee=None, unit_worth=profile.unit_worth)


def test_pitfall_15_a_quantity_is_worth_what_the_venue_counts_in_and_not_its_smallest_order():
    """ccxt takes a Bybit inverse contract's size from the smallest order: a quantity there is USD, whatever that is."""
    assert described(BYBIT, market("BTCUSD", "USD", "BTC", 5.0)).units_of_contracts(D(-2500)) == D(-2500)
    assert described(BYBIT, market("BTCPERP", "USDC", "USDC", 1.0)).units_of_contracts(D("0.5")) == D("0.5")
    assert described(OKX, market("BTC-USD-SWAP", "USD", "BTC", 100.0)).units_of_contracts(D(3)) == D(300)
    usd_sized = {ContractKind.INVERSE: D(1)}
    deribit = instrument_of(
        VenueId("deribit"),
        market("BTC-PERPETUAL", "USD", "BTC", 10.0, precision={"amount": 10.0, "price": 0.5}),
        interval_ms=None,
        taker_fee=None,
        maker_fee=None,
        unit_worth=usd_sized,
    )
    assert (deribit.lot, deribit.units_of_contracts(D(-2500))) == (D(10), D(-2500))


def test_pitfall_15_orders_fills_and_positions_of_inverse_contracts_are_quote_units():
    order = BYBIT_ORDER | {"category": "inverse", "symbol": "BTCUSD", "qty": "5000", "cumExecQty": "1200"}
    assert mapping.order_report(order, BYBIT.reads.order, INVERSE).filled_quantity == D(-1200)
    fill = BYBIT_EXECUTION | {"category": "inverse", "symbol": "BTCUSD", "execQty": "1200", "execPrice": "60000"}
    read = mapping.fill_report(fill, BYBIT.reads.fill, INVERSE)
    assert read.quantity == D(-1200)
    assert BTC_USD.base_of(read.quantity, read.price) == D("-0.02")
    row = {"symbol": "BTCUSD", "size": "1200", "side": "Sell", "avgPrice": "60000", "markPrice": "61000", "positionIdx": 0}
    (held,) = mapping.position_reports([row], BYBIT.reads.position_shape, INVERSE)
    assert (held.quantity, held.entry_price) == (D(-1200), D(60000))
    swap = {"instType": "SWAP", "instId": "BTC-USD-SWAP", "pos": "-12", "posSide": "net", "avgPx": "60000", "markPx": "61000"}
    (held,) = mapping.position_reports([swap], OKX.reads.position_shape, {"BTC-USD-SWAP": OKX_USD})
    assert held.quantity == D(-1200)


def test_binance_coin_m_asks_nothing_of_usd_m():
    """Its page is made from USD-M's: whatever is not replaced there is the same on both, and no call is."""
    told = repr(PROFILES[VenueId("binancecoinm")])
    assert "dapiPrivateGetAccount" in told
    assert not [word for word in ("fapi", "fstream", "orders_10s", "10S", "USDT") if word in told]


def test_pitfall_16_fees_and_funding_are_coins_of_the_settle_asset_with_our_sign():
    """Bybit tells what was paid, OKX the change of the balance; a payment without an asset is in what the contract settles in."""
    fill = OKX_FILL | {"instId": "BTC-USD-SWAP", "fee": "-0.00001", "feeCcy": "BTC"}
    read = mapping.fill_report(fill, OKX.reads.fill, {"BTC-USD-SWAP": OKX_USD})
    assert (read.fee, read.fee_asset) == (D("0.00001"), "BTC")
    paid = {"category": "inverse", "symbol": "BTCUSD", "execId": "f1", "execFee": "0.0001", "feeCurrency": "", "execTime": "1000000000000"}
    read = mapping.funding_payment(paid, BYBIT.funding.payment, INVERSE)
    assert (read.quantity, read.asset) == (D("-0.0001"), "BTC")
    bill = {
        "instType": "SWAP",
        "instId": "BTC-USD-SWAP",
        "billId": "1",
        "balChg": "0.0002",
        "ccy": "BTC",
        "ts": "1000000000000",
        "type": "8",
    }
    read = mapping.funding_payment(bill, OKX.funding.payment, {"BTC-USD-SWAP": OKX_USD})
    assert (read.quantity, read.asset) == (D("0.0002"), "BTC")


def asker_with(profile: Any, *places: tuple[str, ContractKind, str]) -> Asker:
    asker = Asker(None, profile, settings(profile.venue), Gate(profile.limits), WallClock())
    asker.places = {symbol: profile.place(symbol, kind, settle) for symbol, kind, settle in places}
    return asker


LINEAR, COIN = ContractKind.LINEAR, ContractKind.INVERSE
ALL_KINDS = (("BTCUSDT", LINEAR, "USDT"), ("BTCPERP", LINEAR, "USDC"), ("BTCUSD", COIN, "BTC"), ("ETHUSD", COIN, "ETH"))


@pytest.mark.parametrize("query", ["positions", "open_orders"])
def test_pitfall_17_positions_and_open_orders_are_asked_for_in_every_category_and_settle_coin(query):
    """Without them Bybit answers with its linear contracts in USDT alone; of inverse ones, one answer holds all."""
    expected = [
        {"category": "linear", "settleCoin": "USDT"},
        {"category": "linear", "settleCoin": "USDC"},
        {"category": "inverse"},
    ]
    assert asker_with(BYBIT, *ALL_KINDS).scopes(getattr(BYBIT.reads, query)) == expected
    assert asker_with(BYBIT, ALL_KINDS[3]).scopes(getattr(BYBIT.reads, query)) == [{"category": "inverse"}]


def test_pitfall_17_fills_and_payments_are_asked_for_once_per_category():
    asker = asker_with(BYBIT, *ALL_KINDS)
    for paged in (BYBIT.reads.fills, BYBIT.funding.payments):
        assert asker.scopes(paged.query) == [{"category": "linear"}, {"category": "inverse"}]
    assert asker.scopes(BYBIT.reads.position, ["ETHUSD"]) == [{"symbol": "ETHUSD", "category": "inverse"}]
    assert asker.scopes(BYBIT.writes.cancel, ["BTCUSDT"]) == [{"symbol": "BTCUSDT", "category": "linear"}]
    with pytest.raises(Unreadable, match="none of ours"):
        asker.scopes(BYBIT.reads.position, ["DOGEUSD"])


@pytest.mark.parametrize(
    ("quote", "settle", "usable"),
    [("USDT", "USDT", True), ("USDC", "USDC", True), ("USD", "BTC", True), ("USD", "USDC", False), ("EUR", "BTC", False)],
)
def test_a_perpetual_is_usable_when_its_quote_is_a_dollar_and_it_settles_in_it_or_in_its_coin(quote, settle, usable):
    assert is_usable(market("X", quote, settle, 1.0)) is usable


def account(**coins: str) -> dict[str, Any]:
    """A Bybit wallet: equity of each coin, at 50,000 USD a BTC."""
    worth = {coin: D(equity) * (50_000 if coin == "BTC" else 1) for coin, equity in coins.items()}
    rows = [
        {
            "coin": coin,
            "equity": equity,
            "walletBalance": equity,
            "usdValue": str(worth[coin]),
            "totalPositionMM": "",
            "totalPositionIM": "",
        }
        for coin, equity in coins.items()
    ]
    totals = {"totalEquity": str(sum(worth.values(), D(0))), "totalMarginBalance": "40000", "totalMaintenanceMargin": "12"}
    return {"result": {"list": [totals | {"totalInitialMargin": "30", "coin": rows}]}}


def test_equity_is_told_in_coins_beside_figures_of_the_whole_account_in_dollars():
    (btc,) = mapping.margin_reports(account(BTC="1.25", USDT="0"), BYBIT.reads.margin_shape, [Asset("BTC")])
    assert (btc.equity, btc.wallet_balance, btc.margin_balance, btc.is_account_wide) == (D("1.25"), D("1.25"), D(40000), True)


def test_an_asset_that_is_not_listed_is_nothing_only_where_the_others_are_worth_all_of_the_account():
    """Bybit and OKX list what is not zero: an account of coins alone has no row of USDT, nor one of dollars a row of BTC."""
    told = account(BTC="1.25")
    btc, usdt = mapping.margin_reports(told, BYBIT.reads.margin_shape, [Asset("BTC"), Asset("USDT")])
    assert (btc.equity, usdt.equity, usdt.wallet_balance) == (D("1.25"), D(0), D(0))
    told["result"]["list"][0]["totalEquity"] = "63000"
    with pytest.raises(Unreadable, match="without USDT"):
        mapping.margin_reports(told, BYBIT.reads.margin_shape, [Asset("BTC"), Asset("USDT")])
    told["result"]["list"][0]["totalEquity"] = ""
    with pytest.raises(Unreadable, match="without USDT"):
        mapping.margin_reports(told, BYBIT.reads.margin_shape, [Asset("BTC"), Asset("USDT")])
    assert mapping.margin_reports(told["result"]["list"][0], BYBIT.streams.margin, [Asset("USDT")], complete=False) == ()
    lost = account(BTC="1.25") | {}
    lost["result"]["list"][0]["coin"] = []
    with pytest.raises(Unreadable, match="without BTC"):
        mapping.margin_reports(lost, BYBIT.reads.margin_shape, [Asset("BTC")])


def margin(asset: str, maintenance: str, *, wide: bool) -> MarginReport:
    return MarginReport(
        asset=Asset(asset),
        margin_balance=D(1),
        wallet_balance=D(1),
        maintenance_margin=D(maintenance),
        initial_margin=None,
        is_account_wide=wide,
    )


def test_margin_of_coin_margined_positions_counts_in_dollars_beside_the_accounts_and_in_coins_beside_its_assets():
    """0.01 BTC of margin explain 600 USD of it, and no 0.01 USDT."""
    ours = OURS["bybit"] | INVERSE
    rows = [{"symbol": "BTCUSD", "size": "100000", "positionMM": "0.01", "markPrice": "60000"}]
    wide = [margin("BTC", "600", wide=True), margin("USDT", "600", wide=True)]
    assert _explained(rows, wide, BYBIT.reads, ours) == {"BTC", "USDT"}
    assert _explained(rows, [margin("BTC", "700", wide=True)], BYBIT.reads, ours) == set()
    own = [margin("BTC", "0.01", wide=False), margin("USDT", "0.01", wide=False)]
    assert _explained(rows, own, BYBIT.reads, ours) == {"BTC"}, "coins explain no dollars"


def test_what_a_position_of_others_holds_never_explains_more_than_it_may_be():
    """500 XRP of margin at 0.5 USD are 250 USD; 500 USDT of a linear one are 500."""
    foreign = [{"symbol": "XRPUSD", "size": "100000", "positionMM": "500", "markPrice": "0.5"}]
    assert _explained(foreign, [margin("USDT", "500", wide=True)], BYBIT.reads, OURS["bybit"]) == set()
    assert _explained(foreign, [margin("USDT", "250", wide=True)], BYBIT.reads, OURS["bybit"]) == {"USDT"}
    assert _explained(foreign, [margin("USDT", "500", wide=False)], BYBIT.reads, OURS["bybit"]) == set()


def test_open_interest_of_inverse_contracts_is_coins_at_the_price_beside_it():
    assert mapping.base_units({"oi": "120000"}, paths("oi"), BTC_USD, D(60000)) == D(2)
    assert mapping.base_units({"oi": "12"}, paths("oi"), OKX_USD, D(60000)) == D("0.02")
    assert mapping.base_units({"oi": "0"}, paths("oi"), OKX_USD, None) == 0
    with pytest.raises(Unreadable, match="without a price"):
        mapping.base_units({"oi": "5"}, paths("oi"), BTC_USD)


def test_the_private_socket_of_binance_coin_m_is_told_from_its_market_sockets_by_the_listen_key():
    streams = PROFILES[VenueId("binancecoinm")].streams
    market, private = "wss://dstream.binance.com/ws/", f"wss://dstream.binance.com/ws/{'7' * 63}k"
    assert [streams.is_private(url) for url in (f"{market}0", f"{market}199", private, f"{market}desk-key")] == [False, False, True, True]
