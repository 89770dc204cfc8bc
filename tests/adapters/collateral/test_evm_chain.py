"""Reorgs: what is provisional, confirmed and taken back, whatever branches the chain tries."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.collateral.evm.chain import Checkpoints, EndpointsDisagree, LogBook, Standing, agreed
from bot.adapters.collateral.evm.logs import MintLog
from tests.adapters.collateral.evm_facts import header, mint

PROVISIONAL, CONFIRMED, TAKEN_BACK = Standing.PROVISIONAL, Standing.CONFIRMED, Standing.TAKEN_BACK
Round = tuple[list[MintLog], int]
"""The logs above the last confirmed block, and the newest confirmed one."""


def told(book: LogBook, logs: list[MintLog], confirmed: int) -> list[tuple[str, Standing]]:
    return [(change.log.transaction, change.standing) for change in book.settle(logs, confirmed)]


@pytest.mark.parametrize(
    ("rounds", "says"),
    [
        ([([mint("x", 10)], 5), ([mint("x", 10)], 9), ([mint("x", 10)], 10)], [[("x", PROVISIONAL)], [], [("x", CONFIRMED)]]),
        ([([mint("x", 10)], 5), ([], 6)], [[("x", PROVISIONAL)], [("x", TAKEN_BACK)]]),
        ([([mint("x", 10)], 5), ([mint("x", 11, branch="b")], 6)], [[("x", PROVISIONAL)], []]),
        (
            [([mint("x", 10)], 5), ([mint("x", 10, amount=6)], 6)],
            [[("x", PROVISIONAL)], [("x", TAKEN_BACK), ("x", PROVISIONAL)]],
        ),
        ([([mint("x", 10)], 5), ([mint("x", 10, amount=6)], 10)], [[("x", PROVISIONAL)], [("x", TAKEN_BACK), ("x", CONFIRMED)]]),
        ([([mint("x", 10)], 10), ([], 11), ([], 12)], [[("x", CONFIRMED)], [], []]),
        (
            [([mint("x", 10)], 5), ([], 6), ([mint("x", 12, branch="b")], 7)],
            [[("x", PROVISIONAL)], [("x", TAKEN_BACK)], [("x", PROVISIONAL)]],
        ),
        (
            [([mint("x", 10), mint("y", 10, place=1)], 5), ([mint("y", 10, place=1)], 6)],
            [[("x", PROVISIONAL), ("y", PROVISIONAL)], [("x", TAKEN_BACK)]],
        ),
    ],
    ids=["confirmed", "gone", "moved", "changed", "changed and confirmed", "confirmed stays", "gone and back", "one of two"],
)
def test_rounds(rounds: list[Round], says: list[list[tuple[str, Standing]]]) -> None:
    book = LogBook()
    assert [told(book, logs, confirmed) for logs, confirmed in rounds] == says


def test_catching_up_confirms_and_takes_nothing_back_before_the_head_is_known() -> None:
    book = LogBook()
    told(book, [mint("x", 10), mint("y", 11)], 5)
    assert [(change.log.transaction, change.standing) for change in book.confirm([mint("z", 9)])] == [("z", CONFIRMED)]
    assert told(book, [mint("y", 30, branch="b")], 20) == [("x", TAKEN_BACK)]


def test_a_reorg_below_the_confirmations_takes_back_what_is_not_seen_again() -> None:
    book = LogBook()
    told(book, [mint("kept", 8), mint("x", 10), mint("y", 11), mint("z", 11, place=1)], 12)
    book.doubt_above(9)
    again = [mint("x", 10, branch="b"), mint("z", 14, branch="b", place=1)]
    assert told(book, again, 13) == [("z", PROVISIONAL), ("y", TAKEN_BACK)]
    assert told(book, again, 14) == [("z", CONFIRMED)]


def test_what_is_long_confirmed_is_forgotten_and_what_is_in_doubt_is_not() -> None:
    book = LogBook()
    told(book, [mint("old", 10), mint("new", 90)], 50)
    book.prune(60)
    assert len(book) == 1
    assert told(book, [], 91) == [("new", TAKEN_BACK)]


@given(st.lists(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), max_size=4, unique_by=lambda each: each[0]), max_size=8))
def test_whatever_branches_there_are_the_changes_add_up_to_the_chain(branches: list[list[tuple[str, int]]]) -> None:
    """Each branch replaces everything above the root; whoever folds the changes knows what is on the last one."""
    book, known = LogBook(), dict[str, Standing]()
    for number, branch in enumerate(branches):
        logs = [mint(name, 10 + height, branch=str(number)) for name, height in branch]
        for name, standing in told(book, logs, confirmed=9):
            if standing is TAKEN_BACK:
                assert known.pop(name) is PROVISIONAL
            else:
                assert name not in known
                known[name] = standing
        assert set(known) == {name for name, _ in branch}


def test_two_endpoints_must_say_the_same_of_confirmed_blocks() -> None:
    ours, theirs = [mint("x", 10), mint("y", 12)], [mint("y", 12, branch="b")]
    with pytest.raises(EndpointsDisagree, match="block 10"):
        agreed(ours, theirs, confirmed=10)
    with pytest.raises(EndpointsDisagree, match="block 12"):
        agreed([mint("y", 12)], theirs, confirmed=12)


def test_above_them_what_only_one_endpoint_tells_is_not_there_yet() -> None:
    ours, theirs = [mint("x", 10), mint("y", 12), mint("z", 12, amount=1)], [mint("y", 13, branch="b"), mint("z", 12, amount=2)]
    assert [log.transaction for log in agreed(ours, theirs, confirmed=9)] == ["y"]


def test_checkpoints_lead_back_one_by_one_and_forget_what_is_far_back() -> None:
    points = Checkpoints(keep=100)
    assert points.newest is None
    for number in (10, 60, 120, 150):
        points.add(header(number))
    assert (points.newest, points.oldest_number) == (header(150), 60)
    assert [points.back(), points.back(), points.back()] == [header(120), header(60), None]


def test_a_checkpoint_replaces_those_at_and_above_it() -> None:
    points = Checkpoints(keep=100)
    for number in (10, 20, 30):
        points.add(header(number))
    points.add(header(20, "b"))
    assert (points.newest, points.back()) == (header(20, "b"), header(10))
