"""Connections that strangers hold open: bounded in number and in time, and never in the way of who asks something."""

from __future__ import annotations

import asyncio
import logging
import resource
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import aiohttp
import pytest
import structlog
import uvloop

from bot.adapters.telemetry import connections as module
from bot.adapters.telemetry.connections import CONNECTIONS_MAX, HEAD_SECONDS, allow_descriptors
from tests.adapters.telemetry.test_endpoints import Bot

HALF_A_HEAD = b"GET /metrics HTTP/1.1\r\nHost: a\r\nX: "


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    served = Bot().endpoints(None)
    await served.start()
    try:
        yield served.port
    finally:
        await served.stop()


@contextmanager
def strangers(port: int, number: int, said: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which something is said and nothing more."""
    held = []
    try:
        for _ in range(number):
            held.append(socket.create_connection(("127.0.0.1", port), timeout=5))
            with suppress(ConnectionError):
                held[-1].sendall(said)
        yield held
    finally:
        for each in held:
            each.close()


def ended(each: socket.socket) -> bool:
    each.setblocking(False)
    try:
        return each.recv(65536) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


async def until_ended(held: list[socket.socket], number: int, seconds: float) -> float:
    """How long it took until so many were ended."""
    began, left = time.monotonic(), list(held)
    while len(held) - len(left) < number:
        assert time.monotonic() < began + seconds, f"{len(left)} of {len(held)} are still open"
        await asyncio.sleep(0.05)
        left = [each for each in left if not ended(each)]
    return time.monotonic() - began


async def fetched(port: int) -> int:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=4)) as session:
        async with session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b"hedgebot_" in await answer.read()
            return answer.status


@pytest.mark.parametrize("said", [b"", HALF_A_HEAD], ids=["nothing", "half a head"])
@pytest.mark.parametrize("run", [uvloop.run, asyncio.run], ids=["uvloop", "asyncio"])
def test_a_hundred_who_say_nothing_are_dropped_and_a_scrape_is_answered_meanwhile(
    run: Callable[[Coroutine[Any, Any, None]], None], said: bytes
) -> None:
    async def story() -> None:
        async with listening() as port:
            with strangers(port, 100, said) as held:
                await until_ended(held, 100 - CONNECTIONS_MAX, 3)
                assert await fetched(port) == 200
                await until_ended(held[-CONNECTIONS_MAX:], CONNECTIONS_MAX, HEAD_SECONDS + 5)
            assert await fetched(port) == 200

    run(story())


async def test_one_that_is_being_answered_is_not_dropped_for_a_stranger(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = Bot()
    whole = bot.metrics.render

    def slowly() -> bytes:
        time.sleep(1)
        return whole()

    monkeypatch.setattr(bot.metrics, "render", slowly)
    served = bot.endpoints(None)
    await served.start()
    try:
        scrape = asyncio.create_task(fetched(served.port))
        await asyncio.sleep(0.2)
        with strangers(served.port, 100, HALF_A_HEAD):
            assert await scrape == 200
    finally:
        await served.stop()


async def test_an_answer_that_nobody_reads_and_a_connection_that_nobody_uses_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_SECONDS", 0.5)
    bot = Bot()
    monkeypatch.setattr(bot.metrics, "render", lambda: b"x" * 30_000_000)
    served = bot.endpoints(None)
    await served.start()
    try:
        with strangers(served.port, 1, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n") as unread:
            await asyncio.sleep(1.5)
            got = 0
            unread[0].settimeout(2)
            with suppress(ConnectionError):
                while more := await asyncio.to_thread(unread[0].recv, 1 << 20):
                    got += len(more)
            assert got < 30_000_000
        with strangers(served.port, 1, b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n") as kept:
            await until_ended(kept, 1, 3)
    finally:
        await served.stop()


async def test_heads_that_are_none_get_fixed_words_and_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with listening() as port:
        with caplog.at_level(logging.INFO), structlog.testing.capture_logs() as logged:
            for text in (b"G\x01T /canary HTTP/1.1\r\n\r\n", b"GET /canary HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nca nary: 1\r\n\r\n"):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(text)
                told = await asyncio.wait_for(reader.read(), 3)
                writer.close()
                assert told.startswith(b"HTTP/1.0 400"), told
                assert told.endswith(b"\r\n\r\nthis is not a request\n")
                assert b"nary" not in told
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
    assert logged == [{"event": "connections_refused", "log_level": "warning", "dropped": 0, "malformed": 1}]


def test_a_run_may_open_what_the_system_allows() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        allow_descriptors()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
