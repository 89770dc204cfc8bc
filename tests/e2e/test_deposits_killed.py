"""Deposits that come in a burst on a real Redis stream while the bot is killed (SIGKILL) twice: none is lost, none counts twice."""

from __future__ import annotations

import json
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.collateral.announcements import ClaimMessage, TotalMessage, written
from tests.adapters.journal.redis_process import RedisProcess, needs_redis
from tests.e2e.test_run import CONFIG, agreed, asked, free_port, hedgebot, hedged, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300), needs_redis]

STREAM, KEY = "hedgebot:collateral", b"a shared key of the desk"
DEPOSITS = 1_500


def now() -> int:
    return time.time_ns() // 1_000_000


def send(client: Any, message: ClaimMessage | TotalMessage) -> None:
    client.xadd(STREAM, written(message, KEY))


def burst(client: Any, stopped: threading.Event) -> None:
    """Deposits of 0.001 BTC, every tenth told twice."""
    for number in range(DEPOSITS):
        told = ClaimMessage(type="deposit", claim=f"d{number}", asset="BTC", quantity="0.001", location="vault", depositor="acme", at=now())
        for _ in range(1 + (number % 10 == 0)):
            send(client, told)
        if stopped.wait(0.008):
            return


def acknowledged(client: Any) -> int:
    """Messages that were read and acknowledged."""
    (group,) = client.xinfo_groups(STREAM)
    return int(group["entries-read"] or 0) - int(group["pending"])


def config_of(folder: Path, market: int, server: RedisProcess) -> Path:
    document = yaml.safe_load(CONFIG.read_text())
    document |= {"state_dir": "state", "listen": f"127.0.0.1:{free_port()}"}
    document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{market}")
    document["simulator"]["listen"] = f"127.0.0.1:{market}"
    source = {
        "kind": "redis",
        "name": "backend",
        "url": f"redis://127.0.0.1:{server.port}",
        "signed_with": KEY.decode(),
        "believed_of": ["BTC@vault"],
    }
    document["collateral"] = {
        "assets": {"BTC": {"claim_max": 1, "deposits_max": 10}, "ETH": {}},
        "claims": {"depositors": ["acme"], "hedge_share": 1, "lead_ms": 0},
        "sources": [source],
    }
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(document))
    return config


def test_a_bot_that_is_killed_in_a_burst_of_deposits_loses_and_doubles_none(tmp_path: Path) -> None:
    market, server = free_port(), RedisProcess(tmp_path / "redis")
    config, stopped = config_of(tmp_path, market, server), threading.Event()
    with ExitStack() as stack:
        stack.callback(server.kill)
        server.start()
        client = stack.enter_context(server.client)
        send(client, TotalMessage(type="total", asset="BTC", location="vault", quantity="0", at=now()))
        stack.enter_context(hedgebot("simulate", str(config), log=tmp_path / "venues.log"))
        writer = threading.Thread(target=burst, args=(client, stopped))
        stack.callback(writer.join)
        stack.callback(stopped.set)
        for life, most in enumerate((300, 900), 1):
            bot = stack.enter_context(hedgebot("run", str(config), log=tmp_path / f"life{life}.log"))
            if life == 1:
                until(lambda: bool(client.xinfo_groups(STREAM)), 60)
                writer.start()
            until(lambda most=most: acknowledged(client) >= most, 60)  # type: ignore[misc]  # the default binds the loop's value
            bot.send_signal(signal.SIGKILL)
            bot.wait()
        stack.enter_context(hedgebot("run", str(config), log=tmp_path / "life3.log"))
        until(lambda: hedged(config, "1.5"), 120)
        assert client.xpending(STREAM, "hedgebot")["pending"] == 0
        assert not client.exists(f"{STREAM}:dead")
        agreed(config, market)
        # The total that confirms them all adds nothing, and one unit more is one unit more.
        send(client, TotalMessage(type="total", asset="BTC", location="vault", quantity="1.5", at=now()))
        send(client, TotalMessage(type="total", asset="BTC", location="vault", quantity="1.6", at=now() + 1))
        until(lambda: hedged(config, "1.6"), 60)
        assert asked(config)["trading_state"] == "active", json.dumps(asked(config))
        agreed(config, market)
