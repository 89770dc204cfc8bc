"""One venue's adapter beside bare ccxt and bare HTTP: order latency, market data per core, a cancel behind two hundred polls.

The venue is the simulator in a process of its own. All lanes of one figure are taken in turn in this process, so ratios are what to read.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp
import ccxt
from yarl import URL

from benchmarks.dialect_process import key_of
from benchmarks.figures import BenchmarkFailed, Figure, Samples
from bot.adapters.venue.ccxt_client import make_client
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.adapters.venue.throttle import Lane, NotAdmitted
from bot.core.commands import CancelOrder, PlaceOrder
from bot.core.events import Event, OrderReported, Quote
from bot.core.instrument import ContractKind, Instrument
from bot.core.units import ClientOrderId, VenueId
from bot.shell.clock import SystemClock
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import exchange_of

ADAPTER, CCXT, HTTP = "adapter", "ccxt create_order", "POST of a signed order"
IDLE, BEHIND_POLLS = "cancel, idle", "cancel, 200 polls queued"
START_SECONDS, STOP_SECONDS = 20.0, 5.0
ORDER_PAUSE_SECONDS, ORDER_PAUSES_SECONDS = 0.12, {"deribit": 0.8}
"""Between two orders of the adapter: Bybit takes ten a second, Deribit five, those that go past the adapter's gate among them."""
CANCEL_ROUNDS_MAX = {"hyperliquid": 8}
"""It has one budget for everything, a minute long, and the polls take most of it."""
FLOOD_SECONDS, CALM_SECONDS = 0.002, 0.25
POLLS = 200

MEASURED = tuple(name for name in DIALECTS if name in PROFILES)
_ids = count(1)


@dataclass(frozen=True, slots=True)
class Measured:
    """What was found at one venue. Messages are per second of this process's own CPU time."""

    latency: Mapping[str, Figure]
    cancels: Mapping[str, Figure]
    adapter_messages: float
    ccxt_messages: float


class Counting:
    """An inbox that only counts."""

    def __init__(self) -> None:
        self.quotes = 0

    def put(self, event: Event) -> None:
        """Is not what is measured."""

    async def put_awaited(self, event: Event) -> bool:
        """Neither is this."""
        self.put(event)
        return True

    def put_quote(self, quote: Quote) -> None:
        """One more."""
        self.quotes += quote is not None


def symbols_of(venue: str) -> tuple[str, ...]:
    """The venue's first perpetuals of BTC and ETH."""
    contracts = exchange_of(venue, now=0).contracts.values()
    found = {base: next((c.symbol for c in contracts if c.base == base), None) for base in ("BTC", "ETH")}
    return tuple(symbol for symbol in found.values() if symbol is not None)


def account_of(venue: str, routes: Mapping[str, str], symbols: tuple[str, ...]) -> VenueSettings:
    """The benchmark's account."""
    key = key_of(venue)
    return VenueSettings(
        venue=VenueId(venue),
        environment=Environment.SIMULATION,
        api_key=key.api_key,
        secret=key.secret,
        passphrase=key.passphrase,
        venue_symbols=symbols,
        routes=routes,
    )


class VenueProcess:
    """A running venue: where it is, and how fast its market moves."""

    def __init__(self, process: asyncio.subprocess.Process, routes: Mapping[str, str]) -> None:
        self._process = process
        self.routes = routes

    def moves_every(self, seconds: float) -> None:
        """Each move changes every touch."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{seconds}\n".encode())


@asynccontextmanager
async def venue_process(venue: str) -> AsyncIterator[VenueProcess]:
    """The venue, running meanwhile. Raises BenchmarkFailed when it does not start, or failed itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.dialect_process", venue, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        told = await _line(process, START_SECONDS)
        yield VenueProcess(process, dict.fromkeys(told["hosts"], f"http://127.0.0.1:{told['port']}"))
        assert process.stdin is not None
        process.stdin.close()
        said = await _line(process, STOP_SECONDS)
        if said["failures"]:
            raise BenchmarkFailed(f"the simulated {venue} failed: {said['failures'][0]}")
        await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def measure(venue: str, rounds: int, seconds: float) -> Measured:
    """Everything at one venue; `seconds` for each lane of market data."""
    async with venue_process(venue) as served:
        adapter = CcxtVenue(account_of(venue, served.routes, symbols_of(venue)), SystemClock())
        listed = await adapter.open()
        btc = next(each for each in listed if each.base == "BTC")
        try:
            latency = await _orders(adapter, btc, rounds)
            cancels = await _cancels(adapter, btc, rounds)
            served.moves_every(FLOOD_SECONDS)
            ours, bare = await _adapter_messages(adapter, seconds), await _ccxt_messages(adapter, seconds)
        finally:
            await adapter.close()
    return Measured(latency.figures(), cancels.figures(), ours, bare)


def _order(btc: Instrument, *, post_only: bool) -> PlaceOrder:
    """A sale high above the market: it meets nobody, and rests when it may."""
    price = btc.tick * (Decimal(60_600) // btc.tick)
    quantity = Decimal(1_000) if btc.kind is ContractKind.INVERSE else Decimal("0.02")
    clock = SystemClock()
    return PlaceOrder(
        client_order_id=ClientOrderId(f"b{next(_ids)}x{clock.now()}"),
        instrument=btc.id,
        quantity=-quantity,
        contracts=quantity / btc.contract_size,
        price=price,
        reduce_only=False,
        post_only=post_only,
        expires_at=clock.now() + 4_000,
    )


async def _orders(adapter: CcxtVenue, btc: Instrument, rounds: int) -> Samples:
    """The adapter, ccxt alone, and the request that ccxt made, alone: each until answered, in turn."""
    samples, up = Samples(), adapter._up
    if up is None:
        raise BenchmarkFailed("the venue is not open")
    bare = make_client(adapter._profile, adapter._settings, up.session, SystemClock())
    bare.set_markets(list(up.client.markets.values()))
    writes = adapter._profile.writes
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        for number in range(rounds + 3):
            order = _order(btc, post_only=False)
            began = time.perf_counter_ns()
            answer = await adapter.place(order)
            took = time.perf_counter_ns() - began
            if not isinstance(answer, OrderReported):
                raise BenchmarkFailed(f"{adapter.id}: {answer}")
            arguments = (up.opened.ccxt_symbols[btc.venue_symbol], "limit", "sell", f"{order.contracts:f}", f"{order.price:f}")
            parameters = {**writes.place_parameters, "timeInForce": "IOC"}
            began = time.perf_counter_ns()
            with suppress(ccxt.InvalidOrder):  # so Hyperliquid calls an order that met nobody at once
                await bare.create_order(
                    *arguments, {**parameters, writes.client_id_as: writes.client_id_as_sent(f"c{order.client_order_id}")}
                )
            by_ccxt = time.perf_counter_ns() - began
            url, method, headers, body = await _signed(
                bare, arguments, {**parameters, writes.client_id_as: writes.client_id_as_sent(f"h{order.client_order_id}")}
            )
            target = URL(url, encoded=True)
            sent = {**(headers or {}), "Host": str(target.host)}
            place = URL(f"{adapter._settings.routes[str(target.host)]}{target.raw_path_qs}", encoded=True)
            began = time.perf_counter_ns()
            async with session.request(method, place, headers=sent, data=body) as response:
                await response.read()
            by_http = time.perf_counter_ns() - began
            if number >= 3:  # the first ones warm the paths
                for lane, nanoseconds in ((ADAPTER, took), (CCXT, by_ccxt), (HTTP, by_http)):
                    samples.add(lane, nanoseconds)
            await asyncio.sleep(ORDER_PAUSES_SECONDS.get(adapter.id, ORDER_PAUSE_SECONDS))
    bare.timeout_on_exit = 0
    await bare.close()
    return samples


async def _signed(client: Any, arguments: tuple[str, ...], parameters: Mapping[str, Any]) -> tuple[str, str, Any, Any]:
    """The request that ccxt would send for an order."""
    caught: list[tuple[str, str, Any, Any]] = []

    class Caught(Exception):
        """It got as far as this."""

    async def fetch(url: str, method: str = "GET", headers: Any = None, body: Any = None) -> Any:
        caught.append((url, method, client.set_headers(client.prepare_request_headers(headers)), body))
        raise Caught

    usual, client.fetch = client.fetch, fetch
    try:
        await client.create_order(*arguments, parameters)
    except Caught:
        return caught[0]
    finally:
        client.fetch = usual
    raise BenchmarkFailed("ccxt answered an order without a request")


async def _cancels(adapter: CcxtVenue, btc: Instrument, rounds: int) -> Samples:
    """Cancels of resting orders, in turn with nothing else under way and with two hundred polls waiting for their turn."""
    samples, up, gate = Samples(), adapter._up, adapter._gate
    if up is None:
        raise BenchmarkFailed("the venue is not open")
    gate._queue_max = 2 * POLLS
    query = adapter._profile.market.open_interest
    limit = next(iter(adapter._profile.weights[query.ask]))
    for _ in range(min(rounds, CANCEL_ROUNDS_MAX.get(adapter.id, rounds))):
        for lane in (IDLE, BEHIND_POLLS):
            order = _order(btc, post_only=True)
            placed = await adapter.place(order)
            if not isinstance(placed, OrderReported):
                raise BenchmarkFailed(f"{adapter.id}: an order did not rest: {placed}")
            polls: list[asyncio.Task[Any]] = []
            if lane == BEHIND_POLLS:
                gate.leave(limit, gate.left(limit) - gate._limits[limit].of(Lane.MARKET_DATA)[-1].left, 0.3)
                polls = [asyncio.create_task(_poll(adapter, query)) for _ in range(POLLS)]
                await asyncio.sleep(0.01)
            with _timed(samples, lane):
                cancel = CancelOrder(client_order_id=order.client_order_id, instrument=btc.id, venue_order_id=None)
                answer = await adapter.cancel(cancel)
            if not isinstance(answer, OrderReported):
                raise BenchmarkFailed(f"{adapter.id}: {answer}")
            for poll in polls:
                poll.cancel()
            await asyncio.gather(*polls, return_exceptions=True)
            await asyncio.sleep(ORDER_PAUSES_SECONDS.get(adapter.id, ORDER_PAUSE_SECONDS))
    return samples


async def _poll(adapter: CcxtVenue, query: Any) -> None:
    try:
        await adapter._gate.admit(Lane.MARKET_DATA, adapter._profile.weights[query.ask])
        assert adapter._up is not None
        await adapter._up.asker.rows(query, Lane.MARKET_DATA, symbols=list(adapter._up.opened.instruments)[:1])
    except NotAdmitted:
        return


@contextmanager
def _timed(samples: Samples, lane: str) -> Iterator[None]:
    began = time.perf_counter_ns()
    yield
    samples.add(lane, time.perf_counter_ns() - began)


async def _adapter_messages(adapter: CcxtVenue, seconds: float) -> float:
    """Quotes per second of CPU, best bid and ask and marks of both instruments."""
    box = Counting()
    listening = asyncio.create_task(adapter.listen(box))
    try:
        return await _per_cpu_second(lambda: box.quotes, seconds)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _ccxt_messages(adapter: CcxtVenue, seconds: float) -> float:
    """Messages per second of CPU with ccxt's own `watch_order_book` on the same instruments, awaited and thrown away."""
    up = adapter._up
    assert up is not None
    client = make_client(adapter._profile, adapter._settings, up.session, SystemClock())
    client.set_markets(list(up.client.markets.values()))
    heard = [0]
    original = client.handle_message

    def counted(socket: Any, message: Any) -> None:
        heard[0] += 1
        original(socket, message)

    client.handle_message = counted

    async def watch(symbol: str) -> None:
        while True:
            await client.watch_order_book(symbol)

    watching = [asyncio.create_task(watch(symbol)) for symbol in up.opened.ccxt_symbols.values()]
    try:
        return await _per_cpu_second(lambda: heard[0], seconds)
    finally:
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        client.timeout_on_exit = 0
        await client.close()


async def _per_cpu_second(told: Callable[[], int], seconds: float) -> float:
    deadline = time.monotonic() + START_SECONDS
    while told() < 50:
        if time.monotonic() > deadline:
            raise BenchmarkFailed("a stream told nothing")
        await asyncio.sleep(0.05)
    before, cpu = told(), time.process_time()
    await asyncio.sleep(seconds)
    return (told() - before) / (time.process_time() - cpu)


async def _line(process: asyncio.subprocess.Process, seconds: float) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), seconds)
    except TimeoutError:
        line = b""
    if not line:
        raise BenchmarkFailed(f"a process said nothing within {seconds:.0f} s; what it said is above")
    told: dict[str, Any] = json.loads(line)
    return told
