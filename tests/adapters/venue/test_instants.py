"""Instants that venues tell, and the unit in which they tell them."""

from __future__ import annotations

from typing import Any

import pytest

from bot.adapters.venue.ccxt_mapping import Unreadable, instant


@pytest.mark.parametrize("told", [1_767_225_600, 1_767_225_600_000_000, 1_767_225_600_000_000_000, -1, "1767225600000.5"])
def test_f48_an_instant_in_another_unit_is_never_taken_for_milliseconds(told: Any) -> None:
    with pytest.raises(Unreadable, match="no instant in milliseconds"):
        instant({"ts": told}, (("ts",),))
    assert instant({"ts": "1767225600000"}, (("ts",),)) == 1_767_225_600_000
