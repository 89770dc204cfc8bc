"""What would be measured once, and what would hold up the loop: pitfalls 18 and 21, at every dialect."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator

import pytest

from bot.adapters.venue import asking
from bot.adapters.venue.ccxt_client import correct_clock
from bot.core.events import FillReported, OrderOutcomeUnknown, OrderRefused, OrderReported
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import DIALECTS, Stand, standing, until


@pytest.fixture(params=list(DIALECTS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


async def test_pitfall_18_a_request_refused_for_its_time_has_the_clock_measured_anew(stand):
    """ccxt measures once, at load_markets, and only when told to."""
    up = stand.venue._up
    late_is_unnamed = stand.venue._profile.writes.late_is_unnamed
    async with stand.listening():
        # Hyperliquid takes what is signed for up to a day ahead; what it says to an expiry that has passed proves no refusal.
        up.asker.offset_ms, up.asker._offset_within_ms = -600_000 if late_is_unnamed else 600_000, 0
        correct_clock(up.client, up.asker.offset_ms)
        answer = await stand.venue.place(stand.order("-0.05"))
        assert isinstance(answer, OrderOutcomeUnknown if late_is_unnamed else OrderRefused)
        await until(lambda: abs(up.asker.offset_ms) < 1_000)
        assert not up.asker.clock_doubted.is_set()
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


@pytest.mark.parametrize("ahead_ms", [40_000, -40_000])
async def test_pitfall_18_a_clock_that_steps_is_measured_before_the_next_order_leaves(stand, ahead_ms):
    """No beat runs and no request is refused first: Hyperliquid would take an order that is signed for 40 seconds too long."""
    dialect, left_ms = stand.desk.dialect, []
    if stand.name == "hyperliquid":
        act = dialect._act
        dialect._act = lambda body, now: left_ms.append(body["expiresAfter"] - now) or act(body, now)
    stand.clock.ahead_ms = ahead_ms
    command = stand.order("-0.05")
    assert isinstance(await stand.venue.place(command), OrderReported)
    assert abs(stand.venue._up.asker.offset_ms + ahead_ms) < 1_000
    assert stand.held() == command.quantity
    assert all(0 < each <= 5_000 for each in left_ms), "the fence stands where it was meant to"
    assert len(left_ms) == (stand.name == "hyperliquid")


async def test_pitfall_18_no_order_leaves_while_the_clock_stepped_and_the_venues_cannot_be_read(stand):
    stand.arm(FaultKind.DROP_REPLY, Operation.CLOCK, times=9)
    stand.clock.ahead_ms = 40_000
    answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderRefused)
    assert (answer.code, stand.held()) == ("not_sent", 0)
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_pitfall_18_a_clock_that_steps_is_noticed_on_the_beat_without_any_request_of_ours(stand, monkeypatch):
    monkeypatch.setattr(asking, "CLOCK_BEAT_SECONDS", 0.1)
    async with stand.listening():
        stand.clock.ahead_ms = 40_000
        await until(lambda: abs(stand.venue._up.asker.offset_ms + 40_000) < 1_000)
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)


async def test_pitfall_21_making_markets_of_a_listing_holds_nothing_up(stand, monkeypatch):
    """ccxt does it in one go, up to half a second: here a whole one. Fills are heard and orders leave meanwhile."""
    kind = type(stand.venue._up.client)
    original, threads = kind.fetch_markets, []

    async def slow(self, params: object = None) -> object:
        threads.append(threading.current_thread())
        time.sleep(1.0)  # noqa: ASYNC251  as the parsing does
        return await original(self)

    monkeypatch.setattr(kind, "fetch_markets", slow)
    late = [0.0]

    async def beat() -> None:
        while True:
            at = stand.clock.steady()
            await asyncio.sleep(0.01)
            late[0] = max(late[0], stand.clock.steady() - at)

    beating = asyncio.create_task(beat())
    described = await stand.venue.describe()
    beating.cancel()
    assert {each.venue_symbol for each in described} == set(stand.instruments)
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()
    assert late[0] < 0.7


async def test_pitfall_21_a_listing_that_fails_apart_fails_here_and_nothing_stays_behind(stand):
    stand.arm(FaultKind.REFUSE, Operation.MARKETS, times=3)
    assert await stand.venue.describe() == ()
    assert len(await stand.venue.describe()) in {0, len(stand.instruments)}
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name == f"{stand.name} markets"])


@pytest.mark.parametrize(("name", "ahead_ms"), [("bybit", -20_000), ("okx", 45_000), ("okx", -45_000), ("deribit", -90_000)])
async def test_the_login_on_a_socket_is_signed_by_the_venues_clock(name, ahead_ms):
    """ccxt adds the measured offset to requests, and not to logins: Bybit's is valid for ten seconds, OKX's for thirty."""
    async with standing(name, moving=True, ahead_ms=ahead_ms) as stand, stand.listening() as box:
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)
        await until(lambda: box.of(FillReported))
