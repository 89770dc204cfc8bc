"""The newest market view, merged from whole and partial messages."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.adapters.venue.ccxt_mapping import Unreadable
from bot.adapters.venue.quotes import OutOfOrder, QuoteBoard
from bot.adapters.venue.shapes import QuoteShape, paths
from tests.adapters.venue.payloads import BYBIT, OURS, D

BOOK = QuoteShape(symbol=paths("s"), bid=paths("b.0.0"), bid_contracts=paths("b.0.1"), ask=paths("a.0.0"), ask_contracts=paths("a.0.1"))


def _board(row: dict, *later: dict):
    board = QuoteBoard(OURS["bybit"])
    quote = board.book_told(row, BOOK, 10, partial=False)
    for each in later:
        quote = board.book_told(each, BOOK, 20, partial=True)
    return board, quote


def test_a_quote_needs_both_sides_and_a_partial_message_keeps_the_other():
    whole = {"s": "BTCUSDT", "b": [["63999", "1"]], "a": [["64001", "2"]]}
    _, quote = _board(whole)
    assert (quote.bid, quote.ask, quote.bid_quantity, quote.ask_quantity, quote.mark, quote.book_at) == (63999, 64001, 1, 2, None, 10)
    _, quote = _board(whole, {"s": "BTCUSDT", "b": [["63998", "3"]], "a": []})
    assert (quote.bid, quote.ask, quote.book_at) == (63998, 64001, 20)
    _, quote = _board(whole, {"s": "BTCUSDT", "b": [], "a": [["64001", "0"]]})
    assert quote is None, "the ask was taken away and no other was told"
    assert _board({"s": "BTCUSDT", "b": [], "a": [["64001", "2"]]})[1] is None


def test_mark_and_index_are_merged_and_age_by_what_the_venue_said():
    board, _ = _board({"s": "BTCUSDT", "b": [["63999", "1"]], "a": [["64001", "2"]]})
    quote = board.mark_told({"symbol": "BTCUSDT", "markPrice": "64000.5", "indexPrice": "63990"}, BYBIT.streams.mark, 30, partial=False)
    assert (quote.mark, quote.index, quote.mark_at, quote.book_at) == (D("64000.5"), 63990, 30, 10)
    assert board.marks() == {quote.instrument: D("64000.5")}, "of the others none was told"
    quote = board.mark_told({"symbol": "BTCUSDT", "lastPrice": "1"}, BYBIT.streams.mark, 40, partial=True)
    assert (quote.mark, quote.mark_at) == (D("64000.5"), 40)
    with pytest.raises(Unreadable):
        board.mark_told({"symbol": "BTCUSDT"}, BYBIT.streams.mark, 50, partial=False)
    for defect in ("0", "-1", "NaN"):
        with pytest.raises(Unreadable):
            board.mark_told({"symbol": "BTCUSDT", "markPrice": defect}, BYBIT.streams.mark, 50, partial=True)
    assert board.mark_told({"symbol": "DOGEUSDT", "markPrice": "1"}, BYBIT.streams.mark, 50, partial=True) is None


def test_a_quote_is_never_younger_than_what_the_venue_says_nor_than_its_arrival():
    board = QuoteBoard(OURS["bybit"])
    shape = replace(BOOK, at=paths("ts"))
    row = {"s": "BTCUSDT", "b": [["1", "1"]], "a": [["2", "1"]]}
    now = 10**12 + 10_000
    cases = [
        ({"ts": now - 1_000}, 0, now - 1_000),
        ({"ts": now - 1_000}, 500, now - 1_500),
        ({"ts": now + 1_000}, 0, now),
        ({"ts": now + 1_000}, 2_000, now - 1_000),
        ({}, 500, now),
    ]
    for told, offset_ms, book_at in cases:
        quote = board.book_told(row | told, shape, now, offset_ms, partial=False)
        assert quote is not None
        assert quote.book_at == book_at
    with pytest.raises(Unreadable):
        board.book_told(row | {"ts": "soon"}, shape, now, partial=False)
    board.forget()
    assert board.book_told({"s": "BTCUSDT", "b": [["1", "1"]], "a": []}, shape, now, partial=True) is None


def test_rows_about_others_are_not_ours():
    board = QuoteBoard(OURS["bybit"])
    assert board.ours({"s": "BTCUSDT"}, BOOK) == "BTCUSDT"
    assert board.ours({"s": "DOGEUSDT"}, BOOK) is None


ORDERED = QuoteShape(
    symbol=paths("s"),
    bid=paths("b.0.0"),
    bid_contracts=paths("b.0.1"),
    ask=paths("a.0.0"),
    ask_contracts=paths("a.0.1"),
    sequence=paths("seq"),
    chained=paths("u"),
)


def test_a_book_that_runs_backwards_is_not_believed() -> None:
    board = QuoteBoard(OURS["bybit"])
    row = {"s": "BTCUSDT", "b": [["64000", "1"]], "a": [["64001", "1"]]}
    for number in (5, 5, 7):
        board.book_told(row | {"seq": number, "u": 1}, ORDERED, 10, partial=False)
    with pytest.raises(OutOfOrder, match="from 7 back to 6"):
        board.book_told(row | {"seq": 6, "u": 1}, ORDERED, 11, partial=False)
    board.book_told(row, ORDERED, 12, partial=False)
    board.forget(["BTCUSDT"])
    assert board.book_told(row | {"seq": 1, "u": 1}, ORDERED, 13, partial=False) is not None, "a new subscription starts anew"


def test_after_a_missing_partial_message_only_what_is_told_stands() -> None:
    board = QuoteBoard(OURS["bybit"])
    board.book_told({"s": "BTCUSDT", "b": [["64000", "1"]], "a": [["64001", "1"]], "u": 8}, ORDERED, 10, partial=False)
    bid = {"s": "BTCUSDT", "b": [["63999", "1"]], "a": []}
    assert board.book_told(bid | {"u": 9}, ORDERED, 11, partial=True) is not None
    assert board.book_told(bid | {"u": 11}, ORDERED, 12, partial=True) is None, "message 10 may have moved the ask"
    whole = board.book_told({"s": "BTCUSDT", "b": [], "a": [["64002", "1"]], "u": 12}, ORDERED, 13, partial=True)
    assert whole is not None
    assert (whole.bid, whole.ask) == (63999, 64002)
