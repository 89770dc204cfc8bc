"""The endpoints over real sockets on loopback."""

from __future__ import annotations

import asyncio
import stat
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings

from bot.adapters.telemetry import endpoints as module
from bot.adapters.telemetry.codec import from_json, to_json
from bot.adapters.telemetry.endpoints import Endpoints, EndpointUnavailable, fetch_statement
from bot.adapters.telemetry.prometheus import Metrics
from bot.core.statement import BookStatement
from tests.adapters.journal.facts import drawn
from tests.adapters.telemetry.books import BOOK


class Bot:
    """What the endpoints look into."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.statement: BookStatement | None = BOOK
        self.reason: str | None = None

    def endpoints(self, control: Path | None, port: int = 0) -> Endpoints:
        return Endpoints(
            host="127.0.0.1",
            port=port,
            control=control,
            metrics=self.metrics,
            statement=lambda: self.statement,
            unready=lambda: self.reason,
        )


@asynccontextmanager
async def serving(bot: Bot, control: Path | None = None) -> AsyncIterator[Callable[[str], Coroutine[Any, Any, tuple[int, str]]]]:
    served = bot.endpoints(control)
    await served.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{served.port}") as session:

            async def get(path: str) -> tuple[int, str]:
                async with session.get(path) as answer:
                    return answer.status, await answer.text()

            yield get
    finally:
        await served.stop()


async def test_metrics_show_the_newest_statement() -> None:
    bot = Bot()
    bot.statement = None
    async with serving(bot) as get:
        status, text = await get("/metrics")
        assert status == 200
        assert "hedgebot_orders_in_doubt" not in text
        bot.statement = BOOK
        assert "hedgebot_orders_in_doubt 2.0" in (await get("/metrics"))[1]


async def test_metrics_are_rendered_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = Bot()
    whole = bot.metrics.render

    def slowly() -> bytes:
        time.sleep(0.3)
        return whole()

    monkeypatch.setattr(bot.metrics, "render", slowly)
    async with serving(bot) as get:
        scrape = asyncio.create_task(get("/metrics"))
        longest, last = 0.0, time.perf_counter()
        while not scrape.done():
            await asyncio.sleep(0.005)
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        assert (await scrape)[0] == 200
    assert longest < 0.2


async def test_health_is_the_loop_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    bot = Bot()
    bot.reason = "every venue is gone"
    async with serving(bot) as get:
        status, text = await get("/healthz")
        assert status == 200
        assert '"alive"' in text
        monkeypatch.setattr(module, "_STALLED_SECONDS", -1.0)
        status, text = await get("/healthz")
        assert status == 503
        assert "stalled" in text


async def test_ready_or_the_reason() -> None:
    bot = Bot()
    async with serving(bot) as get:
        assert (await get("/readyz"))[0] == 200
        bot.reason = "okx has not been read"
        status, text = await get("/readyz")
        assert status == 503
        assert "okx has not been read" in text
        assert (await get("/status"))[0] == 404


async def test_loop_lag_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HEARTBEAT_SECONDS", 0.05)
    bot = Bot()
    async with serving(bot):
        await asyncio.sleep(0.06)
        time.sleep(0.3)  # noqa: ASYNC251  a blocked loop is what is to be seen
        await asyncio.sleep(0)
        await asyncio.sleep(0.01)
        assert bot.metrics.registry.get_sample_value("hedgebot_loop_lag_seconds") > 0.1  # type: ignore[operator]  # it has a sample


async def test_status_on_the_owners_socket(tmp_path: Path) -> None:
    control = tmp_path / "state" / "control.sock"
    bot = Bot()
    async with serving(bot, control):
        assert stat.S_IMODE(control.stat().st_mode) == 0o600
        assert await fetch_statement(control) == BOOK
        bot.statement = None
        with pytest.raises(EndpointUnavailable, match="has nothing to show yet"):
            await fetch_statement(control)
    assert not control.exists()
    with pytest.raises(EndpointUnavailable, match="no running hedgebot answers there"):
        await fetch_statement(control)


async def test_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    bot = Bot()
    first = bot.endpoints(None)
    await first.start()
    second = bot.endpoints(tmp_path / "control.sock", first.port)
    with pytest.raises(EndpointUnavailable, match=rf"^listen: port {first.port} on 127\.0\.0\.1 is in use by another program"):
        await second.start()
    assert not (tmp_path / "control.sock").exists()
    await first.stop()
    await second.start()
    await second.stop()
    await second.stop()


async def test_an_address_of_another_machine_is_one_sentence() -> None:
    other = Endpoints(host="192.0.2.1", port=0, control=None, metrics=Metrics(), statement=lambda: None, unready=lambda: None)
    with pytest.raises(EndpointUnavailable, match=r"^listen: 192\.0\.2\.1:0 cannot be listened on"):
        await other.start()


async def test_a_socket_left_by_a_dead_bot_is_replaced_and_a_live_one_is_not(tmp_path: Path) -> None:
    control = tmp_path / "control.sock"
    bot = Bot()
    async with serving(bot, control):
        second = bot.endpoints(control)
        with pytest.raises(EndpointUnavailable, match="a running hedgebot answers on this socket"):
            await second.start()
        assert await fetch_statement(control) == BOOK
    control.touch()
    async with serving(bot, control):
        assert await fetch_statement(control) == BOOK


async def test_a_path_too_long_for_a_socket_is_one_sentence(tmp_path: Path) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60) / "control.sock"
    with pytest.raises(EndpointUnavailable, match="too long for a socket"):
        await Bot().endpoints(deep).start()


async def test_a_deep_path_works_from_a_folder_nearby(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = tmp_path / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    async with serving(Bot(), deep / "control.sock"):
        assert await fetch_statement(deep / "control.sock") == BOOK


@given(drawn(BookStatement))
@settings(max_examples=20, deadline=None)
def test_statements_survive_json(statement: BookStatement) -> None:
    assert from_json(to_json(statement)) == statement


def test_decimals_are_strings_in_json() -> None:
    assert b'"quantity":"2.00"' in to_json(BOOK)
    with pytest.raises(ValueError, match="validation error"):
        from_json(b"{}")
