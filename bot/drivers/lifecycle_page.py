"""Writes docs/order-lifecycle.md from the order's transition table: `python -m bot.drivers.lifecycle_page docs/order-lifecycle.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from bot.core.order import TRANSITIONS, OrderState, Trigger

_OPENING = """# The life of an order

One table decides (`bot/core/order.py`). A row is the state an order is in, a column what happened to it, a cell the state after. An
empty cell is a pair that the table does not list: the venue contradicts itself, and the order is `in_doubt`. A fill moves the position
whatever the state says; an order leaves `in_doubt` only by evidence.

| trigger | what happened |
|---|---|
| `accepted` | the venue says that it exists and may still fill |
| `completed` | all of it filled |
| `ended` | cancelled or expired, and the venue told how much filled |
| `ended_untold` | cancelled or expired, and it did not tell |
| `rejected` | the venue says that it was never let in |
| `refused` | the answer proves that it does not exist |
| `unanswered` | the request ended without proof either way |
| `cancel_unconfirmed` | a cancel was refused or went unanswered |
| `restarted` | the bot was restarted while it was open |
| `proven_absent` | the venue's clock is past its expiry, and two queries after that do not know it |

This page is generated from the code: `make docs`.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_table(), "", *_diagram(), ""])


def _table() -> Iterator[str]:
    yield "| state | " + " | ".join(f"`{t.value}`" for t in Trigger) + " |"
    yield "|---" * (len(Trigger) + 1) + "|"
    for state in OrderState:
        cells = (TRANSITIONS.get((state, trigger)) for trigger in Trigger)
        yield f"| `{state.value}` | " + " | ".join("" if c is None else c.value for c in cells) + " |"


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {OrderState.PENDING_NEW.value}"
    arrows: dict[tuple[OrderState, OrderState], list[str]] = {}
    for state in OrderState:
        for trigger in Trigger:
            after = TRANSITIONS.get((state, trigger), state)
            if after is not state:
                arrows.setdefault((state, after), []).append(trigger.value)
    for (state, after), triggers in arrows.items():
        yield f"    {state.value} --> {after.value}: {', '.join(triggers)}"
    yield "```"


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
