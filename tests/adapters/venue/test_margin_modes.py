"""What venues tell of margin modes, on their own rows: `modes_unfit`. Over the wire: `test_wire_faults_conditions`."""

from __future__ import annotations

import pytest

from bot.adapters.venue.ccxt_mapping import modes_unfit
from bot.adapters.venue.profiles import PROFILES
from bot.core.units import VenueId

POSITIONS = {
    "binancecoinm": (
        {"symbol": "BTCUSD_PERP", "positionAmt": "0", "marginType": "cross"},
        {"symbol": "BTCUSD_PERP", "positionAmt": "0", "marginType": "isolated"},
    ),
    "okx": (
        {"instId": "BTC-USD-SWAP", "pos": "-3", "posSide": "net", "mgnMode": "cross"},
        {"instId": "BTC-USD-SWAP", "pos": "-3", "posSide": "net", "mgnMode": "isolated"},
    ),
    "hyperliquid": (
        {"type": "oneWay", "position": {"coin": "BTC", "szi": "-0.05", "leverage": {"type": "cross", "value": 5}}},
        {"type": "oneWay", "position": {"coin": "BTC", "szi": "-0.05", "leverage": {"type": "isolated", "value": 5, "rawUsd": "3600.5"}}},
    ),
}
"""A position in cross margin, and one in isolated margin, where positions tell it."""
APART = {
    "binanceusdm": ({"symbol": "BTCUSDT", "marginType": "CROSSED"}, {"symbol": "BTCUSDT", "marginType": "ISOLATED"}),
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
