"""`hedgebot simulate --faults`: a plan's file, what is wrong with one, and that its faults happen and can be lifted by HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest

from bot.simulator.control import CONTROL_HOST
from tests.cli.test_refusals import hedgebot, refused, written

PLAN = """\
faults:
  - {venue: okx, kind: bad_gateway, operation: clock, status: 504, times: 2}
  - {venue: bybit, kind: clock_shifted, by_ms: 90_000, label: ahead}
  - {venue: okx, kind: lose_frame, topic: orders, times: null, after_ms: 600000}
"""


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        ("faults: [{venue: okx, kind: gremlin}]", ("faults.0.kind", "'gremlin'", "drop_reply")),
        ("faults: [{venue: okx, kind: drop_reply}, {venue: mars, kind: drop_reply}]", ("faults.1.venue", "'mars'", "okx")),
        ("faults: [{venue: okx, kind: leverage_changed, symbol: BTC-USDT-SWAP, leverage: 9000}]", ("faults.0", "leverage")),
        ("faults: {", ("plan.yaml", "line 1")),
    ],
)
def test_a_plan_that_cannot_be_used_is_one_sentence(tmp_path: Path, plan: str, words: tuple[str, ...]) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(plan)
    config = written(tmp_path, simulator={"listen": "127.0.0.1:0"})
    refused(hedgebot("simulate", str(config), "--faults", str(file), cwd=tmp_path), *words)


def test_a_plan_that_is_not_there(tmp_path: Path) -> None:
    refused(hedgebot("simulate", str(written(tmp_path)), "--faults", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")


def asked(url: str, host: str, path: str, method: str = "GET", body: Any = None) -> tuple[int, str]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data=data, method=method, headers={"Host": host})  # noqa: S310  a server on loopback
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  a server on loopback
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()


def test_faults_of_a_plan_happen_and_are_lifted_by_http(tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    file.write_text(PLAN)
    config = written(tmp_path, simulator={"listen": "127.0.0.1:0"})
    words = [sys.executable, "-m", "bot", "simulate", str(config), "--faults", str(file)]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as running:
        try:
            assert running.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:\d+", running.stdout.readline())
            assert found is not None
            url = found.group()
            assert [asked(url, "www.okx.com", "/api/v5/public/time")[0] for _ in range(3)] == [504, 504, 200]

            def ahead_ms() -> int:
                there = json.loads(asked(url, "api.bybit.com", "/v5/market/time")[1])["time"]
                here = json.loads(asked(url, "www.okx.com", "/api/v5/public/time")[1])["data"][0]["ts"]
                return int(there) - int(here)

            assert 85_000 < ahead_ms() < 95_000
            told = json.loads(asked(url, CONTROL_HOST, "/faults")[1])
            assert [row["kind"] for row in told["armed"]] == ["lose_frame"]
            (standing,) = told["standing"]
            assert (standing["kind"], standing["label"]) == ("clock_shifted", "ahead")
            assert json.loads(asked(url, CONTROL_HOST, f"/faults/{standing['number']}", "DELETE")[1]) == {"disarmed": True}
            assert abs(ahead_ms()) < 5_000
            wanted = {"venue": "okx", "kind": "maintenance", "lasts_ms": 60_000}
            assert asked(url, CONTROL_HOST, "/faults", "POST", wanted)[0] == 200
            assert asked(url, "www.okx.com", "/api/v5/public/time")[0] == 503
        finally:
            running.kill()
