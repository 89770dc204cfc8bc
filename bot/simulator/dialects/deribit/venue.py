"""What every part of the dialect shares: the engine, the keys, the credits, the clockwork of the daily settlement, and one request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.deribit.auth import Keys
from bot.simulator.dialects.deribit.budget import Credits
from bot.simulator.dialects.deribit.connections import Connections
from bot.simulator.dialects.deribit.errors import invalid, not_found
from bot.simulator.dialects.deribit.params import Params
from bot.simulator.dialects.deribit.session import Sessions
from bot.simulator.exchange import Exchange
from bot.simulator.model import Contract, Report

CURRENCIES = ("BTC", "ETH", "USDC")
"""What margin may be held in, as the listed perpetuals settle."""
KINDS = frozenset({"future", "option", "spot", "future_combo", "option_combo", "any"})


@dataclass(frozen=True, slots=True)
class Venue:
    """One simulated Deribit."""

    exchange: Exchange
    keys: Keys
    credits: Credits
    days: Days
    sessions: Sessions
    connections: Connections

    def contract(self, name: str) -> Contract:
        """A listed contract. Raises RpcError 13020."""
        contract = self.exchange.contracts.get(name)
        if contract is None:
            raise not_found()
        return contract

    def settling_in(self, currency: str) -> tuple[Contract, ...]:
        """The contracts that settle in a currency, all of them for `any`. Raises RpcError -32602."""
        if currency.upper() not in (*CURRENCIES, "ANY"):
            raise invalid("currency", "invalid currency")
        wanted = currency.upper()
        return tuple(contract for contract in self.exchange.contracts.values() if wanted in ("ANY", contract.settle))


@dataclass(frozen=True, slots=True)
class Call:
    """One request after its caller was found. `account` is empty for a public method; `connection` is the WebSocket it came over."""

    venue: Venue
    params: Params
    account: str
    now: Millis
    connection: int | None = None

    @property
    def exchange(self) -> Exchange:
        """The engine."""
        return self.venue.exchange

    def contract(self) -> Contract:
        """The contract that `instrument_name` names. Raises RpcError."""
        return self.venue.contract(self.params.text("instrument_name"))

    def contracts(self) -> tuple[Contract, ...]:
        """The contracts that `currency` and `kind` choose: all of them where neither is given. Raises RpcError."""
        chosen = self.venue.settling_in(self.params.text("currency", "any"))
        return chosen if self.params.choice("kind", KINDS, "any") in ("future", "any") else ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a method answers with, and what happened because of it."""

    value: Any
    reports: Sequence[Report] = ()


Function = Callable[[Call], Result]
