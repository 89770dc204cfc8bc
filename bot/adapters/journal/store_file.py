"""The journal's file: told apart from every other file before it is opened, created whole or not at all, held by one bot at a time.

A file that is not ours is never written to. A new journal is built beside its final name and renamed into place, so that a crash
leaves no half-made journal behind. The lock is the operating system's: it ends with its holder, however that ends.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

from bot.adapters.journal import snapshots
from bot.adapters.journal.codec import first_link
from bot.ports import JournalRefused

SCHEMA_VERSION = 2
"""Of the tables below. 1: had neither snapshots nor a place to say that older entries had been moved out."""
APPLICATION_ID = 0x48444742  # "HDGB", in the file's header where SQLite keeps room for it
_SQLITE_MAGIC = b"SQLite format 3\x00"
_HEADER_LENGTH = 100
_APPLICATION_ID_AT = 68

_SCHEMA = f"""
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
CREATE TABLE entries (seq INTEGER PRIMARY KEY, link BLOB NOT NULL, payload BLOB NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{snapshots.TABLE};
"""


def _to_2(db: sqlite3.Connection, identity: str) -> None:
    """Snapshots, and number and link of the last entry that was moved out."""
    db.execute(snapshots.TABLE)
    db.executemany("INSERT INTO facts VALUES (?, ?)", _no_base(identity))


def _no_base(identity: str) -> list[tuple[str, str]]:
    return [("base_seq", "0"), ("base_link", first_link(identity).hex())]


UPGRADES: Mapping[int, Callable[[sqlite3.Connection, str], None]] = {1: _to_2}
"""By a version, what makes a journal of the next one of it."""


def hold(path: Path) -> int:
    """The descriptor of the lock that keeps other instances away from the journal at `path`. Raises JournalRefused when it is taken."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(beside(path, ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalRefused(f"{path.parent}: the journal's folder cannot be used: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise JournalRefused(f"{path}: the journal is held by a running hedgebot; stop that one first") from None
    return lock


def open_file(path: Path, identity: str) -> sqlite3.Connection:
    """A connection to the journal at `path`, made when there is none. Raises JournalRefused for any file that is not ours to use."""
    try:
        if not path.exists() or path.stat().st_size == 0:
            _create(path, identity)
        _check_header(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=1)
    except (OSError, sqlite3.Error) as error:
        raise JournalRefused(f"{path}: the journal cannot be opened: {error}") from None
    try:
        version = _check_contents(connection, path, identity)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        _upgrade(connection, version, identity)
    except sqlite3.Error as error:
        connection.close()
        raise JournalRefused(f"{path}: {damage(error)}") from None
    except BaseException:
        connection.close()
        raise
    return connection


_PRIMARY = 0xFF
"""The part of SQLite's extended result codes that names the kind."""
_OF_THE_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM)


def damage(error: Exception) -> str:
    """What to say of a file that SQLite cannot read. A disk that is full or fails says nothing about what is in the file."""
    if isinstance(error, sqlite3.Error) and (getattr(error, "sqlite_errorcode", 0) & _PRIMARY) in _OF_THE_DISK:
        return f"the journal cannot be used at present ({error}); nothing was changed in it: see to the disk, its free space and its rights"
    return f"the journal is damaged ({error}); nothing was changed in it: restore it from a backup, or move it aside and start anew"


def beside(path: Path, suffix: str) -> Path:
    """The file next to `path` with `suffix` behind the whole name."""
    return path.with_name(path.name + suffix)


def sync_folder(path: Path) -> None:
    """Makes the names in the folder of `path` durable."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _create(path: Path, identity: str) -> None:
    log = beside(path, "-wal")
    if log.exists() and log.stat().st_size:
        raise JournalRefused(f"{path}: the journal is missing while its log {log.name} is still there; put it back or move the log away")
    draft = beside(path, ".new")
    draft.unlink(missing_ok=True)
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.executescript(f"BEGIN; {_SCHEMA}")
        connection.executemany("INSERT INTO facts VALUES (?, ?)", [("identity", identity), ("epoch", "0"), *_no_base(identity)])
        connection.execute("COMMIT")
    draft.chmod(0o600)
    draft.replace(path)
    sync_folder(path)


def _check_header(path: Path) -> None:
    with path.open("rb") as file:
        header = file.read(_HEADER_LENGTH)
    ours = APPLICATION_ID.to_bytes(4, "big")
    if header[: len(_SQLITE_MAGIC)] != _SQLITE_MAGIC or header[_APPLICATION_ID_AT : _APPLICATION_ID_AT + 4] != ours:
        raise JournalRefused(f"{path}: this is not a hedgebot journal, and it was left as it is; name another state_dir")


def _upgrade(connection: sqlite3.Connection, version: int, identity: str) -> None:
    """Makes a journal of this version of an older one: all of it, or nothing after a crash."""
    if version == SCHEMA_VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for older in range(version, SCHEMA_VERSION):
        UPGRADES[older](connection, identity)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    connection.execute("COMMIT")


def base_of(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
    """Number and link of the last entry that was moved out (0: none was); None in a journal from before entries were. Raises sqlite3.Error
    and ValueError.
    """
    told = dict(connection.execute("SELECT name, value FROM facts WHERE name IN ('base_seq', 'base_link')"))
    return (int(told["base_seq"]), bytes.fromhex(told["base_link"])) if len(told) == 2 else None


def tell_loss(connection: sqlite3.Connection) -> None:
    """Notes that its end was lost, until an entry follows: a start that ends before it entered anything must not hide it from the next."""
    connection.execute("INSERT OR REPLACE INTO facts VALUES ('lost_end', '1')")


def tells_loss(connection: sqlite3.Connection) -> bool:
    """Whether its end was lost and nothing entered since."""
    return connection.execute("SELECT 1 FROM facts WHERE name = 'lost_end'").fetchone() is not None


def forget_loss(connection: sqlite3.Connection) -> None:
    """Notes that an entry followed."""
    connection.execute("DELETE FROM facts WHERE name = 'lost_end'")


def _check_contents(connection: sqlite3.Connection, path: Path, identity: str) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION and version not in UPGRADES:
        kind = "a newer" if version > SCHEMA_VERSION else "an unknown"
        raise JournalRefused(f"{path}: the journal has format {version} of {kind} hedgebot, and this one reads format {SCHEMA_VERSION}")
    (owner,) = connection.execute("SELECT value FROM facts WHERE name = 'identity'").fetchone() or (None,)
    if owner != identity:
        raise JournalRefused(f"{path}: the journal belongs to another config ({owner}), and this one is {identity}; name another state_dir")
    return int(version)
