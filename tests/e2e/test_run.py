"""`simulate`, `run` and `status` as the README tells: three processes, a holdings file that changes, and a stop that leaves the hedges."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.core.units import Asset

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

CONFIG = Path(__file__).parents[2] / "config" / "simulation.yaml"
COARSEST_LOT = Decimal("0.001")
"""The coarsest lot of BTC among the three venues, in base units."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def hedgebot(*words: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        running = subprocess.Popen([sys.executable, "-m", "bot", *words], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        try:
            yield running
        finally:
            running.kill()
            running.wait()


def asked(config: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "bot", "status", str(config), "--json"], capture_output=True, text=True, timeout=30, check=False
    )
    told: dict[str, Any] = json.loads(done.stdout) if done.returncode == 0 else {}
    return told


def ordered(*words: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([sys.executable, "-m", "bot", *words], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return done


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.3)


def truth(port: int, venue: str) -> dict[str, Any]:
    """Our account in a venue's own books."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/truth?venue={venue}", headers={"Host": "simulator.control"})
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  our own loopback address
        (account,) = json.loads(reply.read())["accounts"].values()
    return dict(account)


def held_at_venues(port: int) -> dict[str, Decimal]:
    """BTC that each venue's own books hold for us, in base units."""
    sizes = {"binanceusdm": ("BTCUSDT", 1), "bybit": ("BTCUSDT", 1), "okx": ("BTC-USDT-SWAP", "0.01")}
    found = {}
    for venue, (symbol, size) in sizes.items():
        account = truth(port, venue)
        held = [Decimal(p["contracts"]) for p in account["positions"] if p["symbol"] == symbol]
        found[venue] = sum(held, Decimal(0)) * Decimal(size)
    return found


def configured(folder: Path, port: int, btc: str) -> Path:
    """The example of a simulation in a folder of its own, with its venues at `port` and so much BTC to be hedged."""
    document = yaml.safe_load(CONFIG.read_text())
    document |= {"state_dir": "state", "listen": f"127.0.0.1:{free_port()}"}
    document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{port}")
    document["simulator"]["listen"] = f"127.0.0.1:{port}"
    document["collateral"]["sources"][0]["path"] = "holdings.yaml"
    (folder / "config.yaml").write_text(yaml.safe_dump(document))
    write_holdings(folder / "holdings.yaml", [Row(Asset("BTC"), "custody", Decimal(btc))])
    return folder / "config.yaml"


def test_a_holdings_file_is_hedged_and_a_stop_leaves_the_hedges(tmp_path: Path) -> None:
    port = free_port()
    config, holdings = configured(tmp_path, port, "1.5"), tmp_path / "holdings.yaml"
    listen = yaml.safe_load(config.read_text())["listen"]

    with ExitStack() as stack:
        stack.enter_context(hedgebot("simulate", str(config), log=tmp_path / "venues.log"))
        bot = stack.enter_context(hedgebot("run", str(config), log=tmp_path / "bot.log"))
        until(lambda: hedged(config, "1.5"), 60)
        agreed(config, port)
        with urllib.request.urlopen(f"http://{listen}/readyz", timeout=10) as ready:
            assert ready.status == 200

        write_holdings(holdings, [Row(Asset("BTC"), "custody", Decimal("0.6"))])
        until(lambda: hedged(config, "0.6"), 60)

        screen = subprocess.run(
            [sys.executable, "-m", "bot", "status", str(config)], capture_output=True, text=True, timeout=30, check=False
        )
        assert screen.returncode == 0
        assert "Is it neutral?" in screen.stdout
        assert "ACTIVE" in screen.stdout

        halted = ordered("halt", str(config), "--by", "alice", "--why", "a drill")
        assert "the book is HALTED (operator: a drill)" in halted.stdout
        assert "okx: no order open" in halted.stdout
        assert (tmp_path / "state" / "HALT").read_text() == "alice: a drill\n"
        left = agreed(config, port)
        write_holdings(holdings, [Row(Asset("BTC"), "custody", Decimal("1.1"))])
        until(lambda: asked(config)["assets"][0]["collateral"]["low"] == "1.1", 60)
        assert sum(held_at_venues(port).values()) == left
        resumed = ordered("resume", str(config), "--by", "bob", "--why", "the drill is over")
        assert resumed.stdout == "the book is ACTIVE\n"
        assert not (tmp_path / "state" / "HALT").exists()
        until(lambda: hedged(config, "1.1"), 60)

        began = time.monotonic()
        bot.send_signal(signal.SIGTERM)
        assert bot.wait(15) == 0
        assert time.monotonic() - began < 10
        assert abs(sum(held_at_venues(port).values()) + Decimal("1.1")) <= 2 * COARSEST_LOT
        gone = subprocess.run([sys.executable, "-m", "bot", "status", str(config)], capture_output=True, text=True, timeout=30, check=False)
        assert gone.returncode == 1
        assert len(gone.stderr.strip().splitlines()) == 1


def test_who_only_watches_sends_nothing_records_what_it_would_have_done_and_a_run_then_does_it(tmp_path: Path) -> None:
    """The venues' own books are asked, before, during and after; the journal is that of the run that follows."""
    port = free_port()
    config = configured(tmp_path, port, "1.5")
    with ExitStack() as stack:
        stack.enter_context(hedgebot("simulate", str(config), log=tmp_path / "venues.log"))
        watching = stack.enter_context(hedgebot("run", str(config), "--observe", log=tmp_path / "watching.log"))
        until(lambda: bool(asked(config).get("orders_by_outcome", {}).get("refused")), 60)
        told = asked(config)
        assert told["observing"] is True
        assert told["ready"] is True
        assert not told["fills"]
        untouched(port)
        halted = subprocess.run(
            [sys.executable, "-m", "bot", "halt", str(config), "--by", "alice", "--why", "a drill"],
            capture_output=True,
            timeout=30,
            check=True,
        )
        assert b"HALTED" in halted.stdout
        ordered("resume", str(config), "--by", "alice", "--why", "a drill")
        began = time.monotonic()
        watching.send_signal(signal.SIGTERM)
        assert watching.wait(15) == 0
        assert time.monotonic() - began < 10
        untouched(port)

        journal = subprocess.run(
            [sys.executable, "-m", "bot", "replay", str(config), "--json"], capture_output=True, text=True, timeout=60, check=False
        )
        assert journal.returncode == 0, journal.stderr
        meant = [line for line in (tmp_path / "watching.log").read_text().splitlines() if "PlaceOrder" in line]
        assert meant
        order = re.search(r"client_order_id[\"=: ]+(h[a-z0-9]+)", meant[0])
        assert order is not None, meant[0]
        story = ordered("explain", order[1], "--journal", str(config)).stdout
        assert "observed only: nothing is sent" in story

        stack.enter_context(hedgebot("run", str(config), log=tmp_path / "bot.log"))
        until(lambda: hedged(config, "1.5"), 60)
        assert asked(config)["observing"] is False


def untouched(port: int) -> None:
    """No venue has, or ever had, a position or an order of ours."""
    for venue in ("binanceusdm", "bybit", "okx"):
        told = truth(port, venue)
        assert not [told[kind] for kind in ("positions", "open_orders", "closed_orders", "fills") if told[kind]], venue


def agreed(config: Path, port: int) -> Decimal:
    """BTC that the venues' own books hold for us, once the bot says the same: an order may be under way between two looks."""
    until(lambda: sum(held_at_venues(port).values()) == held_btc(asked(config)), 30)
    return sum(held_at_venues(port).values(), Decimal(0))


def hedged(config: Path, collateral: str) -> bool:
    """Whether the shorts answer the collateral to within two of the coarsest lots: what is less than that lies inside the no-trade band."""
    held = held_btc(asked(config))
    return held is not None and abs(held + Decimal(collateral)) <= 2 * COARSEST_LOT


def held_btc(told: dict[str, Any]) -> Decimal | None:
    """What the bot says that it holds of BTC; None while it does not know."""
    rows = [a for a in told.get("assets", []) if a["asset"] == "BTC" and a["position"] is not None]
    if not rows or rows[0]["position"]["low"] != rows[0]["position"]["high"]:
        return None
    return Decimal(rows[0]["position"]["low"])
