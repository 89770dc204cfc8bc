"""What the first page says of limits is what the code says, and every page that it leads to is there."""

from __future__ import annotations

import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

import pytest

from bot.config.policy_section import plain
from bot.core.policy import Policy

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_limits_table_tells_the_defaults() -> None:
    defaults = {field.name: field.default for field in fields(Policy)}
    rows = re.findall(r"^\| [^|]+ \| (`[^|]+`) \| ([0-9][^|]*) \|$", README, re.MULTILINE)
    assert len(rows) > 10
    for settings, told in rows:
        names = re.findall(r"`(\w+)`", settings)
        assert told == "; ".join(plain(Decimal(str(defaults[name]))) for name in names), settings


def test_the_live_view_and_the_book_are_shown() -> None:
    assert re.findall(r"!\[[^]]+\]\((docs/images/[\w-]+\.png)\)", README) == ["docs/images/live-view.png", "docs/images/dashboard-book.png"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if not link.startswith(("http", "#"))]
    assert [link for link in links if link and not (page.parent / link).exists()] == []
