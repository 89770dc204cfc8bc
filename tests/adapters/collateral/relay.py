"""The wire between a source and whoever tells it, as TCP: it passes everything on, is cut, or keeps its connections and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE = 65_536


class Relay:
    """One port in front of another one on loopback."""

    def __init__(self, port: int) -> None:
        """`port`: where everything is passed on to."""
        self._behind, self.port = port, 0
        self._passes = asyncio.Event()
        self._passes.set()
        self._refuses = False
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cut(self) -> None:
        """Every connection ends, and a new one at once."""
        self._refuses = True
        for writer in self._open:
            writer.transport.abort()

    def hang(self) -> None:
        """Connections stay and are made; nothing comes through any more."""
        self._passes.clear()

    def mend(self) -> None:
        """As at the beginning."""
        self._refuses = False
        self._passes.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._refuses:
                return
            there, back = await asyncio.open_connection("127.0.0.1", self._behind)
            self._open.add(back)
            await asyncio.gather(self._pass(reader, back), self._pass(there, writer))
        except OSError:
            return
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError):
                while piece := await reader.read(_PIECE):
                    await self._passes.wait()
                    writer.write(piece)
                    await writer.drain()
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[Relay]:
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self._serve(reader, writer)))

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
