"""Two instances of the real bot on one real Redis, before simulated venues in a process of their own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.adapters.journal.redis_link import RedisServer
from bot.core.units import Asset
from tests.adapters.journal.fault_proxy import FaultProxy
from tests.adapters.journal.redis_process import free_port

CONFIG = Path(__file__).parents[2] / "config" / "simulation.yaml"
COARSEST_LOT = Decimal("0.001")
"""The coarsest lot of BTC among the venues, in base units."""
SIZES = {"binanceusdm": ("BTCUSDT", Decimal(1)), "bybit": ("BTCUSDT", Decimal(1)), "okx": ("BTC-USDT-SWAP", Decimal("0.01"))}
"""How each venue calls its BTC perpetual, and the size of a contract."""
EPOCH = slice(0, 18)
"""The part of a client order id that all orders of one run share."""
TTL_MS = 3_000
LEASE_LOST = 3
PATIENCE_S = 60.0


def until(true: Callable[[], object], seconds: float = PATIENCE_S, what: str = "it") -> float:
    """Waits until something is so; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, f"{what} did not become so within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - began


@dataclass(frozen=True, slots=True)
class Placed:
    """One order in a venue's own books; `quantity` and `filled` are signed base units, `at` the venue's clock."""

    venue: str
    order_id: str
    at: int
    quantity: Decimal
    filled: Decimal
    reduce_only: bool

    @property
    def epoch(self) -> str:
        return self.order_id[EPOCH]


class Instance:
    """One of the two: its configuration, and the process that runs on it."""

    def __init__(self, name: str, folder: Path, document: dict[str, Any], server: RedisServer, ttl_ms: int) -> None:
        self.name, self.folder = name, folder
        self.port = free_port()
        self.wire = FaultProxy(server.hosts[0][1])
        """Between it and Redis; not used where Sentinels name the server."""
        told = server if server.service else RedisServer(hosts=(("127.0.0.1", self.wire.port),))
        document = document | {"state_dir": name, "listen": f"127.0.0.1:{self.port}"}
        document |= {"instance": {"name": name, "lease_ttl_ms": ttl_ms}, "journal": {"url": str(told)}}
        self.config = folder / f"{name}.yaml"
        self.config.write_text(yaml.safe_dump(document))
        self.process: subprocess.Popen[bytes] | None = None
        self.is_expected_to_end = False

    def start(self) -> None:
        self.is_expected_to_end = False
        with (self.folder / f"{self.name}.log").open("ab") as log:
            words = [sys.executable, "-m", "bot", "run", str(self.config)]
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def leads(self) -> bool:
        """Whether it is ready."""
        return self.readiness() == ""

    def supervise(self) -> None:
        """As whatever supervises it: one that lost its lease, because this machine was busy with something else, is started again."""
        if self.process is not None and self.process.poll() == LEASE_LOST and not self.is_expected_to_end:
            self.start()

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def ended(self, within_s: float = 15.0) -> int:
        """Its exit code."""
        assert self.process is not None
        return self.process.wait(within_s)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def end(self) -> None:
        self.kill()
        self.wire.close()

    def readiness(self) -> str:
        """Empty when it is ready, else why it is not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=5):
                return ""
        except urllib.error.HTTPError as refused:
            return str(json.loads(refused.read())["reason"])
        except OSError:
            return "it does not answer"

    def metric(self, name: str) -> float | None:
        """One sample of its own, None when there is none or it does not answer."""
        return self._sample(f'{name}{{member="{self.name}"}}')

    def _sample(self, named: str) -> float | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as reply:
                lines = reply.read().decode().splitlines()
        except OSError:
            return None
        return next((float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"hedgebot_{named} ")), None)

    def ask(self, command: str, *options: str) -> str:
        """What `hedgebot COMMAND` says about it, empty when that failed."""
        words = [sys.executable, "-m", "bot", command, str(self.config), *options]
        return subprocess.run(words, capture_output=True, text=True, timeout=30, check=False).stdout

    def told(self, event: str) -> list[dict[str, Any]]:
        """Its log's lines of one event."""
        lines = (self.folder / f"{self.name}.log").read_text().splitlines()
        return [found for line in lines if line.startswith("{") and (found := json.loads(line))["event"] == event]

    def refusal_of(self, command: str, *options: str) -> str:
        """What it says to a command that it does not carry out, in one sentence."""
        words = [sys.executable, "-m", "bot", command, str(self.config), *options]
        done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 1 + (command != "status"), done
        return done.stderr

    def reducing(self) -> set[str]:
        """The venues that it only reduces at, by its metrics."""
        return {venue for venue in SIZES if self._sample(f'venue_trading_state{{state="reducing",venue="{venue}"}}') == 1}


class Stage:
    """The venues, and both instances. Everything is ended by `end`."""

    def __init__(
        self, folder: Path, server: RedisServer, book: str, *, other_server: RedisServer | None = None, ttl_ms: int = TTL_MS
    ) -> None:
        """`other_server`: what the right one takes for the same Redis, as in a network that is split."""
        self.folder = folder
        self.venues_port = free_port()
        document = yaml.safe_load(CONFIG.read_text())
        document["name"] = book
        document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{self.venues_port}")
        document["simulator"]["listen"] = f"127.0.0.1:{self.venues_port}"
        document["collateral"]["sources"][0]["path"] = "holdings.yaml"
        document["logging"] = {"format": "json"}
        self.hold("1.5")
        self.left = Instance("left", folder, document, server, ttl_ms)
        self.right = Instance("right", folder, document, other_server or server, ttl_ms)
        with (folder / "venues.log").open("wb") as log:
            words = [sys.executable, "-m", "bot", "simulate", str(self.left.config)]
            self._venues = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self) -> None:
        self.left.end()
        self.right.end()
        self._venues.kill()
        self._venues.wait()

    def hold(self, btc: str) -> Decimal:
        """Custody holds this much from now on."""
        self.collateral = Decimal(btc)
        write_holdings(self.folder / "holdings.yaml", [Row(Asset("BTC"), "custody", self.collateral)])
        return self.collateral

    def until(self, true: Callable[[], object], seconds: float = PATIENCE_S, what: str = "it") -> None:
        """Waits until something is so, and supervises both meanwhile."""

        def supervised() -> object:
            self.left.supervise()
            self.right.supervise()
            return true()

        until(supervised, seconds, what)

    def other(self, instance: Instance) -> Instance:
        return self.right if instance is self.left else self.left

    def pair(self) -> tuple[Instance, Instance]:
        """Who leads and has hedged, and who stands by and follows; whoever does not run is started first."""
        found: list[tuple[Instance, Instance]] = []

        def settled() -> bool:
            for each in (self.left, self.right):
                if not each.runs:
                    each.start()
            found[:] = [(each, self.other(each)) for each in (self.left, self.right) if self._is_followed(each)]
            return bool(found) and self.hedged()

        until(settled, what="one of them leading, the other one following")
        return found[0]

    def _is_followed(self, leader: Instance) -> bool:
        standby = self.other(leader)
        waits = f"{standby.name} stands by; {leader.name} holds the lease"
        return leader.readiness() == "" and waits in standby.readiness() and (standby.metric("standby_entries_total") or 0) > 0

    # What the venues' own books say.

    def truth(self, venue: str) -> dict[str, Any]:
        request = urllib.request.Request(f"http://127.0.0.1:{self.venues_port}/truth?venue={venue}", headers={"Host": "simulator.control"})
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  our own loopback address
            told: dict[str, Any] = json.loads(reply.read())
        (account,) = told["accounts"].values()
        return {"at": told["at"], **account}

    def held(self) -> Decimal:
        """BTC that all venues hold for us, signed."""
        total = Decimal(0)
        for venue, (symbol, size) in SIZES.items():
            total += sum((Decimal(p["contracts"]) * size for p in self.truth(venue)["positions"] if p["symbol"] == symbol), Decimal(0))
        return total

    def hedged(self) -> bool:
        return abs(self.held() + self.collateral) <= 2 * COARSEST_LOT

    def placed(self) -> list[Placed]:
        """Every order that any venue ever took or refused by itself, oldest first."""
        found = []
        for venue, (symbol, size) in SIZES.items():
            told = self.truth(venue)
            for row in (*told["closed_orders"], *told["open_orders"]):
                if row["symbol"] != symbol or row["client_order_id"] is None:
                    continue
                sign = -1 if row["side"] == "sell" else 1
                quantity, filled = (Decimal(row[name]) * size * sign for name in ("contracts", "filled"))
                found.append(Placed(venue, row["client_order_id"], row["created_at"], quantity, filled, row["reduce_only"]))
        return sorted(found, key=lambda order: order.at)

    def now(self) -> int:
        """The venues' clock."""
        return int(self.truth("okx")["at"])


def judge(stage: Stage, since: int, wanted_before: Decimal) -> list[Placed]:
    """What must be true of every change of hands: no id twice, one epoch after the other, and no more was traded than was needed.

    Gives the orders since then.
    """
    everything = stage.placed()
    ids = [order.order_id for order in everything]
    assert len(ids) == len(set(ids)), "an id went out twice"
    orders = [order for order in everything if order.at >= since]
    epochs = [order.epoch for order in everything]
    first_seen = list(dict.fromkeys(epochs))
    assert epochs == sorted(epochs, key=first_seen.index), "two epochs sent at the same time"
    traded = sum((abs(order.filled) for order in orders), Decimal(0))
    assert traded <= abs(stage.collateral - wanted_before) + 4 * COARSEST_LOT, f"{traded} BTC were traded"
    assert stage.hedged()
    return orders
