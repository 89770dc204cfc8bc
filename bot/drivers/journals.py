"""Where a configuration keeps its journal; and a journal to be read, by what a person calls it: its file, the folder that it is in, or
the configuration whose journal it is.
"""

from __future__ import annotations

from pathlib import Path

from bot.adapters.journal.opening import JournalPlace, open_reader
from bot.adapters.journal.redis_link import RedisServer
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.config import Settings, load
from bot.config.journal_section import RedisAddress
from bot.ports import JournalReader

CONFIGURATIONS = (".yaml", ".yml")
FILE_NAME = "journal.sqlite"


def place_of(settings: Settings) -> JournalPlace:
    """Where the journal of a configuration is."""
    told = settings.journal
    return JournalPlace(
        name=settings.name,
        identity=settings.identity,
        folder=settings.state_dir,
        path=settings.journal_path,
        archive_dir=settings.archive_dir,
        server=_server(settings),
        min_replicas=told.min_replicas,
        archives=told.archive,
    )


def _server(settings: Settings) -> RedisServer | None:
    address = settings.journal.address
    return None if address is None else server_at(address, settings.journal.ca_file)


def server_at(address: RedisAddress, ca_file: Path | None) -> RedisServer:
    """The server that a configured URL names."""
    return RedisServer(
        hosts=address.hosts,
        service=address.service,
        database=address.database,
        username=address.username,
        password=address.password,
        sentinel_username=address.sentinel_username,
        sentinel_password=address.sentinel_password,
        tls=address.tls,
        ca_file=ca_file,
    )


def journal_to_read(where: str) -> JournalReader:
    """The journal that is meant, to be read only. Raises ConfigError or JournalRefused, one sentence each."""
    path = Path(where)
    if path.suffix in CONFIGURATIONS:
        return open_reader(place_of(load(path)))
    if path.is_dir():
        path = path / FILE_NAME
    return SqliteReader(path)
