"""The present told while the past is late or dead, on every dialect: orders, positions and margin, twice, and no complete reading."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.core.events import HoldingsReported, VenueReported, VenueUnreadable
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import STANDS, Box, Stand, standing

MANY = 1_000


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


def told_to(stand: Stand) -> Box:
    box = Box()
    stand.venue._up.reader.inbox = box
    return box


async def test_positions_and_margin_are_told_twice_while_fills_fail(stand):
    await stand.venue.place(stand.order("-0.05"))
    box = told_to(stand)
    stand.arm(FaultKind.REFUSE, Operation.FILLS, status=503, body="{}", times=MANY)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    first, second = box.of(HoldingsReported)
    for told in (first, second):
        held = {each.instrument: each.quantity for each in told.positions}
        assert held == {each.id: stand.units("-0.05") if each is stand.btc else 0 for each in stand.instruments.values()}
        assert {each.asset for each in told.margins} == {each.settle for each in stand.instruments.values()}
    assert first.asked_at < first.at <= second.asked_at < second.at, "the second is asked after the first was answered"


async def test_nothing_is_told_of_a_venue_that_answers_in_full_nor_after_it_once_did(stand):
    box = told_to(stand)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)
    stand.arm(FaultKind.REFUSE, Operation.FILLS, status=503, body="{}", times=MANY)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    assert box.of(HoldingsReported) == []


async def test_nothing_is_told_when_positions_are_what_fails(stand):
    await stand.venue.place(stand.order("-0.05"))
    box = told_to(stand)
    stand.arm(FaultKind.REFUSE, Operation.FILLS, status=503, body="{}", times=MANY)
    stand.arm(FaultKind.REFUSE, Operation.POSITIONS, status=200, body="{}", times=MANY)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    assert box.of(HoldingsReported) == []
