"""A real redis-server (or Sentinel) of our own: on a free port, in a folder of its own, with an append-only file synced at every write."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.adapters.journal.redis_link import RedisServer

SERVER = shutil.which("redis-server")

needs_redis = pytest.mark.skipif(SERVER is None, reason="redis-server is not installed here (Debian: apt-get install redis-server)")


def version() -> tuple[int, ...]:
    """Of the redis-server found here, empty when there is none."""
    if SERVER is None:
        return ()
    told = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", told)
    assert found is not None, told
    return tuple(int(part) for part in found.groups())


def has_tls() -> bool:
    """Whether the redis-server found here was built with TLS: then all that it lacks, asked like this, is a certificate."""
    assert SERVER is not None
    words = [SERVER, "--port", "0", "--tls-port", "1"]
    return "Failed to configure TLS" in subprocess.run(words, capture_output=True, text=True, timeout=10, check=False).stdout


HAS_WAITAOF = version() >= (7, 2)

needs_waitaof = pytest.mark.skipif(
    not HAS_WAITAOF, reason=f"WAITAOF needs redis-server 7.2 or newer, and here is {'.'.join(map(str, version())) or 'none'}"
)


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisProcess:
    """One server process. It survives its own death: `start` after `kill` reads back what it had written."""

    def __init__(self, folder: Path, *words: str, fsync: str = "always") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.port = folder, free_port()
        self.words = ["--appendonly", "yes", "--appendfsync", fsync, "--save", "", *words]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def server(self) -> RedisServer:
        return RedisServer(hosts=(("127.0.0.1", self.port),))

    @property
    def client(self) -> Any:
        """A client that speaks as anybody might."""
        return redis.Redis(port=self.port, socket_timeout=5)

    def start(self, *, wait: bool = True) -> RedisProcess:
        assert SERVER is not None
        fixed = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--logfile", str(self.folder / "log")]
        self.process = subprocess.Popen([SERVER, *fixed, *self.words], stdout=subprocess.DEVNULL)
        if wait:
            until_answers(self.port)
        return self

    def kill(self) -> None:
        """As a power cut of the process: SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def data(self) -> list[Path]:
        """The files that it keeps its data in."""
        return [file for file in self.folder.rglob("*") if file.is_file() and file.name != "log"]

    def send(self, number: signal.Signals) -> None:
        """A signal: SIGSTOP leaves it with its connections and without a word, SIGCONT lets it go on."""
        assert self.process is not None
        self.process.send_signal(number)


def until_answers(port: int, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    with closing(redis.Redis(port=port, socket_timeout=1)) as client:
        while True:
            try:
                client.ping()
                return
            except redis.RedisError:
                assert time.monotonic() < deadline, f"the server on port {port} does not answer"
                time.sleep(0.02)


def keys(name: str) -> dict[str, str]:
    """The keys of a journal."""
    return {what: f"{{hedgebot:{name}}}:{what}" for what in ("entries", "facts", "snapshots")}


def cut_back(client: Any, name: str, count: int) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """A journal's stream without its last entries, as if these had never been there; they are returned.

    The rest is written anew: XSETID of servers newer than 7.0 goes back behind nothing that was deleted.
    """
    key = keys(name)["entries"]
    entries: list[tuple[bytes, dict[bytes, bytes]]] = client.xrange(key)
    client.delete(key)
    for entry_id, fields in entries[:-count]:
        client.xadd(key, fields, id=entry_id)
    return entries[-count:]


def forget(process: RedisProcess, name: str) -> None:
    """The journal is not there any more."""
    with closing(process.client) as client:
        client.delete(*keys(name).values())
