"""The order book alone: priority, levels, gapless diffs."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.book import OrderBook, Resting
from bot.simulator.model import Level, Side
from tests.simulator.floor import NOW, D


def rested(book: OrderBook, side: Side, price: str, contracts: str) -> Resting:
    resting = Resting(side, D(price), D(contracts))
    book.rest(resting)
    return resting


def test_better_price_first_then_who_came_first() -> None:
    book = OrderBook("X")
    rested(book, Side.SELL, "101", "1")
    second = rested(book, Side.SELL, "100", "2")
    third = rested(book, Side.SELL, "100", "3")
    assert book.front(Side.SELL) is second
    book.take(second, D(1))
    assert book.front(Side.SELL) is second, "losing a part keeps the place"
    book.take(second, D(1))
    assert book.front(Side.SELL) is third
    book.remove(third)
    assert book.best(Side.SELL) == D(101)
    assert book.best(Side.BUY) is None
    assert book.front(Side.BUY) is None


def test_bids_run_downward() -> None:
    book = OrderBook("X")
    for price in ("99", "100", "98"):
        rested(book, Side.BUY, price, "1")
    assert [level.price for level in book.view(2, NOW).bids] == [D(100), D(99)]
    assert book.crosses(Side.SELL, D(100))
    assert not book.crosses(Side.SELL, D("100.1"))
    assert not book.crosses(Side.BUY, D(1000))
    assert book.within(Side.SELL, D(99), "ann") == 2


def test_a_diff_tells_absolute_contracts_of_what_really_changed() -> None:
    book = OrderBook("X")
    stays = rested(book, Side.BUY, "100", "1")
    goes = rested(book, Side.BUY, "99", "2")
    rested(book, Side.SELL, "101", "5")
    first = book.drain(NOW)
    assert first is not None
    assert (first.first_sequence, first.last_sequence) == (1, 3)
    book.remove(stays)
    rested(book, Side.BUY, "100", "1")
    assert book.drain(NOW) is None, "a level that ends as it began is not told"
    book.remove(goes)
    rested(book, Side.BUY, "100", "3")
    second = book.drain(NOW)
    assert second is not None
    assert second.bids == (Level(D(100), D(4)), Level(D(99), D(0)))
    assert second.asks == ()
    assert (second.first_sequence, second.last_sequence) == (4, 5)
    assert book.view(10, NOW).sequence == 5


STEPS = st.lists(st.tuples(st.sampled_from(["rest", "take", "remove", "drain"]), st.integers(0, 1_000), st.integers(1, 9)), max_size=60)


@given(STEPS)
def test_diffs_rebuild_the_book_without_gaps(steps: list[tuple[str, int, int]]) -> None:
    book, resting = OrderBook("X"), list[Resting]()
    copy: dict[Side, dict[Decimal, Decimal]] = {side: {} for side in Side}
    sequence = 0
    for verb, number, contracts in [*steps, ("drain", 0, 1)]:
        if verb == "rest":
            side = Side.BUY if number % 2 else Side.SELL
            price = Decimal(90 + number % 7) if side is Side.BUY else Decimal(101 + number % 7)
            resting.append(Resting(side, price, Decimal(contracts)))
            book.rest(resting[-1])
        elif verb == "take" and resting:
            chosen = resting[number % len(resting)]
            book.take(chosen, min(Decimal(contracts), chosen.contracts))
        elif verb == "remove" and resting:
            book.remove(resting[number % len(resting)])
        elif verb == "drain":
            report = book.drain(NOW)
            if report is None:
                continue
            assert report.first_sequence == sequence + 1
            sequence = report.last_sequence
            assert sequence - report.first_sequence + 1 == len(report.bids) + len(report.asks)
            for side, levels in ((Side.BUY, report.bids), (Side.SELL, report.asks)):
                for level in levels:
                    if level.contracts:
                        copy[side][level.price] = level.contracts
                    else:
                        del copy[side][level.price]
        resting = [one for one in resting if one.contracts]
    view = book.view(100, NOW)
    assert view.sequence == sequence
    assert {level.price: level.contracts for level in view.bids} == copy[Side.BUY]
    assert {level.price: level.contracts for level in view.asks} == copy[Side.SELL]
    for side in Side:
        queued: dict[Decimal, Decimal] = {}
        for one in resting:
            if one.side is side:
                queued[one.price] = queued.get(one.price, Decimal(0)) + one.contracts
        assert queued == copy[side]
