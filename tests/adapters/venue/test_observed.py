"""A venue that is only watched, at every venue, over real HTTP and WebSocket: all is read and heard, and nothing is written."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from yarl import URL

from bot.adapters.venue.ccxt_client import doors
from bot.adapters.venue.observed import OBSERVED, ObservedVenue
from bot.adapters.venue.outcomes import NOT_SENT
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.rehearsal import rehearse
from bot.adapters.venue.settings import Environment
from bot.core.commands import CancelOrder
from bot.core.events import CancelUnconfirmed, OrderRefused, VenueLink, VenueReported
from bot.core.units import VenueId
from bot.simulator.dialects.dialect import HttpRequest, Operation
from tests.adapters.venue.test_environments import settings as settings_for
from tests.adapters.venue.test_inspector import EVERY_VENUE
from tests.adapters.venue.venue_stand import DIALECTS, SYMBOLS, Box, Stand, WallClock, _flicker, settings_of, until
from tests.simulator.stand import KEY, desk_of, serving


@EVERY_VENUE
async def test_no_order_cancel_or_setting_reaches_the_venue_whatever_is_asked_for(venue: str) -> None:
    """Somebody else set leverage and rests an order; a whole run's calls leave both alone."""
    async with serving(desk_of(venue, DIALECTS[venue])) as server:
        desk, asked, clock = server.desks[venue], [], WallClock()
        account = desk.exchange.settings(KEY.account)
        account.leverage.update(dict.fromkeys(SYMBOLS[venue], Decimal(7)))
        before = (dict(account.leverage), account.hedge_mode, set(account.isolated))

        def note(request: HttpRequest, operation: Operation | None) -> None:
            asked.append((request, operation))

        take_down, moving = desk.put_up(note), asyncio.create_task(_flicker(server))
        watched = ObservedVenue(settings_of(venue, server), clock)
        try:
            listed = await watched.open()
            stand, inbox = Stand(venue, server, watched, {each.venue_symbol: each for each in listed}, clock), Box()
            listening = asyncio.create_task(watched.listen(inbox))
            await until(lambda: inbox.link is VenueLink.UP, 30)
            order = stand.order("-0.01")
            refused = await watched.place(order)
            assert isinstance(refused, OrderRefused)
            assert (refused.code, refused.reason) == (NOT_SENT, OBSERVED)
            cancel = CancelOrder(client_order_id=order.client_order_id, instrument=order.instrument, venue_order_id=None)
            assert isinstance(await watched.cancel(cancel), CancelUnconfirmed)
            assert isinstance(await watched.read(stand.reading()), VenueReported)
            assert len(await watched.describe()) == len(listed)
            await watched.disarm()
            listening.cancel()
        finally:
            moving.cancel()
            await watched.close()
            take_down()
        assert (dict(account.leverage), account.hedge_mode, set(account.isolated)) == before
        assert not desk.exchange.open_orders(KEY.account)
        assert not desk.exchange.closed_orders(KEY.account, None, 0, 10)
        assert not {desk.operation(request) for request, _ in asked} & {Operation.PLACE, Operation.CANCEL}
        written = {(r.method, r.path) for r, _ in asked if r.method != "GET" and r.path not in ("/info", *_listen_paths(venue))}
        assert not written


def _listen_paths(venue: str) -> tuple[str, ...]:
    path = PROFILES[VenueId(venue)].streams.listen_key_path
    return (path,) if path else ()


@pytest.mark.parametrize("environment", [pytest.param(each, id=each.value) for each in Environment])
@EVERY_VENUE
async def test_the_doors_let_sockets_out_and_nothing_that_acts(venue: str, environment: Environment) -> None:
    """The second line: even a call that no rule here foresees is stopped in the session."""
    profile = PROFILES[VenueId(venue)]
    if environment not in profile.hosts and environment is not Environment.SIMULATION:
        return
    routes = dict.fromkeys(profile.hosts_in(environment).names, "http://127.0.0.1:9")
    told = settings_for(venue, environment, routes=routes)
    narrow = doors(profile, told).watching(_listen_paths(venue)).allowed
    acting = ("create_order", "cancel_order", "set_leverage", "set_margin_mode", "set_position_mode", profile.writes.cancel.call)
    acting += () if profile.writes.cancel_other is None else (profile.writes.cancel_other.call,)
    acting += () if profile.dead_man is None else (profile.dead_man.query.call,)
    acted = 0
    for each in (await rehearse(profile, told, WallClock())).requests:
        why = narrow.refusal(each.asked)
        asks = (each.asked.verb == "GET" and "/private/" not in each.asked.url.path) or each.asked.url.path.endswith("/info")
        if each.call in acting and not asks and "/get_" not in each.asked.url.path:
            assert why is not None, each.call
            acted += 1
        elif each.asked.socket or each.call not in acting:
            assert why is None, (each.call, why)
    assert acted >= 2


ACTING = [
    '{"id":"1","method":"order.place","params":{"symbol":"BTCUSDT"}}',
    '{"reqId":"1","op":"order.create","args":[{"symbol":"BTCUSDT"}]}',
    '{"id":"1","op":"order","args":[{"instId":"BTC-USDT-SWAP"}]}',
    '{"id":"1","op":"cancel-order","args":[{"instId":"BTC-USDT-SWAP"}]}',
    '{"jsonrpc":"2.0","id":1,"method":"private/buy","params":{"instrument_name":"BTC-PERPETUAL"}}',
    '{"jsonrpc":"2.0","id":1,"method":"private/enable_cancel_on_disconnect","params":{}}',
    '{"method":"post","id":1,"request":{"type":"action","payload":{}}}',
    '{"op":"subscribe","args":["dcp.future"]}',
    '[{"op":"order"}]',
    '{"op":"order"',
]
LISTENING = [
    '{"op":"subscribe","args":["order","execution"]}',
    '{"op":"login","args":[{"apiKey":"k"}]}',
    '{"method":"SUBSCRIBE","params":["btcusdt@bookTicker"],"id":1}',
    '{"jsonrpc":"2.0","id":1,"method":"public/auth","params":{}}',
    '{"jsonrpc":"2.0","id":1,"method":"private/subscribe","params":{"channels":["user.orders.any.any.raw"]}}',
    '{"method":"ping"}',
    "ping",
    "",
]


@pytest.mark.parametrize(("frame", "passes"), [*((frame, False) for frame in ACTING), *((frame, True) for frame in LISTENING)])
def test_a_frame_may_listen_and_not_act(frame: str, passes: bool) -> None:
    profile, here = PROFILES[VenueId("bybit")], Environment.SIMULATION
    told = settings_for("bybit", here, routes=dict.fromkeys(profile.hosts_in(here).names, "http://127.0.0.1:9"))
    allowed = replace(doors(profile, told).watching(()).allowed, keys=(), secrets=())
    opening = next(each for each in allowed.openings if each.socket and each.private)

    url = URL(f"https://{opening.host}{opening.paths[0]}")
    assert (allowed.frame_refusal(url, frame) is None) is passes
