"""A bot is killed (SIGKILL, a real process) at every point of an order's way; the next one goes on from its journal and the venue.

However it died: at most one order of the venue's bears an intent's id, none bears an id that the journal does not know, and what is held
is hedged once. The venue is the simulator in a process of its own, and its own books are what is counted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from bot.adapters.collateral.holdings import Row, write_holdings
from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.core.commands import PlaceOrder
from bot.core.units import Asset
from bot.shell.replay import replay
from bot.shell.watchdog import EXIT_BLOCKED
from tests.e2e.killed import POINTS, STOP_POINTS
from tests.e2e.test_run import CONFIG, asked, free_port

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

LOT = Decimal("0.001")
BEFORE_THE_WIRE = POINTS[:4]


class Stand:
    """One simulated venue, one journal, and bots in it one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.held = Decimal("0.5")
        document = yaml.safe_load(CONFIG.read_text())
        document |= {"state_dir": "state", "listen": f"127.0.0.1:{free_port()}"}
        document["venues"] = {"binanceusdm": document["venues"]["binanceusdm"] | {"instruments": ["BTCUSDT"]}}
        hosts = ("fapi.binance.com", "fstream.binance.com")
        document["routes"] = dict.fromkeys(hosts, f"http://127.0.0.1:{self.port}")
        document["simulator"]["listen"] = f"127.0.0.1:{self.port}"
        document["collateral"]["sources"][0]["path"] = "holdings.yaml"
        document["policy"] |= {"venue_share_max": 1, "order_expiry_ms": 1000, "doubt_margin_ms": 500, "doubt_query_interval_ms": 200}
        self.config = folder / "config.yaml"
        self.config.write_text(yaml.safe_dump(document))
        self.hold(self.held)
        self.venue = subprocess.Popen(
            [sys.executable, "-m", "bot", "simulate", str(self.config)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        self.bots = subprocess.Popen(
            [sys.executable, "-m", "tests.e2e.killed", str(self.config)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.pid = 0
        until(self.answers, 60, "the venue does not answer")

    def hold(self, quantity: Decimal) -> None:
        self.held = quantity
        write_holdings(self.folder / "holdings.yaml", [Row(Asset("BTC"), "custody", quantity)])

    def start(self, point: str | None = None, how: str = "kill") -> None:
        assert self.bots.stdin is not None
        self.bots.stdin.write(json.dumps({"point": point, "how": how}) + "\n")
        self.bots.stdin.flush()
        self.pid = self._line()["pid"]

    def gone(self) -> int:
        """Waits for the end of the bot; its exit code, or minus the signal that ended it."""
        code: int = self._line()["code"]
        return code

    def _line(self) -> dict[str, Any]:
        assert self.bots.stdout is not None
        told: dict[str, Any] = json.loads(self.bots.stdout.readline())
        return told

    def account(self) -> dict[str, Any]:
        """The venue's own books."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/truth?venue=binanceusdm", headers={"Host": "simulator.control"})
        with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310  our own loopback address
            (account,) = json.loads(reply.read())["accounts"].values()
        books: dict[str, Any] = account
        return books

    def answers(self) -> bool:
        try:
            self.account()
        except OSError:
            return False
        return True

    def orders(self) -> Counter[str]:
        """How many orders there are under each client id, however they ended."""
        books = self.account()
        return Counter(o["client_order_id"] for o in (*books["open_orders"], *books["closed_orders"]))

    def short(self) -> Decimal:
        return -sum((Decimal(p["contracts"]) for p in self.account()["positions"] if p["symbol"] == "BTCUSDT"), Decimal(0))

    def hedged(self) -> bool:
        """Whether the venue holds the hedge and the bot knows it, with nothing in doubt."""
        if abs(self.short() - self.held) > 2 * LOT:
            return False
        told = asked(self.config)
        rows = [a for a in told.get("assets", []) if a["asset"] == "BTC" and a["net_delta"] is not None]
        return bool(rows) and told["ready"] and told["orders_in_doubt"] == 0 and abs(Decimal(rows[0]["net_delta"]["high"])) <= 2 * LOT

    def intents(self) -> Counter[str]:
        """The orders that the journal has, by id."""
        journal = SqliteReader(self.folder / "state" / "journal.sqlite")
        found = Counter(c.client_order_id for entry in journal.entries() for c in entry.commands if isinstance(c, PlaceOrder))
        journal.close()
        return Counter({str(name): count for name, count in found.items()})

    def check(self) -> None:
        """What must be true whatever happened."""
        orders, intents = self.orders(), self.intents()
        assert max(orders.values()) == 1, f"one id, several orders: {orders.most_common(3)}"
        assert max(intents.values()) == 1
        assert orders.keys() <= intents.keys(), "an order of which the journal knows nothing"

    def stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)
        assert self.gone() == 0

    def close(self) -> None:
        for process in (self.bots, self.venue):
            process.kill()
            process.communicate()


def until(true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    stand = Stand(tmp_path_factory.mktemp("stand"))
    try:
        stand.start()
        until(stand.hedged, 60, "the first hedge never came")
        stand.stop()
        yield stand
    finally:
        stand.close()


def recovers(stand: Stand) -> None:
    """The next bot: it hedges what is missing, and nothing twice."""
    stand.start()
    until(stand.hedged, 60, f"not hedged again: {stand.short()} short, {stand.held} held")
    stand.check()
    stand.stop()
    stand.check()
    assert abs(stand.short() - stand.held) <= 2 * LOT


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_any_point_of_an_orders_way_leaves_one_order_at_most(stand: Stand, point: str):
    before, known = stand.orders(), stand.intents()
    stand.hold(stand.held + Decimal("0.3"))
    stand.start(point)
    assert stand.gone() == -signal.SIGKILL, "the point was never passed"
    new = stand.intents().keys() - known.keys()
    assert len(new) == (0 if point == POINTS[0] else 1)
    arrived = stand.orders() - before
    assert set(arrived) == (set() if point in BEFORE_THE_WIRE else new), "an order without its intent, or an intent sent too late"
    assert all(count == 1 for count in arrived.values())
    recovers(stand)
    again = stand.orders() - before
    assert sum(again.values()) == 1, f"the deposit was hedged by {dict(again)}"


@pytest.mark.parametrize("point", STOP_POINTS)
def test_a_kill_during_the_stop_is_recovered_from_like_any_other(stand: Stand, point: str):
    before = stand.orders()
    stand.hold(stand.held + Decimal("0.3"))
    stand.start("order, before the first byte", point)
    assert stand.gone() == -signal.SIGKILL, "the stop never came so far"
    recovers(stand)
    assert sum((stand.orders() - before).values()) == 1


def test_a_loop_that_is_blocked_in_the_middle_of_an_order_is_ended_and_recovered_from(stand: Stand):
    before = stand.orders()
    stand.hold(stand.held + Decimal("0.3"))
    stand.start("order, its answer arrived", "block")
    assert stand.gone() == EXIT_BLOCKED
    log = (stand.folder / "bot.log").read_text()
    assert "process_ended_by_watchdog" in log
    assert "in passes" in log, "the stacks tell where"
    recovers(stand)
    assert sum((stand.orders() - before).values()) == 1


def test_a_second_sigterm_during_the_stop_ends_in_order_and_at_once(stand: Stand):
    before = stand.orders()
    stand.hold(stand.held + Decimal("0.3"))
    stand.start("order, before the first byte", "term, term")
    assert stand.gone() == 0
    recovers(stand)
    assert sum((stand.orders() - before).values()) == 1


def test_ended_ten_times_at_random_moments_while_what_is_held_changes_it_hedges_once(stand: Stand):
    """Killed and asked to stop in turn, some of them before they have read anything, some in the middle of an order."""
    draw = Random(5)
    before = stand.orders()
    for number in range(10):
        stand.hold(stand.held + Decimal(draw.choice(("0.1", "-0.2", "0.3", "-0.1", "0.2"))))
        stand.start()
        time.sleep(draw.uniform(0.1, 3.0))
        how = signal.SIGTERM if number % 2 else signal.SIGKILL
        os.kill(stand.pid, how)
        assert stand.gone() in ((-signal.SIGKILL,) if how is signal.SIGKILL else (0, -signal.SIGTERM))
        if stand.orders():
            stand.check()
    recovers(stand)
    assert sum((stand.orders() - before).values()) <= 11, "more orders than changes of what is held"


def test_after_all_that_the_journal_still_folds_to_what_it_says(stand: Stand):
    journal = SqliteReader(stand.folder / "state" / "journal.sqlite")
    found = replay(journal)
    journal.close()
    assert found.is_equal
    assert len(found.sessions) >= 2
