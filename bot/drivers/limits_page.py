"""Writes docs/limits.md from the table of limits and the policy's defaults: `python -m bot.drivers.limits_page docs/limits.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

from bot.core.limit_table import LIMITS, WARN_PART, LevelAt, LimitRule
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy

_OPENING = f"""# Limits

Every limit shapes the target, and a last gate asks each order again as if the first had not run (`bot/core/gate.py`). A refusal is a
breach with its numbers. The widest values are in the code: configuration may tighten a limit, it can never switch one off.

What a limit does: it *tells* people; it *pages* them and hurries the hedge; it *blocks* increases within its scope; it makes a venue, or
the book, *reducing*; or it makes a venue, or the book, *halted*. Reductions pass wherever something is there to reduce;
cancels and queries always pass. Of a limit that is used up bit by bit (marked *budget*) people are told from {WARN_PART:f} of it on.

How it ends: *at once* when the condition ends; after a *quiet period* (`quiet_period_ms`) in which nothing of the kind happened; or by a
*named operator*.

This page is generated from the code: `make docs`.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_OPENING, *_table(), ""])


def _table() -> Iterator[str]:
    yield "| limit | guards | scope | does | ends | from (default; narrowest to widest) | controls |"
    yield "|---" * 7 + "|"
    for limit in Limit:
        yield _row(limit, LIMITS[limit])


def _row(limit: Limit, rule: LimitRule) -> str:
    levels = "<br>".join(_level(level, rule.effect) for level in rule.levels)
    does = f"{rule.effect.value}, budget" if rule.is_budget else rule.effect.value
    cells = (f"`{limit.value}`", rule.guards, rule.scope.value, does, rule.end.value, levels, " ".join(rule.controls))
    return "| " + " | ".join(cells) + " |"


def _level(level: LevelAt, strongest: Effect) -> str:
    default = Decimal(getattr(Policy(), level.field))
    own = "" if level.effect is strongest else f"{level.effect.value}: "
    return f"{own}`{level.field}` {default:f} ({level.ceiling.lowest:f} to {level.ceiling.highest:f})"


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
