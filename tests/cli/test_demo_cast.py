"""Who plays in the demo."""

from __future__ import annotations

import pytest

from bot.drivers.demo.cast import PARTS, cast_of
from bot.drivers.refusals import DemoRefused
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import contracts_of


def test_without_names_everybody_plays() -> None:
    assert [part.venue for part in cast_of()] == list(PARTS)
    assert any("BTC" in part.balances for part in cast_of())
    assert [part.venue for part in cast_of(["okx", "binancecoinm", "binanceusdm"])] == ["binanceusdm", "okx", "binancecoinm"]


def test_everybody_who_can_be_cast_is_simulated_and_lists_what_the_part_asks_for() -> None:
    for part in PARTS.values():
        assert part.venue in DIALECTS
        listed = {contract.symbol: contract for contract in contracts_of(part.venue)}
        assert set(part.instruments) <= set(listed)
        assert {listed[symbol].settle for symbol in part.instruments} == set(part.balances), part.venue


def test_two_are_too_few() -> None:
    with pytest.raises(DemoRefused, match="at least three"):
        cast_of(["binancecoinm", "okx"])
