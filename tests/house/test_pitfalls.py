"""Each pitfall of the venues' client that was reproduced has a test that carries its number."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pytest

from tests.house.test_scenarios import names_below

PITFALLS: Mapping[int, str] = {
    1: "an order is sent twice when a kept connection drops",
    2: "retries of its own send an order again",
    3: "an unknown outcome is not only a network error",
    4: "a cancel of a finished order says nothing about fills",
    5: "a receive loop that died leaves its socket open",
    6: "half-open sockets take minutes to be found",
    7: "a topic that is silent while pongs come is never found",
    8: "a listen key is extended once and never again, and its end is not heard",
    9: "watching positions hangs for ever when their snapshot fails",
    10: "what comes between two watch calls wakes nobody",
    11: "one waiter's cancellation is everybody's",
    12: "what was told changes afterwards",
    13: "gaps in a book are applied in silence",
    14: "decimals are lost in silence",
    15: "a quantity's unit differs from venue to venue",
    16: "signs and times differ from venue to venue",
    17: "defaults leave out categories, settle assets and currencies",
    18: "the clock is measured once",
    19: "closing cancels what waits, in silence",
    20: "what is kept grows",
    21: "reading the listing holds up the loop",
    22: "classes of errors say nothing about what happened",
    23: "most subscriptions cannot be ended",
}
_NAME = re.compile(r"test_pitfall_(\d{2})_[a-z]\w{10,}")


def untested(names: Iterable[str], pitfalls: Mapping[int, str]) -> list[str]:
    """The pitfalls that no test carries the number of, and numbers that are carried and stand for nothing."""
    carried = {int(found[1]) for name in names if (found := _NAME.fullmatch(name))}
    missing = [f"{number:02}: no test shows that {what}" for number, what in pitfalls.items() if number not in carried]
    return missing + [f"{number:02}: there is no such pitfall" for number in sorted(carried - pitfalls.keys())]


def test_every_pitfall_has_a_test_that_carries_its_number() -> None:
    assert sorted(PITFALLS) == list(range(1, 24))
    assert untested(names_below("."), PITFALLS) == []


def test_every_test_that_speaks_of_a_pitfall_in_its_name_says_which_and_what() -> None:
    assert [name for name in names_below(".") if name.startswith("test_pitfall") and not _NAME.fullmatch(name)] == []


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["test_pitfall_01_a_thing_that_happened"], []),
        (["test_pitfall_1_a_thing_that_happened"], ["01: no test shows that it happens"]),
        (["test_pitfall_01_short"], ["01: no test shows that it happens"]),
        (["test_pitfall_01_a_thing_that_happened", "test_pitfall_24_another_thing_that_is"], ["24: there is no such pitfall"]),
    ],
)
def test_a_missing_and_an_invented_number_are_found(names: list[str], told: list[str]) -> None:
    assert untested(names, {1: "it happens"}) == told
