"""One connection to the Redis server that takes writes now: a single server, or the master that Sentinels name.

Rules: one attempt for each call. The client library's own retries are off, for a repeated write is only harmless when it is compared with
what is there, which is the journal's business. After any failure to answer the connection is gone, and the next call makes a new one,
asking the Sentinels again; so an answer can never be taken for that of another call.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from redis import Connection, SSLConnection
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    NoScriptError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)
from redis.exceptions import (
    ConnectionError as Disconnected,
)
from redis.exceptions import (
    TimeoutError as TimedOut,
)
from redis.retry import Retry
from redis.sentinel import MasterNotFoundError, Sentinel

Word = bytes | str | int

CONNECT_S = 0.5
"""Longest time for a connection to be made, and for a Sentinel to answer."""
ANSWER_S = 1.0
"""Longest time for an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisServer:
    """Where the server is and how it lets us in.

    `service`: the name under which the Sentinels at `hosts` know it; None: it is at `hosts[0]`. `ca_file`: who signs its certificate,
    None: the system's authorities.
    """

    hosts: tuple[tuple[str, int], ...]
    service: str | None = None
    database: int = 0
    username: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    sentinel_username: str | None = field(default=None, repr=False)
    sentinel_password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None

    def __str__(self) -> str:
        """The address for people, without secrets."""
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        scheme = ("rediss" if self.tls else "redis") + ("" if self.service is None else "+sentinel")
        return f"{scheme}://{hosts}" + ("" if self.service is None else f"/{self.service}") + f"/{self.database}"


@dataclass(frozen=True)
class Script:
    """A program that the server runs as one step, which nothing interrupts."""

    text: str

    @cached_property
    def digest(self) -> str:
        """What the server knows it by."""
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class StoreFailed(Exception):
    """The server did not do what was asked, or nobody knows whether it did: one sentence."""


class StoreDenies(StoreFailed):
    """The server answered, and will not do this until a person changes something: wrong password, forbidden command, foreign key."""


class StoreLoading(StoreFailed):
    """The server is reading its data back and will answer later."""


class RedisLink:
    """Calls over one connection at a time, made when it is needed. Belongs to one thread."""

    def __init__(self, server: RedisServer, *, answer_s: float = ANSWER_S) -> None:
        self.server = server
        self.generation = 0
        """Grows with each connection."""
        self._answer_s = answer_s
        self._connection: Connection | None = None

    def call(self, *words: Word) -> Any:
        """The server's answer. Raises StoreFailed; unless the server answered that it refuses, the connection ends with it."""
        connection = self._connected()
        try:
            connection.send_command(*words)
            return connection.read_response()
        except (RedisError, OSError) as error:
            self._failed(error)

    def run(self, script: Script, keys: Sequence[Word], words: Sequence[Word]) -> Any:
        """What `script` answers. Raises StoreFailed; unless the server answered that it refuses, the connection ends with it."""
        connection = self._connected()
        try:
            connection.send_command("EVALSHA", script.digest, len(keys), *keys, *words)
            try:
                return connection.read_response()
            except NoScriptError:  # the server has done nothing yet
                connection.send_command("EVAL", script.text, len(keys), *keys, *words)
                return connection.read_response()
        except (RedisError, OSError) as error:
            self._failed(error)

    def connect(self) -> int:
        """Makes the connection unless it is there; its generation. Raises StoreFailed."""
        self._connected()
        return self.generation

    def drop(self) -> None:
        """Ends the connection; the next call makes a new one."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def _failed(self, error: Exception) -> Any:
        if not isinstance(error, ResponseError) or isinstance(error, ReadOnlyError):  # else the server answered, and the next call may go
            self.drop()
        raise _told(self.server, error) from None

    def _connected(self) -> Connection:
        if self._connection is None:
            try:
                connection = self._connection_to(*self._master())
                connection.connect()
            except (RedisError, OSError) as error:
                raise _told(self.server, error) from None
            self._connection = connection
            self.generation += 1
        return self._connection

    def _master(self) -> tuple[str, int]:
        server = self.server
        if server.service is None:
            return server.hosts[0]
        asked = {"socket_timeout": CONNECT_S, "socket_connect_timeout": CONNECT_S, "retry": _once(), **self._secured()}
        access = {"username": server.sentinel_username, "password": server.sentinel_password}
        sentinel = Sentinel(server.hosts, sentinel_kwargs=asked | access)
        try:
            host, port = sentinel.discover_master(server.service)
        finally:
            for client in sentinel.sentinels:
                client.close()
        return str(host), int(port)

    def _connection_to(self, host: str, port: int) -> Connection:
        server = self.server
        kind = SSLConnection if server.tls else Connection
        return kind(
            host=host,
            port=port,
            db=server.database,
            username=server.username,
            password=server.password,
            socket_timeout=self._answer_s,
            socket_connect_timeout=CONNECT_S,
            socket_keepalive=True,
            retry=_once(),
            protocol=2,
            driver_info=None,  # nothing is told of us that costs a round trip
            **({} if not server.tls else self._tls()),
        )

    def _secured(self) -> dict[str, Any]:
        return {"ssl": True, **self._tls()} if self.server.tls else {}

    def _tls(self) -> dict[str, Any]:
        return {"ssl_cert_reqs": "required", "ssl_check_hostname": True, "ssl_ca_certs": _text(self.server.ca_file)}


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _once() -> Retry:
    return Retry(NoBackoff(), 0)


def _told(server: RedisServer, error: Exception) -> StoreFailed:
    words = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, BusyLoadingError):
        return StoreLoading(f"{server} is still reading its data back")
    if isinstance(error, MasterNotFoundError):
        return StoreFailed(f"{server}: no Sentinel names a master ({words})")
    if isinstance(error, AuthenticationError):
        return StoreDenies(f"{server} does not let us in: {words}")
    if isinstance(error, TimedOut | TimeoutError):
        return StoreFailed(f"{server} did not answer in time")
    if isinstance(error, NoPermissionError) or (isinstance(error, ResponseError) and words.startswith(_FINAL)):
        return StoreDenies(f"{server} refuses: {words}")
    if isinstance(error, Disconnected | OSError):
        return StoreFailed(f"{server} cannot be reached or was cut off: {words}")
    return StoreFailed(f"{server} refuses: {words}")


_FINAL = ("WRONGTYPE", "DB index", "unknown command")
"""How refusals begin that only a person can end; the library has taken away `ERR`."""
