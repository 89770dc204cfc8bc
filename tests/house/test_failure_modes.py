"""Every test that docs/failure-modes.md points to is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
POINTER = re.compile(r"`([a-z_/]+test_[a-z_]+\.py)(?:::([a-z0-9_]+))?`")


def missing(page: str, tests: Path) -> list[str]:
    """The pointers of a page that lead nowhere."""
    found = []
    for file, name in POINTER.findall(page):
        path = tests / file
        if not path.exists() or (name and f"def {name}(" not in path.read_text(encoding="utf-8")):
            found.append(f"{file}::{name}" if name else file)
    return found


def test_the_page_points_to_tests_that_are_there() -> None:
    page = (ROOT / "docs" / "failure-modes.md").read_text(encoding="utf-8")
    assert len(POINTER.findall(page)) > 15
    assert missing(page, ROOT / "tests") == []


def test_a_pointer_that_leads_nowhere_is_found() -> None:
    page = "`house/test_failure_modes.py::test_that_never_was` and `house/test_nowhere.py`"
    assert missing(page, ROOT / "tests") == ["house/test_failure_modes.py::test_that_never_was", "house/test_nowhere.py"]
