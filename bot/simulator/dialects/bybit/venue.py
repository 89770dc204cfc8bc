"""What the parts of the dialect share: the engine, the keys, the counters; and what one authenticated call looks like."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count

from bot.core.units import Millis
from bot.simulator.dialects.bybit.auth import Keys
from bot.simulator.dialects.bybit.dcp import DisconnectProtection
from bot.simulator.dialects.bybit.params import Params
from bot.simulator.dialects.bybit.visits import Visits
from bot.simulator.dialects.bybit.wire import Json, category_of
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.dialect import Credential
from bot.simulator.exchange import Exchange
from bot.simulator.model import Contract, MarketView, Refused, Report


@dataclass(slots=True)
class Venue:
    """One simulated Bybit."""

    exchange: Exchange
    keys: Keys
    visits: Visits
    days: Days
    protection: DisconnectProtection
    _connections: count[int] = field(default_factory=lambda: count(1))

    def connection(self) -> str:
        """A new `conn_id`."""
        return f"simulated{next(self._connections):012d}-1"

    def listed(self, category: str) -> list[Contract]:
        """The contracts of a category."""
        return [contract for contract in self.exchange.contracts.values() if category_of(contract) == category]

    def contract(self, symbol: str, category: str) -> Contract | None:
        """A contract that is listed in a category."""
        contract = self.exchange.contracts.get(symbol)
        return contract if contract is not None and category_of(contract) == category else None

    def trading(self, symbols: Iterable[str]) -> list[MarketView]:
        """The markets among `symbols` that have a mark price; before its first tick a contract has nothing to show."""
        views = []
        for symbol in symbols:
            try:
                views.append(self.exchange.market(symbol))
            except Refused:
                continue
        return views


@dataclass(frozen=True, slots=True)
class Call:
    """One request, authenticated where the endpoint is private (`account` is empty where it is public)."""

    venue: Venue
    params: Params
    account: str
    now: Millis
    key: Credential | None = None

    @property
    def exchange(self) -> Exchange:
        """The engine."""
        return self.venue.exchange


@dataclass(frozen=True, slots=True)
class Result:
    """What an endpoint answers with `retCode` 0, and what happened at the venue because of it."""

    value: Json
    reports: Sequence[Report] = ()
