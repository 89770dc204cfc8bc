"""Entries that former versions of hedgebot wrote are read by this one, and nothing that stands in them is lost.

`entries_of_former_versions.jsonl` was written by the code of the commits that it names, one entry of every kind that there was, with drawn
figures. What has changed since then was only added, with a default: so entries still have format 1, and nothing in them is upgraded.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.codec import COMMANDS, EVENTS, decode, encode

FORMER: list[dict[str, str]] = [
    json.loads(line) for line in Path(__file__).with_name("entries_of_former_versions.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("entry", FORMER, ids=lambda entry: f"{entry['written_at']}-{entry['kind']}")
def test_a_former_entry_is_read_and_nothing_of_it_is_lost(entry: dict[str, str]) -> None:
    read = decode(entry["payload"].encode())
    assert entry["kind"] in {type(item).__name__ for item in (*read.events, *read.commands)}
    assert list(missing(json.loads(entry["payload"]), json.loads(encode(read.events, read.commands)))) == []


def missing(former: Any, now: Any, path: str = "") -> list[str]:
    """What stands in `former` and stands otherwise, or not at all, in `now`; what was added since does not count."""
    if isinstance(former, dict) and isinstance(now, dict):
        return [found for key, value in former.items() for found in missing(value, now.get(key, "gone"), f"{path}.{key}")]
    if isinstance(former, list) and isinstance(now, list) and len(former) == len(now):
        return [found for one, other in zip(former, now, strict=True) for found in missing(one, other, f"{path}[]")]
    return [] if former == now else [f"{path}: {former} is {now}"]


def test_every_kind_that_there_was_is_among_them() -> None:
    kinds = {entry["kind"] for entry in FORMER}
    assert kinds <= {*EVENTS, *COMMANDS}
    assert len(kinds) >= 25
