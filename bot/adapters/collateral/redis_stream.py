"""Collateral announced by the issuer's own backend, on a Redis stream: deposits, redemptions and totals.

Rules:
- A message is acknowledged when the journal has it durably, and not before: whatever dies in between, it comes again. A message that comes
  again changes nothing (a claim's id, and a total's own clock, see `bot.core.claim_book` and `observations`).
- What can never be taken (broken schema, wrong signature) goes to the stream `STREAM:dead` with the reason, and is acknowledged by the
  same step. Of a huge one a bounded part is kept there, and `left_out` tells how much is not. Of forged announcements people are told; of a
  flood of them the journal gets a part, and how many there were.
- At the start, and on a beat, messages that a consumer read and never acknowledged are taken over: our own of an earlier life first.
- The group begins at the first entry, so that what was announced before the bot first ran is not missed.
- Totals are confirmed while the server answers and nothing waits to be read. A server that is gone makes the source unreadable: what was
  told last stays, and ages. With `age_max`, so does a backend that tells no total any more.

The reads wait in a thread of their own: a slow server never holds up the event loop. `BATCH` messages at most are on their way into the
journal, so that a burst waits in the stream and not in our memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

import structlog

from bot.adapters.collateral.announcements import MESSAGE, SIGNATURE, Poison, read
from bot.adapters.collateral.forgeries import Forgeries
from bot.adapters.collateral.voice import Voice
from bot.adapters.journal.redis_link import RedisLink, RedisServer, Script, StoreFailed, Word
from bot.core.events import CollateralAnnounced, CollateralObserved
from bot.core.units import Asset, Millis
from bot.ports import Clock, Inbox

T = TypeVar("T")
Entry = tuple[bytes, Mapping[bytes, bytes]]

BATCH = 250
"""Messages that are read, journaled and acknowledged together."""
BLOCK_MS = 500
"""Longest wait of one read for something new; also how long a stop may have to wait for the thread."""
ANSWER_S = 2.0
CONFIRM_S = 1.0
TAKE_OVER_EVERY_S = 5.0
IDLE_MS = 10_000
"""How long a message lies with a consumer that does not acknowledge it before it is taken over."""
DEAD_MAX = 10_000
"""About how many messages the stream of the dead keeps."""
WORD_MAX = 8_192
"""Bytes of each name and value of a message that can never be taken which are kept."""
OTHERS_MAX = 16
"""Its fields beside the message and its signature that are kept: a script takes only so many words."""
RETRY_FIRST_S, RETRY_MAX_S = 0.1, 5.0
NEW = b">"
"""What nobody in the group has read."""

BURY = Script("""
local words = {'XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'reason', ARGV[3], 'id', ARGV[2]}
for i = 5, #ARGV do words[#words + 1] = ARGV[i] end
redis.call(unpack(words))
return redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
""")
"""KEYS stream, stream of the dead; ARGV group, id, reason, most, then the message's fields. Written there and acknowledged here, as one."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamPlace:
    """Where messages come from: the stream, the group that reads it, our name in the group. `key`: what messages are signed with."""

    server: RedisServer
    stream: str
    group: str
    consumer: str
    key: bytes | None = None

    @property
    def dead(self) -> str:
        """Where messages go that can never be taken."""
        return f"{self.stream}:dead"


class RedisStreamSource:
    """One stream as a source of announcements and totals."""

    def __init__(
        self,
        name: str,
        place: StreamPlace,
        clock: Clock,
        *,
        known: Iterable[Millis | None] = (),
        hedged_as: Mapping[Asset, Asset] | None = None,
        age_max: Millis | None = None,
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        """`known` tells of each holding that the ledger has of this source the instant at which the backend told it. Nothing is sent.

        `refused` is called for each message that can never be taken.
        """
        self.name, self._refused = name, refused
        self._place, self._clock, self._age_max = place, clock, age_max
        self._hedged_as = dict(hedged_as or {})
        told = list(known)
        self._has_totals = bool(told)
        self._newest_total: Millis = max((at for at in told if at is not None), default=0)
        self._forgeries = Forgeries(clock)
        self._voice = Voice(name, clock, every_s=CONFIRM_S)
        self._link = RedisLink(place.server, answer_s=ANSWER_S)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"collateral-{name}")

    async def listen(self, inbox: Inbox) -> NoReturn:
        """Puts what is announced, totals, confirmations and failures, until cancelled."""
        pause = RETRY_FIRST_S
        try:
            while True:
                try:
                    await self._begin()
                    pause = RETRY_FIRST_S
                    await self._consume(inbox)
                except StoreFailed as error:
                    self._voice.fail(inbox, str(error))
                await self._clock.sleep(pause)
                pause = min(pause * 2, RETRY_MAX_S)
        finally:
            self._thread.submit(self._link.drop)
            self._thread.shutdown(wait=False)

    async def _begin(self) -> None:
        try:
            await self._call("XGROUP", "CREATE", self._place.stream, self._place.group, "0", "MKSTREAM")
        except StoreFailed as error:
            if "BUSYGROUP" not in str(error) and "already exists" not in str(error):
                raise

    async def _consume(self, inbox: Inbox) -> None:
        """Until the server fails, raising StoreFailed, or something could not be journaled: then it comes again."""
        after: bytes = b"0"
        while entries := await self._read(after):
            if not await self._take(inbox, entries):
                return
            after = entries[-1][0]
        taken_over_at = float("-inf")
        while True:
            if self._clock.steady() - taken_over_at >= TAKE_OVER_EVERY_S:
                taken_over_at = self._clock.steady()
                if not await self._take_over(inbox):
                    return
            if (forged := self._forgeries.due()) is not None:
                await inbox.put_awaited(forged)
            entries = await self._read(NEW)
            if entries and not await self._take(inbox, entries):
                return
            if len(entries) < BATCH:
                self._confirm(inbox)

    async def _read(self, after: bytes) -> list[Entry]:
        """The next messages that are new (`>`), or of those that we read and did not acknowledge, the ones after an id."""
        place = self._place
        waits: tuple[Word, ...] = ("BLOCK", BLOCK_MS) if after == NEW else ()
        told = await self._call("XREADGROUP", "GROUP", place.group, place.consumer, "COUNT", BATCH, *waits, "STREAMS", place.stream, after)
        return entries_in(told[0][1]) if told else []

    async def _take_over(self, inbox: Inbox) -> bool:
        """Takes over what others left lying; whether all of it was journaled."""
        place, after = self._place, b"0-0"
        while True:
            told = await self._call("XAUTOCLAIM", place.stream, place.group, place.consumer, IDLE_MS, after, "COUNT", BATCH)
            entries = entries_in(told[1])
            if entries and not await self._take(inbox, entries):
                return False
            after = bytes(told[0])
            if after == b"0-0":
                return True

    async def _take(self, inbox: Inbox, entries: Sequence[Entry]) -> bool:
        """Gives messages to the core and acknowledges those that the journal has; whether it has all of them."""
        waiting: list[tuple[bytes, Any]] = []
        refused: list[tuple[bytes, Mapping[bytes, bytes], str]] = []
        forged: list[Any] = []
        for entry_id, fields in entries:
            try:
                fact = read(fields, self._place.key, self.name, self._clock.now(), self._hedged_as)
            except Poison as poison:
                refused.append((entry_id, fields, str(poison)))
                told = None if poison.forged is None or self._is_old(entry_id) else self._forgeries.heard(poison.forged)
                if told is not None:
                    forged.append(inbox.put_awaited(told))  # awaited together: a flood of them delays nobody's message
                continue
            self._note(fact)
            waiting.append((entry_id, inbox.put_awaited(fact)))
        outcomes = await asyncio.gather(*(done for _, done in waiting))
        await asyncio.gather(*forged)
        kept = [entry_id for (entry_id, _), is_kept in zip(waiting, outcomes, strict=True) if is_kept]
        if kept:
            await self._acknowledge(kept)
        for entry_id, fields, reason in refused:
            log.warning("message_refused", source=self.name, id=entry_id.decode(), reason=reason)
            if not self._is_old(entry_id):
                self._refused()
            await self._bury(entry_id, fields, reason)
        return len(kept) == len(waiting)

    def _is_old(self, entry_id: bytes) -> bool:
        """Whether what can never be taken has been counted before: what is put aside comes once."""
        del entry_id
        return False

    async def _acknowledge(self, kept: Sequence[bytes]) -> None:
        await self._call("XACK", self._place.stream, self._place.group, *kept)

    def _note(self, fact: CollateralAnnounced | CollateralObserved) -> None:
        if isinstance(fact, CollateralObserved):
            self._has_totals = True
            self._newest_total = max(self._newest_total, fact.as_of or 0)

    async def _bury(self, entry_id: bytes, fields: Mapping[bytes, bytes], reason: str) -> None:
        place = self._place
        words = _bounded(fields)
        keys = (place.stream, place.dead)
        await self._in_thread(lambda: self._link.run(BURY, keys, (place.group, entry_id, reason, DEAD_MAX, *words)))

    def _confirm(self, inbox: Inbox) -> None:
        """All that was written was read: what was told is known, unless nothing ever was, or the newest word is too old."""
        if not self._has_totals:
            self._voice.fail(inbox, "no total was told yet, and absence is not zero")
            return
        if self._age_max is not None and self._clock.now() - self._newest_total > self._age_max:
            self._voice.fail(
                inbox, f"the newest total is older than max_age_ms {self._age_max} allows: have them told again, also unchanged"
            )
            return
        self._voice.confirm(inbox)

    async def _call(self, *words: Word) -> Any:
        return await self._in_thread(lambda: self._link.call(*words))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def entries_in(told: Any) -> list[Entry]:
    """The messages in an answer. One that was deleted from the stream has no fields, and is refused like any that lacks them; Redis 6.2 has
    nothing at all for it when it is taken over, and what has no id cannot be acknowledged."""
    return [(bytes(entry[0]), _paired(entry[1] or ())) for entry in told if entry is not None]


def _bounded(fields: Mapping[bytes, bytes]) -> list[bytes]:
    """Names and values that are kept of a message that can never be taken, each cut to `WORD_MAX` bytes, and how much is not kept."""
    others = [name for name in fields if name not in (MESSAGE, SIGNATURE)]
    names = [name for name in (MESSAGE, SIGNATURE) if name in fields] + others[:OTHERS_MAX]
    words = [word for name in names for word in (name, fields[name])]
    gone, cut = max(0, len(others) - OTHERS_MAX), sum(max(0, len(word) - WORD_MAX) for word in words)
    note = [b"left_out", f"{gone} fields, {cut} bytes".encode()] if gone or cut else []
    return [word[:WORD_MAX] for word in words] + note


def _paired(flat: Sequence[bytes]) -> Mapping[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
