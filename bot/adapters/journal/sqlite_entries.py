"""Every entry of an embedded journal in order, those in its archive first, also while they are being moved there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from bot.adapters.journal.archive import Archive
from bot.adapters.journal.store_file import base_of

ENTRIES_AT_ONCE = 500


def payloads_after(db: sqlite3.Connection, archive: Archive, after: int, until: int | None = None) -> Iterator[tuple[int, bytes]]:
    """Number and bytes of every entry beyond `after` up to `until` (None: all). Raises sqlite3.Error, ValueError, and JournalRefused.

    Read in parts, so that no transaction keeps the log of a bot that goes on writing from starting over. What was moved is told before it
    is deleted: a part that is read first and compared then is never missing anything.
    """
    query = "SELECT seq, payload FROM entries WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
    last = 2**62 if until is None else until
    while after < last:
        rows = db.execute(query, (after, last, ENTRIES_AT_ONCE)).fetchall()
        base = base_of(db) or (0, b"")
        if base[0] > after:
            until = min(base[0], last)
            for row in archive.rows(base, after, until):
                yield row.seq, row.payload
            after = until
            continue
        if not rows:
            return
        yield from rows
        after = rows[-1][0]
