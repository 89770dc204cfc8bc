"""What each venue's requests and streams cost in time is told, for people: nothing decides on it."""

from __future__ import annotations

import asyncio

import pytest

from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.doors import Doors
from bot.adapters.venue.routing import RoutingSession
from tests.adapters.venue.test_routing import HOST, json_reply, loopback
from tests.adapters.venue.venue_stand import DIALECTS, Box, standing, until
from tests.adapters.venue.venue_stand import settings_of as settings


@pytest.mark.parametrize("name", sorted(DIALECTS))
async def test_requests_and_books_are_timed(name: str) -> None:
    async with standing(name, moving=True) as stand:
        answered: list[float] = []
        delayed: list[float] = []
        venue = CcxtVenue(settings(name, stand.server), stand.clock, answered=answered.append, delayed=delayed.append)
        await venue.open()
        assert answered
        assert min(answered) > 0
        box = Box()
        listening = asyncio.create_task(venue.listen(box))
        await until(lambda: len(delayed) > 3 and box.quotes)
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await venue.close()
        assert min(delayed) >= 0, "a book is never younger than its arrival"


async def test_the_time_to_an_answer_is_told_and_a_refused_host_is_none() -> None:
    told: list[float] = []
    async with loopback(lambda _: json_reply("{}")) as venue:
        session = RoutingSession(Doors.wide_open({HOST: venue.base}), answered=told.append)
        async with session.get(f"https://{HOST}/x") as answer:
            await answer.read()
        await session.close()
    assert len(told) == 1
