"""What happens unasked: funding, liquidation, deleveraging."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.simulator.exchange import Exchange
from bot.simulator.model import (
    BalanceReport,
    BookReport,
    FillKind,
    FillReport,
    FundingReport,
    MarketReport,
    OrderReport,
    OrderState,
    PositionReport,
    PublicTradeReport,
    Reason,
    Refusal,
    Refused,
    Side,
)
from tests.simulator.floor import HOUR_MS, INVERSE, LINEAR, NOW, D, buy, kept, only, opened, placed, sell, tick


def wallet(exchange: Exchange, account: str = "ann", asset: str = "USDT") -> Decimal:
    return next(balance.wallet for balance in exchange.balances(account) if balance.asset == asset)


@pytest.mark.parametrize(("rate", "short_gets"), [("0.0001", "5"), ("-0.0002", "-10"), ("0", "0"), ("0.5", "150")])
def test_funding_is_paid_at_mark_and_shorts_receive_a_positive_rate(rate: str, short_gets: str) -> None:
    exchange = opened()
    placed(exchange, sell("1"))
    placed(exchange, buy("1", account="bob"))
    exchange.on_tick(tick(mark="50000", funding_rate=D(rate)), NOW + 1)
    before = {account: wallet(exchange, account) for account in ("ann", "bob")}
    reports = exchange.settle_funding("BTCUSDT", NOW + 2)
    records = {report.record.account: report.record for report in only(reports, FundingReport)}
    assert records["ann"].amount == D(short_gets) == -records["bob"].amount
    assert records["ann"].contracts == D(-1)
    assert records["ann"].rate == max(D("-0.003"), min(D("0.003"), D(rate)))
    for account, record in records.items():
        assert wallet(exchange, account) == before[account] + record.amount
        assert exchange.funding_payments(account) == exchange.funding_payments(account, "BTCUSDT", NOW + 2) == (record,)
        assert exchange.funding_payments(account, since=NOW + 3) == exchange.funding_payments(account, "ETHUSDT") == ()
    assert len(only(reports, BalanceReport)) == 2
    assert exchange.funding_rates("BTCUSDT") == ((NOW + 2, records["ann"].rate),)
    assert only(reports, PositionReport) == []


def test_inverse_funding_is_paid_in_coin() -> None:
    exchange = opened(INVERSE)
    placed(exchange, sell("400", symbol="BTCUSD"))
    exchange.on_tick(tick("50000", symbol="BTCUSD", funding_rate=D("0.0001")), NOW + 1)
    exchange.settle_funding("BTCUSD", NOW + 2)
    (record,) = exchange.funding_payments("ann")
    assert (record.amount, record.asset) == (D("0.00008"), "BTC")


def test_flat_accounts_are_not_told_of_funding() -> None:
    exchange = opened()
    placed(exchange, sell("1"))
    placed(exchange, buy("1"))
    assert only(exchange.settle_funding("BTCUSDT", NOW + 1), FundingReport) == []
    assert len(exchange.funding_rates("BTCUSDT")) == 1


def test_the_next_funding_instant_is_scheduled_or_moves_on() -> None:
    exchange = opened()
    exchange.schedule_funding("BTCUSDT", NOW + 1000)
    assert exchange.market("BTCUSDT").next_funding_at == NOW + 1000
    (report,) = only(exchange.settle_funding("BTCUSDT", NOW + 1000), MarketReport)
    assert report.view.next_funding_at == NOW + 1000 + 8 * HOUR_MS
    exchange.schedule_funding("BTCUSDT", NOW + 5000)
    exchange.settle_funding("BTCUSDT", NOW + 2000)
    assert exchange.market("BTCUSDT").next_funding_at == NOW + 5000, "one that lies ahead stays"


def test_liquidation_closes_against_the_book_and_cancels_orders() -> None:
    exchange = opened(balances={"USDT": "5100"})
    placed(exchange, sell("1", "49999"))
    resting = placed(exchange, buy("0.1", "45000"))
    price = exchange.positions("ann")[0].liquidation_price
    assert price is not None
    safe = exchange.on_tick(tick(round(price, 1) - 1, depth=()), NOW + 2)
    assert only(safe, FillReport) == []
    reports = exchange.on_tick(tick(round(price, 1) + 1), NOW + 3)
    (canceled,) = [report.order for report in only(reports, OrderReport)]
    assert (canceled.order_id, canceled.state, canceled.reason) == (resting.order_id, OrderState.CANCELED, Reason.LIQUIDATION)
    (told,) = only(reports, FillReport)
    assert (told.order, told.fill.order_id, told.fill.client_order_id) == (None, None, None)
    assert (told.fill.kind, told.fill.side, told.fill.contracts) == (FillKind.LIQUIDATION, Side.BUY, D(1))
    assert told.fill.fee == told.fill.price * D("0.0005")
    assert only(reports, PublicTradeReport)[0].side is Side.BUY
    assert exchange.positions("ann")[0].contracts == 0
    assert exchange.open_orders("ann") == ()
    assert exchange.tallies("ann")["USDT"].wallet == exchange.balances("ann")[0].wallet


def test_a_liquidation_without_depth_goes_on_at_the_next_tick_and_may_leave_a_debt() -> None:
    exchange = opened(balances={"USDT": "20100"})
    placed(exchange, buy("3"))
    exchange.on_tick(tick("40000", depth=(D(1),)), NOW + 1)
    assert exchange.positions("ann")[0].contracts == 2
    exchange.on_tick(tick("40000", depth=(D(1),)), NOW + 2)
    exchange.on_tick(tick("40000", depth=(D(1),)), NOW + 3)
    assert exchange.positions("ann")[0].contracts == 0
    (balance,) = exchange.balances("ann")
    assert balance.wallet < 0
    assert balance.available == 0
    assert len([fill for fill in exchange.fills("ann") if fill.kind is FillKind.LIQUIDATION]) == 3


def test_liquidation_takes_the_largest_position_first_and_stops_when_safe() -> None:
    exchange = opened(LINEAR, replace(LINEAR, symbol="BTCUSDC"), balances={"USDT": "10300"})
    placed(exchange, buy("1.5", "50010"))
    placed(exchange, buy("0.4", "50010", symbol="BTCUSDC"))
    exchange.on_tick(tick("45200", symbol="BTCUSDC"), NOW + 1)
    exchange.on_tick(tick("44800"), NOW + 2)
    held = {position.symbol: position.contracts for position in exchange.positions("ann")}
    assert held == {"BTCUSDT": D(0), "BTCUSDC": D("0.4")}


def test_funding_can_be_the_last_straw() -> None:
    exchange = opened(balances={"USDT": "5100"})
    placed(exchange, buy("1", "50001"))
    price = exchange.positions("ann")[0].liquidation_price
    assert price is not None
    exchange.on_tick(tick(round(price, 1) + 20, funding_rate=D("0.003")), NOW + 1)
    assert exchange.positions("ann")[0].contracts == 1
    reports = exchange.settle_funding("BTCUSDT", NOW + 2)
    assert [report.fill.kind for report in only(reports, FillReport)] == [FillKind.LIQUIDATION]


def test_an_inverse_short_of_one_times_survives_any_price() -> None:
    exchange = opened(INVERSE, balances={"BTC": "0.8"})
    placed(exchange, sell("400", "49999", symbol="BTCUSD"))
    assert exchange.positions("ann")[0].liquidation_price is not None, "the fee left a little less than one coin per coin"
    exchange.open_account("ann", {"BTC": D("0.01")})
    assert exchange.positions("ann")[0].liquidation_price is None
    for fair in ("500000", "5000000", "1000"):
        assert only(exchange.on_tick(tick(fair, symbol="BTCUSD"), NOW + 2), FillReport) == []


def test_deleveraging_closes_a_part_at_mark_without_a_fee() -> None:
    exchange = opened()
    placed(exchange, sell("1", "49999"))
    resting = placed(exchange, buy("0.1", "45000"))
    exchange.on_tick(tick("48000", mark="48000.123"), NOW + 1)
    before = wallet(exchange)
    reports = exchange.deleverage("ann", "BTCUSDT", D("0.4"), NOW + 2)
    assert [type(report) for report in reports] == [OrderReport, FillReport, PositionReport, BalanceReport, BookReport]
    fill = only(reports, FillReport)[0].fill
    assert (fill.kind, fill.side, fill.contracts, fill.price, fill.fee) == (
        FillKind.AUTO_DELEVERAGING,
        Side.BUY,
        D("0.4"),
        D("48000.123"),
        D(0),
    )
    assert fill.realised_pnl == D("0.4") * (D(49_999) - D("48000.123"))
    assert wallet(exchange) == before + fill.realised_pnl
    assert exchange.positions("ann")[0].contracts == D("-0.6")
    assert kept(exchange, resting).reason == Reason.AUTO_DELEVERAGING
    assert exchange.outside("BTCUSDT") == D("0.6")


@pytest.mark.parametrize(
    ("account", "symbol", "contracts", "refusal"),
    [
        ("ann", "BTCUSDT", "1.001", Refusal.REDUCE_ONLY),
        ("bob", "BTCUSDT", "0.1", Refusal.REDUCE_ONLY),
        ("ann", "BTCUSDT", "0.0005", Refusal.LOT),
        ("ann", "BTCUSDT", "0", Refusal.LOT),
        ("ann", "BTCUSDT", "-1", Refusal.LOT),
        ("ann", "DOGEUSDT", "1", Refusal.UNKNOWN_SYMBOL),
        ("nobody", "BTCUSDT", "1", Refusal.UNKNOWN_ACCOUNT),
    ],
)
def test_deleveraging_refuses_what_cannot_be(account: str, symbol: str, contracts: str, refusal: Refusal) -> None:
    exchange = opened()
    placed(exchange, sell("1"))
    resting = placed(exchange, buy("0.1", "45000"))
    with pytest.raises(Refused) as caught:
        exchange.deleverage(account, symbol, D(contracts), NOW + 1)
    assert caught.value.refusal is refusal
    assert exchange.open_orders("ann") == (resting,)
