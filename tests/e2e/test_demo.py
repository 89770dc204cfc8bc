"""The demo as a user starts it: real processes, real sockets, the real ccxt, and a verdict that is held against the venues' own books."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.shell.replay import replay

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

HISTORY = Path(__file__).parents[2].parent / "shared" / "data"
EVENTS = {
    "deposit_btc",
    "deposit_eth",
    "deposit_lst",
    "lost_answer",
    "venue_silent",
    "partial_adl",
    "redemption",
    "funding_settlement",
    "funding_negative",
    "late_deposit",
}


THREE = ("--venues", "binanceusdm,bybit,okx")
PLAN = Path(__file__).parents[2] / "config" / "faults-demo.yaml"


def run_demo(tmp_path: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    summary = tmp_path / "summary.json"
    done = subprocess.run(
        [sys.executable, "-m", "bot", "demo", "--plain", "--summary", str(summary), "--folder", str(tmp_path / "demo"), *options],
        capture_output=True,
        text=True,
        timeout=280,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "HOME": str(tmp_path)},
        check=False,
    )
    report = json.loads(summary.read_text()) if summary.exists() and summary.stat().st_size else {}
    return done, report


def assert_passed(done: subprocess.CompletedProcess[str], report: dict[str, Any], events: set[str]) -> None:
    tail = done.stdout[-3_000:] + done.stderr[-1_000:]
    assert done.returncode == 0, tail
    assert report["passed"], report["reason"]
    assert {e["name"] for e in report["events"]} == events
    for event in report["events"]:
        assert event["injected_at"] <= event["seen_at"] <= event["healed_at"], event
    assert report["doubled_orders"] == []
    assert report["invariants_broken"] == []
    assert sum(report["orders_at_venues"].values()) > 0
    assert report["fills"] == sum(report["fills_at_venues"].values())
    assert abs(Decimal(report["fees_usd"]) - Decimal(report["fees_at_venues_usd"])) < Decimal("0.01")
    assert report["funding_by_asset"].keys() == report["funding_at_venues_by_asset"].keys()
    for asset, units in report["funding_by_asset"].items():
        assert abs(Decimal(units) - Decimal(report["funding_at_venues_by_asset"][asset])) < Decimal("0.0000001"), asset
    for row in report["positions"]:
        assert Decimal(row["venue_says"]) == Decimal(row["bot_says"]), row
        assert Decimal(row["venue_says"]) <= 0, "a hedge is short or flat"
    for asset in ("BTC", "ETH"):
        held = Decimal(report["held_units"][asset])
        assert abs(Decimal(report["net_units"][asset])) <= held * Decimal("0.0008"), asset
    assert report["bot"]["exit_code"] == 0
    assert report["bot"]["stopped_in_s"] < 10


def test_the_story_on_the_generator(tmp_path: Path) -> None:
    done, report = run_demo(tmp_path, "--for", "50s", "--seed", "7", *THREE)
    assert_passed(done, report, EVENTS)
    assert report["bot"]["restarts"] == 0
    assert report["market"]["label"] == "generated, seed 7"
    assert report["breaks"].get("auto_deleveraging") == 1
    assert Decimal(report["net_delta"]["seconds_out_of_band_outside_grace"]) < 5


def test_killed_and_stopped_in_the_middle_it_converges_and_repeats_nothing(tmp_path: Path) -> None:
    done, report = run_demo(tmp_path, "--for", "50s", "--seed", "11", "--crash", "--crashes", "2", *THREE)
    assert_passed(done, report, EVENTS | {"bot_killed"})
    assert report["bot"]["restarts"] == 3
    journal = SqliteReader(tmp_path / "demo" / "state" / "journal.sqlite")
    found = replay(journal)
    journal.close()
    assert found.is_equal
    assert len(found.sessions) == 4


def test_the_story_on_real_history(tmp_path: Path) -> None:
    if not HISTORY.is_dir():
        pytest.skip(f"no market history at {HISTORY}: the story on real prices is not told here")
    done, report = run_demo(tmp_path, "--for", "50s", "--history", str(HISTORY), "--window", "2025-02-21..2025-02-22", *THREE)
    assert_passed(done, report, EVENTS)
    assert "2025-02-21" in report["market"]["label"]
    assert "synthesised" in report["market"]["provenance"]["okx BTC"]


def test_six_venues_with_coins_and_dollars_while_much_goes_wrong(tmp_path: Path) -> None:
    done, report = run_demo(tmp_path, "--for", "60s", "--seed", "5", "--faults", str(PLAN))
    assert_passed(done, report, EVENTS | {"coin_margin"})
    assert {row["venue"] for row in report["positions"]} == {"binanceusdm", "bybit", "okx", "binancecoinm", "deribit", "hyperliquid"}
    assert {row["unit"] for row in report["positions"]} == {"BTC", "ETH", "USD"}
    assert sum(Decimal(units) for units in report["coins_at_venues_units"].values()) > 0
    assert {"maintenance", "clock_shifted", "sockets_closed", "keys_expired", "bad_gateway"} <= {f["kind"] for f in report["faults"]}
    assert len({f["venue"] for f in report["faults"]}) >= 5
