"""What the venue remembers beside its matching engine: listen keys, dead-man countdowns, usage, and the last day's figures.

A listen key is 64 letters and digits, and lives 60 minutes from its last POST or PUT; one account has one key. A countdown cancels an
account's open orders in one symbol when it runs out without having been set again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.binance.access import Budget
from bot.simulator.dialects.binance.day import DayFigures
from bot.simulator.dialects.binance.errors import ApiError
from bot.simulator.dialects.binance.face import Face, pair_of
from bot.simulator.dialects.binance.wire import Parameters
from bot.simulator.dialects.dialect import USUAL_RIGHTS, KeyRights
from bot.simulator.exchange import Exchange
from bot.simulator.model import Contract, Report

LISTEN_KEY_MS: Millis = 3_600_000


@dataclass(slots=True)
class ListenKey:
    """The key of an account's private stream."""

    key: str
    account: str
    expires_at: Millis


@dataclass(slots=True)
class State:
    """Everything that the endpoints of one venue share."""

    face: Face
    exchange: Exchange
    budget: Budget
    day: DayFigures
    countdowns: dict[tuple[str, str], Millis] = field(default_factory=dict)
    _keys: dict[str, ListenKey] = field(default_factory=dict)
    _counter: int = 0

    def next_number(self) -> int:
        """A number never given before by this venue."""
        self._counter += 1
        return self._counter

    def open_listen_key(self, account: str, now: Millis) -> str:
        """The account's valid key, extended; a new one when there is none."""
        held = self._keys.get(account)
        if held is None or held.expires_at <= now:
            held = ListenKey(hashlib.sha256(f"{account} {self.next_number()}".encode()).hexdigest(), account, now)
            self._keys[account] = held
        held.expires_at = now + LISTEN_KEY_MS
        return held.key

    def extend_listen_key(self, account: str, now: Millis) -> str:
        """Extends the account's key; raises -1125 when there is none that is still valid."""
        held = self._keys.get(account)
        if held is None or held.expires_at <= now:
            raise ApiError(-1125, "This listenKey does not exist.")
        held.expires_at = now + LISTEN_KEY_MS
        return held.key

    def close_listen_key(self, account: str, now: Millis) -> None:
        """Ends the account's key at once."""
        if account in self._keys:
            self._keys[account].expires_at = now

    def end_listen_keys(self, now: Millis) -> None:
        """Ends every key at once."""
        for held in self._keys.values():
            held.expires_at = min(held.expires_at, now)

    def account_of_listen_key(self, key: str, now: Millis) -> str | None:
        """Whose private stream a key opens; None when it opens none (any more)."""
        return next((held.account for held in self._keys.values() if held.key == key and held.expires_at > now), None)

    def fire_countdowns(self, now: Millis) -> tuple[Report, ...]:
        """Cancels what the countdowns that have run out were to cancel."""
        due = [key for key, at in self.countdowns.items() if at <= now]
        reports: list[Report] = []
        for account, symbol in due:
            del self.countdowns[account, symbol]
            reports.extend(self.exchange.cancel_all(account, symbol, now))
        return tuple(reports)


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request to an endpoint; `account` is empty for a public one."""

    state: State
    account: str
    parameters: Parameters
    now: Millis
    rights: KeyRights = USUAL_RIGHTS

    @property
    def exchange(self) -> Exchange:
        """The matching engine."""
        return self.state.exchange

    @property
    def face(self) -> Face:
        """The venue's words."""
        return self.state.face

    def contract(self) -> Contract:
        """The contract that the mandatory `symbol` names; raises -1121."""
        return self.named(self.parameters.required("symbol"))

    def contract_or_none(self) -> Contract | None:
        """The contract that `symbol` names, None when it was not sent; raises -1121."""
        symbol = self.parameters.get("symbol")
        return None if symbol is None else self.named(symbol)

    def contracts(self) -> tuple[Contract, ...]:
        """The contracts that `symbol` names, or `pair` where the venue takes one; all of them when neither was sent.

        Raises -1121, -4087.
        """
        contract = self.contract_or_none()
        if contract is not None:
            return (contract,)
        pair = self.parameters.get("pair") if self.face.names_pair else None
        chosen = tuple(each for each in self.exchange.contracts.values() if pair in (None, pair_of(each.symbol)))
        if not chosen:
            raise ApiError(-4087, "Invalid pair.")
        return chosen

    def contracts_named(self) -> tuple[Contract, ...]:
        """The same where one of the two has to be sent; raises -1102 when neither was."""
        if not (self.face.names_pair and self.parameters.get("pair")):
            self.parameters.required("symbol")
        return self.contracts()

    def named(self, symbol: str) -> Contract:
        """A contract by the venue's symbol; raises -1121."""
        contract = self.exchange.contracts.get(symbol.upper())
        if contract is None:
            raise ApiError(-1121, "Invalid symbol.")
        return contract


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an endpoint answers, and what happened at the venue because of it."""

    value: Any
    reports: Sequence[Report] = ()
