"""What could not be trusted in a journal: copied aside before it is taken out, and told. Nothing is skipped silently."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.journal.store_file import beside, sync_folder


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What could not be trusted: where it was copied (None: there is nothing left to copy), from which entry on, and why.

    `first_seq` None: the store had dropped it before it could be read.
    """

    copy: Path | None
    first_seq: int | None
    reason: str


def free_name(path: Path, suffix: str) -> Path:
    """A name beside `path` that is not taken."""
    number = 1
    while (candidate := beside(path, f"{suffix}.{number}")).exists():
        number += 1
    return candidate


def set_aside(path: Path, first: int, rows: Iterable[tuple[object, bytes, bytes]]) -> Path:
    """Writes number (or id), link and payload of each row durably to a new file beside `path`; the file. Raises OSError."""
    copy = free_name(path, f".quarantined-{first}")
    with copy.open("x", encoding="utf-8") as file:
        for seq, link, payload in rows:
            file.write(json.dumps({"seq": seq, "link": link.hex().upper(), "payload": payload.hex().upper()}) + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync_folder(copy)
    return copy
