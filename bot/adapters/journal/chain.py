"""The newest entries of a journal as they are held in memory: those that wait to be written, and those before them.

Rules: order is kept, and every entry is there until the store acknowledged it. What it acknowledged is kept for a while, so that a store
that loses its last entries can be given them again. Both are bounded.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from bot.adapters.journal.codec import link

RECENT_ROWS_MAX = 2_000
RECENT_BYTES_MAX = 4 * 1024 * 1024
"""How many acknowledged entries are kept."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry: its number, the link that ties it to all before it, and its bytes."""

    seq: int
    link: bytes
    payload: bytes


class Chain:
    """The end of a journal, from the entry after `base_seq` on. Not safe for two threads at once."""

    def __init__(self, seq: int, link: bytes) -> None:
        """The chain goes on behind entry `seq`, which bears `link`."""
        self.acknowledged = self._base_seq = seq
        self._base_link = link
        self._rows: deque[Row] = deque()
        self._recent_bytes = self.waiting_bytes = 0

    @property
    def base_seq(self) -> int:
        """The last entry that is not held any more."""
        return self._base_seq

    @property
    def last_seq(self) -> int:
        """The newest entry."""
        return self._base_seq + len(self._rows)

    @property
    def last_link(self) -> bytes:
        """The link of the newest entry."""
        return self._rows[-1].link if self._rows else self._base_link

    @property
    def waiting(self) -> int:
        """Entries that are not acknowledged."""
        return self.last_seq - self.acknowledged

    def add(self, payload: bytes) -> int:
        """Takes a new entry; its number."""
        row = Row(self.last_seq + 1, link(self.last_link, payload), payload)
        self._rows.append(row)
        self.waiting_bytes += len(payload)
        return row.seq

    def add_known(self, row: Row) -> None:
        """Takes an entry that was read from the store, in order; only before any other is added."""
        self._rows.append(row)
        self.acknowledged = row.seq
        self._recent_bytes += len(row.payload)
        self._shorten()

    def link_of(self, seq: int) -> bytes | None:
        """The link of entry `seq`, None when it is not held."""
        if seq == self._base_seq:
            return self._base_link
        place = seq - self._base_seq - 1
        return self._rows[place].link if 0 <= place < len(self._rows) else None

    def after(self, seq: int, bytes_max: int) -> Sequence[Row]:
        """The entries beyond `seq`, oldest first, at least one if there is one and no more than `bytes_max` otherwise."""
        found: list[Row] = []
        size = 0
        for row in islice(self._rows, seq - self._base_seq, None):
            size += len(row.payload)
            if found and size > bytes_max:
                break
            found.append(row)
        return found

    def acknowledge(self, seq: int) -> None:
        """Entries up to `seq` are durable."""
        for row in self.after(self.acknowledged, self.waiting_bytes):
            if row.seq > seq:
                break
            self.waiting_bytes -= len(row.payload)
            self._recent_bytes += len(row.payload)
            self.acknowledged = row.seq
        self._shorten()

    def _shorten(self) -> None:
        while self._rows and self._base_seq < self.acknowledged:
            if self.acknowledged - self._base_seq <= RECENT_ROWS_MAX and self._recent_bytes <= RECENT_BYTES_MAX:
                return
            row = self._rows.popleft()
            self._recent_bytes -= len(row.payload)
            self._base_seq, self._base_link = row.seq, row.link


class DamageInside(Exception):
    """An entry does not fit the chain while later ones are sound: its number."""

    def __init__(self, seq: int) -> None:
        super().__init__(f"entry {seq} is corrupt or missing while later ones are sound")
        self.seq = seq


class Verification:
    """Reads a stored chain entry by entry and tells where its sound part ends. Damage with sound entries behind it is not a tail."""

    def __init__(self, seq: int, link: bytes) -> None:
        """The chain goes on behind entry `seq`, which bears `link`."""
        self.seq, self.link = seq, link
        self.first_bad: int | None = None
        self._previous = (seq, link)

    def take(self, seq: int, stored: object, payload: object) -> Row | None:
        """The next entry, None when it does not fit. Raises DamageInside."""
        previous_seq, previous_link = self._previous
        self._previous = (seq, stored if isinstance(stored, bytes) else b"")
        if seq == previous_seq + 1 and isinstance(payload, bytes) and link(previous_link, payload) == stored:
            if self.first_bad is not None:
                raise DamageInside(self.first_bad)
            self.seq, self.link = seq, stored
            return Row(seq, stored, payload)
        if self.first_bad is None:
            self.first_bad = seq
        return None
