"""Ids told twice are known; at least as many of the newest as was promised, and not many more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.core.seen import GENERATION, NOTHING_SEEN, Seen


def test_nothing_was_seen_at_first() -> None:
    assert "a" not in NOTHING_SEEN
    assert len(NOTHING_SEEN) == 0


def test_an_id_is_seen_once_it_was_told_and_the_earlier_record_does_not_change() -> None:
    before = Seen.of(["a"])
    after = before.adding("b", 0, 10)
    assert "a" in after
    assert "b" in after
    assert "b" not in before
    assert after != before
    assert after == Seen.of(["a", "b", "a"])


@given(st.integers(1, 4 * GENERATION), st.integers(0, 8 * GENERATION))
def test_the_newest_stay_and_memory_is_bounded(least: int, count: int) -> None:
    seen, longest = Seen(), 0
    for number in range(count):
        seen = seen.adding(f"f{number}", number, least)
        longest = max(longest, len(seen.newest))
    assert all(f"f{number}" in seen for number in range(max(0, count - least), count))
    assert len(seen) == sum(f"f{number}" in seen for number in range(count))
    assert len(seen) < least + 2 * GENERATION
    assert longest < GENERATION, "no more than one generation is ever copied"


@given(st.integers(1, 2 * GENERATION), st.integers(0, 8 * GENERATION))
def test_what_is_from_before_all_that_is_remembered_may_have_been_forgotten_and_nothing_newer(least: int, count: int) -> None:
    seen = Seen()
    for number in range(count):
        seen = seen.adding(f"f{number}", number, least)
    oldest = min((number for number in range(count) if f"f{number}" in seen), default=0)
    for number in range(count + 1):
        assert seen.may_have_forgotten(number) is (number < oldest)


def test_one_instant_that_makes_no_sense_hides_nothing_that_is_new() -> None:
    seen = Seen()
    for number in range(4 * GENERATION):
        seen = seen.adding(f"f{number}", 10**15 if number % 50 == 3 else number, GENERATION)
    assert not seen.may_have_forgotten(4 * GENERATION)
