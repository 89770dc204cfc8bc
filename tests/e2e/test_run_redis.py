"""`run` with its journal on a real Redis server: killed and started again, replayed, and without a password in anything that it says."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.units import Asset
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.e2e.test_run import CONFIG, agreed, asked, free_port, hedgebot, hedged, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), needs_redis]


def test_a_run_on_redis_is_killed_and_goes_on_where_it_was(tmp_path: Path) -> None:
    port, server = free_port(), RedisProcess(tmp_path / "redis", "--requirepass", "canary-password")
    document = yaml.safe_load(CONFIG.read_text())
    document |= {
        "state_dir": "state",
        "listen": f"127.0.0.1:{free_port()}",
        "journal": f"redis://:canary-password@127.0.0.1:{server.port}/2",
    }
    document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{port}")
    document["simulator"]["listen"] = f"127.0.0.1:{port}"
    document["collateral"]["sources"][0]["path"] = "holdings.yaml"
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(document))
    holdings = tmp_path / "holdings.yaml"
    write_holdings(holdings, [Row(Asset("BTC"), "custody", Decimal("1.5"))])

    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start(wait=False)
        stack.enter_context(hedgebot("simulate", str(config), log=tmp_path / "venues.log"))
        first = stack.enter_context(hedgebot("run", str(config), log=tmp_path / "first.log"))
        until(lambda: hedged(config, "1.5"), 60)
        write_holdings(holdings, [Row(Asset("BTC"), "custody", Decimal("0.9"))])
        first.send_signal(signal.SIGKILL)
        first.wait()
        bot = stack.enter_context(hedgebot("run", str(config), log=tmp_path / "second.log"))
        until(lambda: hedged(config, "0.9"), 60)
        assert asked(config)["trading_state"] == "active"
        agreed(config, port)
        with urllib.request.urlopen(f"http://{document['listen']}/metrics", timeout=10) as reply:
            told = reply.read().decode().splitlines()
        assert "hedgebot_journal_rewritten_entries 0.0" in told
        assert any(line.startswith("hedgebot_journal_waiting_entries ") for line in told)
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(15) == 0

        replayed = subprocess.run(
            [sys.executable, "-m", "bot", "replay", str(config), "--json"], capture_output=True, text=True, timeout=60, check=False
        )
        assert replayed.returncode == 0, replayed.stderr
        assert json.loads(replayed.stdout)
        assert not (tmp_path / "state" / "journal.sqlite").exists()
        checked = subprocess.run(
            [sys.executable, "-m", "bot", "check", str(config)], capture_output=True, text=True, timeout=60, check=False
        )
        said = replayed.stdout + replayed.stderr + checked.stdout + checked.stderr
        said += (tmp_path / "first.log").read_text() + (tmp_path / "second.log").read_text()
        assert f"redis://***@127.0.0.1:{server.port}/2" in checked.stdout
        assert "canary" not in said
