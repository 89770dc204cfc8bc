"""An account whose contracts settle in a coin: profit, fees, margin, funding and liquidation are coins, and dollars beside them stay."""

from __future__ import annotations

import pytest

from bot.simulator import margin
from bot.simulator.model import FillKind, FillReport, OrderState, Refusal, Refused
from tests.simulator.floor import INVERSE, LINEAR, NOW, D, buy, only, opened, placed, sell, tick


def test_profit_and_fees_of_an_inverse_short_are_coins() -> None:
    exchange = opened(INVERSE)
    placed(exchange, sell("400", symbol="BTCUSD"))
    exchange.on_tick(tick("40000", symbol="BTCUSD"), NOW + 1)
    (held,) = exchange.positions("ann")
    assert abs(held.unrealised_pnl - D(40_000) * (1 / D(40_000) - 1 / D(49_999))) < D("1e-7")
    closing = placed(exchange, buy("400", symbol="BTCUSD"))
    assert closing.state is OrderState.FILLED
    tally = exchange.tallies("ann")["BTC"]
    assert abs(tally.realised_pnl - D(40_000) * (1 / D(40_001) - 1 / D(49_999))) < D("1e-7")
    assert abs(tally.fees - D("0.0005") * D(40_000) * (1 / D(49_999) + 1 / D(40_001))) < D("1e-7")
    assert exchange.tallies("ann")["USDT"].wallet == 100_000


def test_margin_of_an_inverse_position_is_a_fraction_of_its_coins() -> None:
    exchange = opened(INVERSE)
    exchange.set_leverage("ann", "BTCUSD", D(5))
    placed(exchange, sell("400", symbol="BTCUSD"))
    (held,) = exchange.positions("ann")
    assert (held.initial_margin, held.maintenance_margin) == (D("0.16"), D("0.004"))
    balance = next(each for each in exchange.balances("ann") if each.asset == "BTC")
    assert balance.margin_balance == balance.wallet + held.unrealised_pnl
    assert balance.available == balance.margin_balance - D("0.16")


@pytest.mark.parametrize(("symbol", "contracts", "balances"), [("BTCUSD", "400", {"USDT": "1000000"}), ("BTCUSDT", "0.8", {"BTC": "20"})])
def test_what_settles_in_one_asset_takes_no_margin_from_another(symbol: str, contracts: str, balances: dict[str, str]) -> None:
    exchange = opened(LINEAR, INVERSE, balances=balances)
    with pytest.raises(Refused) as caught:
        exchange.place(sell(contracts, symbol=symbol), NOW + 1)
    assert caught.value.refusal is Refusal.MARGIN


def test_an_inverse_long_is_liquidated_where_its_coins_are_used_up_and_dollars_stay() -> None:
    exchange = opened(INVERSE, balances={"BTC": "0.1", "USDT": "100000"})
    placed(exchange, buy("400", "50001", symbol="BTCUSD"))
    price = exchange.positions("ann")[0].liquidation_price
    assert price is not None
    assert 44_000 < price < 45_000, "an eighth of the coins is gone at eight ninths of the price"
    safe = exchange.on_tick(tick(round(price) + 5, symbol="BTCUSD"), NOW + 2)
    assert only(safe, FillReport) == []
    reports = exchange.on_tick(tick(round(price) - 5, symbol="BTCUSD"), NOW + 3)
    (told,) = only(reports, FillReport)
    assert (told.fill.kind, told.fill.contracts, told.fill.fee_asset) == (FillKind.LIQUIDATION, D(400), "BTC")
    wallets = {balance.asset: balance.wallet for balance in exchange.balances("ann")}
    assert abs(wallets["BTC"]) < D("0.005")
    assert wallets["USDT"] == 100_000


def test_an_orders_average_price_is_what_its_coins_were_worth() -> None:
    """Half in dollars at either price is not half in coins: the average of an inverse contract is dollars over coins."""
    exchange = opened(INVERSE)
    order = placed(exchange, sell("900", symbol="BTCUSD"))
    fills = exchange.fills("ann")
    assert len(fills) == 2
    coins = sum(fill.contracts * 100 / fill.price for fill in fills)
    assert margin.filled_at(INVERSE, order) == pytest.approx(D(90_000) / coins, rel=D("1e-12"))
    assert margin.filled_at(INVERSE, order) < order.average_price
