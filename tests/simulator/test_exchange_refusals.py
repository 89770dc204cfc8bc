"""Every refusal of the engine, and that a refused request leaves nothing behind."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

import pytest

from bot.simulator.exchange import Exchange
from bot.simulator.model import MarketTick, OrderRequest, OrderState, Refusal, Refused, TimeInForce
from tests.simulator.floor import INVERSE, LINEAR, NOW, D, buy, opened, placed, sell, tick

POST = TimeInForce.POST_ONLY

TABLE: list[tuple[OrderRequest, Refusal]] = [
    (buy("0.01", "50000", account="nobody"), Refusal.UNKNOWN_ACCOUNT),
    (buy("0.01", "50000", symbol="DOGEUSDT"), Refusal.UNKNOWN_SYMBOL),
    (buy("0.01", "50000", client_id="has space"), Refusal.CLIENT_ID_FORM),
    (buy("0.01", "50000", client_id=""), Refusal.CLIENT_ID_FORM),
    (buy("0.01", "50000", client_id="c" * 65), Refusal.CLIENT_ID_FORM),
    (buy("0.001", "50000"), Refusal.CONTRACTS_MIN),
    (buy("0", "50000"), Refusal.CONTRACTS_MIN),
    (buy("-1", "50000"), Refusal.CONTRACTS_MIN),
    (buy("NaN", "50000"), Refusal.CONTRACTS_MIN),
    (buy("100.001", "50000"), Refusal.CONTRACTS_MAX),
    (buy("0.0105", "50000"), Refusal.LOT),
    (buy("0.01", "50000.05"), Refusal.TICK),
    (buy("0.01", "0"), Refusal.TICK),
    (buy("0.01", "-50000"), Refusal.TICK),
    (buy("0.01", "NaN"), Refusal.TICK),
    (buy("0.01", "52500.1"), Refusal.PRICE_BAND),
    (sell("0.01", "47499.9"), Refusal.PRICE_BAND),
    (buy("0.002", "49999"), Refusal.NOTIONAL_MIN),
    (buy("0.01", tif=POST), Refusal.PRICE_MISSING),
    (buy("0.01", "50000", reduce_only=True), Refusal.REDUCE_ONLY),
    (sell("0.01", reduce_only=True), Refusal.REDUCE_ONLY),
    (buy("10.01", "50000"), Refusal.LEVERAGE),
    (buy("9.995", "50000", account="poor"), Refusal.MARGIN),
    (sell("0.02", account="poor"), Refusal.MARGIN),
]


@pytest.fixture
def exchange() -> Exchange:
    exchange = opened()
    exchange.open_account("poor", {"USDT": D(99)})
    for account in ("ann", "poor"):
        exchange.set_leverage(account, "BTCUSDT", D(20) if account == "ann" else D(10))
    return exchange


def refusal_of(act: Callable[[], object]) -> Refusal:
    with pytest.raises(Refused) as caught:
        act()
    assert caught.value.refusal.value in str(caught.value)
    assert caught.value.detail
    return caught.value.refusal


@pytest.mark.parametrize(("request_", "refusal"), TABLE, ids=[f"{refusal}-{number}" for number, (_, refusal) in enumerate(TABLE)])
def test_refused_and_nothing_changed(exchange: Exchange, request_: OrderRequest, refusal: Refusal) -> None:
    before = (exchange.book("BTCUSDT"), exchange.balances("ann"), exchange.balances("poor"))
    assert refusal_of(lambda: exchange.place(request_, NOW + 1)) is refusal
    assert (exchange.book("BTCUSDT"), exchange.balances("ann"), exchange.balances("poor")) == before
    for account in ("ann", "poor"):
        assert exchange.open_orders(account) == exchange.closed_orders(account) == ()


def test_a_limit_order_needs_a_price(exchange: Exchange) -> None:
    request = buy("0.01", "50000")
    without = OrderRequest(
        account="ann",
        symbol="BTCUSDT",
        side=request.side,
        kind=request.kind,
        time_in_force=request.time_in_force,
        contracts=request.contracts,
    )
    assert refusal_of(lambda: exchange.place(without, NOW)) is Refusal.PRICE_MISSING


@pytest.mark.parametrize(
    "request_",
    [
        buy("0.002", "50000", account="ann"),
        buy("0.01", "52500"),
        sell("0.01", "47500"),
        buy("0.01", "10000"),
        sell("0.01", "90000"),
        buy("10", "50000"),
        buy("0.01", "5E+4"),
        buy("0.010000", "50000.000"),
    ],
)
def test_taken_just_inside_every_bound(exchange: Exchange, request_: OrderRequest) -> None:
    order = placed(exchange, request_)
    assert order.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED, OrderState.FILLED)
    assert order.request.price is not None
    assert order.request.price.as_tuple().exponent == -1
    assert order.request.contracts.as_tuple().exponent == -3


def test_nothing_trades_before_the_first_tick() -> None:
    exchange = Exchange("test", (LINEAR,), now=NOW)
    exchange.open_account("ann", {"USDT": D(1000)})
    for act in (
        lambda: exchange.place(buy("0.01", "50000"), NOW),
        lambda: exchange.market("BTCUSDT"),
        lambda: exchange.settle_funding("BTCUSDT", NOW),
        lambda: exchange.deleverage("ann", "BTCUSDT", D(1), NOW),
    ):
        assert refusal_of(act) is Refusal.NOT_TRADING
    assert exchange.book("BTCUSDT").bids == exchange.book("BTCUSDT").asks == ()
    assert exchange.balances("ann")[0].available == D(1000)
    exchange.set_leverage("ann", "BTCUSDT", D(3))
    assert exchange.leverage("ann", "BTCUSDT") == 3


def test_a_client_id_is_free_again_when_its_order_closed_in_scope_open() -> None:
    exchange = opened(duplicate_client_id_scope="open")
    first = placed(exchange, buy("0.01", "40000", client_id="c1"))
    assert refusal_of(lambda: exchange.place(buy("0.01", "41000", client_id="c1"), NOW + 2)) is Refusal.DUPLICATE_CLIENT_ID
    exchange.cancel("ann", "BTCUSDT", NOW + 3, client_order_id="c1")
    second = placed(exchange, buy("0.01", "41000", client_id="c1"))
    newest = exchange.order("ann", "BTCUSDT", client_order_id="c1")
    assert newest is not None
    assert newest.order_id == second.order_id != first.order_id
    assert placed(exchange, buy("0.01", "42000", client_id="c1", account="bob")).state is OrderState.NEW


def test_a_client_id_stays_taken_in_scope_ever() -> None:
    exchange = opened(duplicate_client_id_scope="ever")
    placed(exchange, buy("0.01", client_id="c1"))
    assert refusal_of(lambda: exchange.place(buy("0.01", client_id="c1"), NOW + 2)) is Refusal.DUPLICATE_CLIENT_ID
    assert placed(exchange, buy("0.01", client_id="c1", account="bob")).state is OrderState.FILLED


def test_the_form_of_client_ids_is_the_venues() -> None:
    exchange = opened(client_id_form=re.compile("[a-z0-9]{1,32}"))
    assert refusal_of(lambda: exchange.place(buy("0.01", client_id="A-1"), NOW)) is Refusal.CLIENT_ID_FORM
    assert placed(exchange, buy("0.01", client_id="a1")).request.client_order_id == "a1"


def test_a_market_order_that_meets_nobody_is_refused(exchange: Exchange) -> None:
    exchange.on_tick(tick(depth=()), NOW + 1)
    assert refusal_of(lambda: exchange.place(buy("0.01"), NOW + 2)) is Refusal.NO_LIQUIDITY
    placed(exchange, sell("0.01", "50010"))
    assert refusal_of(lambda: exchange.place(buy("0.01"), NOW + 3)) is Refusal.NO_LIQUIDITY, "only its own account rests there"
    placed(exchange, sell("0.01", "60000", account="bob"))
    assert refusal_of(lambda: exchange.place(buy("0.01"), NOW + 4)) is Refusal.NO_LIQUIDITY, "outside the price band"


@pytest.mark.parametrize(
    ("symbol", "leverage", "refusal"),
    [
        ("BTCUSDT", D("0.5"), Refusal.LEVERAGE),
        ("BTCUSDT", D("50.01"), Refusal.LEVERAGE),
        ("BTCUSDT", D("NaN"), Refusal.LEVERAGE),
        ("DOGEUSDT", D(2), Refusal.UNKNOWN_SYMBOL),
    ],
)
def test_leverage_outside_the_tier_is_refused(exchange: Exchange, symbol: str, leverage: Decimal, refusal: Refusal) -> None:
    assert refusal_of(lambda: exchange.set_leverage("ann", symbol, leverage)) is refusal
    assert exchange.leverage("ann", "BTCUSDT") == 20


@pytest.mark.parametrize("contract", [LINEAR, INVERSE], ids=["linear", "inverse"])
def test_leverage_may_not_fall_below_what_the_margin_covers(contract: object) -> None:
    exchange = opened(LINEAR, INVERSE, balances={"USDT": "20000", "BTC": "0.4"})
    symbol, contracts = ("BTCUSDT", D(2)) if contract is LINEAR else ("BTCUSD", D(1000))
    placed(exchange, sell(contracts, "50000", symbol=symbol))
    assert exchange.leverage("ann", symbol) == 10
    assert refusal_of(lambda: exchange.set_leverage("ann", symbol, D(4))) is Refusal.LEVERAGE
    assert exchange.leverage("ann", symbol) == 10
    exchange.set_leverage("ann", symbol, D(6))
    assert refusal_of(lambda: exchange.set_leverage("ann", symbol, D(4))) is Refusal.LEVERAGE
    assert exchange.leverage("ann", symbol) == 6
    exchange.set_leverage("ann", symbol, D(20))


def test_a_larger_tier_allows_less_leverage() -> None:
    exchange = opened(balances={"USDT": "10000000"})
    placed(exchange, buy("20", "49000"))
    assert refusal_of(lambda: exchange.set_leverage("ann", "BTCUSDT", D(11))) is Refusal.LEVERAGE
    exchange.set_leverage("ann", "BTCUSDT", D(10))
    assert refusal_of(lambda: exchange.place(buy("90", "49000"), NOW)) is Refusal.LEVERAGE, "beyond the last tier nothing is allowed"


def test_cancel_refuses_what_is_unknown_or_closed(exchange: Exchange) -> None:
    order = placed(exchange, buy("0.01", client_id="c1"))
    assert order.state is OrderState.FILLED
    table = [
        (lambda: exchange.cancel("ann", "BTCUSDT", NOW, order_id=order.order_id), Refusal.ORDER_CLOSED),
        (lambda: exchange.cancel("ann", "BTCUSDT", NOW, client_order_id="c1"), Refusal.ORDER_CLOSED),
        (lambda: exchange.cancel("ann", "BTCUSDT", NOW, client_order_id="c2"), Refusal.UNKNOWN_ORDER),
        (lambda: exchange.cancel("ann", "BTCUSDT", NOW, order_id=1), Refusal.UNKNOWN_ORDER),
        (lambda: exchange.cancel("ann", "BTCUSDT", NOW), Refusal.UNKNOWN_ORDER),
        (lambda: exchange.cancel("bob", "BTCUSDT", NOW, order_id=order.order_id), Refusal.UNKNOWN_ORDER),
        (lambda: exchange.cancel("ann", "DOGEUSDT", NOW, order_id=order.order_id), Refusal.UNKNOWN_SYMBOL),
        (lambda: exchange.cancel("nobody", "BTCUSDT", NOW, order_id=order.order_id), Refusal.UNKNOWN_ACCOUNT),
        (lambda: exchange.cancel_all("ann", "DOGEUSDT", NOW), Refusal.UNKNOWN_SYMBOL),
    ]
    for act, refusal in table:
        assert refusal_of(act) is refusal


def test_an_order_of_another_contract_is_unknown() -> None:
    exchange = opened(LINEAR, INVERSE)
    order = placed(exchange, buy("0.01", "40000", client_id="c1"))
    assert exchange.order("ann", "BTCUSD", order_id=order.order_id) is None
    assert exchange.order("ann", "BTCUSD", client_order_id="c1") is None


@pytest.mark.parametrize(
    "bad",
    [tick(mark="0"), tick(fair="-1"), tick(half_spread=D(-1)), tick(spread_step=D(-1)), tick(index=D(0))],
)
def test_a_tick_that_makes_no_sense_is_the_callers_mistake(exchange: Exchange, bad: MarketTick) -> None:
    before = exchange.market("BTCUSDT")
    with pytest.raises(ValueError, match="positive prices"):
        exchange.on_tick(bad, NOW)
    assert exchange.market("BTCUSDT") == before


@pytest.mark.parametrize(
    ("request_", "needed"),
    [
        # 1 x 50,000 / 10, and the taker fee of 0.05 %
        (buy("1", "50000"), "5025"),
        # bought 100 above mark: that is lost at once
        (buy("1", "50100"), "5125.05"),
        (sell("1", "49900"), "5124.95"),
        (sell("1", "50100"), "5025.05"),
        (buy("1"), "5025"),
    ],
)
def test_margin_is_asked_for_to_the_last_cent(request_: OrderRequest, needed: str) -> None:
    exchange = opened(balances={"USDT": str(D(needed) - D("0.01"))})
    assert refusal_of(lambda: exchange.place(request_, NOW)) is Refusal.MARGIN
    exchange.open_account("ann", {"USDT": D("0.01")})
    exchange.place(request_, NOW)


def test_a_reduction_is_never_refused_for_margin() -> None:
    exchange = opened(balances={"USDT": "5130"})
    placed(exchange, sell("1", "49900"))
    exchange.on_tick(tick("51000"), NOW + 1)
    free = exchange.balances("ann")[0]
    assert free.available == 0
    assert refusal_of(lambda: exchange.place(sell("0.1"), NOW + 2)) is Refusal.MARGIN
    assert placed(exchange, buy("0.5")).state is OrderState.FILLED
