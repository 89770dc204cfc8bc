"""REST endpoints that need no key: `public/...` and `market/...`.

Only perpetuals are listed: asking for another `instType` answers with an empty list, as a venue without such products would.
Source: OKX v5 documentation, "Public Data / REST API" and "Order Book Trading / Market Data".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.okx import errors, market_rows
from bot.simulator.dialects.okx.errors import Turned
from bot.simulator.dialects.okx.wire import SWAP, Row, family
from bot.simulator.exchange import Exchange
from bot.simulator.listed import Listing
from bot.simulator.model import Contract, MarketView, Refused

FUNDING_PAGE_MAX = 400

Query = Mapping[str, str]


class PublicRest:
    """Answers about the clock, the instruments and the market. Every method returns the rows of `data` or raises Turned."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def time(self, _query: Query, now: Millis) -> list[Row]:
        """`GET public/time`."""
        return [{"ts": str(now)}]

    def instruments(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/instruments`."""
        return [
            market_rows.instrument_row(contract, market_rows.instrument_code(self._exchange, contract.symbol))
            for contract in self._chosen(query)
        ]

    def ticker(self, query: Query, _now: Millis) -> list[Row]:
        """`GET market/ticker`."""
        return [self._ticker(self._one(query))]

    def tickers(self, query: Query, _now: Millis) -> list[Row]:
        """`GET market/tickers`."""
        return [self._ticker(view.contract) for view in self._views(self._chosen(query))]

    def books(self, query: Query, _now: Millis) -> list[Row]:
        """`GET market/books`: `sz` levels of either side, 1 unless given, at most 400."""
        contract = self._one(query)
        depth = _count(query, "sz", 1, market_rows.BOOK_DEPTH)
        return [market_rows.book_row(self._exchange.book(contract.symbol, depth), depth)]

    def mark_price(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/mark-price`. OKX's table wants `instType`; it takes an `instId` alone as well, which is all that ccxt sends."""
        asked = query if query.get("instType") or not query.get("instId") else {**query, "instType": SWAP}
        return [market_rows.mark_row(view) for view in self._views(self._chosen(asked))]

    def index_tickers(self, query: Query, _now: Millis) -> list[Row]:
        """`GET market/index-tickers`, by index (`instId` BTC-USDT) or by quote currency."""
        if not query.get("instId") and not query.get("quoteCcy"):
            raise errors.empty("instId or quoteCcy")
        wanted = [
            contract
            for contract in self._exchange.contracts.values()
            if query.get("instId", family(contract)) == family(contract) and query.get("quoteCcy", contract.quote) == contract.quote
        ]
        return [market_rows.index_row(view) for view in self._views(wanted)]

    def funding_rate(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/funding-rate`, of one instrument or of all (`instId` ANY)."""
        every = query.get("instId") == "ANY"
        contracts = list(self._exchange.contracts.values()) if every else [self._one(query)]
        return [market_rows.funding_row(view, self._settled(view.contract)) for view in self._views(contracts)]

    def funding_rate_history(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/funding-rate-history`: newest first; `before` and `after` are settlement times in ms."""
        contract = self._one(query)
        newer, older = _millis(query, "before"), _millis(query, "after")
        rows = [
            market_rows.funding_history_row(contract, at, rate)
            for at, rate in reversed(self._exchange.funding_rates(contract.symbol))
            if (newer is None or at > newer) and (older is None or at < older)
        ]
        return rows[: _count(query, "limit", FUNDING_PAGE_MAX, FUNDING_PAGE_MAX)]

    def open_interest(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/open-interest`."""
        return [market_rows.open_interest_row(view) for view in self._views(self._chosen(query))]

    def position_tiers(self, query: Query, _now: Millis) -> list[Row]:
        """`GET public/position-tiers`, by instrument family (one or several)."""
        families = (query.get("instFamily") or query.get("uly") or "").split(",")
        if families == [""]:
            raise errors.empty("instFamily")
        wanted = [c for c in self._chosen({"instType": query.get("instType", "")}) if family(c) in families]
        return [row for contract in wanted for row in market_rows.tier_rows(contract)]

    def _ticker(self, contract: Contract) -> Row:
        return market_rows.ticker_row(self._exchange.market(contract.symbol), self._exchange.book(contract.symbol, 1))

    def _views(self, contracts: Iterable[Contract]) -> list[MarketView]:
        """The markets of these. Before its first tick a contract has nothing to show: left out among several, Refused alone."""
        chosen = list(contracts)
        if len(chosen) == 1:
            return [self._exchange.market(chosen[0].symbol)]
        views = []
        for contract in chosen:
            with suppress(Refused):
                views.append(self._exchange.market(contract.symbol))
        return views

    def _settled(self, contract: Contract) -> Decimal | None:
        settled = self._exchange.funding_rates(contract.symbol)
        return settled[-1][1] if settled else None

    def _one(self, query: Query) -> Contract:
        """The instrument that must be named. Raises Turned 50014 or 51001."""
        if not query.get("instId"):
            raise errors.empty("instId")
        contract = self._exchange.contracts.get(query["instId"])
        if contract is None or contract.listing is Listing.DELISTED:
            raise Turned(errors.INSTRUMENT_UNKNOWN)
        return contract

    def _chosen(self, query: Query) -> Iterable[Contract]:
        """The instruments of a type, narrowed by `instId`, `instFamily` or `uly`. Raises Turned 50014 or 51001."""
        if not query.get("instType"):
            raise errors.empty("instType")
        if query["instType"] != SWAP:
            return []
        if query.get("instId"):
            return [self._one(query)]
        wanted = query.get("instFamily") or query.get("uly")
        listed = (contract for contract in self._exchange.contracts.values() if contract.listing is not Listing.DELISTED)
        return [contract for contract in listed if wanted in (None, "", family(contract))]


def _count(query: Query, name: str, default: int, largest: int) -> int:
    text = query.get(name, "")
    if not text:
        return default
    if not text.isdigit() or int(text) == 0:
        raise errors.wrong(name)
    return min(int(text), largest)


def _millis(query: Query, name: str) -> Millis | None:
    text = query.get(name, "")
    if text and not text.isdigit():
        raise errors.wrong(name)
    return int(text) if text else None
