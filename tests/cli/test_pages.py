"""Pages that restate code are up to date."""

from __future__ import annotations

from pathlib import Path

from bot.core.order import OrderState, Trigger
from bot.drivers.lifecycle_page import page

WRITTEN = Path(__file__).parents[2] / "docs" / "order-lifecycle.md"


def test_the_order_page_is_what_the_table_says() -> None:
    assert WRITTEN.read_text(encoding="utf-8") == page(), "run: make docs"


def test_it_names_every_state_and_trigger() -> None:
    told = page()
    for word in (*OrderState, *Trigger):
        assert f"`{word.value}`" in told
