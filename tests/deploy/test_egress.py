"""The proxy's allow-list is the list that `hedgebot check` prints, and a real Squid lets nothing else through."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment
from bot.cli import app
from bot.config import load
from bot.drivers.egress import hosts_outside, page
from tests.deploy.places import DEPLOY, OVERLAYS, program, with_placeholders
from tests.test_health import free_port

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


def configured(overlay: str) -> Path:
    return DEPLOY / "kubernetes" / "overlays" / overlay / "hedgebot.yaml"


def listed(overlay: str) -> list[str]:
    text = (configured(overlay).parent / "venue-hosts.txt").read_text(encoding="utf-8")
    return [line for line in text.splitlines() if not line.startswith("#")]


@each_overlay
async def test_the_list_is_what_the_bot_would_write(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_placeholders(monkeypatch)
    written = (configured(overlay).parent / "venue-hosts.txt").read_text(encoding="utf-8")
    assert written == page(await hosts_outside(load(configured(overlay)))), "python -m bot.drivers.egress CONFIG writes it anew"


@each_overlay
def test_the_list_is_what_check_prints(overlay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_placeholders(monkeypatch)
    told = CliRunner().invoke(app, ["check", str(configured(overlay))])
    assert told.exit_code == 0, told.output
    _, table = re.split(r"Hosts that ccxt will use in \w+:\n", told.output)
    rows = [re.split(r"\s{2,}", line.strip()) for line in table.splitlines() if line.strip()]
    at = rows[0].index("host")
    assert sorted({row[at] for row in rows[1:]}) == listed(overlay)


@each_overlay
def test_the_list_holds_no_host_of_another_environment(overlay: str) -> None:
    named = {
        each: {host for profile in PROFILES.values() if each in profile.hosts for host in profile.hosts[each].names} for each in Environment
    }
    ours = named.pop(Environment(overlay))
    others = {host for environment, hosts in named.items() if environment is not Environment.SIMULATION for host in hosts}
    assert not set(listed(overlay)) & (others - ours)


async def test_custodians_and_chains_are_on_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_placeholders(monkeypatch)
    source = "    - {kind: custodian, name: prime, url: 'https://api.custodian.example/v1/custody', api_key: {env: HEDGEBOT_BYBIT_KEY}}\n"
    text = configured("testnet").read_text(encoding="utf-8")
    (tmp_path / "hedgebot.yaml").write_text(text.replace("  sources:\n", f"  sources:\n{source}"), encoding="utf-8")
    found = await hosts_outside(load(tmp_path / "hedgebot.yaml"))
    assert set(found) == {*listed("testnet"), "api.custodian.example"}


@asynccontextmanager
async def squid(folder: Path, hosts: list[str]) -> AsyncIterator[int]:
    """The proxy of the cluster, with its own configuration but for its port, the place of its list, logs, and a name server."""
    port, binary = free_port(), program("squid")
    (folder / "venue-hosts.txt").write_text("".join(f"{host}\n" for host in hosts), encoding="utf-8")
    text = (DEPLOY / "kubernetes" / "base" / "squid.conf").read_text(encoding="utf-8")
    text = text.replace("http_port 3128", f"http_port 127.0.0.1:{port}").replace("/etc/squid/hosts", str(folder))
    text = text.replace("stdio:/dev/stdout", "none").replace("/dev/stderr", "/dev/null")  # as another user it may not open ours anew
    text += "\ndns_nameservers 127.0.0.1\ndns_timeout 1 seconds\n"
    (folder / "squid.conf").write_text(text, encoding="utf-8")
    log = folder / "squid.log"
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            binary, "-N", "-C", "-f", str(folder / "squid.conf"), "-n", f"t{port}", stdout=said, stderr=said
        )
    try:
        async with asyncio.timeout(60):
            while True:
                assert process.returncode is None, log.read_text(encoding="utf-8")
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except OSError:
                    await asyncio.sleep(0.05)
                    continue
                writer.close()
                break
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def asked(port: int, request: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\n\r\n".encode())
    async with asyncio.timeout(30):
        status = int((await reader.readuntil(b"\r\n")).split()[1])
    writer.close()
    return status


async def test_a_real_squid_refuses_what_is_not_listed_and_tries_what_is(tmp_path: Path) -> None:
    """403 is its refusal. A listed name, which nobody here can look up, it tries, and fails."""
    async with squid(tmp_path, listed("testnet")) as port:
        assert await asked(port, "CONNECT test.deribit.com:443 HTTP/1.1") in {500, 502, 503, 504}
        assert await asked(port, "CONNECT fapi.binance.com:443 HTTP/1.1") == 403
        assert await asked(port, "CONNECT evil.test.deribit.com:443 HTTP/1.1") == 403
        assert await asked(port, "CONNECT test.deribit.com:22 HTTP/1.1") == 403
        assert await asked(port, "CONNECT 127.0.0.1:443 HTTP/1.1") == 403
        assert await asked(port, "GET http://test.deribit.com/ HTTP/1.1\r\nHost: test.deribit.com") == 403
