"""The dead-man switch: refreshed on virtual time whatever else goes on, and at every dialect over the real wire."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import ccxt
import pytest
from structlog.testing import capture_logs

from bot.adapters.venue.asking import Asker
from bot.adapters.venue.dead_man import DeadManSwitch
from bot.adapters.venue.profile import DeadMan
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.questions import Ask, Query
from bot.adapters.venue.throttle import Gate, Lane
from bot.core.instrument import ContractKind
from bot.core.units import VenueId
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from bot.simulator.model import OrderReport
from bot.simulator.virtual_time import VirtualClock
from tests.adapters.venue.test_environments import settings
from tests.adapters.venue.test_throttle import _now, _throttlers_read_the_loops_clock, virtually  # noqa: F401  an autouse fixture
from tests.adapters.venue.venue_stand import DIALECTS, Stand, standing, until
from tests.simulator.stand import KEY

WITH_SWITCH = [name for name in DIALECTS if PROFILES[VenueId(name)].dead_man is not None]
TIMEOUT_S = 60.0


class Countdown:
    """Stands in for ccxt: a venue that starts its countdown anew with each request that arrives, and notes when it fired."""

    def __init__(self, *, takes_s: float = 0.1, failing: tuple[int, ...] = ()) -> None:
        self.takes_s, self.failing = takes_s, failing
        self.asked: list[dict[str, Any]] = []
        self.arrived: list[float] = []
        self.fired: list[float] = []

    async def fapiPrivatePostCountdownCancelAll(self, parameters: dict[str, Any]) -> dict[str, Any]:  # noqa: N802  ccxt's name
        self.asked.append(parameters)
        if len(self.asked) in self.failing:
            await asyncio.sleep(4.0)
            raise ccxt.RequestTimeout("no answer")
        await asyncio.sleep(self.takes_s)
        if self.arrived and _now() - self.arrived[-1] >= TIMEOUT_S:
            self.fired.append(_now())
        self.arrived.append(_now())
        return {"symbol": parameters["symbol"], "countdownTime": parameters["countdownTime"]}


class Right:
    """Whether the lease is ours."""

    held = True

    def held_for(self) -> float:
        return 2.0 if self.held else 0.0

    def seconds(self) -> float:
        return self.held_for()


def switch_on(venue: Countdown, told: list | None = None, right: Right | None = None) -> tuple[DeadManSwitch, Gate]:
    profile = PROFILES[VenueId("binanceusdm")]
    assert profile.dead_man is not None
    gate = Gate(profile.limits, queue_max=400)
    asker = Asker(venue, profile, settings("binanceusdm"), gate, VirtualClock())
    asker.places = {"BTCUSDT": profile.place("BTCUSDT", ContractKind.LINEAR, "USDT")}
    switch = DeadManSwitch(
        profile.venue, asker, profile.dead_man, ["BTCUSDT"], list, VirtualClock(), None if told is None else told.append, right
    )
    return switch, gate


async def passes(switch: DeadManSwitch, seconds: float) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await switch.run()


@virtually
async def test_it_is_refreshed_every_quarter_of_its_time():
    venue, told = Countdown(), []
    switch, _ = switch_on(venue, told)
    await passes(switch, 600)
    assert len(venue.arrived) == 40
    assert {round(later - earlier, 6) for earlier, later in zip(venue.arrived, venue.arrived[1:], strict=False)} == {15.0}
    assert venue.asked[0] == {"symbol": "BTCUSDT", "countdownTime": "60000"}
    assert (told, switch.is_armed) == ([True], True)


@virtually
async def test_it_never_fires_while_the_bot_is_alive_but_busy():
    """Polls have used up all that they can get, two hundred more wait, and every answer takes as long as is waited for."""
    venue = Countdown(takes_s=3.9)
    switch, gate = switch_on(venue)
    polls = [asyncio.create_task(gate.admit(lane, {"weight": 200})) for lane in list(Lane)[1:] for _ in range(40)]
    await asyncio.sleep(1.0)
    await passes(switch, 3_600)
    assert venue.fired == []
    assert max(later - earlier for earlier, later in zip(venue.arrived, venue.arrived[1:], strict=False)) < TIMEOUT_S / 3
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)


@virtually
async def test_refreshes_that_fail_are_tried_again_in_time():
    venue, told = Countdown(failing=(3, 4, 5, 9)), []
    switch, _ = switch_on(venue, told)
    await passes(switch, 300)
    assert venue.fired == []
    assert told == [True]


@virtually
async def test_a_venue_that_takes_none_is_told_once_it_may_have_fired_and_armed_again_when_it_takes_one():
    venue, told = Countdown(failing=tuple(range(2, 30))), []
    switch, _ = switch_on(venue, told)
    with capture_logs() as logs:
        await passes(switch, 400)
    assert told[0] is True
    assert False in told
    assert told[-1] is True
    assert {each["event"] for each in logs} >= {"dead_man_switch_armed", "dead_man_switch_not_armed"}
    assert len(venue.fired) == 1


@virtually
async def test_who_takes_over_starts_the_countdown_anew_and_what_the_killed_one_armed_never_fires():
    """The switch is the account's: the last refresh counts, whoever sent it."""
    venue, right = Countdown(), Right()
    killed, _ = switch_on(venue, right=right)
    await passes(killed, 44)
    await asyncio.sleep(8.0)  # until the lease is free and the next instance has opened the venue
    taken_over, _ = switch_on(venue, right=Right())
    await passes(taken_over, 300)
    assert venue.fired == []


@virtually
async def test_who_lost_the_lease_neither_refreshes_nor_disarms_what_is_another_instances_now():
    venue, right, told = Countdown(), Right(), []
    frozen, _ = switch_on(venue, told, right)
    await passes(frozen, 20)
    asked = len(venue.asked)
    right.held = False
    await passes(frozen, 120)
    assert not await frozen.disarm()
    assert len(venue.asked) == asked
    assert told == [True, False]


@virtually
async def test_disarming_is_one_request_of_length_zero():
    venue, told = Countdown(), []
    switch, _ = switch_on(venue, told)
    await passes(switch, 20)
    assert await switch.disarm()
    assert venue.asked[-1]["countdownTime"] == "0"
    assert (told, switch.is_armed) == ([True, False], False)


def test_a_request_of_the_countdown_is_weighed_where_there_is_one():
    for name in WITH_SWITCH:
        profile = PROFILES[VenueId(name)]
        assert profile.weights[Ask.DEAD_MAN]
        assert isinstance(profile.dead_man, DeadMan)
        assert isinstance(profile.dead_man.query, Query)


# --- on the wire --------------------------------------------------------------------------------------------------------


@pytest.fixture(params=WITH_SWITCH)
async def stand(request):
    async with standing(request.param, moving=True) as one:
        yield one


def guards(stand: Stand) -> bool:
    """Whether the venue would act by itself, from its own books."""
    dialect = stand.desk.dialect
    match stand.name:
        case "bybit":
            protection = dialect._venue.protection
            return KEY.account in protection._seen_at and protection.window(KEY.account) == TIMEOUT_S
        case "okx":
            return KEY.account in dialect._desk.countdowns
        case _:
            symbols = {symbol for account, symbol in dialect._state.countdowns if account == KEY.account}
            return symbols == set(stand.instruments)


def resting(stand: Stand):
    return stand.order("-0.05", stand.btc.tick * 610_000, post_only=True)


async def test_while_we_listen_it_is_armed_and_what_rests_is_cancelled_when_we_fall_silent(stand):
    """A forced stop: nobody disarms."""
    async with stand.listening():
        await until(lambda: guards(stand))
        await stand.venue.place(resting(stand))
        assert len(stand.desk.exchange.open_orders(KEY.account)) == 1
    await stand.venue.close()
    assert guards(stand), "it was never disarmed"
    late = stand.clock.now() + int(TIMEOUT_S * 1_000) + 2_000
    reports = stand.desk.dialect.elapsed(late)
    assert [type(report) for report in reports if isinstance(report, OrderReport)] == [OrderReport]
    assert stand.desk.exchange.open_orders(KEY.account) == ()


async def test_an_orderly_stop_disarms_it_last(stand):
    async with stand.listening():
        await until(lambda: guards(stand))
        await stand.venue.place(resting(stand))
    await stand.venue.disarm()
    await until(lambda: not guards(stand))
    late = stand.clock.now() + int(TIMEOUT_S * 1_000) + 2_000
    assert [report for report in stand.desk.dialect.elapsed(late) if isinstance(report, OrderReport)] == []
    assert len(stand.desk.exchange.open_orders(KEY.account)) == 1
    await stand.venue.close()
    await stand.venue.disarm()  # nothing to do, and no mistake


async def test_a_new_private_connection_is_watched_again(stand):
    if PROFILES[VenueId(stand.name)].dead_man.guard is None:
        pytest.skip("a countdown does not hang on a connection")
    async with stand.listening():
        await until(lambda: guards(stand))
        stand.server.close_sockets(stand.name)
        stand.desk.dialect._venue.protection._seen_at.clear()
        await until(lambda: guards(stand), 12)


async def test_an_account_whose_switch_is_refused_is_told_and_trades_on(stand):
    told: list[bool] = []
    stand.venue._armed_told = told.append
    stand.arm(FaultKind.REFUSE, Operation.SETTINGS, status=500, body="{}", times=50)
    with capture_logs() as logs:
        async with stand.listening():
            await until(lambda: told)
            assert told == [False]
            assert (await stand.venue.place(stand.order("-0.05"))).report.client_order_id
    assert any(each["event"] == "dead_man_switch_not_armed" and each["log_level"] == "warning" for each in logs)


async def test_where_there_is_none_that_is_said(monkeypatch):
    async with standing("okx", moving=True) as stand:
        monkeypatch.setattr(stand.venue, "_profile", replace(stand.venue._profile, dead_man=None))
        with capture_logs() as logs:
            async with stand.listening():
                pass
        assert [each["venue"] for each in logs if each["event"] == "dead_man_switch_absent"] == ["okx"]
        await stand.venue.disarm()
