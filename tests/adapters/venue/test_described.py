"""What is said of venues in words holds: our ids fit their forms, and codes that prove nothing are not taken for proof."""

from __future__ import annotations

import re

import ccxt
import pytest

from bot.adapters.venue.described import DESCRIBED, FLAGS, ccxt_flags
from bot.adapters.venue.outcomes import PROVEN, SOURCES, Refused, Unproven, classify
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.unproven import UNPROVEN
from bot.core.drafting import client_order_id
from bot.shell.lifecycle import epoch_of
from bot.simulator.listings import listing_of

CODES = [(venue, code) for venue, codes in UNPROVEN.items() if venue in PROFILES for code in codes]
SHAPES = (
    '{{"code":"{0}","msg":"w"}}',
    '{{"retCode":"{0}","retMsg":"w"}}',
    '{{"code":"1","data":[{{"sCode":"{0}","sMsg":"w"}}]}}',
    '{{"status":"err","response":"{0}"}}',
    '{{"status":"ok","response":{{"type":"order","data":{{"statuses":[{{"error":"{0}"}}]}}}}}}',
)


@pytest.mark.parametrize(("venue", "code"), CODES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("raised", [ccxt.ExchangeError, ccxt.InvalidOrder, ccxt.InsufficientFunds, ccxt.BadRequest])
def test_a_code_that_proves_nothing_is_no_refusal_whatever_ccxt_makes_of_it(venue, code, shape, raised):
    outcome = classify(venue, raised(f"{venue} {shape.format(code)}"), sent=True)
    assert isinstance(outcome, Unproven), outcome
    assert not isinstance(outcome, Refused)


@pytest.mark.parametrize("venue", UNPROVEN)
def test_no_code_is_both_a_proof_and_none(venue):
    assert not set(UNPROVEN[venue]) & set(PROVEN.get(venue, {}))


@pytest.mark.parametrize("venue", PROFILES)
def test_every_venue_is_described_with_its_sources(venue):
    told = DESCRIBED[venue]
    assert told.source.startswith("https://")
    assert SOURCES[venue].startswith("https://")
    assert all(getattr(told, part) for part in told.__slots__)


@pytest.mark.parametrize("venue", PROFILES)
def test_what_ccxt_says_of_itself_is_read_from_ccxt(venue):
    told = ccxt_flags(venue)
    assert tuple(told) == FLAGS
    assert {told["fetchPositions"], told["watchOrders"]} == {"yes"}
    assert set(told.values()) <= {"yes", "no", "emulated"}


@pytest.mark.parametrize("venue", PROFILES)
def test_our_ids_have_the_form_that_the_venue_takes(venue):
    """Where a venue takes another alphabet altogether, they are mapped on their way."""
    ours = client_order_id(epoch_of(999_999, 1_800_000_000_000, "tag"), 36**6 - 1)
    form = listing_of(venue).client_id_form
    assert re.fullmatch(form, ours) or form.startswith("0x")
