"""What is asked on beats, in good weather and by nobody's wish: it fits every venue's budget, and no question is asked twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bot.adapters.venue.book_check import CHECK_SECONDS
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.throttle import Lane
from bot.core.events import VenueReported
from bot.core.policy import Policy
from bot.drivers.demo.stage import POLICY as DEMO_POLICY
from bot.drivers.live import FUNDING_POLL_S
from bot.shell.feeds import MARKETS_EVERY_S
from tests.adapters.venue.test_budgets import reached
from tests.adapters.venue.venue_stand import SYMBOLS, Stand, standing

MINUTE_S = 60.0


@pytest.fixture(params=list(SYMBOLS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


async def drawn(stand: Stand, asking: Callable[[], Awaitable[Any]]) -> Counter[str]:
    """How much of each limit something draws, units by the limit's name."""
    gate, units = stand.venue._gate, Counter[str]()
    admit = gate.admit

    async def counted(lane: Lane, owed: dict[str, int]) -> None:
        units.update(owed)
        await admit(lane, owed)

    gate.admit = counted
    try:
        await asking()
    finally:
        gate.admit = admit
    return units


async def test_a_minute_of_beats_fits_the_budget_of_readings(stand):
    """What is used up within a few seconds is missing for the rest of the minute, and no position could be read meanwhile."""
    reading = await drawn(stand, lambda: stand.venue.read(stand.reading()))
    funding = await drawn(stand, stand.venue.funding_rates)
    funding += await drawn(stand, lambda: stand.venue.funding_payments(stand.clock.now() - 3_600_000))
    market = await drawn(stand, stand.venue.markets)
    report_ms = min(Policy().report_interval_ms, DEMO_POLICY.get("report_interval_ms", Policy().report_interval_ms))
    beats = ((reading, report_ms / 1000), (funding, min(FUNDING_POLL_S.values())), (market, MARKETS_EVERY_S))
    for limit in stand.venue._profile.limits:
        minute = sum(units[limit.name] * MINUTE_S / every_s for units, every_s in beats)
        if touch := stand.venue._profile.touch:
            owed = stand.venue._profile.weights[touch.query.ask].get(limit.name, 0)
            minute += owed * len(stand.instruments) * MINUTE_S / CHECK_SECONDS
        room = (limit.units - limit.reserved - limit.for_look_ups) * MINUTE_S / limit.period_s
        assert minute <= room, f"{limit.name}: {minute:.0f} of {room:.0f} a minute"


async def test_polls_that_used_up_their_part_leave_readings_theirs(stand):
    gate = stand.venue._gate
    for limit in stand.venue._profile.limits:
        if limit.for_readings:
            polls = asyncio.create_task(gate.admit(Lane.MARKET_DATA, {limit.name: limit.units}))
            await asyncio.sleep(0.2)
            assert gate.left(limit.name) > limit.reserved + limit.for_look_ups
            polls.cancel()
            await asyncio.gather(polls, return_exceptions=True)
            gate.leave(limit.name, limit.reserved + limit.for_look_ups + limit.for_readings, limit.period_s)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


async def test_funding_and_markets_are_asked_for_once_per_question(stand):
    """Where one answer tells of every instrument, it is not asked for again for each."""
    profile, asker = stand.venue._profile, stand.venue._up.asker
    seen = reached(stand)
    rates = await stand.venue.funding_rates()
    assert {each.instrument for each in rates} == {each.id for each in stand.instruments.values()}
    assert len(seen) == len(asker.scopes(profile.funding.rates))
    seen.clear()
    markets = await stand.venue.markets()
    assert {each.instrument for each in markets} == {each.id for each in stand.instruments.values()}
    queries = [profile.market.open_interest, *([profile.market.volume] if profile.market.volume else [])]
    assert len(seen) == sum(len(asker.scopes(query)) for query in queries)


@pytest.mark.parametrize("venue", list(PROFILES))
def test_a_limit_that_readings_and_polls_share_by_the_minute_keeps_a_part_for_readings(venue):
    """What is used up by the minute is missing for as long: nothing can be read meanwhile."""
    weights = PROFILES[venue].weights
    for limit in PROFILES[venue].limits:
        polled = any(limit.name in weights.get(ask, {}) for ask in ("funding", "funding_paid", "market"))
        read = any(limit.name in weights.get(ask, {}) for ask in ("positions", "margin", "fills", "open_orders"))
        assert bool(limit.for_readings) is (polled and read and limit.period_s >= MINUTE_S)
