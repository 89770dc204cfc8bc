"""Sources of collateral that are asked over the network go through the configured proxy too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import certifi
import pytest
from aiohttp import web

from bot.adapters.collateral.custodian import CustodianSource, Endpoint
from bot.adapters.collateral.evm.node import NodeFailed
from bot.adapters.collateral.evm.web3_node import Web3Node
from bot.core.events import CollateralUnreadable, CustodyReported
from bot.core.units import Asset
from bot.shell.clock import SystemClock
from tests.adapters.collateral.heard import HastyClock, Heard, heard_from, until
from tests.adapters.forward_proxy import behind_tls, certificate_for, forward_proxy

HOST = "api.custodian.example"
NODE = "rpc.example"


@asynccontextmanager
async def answering() -> AsyncIterator[int]:
    """A custodian and an endpoint of a chain, in one plain server."""

    async def statement(_: web.Request) -> web.Response:
        totals = [{"asset": "BTC", "quantity": "2", "free": "2"}]
        return web.json_response({"as_of": SystemClock().now(), "totals": totals, "delegations": [], "venues": []})

    async def question(request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        return web.json_response({"jsonrpc": "2.0", "id": asked["id"], "result": "0x7"})

    async def socket(request: web.Request) -> web.StreamResponse:
        opened = web.WebSocketResponse()
        await opened.prepare(request)
        async for message in opened:
            await opened.send_json({"jsonrpc": "2.0", "id": message.json()["id"], "result": "0x7"})
        return opened

    app = web.Application()
    app.router.add_get("/v1/custody", statement)
    app.router.add_post("/", question)
    app.router.add_get("/ws", socket)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def test_a_custodian_is_asked_through_the_proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, context = certificate_for([HOST], tmp_path)
    monkeypatch.setattr(certifi, "where", lambda: str(authority))
    async with answering() as plain, behind_tls(plain, context) as secured, forward_proxy({HOST: secured}) as proxy:
        heard = Heard()
        endpoint = Endpoint(url=f"https://{HOST}/v1/custody", api_key="key-canary")
        source = CustodianSource(
            "prime",
            "vault",
            endpoint,
            HastyClock(),
            poll_s=1.0,
            age_max=60_000,
            venues=(),
            hedged_as={Asset("BTC"): Asset("BTC")},
            proxy=proxy.url,
        )
        async with heard_from(source, heard):
            await until(lambda: any(isinstance(event, CustodyReported | CollateralUnreadable) for event in heard.events))
    assert set(proxy.tunnels) == {f"{HOST}:443"}
    assert proxy.passed_on == []


@pytest.mark.parametrize("url", [f"http://{NODE}/", f"ws://{NODE}/ws"])
async def test_a_chain_is_asked_through_the_proxy(url: str) -> None:
    async with answering() as plain, forward_proxy({NODE: plain}) as proxy:
        node = Web3Node("first endpoint", url, SystemClock(), proxy.url)
        assert await node.chain_id() == 7
        await node.close()
    assert [target.partition("//")[2].partition("/")[0] for target in proxy.passed_on] == [NODE]


async def test_a_way_that_the_proxy_does_not_open_is_told_of_the_proxy_not_of_the_endpoint() -> None:
    async with forward_proxy({}) as proxy:
        node = Web3Node("first endpoint", f"https://{NODE}/", SystemClock(), proxy.url)
        with pytest.raises(NodeFailed, match="the proxy opens no way"):
            await node.chain_id()
        await node.close()
