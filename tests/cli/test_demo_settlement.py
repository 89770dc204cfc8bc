"""When an event of the demo counts as seen: settlements, which are read on a beat while the market settles on, and a deleveraging."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.drivers.demo.script import _sums_so_far, closed_by_a_venue
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


@pytest.mark.parametrize(
    ("breaks", "is_seen"),
    [({"auto_deleveraging": 1}, True), ({"liquidation": 1}, True), ({"late_fill": 3, "auto_deleveraging": 0}, False), ({}, False)],
)
def test_a_deleveraging_is_seen_by_the_word_of_its_venue(breaks: dict[str, int], is_seen: bool) -> None:
    """Deribit has one word for whatever it closes itself: a story that waits for the other one would never end there."""
    assert closed_by_a_venue({"breaks_by_cause": breaks}) is is_seen
