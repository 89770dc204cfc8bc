"""Pitfalls of ccxt, each by its number in the list of what was reproduced against the real client; at every dialect."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import asdict
from decimal import Decimal

import ccxt
import pytest

from bot.adapters.venue import streams
from bot.adapters.venue.profiles import PROFILES
from bot.core.events import (
    FillReported,
    OrderOutcomeUnknown,
    OrderReported,
    VenueLink,
    VenueLinkChanged,
)
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.trouble import Topic
from bot.simulator.faults import FaultKind
from bot.simulator.stream_faults import StreamFault, StreamKind
from tests.adapters.venue.venue_stand import OF_NO_KIND, STANDS, Box, Stand, standing, until

FAR = Decimal("59990")
PROMISED_SECONDS = 15.0


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def _since_up(box: Box) -> list[VenueLink]:
    """Every change since the link was first up."""
    changes = [event.link for event in box.of(VenueLinkChanged)]
    return changes[changes.index(VenueLink.UP) :]


def sockets(stand: Stand, *, private: bool) -> list:
    return list(stand.sockets(private=private))


async def fills_are_told(stand: Stand, box: Box) -> None:
    command = stand.order("-0.01", FAR)
    assert isinstance(await stand.venue.place(command), OrderReported)
    await until(lambda: any(each.fill.client_order_id == command.client_order_id for each in box.of(FillReported)))


@OF_NO_KIND
async def test_pitfall_03_an_unknown_outcome_is_not_only_a_network_error(stand):
    """What ccxt makes of lost answers: exceptions of several families, and orders without an id. None is a refusal, none a success."""
    raised: list[str] = []
    client = stand.venue._up.client
    original = client.create_order

    async def noted(*arguments: object, **named: object) -> object:
        try:
            order = await original(*arguments, **named)
        except Exception as error:
            raised.append("network" if isinstance(error, ccxt.NetworkError) else type(error).__name__)
            raise
        raised.append("an order" if order.get("id") is None else "an order with an id")
        return order

    client.create_order = noted
    for kind, more in (
        (FaultKind.DROP_REPLY, {}),
        (FaultKind.TRUNCATE_BODY, {}),
        (FaultKind.EMPTY_BODY, {}),
        (FaultKind.EMPTY_OBJECT, {}),
        (FaultKind.BAD_GATEWAY, {"status": 502}),
        (FaultKind.BAD_GATEWAY, {"status": 200, "body": "<html></html>"}),
    ):
        stand.arm(kind, Operation.PLACE, **more)
        command = stand.order("-0.01", FAR)
        answer = await stand.venue.place(command)
        assert isinstance(answer, OrderOutcomeUnknown), (kind, raised[-1], answer)
        found = await stand.venue.look_up(stand.asked(command))
        assert isinstance(found, OrderReported), (kind, found)
    assert "network" in raised
    assert set(raised) - {"network"}, "some accepted orders ended in no network error at all"


@OF_NO_KIND
async def test_pitfall_05_a_receive_loop_that_died_of_a_malformed_frame_is_found_and_healed_in_time(stand):
    async with stand.listening() as box:
        before, began = set(sockets(stand, private=True)), stand.clock.steady()
        stand.server.plan.arm(StreamFault(venue=stand.name, kind=StreamKind.CUT_FRAME, topic=Topic.ORDERS))
        await stand.venue.place(stand.order("-0.05", FAR))
        await until(lambda: VenueLink.DOWN in _since_up(box), PROMISED_SECONDS)
        await until(lambda: before.isdisjoint(sockets(stand, private=True)) and box.link is VenueLink.UP, PROMISED_SECONDS)
        await fills_are_told(stand, box)
        assert stand.clock.steady() - began < PROMISED_SECONDS


@OF_NO_KIND
async def test_pitfall_05_a_receive_loop_that_died_of_anything_else_is_found_by_its_silence(stand, monkeypatch):
    """At a tenth of the real lengths, which `test_pitfall_06` holds against the promise."""
    monkeypatch.setattr("bot.adapters.venue.streams.SOCKET_SILENT_SECONDS", 1.2)
    async with stand.listening() as box:
        (socket,) = sockets(stand, private=True)
        socket.receive_loop = lambda: None  # what an exception in its callback leaves behind: it is never called again
        await until(lambda: socket not in sockets(stand, private=True))
        await until(lambda: VenueLink.DOWN in _since_up(box))
        await until(lambda: box.link is VenueLink.UP)
        await fills_are_told(stand, box)


def test_pitfall_06_half_open_sockets_are_found_within_the_promise():
    """The lengths; that sockets are found and replaced by them: `test_half_open_sockets_are_found_and_replaced`."""
    from bot.adapters.venue.ccxt_client import SOCKET_PING_MS

    assert streams.SOCKET_SILENT_SECONDS + 2 * streams.BEAT_SECONDS < PROMISED_SECONDS
    assert 2 * SOCKET_PING_MS < streams.SOCKET_SILENT_SECONDS * 1_000, "one lost pong is no silence"
    assert all(each.streams.quote_silence_ms < PROMISED_SECONDS * 1_000 for each in PROFILES.values())


@OF_NO_KIND
async def test_pitfall_06_a_half_open_private_socket_is_down_until_it_is_replaced(stand, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.ccxt_client.SOCKET_PING_MS", 400)
    monkeypatch.setattr("bot.adapters.venue.streams.SOCKET_SILENT_SECONDS", 1.2)
    await stand.venue.open()  # with the shorter ping
    async with stand.listening() as box:
        before = set(sockets(stand, private=True))
        stand.server.silence(stand.name, http=False)
        await until(lambda: box.link is VenueLink.DOWN)
        stand.server.restore(stand.name)
        await until(lambda: box.link is VenueLink.UP, 12)
        assert before.isdisjoint(sockets(stand, private=True))
        await fills_are_told(stand, box)


async def test_pitfall_07_topics_that_are_silent_while_pongs_come_are_found(stand, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.ccxt_client.SOCKET_PING_MS", 400)
    monkeypatch.setattr("bot.adapters.venue.streams.TOPIC_SILENT_SECONDS", 2.0)
    stand.hears_of_silence_after(1_500)
    await stand.venue.open()
    async with stand.listening() as box:
        stand.server.plan.arm(StreamFault(venue=stand.name, kind=StreamKind.LOSE_FRAME, topic=Topic.BOOKS, times=None))
        pongs = {socket: socket.lastPong for socket in sockets(stand, private=False)}
        await until(lambda: box.link is VenueLink.STALE)
        assert any(socket.lastPong != pongs.get(socket) for socket in sockets(stand, private=False)), "the socket is alive"
        await until(lambda: pongs.keys() - set(sockets(stand, private=False)))
        for number in stand.server.plan.armed:
            stand.server.plan.disarm(number)
        await until(lambda: box.link is VenueLink.UP)
    assert streams.TOPIC_SILENT_SECONDS + 2 * streams.BEAT_SECONDS <= PROMISED_SECONDS + 1


@OF_NO_KIND
async def test_pitfall_09_a_position_snapshot_that_fails_hangs_nothing(stand):
    """ccxt's watch_positions waits for ever when its REST snapshot fails: positions are read, and never watched."""
    assert "watch_positions" not in {pump.watch for pump in stand.venue._profile.streams.pumps}
    stand.arm(FaultKind.DROP_REPLY, Operation.POSITIONS, times=1_000)
    async with stand.listening() as box:
        await fills_are_told(stand, box)
        assert box.link is VenueLink.UP


@OF_NO_KIND
async def test_pitfall_10_what_comes_between_two_watch_calls_is_told_at_once(stand):
    """ccxt does not wake the next call for what came while nobody waited: nothing depends on when it is called."""
    client = stand.venue._up.client
    for pump in stand.venue._profile.streams.pumps:
        original = getattr(client, pump.watch)

        async def slow(*arguments: object, _original=original) -> object:
            told = await _original(*arguments)
            await asyncio.sleep(3.0)
            return told

        if pump.private:
            setattr(client, pump.watch, slow)
    async with stand.listening() as box:
        await fills_are_told(stand, box)  # the pumps sleep from here on
        began = stand.clock.steady()
        commands = [stand.order("-0.01", FAR) for _ in range(4)]
        await asyncio.gather(*(stand.venue.place(command) for command in commands))
        ours = {command.client_order_id for command in commands}
        await until(lambda: ours <= {each.fill.client_order_id for each in box.of(FillReported)})
        assert stand.clock.steady() - began < 2.5


@OF_NO_KIND
async def test_pitfall_11_nobody_elses_cancellation_ends_our_subscription(stand):
    """Two waiters of one ccxt subscription share one future, and whoever is cancelled cancels the other."""
    watches = [pump.watch for pump in stand.venue._profile.streams.pumps]
    assert len(watches) == len(set(watches)), "one consumer per stream"
    async with stand.listening() as box:
        for pump in stand.venue._profile.streams.pumps:
            if pump.private:
                with suppress(TimeoutError, ccxt.BaseError):
                    await asyncio.wait_for(getattr(stand.venue._up.client, pump.watch)(), 0.1)
        await until(lambda: box.link is VenueLink.UP)
        await fills_are_told(stand, box)


async def test_pitfall_12_what_was_told_never_changes_afterwards(stand):
    """ccxt updates the rows of its caches in place and collapses a burst to its last state."""
    async with stand.listening() as box:
        resting = stand.order("-0.05", Decimal("60100"), post_only=True)
        await stand.venue.place(resting)
        await until(lambda: box.of(OrderReported))
        told = [(event, asdict(event)) for event in box.events]
        quotes = [(quote, asdict(quote)) for quote in box.quotes]
        await fills_are_told(stand, box)
        await until(lambda: len(box.quotes) > len(quotes) + 3)
        assert all(asdict(event) == before for event, before in told)
        assert all(asdict(quote) == before for quote, before in quotes)
        assert len({(each.report.client_order_id, each.report.status) for each in box.of(OrderReported)}) >= 2


@pytest.mark.parametrize("name", list(STANDS))
async def test_pitfall_13_after_a_gap_in_the_book_no_quote_holds_what_the_gap_has_moved(name):
    """ccxt applies gaps silently on Bybit and Deribit. Here a quote is the venue's touch as it is, or there is none.

    The ask moves while frames are lost; then the bid's quantity changes, and a delta tells of the bid alone.
    """
    async with standing(name) as stand, stand.listening_anyhow() as box:
        fair, tick = Decimal(60_000), stand.btc.tick
        for _ in range(40):  # where a subscription begins with the first change, one is made
            if any(quote.instrument == stand.btc.id for quote in box.quotes):
                break
            assert isinstance(await stand.venue.place(stand.order("0.01", fair - tick, post_only=True)), OrderReported)
            await asyncio.sleep(0.1)
        number = stand.server.plan.arm(StreamFault(venue=stand.name, kind=StreamKind.LOSE_FRAME, topic=Topic.BOOKS, times=None))
        assert isinstance(await stand.venue.place(stand.order("-0.05", fair, post_only=True)), OrderReported)
        await asyncio.sleep(0.3)
        stand.server.plan.disarm(number)
        box.quotes.clear()
        assert isinstance(await stand.venue.place(stand.order("0.05", fair - tick, post_only=True)), OrderReported)
        await until(lambda: any(quote.instrument == stand.btc.id for quote in box.quotes))
        told = {(quote.bid, quote.ask) for quote in box.quotes if quote.instrument == stand.btc.id}
        assert told == {(fair - tick, fair)}
