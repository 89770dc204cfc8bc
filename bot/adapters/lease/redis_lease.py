"""The lease in the journal's Redis: one key that expires, taken, extended and given back by scripts that compare before they write.

    lease         the claim of whoever holds it, `EPOCH:TOKEN`, with a time to live. The journal's scripts compare the writer's with it
    lease:epoch   how many times it was granted
    lease:last    who was granted it last, and whether that one gave it back

Rules: a token is drawn once for each process, so a grant whose answer was lost is recognised when it is asked for again. Each call is
one attempt over a connection of its own, in a thread of its own: a slow store never holds up the event loop. `core.tenure`
says how long the lease may be relied on, and the store is never asked that.

The event loop renews. Where it is late with that, as on a machine that has too little time while a run opens its venues, a thread renews in
its stead, for as long as STANDS_IN_TERMS lengths of the lease: a loop that is blocked for longer holds nobody up. A process that is stopped
stops that thread too. What may be sent is decided by the same deadline as ever, on the same clock.

A store that fails over or is set back may grant it twice: see `bot.shell.mandate` for what then still holds.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from bot.adapters.journal.redis_link import RedisLink, RedisServer, Script, StoreFailed
from bot.core.tenure import Tenure, epoch_of, whose_now
from bot.core.units import Millis
from bot.ports import LeaseEnd, LeaseGranted, LeaseHeldByOther, LeaseLost, LeaseUnavailable

T = TypeVar("T")

_log = logging.getLogger("bot.lease")

STANDS_IN_TERMS = 4
"""For how many lengths of the lease it is renewed without the event loop."""
LOOKS_PER_TERM = 8
"""How often a thread looks within one length whether the loop is late."""
LATE_TERMS = 0.5
"""After which part of a length without a renewal the loop is late."""

ACQUIRE = Script("""
local claim = redis.call('GET', KEYS[1])
if claim and string.sub(claim, -string.len(ARGV[1])) ~= ARGV[1] then
  local name = redis.call('HGET', KEYS[3], 'name')
  return {'HELD', claim, name or '', redis.call('PTTL', KEYS[1])}
end
local last = redis.call('HMGET', KEYS[3], 'claim', 'released', 'ttl_ms')
if claim then
  last = {false, false, false}
else
  local epoch = redis.call('INCR', KEYS[2])
  if epoch <= tonumber(ARGV[4]) then
    epoch = tonumber(ARGV[4]) + 1
    redis.call('SET', KEYS[2], string.format('%d', epoch))
  end
  claim = string.format('%d', epoch) .. ':' .. ARGV[1]
  redis.call('HSET', KEYS[3], 'claim', claim, 'name', ARGV[3], 'released', '0', 'ttl_ms', ARGV[2])
end
redis.call('SET', KEYS[1], claim, 'PX', ARGV[2])
return {'OK', claim, last[1] or '', last[2] or '', last[3] or ''}
""")
"""KEYS lease, epoch, last; ARGV token, ttl in ms, name, an epoch that was seen already. A claim that is our own is extended."""

RENEW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST', redis.call('GET', KEYS[1]) or ''} end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {'OK'}
""")
"""KEYS lease; ARGV claim, ttl in ms."""

RELEASE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return {'LOST', redis.call('GET', KEYS[1]) or ''} end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'released', '1')
return {'OK'}
""")
"""KEYS lease, last; ARGV claim."""


@dataclass(frozen=True, slots=True)
class LeaseKeys:
    """The names under which a store keeps one lease, all below `prefix`."""

    prefix: str

    @property
    def lease(self) -> str:
        """The key that the journal's scripts compare with the writer's claim."""
        return f"{self.prefix}lease"

    @property
    def epoch(self) -> str:
        """The counter of grants."""
        return f"{self.prefix}lease:epoch"

    @property
    def last(self) -> str:
        """What is remembered of the newest grant."""
        return f"{self.prefix}lease:last"


class RedisLease:
    """`ports.Lease`. `steady` is a clock that counts suspension, in seconds; `name` tells people which instance holds it."""

    def __init__(self, server: RedisServer, keys: LeaseKeys, *, name: str, ttl_ms: int, steady: Callable[[], float]) -> None:
        """Raises ValueError when `ttl_ms` is too short to be relied on. Nothing is sent."""
        self.keys = keys
        self._name = name
        self._ttl_ms = ttl_ms
        self._steady = steady
        self._tenure = Tenure(ttl_ms=ttl_ms)
        self.ttl_s = ttl_ms / 1_000
        self._token = secrets.token_hex(16)
        self._claim = ""
        self._epoch = 0
        self._epoch_seen = 0
        self._closed = False
        self._changing = threading.Lock()
        self._loop_at = self._renewed_at = 0
        """When the loop last asked, and when anybody last asked for what we hold; steady milliseconds."""
        self._is_kept = self._may_stand_in = False
        self._over = threading.Event()
        self._standing_in: threading.Thread | None = None
        self._link = RedisLink(server, answer_s=self._tenure.renew_every_ms / 2_000)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="lease")

    @property
    def epoch(self) -> int:
        """Of our newest grant; 0 before the first."""
        return self._epoch

    @property
    def claim(self) -> str:
        """What the lease's key holds while it is ours; empty before the first grant."""
        return self._claim

    def held_for(self) -> float:
        """Seconds for which it is ours for certain."""
        return self._tenure.left_ms(self._now()) / 1_000

    def _now(self) -> Millis:
        return int(self._steady() * 1_000)

    async def acquire(self) -> LeaseGranted | LeaseHeldByOther:
        """See the port."""
        asked_at = self._now()
        keys = (self.keys.lease, self.keys.epoch, self.keys.last)
        kind, *told = await self._run(ACQUIRE, keys, (self._token, self._ttl_ms, self._name, self._epoch_seen))
        claim = _text(told[0])
        self._epoch_seen = max(self._epoch_seen, epoch_of(claim))
        if kind == b"HELD":
            left_ms = int(told[2])
            return LeaseHeldByOther(claim=claim, name=_text(told[1]), seconds_left=self.ttl_s if left_ms < 0 else left_ms / 1_000)
        self._claim, self._epoch = claim, epoch_of(claim)
        with self._changing:
            self._is_kept, self._loop_at, self._renewed_at = True, asked_at, asked_at
            self._tenure = self._tenure.granted(asked_at)
        return LeaseGranted(claim=claim, epoch=self._epoch, before=_end_of(*map(_text, told[1:4])))

    async def renew(self) -> None:
        """See the port."""
        if not self._claim:
            raise LeaseLost("the lease is not ours")
        asked_at = self._loop_at = self._now()
        kind, *told = await self._run(RENEW, (self.keys.lease,), (self._claim, self._ttl_ms))
        if kind != b"OK":
            claim, self._claim = self._claim, ""
            self._end_hold()
            raise LeaseLost(whose_now(_text(told[0]), claim))
        self._extend(asked_at)

    def stand_in(self, wanted: bool) -> None:
        """See the port."""
        self._may_stand_in = wanted
        if wanted and self._standing_in is None:
            self._standing_in = threading.Thread(target=self._look_after_the_loop, name="lease stand-in", daemon=True)
            self._standing_in.start()

    async def release(self) -> None:
        """See the port. One that is not ours any more is left alone."""
        self._end_hold()
        if self._claim:
            await self._run(RELEASE, (self.keys.lease, self.keys.last), (self._claim,))

    async def close(self) -> None:
        """See the port."""
        self._end_hold()
        self._over.set()
        if not self._closed:
            self._closed = True
            self._thread.submit(self._link.drop)
            self._thread.shutdown(wait=False)

    def _extend(self, asked_at: Millis) -> None:
        """The store said yes to what was asked then; it counts unless we let go meanwhile."""
        with self._changing:
            if self._is_kept:
                self._renewed_at = max(self._renewed_at, asked_at)
                self._tenure = self._tenure.granted(asked_at)

    def _end_hold(self) -> None:
        with self._changing:
            self._is_kept = self._may_stand_in = False
            self._tenure = self._tenure.lost()

    def _look_after_the_loop(self) -> None:
        """On a thread of its own: renews while the loop is late, and not for ever."""
        while not self._over.wait(self.ttl_s / LOOKS_PER_TERM):
            now = self._now()
            is_late = now - self._renewed_at >= self._ttl_ms * LATE_TERMS
            if self._may_stand_in and is_late and now - self._loop_at < self._ttl_ms * STANDS_IN_TERMS and self.held_for() > 0:
                try:
                    self._thread.submit(self._renew_in_its_stead).result()
                except Exception as error:  # whatever it is, the next look may do better; without this thread a late loop loses the lease
                    if not self._over.is_set():  # else it was closed this very moment
                        _log.error("the lease was not renewed in the loop's stead: %r", error)

    def _renew_in_its_stead(self) -> None:
        """On the thread that the connection belongs to."""
        asked_at = self._now()
        try:
            kind, *_ = self._link.run(RENEW, (self.keys.lease,), (self._claim, self._ttl_ms))
        except StoreFailed:
            return
        if kind == b"OK":
            self._extend(asked_at)
        else:  # the loop is told when it asks
            self._end_hold()

    async def _run(self, script: Script, keys: tuple[str, ...], words: tuple[str | int, ...]) -> Any:
        try:
            return await self._in_thread(partial(self._link.run, script, keys, words))
        except StoreFailed as error:
            raise LeaseUnavailable(str(error)) from None

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _text(told: bytes) -> str:
    return told.decode(errors="replace")


def _end_of(claim: str, released: str, ttl_ms: str) -> LeaseEnd | None:
    if not claim or not ttl_ms.isdigit():
        return None
    return LeaseEnd(claim=claim, released=released == "1", ttl_s=int(ttl_ms) / 1_000)
