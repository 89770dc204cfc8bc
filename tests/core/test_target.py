"""How a needed short is spread over slots: by example, and as properties over random slots."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.policy import Limit
from bot.core.target import Allocation, Grade, Slot, allocate
from bot.core.units import ZERO, InstrumentId

D = Decimal
TINY = D("1e-20")
QUANTITIES = st.decimals(min_value=0, max_value=1000, places=4)
SHORTS = st.decimals(min_value=-20, max_value=1000, places=4)
MOSTS = st.decimals(min_value=-10, max_value=1000, places=4)


def slot(name: str, short: str | Decimal, most: str | Decimal, grade: Grade = Grade.PREFERRED) -> Slot:
    return Slot(instrument=InstrumentId(name), short=D(short), most=D(most), grade=grade, binding=Limit.VENUE_SHARE)


SLOTS = st.lists(st.tuples(SHORTS, MOSTS, st.sampled_from(list(Grade))), max_size=6).map(
    lambda rows: [slot(f"v{n}:X", short, most, grade) for n, (short, most, grade) in enumerate(rows)]
)


def shares(allocation: Allocation) -> list[str]:
    return [f"{s.short.normalize():f}" for s in allocation.shares]


@pytest.mark.parametrize(
    ("needed", "slots", "expected", "unplaced"),
    [
        ("30", [("a", "0", "50"), ("b", "0", "50"), ("c", "0", "50")], ["10", "10", "10"], "0"),
        ("30", [("a", "20", "50"), ("b", "0", "50")], ["20", "10"], "0"),  # the smallest leg grows first
        ("40", [("a", "0", "10"), ("b", "0", "12"), ("c", "0", "50")], ["10", "12", "18"], "0"),
        ("40", [("a", "0", "10"), ("b", "0", "12")], ["10", "12"], "18"),
        ("10", [("a", "20", "50"), ("b", "5", "50")], ["5", "5"], "0"),  # the largest leg shrinks first
        ("20", [("a", "20", "15"), ("b", "0", "50")], ["15", "5"], "0"),  # beyond its most, the excess moves
        ("20", [("a", "20", "50", Grade.AVOID), ("b", "0", "15")], ["5", "15"], "0"),  # emptied as far as there is room
        ("30", [("a", "0", "50", Grade.AVOID), ("b", "0", "15")], ["15", "15"], "0"),  # rather there than unhedged
        ("30", [("a", "10", "50", Grade.HOLD), ("b", "0", "15")], ["15", "15"], "0"),
        ("20", [("a", "10", "50", Grade.HOLD), ("b", "0", "15")], ["10", "10"], "0"),  # keeps, takes no more while others can
        ("5", [("a", "-3", "50"), ("b", "8", "50")], ["0", "5"], "0"),  # a long goes to flat
        ("-4", [("a", "3", "50")], ["0"], "0"),
        ("4", [], [], "4"),
    ],
)
def test_by_example(needed: str, slots: list[tuple[Any, ...]], expected: list[str], unplaced: str) -> None:
    allocation = allocate(D(needed), [slot(*row) for row in slots])
    assert shares(allocation) == expected
    assert allocation.unplaced == D(unplaced)


def test_a_share_that_its_limit_keeps_down_names_it() -> None:
    allocation = allocate(D(40), [slot("a", "0", "10"), slot("b", "0", "50")])
    assert [s.binding for s in allocation.shares] == [Limit.VENUE_SHARE, None]


@given(QUANTITIES, SLOTS)
def test_never_more_than_needed_nor_than_a_slot_may_carry_nor_less_than_nothing(needed: Decimal, slots: list[Slot]) -> None:
    allocation = allocate(needed, slots)
    by_name = {s.instrument: s for s in slots}
    for share in allocation.shares:
        assert share.short >= 0
        assert share.short <= max(by_name[share.instrument].most, ZERO) + TINY
    placed = sum((s.short for s in allocation.shares), ZERO)
    assert placed <= needed + TINY
    assert abs(placed + allocation.unplaced - needed) <= TINY


@given(QUANTITIES, SLOTS)
def test_nothing_is_unplaced_while_any_slot_has_room(needed: Decimal, slots: list[Slot]) -> None:
    allocation = allocate(needed, slots)
    if allocation.unplaced > TINY:
        by_name = {s.instrument: s for s in slots}
        assert all(s.short >= by_name[s.instrument].most - TINY for s in allocation.shares)


@given(QUANTITIES, SLOTS, st.integers(min_value=0, max_value=1000))
def test_i16_the_order_in_which_slots_are_listed_does_not_matter(needed: Decimal, slots: list[Slot], seed: int) -> None:
    shuffled = list(slots)
    Random(seed).shuffle(shuffled)
    assert allocate(needed, shuffled) == allocate(needed, slots)


@given(QUANTITIES, SLOTS)
def test_i17_allocating_again_from_the_result_changes_nothing(needed: Decimal, slots: list[Slot]) -> None:
    first = allocate(needed, slots)
    grades = {s.instrument: s for s in slots}
    again = [
        Slot(instrument=s.instrument, short=s.short, most=grades[s.instrument].most, grade=grades[s.instrument].grade, binding=None)
        for s in first.shares
    ]
    second = allocate(sum((s.short for s in first.shares), ZERO), again)
    for one, other in zip(first.shares, second.shares, strict=True):
        assert abs(one.short - other.short) <= TINY


@given(QUANTITIES, SLOTS)
def test_who_is_preferred_keeps_what_fits_when_more_is_needed(needed: Decimal, slots: list[Slot]) -> None:
    kept = {s.instrument: max(ZERO, min(s.short, s.most)) for s in slots if s.grade is not Grade.AVOID}
    if sum(kept.values(), ZERO) <= needed:
        for share in allocate(needed, slots).shares:
            assert share.short >= kept.get(share.instrument, ZERO) - TINY
