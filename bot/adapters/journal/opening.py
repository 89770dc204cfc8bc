"""The one place that knows which journal a configuration means: a file beside the bot, or a Redis server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.journal.archive import Archive
from bot.adapters.journal.redis_link import RedisServer
from bot.adapters.journal.redis_reader import RedisReader
from bot.adapters.journal.redis_store import Fence
from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.ports import JournalReader


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalPlace:
    """Where the journal of the book `name` is: on `server`, or (None) in the file `path`. `folder` keeps what stands beside it.

    `archives` None: what is usual for its kind, yes on a server and no in a file.
    """

    name: str
    identity: str
    folder: Path
    path: Path
    archive_dir: Path
    server: RedisServer | None = None
    min_replicas: int = 0
    archives: bool | None = None


def open_journal(
    place: JournalPlace, *, fence: Fence | None = None, on_append_seconds: Callable[[float], None] | None = None
) -> SqliteJournal | RedisJournal:
    """The journal to be written, made when there is none. Raises JournalRefused with one sentence.

    `fence`: the lease without which nothing may be written; only a server can heed one. ValueError for one on a file.
    """
    if place.server is None:
        if fence is not None:
            raise ValueError("a lease can only fence a journal on a server")
        return SqliteJournal(
            place.path,
            place.identity,
            on_append_seconds=on_append_seconds,
            archive_dir=place.archive_dir,
            archives=bool(place.archives),
        )
    return RedisJournal(
        place.server,
        place.name,
        place.identity,
        place.folder,
        fence=fence,
        min_replicas=place.min_replicas,
        on_append_seconds=on_append_seconds,
        archive_dir=place.archive_dir,
        archives=place.archives is not False,
    )


def open_reader(place: JournalPlace) -> JournalReader:
    """The journal to be read only, also while a bot writes it. Raises JournalRefused with one sentence."""
    if place.server is None:
        return SqliteReader(place.path, place.archive_dir)
    return RedisReader(place.server, place.name, place.identity, Archive(place.archive_dir, place.identity))
