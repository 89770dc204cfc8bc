"""A Deribit floor for tests: the dialect alone, spoken to with requests that ccxt itself has signed. No sockets, no clock."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt
import orjson

from bot.simulator.dialects.deribit import Deribit
from bot.simulator.dialects.deribit.socket import DeribitSocket
from bot.simulator.dialects.dialect import Answer, Credential, HttpRequest
from bot.simulator.listings import exchange_of
from bot.simulator.model import MarketTick, Report
from tests.simulator.stand import makers_near

NOW = 1_700_000_000_000
"""2023-11-14T22:13:20Z: the next settlement is ten hours away."""
BTC, ETH, BTC_USDC, ETH_USDC = "BTC-PERPETUAL", "ETH-PERPETUAL", "BTC_USDC-PERPETUAL", "ETH_USDC-PERPETUAL"
FAIR = {BTC: "50000", ETH: "2500", BTC_USDC: "50000", ETH_USDC: "2500"}
D = Decimal

KEY = Credential(api_key="key-hedger", secret="secret-hedger", account="hedger")
OTHER = Credential(api_key="key-other", secret="secret-other", account="other")


def tick(symbol: str = BTC, fair: str | None = None, **changes: Any) -> MarketTick:
    """Makers one, two and three dollars away with a base unit each (50,000 USD of BTC); mark and index at fair."""
    return makers_near(symbol, D(fair or FAIR[symbol]), **changes)


class Floor:
    """One simulated Deribit with two funded accounts, all contracts trading, and a ccxt client that signs but never sends."""

    def __init__(self, **options: Any) -> None:
        self.now = NOW
        self.exchange = exchange_of("deribit", now=NOW)
        for credential in (KEY, OTHER):
            self.exchange.open_account(credential.account, {"BTC": D(10), "ETH": D(100), "USDC": D(500_000)})
        self.dialect = Deribit(self.exchange, (KEY, OTHER), **options)
        for symbol in FAIR:
            self.dialect.heard(self.exchange.on_tick(tick(symbol), NOW), NOW)
        self.dialect.elapsed(NOW)
        self.reports: tuple[Report, ...] = ()

    def request(self, method: str, params: Any = None, *, key: Credential | None = KEY, signed_at: int | None = None) -> HttpRequest:
        """What ccxt would put on the wire; without a key, the public form."""
        client = ccxt.deribit({"apiKey": key.api_key, "secret": key.secret} if key else {})
        client.milliseconds = lambda: self.now if signed_at is None else signed_at
        api, _, path = method.partition("/")
        sent = client.sign(path, [api], "GET", params or {})
        url = urlsplit(sent["url"])
        assert url.hostname in self.dialect.hosts
        return HttpRequest(method="GET", host=url.hostname, path=url.path, query_string=url.query, headers=sent["headers"] or {}, body=b"")

    def ask(self, method: str, params: Any = None, **options: Any) -> tuple[dict[str, Any], Answer]:
        """A request as `request` makes it, the parsed answer, and the answer itself."""
        answer = self.dialect.handle(self.request(method, params, **options), self.now)
        self.reports = tuple(answer.reports)
        self.dialect.heard(self.reports, self.now)
        body: dict[str, Any] = orjson.loads(answer.reply.body)
        return body, answer

    def read(self, method: str, params: Any = None, **options: Any) -> Any:
        """The `result` of a request that must succeed."""
        body, answer = self.ask(method, params, **options)
        assert answer.reply.status == 200, body
        assert (body["jsonrpc"], body["usDiff"], body["testnet"]) == ("2.0", body["usOut"] - body["usIn"], False)
        return body["result"]

    def refused(self, method: str, params: Any = None, **options: Any) -> tuple[int, int, str]:
        """HTTP status, code and words of a request that must fail."""
        body, answer = self.ask(method, params, **options)
        assert "result" not in body, body
        words = body["error"]["message"]
        reason = body["error"].get("data", {})
        return answer.reply.status, body["error"]["code"], " ".join([words, *(reason[name] for name in sorted(reason))])

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order in Deribit's words: 10 USD of BTC-PERPETUAL at 49,990 or better, immediate or cancel."""
        plain = {"instrument_name": BTC, "amount": "10", "type": "limit", "price": "49990", "time_in_force": "immediate_or_cancel"}
        return {name: value for name, value in (plain | changes).items() if value is not None}

    def sell(self, **changes: Any) -> dict[str, Any]:
        """Sells; returns the answer's `result`."""
        result: dict[str, Any] = self.read("private/sell", self.order(**changes))
        return result

    def rest(self, label: str, price: str = "50500", **changes: Any) -> dict[str, Any]:
        """A resting sell; returns the order."""
        order: dict[str, Any] = self.sell(label=label, price=price, time_in_force=None, **changes)["order"]
        return order

    def fund(self, symbol: str = BTC, times: int = 1) -> None:
        """Accrues funding, an interval later each time."""
        for _ in range(times):
            self.now += self.exchange.contracts[symbol].funding_interval_ms
            self.dialect.heard(self.exchange.settle_funding(symbol, self.now), self.now)

    def socket(self) -> DeribitSocket:
        """A new connection."""
        opened = self.dialect.open_socket("www.deribit.com", "/ws/api/v2", "", self.now)
        assert isinstance(opened, DeribitSocket)
        return opened

    def login(self, socket: DeribitSocket, key: Credential = KEY) -> dict[str, Any]:
        """`public/auth` as ccxt signs it; the answer."""
        stamp = str(self.now)
        signature = hmac.new(key.secret.encode(), f"{stamp}\n{stamp}\n".encode(), hashlib.sha256).hexdigest()
        given = {"grant_type": "client_signature", "client_id": key.api_key, "timestamp": self.now, "signature": signature}
        return self.say(socket, "public/auth", {**given, "nonce": stamp, "data": ""})[0]

    def known(self, *channels: str, key: Credential = KEY) -> DeribitSocket:
        """A connection that has logged in and subscribed."""
        socket = self.socket()
        assert "access_token" in self.login(socket, key)["result"]
        if channels:
            assert len(self.say(socket, "private/subscribe", {"channels": list(channels)})[0]["result"]) == len(channels)
        return socket

    def say(self, socket: DeribitSocket, method: str, params: Any = None, request_id: int = 1) -> list[dict[str, Any]]:
        """What a connection answers to one request."""
        text = orjson.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}}).decode()
        answer = socket.received(text, self.now)
        self.reports = tuple(answer.reports)
        return said(answer.messages)


def said(messages: Sequence[str]) -> list[dict[str, Any]]:
    """Parsed frames of the venue."""
    return [orjson.loads(message) for message in messages]


def told(messages: Sequence[str]) -> list[tuple[str, Any]]:
    """Notifications as (channel, data)."""
    return [(frame["params"]["channel"], frame["params"]["data"]) for frame in said(messages)]
