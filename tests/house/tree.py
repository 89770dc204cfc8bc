"""The tree to which the house rules apply: which files there are, and their text."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from tests.house.rules import Finding, Rule

ROOT = Path(__file__).resolve().parents[2]
SKIPPED_FOLDERS = frozenset({".git", ".venv", "__pycache__", "build", "dist", "node_modules"})


def python_files(*folders: str) -> list[PurePosixPath]:
    """Python files below `folders`, tracked or not: a rule should speak before the commit, not after it."""
    return sorted(_relative(path) for folder in folders for path in (ROOT / folder).rglob("*.py") if "__pycache__" not in path.parts)


def tracked_files() -> list[PurePosixPath]:
    """What a clone would hold; in a copy without git, everything that is not build output."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return sorted(_relative(path) for path in ROOT.rglob("*") if path.is_file() and not SKIPPED_FOLDERS & set(path.parts))
    names = listed.stdout.decode().split("\0")
    return sorted(PurePosixPath(name) for name in names if name and (ROOT / name).is_file())


def text_of(path: PurePosixPath) -> str | None:
    """The file's text, or None when it is not text."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


def findings(rule: Rule, paths: Iterable[PurePosixPath]) -> Iterator[Finding]:
    """What `rule` finds in the files at `paths`."""
    for path in paths:
        text = text_of(path)
        if text is not None:
            yield from rule(path, text)


def _relative(path: Path) -> PurePosixPath:
    return PurePosixPath(path.relative_to(ROOT).as_posix())
