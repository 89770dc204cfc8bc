"""Bad input: one sentence, exit code 2, nothing sent, nothing overwritten."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

GOOD = Path(__file__).parents[2] / "config" / "simulation.yaml"


def hedgebot(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, (done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    for word in words:
        assert word in lines[0], lines[0]
    assert "Traceback" not in done.stderr


def written(tmp_path: Path, **changes: object) -> Path:
    document = yaml.safe_load(GOOD.read_text())
    document["state_dir"] = "state"
    document.update(changes)
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_help_is_there_for_every_command(tmp_path: Path) -> None:
    for command in ("run", "simulate", "status", "reduce", "halt", "resume", "resolve", "check", "demo"):
        done = hedgebot(command, "--help", cwd=tmp_path)
        assert done.returncode == 0
        assert command in done.stdout


def test_a_good_config_is_explained(tmp_path: Path) -> None:
    done = hedgebot("check", str(GOOD), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "config hash" in done.stdout
    assert "environment: simulation" in done.stdout


@pytest.mark.parametrize("command", ["run", "simulate", "check"])
def test_a_config_that_is_not_there(tmp_path: Path, command: str) -> None:
    refused(hedgebot(command, "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")


def test_an_unknown_key(tmp_path: Path) -> None:
    refused(hedgebot("run", str(written(tmp_path, enviroment="simulation")), cwd=tmp_path), "enviroment", "environment")


def test_mainnet(tmp_path: Path) -> None:
    config = str(written(tmp_path, environment="mainnet"))
    for command in ("run", "check"):
        refused(hedgebot(command, config, cwd=tmp_path), "environment: mainnet", "set the environment variable HEDGEBOT_MAINNET to")


def test_forty_for_forty_percent(tmp_path: Path) -> None:
    path = written(tmp_path, policy={"venue_share_max": 40})
    refused(hedgebot("check", str(path), cwd=tmp_path), "policy.venue_share_max", "40", "0.4")


def test_a_misspelt_venue(tmp_path: Path) -> None:
    document = yaml.safe_load(GOOD.read_text())
    document["venues"]["bibyt"] = document["venues"].pop("bybit")
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    refused(hedgebot("run", str(path), cwd=tmp_path), "bibyt", "bybit")


def test_a_missing_secret(tmp_path: Path) -> None:
    document = yaml.safe_load(GOOD.read_text())
    document["venues"]["okx"]["credentials"]["secret"] = {"env": "HEDGEBOT_NO_SUCH_SECRET"}
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(document))
    refused(hedgebot("run", str(path), cwd=tmp_path), "venues.okx.credentials.secret", "HEDGEBOT_NO_SUCH_SECRET")


def test_a_port_in_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = written(tmp_path, listen=f"127.0.0.1:{port}")
        refused(hedgebot("run", str(path), cwd=tmp_path), str(port))
        path = written(tmp_path, simulator={"listen": f"127.0.0.1:{port}"})
        refused(hedgebot("simulate", str(path), cwd=tmp_path), str(port))


def test_a_journal_that_is_not_ours_is_not_overwritten(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "journal.sqlite"
    journal.parent.mkdir()
    journal.write_text("a shopping list, of value to somebody\n")
    refused(hedgebot("run", str(written(tmp_path, listen="127.0.0.1:0")), cwd=tmp_path), "journal")
    assert journal.read_text() == "a shopping list, of value to somebody\n"


def test_who_only_watches_neither_takes_a_lease_nor_writes_where_a_run_that_trades_may(tmp_path: Path) -> None:
    path = written(tmp_path, journal="redis://127.0.0.1:1/0")
    refused(hedgebot("run", str(path), "--observe", cwd=tmp_path), "journal.url", "--observe", "state_dir")
    path = written(tmp_path, journal="redis://127.0.0.1:1/0", instance={"name": "left"})
    refused(hedgebot("run", str(path), "--observe", cwd=tmp_path), "instance", "--observe")
    assert not (tmp_path / "state").exists()


def test_history_that_cannot_be_read(tmp_path: Path) -> None:
    refused(hedgebot("demo", "--history", "nowhere", cwd=tmp_path), "nowhere")
    refused(hedgebot("demo", "--window", "2025-02-21..2025-02-22", cwd=tmp_path), "--window", "--history")
    refused(hedgebot("demo", "--venues", "binanceusdm,bybit,kraken", cwd=tmp_path), "--venues", "kraken", "okx")
    refused(hedgebot("demo", "--venues", "binanceusdm,okx", cwd=tmp_path), "--venues", "three")


def test_a_demo_that_cannot_be_given_leaves_nothing_behind(tmp_path: Path) -> None:
    there = {"TMPDIR": str(tmp_path)}
    refused(hedgebot("demo", "--faults", "nowhere.yaml", cwd=tmp_path, **there), "nowhere.yaml")
    refused(hedgebot("demo", "--folder", "x" * 300, cwd=tmp_path, **there), "--folder", "cannot be made")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("--for", "soon"), ("--for", "1s"), ("--speed", "-3"), ("--speed", "fast"), ("--speed", "0.00001")])
def test_times_and_speeds_that_make_no_sense(tmp_path: Path, words: tuple[str, str]) -> None:
    refused(hedgebot("demo", *words, cwd=tmp_path), words[0], words[1])
