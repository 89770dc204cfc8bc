"""Gaps are read in pieces that the node accepts, every block once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.collateral.evm.ranges import Blocks, RangePlan


def read(plan: RangePlan, first: int, last: int, accepts: int) -> tuple[list[Blocks], int]:
    """Reads from a node that accepts so many blocks; the pieces, and how many were refused."""
    pieces, refused = [], 0
    while (piece := plan.next(first, last)) is not None:
        if piece.last - piece.first + 1 > accepts:
            assert plan.refused(piece)
            refused += 1
            continue
        plan.accepted(piece)
        pieces.append(piece)
        first = piece.last + 1
    return pieces, refused


@pytest.mark.parametrize(
    ("most", "accepts", "first", "last", "pieces", "refused"),
    [
        (100, 100, 5, 5, [(5, 5)], 0),
        (100, 100, 0, 249, [(0, 99), (100, 199), (200, 249)], 0),
        (100, 60, 0, 99, [(0, 49), (50, 99)], 1),
        (8, 1, 3, 5, [(3, 3), (4, 4), (5, 5)], 1),
        (100, 100, 7, 6, [], 0),
    ],
)
def test_pieces(most: int, accepts: int, first: int, last: int, pieces: list[tuple[int, int]], refused: int) -> None:
    found, times = read(RangePlan(most), first, last, accepts)
    assert [(piece.first, piece.last) for piece in found] == pieces
    assert times == refused


def test_what_was_learned_is_kept_and_grows_again_when_the_node_allows_more() -> None:
    plan = RangePlan(64)
    read(plan, 0, 63, accepts=8)
    assert plan.size <= 16
    assert read(plan, 0, 7, accepts=8)[1] <= 1
    read(plan, 0, 1_000, accepts=1_000)
    assert plan.size == 64


def test_a_single_block_that_is_refused_leaves_nothing_to_try() -> None:
    plan = RangePlan(4)
    assert plan.refused(Blocks(7, 8))
    assert not plan.refused(Blocks(7, 7))
    assert plan.size == 1


def test_a_short_rest_says_nothing_of_what_would_be_accepted() -> None:
    plan = RangePlan(64)
    plan.refused(Blocks(0, 63))
    for _ in range(20):
        plan.accepted(Blocks(0, 4))
    assert plan.size == 32


def test_no_range_is_empty() -> None:
    with pytest.raises(ValueError, match="at least one block"):
        RangePlan(0)


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 100), st.integers(0, 300))
def test_every_block_is_read_once_and_in_order(most: int, accepts: int, first: int, width: int) -> None:
    pieces, _ = read(RangePlan(most), first, first + width, accepts)
    blocks = [block for piece in pieces for block in range(piece.first, piece.last + 1)]
    assert blocks == list(range(first, first + width + 1))
    assert all(piece.last - piece.first + 1 <= min(most, accepts) for piece in pieces)
