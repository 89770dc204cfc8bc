"""Every background task of a run: its death, in each of the ways in which a task can die, ends the run with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bot.adapters.telemetry.endpoints import Endpoints
from bot.adapters.telemetry.prometheus import Metrics
from bot.core.events import StopRequested
from bot.core.units import VenueId
from bot.ports import JournalUnavailable
from bot.shell import feeds
from bot.shell.control import Control
from bot.supervision import Ended
from tests.shell.bench import Bench, virtual

OKX = VenueId("okx")
TASKS = (
    "source custody",
    "listen custody",
    "halt switch",
    "venue okx",
    "markets okx",
    "listen okx",
    "funding okx",
    "instruments okx",
    "lease",
    "loop",
)


@pytest.mark.parametrize("name", TASKS)
@virtual
async def test_a_background_task_that_is_gone_ends_the_run_in_order(name: str):
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    life = bench.start()
    await bench.until(bench.converged, 20)
    next(t for t in asyncio.all_tasks() if t.get_name() == name).cancel()
    with pytest.raises(Ended, match=f"{name} was cancelled from within"):
        await asyncio.wait_for(life.task, 60)
    assert any(isinstance(e, StopRequested) for e, _ in bench.world.store.steps()) or name in ("loop", "lease")
    with pytest.raises(JournalUnavailable):
        life.journal.append((), (), durable=True)  # it was let go
    bench.check()


@virtual
async def test_the_list_of_tasks_above_is_complete():
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    bench.start()
    await bench.until(bench.converged, 20)
    mine = {t.get_name() for t in asyncio.all_tasks() - bench.outside - bench.world.tasks()}
    ours = {n for n in mine if not n.startswith(("Task-", "dispatch")) and not n.endswith((" bybit", " binanceusdm"))} - {"stop"}
    assert ours == set(TASKS)


def failing(error: BaseException) -> Callable[..., Coroutine[Any, Any, None]]:
    async def fails(*_: object, **__: object) -> None:
        await asyncio.sleep(1)
        raise error

    return fails


@pytest.mark.parametrize("error", [ValueError("a bug"), asyncio.CancelledError()])
@pytest.mark.parametrize("name", ["_poll_markets", "_poll_funding", "_describe_again", "listen", "source", "switch"])
@virtual
async def test_a_background_task_that_dies_ends_the_run_with_its_reason(name: str, error: BaseException, monkeypatch: pytest.MonkeyPatch):
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    if name == "switch":
        monkeypatch.setattr(Control, "watch_switch", failing(error))
    elif name.startswith("_"):
        monkeypatch.setattr(feeds, name, failing(error))
    elif name == "source":
        monkeypatch.setattr(bench.world.collateral, "listen", failing(error))
    life = bench.start()
    if name == "listen":
        monkeypatch.setattr(bench.ports.venues[OKX], "listen", failing(error))
    with pytest.raises(ValueError if isinstance(error, ValueError) else Ended):
        await asyncio.wait_for(life.task, 60)
    assert bench.ledger.stopping


@virtual
async def test_a_poll_that_is_cancelled_by_what_it_waits_for_is_tried_again(monkeypatch: pytest.MonkeyPatch, logged: list[Any]):
    """A connector that cancels its own future must not take the poll with it for ever."""
    bench = Bench()
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    bench.start()
    venue, real, asked = bench.ports.venues[OKX], bench.ports.venues[OKX].funding_rates, [0]

    async def cancelled(*_: object) -> Any:
        asked[0] += 1
        if asked[0] <= 2:
            raise asyncio.CancelledError
        return await real()

    monkeypatch.setattr(venue, "funding_rates", cancelled)
    await bench.passes(30)
    assert asked[0] > 4
    assert sum(e["event"] == "poll_failed" for e in logged) == 2
    await bench.stop()


async def test_the_endpoints_beat_is_watched():
    """/healthz and the lag gauge go by a task of their own: without it they would tell of a loop that nobody looks at."""
    endpoints = Endpoints(host="127.0.0.1", port=0, control=None, metrics=Metrics(), statement=lambda: None, unready=lambda: "not begun")
    await endpoints.start()
    watching = asyncio.create_task(endpoints.watch())
    await asyncio.sleep(0.01)
    assert not watching.done()
    heart = next(t for t in asyncio.all_tasks() if t.get_name() == "endpoints-heartbeat")
    heart.cancel()
    await asyncio.wait_for(watching, 5)  # it returns: the run that watches it ends by that
    await endpoints.stop()
    await endpoints.stop()


@virtual
async def test_what_else_must_live_ends_the_run_when_it_does_not():
    bench = Bench()
    bench.watched = {"endpoints": failing(OSError("no more descriptors"))}
    bench.hold("BTC", "1")
    bench.hold("ETH", "10")
    life = bench.start()
    with pytest.raises(OSError, match="no more descriptors"):
        await asyncio.wait_for(life.task, 60)
