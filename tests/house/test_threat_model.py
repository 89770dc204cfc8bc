"""Each threat has a control, and each control a test that is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if re.match(r"\| T\d+ \|", line)]


def test_threats_are_counted_and_complete() -> None:
    assert [row[0] for row in ROWS] == [f"T{number}" for number in range(1, len(ROWS) + 1)]
    assert len(ROWS) > 20
    assert all(len(row) == 4 and all(row) for row in ROWS)


def test_every_control_names_tests_that_exist() -> None:
    missing = []
    for number, _, _, tests in ROWS:
        named = re.findall(r"`([^`]+)`", tests)
        assert named, number
        for each in named:
            path, _, function = each.partition("::")
            file = ROOT / "tests" / path
            if not file.is_file() or (function and not re.search(rf"^(async )?def {function}\(", file.read_text("utf-8"), re.MULTILINE)):
                missing.append(f"{number}: {each}")
    assert not missing
