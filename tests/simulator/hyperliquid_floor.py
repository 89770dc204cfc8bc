"""A Hyperliquid floor for tests: the dialect alone, spoken to with actions that ccxt itself has signed. No sockets, no clock."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ccxt
import orjson

from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest
from bot.simulator.dialects.hyperliquid import HyperliquidDialect
from bot.simulator.dialects.hyperliquid.stream import HyperliquidSocket
from bot.simulator.listings import exchange_of
from bot.simulator.model import MarketTick, Report

NOW = 1_700_000_000_000
D = Decimal
HOST = "api.hyperliquid.xyz"
BTC, ETH, SOL = range(3)
FAIR = {"BTC": "60000", "ETH": "3000", "SOL": "150"}
STEP = {"BTC": "1", "ETH": "0.1", "SOL": "0.01"}

OWNER = Credential(
    api_key="0x14791697260E4c9A71f18484C9f997B308e59325",
    secret="0x0123456789012345678901234567890123456789012345678901234567890123",
    account="hedger",
)
OTHER = Credential(
    api_key="0xaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    secret="0x00000000000000000000000000000000000000000000000000000000000000a1",
    account="other",
)
"""An account that lets an API wallet sign: its address is not that of its key."""
STRANGER = "0x00000000000000000000000000000000000000000000000000000000000000b2"
CLOID = "0x000000000000000000000000000000ab"


def tick(coin: str = "BTC", fair: str | None = None, **changes: Any) -> MarketTick:
    """Makers one, two and three steps away with one coin each; mark at fair, oracle a step below."""
    price, step = D(fair or FAIR[coin]), D(STEP[coin])
    figures: dict[str, Any] = {
        "fair": price,
        "mark": price,
        "index": price - step,
        "funding_rate": D("0.0000125"),
        "half_spread": step,
        "spread_step": step,
        "depth": (D(1), D(1), D(1)),
        "open_interest": D(8_000),
    }
    return MarketTick(symbol=coin, **(figures | changes))


class Floor:
    """One simulated Hyperliquid with two funded accounts, all coins trading, and a ccxt client that signs but never sends."""

    def __init__(self, *, deposit: str = "100000") -> None:
        self.now = NOW
        self.exchange = exchange_of("hyperliquid", now=NOW)
        for credential in (OWNER, OTHER):
            self.exchange.open_account(credential.account, {"USDC": D(deposit)})
        for coin in FAIR:
            self.exchange.on_tick(tick(coin), NOW)
        self.dialect = HyperliquidDialect(self.exchange, (OWNER, OTHER))
        self._nonce = NOW

    def post(self, path: str, body: Any, *, method: str = "POST") -> Answer:
        """A request as it stands; what happened is heard by the dialect, as its desk would see to."""
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        answer = self.dialect.handle(
            HttpRequest(method=method, host=HOST, path=path, query_string="", headers={}, body=raw),
            self.now,
        )
        self.dialect.heard(answer.reports, self.now)
        return answer

    def ask(self, kind: str, user: Credential | None = OWNER, **more: Any) -> Any:
        """The answer to a question about an account, or about the market."""
        about = {} if user is None else {"user": user.api_key}
        answer = self.post("/info", {"type": kind, **about, **more})
        assert answer.reply.status == 200, answer.reply.body
        return orjson.loads(answer.reply.body)

    def signed(
        self, action: Any, *, secret: str = OWNER.secret, nonce: int | None = None, expires_after: int | None = None, testnet: bool = False
    ) -> dict[str, Any]:
        """What ccxt would send: the action, its nonce and its signature."""
        self._nonce += 1
        used = self._nonce if nonce is None else nonce
        client = ccxt.hyperliquid({"privateKey": secret, "walletAddress": OWNER.api_key})
        client.options["sandboxMode"] = testnet
        body = {"action": action, "nonce": used, "signature": client.sign_l1_action(action, used, None, expires_after)}
        return body if expires_after is None else {**body, "expiresAfter": expires_after}

    def act(self, action: Any, **options: Any) -> Any:
        """The answer to a signed action."""
        answer = self.post("/exchange", self.signed(action, **options))
        assert answer.reply.status == 200, answer.reply.body
        return orjson.loads(answer.reply.body)

    def place(self, *, key: Credential = OWNER, **changes: Any) -> Any:
        """Places one order and returns its status."""
        told = self.act(orders(order(**changes)), secret=key.secret)
        assert told["status"] == "ok", told
        assert told["response"]["type"] == "order"
        (status,) = told["response"]["data"]["statuses"]
        return status

    def socket(self) -> HyperliquidSocket:
        """A connection to `/ws`."""
        opened = self.dialect.open_socket(HOST, "/ws", "", self.now)
        assert not isinstance(opened, HttpReply)
        return opened

    def subscribed(self, kind: str, **more: Any) -> tuple[HyperliquidSocket, list[Any]]:
        """A connection with one subscription, and what was said on it beside the confirmation."""
        socket = self.socket()
        confirmed, *first = said(socket.received(frame("subscribe", {"type": kind, **more}), self.now).messages)
        assert confirmed["channel"] == "subscriptionResponse"
        return socket, first


def order(
    asset: int = BTC, *, buy: bool = False, price: str = "59990", size: str = "0.05", tif: str = "Ioc", **more: Any
) -> dict[str, Any]:
    """An order in the venue's words: sell 0.05 BTC at 59,990 or better, or not at all. `reduce` and `cloid` go where they belong."""
    plain = {"a": asset, "b": buy, "p": price, "s": size, "r": more.pop("reduce", False), "t": {"limit": {"tif": tif}}}
    if "cloid" in more:
        plain["c"] = more.pop("cloid")
    return plain | more


def orders(*listed: Any) -> dict[str, Any]:
    """An action that places orders."""
    return {"type": "order", "orders": list(listed), "grouping": "na"}


def frame(method: str, subscription: Any) -> str:
    """A client frame."""
    return orjson.dumps({"method": method, "subscription": subscription}).decode()


def said(messages: Sequence[str]) -> list[Any]:
    """Parsed frames of the venue."""
    return [orjson.loads(message) for message in messages]


def happened(socket: HyperliquidSocket, reports: Sequence[Report], now: int = NOW) -> list[Any]:
    """What a connection says about reports."""
    return said(socket.published(reports, now))
