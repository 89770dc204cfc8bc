"""When an order request has left this process.

The rule: a request has left when all of its bytes have been handed to the transport. aiohttp writes headers and body of a small request in
one `transport.write`; that call is watched here for every client in the process alike, whoever made its session, and the instant is taken
when it has returned. uvloop makes the system call after the callbacks that are ready at that moment, which nothing in this process can
see; that nothing hides there is shown by the venue's process, which notes when it had read the same request.

aiohttp's own `TraceConfig` is no alternative: its signals are sent before the bytes are written (headers wait for the body), and a session
with a trace is slower than one without.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from aiohttp.http_writer import StreamWriter

from benchmarks.figures import BenchmarkFailed

LEAVING_SECONDS = 3.0

_ORDER = b"POST /fapi/v1/order "
_CLIENT_ID = re.compile(rb"newClientOrderId=([^&]+)")


@dataclass(frozen=True, slots=True)
class Sent:
    """One order request. The instant is nanoseconds of the monotonic clock, which all processes of a machine share."""

    request: bytes
    left: int

    @property
    def client_order_id(self) -> str:
        """The id that the request carries."""
        found = _CLIENT_ID.search(self.request)
        if found is None:
            raise BenchmarkFailed("an order request left without a client order id")
        return found[1].decode()


class Wire:
    """The order requests that left, in order, since they were last asked for."""

    def __init__(self) -> None:
        self._sent: list[Sent] = []
        self._news = asyncio.Event()

    @contextmanager
    def watched(self) -> Iterator[Wire]:
        """Watches every aiohttp client of this process meanwhile."""
        write, write_lines = StreamWriter._write, StreamWriter._writelines

        def watched_write(writer: Any, chunk: Any) -> None:
            write(writer, chunk)
            left = time.perf_counter_ns()
            if bytes(chunk[: len(_ORDER)]) == _ORDER:
                self._saw(left, bytes(chunk))

        def watched_lines(writer: Any, chunks: Iterable[Any]) -> None:
            kept = tuple(chunks)
            write_lines(writer, kept)
            left = time.perf_counter_ns()
            if bytes(kept[0][: len(_ORDER)]) == _ORDER:
                self._saw(left, b"".join(kept))

        with patch.object(StreamWriter, "_write", watched_write), patch.object(StreamWriter, "_writelines", watched_lines):
            yield self

    async def next(self, lane: str) -> Sent:
        """The one order request that leaves next. Raises BenchmarkFailed when none does."""
        try:
            async with asyncio.timeout(LEAVING_SECONDS):
                await self._news.wait()
        except TimeoutError:
            raise BenchmarkFailed(f"{lane}: no order request left within {LEAVING_SECONDS:.0f} s") from None
        return self._sent[0]

    def clear(self, lane: str) -> None:
        """Forgets what left; raises BenchmarkFailed unless it was exactly one request."""
        if len(self._sent) != 1:
            raise BenchmarkFailed(f"{lane}: {len(self._sent)} order requests left where one was meant")
        self.forget()

    def forget(self) -> None:
        """Forgets what left, however many."""
        self._sent.clear()
        self._news.clear()

    def _saw(self, left: int, request: bytes) -> None:
        self._sent.append(Sent(request, left))
        self._news.set()
