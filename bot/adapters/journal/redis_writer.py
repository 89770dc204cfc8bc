"""Writes the journal's entries to Redis from a thread of its own, so that a slow store never holds up the event loop.

Rules:
- Order is kept; nothing is written twice. What the server has is told by its last entry's number and link. After a lost answer they are
  those of one of our waiting entries: it is there. After a failover that lost entries they are those of an earlier one: what was
  acknowledged and lost is written again, as far as memory holds it. Anything else is another's writing, and the journal gives up.
- A durable append waits no longer than `patience_s`. After that the writer is behind, and durable appends fail at once until it has
  caught up; their entries stay accepted, in order, and are written when the store is back. It has caught up when nothing waits, or when
  all that waited was written at once and so quickly that what came meanwhile will be in time.
- What the server can prove is found out again every CHECK_S: somebody may change its settings while it runs.
- Memory is bounded: beyond `PENDING_BYTES_MAX` the journal gives up until a restart.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from bot.adapters.journal.chain import Chain
from bot.adapters.journal.redis_link import StoreFailed
from bot.adapters.journal.redis_store import Fenced, Gone, Moved, NotOurs, RedisStore
from bot.adapters.journal.snapshots import KEPT
from bot.ports import JournalFenced, JournalRefused, JournalUnavailable

PENDING_BYTES_MAX = 64 * 1024 * 1024
"""How much may wait in memory for a store that takes nothing."""

KEEPS_UP_S = 0.1
"""How long a call that writes all that waits may take at most for the writer to have caught up: a durable append then waits for what is
left of one such call, and for its own.
"""
CHECK_S = 2.0
"""Longest time in which a server's changed settings go unnoticed."""
LAST_ANSWER_SHARE = 0.25
"""Which part of the patience of a stop is left for an answer that hangs."""

_BATCH_BYTES = 512 * 1024
_PAUSES_S = (0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

_log = logging.getLogger("bot.journal")


class Writer:
    """The one writer of a journal. Its public methods belong to the event loop's thread."""

    def __init__(
        self,
        store: RedisStore,
        chain: Chain,
        *,
        epoch: int,
        acknowledged: Callable[[int, bytes], None],
        snapshot_kept: Callable[[], None],
    ) -> None:
        """Writes behind the end of `chain`; `acknowledged` is told number and link of the last durable entry, on the writer's thread, and
        `snapshot_kept` when a snapshot has been stored.
        """
        self.epoch = epoch
        self.rewritten = 0
        """Entries that the store had acknowledged and lost, and was given again."""
        self._store, self._chain = store, chain
        self._acknowledged, self._snapshot_kept = acknowledged, snapshot_kept
        self._written = chain.acknowledged
        self._snapshot: tuple[int, bytes] | None = None
        self._failure: str | None = None
        self._given_up: str | None = None
        self._behind_why: str | None = None
        self._stopped = self._is_fenced = False
        self._check_at = 0.0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    @property
    def pending(self) -> int:
        """Entries that are not known to be durable."""
        with self._changed:
            return self._chain.waiting

    @property
    def doubt(self) -> str | None:
        """Why nothing entered now becomes durable in time: the writer is behind, or has given up. None: it keeps up."""
        return self._given_up or self._behind_why

    @property
    def last(self) -> tuple[int, bytes]:
        """Number and link of the newest entry that was accepted."""
        with self._changed:
            return self._chain.last_seq, self._chain.last_link

    def add(self, payload: bytes) -> int:
        """Accepts an entry; its number. Raises JournalUnavailable when the journal has given up."""
        with self._changed:
            if self._chain.waiting_bytes + len(payload) > PENDING_BYTES_MAX:
                self._give_up("too much waits to be written")
            self._raise_given_up()
            seq = self._chain.add(payload)
            self._changed.notify_all()
        self._begin()
        return seq

    def wait(self, patience_s: float) -> None:
        """Returns when everything accepted is durable. Raises JournalUnavailable when that takes longer than `patience_s`."""
        with self._changed:
            self._raise_given_up()
            seq = self._chain.last_seq
            if self._behind_why is None:
                self._changed.wait_for(lambda: self._chain.acknowledged >= seq or self._given_up is not None, patience_s)
            if self._chain.acknowledged >= seq:
                return
            self._raise_given_up()
            why = self._failure or f"{self._store.where} did not take it within {patience_s:g} s"
            if self._behind_why is None:
                _log.error("the journal falls behind: %s", why)
                self._behind_why = why
            raise JournalUnavailable(f"{why}; {self._chain.waiting} entries wait")

    def keep(self, seq: int, blob: bytes) -> None:
        """Stores a snapshot once the entry that it stands for is durable; a newer one takes its place."""
        with self._changed:
            self._snapshot = (seq, blob)
            self._changed.notify_all()
        self._begin()

    def close(self, patience_s: float) -> None:
        """Writes what waits and ends within `patience_s`. Raises JournalUnavailable when some of it could not be written."""
        until = time.monotonic() + patience_s
        with self._changed:
            self._changed.wait_for(lambda: not self._due() or self._given_up is not None, patience_s * (1 - LAST_ANSWER_SHARE))
            self._stopped = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(max(0.0, until - time.monotonic()))
        if self._chain.waiting:
            why = self._given_up or self._failure or f"{self._store.where} is slow"
            raise JournalUnavailable(f"{why}; {self._chain.waiting} entries could not be written")

    # On the writer's thread

    def _begin(self) -> None:
        if self._thread is None:
            self._check_at = time.monotonic() + CHECK_S  # it was judged a moment ago
            thread = threading.Thread(target=self._run, name="journal writer", daemon=True)
            thread.start()
            self._thread = thread

    def _due(self) -> bool:
        newest = self._chain.last_seq
        return self._written < newest or self._chain.acknowledged < newest or self._snapshot is not None

    def _run(self) -> None:
        try:
            self._write_until_stopped()
        except Exception as error:  # a journal without its writer would stay behind for ever, and its run go on without it
            self._end(f"its writer died: {error!r}")
        finally:
            self._store.let_go()

    def _write_until_stopped(self) -> None:
        failures = 0
        while self._waited(failures):
            try:
                try:
                    self._turn()
                except Gone as error:
                    self._begin_anew(error)
                self._check()
            except NotOurs as error:
                self._is_fenced = isinstance(error, Fenced)
                self._end(str(error))
            except StoreFailed as error:
                failures += 1
                self._store.let_go()
                with self._changed:
                    self._failure = str(error)
                _log.log(logging.WARNING if failures == 1 else logging.DEBUG, "waiting entries could not be written: %s", error)
            else:
                failures = 0

    def _waited(self, failures: int) -> bool:
        """Waits until there is something to write or to check, after failures a while longer; False at the end."""
        with self._changed:
            until_check = None if self._given_up is not None else max(0.0, self._check_at - time.monotonic())
            self._changed.wait_for(lambda: self._stopped or (self._due() and self._given_up is None), until_check)
            if failures and not self._stopped:
                deadline = time.monotonic() + _PAUSES_S[min(failures, len(_PAUSES_S)) - 1]
                self._changed.wait_for(lambda: self._stopped, max(0.0, deadline - time.monotonic()))
            return not self._stopped

    def _check(self) -> None:
        """After what waited was written: nobody waits for this."""
        if time.monotonic() >= self._check_at and self._given_up is None:
            self._check_at = time.monotonic() + CHECK_S
            self._store.check()

    def _turn(self) -> None:
        with self._changed:
            written, known = self._written, self._chain.link_of(self._written)
            rows = self._chain.after(written, _BATCH_BYTES)
            proven = not rows and self._chain.acknowledged == self._chain.last_seq
            whole = not rows or rows[-1].seq == self._chain.last_seq
            snapshot = self._snapshot
        if proven:
            self._keep(snapshot)
            return
        began = time.monotonic()
        moved = self._store.append(written, known or b"", rows, self.epoch)
        if moved is not None:
            self._follow(moved)
            return
        with self._changed:
            self._written = rows[-1].seq if rows else written
            self._chain.acknowledge(self._written)
            told = (self._written, self._chain.link_of(self._written) or b"")
            self._failure = None
            keeps_up = whole and time.monotonic() - began <= KEEPS_UP_S  # also while facts never cease to come
            if self._behind_why is not None and (keeps_up or not self._chain.waiting):
                self._behind_why = None
                _log.warning("the journal has caught up")
            self._changed.notify_all()
        self._acknowledged(*told)

    def _keep(self, snapshot: tuple[int, bytes] | None) -> None:
        if snapshot is None:
            return
        self._store.keep_snapshot(*snapshot, KEPT)
        with self._changed:
            if self._snapshot is snapshot:
                self._snapshot = None
            self._changed.notify_all()
        self._snapshot_kept()

    def _follow(self, moved: Moved) -> None:
        """The store's last entry is not the one we wrote last: it is a waiting one, or an earlier one, or somebody else's."""
        with self._changed:
            if moved.seq is None or self._chain.link_of(moved.seq) != moved.link:
                self._end(self._lost(moved))
                return
            lost = self._chain.acknowledged - moved.seq
            if lost > 0:
                self.rewritten += lost
                _log.error("%s lost %s acknowledged entries; they are written again", self._store.where, lost)
            self._written = moved.seq

    def _lost(self, moved: Moved) -> str:
        if moved.seq is not None and moved.seq < self._chain.base_seq:
            return (
                f"{self._store.where} went back to entry {moved.seq}, and memory holds only what came after entry {self._chain.base_seq};"
                " restore it from a backup, or restart on what is there"
            )
        return f"{self._store.where}: another writer's entry {moved.seq} is the last one there; a restart reads what it holds"

    def _begin_anew(self, error: Gone) -> None:
        """The journal was deleted: it is made again when memory holds all of it."""
        with self._changed:
            if self._chain.base_seq:
                self._end(f"{error}, and memory holds only what came after entry {self._chain.base_seq}; restore it from a backup")
                return
        try:
            self._store.open()
        except JournalRefused as refused:
            self._end(str(refused))
            return
        with self._changed:
            self.rewritten += self._chain.acknowledged
            _log.error("%s; its %s acknowledged entries are written again", error, self._chain.acknowledged)
            self._written = 0

    # Giving up

    def _end(self, why: str) -> None:
        with self._changed:
            self._give_up(why)
            self._changed.notify_all()

    def _give_up(self, why: str) -> None:
        if self._given_up is None:
            self._given_up = f"{why}; the journal gave up and needs a restart"
            _log.error("the journal: %s", self._given_up)

    def _raise_given_up(self) -> None:
        if self._given_up is not None:
            raise (JournalFenced if self._is_fenced else JournalUnavailable)(self._given_up)
