"""The private stream: an account's events until its listen key expires.

After `listenKeyExpired` the socket stays open and says nothing more. MARGIN_CALL is told once when the maintenance margin of an asset comes
to more than `MARGIN_CALL_RATIO` of its margin balance, and again only after it was below; the venue names no figure ("risk ratio too
high"), this one is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.binance.face import Row
from bot.simulator.dialects.binance.state import State
from bot.simulator.dialects.binance.user_events import Events
from bot.simulator.dialects.binance.wire import text
from bot.simulator.dialects.dialect import SocketAnswer, as_json
from bot.simulator.model import Balance, Report

MARGIN_CALL_RATIO = Decimal("0.8")
MARGIN_MS: Millis = 1_000
"""How often margins are looked at."""


class UserSocket:
    """One connection to an account's private stream."""

    def __init__(self, state: State, account: str, key: str) -> None:
        self._state = state
        self._account = account
        self._key = key
        self._events = Events(state.face, state.exchange.contracts)
        self._expired = False
        self._margins_due: Millis = 0
        self._called: set[str] = set()

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """The private stream takes no requests."""
        del text, now
        return SocketAnswer()

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """The account's events, in the order in which they happened."""
        if self._state.account_of_listen_key(self._key, now) is None:
            return ()
        return [as_json(event).decode() for event in self._events.of(reports, self._account, now)]

    def beat(self, now: Millis) -> Sequence[str]:
        """Tells once that the key has expired, and while it has not, margins that run out."""
        if self._state.account_of_listen_key(self._key, now) is not None:
            return tuple(as_json(event).decode() for event in self._margin_calls(now))
        if self._expired:
            return ()
        self._expired = True
        named = {"listenKey": self._key} if self._state.face.expired_names_key else {}
        return [as_json({"e": "listenKeyExpired", "E": now} | named).decode()]

    def _margin_calls(self, now: Millis) -> Iterator[Row]:
        if now < self._margins_due:
            return
        self._margins_due = now + MARGIN_MS
        for balance in self._state.exchange.balances(self._account):
            if balance.maintenance_margin <= MARGIN_CALL_RATIO * balance.margin_balance:
                self._called.discard(balance.asset)
            elif balance.asset not in self._called:
                self._called.add(balance.asset)
                yield self._margin_call(balance, now)

    def _margin_call(self, balance: Balance, now: Millis) -> Row:
        contracts = self._state.exchange.contracts
        positions = [
            {
                "s": position.symbol,
                "ps": "BOTH",
                "pa": text(position.contracts),
                "mt": "CROSSED",
                "iw": "0",
                "mp": text(position.mark_price),
                "up": text(position.unrealised_pnl),
                "mm": text(position.maintenance_margin),
            }
            for position in self._state.exchange.positions(self._account)
            if position.contracts and contracts[position.symbol].settle == balance.asset
        ]
        return {"e": "MARGIN_CALL", "E": now, "cw": text(balance.wallet), "p": positions} | self._state.face.alias()
