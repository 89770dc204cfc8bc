"""Our ids where a venue takes 128 bits: what goes out comes back exactly, and nobody else's is taken for ours."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.venue.client_ids import as_hex128, from_hex128

OURS = st.from_regex(r"[a-z][a-z0-9]{0,23}", fullmatch=True)


@given(OURS)
def test_what_goes_out_comes_back(ours):
    sent = as_hex128(ours)
    assert re.fullmatch(r"0x[0-9a-f]{32}", sent)
    assert from_hex128(sent) == ours
    assert from_hex128(sent.upper().replace("0X", "0x")) == ours


@given(OURS, OURS)
def test_two_ids_are_never_one_number(first, second):
    assert (as_hex128(first) == as_hex128(second)) is (first == second)


@pytest.mark.parametrize("ours", ["a", "z" * 24, "h00010mx14844j0f5c00000m", "a" + "0" * 23])
def test_the_shortest_the_longest_and_one_as_we_make_them(ours):
    assert from_hex128(as_hex128(ours)) == ours


@pytest.mark.parametrize("wrong", ["", "1abc", "A1", "a" * 25, "a-b", "0x12"])
def test_what_does_not_fit_is_refused_and_never_shortened(wrong):
    with pytest.raises(ValueError, match="client order id"):
        as_hex128(wrong)


@given(st.integers(0, 2**128 - 1))
def test_a_strangers_number_is_ours_only_if_we_would_send_it(number):
    told = f"0x{number:032x}"
    mine = from_hex128(told)
    assert mine == told or as_hex128(mine) == told
    if mine == told:
        assert told[0] in string.digits, "no id of ours begins like that"


@pytest.mark.parametrize("told", ["", "0x", "0x12", "story1", "0x" + "g" * 32, "0x" + "0" * 33])
def test_what_is_no_such_number_stays_as_it_is(told):
    assert from_hex128(told) == told
