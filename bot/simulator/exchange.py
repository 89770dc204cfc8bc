"""One venue's matching engine: synchronous, deterministic, without clock, waiting, IO or chance.

Every request and every tick is one operation: it either raises `Refused` and changes nothing, or it changes the state and returns the
reports of all that happened, in order (`turn`). Who calls it decides about time: `now` is the venue's wall clock in milliseconds; a `now`
before the newest operation counts as that operation's instant, so that records stay in order when a clock is set back.

The rules live beside this file: what is taken (`acceptance`), who meets whom (`matching`, `book`), what a position is worth and needs
(`margin`), what an account is (`accounts`), what happens unasked (`settlement`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import count
from types import MappingProxyType

from bot.core.units import ONE, ZERO, Millis, down_to_step
from bot.simulator import margin, settlement
from bot.simulator.acceptance import CLIENT_ID_FORM, ClientIdRules, ClientIdScope, accepted
from bot.simulator.accounts import ARCHIVE_MAX, Account, Tally
from bot.simulator.book import OrderBook
from bot.simulator.listed import Listing
from bot.simulator.matching import requote, work
from bot.simulator.model import (
    AccountSettings,
    Balance,
    BookView,
    Contract,
    Fill,
    FundingRecord,
    MarketTick,
    MarketView,
    Order,
    OrderRequest,
    OrderState,
    Position,
    Reason,
    Refusal,
    Refused,
    Report,
)
from bot.simulator.state import Market, VenueState
from bot.simulator.turn import Turn


class Exchange:
    """One venue with its contracts, accounts and books. Not safe for use from several threads."""

    contracts: Mapping[str, Contract]

    def __init__(
        self,
        name: str,
        contracts: Sequence[Contract],
        *,
        now: Millis,
        duplicate_client_id_scope: ClientIdScope = "open",
        client_id_form: re.Pattern[str] | None = None,
    ) -> None:
        """Opens a venue. Until told otherwise (`schedule_funding`), funding is due at whole multiples of each contract's interval."""
        self.name = name
        self._contracts = {contract.symbol: contract for contract in contracts}
        self.contracts = MappingProxyType(self._contracts)
        self._client_ids = ClientIdRules(duplicate_client_id_scope, client_id_form or CLIENT_ID_FORM)
        markets = {
            contract.symbol: Market(
                contract,
                OrderBook(contract.symbol),
                next_funding_at=(now // contract.funding_interval_ms + 1) * contract.funding_interval_ms,
            )
            for contract in contracts
        }
        # A thousand ids per millisecond of the opening time: two runs never hand out the same one, and JSON readers keep them exact.
        self._state = VenueState(name, markets, now, count(now * 1000 + 1))

    def open_account(self, account: str, balances: Mapping[str, Decimal]) -> None:
        """Opens an account with deposits by asset; on an open account, deposits more (a negative deposit withdraws)."""
        opened = self._state.accounts.setdefault(account, Account(account))
        for asset, deposit in balances.items():
            opened.tally(asset).deposits += deposit

    def wallet(self, account: str, wallet: str) -> dict[str, Decimal]:
        """What lies in a wallet beside an account, by asset, nothing left out: an account `ACCOUNT:WALLET` that carries no positions."""
        held = self._state.accounts.get(f"{account}:{wallet}")
        return {} if held is None else {asset: self._state.balance(held, asset).wallet for asset in held.wallets}

    def settings(self, account: str) -> AccountSettings:
        """The account's live switches: dialects write position and margin mode there; leverage goes through `set_leverage`."""
        return self._state.account(account).settings

    def set_leverage(self, account: str, symbol: str, leverage: Decimal) -> None:
        """Chooses the leverage of a contract. Raises Refused(UNKNOWN_SYMBOL), or Refused(LEVERAGE) when it is below 1, above what the
        tier of the position with its open orders allows, or so low that the free margin does not cover it.
        """
        holder, market = self._state.account(account), self._state.market(symbol)
        chosen = holder.settings.leverage
        old = chosen.get(symbol)
        worst, bound = self._state.worst(holder, symbol), self._state.committed(holder, market)
        highest = margin.leverage_max(market.contract, margin.tiered(market.contract, worst, market.known.mark) if worst else ZERO)
        if not leverage.is_finite() or leverage < ONE or leverage > highest:
            raise Refused(Refusal.LEVERAGE, f"leverage {leverage} is not between 1 and {highest}")
        chosen[symbol] = leverage
        if self._state.committed(holder, market) <= bound:
            return
        free = self._state.free(holder, market.contract.settle)
        if free < ZERO:
            if old is None:
                del chosen[symbol]
            else:
                chosen[symbol] = old
            raise Refused(Refusal.LEVERAGE, f"leverage {leverage} needs {-free} {market.contract.settle} more than there is")

    def place(self, request: OrderRequest, now: Millis) -> tuple[Order, tuple[Report, ...]]:
        """Takes an order and matches it. Returns a copy of it after that. Raises Refused (rules: `acceptance`)."""
        taken = accepted(self._state, request, self._client_ids)
        turn, account, market = self._turn(now), self._state.account(taken.account), self._state.market(taken.symbol)
        order = Order(order_id=next(self._state.ids), request=taken, state=OrderState.NEW, created_at=turn.now, updated_at=turn.now)
        turn.accept(account, order)
        work(turn, market, account, order)
        return replace(order), turn.finish()

    def cancel(
        self, account: str, symbol: str, now: Millis, *, order_id: int | None = None, client_order_id: str | None = None
    ) -> tuple[Order, tuple[Report, ...]]:
        """Cancels an open order, found by the venue's id when given, else by the client's. Returns a copy of it after that.

        Raises Refused(UNKNOWN_ORDER), or Refused(ORDER_CLOSED) when it is not open any more.
        """
        holder = self._state.account(account)
        self._state.market(symbol)
        order = holder.find(symbol, order_id, client_order_id)
        if order is None:
            raise Refused(Refusal.UNKNOWN_ORDER, f"no order {order_id if order_id is not None else client_order_id} in {symbol}")
        if not order.state.is_open:
            raise Refused(Refusal.ORDER_CLOSED, f"order {order.order_id} is {order.state}")
        turn = self._turn(now)
        turn.end(holder, order, OrderState.CANCELED, Reason.ASKED)
        return replace(order), turn.finish()

    def cancel_all(self, account: str, symbol: str | None, now: Millis) -> tuple[Report, ...]:
        """Cancels all open orders of an account, in one contract or (None) everywhere; nothing to cancel is fine."""
        holder, only = self._state.account(account), None if symbol is None else self._state.market(symbol)
        turn = self._turn(now)
        settlement.cancel_open(turn, holder, lambda market: only is None or market is only, Reason.ASKED)
        return turn.finish()

    def on_tick(self, tick: MarketTick, now: Millis) -> tuple[Report, ...]:
        """The outside world moved: background makers re-quote (their quotes may take resting orders), then who is due is liquidated.

        The last price becomes the fair price too: trading among others is not played out. Raises Refused(UNKNOWN_SYMBOL), and ValueError
        for a price that is not positive.
        """
        market = self._state.market(tick.symbol)
        if min(tick.fair, tick.mark, tick.index) <= ZERO or tick.half_spread < ZERO or tick.spread_step < ZERO:
            raise ValueError(f"a tick needs positive prices and no negative spread: {tick}")
        turn = self._turn(now)
        before, market.tick = market.tick, tick
        market.last = down_to_step(tick.fair, market.contract.tick).quantize(market.contract.tick)
        if market.contract.listing is Listing.TRADING:
            requote(turn, market, tick)
        settlement.liquidate(turn, market.contract.settle)
        if before is None or _published(before) != _published(tick):
            turn.market_changed(market)
        return turn.finish()

    def amend(self, contract: Contract) -> None:
        """The venue changes a contract's terms from here on: lot, tick, bounds, tiers, or whether it trades at all (`Listing`).

        Resting orders and positions stay. Raises Refused(UNKNOWN_SYMBOL), ValueError for another size, base or settle asset.
        """
        market = self._state.market(contract.symbol)
        same = ("base", "quote", "settle", "inverse", "contract_size")
        if any(getattr(contract, name) != getattr(market.contract, name) for name in same):
            raise ValueError(f"{contract.symbol} would be another contract")
        market.contract = self._contracts[contract.symbol] = contract
        for account in self._state.accounts.values():
            if contract.symbol in account.holdings:
                account.holdings[contract.symbol].contract = contract

    def schedule_funding(self, symbol: str, at: Millis) -> None:
        """Says when the contract's next settlement is due on the venue's wall clock; settling remains the caller's (`settle_funding`)."""
        self._state.market(symbol).next_funding_at = at

    def settle_funding(self, symbol: str, now: Millis) -> tuple[Report, ...]:
        """Settles one funding interval at the newest mark and rate; a due instant that has passed moves on by one interval.

        Raises Refused(NOT_TRADING) before the first tick.
        """
        turn = self._turn(now)
        settlement.settle_funding(turn, self._state.market(symbol))
        return turn.finish()

    def deleverage(self, account: str, symbol: str, contracts: Decimal, now: Millis) -> tuple[Report, ...]:
        """Auto-deleverages part of a position: unsigned contracts, at mark, without fee.

        Raises Refused(REDUCE_ONLY) for more than the position, Refused(LOT) for no positive multiple of the lot.
        """
        turn = self._turn(now)
        settlement.deleverage(turn, self._state.market(symbol), self._state.account(account), contracts)
        return turn.finish()

    def rank(self, account: str, symbol: str, rank: Decimal) -> None:
        """Puts a position at a place in the queue of auto-deleveraging, from 0 (none) to 1 (next); it stays there until told again.

        Raises Refused(REDUCE_ONLY) for a contract that the account never traded, or a place that is none.
        """
        holding = self._state.account(account).holdings.get(self._state.market(symbol).contract.symbol)
        if holding is None or not ZERO <= rank <= ONE:
            raise Refused(Refusal.REDUCE_ONLY, f"{account} has no position in {symbol} to rank at {rank}")
        holding.rank = rank

    def order(self, account: str, symbol: str, *, order_id: int | None = None, client_order_id: str | None = None) -> Order | None:
        """An order, open or closed: by the venue's id when given, else the newest with the client's. None when unknown or forgotten."""
        order = self._state.account(account).find(symbol, order_id, client_order_id)
        return None if order is None else replace(order)

    def open_orders(self, account: str, symbol: str | None = None) -> tuple[Order, ...]:
        """Open orders, oldest first."""
        working = self._state.account(account).working.values()
        return tuple(replace(entry.order) for entry in working if symbol in (None, entry.order.request.symbol))

    def closed_orders(self, account: str, symbol: str | None = None, since: Millis = 0, limit: int = 500) -> tuple[Order, ...]:
        """Orders that ended, in that order: the first `limit` from `since` (by when they ended), or the newest when `since` is 0."""
        page = self._state.account(account).closed.page(since, limit, lambda order: symbol in (None, order.request.symbol))
        return tuple(replace(order) for order in page)

    def fills(self, account: str, symbol: str | None = None, since: Millis = 0, limit: int = 500) -> tuple[Fill, ...]:
        """Fills, oldest first: the first `limit` from `since`, or the newest when `since` is 0. The archive keeps `ARCHIVE_MAX`."""
        return self._state.account(account).fills.page(since, limit, lambda fill: symbol in (None, fill.symbol))

    def positions(self, account: str) -> tuple[Position, ...]:
        """Positions in every contract that the account ever traded; flat ones have zero contracts."""
        holder = self._state.account(account)
        return tuple(self._state.position(holder, holding) for holding in holder.holdings.values())

    def balances(self, account: str) -> tuple[Balance, ...]:
        """Cross margin by asset, for every asset that was ever deposited or settled in."""
        holder = self._state.account(account)
        return tuple(self._state.balance(holder, asset) for asset in tuple(holder.wallets))

    def tallies(self, account: str) -> Mapping[str, Tally]:
        """Each wallet by its causes (copies): deposits + realised PnL + funding - fees is the wallet, to the last decimal."""
        return {asset: replace(tally) for asset, tally in self._state.account(account).wallets.items()}

    def funding_payments(self, account: str, symbol: str | None = None, since: Millis = 0) -> tuple[FundingRecord, ...]:
        """Funding payments from `since`, oldest first."""
        return self._state.account(account).funding.page(since, ARCHIVE_MAX, lambda record: symbol in (None, record.symbol))

    def funding_rates(self, symbol: str, since: Millis = 0) -> tuple[tuple[Millis, Decimal], ...]:
        """Settled rates of a contract as (wall instant, rate), oldest first."""
        return self._state.market(symbol).rates.page(since, ARCHIVE_MAX, lambda _: True)

    def book(self, symbol: str, depth: int = 50) -> BookView:
        """The order book's best levels; empty before the first tick. `at` is the instant of the venue's newest operation."""
        return self._state.market(symbol).book.view(depth, self._state.now)

    def market(self, symbol: str) -> MarketView:
        """What is published beside the book. Raises Refused(NOT_TRADING) before the first tick."""
        return self._state.market(symbol).view(self._state.now)

    def leverage(self, account: str, symbol: str) -> Decimal:
        """The account's leverage in a contract, chosen or by default."""
        return self._state.leverage(self._state.account(account), self._state.market(symbol).contract)

    def outside(self, symbol: str) -> Decimal:
        """Net contracts held by everybody without an account here: minus the sum of all accounts' positions."""
        return self._state.market(symbol).outside

    def _turn(self, now: Millis) -> Turn:
        self._state.now = max(self._state.now, now)
        return Turn(self._state, self._state.now)


def _published(tick: MarketTick) -> tuple[Decimal, ...]:
    return tick.mark, tick.index, tick.funding_rate, tick.open_interest
