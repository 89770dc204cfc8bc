"""A second instance on one book, with the embedded journal: refused on the same host, seen as a stranger's trades from another one."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.units import Asset
from tests.e2e.test_run import CONFIG, asked, free_port, hedgebot, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]


def configured(folder: Path, venue_port: int, held: str) -> tuple[Path, str]:
    """A configuration of one book in a folder of its own, as on a host of its own, and where its bot listens."""
    folder.mkdir(exist_ok=True)
    listen = f"127.0.0.1:{free_port()}"
    document = yaml.safe_load(CONFIG.read_text())
    document |= {"state_dir": "state", "listen": listen}
    document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{venue_port}")
    document["simulator"]["listen"] = f"127.0.0.1:{venue_port}"
    document["collateral"]["sources"][0]["path"] = "holdings.yaml"
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    write_holdings(folder / "holdings.yaml", [Row(Asset("BTC"), "custody", Decimal(held))])
    return folder / "config.yaml", listen


def strangers(config: Path) -> list[dict[str, Any]]:
    """The venues that the bot lets only reduce because somebody else trades there."""
    return [v for v in asked(config).get("venues", []) if (v["trading"]["state"], v["trading"]["cause"]) == ("reducing", "foreign_orders")]


def is_hedged(config: Path) -> bool:
    told = asked(config)
    rows = [a for a in told.get("assets", []) if a["asset"] == "BTC"]
    return bool(rows) and told["ready"] and rows[0]["in_band"] is True


def test_a_second_instance_is_refused_on_the_same_host_and_reduces_the_book_from_another(tmp_path: Path) -> None:
    port = free_port()
    here, listen = configured(tmp_path / "here", port, "1.5")
    elsewhere, _ = configured(tmp_path / "elsewhere", port, "2.1")
    with ExitStack() as stack:
        stack.enter_context(hedgebot("simulate", str(here), log=tmp_path / "venues.log"))
        first = stack.enter_context(hedgebot("run", str(here), log=tmp_path / "first.log"))
        until(lambda: is_hedged(here), 90)

        second = subprocess.run(
            [sys.executable, "-m", "bot", "run", str(here)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert second.returncode == 2
        assert "the journal is held by a running hedgebot; stop that one first" in second.stderr
        assert first.poll() is None
        assert strangers(here) == []

        stack.enter_context(hedgebot("run", str(elsewhere), log=tmp_path / "second.log"))
        until(lambda: bool(strangers(here)), 90)
        with urllib.request.urlopen(f"http://{listen}/metrics", timeout=10) as answer:
            metrics = answer.read().decode()
        told = [line for line in metrics.splitlines() if line.startswith("hedgebot_breaks") and "foreign" in line]
        assert told, "no alarm is raised by a metric"
        assert any(float(line.split()[-1]) > 0 for line in told)
        log = (tmp_path / "first.log").read_text()
        assert "foreign_fill" in log or "foreign_order" in log
        assert first.poll() is None
