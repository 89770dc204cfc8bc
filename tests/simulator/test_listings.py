"""The listings are complete, self-consistent, and tradable."""

from __future__ import annotations

import pytest

from bot.simulator.listings import FUNDING_INTERVAL_MS, HOUR_MS, VENUES, contracts_of, exchange_of
from bot.simulator.model import OrderState, Refusal, Refused
from tests.simulator.floor import NOW, D, sell, tick

LINEAR = [venue for venue in VENUES if venue not in {"binancecoinm", "deribit", "bybit", "okx"}]


@pytest.mark.parametrize("venue", LINEAR)
def test_three_linear_contracts(venue: str) -> None:
    contracts = contracts_of(venue)
    assert [contract.base for contract in contracts] == ["BTC", "ETH", "SOL"]
    for contract in contracts:
        dollar = "USDC" if venue == "hyperliquid" else "USDT"
        assert (contract.settle, contract.quote, contract.inverse) == (dollar, dollar, False)


def test_bybit_lists_what_settles_in_tether_before_usdc_and_coins() -> None:
    listed = contracts_of("bybit")
    assert [(each.symbol, each.settle, each.inverse) for each in listed] == [
        ("BTCUSDT", "USDT", False),
        ("ETHUSDT", "USDT", False),
        ("SOLUSDT", "USDT", False),
        ("BTCPERP", "USDC", False),
        ("ETHPERP", "USDC", False),
        ("BTCUSD", "BTC", True),
        ("ETHUSD", "ETH", True),
    ]
    assert {each.contract_size for each in listed} == {1}, "a quantity is base units, or dollars of an inverse contract"


def test_okx_counts_contracts_of_coins_and_of_dollars() -> None:
    assert [(each.symbol, each.settle, each.inverse, str(each.contract_size)) for each in contracts_of("okx")] == [
        ("BTC-USDT-SWAP", "USDT", False, "0.01"),
        ("ETH-USDT-SWAP", "USDT", False, "0.1"),
        ("SOL-USDT-SWAP", "USDT", False, "1"),
        ("BTC-USDC-SWAP", "USDC", False, "0.0001"),
        ("ETH-USDC-SWAP", "USDC", False, "0.001"),
        ("BTC-USD-SWAP", "BTC", True, "100"),
        ("ETH-USD-SWAP", "ETH", True, "10"),
    ]


def test_coin_margined_contracts_are_counted_in_dollars_and_settle_in_the_coin() -> None:
    for contract in contracts_of("binancecoinm"):
        assert (contract.settle, contract.quote, contract.inverse) == (contract.base, "USD", True)
        assert contract.contract_size == (100 if contract.base == "BTC" else 10)
        assert (contract.lot, contract.notional_min) == (1, 0)


def test_deribit_lists_contracts_in_usdc_before_those_in_coins() -> None:
    listed = contracts_of("deribit")
    assert [(each.base, each.settle, each.inverse, each.contract_size) for each in listed] == [
        ("BTC", "USDC", False, 1),
        ("ETH", "USDC", False, 1),
        ("BTC", "BTC", True, 1),
        ("ETH", "ETH", True, 1),
    ]


@pytest.mark.parametrize("venue", VENUES)
def test_filters_fees_and_tiers_make_sense(venue: str) -> None:
    for contract in contracts_of(venue):
        assert contract.contracts_min % contract.lot == 0
        assert contract.contracts_max % contract.lot == 0
        assert contract.maker_fee < contract.taker_fee
        assert 0 < contract.funding_cap < contract.price_band
        caps = [tier.cap for tier in contract.tiers]
        rates = [tier.rate for tier in contract.tiers]
        leverages = [tier.leverage_max for tier in contract.tiers]
        assert caps == sorted(set(caps))
        assert rates == sorted(set(rates))
        assert leverages == sorted(set(leverages), reverse=True)
        for tier in contract.tiers:
            assert tier.rate < 1 / tier.leverage_max, "maintenance is always below the least initial margin"


def test_the_venues_spellings_and_contract_sizes() -> None:
    assert VENUES == ("binanceusdm", "binancecoinm", "bybit", "deribit", "okx", "hyperliquid")
    assert {contract.symbol for contract in contracts_of("binanceusdm")} == {"BTCUSDT", "ETHUSDT", "SOLUSDT"}
    with pytest.raises(KeyError):
        contracts_of("elsewhere")


def test_the_funding_interval_is_a_choice() -> None:
    assert {contract.funding_interval_ms for contract in contracts_of("okx")} == {FUNDING_INTERVAL_MS}
    chosen = contracts_of("okx", funding_interval_ms=4 * HOUR_MS, intervals={"SOL": HOUR_MS})
    assert [contract.funding_interval_ms for contract in chosen[:3]] == [4 * HOUR_MS, 4 * HOUR_MS, HOUR_MS]


@pytest.mark.parametrize(
    ("venue", "bad_id", "reusable"),
    [("binanceusdm", "a" * 37, True), ("bybit", "a.b", False), ("okx", "a-b", False)],
)
def test_each_venue_has_its_own_rules_on_client_ids(venue: str, bad_id: str, reusable: bool) -> None:
    exchange = exchange_of(venue, now=NOW)
    exchange.open_account("ann", {"USDT": D(100_000)})
    contract = contracts_of(venue)[0]
    exchange.on_tick(tick("60000", symbol=contract.symbol), NOW)
    with pytest.raises(Refused) as caught:
        exchange.place(sell("0.01", symbol=contract.symbol, client_id=bad_id), NOW)
    assert caught.value.refusal is Refusal.CLIENT_ID_FORM
    order, _ = exchange.place(sell("0.01", symbol=contract.symbol, client_id="a1"), NOW)
    assert order.state is OrderState.FILLED
    assert exchange.positions("ann")[0].contracts == D("-0.01")
    if reusable:
        exchange.place(sell("0.01", symbol=contract.symbol, client_id="a1"), NOW)
    else:
        with pytest.raises(Refused) as caught:
            exchange.place(sell("0.01", symbol=contract.symbol, client_id="a1"), NOW)
        assert caught.value.refusal is Refusal.DUPLICATE_CLIENT_ID
