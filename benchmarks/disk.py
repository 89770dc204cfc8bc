"""Where a durable append is really durable: a folder on a disk, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from pathlib import Path

from benchmarks.figures import BenchmarkFailed

VARIABLE = Path("/var/tmp")  # noqa: S108  what is made in it gets a name of its own
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_MOUNTS = Path("/proc/self/mounts")


def folder_on_disk(named: Path | None) -> Path:
    """The folder that was named, else the first of the usual ones that is on a disk. Raises BenchmarkFailed."""
    candidates = [named] if named is not None else [Path(tempfile.gettempdir()), VARIABLE, Path.cwd()]
    mounts = _mounts()
    for folder in candidates:
        if folder.is_dir() and _kind(folder.resolve(), mounts) not in _IN_MEMORY:
            return folder
    raise BenchmarkFailed(f"{candidates[0]} is no folder on a disk, so nothing in it is durable; name one with --folder")


def _mounts() -> list[tuple[Path, str]]:
    if not _MOUNTS.exists():
        return []  # not Linux: whoever measures there knows what the folder is
    lines: Iterable[list[str]] = (line.split() for line in _MOUNTS.read_text(encoding="utf-8").splitlines())
    return [(Path(parts[1]), parts[2]) for parts in lines if len(parts) > 2]


def _kind(folder: Path, mounts: list[tuple[Path, str]]) -> str:
    holding = [(len(at.parts), kind) for at, kind in mounts if folder.is_relative_to(at)]
    return max(holding)[1] if holding else ""
