"""One redis-server for all tests of a worker, each test with a journal name of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.journal.redis_process import SERVER, RedisProcess
from tests.adapters.journal.redis_words import Place

_names = itertools.count(1)


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path_factory.mktemp("redis")).start()
    yield process
    process.kill()


@pytest.fixture
def journal_name() -> str:
    return f"book{next(_names)}"


@pytest.fixture
def place(redis_process: RedisProcess, journal_name: str, tmp_path: Path) -> Place:
    return Place(redis_process.server, journal_name, tmp_path / "state")


@pytest.fixture
def client(redis_process: RedisProcess) -> Iterator[Any]:
    with closing(redis_process.client) as client:
        yield client
