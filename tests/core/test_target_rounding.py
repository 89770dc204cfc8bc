"""Limits that came out of a division have all 28 digits; spreading under them has to end all the same."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.target import Grade, Slot, allocate
from bot.core.units import InstrumentId

D = Decimal


def slots(*legs: tuple[Decimal, Decimal]) -> list[Slot]:
    return [
        Slot(instrument=InstrumentId(f"v{n}:BTC"), short=short, most=most, grade=Grade.PREFERRED, binding=None)
        for n, (short, most) in enumerate(legs)
    ]


@pytest.mark.timeout(10)
def test_lowering_to_flat_ends_although_differences_round() -> None:
    legs = slots((D("2.379"), D("1.764550111068154018950743398")), (D("1.644"), D("0.2316612322583655201602287459")))
    assert [s.short for s in allocate(D("-1.0680"), legs).shares] == [D(0), D(0)]


SHARE = st.tuples(st.integers(0, 10**6), st.sampled_from([3, 7, 11, 13, 59999])).map(lambda t: D(t[0]) / D(t[1]))


@pytest.mark.timeout(60)
@given(st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=5), SHARE)
def test_spreading_ends_and_keeps_under_every_limit(legs: list[tuple[Decimal, Decimal]], needed: Decimal) -> None:
    shares = allocate(needed, slots(*legs)).shares
    tiny = D("1e-15")
    assert all(-tiny <= share.short <= most + tiny for share, (_, most) in zip(shares, legs, strict=True))
    assert sum(s.short for s in shares) <= needed + tiny
