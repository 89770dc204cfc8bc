"""What orders do once taken: time in force, priority, fees, self-trades, reduce-only, cancels, and the reports of it all."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.simulator.model import (
    BalanceReport,
    BookReport,
    FillReport,
    Level,
    OrderReport,
    OrderState,
    PositionReport,
    PublicTradeReport,
    Reason,
    Side,
    TimeInForce,
)
from tests.simulator.floor import NOW, D, buy, kept, only, opened, placed, sell, tick

GTC, IOC, FOK, POST = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY


# The makers sell one unit each at 50,001, 50,002 and 50,003, and buy one each at 49,999, 49,998 and 49,997.
@pytest.mark.parametrize(
    ("tif", "contracts", "price", "state", "filled", "reason", "rests"),
    [
        (GTC, "1.5", "50001", OrderState.PARTIALLY_FILLED, "1", "", True),
        (GTC, "1", "50001", OrderState.FILLED, "1", "", False),
        (GTC, "1", "50000", OrderState.NEW, "0", "", True),
        (GTC, "2.5", "50003", OrderState.FILLED, "2.5", "", False),
        (IOC, "1.5", "50001", OrderState.EXPIRED, "1", Reason.IMMEDIATE, False),
        (IOC, "1.5", "50002", OrderState.FILLED, "1.5", "", False),
        (IOC, "1", "50000", OrderState.EXPIRED, "0", Reason.IMMEDIATE, False),
        (FOK, "2", "50002", OrderState.FILLED, "2", "", False),
        (FOK, "2.001", "50002", OrderState.REJECTED, "0", Reason.FILL_OR_KILL, False),
        (POST, "1", "50000.9", OrderState.NEW, "0", "", True),
        (POST, "1", "50001", OrderState.REJECTED, "0", Reason.POST_ONLY, False),
        (IOC, "3", None, OrderState.FILLED, "3", "", False),
        (IOC, "4", None, OrderState.EXPIRED, "3", Reason.IMMEDIATE, False),
        (FOK, "4", None, OrderState.REJECTED, "0", Reason.FILL_OR_KILL, False),
        (GTC, "4", None, OrderState.EXPIRED, "3", Reason.IMMEDIATE, False),
    ],
)
def test_time_in_force(
    tif: TimeInForce, contracts: str, price: str | None, state: OrderState, filled: str, reason: str, rests: bool
) -> None:
    exchange = opened(balances={"USDT": "1000000"})
    order = placed(exchange, buy(contracts, price, tif=tif))
    assert (order.state, order.filled, order.reason) == (state, D(filled), reason)
    assert bool(exchange.open_orders("ann")) is rests
    assert bool(exchange.closed_orders("ann")) is not rests
    assert exchange.order("ann", "BTCUSDT", order_id=order.order_id) == order
    bids = exchange.book("BTCUSDT").bids
    assert (Level(D(price or 0), order.leaves) in bids) is rests


def test_the_resting_price_counts_and_fees_are_by_role() -> None:
    exchange = opened()
    maker = placed(exchange, sell("0.5", "50000.5", account="bob"))
    taker = placed(exchange, buy("1", "50010", tif=IOC))
    assert taker.notional_filled == D("0.5") * D("50000.5") + D("0.5") * 50001
    assert taker.average_price == D("50000.75")
    assert taker.fees == taker.notional_filled * D("0.0005")
    (sold,) = exchange.fills("bob")
    assert (sold.order_id, sold.is_maker, sold.price, sold.contracts) == (maker.order_id, True, D("50000.5"), D("0.5"))
    assert sold.fee == D("0.5") * D("50000.5") * D("0.0002")
    first, second = exchange.fills("ann")
    assert (first.is_maker, first.fill_id) == (False, sold.fill_id), "both parties know the execution by one id"
    assert first.fill_id < second.fill_id
    assert exchange.market("BTCUSDT").last == D(50001)


def test_price_then_time_among_accounts_and_makers() -> None:
    exchange = opened(accounts=("ann", "bob", "cid"))
    late = placed(exchange, sell("0.5", "50001"), NOW + 1)
    better = placed(exchange, sell("0.5", "50000", account="bob"), NOW + 2)
    placed(exchange, buy("1.2", account="cid"), NOW + 3)
    assert kept(exchange, better).state is OrderState.FILLED
    assert kept(exchange, late).state is OrderState.NEW
    assert exchange.book("BTCUSDT").asks[0] == Level(D(50001), D("0.8")), "the makers' unit at 50,001 came first"
    placed(exchange, buy("0.5", account="cid"), NOW + 4)
    assert kept(exchange, late).filled == D("0.2")


def test_reports_come_in_the_promised_order() -> None:
    exchange = opened()
    exchange.place(sell("0.5", "50000.5", account="bob", client_id="b1"), NOW + 1)
    reports = exchange.place(buy("1.5", "50001", client_id="a1"), NOW + 2)[1]
    kinds = [type(report) for report in reports]
    per_execution = [PublicTradeReport, FillReport, OrderReport]
    assert kinds == [
        OrderReport,
        *per_execution,
        FillReport,
        OrderReport,
        *per_execution,
        PositionReport,
        PositionReport,
        BalanceReport,
        BalanceReport,
        BookReport,
    ]
    states = [(report.order.request.account, report.order.state, report.order.filled) for report in only(reports, OrderReport)]
    assert states == [
        ("ann", OrderState.NEW, D(0)),
        ("ann", OrderState.PARTIALLY_FILLED, D("0.5")),
        ("bob", OrderState.FILLED, D("0.5")),
        ("ann", OrderState.FILLED, D("1.5")),
    ]
    for told in only(reports, FillReport):
        assert told.order is not None
        assert told.fill.client_order_id == told.order.request.client_order_id == ("a1" if told.fill.account == "ann" else "b1")
    trades = only(reports, PublicTradeReport)
    assert [(trade.side, trade.contracts, trade.price) for trade in trades] == [
        (Side.BUY, D("0.5"), D("50000.5")),
        (Side.BUY, D(1), D(50001)),
    ]
    positions = {report.position.account: report.position.contracts for report in only(reports, PositionReport)}
    assert positions == {"ann": D("1.5"), "bob": D("-0.5")}
    (diff,) = only(reports, BookReport)
    assert diff.asks == (Level(D("50000.5"), D(0)), Level(D(50001), D(0)))
    assert diff.bids == ()


def test_what_leaves_the_engine_is_a_copy() -> None:
    exchange = opened()
    order, reports = exchange.place(buy("0.5", "40000"), NOW + 1)
    order.state = OrderState.FILLED
    only(reports, OrderReport)[0].order.filled = D(9)
    exchange.open_orders("ann")[0].filled = D(8)
    kept = exchange.order("ann", "BTCUSDT", order_id=order.order_id)
    assert kept is not None
    assert (kept.state, kept.filled) == (OrderState.NEW, D(0))
    exchange.tallies("ann")["USDT"].deposits = D(0)
    assert exchange.balances("ann")[0].wallet == D(100_000)


@pytest.mark.parametrize("tif", [GTC, IOC, FOK])
def test_an_order_never_meets_its_own_account(tif: TimeInForce) -> None:
    exchange = opened()
    own = placed(exchange, sell("0.5", "50000"))
    order, reports = exchange.place(buy("0.5", "50001", tif=tif), NOW + 2)
    gone = exchange.order("ann", "BTCUSDT", order_id=own.order_id)
    assert gone is not None
    assert (gone.state, gone.reason, gone.filled) == (OrderState.EXPIRED, Reason.SELF_TRADE, D(0))
    assert (order.state, order.average_price) == (OrderState.FILLED, D(50001))
    assert len(only(reports, PublicTradeReport)) == 1


@pytest.mark.parametrize("by", ["venue", "client"])
def test_cancel_keeps_what_filled(by: str) -> None:
    exchange = opened()
    order = placed(exchange, buy("1.5", "50001", client_id="c1"))
    if by == "venue":
        gone, reports = exchange.cancel("ann", "BTCUSDT", NOW + 5, order_id=order.order_id)
    else:
        gone, reports = exchange.cancel("ann", "BTCUSDT", NOW + 5, client_order_id="c1")
    assert (gone.state, gone.filled, gone.leaves, gone.reason) == (OrderState.CANCELED, D(1), D("0.5"), Reason.ASKED)
    assert gone.updated_at == NOW + 5
    assert [type(report) for report in reports] == [OrderReport, BookReport]
    assert exchange.positions("ann")[0].contracts == 1


def test_cancel_all_is_by_contract_or_everywhere() -> None:
    exchange = opened()
    for price in ("40000", "41000"):
        placed(exchange, buy("0.1", price))
    placed(exchange, buy("0.1", "40000", account="bob"))
    reports = exchange.cancel_all("ann", "BTCUSDT", NOW + 2)
    assert [report.order.state for report in only(reports, OrderReport)] == [OrderState.CANCELED] * 2
    assert exchange.cancel_all("ann", None, NOW + 3) == ()
    assert len(exchange.open_orders("bob")) == 1
    assert len(exchange.cancel_all("bob", None, NOW + 4)) == 2


def test_a_larger_reduce_only_order_is_cut_to_the_position() -> None:
    exchange = opened()
    placed(exchange, sell("0.3"))
    order = placed(exchange, buy("5", "50100", tif=IOC, reduce_only=True))
    assert (order.state, order.request.contracts, order.filled) == (OrderState.FILLED, D("0.3"), D("0.3"))
    assert exchange.positions("ann")[0].contracts == 0


def test_reduce_only_needs_no_minimum_notional() -> None:
    exchange = opened()
    placed(exchange, sell("0.002"))
    exchange.on_tick(tick("40000"), NOW + 1)
    assert placed(exchange, buy("0.002", reduce_only=True)).state is OrderState.FILLED


def test_resting_reduce_only_orders_shrink_with_the_position_and_end_with_it() -> None:
    exchange = opened()
    placed(exchange, sell("1"))
    resting = placed(exchange, buy("0.8", "49000", reduce_only=True))
    other = placed(exchange, buy("0.2", "48000", reduce_only=True))
    _, reports = exchange.place(buy("0.5"), NOW + 2)
    cut = exchange.order("ann", "BTCUSDT", order_id=resting.order_id)
    assert cut is not None
    assert (cut.state, cut.leaves, cut.reason) == (OrderState.NEW, D("0.5"), Reason.REDUCE_ONLY)
    assert Level(D(49000), D("0.5")) in only(reports, BookReport)[0].bids
    assert kept(exchange, other).leaves == D("0.2")
    exchange.on_tick(tick("48999", depth=(D("0.1"),)), NOW + 3)
    partly = exchange.order("ann", "BTCUSDT", order_id=resting.order_id)
    assert partly is not None
    assert (partly.state, partly.filled, partly.reason) == (OrderState.PARTIALLY_FILLED, D("0.1"), ""), "the cut is old news by now"
    exchange.on_tick(tick(), NOW + 3)
    _, reports = exchange.place(buy("0.5"), NOW + 4)
    ended = [report.order for report in only(reports, OrderReport) if report.order.request.reduce_only]
    assert [(order.order_id, order.state, order.reason) for order in ended] == [
        (resting.order_id, OrderState.EXPIRED, Reason.REDUCE_ONLY),
        (other.order_id, OrderState.EXPIRED, Reason.REDUCE_ONLY),
    ]
    assert exchange.open_orders("ann") == ()
    assert exchange.positions("ann")[0].contracts == D("0.1")
    assert all(level.price not in (D(49000), D(48000)) for level in exchange.book("BTCUSDT").bids)


def test_a_partly_filled_reduce_only_order_rests_with_what_is_left() -> None:
    exchange = opened()
    placed(exchange, sell("1.5"))
    order = placed(exchange, buy("9", "50001", reduce_only=True))
    assert (order.request.contracts, order.filled, order.state) == (D("1.5"), D(1), OrderState.PARTIALLY_FILLED)
    exchange.on_tick(tick("49990"), NOW + 2)
    done = exchange.order("ann", "BTCUSDT", order_id=order.order_id)
    assert done is not None
    assert (done.state, done.filled) == (OrderState.FILLED, D("1.5"))
    assert exchange.positions("ann")[0].contracts == 0


def test_open_orders_bind_margin_and_give_it_back() -> None:
    exchange = opened(balances={"USDT": "10000"})
    assert exchange.balances("ann")[0].available == 10_000
    placed(exchange, buy("1", "49000"))
    balance = exchange.balances("ann")[0]
    assert (balance.initial_margin, balance.available, balance.maintenance_margin) == (D(5000), D(5000), D(0))
    placed(exchange, sell("1", "51000"))
    assert exchange.balances("ann")[0].initial_margin == 5000, "only the worse side counts in one-way mode"
    exchange.cancel_all("ann", None, NOW)
    assert exchange.balances("ann")[0].available == 10_000


def test_reduce_only_orders_bind_no_margin() -> None:
    exchange = opened()
    placed(exchange, sell("1"))
    bound = exchange.balances("ann")[0].initial_margin
    for price in ("40000", "41000", "42000"):
        placed(exchange, buy("1", price, reduce_only=True))
    assert exchange.balances("ann")[0].initial_margin == bound == 5000


def test_position_figures() -> None:
    exchange = opened(balances={"USDT": "10000"})
    placed(exchange, sell("1", "49999"), NOW + 7)
    exchange.on_tick(tick("49500"), NOW + 9)
    (position,) = exchange.positions("ann")
    assert (position.contracts, position.entry_price, position.mark_price) == (D(-1), D(49_999), D(49_500))
    assert position.unrealised_pnl == D(499)
    assert position.initial_margin == D(4950)
    assert position.maintenance_margin == D(495)
    assert position.leverage == 10
    assert (position.opened_at, position.updated_at) == (NOW + 7, NOW + 7)
    # F4 without deduction: (wallet + Q x EP) / (Q x 1.01), wallet 10,000 less the fee of 24.9995
    assert position.liquidation_price == (D("9975.0005") + 49_999) / D("1.01")
    (balance,) = exchange.balances("ann")
    assert balance.wallet == D("9975.0005")
    assert balance.margin_balance == D("10474.0005")
    assert balance.available == D("5524.0005")


def test_a_fill_through_zero_realises_the_old_and_opens_the_new() -> None:
    exchange = opened()
    placed(exchange, sell("1", "49999"), NOW + 1)
    exchange.on_tick(tick("49000"), NOW + 2)
    placed(exchange, buy("1.5", "49010"), NOW + 3)
    closing, opening = exchange.fills("ann", since=NOW + 3)
    assert closing.realised_pnl == D(49_999) - D(49_001)
    assert opening.realised_pnl == 0
    (position,) = exchange.positions("ann")
    assert (position.contracts, position.entry_price, position.opened_at) == (D("0.5"), D(49_002), NOW + 3)


def test_a_part_closed_keeps_the_entry_price() -> None:
    exchange = opened()
    placed(exchange, sell("2"))
    before = exchange.positions("ann")[0].entry_price
    assert before == D("49998.5")
    placed(exchange, buy("0.7"))
    assert exchange.positions("ann")[0].entry_price == before
    assert exchange.fills("ann")[-1].realised_pnl == D("0.7") * (before - 50_001)


def test_views_page_from_an_instant_or_from_the_newest() -> None:
    exchange = opened()
    for number in range(6):
        placed(exchange, buy("0.01", client_id=f"c{number}"), NOW + number)

    def ids(since: int, limit: int) -> list[str | None]:
        fills = [fill.client_order_id for fill in exchange.fills("ann", "BTCUSDT", since, limit)]
        assert fills == [order.request.client_order_id for order in exchange.closed_orders("ann", "BTCUSDT", since, limit)]
        return fills

    assert ids(0, 2) == ["c4", "c5"]
    assert ids(NOW + 2, 2) == ["c2", "c3"]
    assert ids(NOW + 5, 9) == ["c5"]
    assert ids(NOW + 6, 9) == ids(0, 0) == []
    assert exchange.fills("ann", "ETHUSDT") == ()
    assert exchange.closed_orders("ann", "ETHUSDT") == ()


def test_a_clock_set_back_does_not_disorder_the_records() -> None:
    exchange = opened()
    first = placed(exchange, buy("0.01"), NOW + 100)
    second = placed(exchange, buy("0.01"), NOW + 50)
    assert first.created_at == second.created_at == NOW + 100
    assert exchange.book("BTCUSDT").at == NOW + 100


def test_ids_of_two_runs_do_not_collide_and_stay_exact_in_json() -> None:
    early, late = placed(opened(), buy("0.01")), placed(opened(), buy("0.01"))
    assert early.order_id == late.order_id, "the same run twice is the same"
    assert NOW * 1000 < early.order_id < (NOW + 1) * 1000 < 2**53


def test_settings_are_live_and_leverage_has_a_default() -> None:
    exchange = opened()
    exchange.settings("ann").hedge_mode = True
    assert exchange.settings("ann").hedge_mode is True
    assert exchange.settings("bob").hedge_mode is False
    assert exchange.leverage("ann", "BTCUSDT") == 10
    exchange.set_leverage("ann", "BTCUSDT", D(3))
    assert exchange.settings("ann").leverage == {"BTCUSDT": D(3)}


def test_a_deposit_into_an_open_account_adds_up() -> None:
    exchange = opened()
    exchange.open_account("ann", {"USDT": D(5), "ETH": D("1.5")})
    wallets = {balance.asset: balance.wallet for balance in exchange.balances("ann")}
    assert wallets == {"USDT": D(100_005), "BTC": D(10), "ETH": D("1.5")}


@pytest.mark.parametrize("contracts", ["0.002", "0.01", "3"])
def test_fees_and_pnl_add_up_to_the_wallet(contracts: str) -> None:
    exchange = opened(balances={"USDT": "1000000"})
    placed(exchange, sell(contracts))
    placed(exchange, buy(contracts))
    fills = exchange.fills("ann")
    wallet = D(1_000_000) + sum((fill.realised_pnl - fill.fee for fill in fills), Decimal(0))
    assert exchange.balances("ann")[0].wallet == wallet
    assert exchange.tallies("ann")["USDT"].wallet == wallet
