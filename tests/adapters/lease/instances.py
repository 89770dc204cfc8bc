"""Several processes that ask one Redis for the lease."""

from __future__ import annotations

from contextlib import closing

from bot.adapters.lease.redis_lease import LeaseKeys, RedisLease
from bot.ports import Lease, LeaseGranted
from bot.shell.clock import SystemClock
from tests.adapters.journal.redis_process import RedisProcess

KEYS = LeaseKeys("test:")
TTL_MS = 600


class Instances:
    """Leases of several processes, each with a clock that can be put forward."""

    def __init__(self, server: RedisProcess) -> None:
        self.server = server
        self.skipped = 0.0
        self._made: list[RedisLease] = []

    def steady(self) -> float:
        return SystemClock().steady() + self.skipped

    def lease(self, name: str, ttl_ms: int = TTL_MS) -> RedisLease:
        made = RedisLease(self.server.server, KEYS, name=name, ttl_ms=ttl_ms, steady=self.steady)
        self._made.append(made)
        return made

    def forget(self) -> None:
        """The store is emptied."""
        with closing(self.server.client) as client:
            client.flushall()

    async def close(self) -> None:
        for made in self._made:
            await made.close()


async def granted(lease: Lease) -> LeaseGranted:
    told = await lease.acquire()
    assert isinstance(told, LeaseGranted)
    return told
