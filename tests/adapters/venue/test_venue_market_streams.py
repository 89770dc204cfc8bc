"""How quiet, old, backlogged and broken market streams are judged, on every dialect: real ccxt.pro over WebSocket."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from itertools import count

import pytest

from bot.core.events import VenueLink
from tests.adapters.venue.test_venue_streams import about, links, market_sockets
from tests.adapters.venue.venue_stand import STANDS, Stand, standing, until
from tests.simulator.stand import FAIR, tick_of


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param, moving=True) as one:
        yield one


@pytest.mark.parametrize("name", list(STANDS))
async def test_one_quiet_instrument_neither_ages_its_venue_nor_cuts_its_sockets(name, monkeypatch):
    monkeypatch.setattr("bot.adapters.venue.streams.TOPIC_SILENT_SECONDS", 1.5)
    async with standing(name) as stand:  # nothing moves by itself, and ETH not at all
        moves = asyncio.create_task(_moving(stand, stand.btc.venue_symbol))
        async with stand.listening() as box:
            sockets = {socket for socket in stand.venue._up.client.clients.values() if socket.isConnected}
            box.quotes.clear()
            await asyncio.sleep(stand.venue._profile.streams.quote_silence_ms / 1_000 + 1)
            assert links(box) == [VenueLink.UP]
            assert sockets == {socket for socket in stand.venue._up.client.clients.values() if socket.isConnected}
            assert len([quote for quote in box.quotes if quote.instrument == stand.btc.id]) > 20
        moves.cancel()


async def _moving(stand: Stand, symbol: str) -> None:
    contract = stand.desk.exchange.contracts[symbol]
    for turn in count():
        await asyncio.sleep(0.1)
        stand.desk.tick(tick_of(contract, FAIR[contract.base] + (contract.tick if turn % 2 else 0)))


@pytest.mark.parametrize("step_ms", [3_600_000, -3_600_000])
async def test_a_stepping_wall_clock_makes_no_socket_look_silent_or_alive(stand, step_ms):
    async with stand.listening() as box:
        sockets = {socket for socket in stand.venue._up.client.clients.values() if socket.isConnected}
        stand.clock.ahead_ms += step_ms
        await asyncio.sleep(1.5)
        assert links(box) == [VenueLink.UP]
        assert sockets == {socket for socket in stand.venue._up.client.clients.values() if socket.isConnected}
        stand.server.silence(stand.name, http=False)
        await until(lambda: box.link is VenueLink.STALE)


@pytest.mark.parametrize("name", list(STANDS))
async def test_a_quote_is_as_old_as_the_venue_says_by_its_own_clock(name):
    async with standing(name, moving=True, ahead_ms=120_000) as stand, stand.listening() as box:
        await until(lambda: any(quote.mark for quote in box.quotes))
        quote = next(quote for quote in reversed(box.quotes) if quote.mark)
        assert -1_000 < quote.book_at - stand.clock.now() <= 0, "two clocks two minutes apart"
        assert -1_500 < quote.mark_at - stand.clock.now() <= 0
        box.quotes.clear()
        late = stand.clock.now() + stand.venue._up.asker.offset_ms - 9_000
        for message in BACKLOGGED[stand.name](late):
            stand.venue._message_heard(None, about(stand, message))
        book, mark = box.quotes
        assert abs(stand.clock.now() - 9_000 - book.book_at) < 100, "what waited in a socket is as old as it is"
        tells_when = stand.name != "hyperliquid"  # a mark's own instant is not told there: it is as old as its arrival
        assert abs(stand.clock.now() - (9_000 if tells_when else 0) - mark.mark_at) < 100


BACKLOGGED = {
    "binanceusdm": lambda at: [
        {"e": "bookTicker", "E": at, "T": at - 3, "s": "BTCUSDT", "b": "59999.9", "B": "1", "a": "60000.1", "A": "1"},
        {"e": "markPriceUpdate", "E": at, "s": "BTCUSDT", "p": "60000", "i": "60000"},
    ],
    "binancecoinm": lambda at: [
        {"e": "bookTicker", "E": at, "T": at - 3, "s": "BTCUSD_PERP", "ps": "BTCUSD", "b": "59999.9", "B": "1", "a": "60000.1", "A": "1"},
        {"e": "markPriceUpdate", "E": at, "s": "BTCUSD_PERP", "p": "60000", "i": "60000"},
    ],
    "bybit": lambda at: [
        {
            "topic": "orderbook.1.BTCUSDT",
            "type": "snapshot",
            "ts": at,
            "cts": at - 60_000,
            "data": {"s": "BTCUSDT", "b": [["59999.9", "1"]], "a": [["60000.1", "1"]]},
        },
        {"topic": "tickers.BTCUSDT", "type": "delta", "ts": at, "data": {"symbol": "BTCUSDT", "markPrice": "60000"}},
    ],
    "deribit": lambda at: [
        {
            "method": "subscription",
            "params": {
                "channel": "quote.BTC_USDC-PERPETUAL",
                "data": {
                    "instrument_name": "BTC_USDC-PERPETUAL",
                    "timestamp": at,
                    "best_bid_price": 59999.5,
                    "best_bid_amount": 10,
                    "best_ask_price": 60000.5,
                    "best_ask_amount": 10,
                },
            },
        },
        {
            "method": "subscription",
            "params": {
                "channel": "ticker.BTC_USDC-PERPETUAL.100ms",
                "data": {"instrument_name": "BTC_USDC-PERPETUAL", "timestamp": at, "mark_price": 60000, "index_price": 60000},
            },
        },
    ],
    "okx": lambda at: [
        {
            "arg": {"channel": "bbo-tbt", "instId": "BTC-USDT-SWAP"},
            "data": [{"bids": [["59999.9", "1", "0", "1"]], "asks": [["60000.1", "1", "0", "1"]], "ts": str(at)}],
        },
        {
            "arg": {"channel": "mark-price", "instId": "BTC-USDT-SWAP"},
            "data": [{"instId": "BTC-USDT-SWAP", "instType": "SWAP", "markPx": "60000", "ts": str(at)}],
        },
    ],
    "hyperliquid": lambda at: [
        {
            "channel": "l2Book",
            "data": {"coin": "BTC", "time": at, "levels": [[{"px": "59999.0", "sz": "1.0"}], [{"px": "60001.0", "sz": "1.0"}]]},
        },
        {"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": {"markPx": "60000.0"}}},
    ],
}


async def test_what_a_cut_subscription_told_is_not_continued_by_the_next_one():
    """A delta with one side is whole only beside a snapshot of the same subscription."""
    delta = {
        "topic": "orderbook.1.BTCUSDT",
        "type": "delta",
        "ts": time.time_ns() // 1_000_000,
        "data": {"s": "BTCUSDT", "b": [["59990", "1"]], "a": []},
    }
    async with standing("bybit", moving=True) as stand, stand.listening() as box:
        box.quotes.clear()
        stand.venue._message_heard(None, delta)
        assert box.quotes[-1].bid == 59_990, "the ask still stands"
        stand.server.close_sockets(stand.name)
        await until(lambda: box.link is not VenueLink.UP)
        await until(lambda: not market_sockets(stand))
        box.quotes.clear()
        stand.venue._message_heard(None, delta)
        assert box.quotes == []
        await until(lambda: box.quotes)
        await until(lambda: box.link is VenueLink.UP)
