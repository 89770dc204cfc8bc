"""What the tests of the Bybit dialect share: short ways to ask the real client, and a floor on which the dialect stands without sockets."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson

from bot.simulator.dialects.bybit import Bybit
from bot.simulator.dialects.dialect import Credential, HttpReply, HttpRequest, Socket
from bot.simulator.exchange import Exchange
from bot.simulator.listings import exchange_of
from bot.simulator.model import Report
from tests.simulator.stand import tick_of

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
LINEAR_ONLY = {"fetchMarkets": {"types": ["linear"]}, "defaultType": "swap"}
IOC = {"timeInForce": "IOC"}
D = Decimal

NOW = 1_700_000_000_000
DESK = Credential(api_key="key-1", secret="secret-1", account="desk")
OTHER = Credential(api_key="key-2", secret="secret-2", account="other")
ORDER = {"category": "linear", "symbol": "BTCUSDT", "side": "Sell", "orderType": "Limit", "qty": "0.01", "price": "60500"}


async def short(client: Any, quantity: float = 0.05, link: str = "short1") -> Any:
    """An IOC sell that crosses the whole first level."""
    return await client.create_order(BTC, "limit", "sell", quantity, 59_990, {**IOC, "clientOrderId": link})


async def order_with(client: Any, link: str) -> Any:
    """What became of an order, asked by its client id."""
    found = await client.fetch_canceled_and_closed_orders(BTC, params={"orderLinkId": link})
    assert len(found) == 1
    return found[0]


class Floor:
    """A venue and its dialect at a standstill: requests are signed here, reports go nowhere unless a test passes them on."""

    def __init__(self, **options: Any) -> None:
        self.exchange: Exchange = exchange_of("bybit", now=NOW)
        for credential in (DESK, OTHER):
            self.exchange.open_account(credential.account, {"USDT": D(100_000), "BTC": D(1)})
        self.dialect = Bybit(self.exchange, [DESK, OTHER], **options)
        for contract in self.exchange.contracts.values():
            self.dialect.heard(self.exchange.on_tick(tick_of(contract), NOW), NOW)
        self.reports: list[Report] = []

    def call(
        self,
        method: str,
        path: str,
        values: Mapping[str, Any] | None = None,
        *,
        by: Credential | None = DESK,
        now: int = NOW,
        **changed: str,
    ) -> dict[str, Any]:
        """One request, signed as documented unless a header is changed, and the JSON that came back."""
        query = urlencode(values or {}) if method == "GET" else ""
        body = orjson.dumps(values or {}) if method == "POST" else b""
        headers: dict[str, str] = {}
        if by is not None:
            stamp, window = changed.get("stamp", str(now)), changed.get("window", "5000")
            origin = stamp + by.api_key + window + (query or body.decode())
            sign = hmac.new(by.secret.encode(), origin.encode(), hashlib.sha256).hexdigest()
            headers = {"X-BAPI-API-KEY": by.api_key, "X-BAPI-TIMESTAMP": stamp, "X-BAPI-RECV-WINDOW": window, "X-BAPI-SIGN": sign}
        request = HttpRequest(method=method, host="api.bybit.com", path=path, query_string=query, headers=headers, body=body)
        answer = self.dialect.handle(request, now)
        assert answer.reply.status == 200
        self.headers = dict(answer.reply.headers)
        self.reports = list(answer.reports)
        said: dict[str, Any] = orjson.loads(answer.reply.body)
        assert (type(said["retCode"]), said["time"]) == (int, now)
        return said

    def place(self, *, now: int = NOW, **changes: Any) -> str:
        """Places an order and returns its `orderId`."""
        said = self.call("POST", "/v5/order/create", ORDER | changes, now=now)
        assert said["retCode"] == 0, said
        return str(said["result"]["orderId"])

    def socket(self, path: str) -> Socket:
        """A new connection."""
        opened = self.dialect.open_socket("stream.bybit.com", path, "", NOW)
        assert not isinstance(opened, HttpReply)
        return opened

    def private(self, by: Credential = DESK, *topics: str) -> Socket:
        """A private connection that has logged in and subscribed."""
        socket = self.socket("/v5/private")
        assert say(socket, login(by))[0]["success"] is True
        assert say(socket, {"op": "subscribe", "args": list(topics), "req_id": "1"})[0]["success"] is True
        return socket


def say(socket: Socket, message: Any, now: int = NOW) -> list[dict[str, Any]]:
    """What a connection answers to one message."""
    text_frame = message if isinstance(message, str) else orjson.dumps(message).decode()
    return [orjson.loads(frame) for frame in socket.received(text_frame, now).messages]


def heard(frames: Any) -> list[dict[str, Any]]:
    """Pushed frames, read."""
    return [orjson.loads(frame) for frame in frames]


def login(by: Credential, expires: int = NOW + 10_000) -> dict[str, Any]:
    """The `auth` operation of a credential."""
    sign = hmac.new(by.secret.encode(), f"GET/realtime{expires}".encode(), hashlib.sha256).hexdigest()
    return {"op": "auth", "args": [by.api_key, str(expires), sign]}
