"""A master, a replica and three Sentinels of our own on loopback. The replica hears the master through a wire that can be cut."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import redis

from bot.adapters.journal.redis_link import RedisServer
from tests.adapters.journal.fault_proxy import FaultProxy
from tests.adapters.journal.redis_process import RedisProcess, free_port, until_answers
from tests.adapters.journal.redis_words import until

SENTINEL = shutil.which("redis-sentinel")
SERVICE = "hedgebot-tests"


class Trio:
    """`server` is what a journal is told."""

    def __init__(self, folder: Path) -> None:
        self.master = RedisProcess(folder / "master", "--repl-diskless-sync-delay", "0").start()
        self.wire = FaultProxy(self.master.port)
        self.replica = RedisProcess(folder / "replica", "--replicaof", f"127.0.0.1 {self.wire.port}").start()
        with closing(self.master.client) as client:
            until(lambda: client.set("any", "thing") and client.wait(1, 100) == 1)
        self.ports = [free_port() for _ in range(3)]
        self._processes = [self._sentinel(folder / f"sentinel-{port}", port) for port in self.ports]
        for port in self.ports:
            until_answers(port)
        until(self._agree)

    @property
    def server(self) -> RedisServer:
        return RedisServer(hosts=tuple(("127.0.0.1", port) for port in self.ports), service=SERVICE)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self.replica.kill()
        self.master.kill()
        self.wire.close()

    def _sentinel(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        folder.mkdir()
        lines = [
            f"port {port}",
            "bind 127.0.0.1",
            f"dir {folder}",
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master.port} 2",
            f"sentinel down-after-milliseconds {SERVICE} 300",
            f"sentinel failover-timeout {SERVICE} 2000",
        ]
        (folder / "sentinel.conf").write_text("\n".join(lines) + "\n")
        assert SENTINEL is not None
        return subprocess.Popen([SENTINEL, str(folder / "sentinel.conf"), "--logfile", str(folder / "log")], stdout=subprocess.DEVNULL)

    def _agree(self) -> bool:
        """Whether each knows the other two and the replica."""
        for port in self.ports:
            with closing(redis.Redis(port=port, socket_timeout=1)) as client:
                told = client.sentinel_master(SERVICE)
                if told["num-other-sentinels"] != 2 or told["num-slaves"] != 1:
                    return False
        return True
