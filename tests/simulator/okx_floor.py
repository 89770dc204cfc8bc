"""An OKX floor for tests: the dialect alone, spoken to with requests that ccxt itself has signed. No sockets, no clock."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import ccxt
import orjson

from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest
from bot.simulator.dialects.okx import OkxDialect
from bot.simulator.dialects.okx.stream import OkxSocket
from bot.simulator.listings import exchange_of
from bot.simulator.model import MarketTick, OrderKind, OrderRequest, Report, Side, TimeInForce
from tests.simulator.stand import makers_near

NOW = 1_700_000_000_000
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
FAIR = {BTC: "50000", ETH: "3000", SOL: "150"}
D = Decimal

KEY = Credential(api_key="key-hedger", secret="secret-hedger", passphrase="phrase-hedger", account="hedger")
OTHER = Credential(api_key="key-other", secret="secret-other", passphrase="phrase-other", account="other")


def tick(symbol: str = BTC, fair: str | None = None, **changes: Any) -> MarketTick:
    """Makers one, two and three ticks of a dollar away with 1 base unit each (0.01 BTC contracts: 100); mark and index at fair."""
    return makers_near(symbol, D(fair or FAIR[symbol]), **changes)


class Floor:
    """One simulated OKX with two funded accounts, all contracts trading, and a ccxt client that signs but never sends."""

    def __init__(self, *, deposit: str = "100000") -> None:
        self.now = NOW
        self.exchange = exchange_of("okx", now=NOW)
        for credential in (KEY, OTHER):
            self.exchange.open_account(credential.account, {"USDT": D(deposit)})
        for symbol in FAIR:
            self.exchange.on_tick(tick(symbol), NOW)
        self.dialect = OkxDialect(self.exchange, (KEY, OTHER))

    def request(
        self,
        verb: str,
        path: str,
        params: Any = None,
        *,
        key: Credential | None = KEY,
        signed_at: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """What ccxt would put on the wire; without a key, the public form."""
        client = ccxt.okx({"apiKey": key.api_key, "secret": key.secret, "password": key.passphrase} if key else {})
        client.nonce = lambda: self.now if signed_at is None else signed_at
        sent = client.sign(path, ["private" if key else "public"], verb, {} if params is None else params)
        url = urlsplit(sent["url"])
        assert url.hostname in self.dialect.hosts
        return HttpRequest(
            method=verb,
            host=url.hostname,
            path=url.path,
            query_string=url.query,
            headers={**(sent["headers"] or {}), **(headers or {})},
            body=(sent["body"] or "").encode(),
        )

    def ask(self, verb: str, path: str, params: Any = None, **options: Any) -> tuple[Any, Answer]:
        """A request as `request` makes it, the parsed answer, and the answer itself."""
        answer = self.dialect.handle(self.request(verb, path, params, **options), self.now)
        return orjson.loads(answer.reply.body), answer

    def read(self, path: str, params: Any = None, *, key: Credential | None = KEY) -> list[Any]:
        """The `data` of a read that must succeed."""
        body, answer = self.ask("GET", path, params, key=key)
        assert (answer.reply.status, body["code"]) == (200, "0"), body
        data: list[Any] = body["data"]
        return data

    def order(self, **changes: Any) -> dict[str, Any]:
        """An order in OKX's words: sell one BTC contract at 49,990 or better, immediate or cancel."""
        plain = {"instId": BTC, "tdMode": "cross", "side": "sell", "ordType": "ioc", "sz": "1", "px": "49990"}
        return {name: value for name, value in (plain | changes).items() if value is not None}

    def place(self, key: Credential = KEY, **changes: Any) -> tuple[dict[str, Any], Answer]:
        """Places one order as ccxt does (a batch of one); returns its row."""
        body, answer = self.ask("POST", "trade/batch-orders", [self.order(**changes)], key=key)
        assert answer.reply.status == 200, body
        row: dict[str, Any] = body["data"][0]
        return row, answer

    def rest(self, account: str, side: Side, contracts: str, price: str, symbol: str = BTC) -> Sequence[Report]:
        """Puts a limit order of an account straight into the engine."""
        request = OrderRequest(
            account=account,
            symbol=symbol,
            side=side,
            kind=OrderKind.LIMIT,
            time_in_force=TimeInForce.GTC,
            contracts=D(contracts),
            price=D(price),
        )
        return self.exchange.place(request, self.now)[1]

    def socket(self, endpoint: str) -> OkxSocket:
        """A connection to one of the endpoints."""
        opened = self.dialect.open_socket("ws.okx.com", f"/ws/v5/{endpoint}", "", self.now)
        assert not isinstance(opened, HttpReply)
        return opened

    def login(self, key: Credential = KEY, *, at_ms: int | None = None, **changes: str) -> str:
        """A `login` frame."""
        seconds = str((self.now if at_ms is None else at_ms) // 1000)
        sign = base64.b64encode(hmac.new(key.secret.encode(), f"{seconds}GET/users/self/verify".encode(), hashlib.sha256).digest()).decode()
        argument = {"apiKey": key.api_key, "passphrase": key.passphrase, "timestamp": seconds, "sign": sign} | changes
        return frame("login", argument)

    def private_socket(self, *arguments: dict[str, Any], key: Credential = KEY) -> OkxSocket:
        """A connection that has logged in and subscribed."""
        socket = self.socket("private")
        assert said(socket.received(self.login(key), self.now).messages)[0]["event"] == "login"
        for argument in arguments:
            assert said(socket.received(frame("subscribe", argument), self.now).messages)[0]["event"] == "subscribe"
        return socket


def frame(op: str, *arguments: Any, **members: Any) -> str:
    """A client frame."""
    return orjson.dumps({"op": op, "args": list(arguments), **members}).decode()


def said(messages: Sequence[str]) -> list[Any]:
    """Parsed frames of the venue."""
    return [orjson.loads(message) for message in messages]
