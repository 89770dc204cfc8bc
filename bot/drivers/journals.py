"""A journal to be read, by what a person calls it: its file, the folder that it is in, or the configuration whose journal it is."""

from __future__ import annotations

from pathlib import Path

from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.config import load
from bot.ports import JournalReader

CONFIGURATIONS = (".yaml", ".yml")
FILE_NAME = "journal.sqlite"


def journal_to_read(where: str) -> JournalReader:
    """The journal that is meant, to be read only. Raises ConfigError or JournalRefused, one sentence each."""
    path = Path(where)
    if path.suffix in CONFIGURATIONS:
        path = load(path).journal_path
    elif path.is_dir():
        path = path / FILE_NAME
    return SqliteReader(path)
