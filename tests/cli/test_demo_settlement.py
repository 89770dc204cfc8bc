"""When the demo's settlement counts as entered: the bot reads records on a beat, and the market settles on while it does."""

from __future__ import annotations

from decimal import Decimal

from bot.drivers.demo.script import _sums_so_far
from bot.simulator.model import FundingRecord

D = Decimal


def booked(at: int, amount: str, symbol: str = "BTC") -> FundingRecord:
    figures = {"contracts": D(-1), "mark_price": D(1), "rate": D(amount)}
    return FundingRecord(payment_id=at, account="a", symbol=symbol, asset="USDC", amount=D(amount), at=at, **figures)


def test_all_that_was_booked_by_then_has_to_be_entered_and_what_came_since_may_be() -> None:
    books = [booked(30, "4"), booked(10, "1"), booked(20, "2"), booked(40, "-8")]
    assert _sums_so_far("v", books, by=20) == {"v:BTC": [D(3), D(7), D(-1)]}
    assert _sums_so_far("v", books, by=40) == {"v:BTC": [D(-1)]}


def test_instruments_are_counted_apart_and_one_that_paid_only_since_may_have_nothing_yet() -> None:
    books = [booked(10, "1"), booked(30, "5", "ETH")]
    assert _sums_so_far("v", books, by=20) == {"v:BTC": [D(1)], "v:ETH": [D(0), D(5)]}
