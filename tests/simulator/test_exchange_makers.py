"""Background makers: ordinary orders that follow the fair price, are consumed, come back, and take what they cross."""

from __future__ import annotations

import pytest

from bot.simulator.model import (
    BookReport,
    FillReport,
    Level,
    MarketReport,
    OrderState,
    PublicTradeReport,
    Side,
)
from tests.simulator.floor import INVERSE, NOW, D, buy, kept, only, opened, placed, sell, tick


def test_the_ladder_stands_around_fair() -> None:
    book = opened().book("BTCUSDT")
    assert book.bids == (Level(D(49999), D(1)), Level(D(49998), D(1)), Level(D(49997), D(1)))
    assert book.asks == (Level(D(50001), D(1)), Level(D(50002), D(1)), Level(D(50003), D(1)))
    assert opened().book("BTCUSDT", depth=1).asks == book.asks[:1]


@pytest.mark.parametrize(
    ("half_spread", "step", "best_bid", "best_ask", "second_ask"),
    [
        ("0", "0", "49999.9", "50000.1", "50000.2"),
        ("0.05", "0", "49999.9", "50000.1", "50000.2"),
        ("0.5", "0", "49999.5", "50000.5", "50001.0"),
        ("0.33", "0.33", "49999.6", "50000.4", "50000.8"),
        ("7", "2.5", "49993", "50007", "50009.5"),
    ],
)
def test_spread_and_step(half_spread: str, step: str, best_bid: str, best_ask: str, second_ask: str) -> None:
    exchange = opened()
    exchange.on_tick(tick(half_spread=D(half_spread), spread_step=D(step)), NOW + 1)
    book = exchange.book("BTCUSDT")
    assert (book.bids[0].price, book.asks[0].price, book.asks[1].price) == (D(best_bid), D(best_ask), D(second_ask))


def test_prices_and_contracts_are_in_the_contracts_own_decimals() -> None:
    exchange = opened()
    exchange.on_tick(tick("5.00000E+4", depth=(D("1E+1"), D("0.00049"), D("2.0009"))), NOW + 1)
    book = exchange.book("BTCUSDT")
    assert [str(level.price) for level in book.asks] == ["50001.0", "50003.0"], "a level below one lot is left out"
    assert [str(level.contracts) for level in book.asks] == ["10.000", "2.000"]


def test_an_inverse_ladder_counts_base_depth_in_contracts() -> None:
    book = opened(INVERSE).book("BTCUSD")
    assert book.asks[0] == Level(D(50001), D(500)), "one coin is 500 contracts of 100 USD"


def test_a_cheap_fair_price_leaves_no_bids_at_or_below_zero() -> None:
    exchange = opened()
    exchange.on_tick(tick("2"), NOW + 1)
    assert [level.price for level in exchange.book("BTCUSDT").bids] == [D(1)]


def test_a_tick_tells_only_what_changed() -> None:
    exchange = opened()
    assert exchange.on_tick(tick(), NOW + 1) == ()
    reports = exchange.on_tick(tick("50001"), NOW + 2)
    (diff,) = only(reports, BookReport)
    assert diff.bids == (Level(D(50000), D(1)), Level(D(49997), D(0)))
    assert diff.asks == (Level(D(50001), D(0)), Level(D(50004), D(1)))
    assert diff.first_sequence == 7
    (market,) = only(reports, MarketReport)
    assert market.view.mark == D(50001)
    assert only(exchange.on_tick(tick("50002", mark="50001", index=D(50001)), NOW + 3), MarketReport) == []


def test_consumed_depth_is_gone_until_the_next_tick() -> None:
    exchange = opened()
    placed(exchange, buy("1.5"))
    assert exchange.book("BTCUSDT").asks == (Level(D(50002), D("0.5")), Level(D(50003), D(1)))
    reports = exchange.on_tick(tick(), NOW + 2)
    assert only(reports, BookReport)[0].asks == (Level(D(50001), D(1)), Level(D(50002), D(1)))


def test_a_restored_quote_stands_behind_who_came_meanwhile() -> None:
    exchange = opened()
    placed(exchange, buy("0.4", account="bob"))
    mine = placed(exchange, sell("0.5", "50001"))
    exchange.on_tick(tick(), NOW + 2)
    placed(exchange, buy("0.5", account="bob"))
    assert kept(exchange, mine).state is OrderState.FILLED


def test_an_untouched_or_smaller_quote_keeps_its_place() -> None:
    exchange = opened()
    mine = placed(exchange, sell("0.5", "50001"))
    exchange.on_tick(tick(depth=(D("0.9"), D(1), D(1))), NOW + 2)
    placed(exchange, buy("0.9", account="bob"))
    assert kept(exchange, mine).filled == 0


@pytest.mark.parametrize(
    ("side", "price", "fair"),
    [(Side.SELL, "50010", "50020"), (Side.BUY, "49990", "49980")],
)
def test_makers_that_cross_a_resting_order_take_it_at_its_price(side: Side, price: str, fair: str) -> None:
    exchange = opened()
    order = placed(exchange, (sell if side is Side.SELL else buy)("0.5", price))
    reports = exchange.on_tick(tick(fair), NOW + 2)
    (told,) = only(reports, FillReport)
    assert (told.fill.order_id, told.fill.price, told.fill.is_maker) == (order.order_id, D(price), True)
    assert told.fill.fee == D("0.5") * D(price) * D("0.0002")
    (trade,) = only(reports, PublicTradeReport)
    assert trade.side is not side
    book = exchange.book("BTCUSDT")
    assert book.bids[0].price < book.asks[0].price
    assert exchange.outside("BTCUSDT") == -side.sign * D("0.5")


def test_a_large_resting_order_is_taken_by_several_quotes_until_they_run_out() -> None:
    exchange = opened(balances={"USDT": "1000000"})
    order = placed(exchange, sell("5", "50010"))
    exchange.on_tick(tick("50020"), NOW + 2)
    left = exchange.order("ann", "BTCUSDT", order_id=order.order_id)
    assert left is not None
    assert (left.state, left.filled) == (OrderState.PARTIALLY_FILLED, D(3))
    assert exchange.book("BTCUSDT").bids == ()
    assert exchange.book("BTCUSDT").asks[0] == Level(D(50010), D(2))
    exchange.on_tick(tick("50020"), NOW + 3)
    assert exchange.open_orders("ann") == ()
    assert exchange.book("BTCUSDT").bids == (Level(D(50017), D(1)),), "two more quotes were used up"


def test_the_market_view_follows_the_tick() -> None:
    exchange = opened()
    exchange.on_tick(tick("50100", mark="50090", funding_rate=D("0.9"), open_interest=D(7)), NOW + 5)
    view = exchange.market("BTCUSDT")
    assert (view.mark, view.index, view.last, view.open_interest) == (D(50090), D(50100), D(50100), D(7))
    assert view.funding_rate == D("0.003"), "inside the contract's cap"
    assert view.at == NOW + 5
    assert view.next_funding_at == (NOW // 28_800_000 + 1) * 28_800_000
