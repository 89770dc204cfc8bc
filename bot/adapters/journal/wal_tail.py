"""What SQLite leaves out when it opens a damaged write-ahead log, and does not mention.

SQLite reads a log up to the first frame whose checksum fails and takes the rest for garbage: after bit rot or a torn write, finished
transactions behind that frame are gone without an error. Every frame carries two salts that change each time the log starts over, so
frames of the current log can be counted without SQLite and compared with what SQLite took.

Source of the layout: "WAL-mode File Format", sqlite.org/walformat.html.
"""

from __future__ import annotations

import struct
from pathlib import Path

_MAGICS = (0x377F0682, 0x377F0683)
_HEADER = struct.Struct(">8I")
_FRAME = struct.Struct(">6I")


def frames_written(log: Path) -> int:
    """How many frames of the current log reach up to the last one that bears its salts; 0 when there is no readable log."""
    try:
        with log.open("rb") as file:
            return _last_frame(file.read())
    except FileNotFoundError:
        return 0


def _last_frame(content: bytes) -> int:
    if len(content) < _HEADER.size:
        return 0
    magic, _, page_size, _, *salts, _, _ = _HEADER.unpack_from(content)
    if magic not in _MAGICS or page_size < 512:
        return 0
    last, stride = 0, _FRAME.size + page_size
    for number, offset in enumerate(range(_HEADER.size, len(content) - _FRAME.size + 1, stride), 1):
        if list(_FRAME.unpack_from(content, offset)[2:4]) == salts:
            last = number
    return last
