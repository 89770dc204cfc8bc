"""Where the files of a deployment are, and the values that stand in for keys."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
OVERLAYS = ("testnet", "mainnet")

PLACEHOLDERS = {
    **{
        f"HEDGEBOT_{venue}_{part}": f"stand-in-for-{venue}-{part}".lower()
        for venue, parts in {
            "BINANCE": ("KEY", "SECRET"),
            "BYBIT": ("KEY", "SECRET"),
            "OKX": ("KEY", "SECRET", "PASSPHRASE"),
            "DERIBIT": ("KEY", "SECRET"),
        }.items()
        for part in parts
    },
    "HEDGEBOT_HYPERLIQUID_ADDRESS": "0x" + "3f" * 20,
    "HEDGEBOT_HYPERLIQUID_PRIVATE_KEY": f"0x{7:064x}",
    "HEDGEBOT_JOURNAL_URL": "redis://redis:6379/0",
    "HEDGEBOT_MAINNET": "main",
    "HEDGEBOT_CONTROL_TOKEN": "stand-in-for-the-token-of-control-1",
    "POD_NAME": "hedgebot-0",
}
"""A variable for everything that a deployment's configuration takes from its environment, in the right form, opening nothing."""


def with_placeholders(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a process that has every key."""
    for name, value in PLACEHOLDERS.items():
        monkeypatch.setenv(name, value)


def program(name: str) -> str:
    """The path of a program beside this interpreter or on the system's path; the test is skipped where there is none."""
    found = shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if found is None:
        pytest.skip(f"{name} is not installed here (make setup installs what can be had)")
    return found


def ran(*command: str | Path, **more: Any) -> str:
    """What a program says; the test fails with it where the exit code is not 0."""
    told = subprocess.run([str(each) for each in command], capture_output=True, text=True, check=False, timeout=100, **more)
    assert told.returncode == 0, f"{' '.join(str(each) for each in command)}\n{told.stdout}{told.stderr}"
    return told.stdout + told.stderr


def documents(path: Path) -> list[dict[str, Any]]:
    """Every document of a YAML file."""
    return [each for each in yaml.safe_load_all(path.read_text(encoding="utf-8")) if each is not None]
