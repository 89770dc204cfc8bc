"""Requests to the server without ccxt: any host, and a signed Binance order."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlencode

import aiohttp

from bot.simulator.desk import wall_ms
from bot.simulator.server import SimulatorServer
from tests.simulator.stand import KEY

REST = "fapi.binance.com"


async def ask(
    http: aiohttp.ClientSession, server: SimulatorServer, path: str, *, host: str = REST, method: str = "GET", body: Any = None
) -> tuple[int, str]:
    data = None if body is None else json.dumps(body)
    async with http.request(method, server.url + path, headers={"Host": host}, data=data) as answer:
        return answer.status, await answer.text()


def order_body(**changed: Any) -> str:
    order = {"symbol": "BTCUSDT", "side": "SELL", "type": "LIMIT", "timeInForce": "IOC", "quantity": "0.05", "price": "59990"}
    query = urlencode(order | {"timestamp": wall_ms(), "recvWindow": 5_000} | changed)
    return query + "&signature=" + hmac.new(KEY.secret.encode(), query.encode(), hashlib.sha256).hexdigest()


async def place(http: aiohttp.ClientSession, server: SimulatorServer, **changed: Any) -> tuple[int, str]:
    headers = {"Host": REST, "X-MBX-APIKEY": KEY.api_key, "Content-Type": "application/x-www-form-urlencoded"}
    async with http.post(server.url + "/fapi/v1/order", headers=headers, data=order_body(**changed)) as answer:
        return answer.status, await answer.text()
