"""Where recovery may begin: what all entries up to one fold to, kept beside them.

Rules: a snapshot only saves time; nothing is ever known from it that the entries do not tell. It stands for one entry, by number and by
chain link, so one that lost its entry to a quarantined tail is worth nothing. One that is torn, or has another form than this hedgebot
would write (`codec.snapshot_form`), is passed over, and if none is left all entries are folded. The newest two are kept.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Iterator

from bot.adapters.journal.codec import EntryUnreadable, decode_snapshot, encode_snapshot, snapshot_form
from bot.ports import Snapshot

KEPT = 2

_log = logging.getLogger("bot.journal")


def make_room(db: sqlite3.Connection) -> None:
    """The table, also in a journal from before there were snapshots. Raises sqlite3.Error."""
    db.execute(
        "CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY, link BLOB NOT NULL, form TEXT NOT NULL, payload BLOB NOT NULL,"
        " digest BLOB NOT NULL)"
    )


def prepare() -> None:
    """Does at the start what the first snapshot would otherwise make the loop wait for: a fifth of a second."""
    snapshot_form()


def keep(db: sqlite3.Connection, seq: int, link: bytes, snapshot: Snapshot) -> None:
    """Stores what the entries up to `seq`, whose link is `link`, fold to. Raises EntryUnwritable, and sqlite3.Error."""
    form, payload = snapshot_form(), encode_snapshot(snapshot)
    db.execute("BEGIN IMMEDIATE")
    row = (seq, link, form, payload, _digest(seq, link, form, payload))
    db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", row)
    db.execute("DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)", (KEPT,))
    db.execute("COMMIT")


def newest(db: sqlite3.Connection) -> tuple[int, Snapshot] | None:
    """The newest snapshot that can be trusted and the entry it stands for; None when there is none. Raises sqlite3.Error."""
    return next(trusted(db), None)


def trusted(db: sqlite3.Connection) -> Iterator[tuple[int, Snapshot]]:
    """Every snapshot that can be trusted and the entry it stands for, the newest first. Raises sqlite3.Error."""
    rows = db.execute(
        "SELECT s.seq, s.link, s.form, s.payload, s.digest, e.link FROM snapshots s LEFT JOIN entries e ON e.seq = s.seq"
        " ORDER BY s.seq DESC"
    )
    for seq, link, form, payload, digest, entry_link in rows:
        if not all(isinstance(part, bytes) for part in (link, payload, digest)) or digest != _digest(seq, link, form, payload):
            why = "is torn"
        elif link != entry_link:
            why = "stands for an entry that is not there"
        elif form != snapshot_form():
            why = "was written by another version"
        else:
            try:
                yield seq, decode_snapshot(payload)
                continue
            except EntryUnreadable as error:
                why = f"cannot be read ({error})"
        _log.warning("the snapshot at entry %s %s; it is passed over", seq, why)


def _digest(seq: int, link: bytes, form: str, payload: bytes) -> bytes:
    return hashlib.sha256(b"%d %b %b %b" % (seq, link, str(form).encode(), payload)).digest()
