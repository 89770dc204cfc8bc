"""The control endpoint over TCP: nothing without the token, nothing for a page in a browser, and everything as on the socket with it."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.adapters.telemetry import door as module
from bot.adapters.telemetry.door import Door
from bot.adapters.telemetry.endpoints import Endpoints, EndpointUnavailable, ask_to_act, fetch_statement
from bot.adapters.telemetry.prometheus import Metrics
from bot.core.events import OperatorAction
from bot.operating import OperatorRequest
from tests.adapters.telemetry.books import BOOK
from tests.adapters.telemetry.test_control import DONE, GOOD, HALTING, Bot

TOKEN = "canary-0123456789abcdef0123456789abcdef"
RIGHT = {"Authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def behind(bot: Bot, control: Path | None = None, host: str = "127.0.0.1", **more: Any) -> AsyncIterator[Door]:
    """A door on a free port with a bot behind it."""
    door = Door(host=host, port=0, token=TOKEN, **more)
    served = Endpoints(
        host="127.0.0.1",
        port=0,
        control=control,
        metrics=Metrics(),
        statement=lambda: BOOK,
        unready=lambda: None,
        act=bot.act,
        door=door,
    )
    await served.start()
    try:
        assert served.control_port not in (0, served.port)
        yield replace(door, port=served.control_port)
    finally:
        await served.stop()


async def asked(door: Door, method: str, path: str, headers: Any, body: Any = None) -> tuple[int, bytes]:
    async with aiohttp.ClientSession() as session:
        data = None if body is None else json.dumps(body)
        async with session.request(method, f"http://127.0.0.1:{door.port}{path}", headers=headers, data=data) as answer:
            return answer.status, await answer.read()


async def test_with_the_right_token_it_is_as_on_the_socket_which_stays(tmp_path: Path) -> None:
    bot = Bot()
    async with behind(bot, tmp_path / "s") as door:
        assert await fetch_statement(door) == BOOK
        assert await ask_to_act(door, HALTING) == DONE
        assert await fetch_statement(tmp_path / "s") == BOOK
        assert await ask_to_act(tmp_path / "s", HALTING) == DONE
        assert (await asked(door, "GET", "/status", {"authorization": f"bearer {TOKEN}"}))[0] == 200
    assert bot.asked == [HALTING, HALTING]
    with pytest.raises(EndpointUnavailable, match=rf"^127\.0\.0\.1:{door.port}: no running hedgebot answers there$"):
        await fetch_statement(door)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": "Bearer \u00e9" + TOKEN[1:]},
        [("Authorization", f"Bearer {TOKEN}"), ("Authorization", "Bearer x")],
        {"Cookie": f"token={TOKEN}"},
    ],
)
async def test_without_the_right_token_nothing_is_told_or_done(headers: Any) -> None:
    bot = Bot()
    async with behind(bot) as door:
        for method, path, body in (("GET", "/status", None), ("GET", f"/status?token={TOKEN}", None), ("GET", "/nowhere", None)):
            assert await asked(door, method, path, headers, body) == (401, b"")
        for action in OperatorAction:
            assert await asked(door, "POST", f"/{action.value}", headers, GOOD) == (401, b"")
    assert bot.asked == []


@pytest.mark.parametrize(
    "strange",
    [
        {"Origin": "http://127.0.0.1"},
        {"Origin": "null"},
        {"Host": "attacker.example"},
        {"Host": "127.0.0.1.attacker.example:9464"},
        {"Host": "attacker.example:9464@x"},
        {"Host": "10.0.0.9:9464"},
        {"Host": "["},
        {"Host": ""},
    ],
)
async def test_what_a_browser_sends_for_a_page_is_refused(strange: dict[str, str]) -> None:
    bot = Bot()
    async with behind(bot) as door:
        assert await asked(door, "POST", "/halt", RIGHT | strange, GOOD) == (403, b"")
        assert await asked(door, "GET", "/status", RIGHT | strange) == (403, b"")
        assert await asked(door, "OPTIONS", "/halt", strange | {"Access-Control-Request-Method": "POST"}) == (403, b"")
    assert bot.asked == []


@pytest.mark.parametrize(
    ("listened", "names", "host", "ours"),
    [
        ("127.0.0.1", (), "127.0.0.1:9464", True),
        ("127.0.0.1", (), "LOCALHOST:9464", True),
        ("10.1.2.3", (), "10.1.2.3", True),
        ("10.1.2.3", (), "localhost", False),
        ("10.1.2.3", ("bot.desk.example",), "bot.desk.example", True),
        ("10.1.2.3", ("bot.desk.example",), "x.bot.desk.example", False),
        ("0.0.0.0", (), "10.9.9.9:9464", True),  # noqa: S104  nothing is listened on
        ("0.0.0.0", (), "attacker.example", False),  # noqa: S104  nor here
        ("::1", (), "[::1]:9464", True),
        ("::1", (), "[::2]:9464", False),
    ],
)
def test_which_hosts_are_ours(listened: str, names: tuple[str, ...], host: str, ours: bool) -> None:
    assert Door(listened, 9464, TOKEN, listened, frozenset(names)).is_for_us(host) is ours


def test_the_token_is_compared_in_constant_time_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    class Watched:
        @staticmethod
        def compare_digest(offered: bytes, ours: bytes) -> bool:
            compared.append((offered, ours))
            return hmac.compare_digest(offered, ours)

    monkeypatch.setattr(module, "hmac", Watched)
    door = Door("127.0.0.1", 9464, TOKEN)
    assert door.opens([f"Bearer {TOKEN}"])
    assert not door.opens(["Bearer wrong"])
    assert not door.opens([f"Basic {TOKEN}"])
    assert not door.opens(["Bearer \udce9"])
    assert compared == [(offered, TOKEN.encode()) for offered in (TOKEN.encode(), b"wrong", TOKEN.encode(), b"\xe9")]
    assert TOKEN not in f"{door!r} {door}"


async def test_a_client_with_another_token_is_told_so_without_either_token() -> None:
    bot = Bot()
    async with behind(bot) as door:
        for asking in (fetch_statement(replace(door, token="another")), ask_to_act(replace(door, token="another"), HALTING)):
            with pytest.raises(EndpointUnavailable, match="does not take this token") as refusal:
                await asking
            assert TOKEN not in str(refusal.value)
            assert "another" not in str(refusal.value)
    assert bot.asked == []


async def test_a_port_in_use_is_one_sentence_and_nothing_stays_open(tmp_path: Path) -> None:
    bot = Bot()
    async with behind(bot) as door:
        second = Endpoints(
            host="127.0.0.1",
            port=0,
            control=tmp_path / "s",
            metrics=Metrics(),
            statement=lambda: BOOK,
            unready=lambda: None,
            door=door,
        )
        with pytest.raises(EndpointUnavailable, match=rf"^control\.listen: port {door.port} on 127\.0\.0\.1 is in use"):
            await second.start()
        assert not (tmp_path / "s").exists()
        request = OperatorRequest(action=OperatorAction.REDUCE, by="alice", why="a drill")
        assert await ask_to_act(door, request) == DONE
