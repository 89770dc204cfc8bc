"""What ccxt 4.5.90 does by itself at both of Binance's futures venues, and what the adapter does instead: pitfalls 8 and 18."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from bot.core.events import FillReported, OrderRefused, OrderReported, VenueLink, VenueReported
from bot.simulator.desk import wall_ms
from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import FaultKind
from tests.adapters.venue.test_venue_streams import links
from tests.adapters.venue.venue_stand import DIALECTS, Stand, standing, until
from tests.simulator.stand import KEY, client_of, desk_of, serving

SECTIONS = {"binanceusdm": "fapiPrivate", "binancecoinm": "dapiPrivate"}
"""ccxt's implicit methods of each venue begin with this."""
KEY_OPTION = {"binanceusdm": "linear", "binancecoinm": "inverse"}
"""Where ccxt keeps the listen key of each."""
venues = pytest.mark.parametrize("name", list(SECTIONS))


@pytest.fixture
async def lively(name: str) -> AsyncIterator[Stand]:
    async with standing(name, moving=True) as one:
        yield one


def counted(client, *calls: str) -> Counter[str]:
    """How often each of ccxt's methods is called from here on."""
    seen: Counter[str] = Counter()
    for call in calls:
        original = getattr(client, call)

        async def through(*arguments, _call=call, _original=original):
            seen[_call] += 1
            return await _original(*arguments)

        setattr(client, call, through)
    return seen


@venues
async def test_pitfall_08_ccxt_extends_the_listen_key_once_and_never_again(name):
    async with (
        serving(desk_of(name, DIALECTS[name])) as server,
        client_of(server, name, options={"listenKeyRefreshRate": 100}) as client,
    ):
        await client.load_markets()
        seen = counted(client, f"{SECTIONS[name]}PutListenKey")
        waiting = asyncio.ensure_future(client.watch_orders())
        await until(seen.total)
        await asyncio.sleep(0.6)
        assert seen.total() == 1, "six periods later: a quiet account would lose its stream after an hour"
        waiting.cancel()


@venues
async def test_pitfall_08_the_listen_key_is_kept_alive_by_us(name, lively, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_SECONDS", 0.2)
    seen = counted(lively.venue._up.client, f"{SECTIONS[name]}PutListenKey")
    async with lively.listening() as box:
        await until(lambda: seen.total() >= 3)
        assert links(box) == [VenueLink.UP]


@venues
async def test_pitfall_08_a_renewal_that_fails_costs_no_stream_while_the_key_still_lives(name, lively, monkeypatch):
    """Over REST the venue is not to be had: whoever cuts the stream then hears nothing more, and could not ask for another key either."""
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_SECONDS", 0.2)
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_RETRY_SECONDS", 0.1)
    seen = counted(lively.venue._up.client, f"{SECTIONS[name]}PutListenKey")
    async with lively.listening() as box:
        lively.arm(FaultKind.REFUSE, Operation.LISTEN_KEY, times=4, status=503, body="")
        await until(lambda: seen.total() >= 6)
        assert links(box) == [VenueLink.UP]
        await lively.venue.place(lively.order("-0.05", Decimal("59990")))
        await until(lambda: box.of(FillReported))


@venues
async def test_pitfall_08_a_key_that_could_not_be_renewed_for_its_lifetime_is_replaced(name, lively, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_SECONDS", 0.2)
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_RETRY_SECONDS", 0.1)
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_LIFE_SECONDS", 0.35)
    async with lively.listening() as box:
        lively.arm(FaultKind.REFUSE, Operation.LISTEN_KEY, times=3, status=503, body="")
        await until(lambda: VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)


@venues
async def test_pitfall_08_a_key_that_the_venue_does_not_know_any_more_is_replaced_at_once(name, lively, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.listen_key.LISTEN_KEY_SECONDS", 0.2)
    async with lively.listening() as box:
        gone = '{"code":-1125,"msg":"This listenKey does not exist."}'
        lively.arm(FaultKind.REFUSE, Operation.LISTEN_KEY, status=400, body=gone)
        await until(lambda: VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)


@venues
async def test_pitfall_08_an_expired_listen_key_is_heard_and_replaced(name, lively):
    """ccxt does not know `listenKeyExpired`: its watcher would wait for ever on a socket that stays open and says nothing."""
    state, options = lively.desk.dialect._state, lively.venue._up.client.options
    async with lively.listening() as box:
        before = options[KEY_OPTION[name]]["listenKey"]
        state.close_listen_key(KEY.account, wall_ms())
        await until(lambda: VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)
        assert options[KEY_OPTION[name]]["listenKey"] != before
        await lively.venue.place(lively.order("-0.05", Decimal("59990")))
        await until(lambda: box.of(FillReported))


@venues
async def test_pitfall_18_the_clock_is_measured_again_when_the_venue_says_that_it_is_wrong_and_with_each_reading(name, lively):
    """ccxt sets `timeDifference` when it loads markets, if told to, and never again."""
    stand = lively
    assert abs(stand.venue._up.asker.offset_ms) < 1_000
    true_clock = stand.desk.clock
    stand.desk.clock = lambda: true_clock() + 30_000
    refused = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(refused, OrderRefused), refused
    assert refused.code == "-1021"
    reading = await stand.venue.read(stand.reading())
    if not isinstance(reading, VenueReported):  # the questions beside the clock's were signed with the old one
        reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert abs(reading.clock_offset_ms - 30_000) < 1_000
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported)
    assert stand.held() == stand.units("-0.05")
