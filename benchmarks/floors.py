"""What the hot path cannot be faster than: the same order by ccxt alone and by aiohttp alone, and the same entry made durable alone.

Each floor starts from what the bot has just recorded and sent: the same order for an account of its own at the same venue process, the same
events and commands into a journal of its own in the same folder.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import aiohttp
import ccxt.async_support
from yarl import URL

from benchmarks.figures import BenchmarkFailed
from benchmarks.hedge import Sample
from benchmarks.venue import BARE_CCXT, BARE_HTTP, HOST, Venue
from benchmarks.wire import Sent, Wire
from bot.adapters.journal.codec import encode
from bot.adapters.journal.sqlite import SqliteJournal
from bot.core.commands import PlaceOrder
from bot.core.events import Event


@dataclass(frozen=True, slots=True)
class Placed:
    """One bare order: begun, left (inside `sent`) and answered, in nanoseconds."""

    began: int
    sent: Sent
    answered: int


class BareCcxt:
    """ccxt's own client with its own session and limiter off: nothing of ours but the loopback address."""

    def __init__(self, client: Any, wire: Wire) -> None:
        self._client = client
        self._wire = wire
        self._number = 0

    async def place(self, order: PlaceOrder) -> Placed:
        """The bot's order, for this account."""
        self._number += 1
        parameters = {
            "newOrderRespType": "RESULT",
            "newClientOrderId": f"{BARE_CCXT.account}{self._number:0{len(order.client_order_id) - len(BARE_CCXT.account)}d}",
            "timeInForce": "IOC",
            "recvWindow": 5_000,
        }
        if order.reduce_only:
            parameters["reduceOnly"] = True
        side, symbol = "sell" if order.quantity < 0 else "buy", "BTC/USDT:USDT"
        began = time.perf_counter_ns()
        placing = self._client.create_order(symbol, "limit", side, f"{order.contracts:f}", f"{order.price:f}", parameters)
        answer = await placing
        answered = time.perf_counter_ns()
        _must_be_filled("ccxt", answer["info"], order.contracts)
        sent = await self._wire.next("ccxt")
        self._wire.clear("ccxt")
        return Placed(began, sent, answered)

    @property
    def request(self) -> tuple[str, dict[str, str]]:
        """Body and headers of the newest request."""
        return self._client.last_request_body, dict(self._client.last_request_headers)


class BareHttp:
    """aiohttp alone, posting what ccxt posts, signed anew."""

    def __init__(self, session: aiohttp.ClientSession, venue: Venue, wire: Wire) -> None:
        self._session = session
        self._url = URL(f"{venue.url}/fapi/v1/order")
        self._wire = wire

    async def place(self, order: PlaceOrder, like: tuple[str, dict[str, str]]) -> Placed:
        """The request that ccxt made, for this account."""
        body, headers = like
        fields = dict(parse_qsl(body))
        fields.pop("signature")
        fields["newClientOrderId"] = fields["newClientOrderId"].replace(BARE_CCXT.account, BARE_HTTP.account)
        headers["X-MBX-APIKEY"] = BARE_HTTP.api_key
        began = time.perf_counter_ns()
        fields["timestamp"] = str(time.time_ns() // 1_000_000)
        query = urlencode(fields)
        signature = hmac.new(BARE_HTTP.secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        async with self._session.post(self._url, data=f"{query}&signature={signature}".encode(), headers=headers) as response:
            answer = await response.json()
        answered = time.perf_counter_ns()
        _must_be_filled("aiohttp", answer, order.contracts)
        sent = await self._wire.next("aiohttp")
        self._wire.clear("aiohttp")
        return Placed(began, sent, answered)


class BareDisk:
    """One durable append three ways, in nanoseconds: through our journal, through SQLite alone, through a file alone."""

    def __init__(self, folder: Path) -> None:
        self._journal = SqliteJournal(folder / "floor-journal.sqlite", "bench")
        self._journal.append((), (), durable=True)  # what the first append verifies is not what an append costs
        self._database = sqlite3.connect(folder / "floor.sqlite", isolation_level=None)
        for pragma in ("journal_mode = WAL", "synchronous = FULL", "wal_autocheckpoint = 8192"):
            self._database.execute(f"PRAGMA {pragma}")
        self._database.execute("CREATE TABLE entries (seq INTEGER PRIMARY KEY, link BLOB, payload BLOB)")
        self._file = os.open(folder / "floor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def journal(self, sample: Sample) -> int:
        """The bot's entry by `SqliteJournal.append(durable=True)`."""
        began = time.perf_counter_ns()
        self._journal.append(sample.events, (sample.order,), durable=True)
        return time.perf_counter_ns() - began

    def sqlite(self, sample: Sample) -> int:
        """Its bytes as one row, synchronous=FULL."""
        payload = _bytes_of(sample.events, sample.order)
        began = time.perf_counter_ns()
        self._database.execute("INSERT INTO entries (link, payload) VALUES (?, ?)", (payload[:32], payload))
        return time.perf_counter_ns() - began

    def file(self, sample: Sample) -> int:
        """Its bytes by write and fdatasync."""
        payload = _bytes_of(sample.events, sample.order)
        began = time.perf_counter_ns()
        os.write(self._file, payload)
        os.fdatasync(self._file)
        return time.perf_counter_ns() - began

    def close(self) -> None:
        """Lets all three go."""
        self._journal.close()
        self._database.close()
        os.close(self._file)


def _bytes_of(events: Sequence[Event], order: PlaceOrder) -> bytes:
    return encode(events, (order,))


def _must_be_filled(lane: str, row: Any, contracts: Decimal) -> None:
    if not isinstance(row, dict) or row.get("status") != "FILLED" or Decimal(row["executedQty"]) != contracts:
        raise BenchmarkFailed(f"{lane}: the order was not filled: {str(row)[:200]}")


@asynccontextmanager
async def bare_ccxt(venue: Venue, wire: Wire) -> AsyncIterator[BareCcxt]:
    """ccxt with markets loaded. Its URLs lead to loopback, its Host header names the venue."""
    client = ccxt.async_support.binanceusdm(
        {
            "apiKey": BARE_CCXT.api_key,
            "secret": BARE_CCXT.secret,
            "enableRateLimit": False,
            "headers": {"Host": HOST},
            "options": {"fetchCurrencies": False, "fetchMargins": False},
        }
    )
    places = client.urls["api"]
    client.urls["api"] = {name: place.replace(f"https://{HOST}", venue.url) for name, place in places.items()}
    try:
        await client.load_markets()
        yield BareCcxt(client, wire)
    except ccxt.BaseError as error:
        raise BenchmarkFailed(f"ccxt: {type(error).__name__}: {str(error)[:200]}") from None
    finally:
        await client.close()


@asynccontextmanager
async def bare_http(venue: Venue, wire: Wire) -> AsyncIterator[BareHttp]:
    """A plain aiohttp session."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        try:
            yield BareHttp(session, venue, wire)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise BenchmarkFailed(f"aiohttp: {type(error).__name__}: {error}") from None
