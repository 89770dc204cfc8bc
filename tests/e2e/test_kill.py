"""The kill, with real processes: a bot whose store hangs, a bot that hangs itself, and a bot that was killed after it (C19, C20)."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.units import Asset
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.e2e.test_run import CONFIG, asked, free_port, hedgebot, hedged, held_at_venues, ordered, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400), needs_redis]
NAMED = ("--by", "alice", "--why", "a drill")


def halted(config: Path) -> subprocess.CompletedProcess[str]:
    """`hedgebot halt`, however it ends."""
    words = (sys.executable, "-m", "bot", "halt", str(config), *NAMED)
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


def test_the_kill_works_with_the_store_hanging_the_loop_hanging_and_over_a_restart(tmp_path: Path) -> None:
    port, server = free_port(), RedisProcess(tmp_path / "redis")
    document = yaml.safe_load(CONFIG.read_text())
    document |= {"state_dir": "state", "listen": f"127.0.0.1:{free_port()}", "journal": f"redis://127.0.0.1:{server.port}/2"}
    document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{port}")
    document["simulator"]["listen"] = f"127.0.0.1:{port}"
    document["collateral"]["sources"][0]["path"] = "holdings.yaml"
    config, holdings = tmp_path / "config.yaml", tmp_path / "holdings.yaml"
    config.write_text(yaml.safe_dump(document))

    def held(quantity: str) -> None:
        write_holdings(holdings, [Row(Asset("BTC"), "custody", Decimal(quantity))])

    held("1.5")
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start(wait=False)
        stack.enter_context(hedgebot("simulate", str(config), log=tmp_path / "venues.log"))
        first = stack.enter_context(hedgebot("run", str(config), log=tmp_path / "first.log"))
        until(lambda: hedged(config, "1.5"), 90)

        server.send(signal.SIGSTOP)  # the store hangs: connected, and silent
        done = halted(config)
        assert done.returncode == 0, done.stderr
        assert "the book is HALTED (operator: a drill)" in done.stdout
        for venue in document["venues"]:
            assert f"{venue}: no order open" in done.stdout
        assert "it is kept on this host until it does" in done.stdout
        server.send(signal.SIGCONT)
        until(lambda: not list((tmp_path / "state").glob("intents-*")), 60)
        assert ordered("resume", str(config), *NAMED).returncode == 0

        first.send_signal(signal.SIGSTOP)  # the loop hangs: nothing in it answers
        done = halted(config)
        assert done.returncode == 1
        assert "HALT is written" in done.stderr
        before = held_at_venues(port)
        held("2.5")
        first.send_signal(signal.SIGCONT)
        until(lambda: asked(config)["trading_state"] == "halted", 30)

        first.send_signal(signal.SIGKILL)
        first.wait()
        stack.enter_context(hedgebot("run", str(config), log=tmp_path / "second.log"))
        until(lambda: asked(config).get("ready") is True, 90)
        told = asked(config)
        assert (told["trading_state"], told["trading"]["by"]) == ("halted", "alice")
        assert held_at_venues(port) == before, "nothing was placed since the kill"
        assert ordered("resume", str(config), *NAMED).returncode == 0
        until(lambda: hedged(config, "2.5"), 90)
