"""Each test of a Redis journal with a journal name of its own."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.adapters.journal.redis_process import RedisProcess
from tests.adapters.journal.redis_words import Place

_names = itertools.count(1)


@pytest.fixture
def journal_name() -> str:
    return f"book{next(_names)}"


@pytest.fixture
def place(redis_process: RedisProcess, journal_name: str, tmp_path: Path) -> Place:
    return Place(redis_process.server, journal_name, tmp_path / "state")
