"""What each subscription says, and when.

Books are whole every time, at most every half second (a block that is at least that far from the last told); `bbo` speaks whenever the
touch changed. Figures and the clearinghouse are told when they changed, no more often than a block, and in any case every few seconds.
Order updates, fills and funding follow at once, each once per event.
Source: Hyperliquid docs, "Websocket / Subscriptions" with its data formats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bot.core.units import Millis
from bot.simulator.dialects.hyperliquid import account_rows, market_rows
from bot.simulator.dialects.hyperliquid.actions import Desk
from bot.simulator.dialects.hyperliquid.info import Asked, Info
from bot.simulator.dialects.hyperliquid.order_rows import fill_rows, told_row
from bot.simulator.dialects.hyperliquid.wire import ADDRESS, Row
from bot.simulator.model import BookReport, FillKind, FillReport, FundingReport, OrderReport, PublicTradeReport, Report

BLOCK_MS: Millis = 100
BOOK_MS: Millis = 500
SILENCE_MS: Millis = 5_000
BOOK_SILENCE_MS: Millis = 1_000


@dataclass(frozen=True, slots=True)
class Venue:
    """What a connection may ask of the venue."""

    desk: Desk
    info: Info

    def answer(self, question: Mapping[str, Any], now: Millis) -> Any:
        """The answer to a question as `/info` gives it. Raises Misshapen."""
        return self.info.answer(Asked(question, now))


class Channel(Protocol):
    """One subscription of one connection. Every method returns the pushes it calls for, in order."""

    def opened(self, now: Millis) -> list[Row]:
        """Right after the subscription was confirmed."""

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """Something happened at the venue."""

    def beat(self, now: Millis) -> list[Row]:
        """Time has passed."""


class Shown:
    """A channel that shows something as it is: when it changed and its shortest pause is over, and after its longest in any case.

    `at_once`: also right when the reports concern it, whatever the pause.
    """

    def __init__(
        self,
        channel: str,
        show: Callable[[Millis], Row | None],
        pause_min: Millis,
        pause_max: Millis,
        at_once: Callable[[Report], bool] | None = None,
    ) -> None:
        self._channel, self._show = channel, show
        self._pause_min, self._pause_max, self._at_once = pause_min, pause_max, at_once
        self._said: Row | None = None
        self._said_at: Millis = 0

    def opened(self, now: Millis) -> list[Row]:
        """As it is."""
        return self.beat(now)

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """As it is now, if that is for telling at once."""
        return self._speak(now) if self._at_once is not None and any(map(self._at_once, reports)) else []

    def beat(self, now: Millis) -> list[Row]:
        """As it is, when it is time."""
        if self._said is not None and now - self._said_at < self._pause_min:
            return []
        return self._speak(now)

    def _speak(self, now: Millis) -> list[Row]:
        shown = self._show(now)
        if shown is None:
            return []
        said = _untimed(shown)
        if said == self._said and now - self._said_at < self._pause_max:
            return []
        self._said, self._said_at = said, now
        return [{"channel": self._channel, "data": shown}]


class Told:
    """A channel that tells what happens: a snapshot where there is one, then each event at once."""

    def __init__(self, channel: str, tell: Callable[[Sequence[Report]], list[Any]], snapshot: Callable[[], Any] | None = None) -> None:
        self._channel, self._tell, self._snapshot = channel, tell, snapshot

    def opened(self, now: Millis) -> list[Row]:
        """The snapshot."""
        del now
        return [] if self._snapshot is None else [{"channel": self._channel, "data": self._snapshot()}]

    def published(self, reports: Sequence[Report], now: Millis) -> list[Row]:
        """What the reports come to."""
        del now
        return [{"channel": self._channel, "data": data} for data in self._tell(reports)]

    def beat(self, now: Millis) -> list[Row]:
        """Nothing."""
        del now
        return []


def channel_of(wanted: Mapping[str, Any], venue: Venue) -> Channel | None:
    """The channel that a subscription asks for; None when there is no such channel, coin or address."""
    kind, coin, user = wanted.get("type"), wanted.get("coin"), wanted.get("user")
    if kind == "allMids":
        return Shown("allMids", lambda _: {"mids": market_rows.mids(venue.desk.exchange)}, BOOK_MS, SILENCE_MS)
    if isinstance(coin, str) and coin in venue.desk.exchange.contracts:
        return _of_coin(str(kind), coin, venue)
    if isinstance(user, str) and ADDRESS.fullmatch(user):
        return _of_user(str(kind), user.lower(), venue)
    return None


def _of_coin(kind: str, coin: str, venue: Venue) -> Channel | None:
    exchange = venue.desk.exchange

    def touched(report: Report) -> bool:
        return isinstance(report, BookReport) and report.symbol == coin

    def trades(reports: Sequence[Report]) -> list[Any]:
        told = [market_rows.trade(each) for each in reports if isinstance(each, PublicTradeReport) and each.symbol == coin]
        return [told] if told else []

    match kind:
        case "l2Book":
            return Shown("l2Book", lambda _: market_rows.book(exchange, coin), BOOK_MS, BOOK_SILENCE_MS)
        case "bbo":
            return Shown("bbo", lambda _: market_rows.touch(exchange, coin), BLOCK_MS, BOOK_SILENCE_MS, touched)
        case "activeAssetCtx":
            return Shown("activeAssetCtx", lambda now: {"coin": coin, "ctx": venue.info.context(coin, now)}, BLOCK_MS, SILENCE_MS)
        case "trades":
            return Told("trades", trades)
        case _:
            return None


def _of_user(kind: str, user: str, venue: Venue) -> Channel | None:
    told = _Told(user, venue)
    match kind:
        case "clearinghouseState":
            return Shown("clearinghouseState", told.state, BOOK_MS, SILENCE_MS, told.concerns)
        case "orderUpdates":
            return Told("orderUpdates", told.orders)
        case "userFills":
            return Told("userFills", told.fills, told.fills_so_far)
        case "userFundings":
            return Told("userFundings", told.fundings, told.fundings_so_far)
        case "userEvents":
            return Told("user", told.events)
        case _:
            return None


@dataclass(frozen=True, slots=True)
class _Told:
    """What is told about one address. One that nobody uses is told nothing."""

    user: str
    venue: Venue

    @property
    def account(self) -> str | None:
        return self.venue.desk.wallets.account(self.user)

    def concerns(self, report: Report) -> bool:
        return isinstance(report, FillReport) and report.fill.account == self.account

    def state(self, now: Millis) -> Row:
        state = account_rows.clearinghouse_state(self.venue.desk.exchange, self.account, now)
        return {"dex": "", "user": self.user, "clearinghouseState": state}

    def orders(self, reports: Sequence[Report]) -> list[Any]:
        """Every update in one message, in order: an acceptance, a fill that leaves something, an end."""
        canceled_by = self.venue.desk.canceled_by
        updates = [
            told_row(each.order, canceled_by, full=False)
            for each in reports
            if isinstance(each, OrderReport | FillReport) and each.order is not None and each.order.request.account == self.account
        ]
        distinct = [row for index, row in enumerate(updates) if index == 0 or row != updates[index - 1]]
        return [distinct] if distinct else []

    def fills(self, reports: Sequence[Report]) -> list[Any]:
        rows = self._rows(reports)
        return [{"user": self.user, "fills": rows}] if rows else []

    def fills_so_far(self) -> Row:
        account = self.account
        rows = [] if account is None else fill_rows(self.venue.desk.exchange, account, self.user)
        return {"isSnapshot": True, "user": self.user, "fills": rows[::-1]}

    def fundings(self, reports: Sequence[Report]) -> list[Any]:
        payments = self._payments(reports)
        return [{"user": self.user, "fundings": payments}] if payments else []

    def fundings_so_far(self) -> Row:
        account = self.account
        records = () if account is None else self.venue.desk.exchange.funding_payments(account)
        told = [{"time": each.at, **account_rows.funding_told(each), "nSamples": None} for each in reversed(records)]
        return {"isSnapshot": True, "user": self.user, "fundings": told}

    def events(self, reports: Sequence[Report]) -> list[Any]:
        """`userEvents`: fills together, then each payment, then each liquidation."""
        rows = self._rows(reports)
        told: list[Any] = [{"fills": rows}] if rows else []
        told += [{"funding": payment} for payment in self._payments(reports)]
        for each in reports:
            if self.concerns(each) and isinstance(each, FillReport) and each.fill.kind is FillKind.LIQUIDATION:
                told.append({"liquidation": {"lid": each.fill.fill_id, "liquidated_user": self.user}})
        return told

    def _rows(self, reports: Sequence[Report]) -> list[Row]:
        wanted = [each.fill for each in reports if isinstance(each, FillReport) and each.fill.account == self.account]
        return fill_rows(self.venue.desk.exchange, str(self.account), self.user, wanted) if wanted else []

    def _payments(self, reports: Sequence[Report]) -> list[Row]:
        records = [each.record for each in reports if isinstance(each, FundingReport) and each.record.account == self.account]
        return [{"time": each.at, **account_rows.funding_told(each), "nSamples": None} for each in records]


def _untimed(shown: Row) -> Row:
    """Without the instants that change by themselves."""
    plain = {name: value for name, value in shown.items() if name != "time"}
    state = plain.get("clearinghouseState")
    return {**plain, "clearinghouseState": {**state, "time": 0}} if isinstance(state, dict) else plain
