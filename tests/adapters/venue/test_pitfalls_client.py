"""Pitfalls of ccxt's client itself, each by its number in the list of what was reproduced: what it sends again, keeps and leaves."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import ccxt
import orjson
import pytest
from ccxt.async_support.base.ws.cache import ArrayCacheBySymbolBySide, BaseCache

from bot.adapters.venue.ccxt_client import expiring_at
from bot.adapters.venue.ccxt_mapping import figure
from bot.adapters.venue.ccxt_markets import ccxt_number
from bot.adapters.venue.outcomes import PROVEN, Refused, Unproven, classify
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.rehearsal import market_of
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import paths
from bot.core.events import CancelUnconfirmed, FillReported, LookUpFailed, OrderRefused, OrderReported, VenueLink, VenueUnreadable
from tests.adapters.venue.loopback import Loopback, Reply, Seen, json_reply, loopback
from tests.adapters.venue.test_environments import Client
from tests.adapters.venue.venue_stand import DIALECTS, STANDS, Box, Stand, standing, until

ORDERS = [pytest.param(venue, profile.examples[0], id=venue) for venue, profile in PROFILES.items()]


@pytest.fixture(params=list(DIALECTS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


class Orders:
    """Answers with an empty object; once `armed`, takes each request and answers with `reply`."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.taken: list[Seen] = []
        self.armed = False

    def __call__(self, request: Seen) -> Reply:
        if not self.armed:
            return json_reply("{}")
        self.taken.append(request)
        return self.reply


@asynccontextmanager
async def client_before(venue: str, orders: Orders) -> AsyncIterator[tuple[Client, Loopback]]:
    async with loopback(orders) as server, Client(venue, Environment.SIMULATION, server) as client:
        client.ccxt.set_markets([market_of(client.ccxt, example) for example in client.profile.examples])
        yield client, server


async def an_order(client: Client, symbol: str) -> Exception | None:
    """Places one as the adapter does; how it ended."""
    writes = client.profile.writes
    parameters = {**writes.place_parameters, writes.client_id_as: "a1"}
    try:
        with expiring_at(client.clock.now() + 3_000):
            await client.ccxt.create_order(symbol, "limit", "sell", "1", "1", parameters)
    except Exception as error:
        return error
    return None


@pytest.mark.parametrize(("venue", "example"), ORDERS)
async def test_pitfall_01_an_order_on_a_kept_connection_that_drops_is_one_order(venue, example):
    """aiohttp sends GET, PUT and DELETE once more when a kept connection drops, and at Deribit an order is a GET."""
    orders = Orders(None)
    async with client_before(venue, orders) as (client, server):
        with suppress(ccxt.BaseError):  # an answer that it cannot read is an answer on a connection that is kept
            await getattr(client.ccxt, client.profile.reads.clock.call)(dict(client.profile.reads.clock.fixed))
        orders.armed = True
        assert await an_order(client, example.symbol) is not None
        assert len(orders.taken) == 1
        assert orders.taken[0].connection == 1, "the drop must have hit the kept connection, else this shows nothing"
        assert server.connections == 1


@pytest.mark.parametrize(
    "reply", [json_reply("{}", 503), json_reply("<html>", 502), json_reply("", 504), None], ids=["503", "502", "504", "drop"]
)
@pytest.mark.parametrize(("venue", "example"), ORDERS)
async def test_pitfall_02_an_order_that_fails_is_not_sent_again_by_ccxt(venue, example, reply):
    """`maxRetriesOnFailure` would: with two of them, a lost answer is three orders."""
    orders = Orders(reply)
    async with client_before(venue, orders) as (client, _):
        assert client.ccxt.options["maxRetriesOnFailure"] == 0
        orders.armed = True
        await an_order(client, example.symbol)
        assert len(orders.taken) == 1


@pytest.mark.parametrize(("venue", "example"), ORDERS)
async def test_pitfall_02_ccxts_own_retries_would_send_it_three_times(venue, example):
    """Keeps the test above honest: with the option set, the same failure is three orders on the wire."""
    orders = Orders(json_reply("<html>", 503))
    async with client_before(venue, orders) as (client, _):
        client.ccxt.options |= {"maxRetriesOnFailure": 2, "maxRetriesOnFailureDelay": 0}
        orders.armed = True
        await an_order(client, example.symbol)
        assert len(orders.taken) == 3


@pytest.mark.parametrize("venue", PROFILES)
async def test_pitfall_14_ccxt_keeps_its_floats_and_figures_are_read_from_the_venues_own_text(venue):
    """With `number=Decimal` ccxt loses fees and contract sizes in silence: what it reads a figure with does not know the type."""
    assert ccxt.Exchange.safe_string({"fee": Decimal("0.5")}, "fee") is None
    async with Client(venue, Environment.SIMULATION) as client:
        assert client.ccxt.number is float
    long = "12345678.123456789012345678"
    assert str(figure({"qty": long}, paths("qty"))) == long
    assert str(Decimal(str(float(long)))) != long, "a float would have lost digits"
    assert ccxt_number(0.001) == Decimal("0.001")
    assert ccxt_number(1e-05) == Decimal("0.00001")


@pytest.mark.parametrize("stand", list(STANDS), indirect=True)
async def test_pitfall_14_a_fill_keeps_every_digit_on_its_way_to_us(stand):
    command = stand.order("-0.01")
    async with stand.listening() as box:
        await stand.venue.place(command)
        await until(lambda: box.of(FillReported))
        fill = box.of(FillReported)[0].fill
        reading = await stand.venue.read(stand.reading())
    told = next(each for each in reading.fills if each.fill_id == fill.fill_id)
    assert (fill.quantity, fill.price, fill.fee) == (told.quantity, told.price, told.fee)
    for exact in (fill.quantity, fill.price, fill.fee):
        assert isinstance(exact, Decimal)


async def test_pitfall_19_closing_kills_no_task_in_silence_and_is_answered_in_words(stand):
    """ccxt cancels what waits for a socket that it closes: our pumps outlive that, and end by our own cancellation only."""
    box = Box()
    task = asyncio.create_task(stand.venue.listen(box))
    await until(lambda: box.link is VenueLink.UP)
    up = stand.venue._up
    for socket in list(up.client.clients.values()):
        await socket.close()
    await until(lambda: box.link is not VenueLink.UP)
    assert not task.done()
    await until(lambda: box.link is VenueLink.UP)
    await stand.venue.close()
    assert up.session.closed
    command = stand.order("-0.01")
    assert isinstance(await stand.venue.place(command), OrderRefused)
    assert isinstance(await stand.venue.look_up(stand.asked(command)), LookUpFailed)
    assert isinstance(await stand.venue.read(stand.reading()), VenueUnreadable)
    await until(lambda: task.done() or box.link is VenueLink.DOWN)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert box.link is VenueLink.DOWN


async def test_pitfall_19_cancelling_what_was_closed_is_no_cancel(stand):
    from bot.core.commands import CancelOrder

    command = stand.order("-0.01")
    await stand.venue.close()
    told = await stand.venue.cancel(
        CancelOrder(client_order_id=command.client_order_id, instrument=command.instrument, venue_order_id=None)
    )
    assert isinstance(told, CancelUnconfirmed)


def kept_by(client: Any) -> int:
    """How many subscriptions and waiters a client holds, over all its sockets, those that are gone included."""
    return sum(len(socket.subscriptions) + len(socket.futures) for socket in client.clients.values())


async def test_pitfall_20_what_ccxt_keeps_is_bounded_and_subscriptions_made_anew_leave_nothing_behind(stand):
    async with stand.listening() as box:
        client = stand.venue._up.client
        before = kept_by(client), len(client.clients)
        for _ in range(2):
            stand.server.close_sockets(stand.name)
            await until(lambda: box.link is not VenueLink.UP)
            await until(lambda: box.link is VenueLink.UP, 12)
        await stand.venue.place(stand.order("-0.01"))
        await until(lambda: box.of(FillReported))
        assert (kept_by(client), len(client.clients)) <= before
        # A cache by symbol and side holds as many as there are of those.
        caches = [each for each in vars(client).values() if isinstance(each, BaseCache) and not isinstance(each, ArrayCacheBySymbolBySide)]
        assert all(cache._deque.maxlen is not None and cache._deque.maxlen <= 1_000 for cache in caches)


async def test_pitfall_21_only_the_markets_in_use_are_held_and_ccxt_never_loads_them_by_itself(stand):
    """A venue lists hundreds: parsing them holds up the loop. It is done at the start, and no subscription or order does it again."""
    client = stand.venue._up.client
    assert {str(market["id"]) for market in client.markets.values()} == set(stand.instruments)

    async def loaded(*_: object, **__: object) -> None:
        raise AssertionError("ccxt read the whole listing by itself")

    client.fetch_markets = loaded
    async with stand.listening() as box:
        assert isinstance(await stand.venue.place(stand.order("-0.01")), OrderReported)
        await until(lambda: box.of(FillReported))
    del client.fetch_markets
    assert await stand.venue.describe()
    assert {str(market["id"]) for market in client.markets.values()} == set(stand.instruments)


CLASSES = [each for _, each in inspect.getmembers(ccxt, inspect.isclass) if issubclass(each, ccxt.BaseError)]


@pytest.mark.parametrize("raised", CLASSES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("venue", PROFILES)
def test_pitfall_22_no_class_of_ccxts_errors_proves_or_disproves_anything(venue, raised):
    """The same class stands for refusals and for orders that exist: only the venue's own code counts, whatever it came in."""
    assert isinstance(classify(venue, raised(f"{venue} something went wrong"), sent=True), Unproven)
    code = next(iter(PROVEN[venue]))
    forms = ({"code": code, "msg": "w"}, {"retCode": code, "retMsg": "w"}, {"error": {"code": code, "message": "w"}})
    told = [classify(venue, raised(f"{venue} {orjson.dumps(form).decode()}"), sent=True) for form in forms]
    assert Refused(code, "w") in told


async def test_pitfall_23_a_subscription_ends_with_its_socket_and_not_with_an_unwatch(stand):
    """Most venues have none in ccxt, and where there is one it is not needed: what is listened to again is subscribed once."""
    client = stand.venue._up.client
    for name in dir(client):
        if name.startswith("un_watch"):
            setattr(client, name, _unwatched)
    async with stand.listening():
        first = len(client.clients), kept_by(client)
    async with stand.listening() as box:
        await stand.venue.place(stand.order("-0.01"))
        await until(lambda: box.of(FillReported))
        assert (len(client.clients), kept_by(client)) <= first
        assert len({each.fill.fill_id for each in box.of(FillReported)}) == len(box.of(FillReported)), "nothing is told twice"
    await stand.venue.close()
    assert not client.clients
    gc.collect()


def _unwatched(*_: object, **__: object) -> None:
    raise AssertionError("an unwatch")


def test_profiles_name_no_unwatch():
    profile: Profile
    for profile in PROFILES.values():
        assert not any(pump.watch.startswith("un_watch") for pump in profile.streams.pumps)
