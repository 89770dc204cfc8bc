"""What venues tell of margin modes and leverage, on their own rows. Over the wire: `test_wire_faults_conditions`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.set_otherwise import leverages_unlike, modes_unfit, remarks_of
from bot.core.units import VenueId

POSITIONS = {
    "binancecoinm": (
        {"symbol": "BTCUSD_PERP", "positionAmt": "0", "marginType": "cross", "leverage": "5"},
        {"symbol": "BTCUSD_PERP", "positionAmt": "0", "marginType": "isolated"},
    ),
    "okx": (
        {"instId": "BTC-USD-SWAP", "pos": "-3", "posSide": "net", "mgnMode": "cross", "lever": "5"},
        {"instId": "BTC-USD-SWAP", "pos": "-3", "posSide": "net", "mgnMode": "isolated"},
    ),
    "hyperliquid": (
        {"type": "oneWay", "position": {"coin": "BTC", "szi": "-0.05", "leverage": {"type": "cross", "value": 5}}},
        {"type": "oneWay", "position": {"coin": "BTC", "szi": "-0.05", "leverage": {"type": "isolated", "value": 5, "rawUsd": "3600.5"}}},
    ),
}
"""A position in cross margin, and one in isolated margin, where positions tell it."""
APART = {
    "binanceusdm": ({"symbol": "BTCUSDT", "marginType": "CROSSED", "leverage": 5}, {"symbol": "BTCUSDT", "marginType": "ISOLATED"}),
    "bybit": ({"marginMode": "REGULAR_MARGIN"}, {"marginMode": "ISOLATED_MARGIN"}),
}
"""The same where it is told apart from positions."""
OURS = {"BTCUSD_PERP": None, "BTC-USD-SWAP": None, "BTC": None, "BTCUSDT": None}


@pytest.mark.parametrize("venue", POSITIONS)
def test_a_position_in_isolated_margin_is_told(venue):
    shape, (cross, isolated) = PROFILES[VenueId(venue)].reads.position_shape, POSITIONS[venue]
    where = shape.symbol, shape.margin_mode, shape.cross
    assert modes_unfit([cross], *where, OURS) == ()
    (sentence,) = modes_unfit([isolated], *where, OURS)
    assert sentence.endswith("is in margin mode isolated, not in cross margin")
    assert modes_unfit([isolated], *where, {}) == (), "an instrument that is not ours"
    assert modes_unfit([isolated | {"marginType": None, "mgnMode": "", "position": {"coin": "BTC"}}], *where, OURS) == ()


@pytest.mark.parametrize("venue", APART)
def test_a_mode_that_is_told_apart_is_told_of_what_is_flat_too(venue):
    modes, (cross, isolated) = PROFILES[VenueId(venue)].reads.margin_modes, APART[venue]
    assert modes is not None
    assert modes_unfit([cross], modes.symbol, modes.mode, modes.cross, OURS) == ()
    (sentence,) = modes_unfit([isolated], modes.symbol, modes.mode, modes.cross, OURS)
    assert "ISOLATED" in sentence
    assert sentence.startswith("BTCUSDT" if modes.symbol else "the account")


def test_every_venue_tells_margin_modes_or_knows_one_alone():
    told = {venue for venue, each in PROFILES.items() if each.reads.margin_modes or each.reads.position_shape.margin_mode}
    assert told == set(POSITIONS) | set(APART) | {"deribit"}, "Deribit's own words: test_deribit"
    assert set(PROFILES) == told


BYBIT = {"symbol": "BTCUSDT", "positionIdx": 0, "size": "0.05", "leverage": "5"}
LEVERAGES = {
    **{venue: (PROFILES[VenueId(venue)].reads.position_shape, cross) for venue, (cross, _) in POSITIONS.items()},
    "bybit": (PROFILES[VenueId("bybit")].reads.position_shape, BYBIT),
    "binanceusdm": (PROFILES[VenueId("binanceusdm")].reads.margin_modes, APART["binanceusdm"][0]),
}
"""Where each venue tells a leverage, and a row that tells five."""


@pytest.mark.parametrize("venue", LEVERAGES)
def test_a_leverage_other_than_ours_is_told_of_our_instruments_alone(venue):
    shape, row = LEVERAGES[venue]
    assert leverages_unlike([row], shape.symbol, shape.leverage, Decimal(5), OURS) == {}
    unlike = leverages_unlike([row], shape.symbol, shape.leverage, Decimal(3), OURS)
    assert list(unlike.values()) == [Decimal(5)]
    assert remarks_of(unlike, Decimal(3)) == (f"{next(iter(unlike))} is at leverage 5, not 3",)
    assert leverages_unlike([row], shape.symbol, shape.leverage, Decimal(3), {}) == {}, "an instrument that is not ours"


@pytest.mark.parametrize("told", ["", None, "0", "-1", "words", [5]])
def test_what_makes_no_sense_as_a_leverage_is_not_told(told):
    shape, row = LEVERAGES["bybit"]
    assert leverages_unlike([row | {"leverage": told}], shape.symbol, shape.leverage, Decimal(3), OURS) == {}, "of a portfolio it is empty"


def test_every_venue_with_a_leverage_to_set_tells_it():
    assert {venue for venue, each in PROFILES.items() if each.setup is not None} == set(LEVERAGES)
