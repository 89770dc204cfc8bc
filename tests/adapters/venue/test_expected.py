"""Orders that the stream has yet to speak of."""

from __future__ import annotations

from bot.adapters.venue.expected import KEPT_MAX, SILENT_SECONDS, Expected
from bot.core.units import ClientOrderId

ONE, OTHER = ClientOrderId("one"), ClientOrderId("other")


def test_an_order_that_is_never_told_is_overdue_once() -> None:
    expected = Expected()
    expected.taken(ONE, 100.0)
    assert expected.overdue(100.0 + SILENT_SECONDS) is None
    assert expected.overdue(100.1 + SILENT_SECONDS) == ONE
    expected.forget()
    assert expected.overdue(1_000.0) is None


def test_what_is_told_is_waited_for_no_longer_in_either_order() -> None:
    expected = Expected()
    expected.taken(ONE, 0.0)
    expected.told(None)
    expected.told(ONE)
    expected.told(OTHER)
    expected.taken(OTHER, 0.0)
    assert expected.overdue(1_000.0) is None


def test_what_was_told_long_ago_is_forgotten() -> None:
    expected = Expected()
    for number in range(KEPT_MAX + 1):
        expected.told(ClientOrderId(f"n{number}"))
    expected.taken(ClientOrderId("n0"), 0.0)
    expected.taken(ClientOrderId("n1"), 0.0)
    assert expected.overdue(1_000.0) == "n0"
