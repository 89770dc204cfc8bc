"""The Binance dialects without server or sockets, their clock in the test's hand."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.binance import BinanceCoinm, BinanceUsdm, Limits
from bot.simulator.dialects.dialect import HttpReply, HttpRequest, Socket
from bot.simulator.exchange import Exchange
from bot.simulator.listings import exchange_of
from bot.simulator.model import OrderKind, OrderRequest, Report, Side, TimeInForce
from tests.simulator.stand import KEY, tick_of, wallets_of

NOW: Millis = 1_760_000_000_123
HOUR: Millis = 3_600_000


class Bench:
    """A dialect at hand, its clock in the test's hand: USD-M."""

    venue = "binanceusdm"
    make: type[BinanceUsdm] | type[BinanceCoinm] = BinanceUsdm
    rest, stream, api = "fapi.binance.com", "fstream.binance.com", "/fapi/v1"
    order: Mapping[str, str] = {"symbol": "BTCUSDT", "quantity": "0.05"}

    def __init__(self, limits: Limits | None = None, wallets: Mapping[str, Decimal] | None = None) -> None:
        self.exchange: Exchange = exchange_of(self.venue, now=NOW)
        self.exchange.open_account(KEY.account, wallets or wallets_of(self.exchange))
        self.dialect = self.make(self.exchange, [KEY], limits=limits)
        for contract in self.exchange.contracts.values():
            self.exchange.on_tick(tick_of(contract), NOW)

    def call(
        self,
        method: str,
        path: str,
        *,
        now: Millis = NOW,
        sent_at: Millis | None = None,
        key: str | None = KEY.api_key,
        secret: str = KEY.secret,
        signed: bool = True,
        **parameters: str,
    ) -> HttpReply:
        query = urlencode(parameters)
        if signed:
            query = "&".join(part for part in (query, f"timestamp={now if sent_at is None else sent_at}") if part)
            query += "&signature=" + hmac.new(secret.encode(), query.encode(), hashlib.sha256).hexdigest()
        in_body = method in ("POST", "PUT")
        return self.dialect.handle(
            HttpRequest(
                method=method,
                host=self.rest,
                path=path,
                query_string="" if in_body else query,
                headers={} if key is None else {"x-mbx-apikey": key},
                body=query.encode() if in_body else b"",
            ),
            now,
        ).reply

    def place(self, now: Millis = NOW, **changed: str) -> HttpReply:
        order: dict[str, Any] = {"side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "price": "61000", **self.order}
        return self.call("POST", f"{self.api}/order", now=now, **(order | changed))

    def listen_key(self, now: Millis = NOW) -> str:
        return str(body(self.call("POST", f"{self.api}/listenKey", signed=False, now=now))["listenKey"])

    def socket(self, path: str, query: str = "", now: Millis = NOW) -> Socket:
        opened = self.dialect.open_socket(self.stream, path, query, now)
        assert not isinstance(opened, HttpReply)
        return opened

    def move(self, fair: str, now: Millis = NOW) -> Sequence[Report]:
        return self.exchange.on_tick(tick_of(self.exchange.contracts[self.order["symbol"]], Decimal(fair)), now)


class CoinBench(Bench):
    """COIN-M."""

    venue = "binancecoinm"
    make = BinanceCoinm
    rest, stream, api = "dapi.binance.com", "dstream.binance.com", "/dapi/v1"
    order: Mapping[str, str] = {"symbol": "BTCUSD_PERP", "quantity": "30"}


def body(reply: HttpReply) -> Any:
    return orjson.loads(reply.body)


def market_buy(contracts: str, symbol: str = "BTCUSDT") -> OrderRequest:
    return OrderRequest(
        account=KEY.account,
        symbol=symbol,
        side=Side.BUY,
        kind=OrderKind.MARKET,
        time_in_force=TimeInForce.IOC,
        contracts=Decimal(contracts),
    )


def frames(texts: Sequence[str]) -> list[Any]:
    return [orjson.loads(text) for text in texts]
