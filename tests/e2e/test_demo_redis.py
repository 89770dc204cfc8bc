"""The demo whose deposits come over a Redis stream, signed and announced, and not from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.core.events import CollateralAnnounced
from bot.core.reports import ClaimKind
from tests.adapters.journal.redis_process import RedisProcess, free_port, needs_redis
from tests.e2e.test_demo import EVENTS, THREE, assert_passed, run_demo

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), needs_redis]


def test_the_demo_takes_its_deposits_from_a_stream(tmp_path: Path) -> None:
    server = RedisProcess(tmp_path / "redis").start()
    try:
        done, report = run_demo(tmp_path, *THREE, "--redis", f"redis://127.0.0.1:{server.port}")
        assert_passed(done, report, EVENTS)
        with server.client as client:
            assert not client.keys("hedgebot:demo:*"), "the stream of the demo is taken away with it"
    finally:
        server.kill()
    assert not (tmp_path / "demo" / "holdings.yaml").exists()
    reader = SqliteReader(tmp_path / "demo" / "state" / "journal.sqlite")
    try:
        told = [e for entry in reader.entries() for e in entry.events if isinstance(e, CollateralAnnounced)]
    finally:
        reader.close()
    assert {e.kind for e in told} == set(ClaimKind)
    assert len({e.claim for e in told}) == len(told) >= 4
    source = yaml.safe_load((tmp_path / "demo" / "hedgebot.yaml").read_text())["collateral"]["sources"][0]
    assert source["signed_with"] not in done.stdout + (tmp_path / "demo" / "bot.log").read_text() + json.dumps(report)


def test_a_server_that_is_not_there_is_told_before_anything_starts(tmp_path: Path) -> None:
    done, _ = run_demo(tmp_path, *THREE, "--redis", f"redis://127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "hedgebot: --redis: redis://127.0.0.1:" in done.stderr
    assert not (tmp_path / "demo").exists()
    done, _ = run_demo(tmp_path, *THREE, "--redis", "http://127.0.0.1")
    assert done.returncode == 2
    assert "--redis: write a path, or a URL that begins with redis://" in done.stderr
