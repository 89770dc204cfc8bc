"""Where recovery may begin: what all entries up to one fold to, kept beside them.

Rules: a snapshot only saves time; nothing is ever known from it that the entries do not tell. It stands for one entry, by number and by
chain link, so one that lost its entry to a quarantined tail is worth nothing. One that is torn, or has another form than this hedgebot
would write (`codec.snapshot_form`), is passed over, and if none is left all entries are folded. The newest two are kept.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import orjson

from bot.adapters.journal.codec import EntryUnreadable, decode_snapshot, encode_snapshot, snapshot_form
from bot.ports import Snapshot

KEPT = 2

_log = logging.getLogger("bot.journal")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A snapshot as it is stored. It is believed only when `digest` fits all of it; what is no bytes in the store is empty here."""

    seq: int
    link: bytes
    form: str
    payload: bytes
    digest: bytes


def sealed(seq: int, link: bytes, snapshot: Snapshot) -> Sealed:
    """What the entries up to `seq`, whose link is `link`, fold to. Raises EntryUnwritable."""
    form, payload = snapshot_form(), encode_snapshot(snapshot)
    return Sealed(seq, link, form, payload, _digest(seq, link, form, payload))


def believed(candidates: Iterable[Sealed], link_of: Callable[[int], object]) -> Iterator[tuple[int, Snapshot]]:
    """Those of `candidates` that can be trusted, in the order given, each with the entry it stands for.

    `link_of` tells the link of a stored entry, None when it is not there.
    """
    for one in candidates:
        if one.digest != _digest(one.seq, one.link, one.form, one.payload):
            why = "is torn"
        elif one.link != link_of(one.seq):
            why = "stands for an entry that is not there"
        elif one.form != snapshot_form():
            why = "was written by another version"
        else:
            try:
                yield one.seq, decode_snapshot(one.payload)
                continue
            except EntryUnreadable as error:
                why = f"cannot be read ({error})"
        _log.warning("the snapshot at entry %s %s; it is passed over", one.seq, why)


def prepare() -> None:
    """Does at the start what the first snapshot would otherwise make the loop wait for: a fifth of a second."""
    snapshot_form()


def _digest(seq: int, link: bytes, form: str, payload: bytes) -> bytes:
    return hashlib.sha256(b"%d %b %b %b" % (seq, link, form.encode(), payload)).digest()


# In SQLite


TABLE = (
    "CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY, link BLOB NOT NULL, form TEXT NOT NULL, payload BLOB NOT NULL,"
    " digest BLOB NOT NULL)"
)


def keep(db: sqlite3.Connection, seq: int, link: bytes, snapshot: Snapshot) -> None:
    """Stores what the entries up to `seq`, whose link is `link`, fold to. Raises EntryUnwritable, and sqlite3.Error."""
    made = sealed(seq, link, snapshot)
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?, ?)", (made.seq, made.link, made.form, made.payload, made.digest))
    db.execute("DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?)", (KEPT,))
    db.execute("COMMIT")


def newest(db: sqlite3.Connection) -> tuple[int, Snapshot] | None:
    """The newest snapshot that can be trusted and the entry it stands for; None when there is none. Raises sqlite3.Error."""
    return next(trusted(db), None)


def trusted(db: sqlite3.Connection) -> Iterator[tuple[int, Snapshot]]:
    """Every snapshot that can be trusted and the entry it stands for, the newest first. Raises sqlite3.Error."""

    def link_of(seq: int) -> object:
        found = db.execute("SELECT link FROM entries WHERE seq = ?", (seq,)).fetchone()
        return None if found is None else found[0]

    rows = db.execute(
        "SELECT seq, CAST(link AS BLOB), CAST(form AS TEXT), CAST(payload AS BLOB), CAST(digest AS BLOB) FROM snapshots ORDER BY seq DESC"
    ).fetchall()
    return believed((Sealed(*row) for row in rows), link_of)


# In Redis


def to_blob(made: Sealed) -> bytes:
    """A snapshot as one value: a line that describes it, then its bytes."""
    return orjson.dumps({"form": made.form, "link": made.link.hex(), "digest": made.digest.hex()}) + b"\n" + made.payload


def from_blob(seq: int, blob: bytes) -> Sealed:
    """What `to_blob` made; with parts that fit nothing when it is torn."""
    head, _, payload = blob.partition(b"\n")
    try:
        told = orjson.loads(head)
        return Sealed(seq, bytes.fromhex(told["link"]), told["form"], payload, bytes.fromhex(told["digest"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return Sealed(seq, b"", "", payload, b"")
