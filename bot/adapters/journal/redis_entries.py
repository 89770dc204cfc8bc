"""Every entry of a Redis journal in order, those in its archive first, also while they are being moved there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bot.adapters.journal.archive import Archive
from bot.adapters.journal.chain import Row
from bot.adapters.journal.redis_store import RedisStore
from bot.ports import JournalRefused


def seq_of(entry_id: bytes) -> int:
    """The number of the entry under an id, -1 for an id that is none of ours."""
    found = re.fullmatch(rb"(\d+)-0", entry_id)
    return -1 if found is None else int(found[1])


def rows_after(store: RedisStore, archive: Archive, after: int) -> Iterator[Row]:
    """Every entry beyond `after`, without gaps. Raises JournalRefused for one that is missing, and StoreFailed."""
    at = after
    while True:
        facts = store.facts()
        if facts is None:
            return
        if at < facts.base_seq:
            for row in archive.rows((facts.base_seq, facts.base_link), at, facts.base_seq):
                yield row
                at = row.seq
        moved_on = False
        for entry_id, link, payload in store.rows(at):
            if seq_of(entry_id) != at + 1:
                moved_on = True
                break
            yield Row(at + 1, link or b"", payload or b"")
            at += 1
        if not moved_on:
            return
        now = store.facts()
        if now is None or now.base_seq <= at:
            raise JournalRefused(f"{store.where}: entry {at + 1} is missing while later ones are there")
