"""`python -m bot.health`: what a container's health check says, and that it needs nothing but the standard library."""

from __future__ import annotations

import ast
import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bot.adapters.telemetry.endpoints import Endpoints
from bot.adapters.telemetry.prometheus import Metrics
from bot.health import why_dead
from tests.adapters.venue.loopback import json_reply, loopback

ROOT = Path(__file__).resolve().parents[1]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


async def test_the_bots_own_endpoint_is_alive_also_while_it_is_not_ready() -> None:
    served = Endpoints(host="127.0.0.1", port=0, control=None, metrics=Metrics(), statement=lambda: None, unready=lambda: "no venue")
    await served.start()
    try:
        assert await asyncio.to_thread(why_dead, f"http://127.0.0.1:{served.port}/healthz") is None
        assert "503" in str(await asyncio.to_thread(why_dead, f"http://127.0.0.1:{served.port}/readyz"))
        assert await asyncio.to_thread(why_dead, f"tcp://127.0.0.1:{served.port}") is None
    finally:
        await served.stop()


async def test_what_stalls_is_told_in_its_own_words() -> None:
    async with loopback(lambda _: json_reply('{"status": "stalled"}', 503)) as stalled:
        why = await asyncio.to_thread(why_dead, f"{stalled.base}/healthz")
    assert why is not None
    assert "stalled" in why


@pytest.mark.parametrize("scheme", ["http", "tcp"])
def test_nobody_there_is_dead(scheme: str) -> None:
    assert "no answer" in str(why_dead(f"{scheme}://127.0.0.1:{free_port()}"))


@pytest.mark.parametrize("url", ["", "healthz", "https://127.0.0.1:1/x", "http://127.0.0.1/healthz", "http://127.0.0.1:x/healthz"])
def test_what_is_no_address_is_said(url: str) -> None:
    assert "write http://HOST:PORT/PATH" in str(why_dead(url))


def test_the_command_ends_with_one_and_says_why() -> None:
    command = [sys.executable, "-m", "bot.health", f"tcp://127.0.0.1:{free_port()}"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (1, "")
    assert "no answer" in told.stdout


def test_it_imports_the_standard_library_only() -> None:
    tree = ast.parse((ROOT / "bot" / "health.py").read_text(encoding="utf-8"))
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names
