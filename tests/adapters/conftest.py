"""One redis-server for all tests of a worker that speak to one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.adapters.journal.redis_process import SERVER, RedisProcess


@pytest.fixture(scope="session")
def redis_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisProcess]:
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path_factory.mktemp("redis")).start()
    yield process
    process.kill()


@pytest.fixture
def client(redis_process: RedisProcess) -> Iterator[Any]:
    with closing(redis_process.client) as client:
        yield client
