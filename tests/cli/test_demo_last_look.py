"""The demo's last look: each way in which the bot's record and the venues' books may differ has its own sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.drivers.demo.last_look import LastLook
from bot.drivers.demo.observer import Truth

SHORT = Decimal("-2")


def truth(collateral: str = "2") -> Truth:
    return Truth(
        at=1,
        units={("okx", "BTC-USDT-SWAP"): SHORT},
        shorts={("okx", "BTC"): SHORT},
        coins={},
        collateral={"BTC": Decimal(collateral), "ETH": Decimal(0)},
        marks={"BTC": Decimal(90_000), "ETH": Decimal(3_000)},
    )


def told(units: str = "-2", fills: int = 3) -> dict[str, Any]:
    return {"fills": fills, "instruments": [{"instrument": "okx:BTC-USDT-SWAP", "position_units": {"low": units, "high": units}}]}


def look(**changed: Any) -> LastLook:
    agreed = LastLook(
        told=told(),
        truth=truth(),
        fills_at_venues={"okx": 3},
        fees_at_venues_usd=Decimal(1),
        funding_told={"USDT": Decimal("1.5")},
        funding_at_venues={"USDT": Decimal("1.5")},
    )
    return replace(agreed, **changed)


def test_nothing_differs() -> None:
    assert look().difference() is None


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"told": None}, "The bot could not be asked for its statement at the end."),
        ({"truth": truth("2.1")}, "The book did not end hedged within the band: net delta BTC +0.1, ETH +0."),
        ({"told": told(units="-1.999")}, "The bot's positions and the venues' books differ at the end."),
        ({"told": told(fills=2)}, "The bot knows of 2 fills, the venues of 3."),
        ({"funding_told": {}}, "The bot's record holds 0 USDT of funding, the venues' books 1.5."),
        ({"funding_at_venues": {"USDT": Decimal("1.6")}}, "The bot's record holds 1.5 USDT of funding, the venues' books 1.6."),
        (
            {"funding_told": {"USDT": Decimal("1.5"), "BTC": Decimal("0.1")}},
            "The bot's record holds 0.1 BTC of funding, the venues' books 0.",
        ),
    ],
)
def test_what_differs_is_told(changed: Mapping[str, Any], sentence: str) -> None:
    assert look(**changed).difference() == sentence


def test_a_venue_rounds_what_it_tells() -> None:
    assert look(funding_told={"USDT": Decimal("1.50000001")}).difference() is None
