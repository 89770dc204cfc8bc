"""Writes docs/faults.md from the kinds of faults and the dialects' own troubles: `python -m bot.drivers.faults_page docs/faults.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from bot.config.explained import explanations_of
from bot.simulator.conditions import Condition, ConditionKind
from bot.simulator.control import CONTROL_HOST
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.dialects.trouble import Topic
from bot.simulator.faults import Fault, FaultKind
from bot.simulator.listings import exchange_of
from bot.simulator.stream_faults import StreamFault, StreamKind

_OPENING = f"""# Faults at the simulated venues

What can be made to go wrong between a client and a simulated venue: from a plan's file, or while the venues run by HTTP.

```sh
.venv/bin/hedgebot demo --faults config/faults-demo.yaml
.venv/bin/hedgebot simulate CONFIG --faults config/faults.yaml
```

Or while they run, over the address that `simulate` prints:

```sh
FAULTS=http://127.0.0.1:PORT/faults
curl -H 'Host: {CONTROL_HOST}' -d '{{"venue": "okx", "kind": "drop_reply", "operation": "place"}}' $FAULTS
curl -H 'Host: {CONTROL_HOST}' $FAULTS                # what waits, what stands, and what happened
curl -H 'Host: {CONTROL_HOST}' -X DELETE $FAULTS/3    # takes one back, or lifts a condition
```

A file holds `faults:` and a list; each has the form that the control host takes too. What the bot makes of each of them, at every venue, is
tested in `tests/adapters/venue/test_wire_faults_*.py`; what a person sees is in [failure-modes.md](failure-modes.md).

This page is generated from the code: `make docs`.
"""


def page() -> str:
    """The whole page as Markdown."""
    sections = (
        _kinds("Requests and their answers", Fault, FaultKind),
        [f"`operation`: {_listed(Operation)}; left out, any.", ""],
        _kinds("Frames of streams", StreamFault, StreamKind),
        [f"`topic`: {_listed(Topic)}; left out, any.", ""],
        _kinds("Conditions", Condition, ConditionKind),
        _troubles(),
    )
    return "\n".join([_OPENING, *(line for section in sections for line in section)])


def _kinds(title: str, made: type[Any], kinds: type[StrEnum]) -> Iterator[str]:
    told = explanations_of(kinds)
    yield f"## {title}\n"
    yield "| kind | what happens |\n|---|---|"
    for kind in kinds:
        yield f"| `{kind.value}` | {told.get(kind.name, '')} |"
    needed = [f"`{f.name}`" for f in fields(made) if f.default is MISSING and f.default_factory is MISSING]
    others = [f"`{f.name}`" for f in fields(made) if f"`{f.name}`" not in needed]
    yield f"\nFields: {', '.join(needed)}; where they are wanted {', '.join(others)}.\n"


def _listed(words: type[StrEnum]) -> str:
    return ", ".join(f"`{word.value}`" for word in words)


def _troubles() -> Iterator[str]:
    yield "## Refusals by name\n"
    yield "For `refuse` with `trouble`: answers in each venue's own envelope, by its code where it has one.\n"
    for venue, dialect in sorted(DIALECTS.items()):
        replies = dialect(exchange_of(venue, now=0), ()).troubles.replies
        yield f"`{venue}`: {', '.join(f'`{name}`' for name in replies)}\n"


def main() -> None:
    """Writes the page to the path given on the command line."""
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
