"""Faults on streams, at every dialect: what the adapter tells of each, and how it heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import orjson
import pytest

from bot.core.events import (
    FillReported,
    OrderReported,
    Quote,
    ReportUnreadable,
    VenueLink,
    VenueLinkChanged,
    VenueOrderStatus,
    VenueReported,
)
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.trouble import Topic
from bot.simulator.faults import FaultKind
from bot.simulator.stream_faults import StreamFault, StreamKind, Wire
from tests.adapters.venue.venue_stand import OF_NO_KIND, STANDS, Box, Stand, standing, until

FAR = Decimal("59990")
"""A price that a small sell meets at once."""
SILENT_MS = 1_500
"""After how long silent books are noticed here: a tenth of a second passes between two of them."""


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


def spoil(stand: Stand, kind: StreamKind, topic: Topic | None, **more) -> int:
    return stand.server.plan.arm(StreamFault(venue=stand.name, kind=kind, topic=topic, **more))


def links(box: Box) -> list[VenueLink]:
    """Every change since the link was first up."""
    changes = [event.link for event in box.of(VenueLinkChanged)]
    return changes[changes.index(VenueLink.UP) :]


def sockets(stand: Stand, *, private: bool) -> set:
    return stand.sockets(private=private)


async def fills_are_told(stand: Stand, box: Box) -> None:
    """The private stream works: a new order's fill comes by it."""
    command = stand.order("-0.01", FAR)
    assert isinstance(await stand.venue.place(command), OrderReported)
    await until(lambda: any(each.fill.client_order_id == command.client_order_id for each in box.of(FillReported)))


async def test_a_socket_that_is_open_and_says_nothing_is_stale_until_it_speaks(stand):
    stand.hears_of_silence_after(SILENT_MS)
    async with stand.listening() as box:
        number = spoil(stand, StreamKind.LOSE_FRAME, None, times=None)
        await until(lambda: box.link is VenueLink.STALE)
        stand.server.plan.disarm(number)
        await until(lambda: box.link is VenueLink.UP)
        await fills_are_told(stand, box)


async def test_books_that_fall_silent_are_subscribed_anew(stand, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.streams.TOPIC_SILENT_SECONDS", 2.0)
    stand.hears_of_silence_after(SILENT_MS)
    async with stand.listening() as box:
        before = sockets(stand, private=False)
        number = spoil(stand, StreamKind.LOSE_FRAME, Topic.BOOKS, times=None)
        await until(lambda: box.link is VenueLink.STALE)
        await until(lambda: not before & sockets(stand, private=False))
        stand.server.plan.disarm(number)
        await until(lambda: box.link is VenueLink.UP)


async def test_marks_that_fall_silent_leave_quotes_that_say_how_old_their_mark_is(stand):
    async with stand.listening() as box:
        await until(lambda: any(quote.mark for quote in box.quotes))
        spoil(stand, StreamKind.LOSE_FRAME, Topic.PRICES, times=None)
        await asyncio.sleep(0.2)
        box.quotes.clear()

        def told() -> list[Quote]:
            return [quote for quote in box.quotes if quote.instrument == stand.btc.id]

        await until(lambda: told() and told()[-1].book_at - told()[-1].mark_at > 500)
        assert len({quote.mark_at for quote in told()}) == 1
        assert box.link is VenueLink.UP


@pytest.mark.parametrize("topic", [Topic.BOOKS, Topic.ORDERS])
async def test_a_frame_that_is_cut_in_half_costs_a_reconnection_and_nothing_else(stand, topic):
    """Pitfall 5: ccxt's receive loop would be dead for good, with its socket open."""
    async with stand.listening() as box:
        before = sockets(stand, private=topic is Topic.ORDERS)
        spoil(stand, StreamKind.CUT_FRAME, topic)
        await stand.venue.place(stand.order("-0.05", FAR))
        await until(lambda: before - sockets(stand, private=topic is Topic.ORDERS))
        await until(lambda: links(box)[1:])
        await until(lambda: box.link is VenueLink.UP)
        private = topic is Topic.ORDERS or stand.venue._profile.streams.one_socket
        expected = VenueLink.DOWN if private else VenueLink.STALE
        assert expected in links(box)
        await fills_are_told(stand, box)
        reading = await stand.venue.read(stand.reading())
        assert isinstance(reading, VenueReported)
        assert sum(fill.quantity for fill in reading.fills) == stand.held(), "what the cut frame told is in the reading"


async def test_a_frame_with_nothing_in_it_is_complained_of_and_kills_nothing(stand):
    async with stand.listening() as box:
        spoil(stand, StreamKind.HOLLOW_FRAME, Topic.ORDERS)
        await stand.venue.place(stand.order("-0.05", FAR))
        await until(lambda: box.of(ReportUnreadable) or VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)
        await fills_are_told(stand, box)


async def test_sockets_that_are_closed_come_back_through_down(stand):
    async with stand.listening() as box:
        before = sockets(stand, private=True)
        stand.server.close_sockets(stand.name)
        await until(lambda: VenueLink.DOWN in links(box))
        await until(lambda: box.link is VenueLink.UP)
        assert not before & sockets(stand, private=True)
        await fills_are_told(stand, box)


async def test_private_subscriptions_that_are_not_confirmed_are_not_up_and_are_made_anew(stand, monkeypatch):
    """The socket is up and answers every ping, books come by another: nothing else would show that our fills are told to nobody."""
    streams = stand.venue._profile.streams
    if not streams.confirmations:
        pytest.skip(f"{stand.name}: a private connection is its own subscription")
    monkeypatch.setattr("bot.adapters.venue.streams.UNCONFIRMED_SECONDS", 1.0)
    passing = Wire.pass_on

    def unconfirmed(self, frames, held):
        told = [text for text in frames if not text.startswith("{") or not streams.confirms(orjson.loads(text))]
        return passing(self, told, held)

    with monkeypatch.context() as while_lost:
        while_lost.setattr(Wire, "pass_on", unconfirmed)
        async with stand.listening_anyhow() as box:
            await until(lambda: stand.sockets(private=True))
            first = stand.sockets(private=True)
            await until(lambda: stand.sockets(private=True) - first)
            assert VenueLink.UP not in [event.link for event in box.of(VenueLinkChanged)]
            while_lost.undo()
            await until(lambda: box.link is VenueLink.UP)
            await fills_are_told(stand, box)


async def test_lost_private_events_are_in_the_next_reading(stand):
    async with stand.listening() as box:
        number = spoil(stand, StreamKind.LOSE_FRAME, Topic.ORDERS, times=None)
        command = stand.order("-0.05", FAR)
        await stand.venue.place(command)
        reading = await stand.venue.read(stand.reading())
        stand.server.plan.disarm(number)
        assert isinstance(reading, VenueReported)
        assert not box.of(FillReported)
        assert sum(fill.quantity for fill in reading.fills) == command.quantity == stand.held()
        assert {fill.client_order_id for fill in reading.fills} == {command.client_order_id}


async def test_a_private_topic_that_falls_silent_shows_by_an_order_it_does_not_tell(stand, monkeypatch):
    """Pongs come, books come, an idle account says nothing anyway: only what must be told shows it."""
    monkeypatch.setattr("bot.adapters.venue.expected.SILENT_SECONDS", 0.4)
    async with stand.listening() as box:
        await fills_are_told(stand, box)
        await asyncio.sleep(0.7)
        assert links(box) == [VenueLink.UP], "what was told is not waited for"
        number = spoil(stand, StreamKind.LOSE_FRAME, Topic.ORDERS, times=None)
        before = sockets(stand, private=True)
        await stand.venue.place(stand.order("-0.05", FAR))
        await until(lambda: box.link is VenueLink.DOWN)
        stand.server.plan.disarm(number)
        await until(lambda: box.link is VenueLink.UP)
        assert not before & sockets(stand, private=True)
        await fills_are_told(stand, box)


@OF_NO_KIND
async def test_an_order_that_the_venue_took_while_its_stream_was_down_is_not_waited_for(stand, monkeypatch):
    """What happened before the reconnection is not told after it: the reading that follows tells it."""
    monkeypatch.setattr("bot.adapters.venue.expected.SILENT_SECONDS", 0.4)
    async with stand.listening() as box:
        number = spoil(stand, StreamKind.LOSE_FRAME, Topic.ORDERS, times=None)
        stand.server.close_sockets(stand.name)
        await until(lambda: box.link is VenueLink.DOWN)
        assert isinstance(await stand.venue.place(stand.order("-0.05", FAR)), OrderReported)
        await until(lambda: box.link is VenueLink.UP)
        stand.server.plan.disarm(number)
        told = len(box.of(VenueLinkChanged))
        await asyncio.sleep(0.8)
        assert len(box.of(VenueLinkChanged)) == told, "the link stays up"
        await fills_are_told(stand, box)


async def test_doubled_private_events_are_the_same_facts_twice(stand):
    async with stand.listening() as box:
        spoil(stand, StreamKind.DOUBLE_FRAME, Topic.ORDERS, times=None)
        command = stand.order("-0.05", FAR)
        await stand.venue.place(command)
        await until(lambda: len(box.of(FillReported)) >= 2)
        await until(lambda: sum(each.report.status is VenueOrderStatus.FILLED for each in box.of(OrderReported)) >= 2)
        fills = {(each.fill.fill_id, each.fill.quantity, each.fill.client_order_id) for each in box.of(FillReported)}
        assert len(fills) == 1, "one fill under one id: whoever counts by it counts once"
        assert {each.report.filled_quantity for each in box.of(OrderReported) if each.report.status is VenueOrderStatus.FILLED} == {
            command.quantity
        }
        assert not box.of(ReportUnreadable)


async def test_reordered_private_events_are_told_as_they_come_with_totals(stand):
    async with stand.listening() as box:
        spoil(stand, StreamKind.REORDER_FRAME, Topic.ORDERS)
        command = stand.order("-0.05", FAR)
        await stand.venue.place(command)
        await until(lambda: box.of(FillReported))
        await until(lambda: any(each.report.status is VenueOrderStatus.FILLED for each in box.of(OrderReported)))
        assert sum(each.fill.quantity for each in box.of(FillReported)) == command.quantity
        told = [each.report for each in box.of(OrderReported)]
        assert {each.client_order_id for each in told} == {command.client_order_id}
        assert command.quantity in {each.filled_quantity for each in told}, "a total, which no later smaller one undoes"
        assert box.link is VenueLink.UP
        assert not box.of(ReportUnreadable)


async def test_events_may_come_before_the_acknowledgement_of_their_order(stand):
    async with stand.listening() as box:
        stand.arm(FaultKind.DELAY_REPLY, Operation.PLACE, delay_ms=600)
        command = stand.order("-0.05", FAR)
        placing = asyncio.create_task(stand.venue.place(command))
        await until(lambda: box.of(FillReported))
        assert not placing.done()
        (fill,) = {each.fill for each in box.of(FillReported)}
        assert (fill.client_order_id, fill.quantity) == (command.client_order_id, command.quantity)
        assert isinstance(await placing, OrderReported)


async def test_a_book_that_runs_backwards_is_subscribed_anew(stand):
    if not stand.venue._profile.streams.book.sequence:
        pytest.skip(f"{stand.name} numbers no message of its touch")
    async with stand.listening() as box:
        before, private = sockets(stand, private=False), sockets(stand, private=True)
        spoil(stand, StreamKind.WRONG_SEQUENCE, Topic.BOOKS, by=-1_000)
        await until(lambda: VenueLink.STALE in links(box))
        await until(lambda: box.link is VenueLink.UP)
        assert before - sockets(stand, private=False), "the socket that told it is gone"
        assert sockets(stand, private=True) == private
        assert any("back to" in each.what for each in box.of(ReportUnreadable))


@OF_NO_KIND
async def test_what_spoils_frames_is_in_the_record(stand):
    async with stand.listening() as box:
        spoil(stand, StreamKind.DOUBLE_FRAME, Topic.ORDERS, label="twice")
        await fills_are_told(stand, box)
        (incident,) = [each for each in stand.server.plan.incidents if each.label == "twice"]
        assert (incident.kind, incident.detail) == ("double_frame", "orders")
        assert incident.ended_at is not None
