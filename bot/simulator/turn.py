"""One operation on a venue: every change of state that it causes goes through here, and the reports of it, in order.

Reports of one operation come in this order:

    per order       OrderReport(NEW) when accepted; OrderReport again whenever it is filled, cut, canceled, expired or rejected
    per execution   PublicTradeReport, FillReport of the taker, OrderReport of the taker, FillReport and OrderReport of the maker
    at the end      PositionReport and BalanceReport once for each that changed, one BookReport per changed book, MarketReport

so a dialect that tells fills from FillReport skips OrderReports in a filled state, or the other way round. A liquidation or deleveraging
fill belongs to no order. Background makers get no reports. Both parties of an execution know it by the public trade's id.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator import margin
from bot.simulator.accounts import Account, Holding
from bot.simulator.model import (
    BalanceReport,
    Fill,
    FillKind,
    FillReport,
    FundingRecord,
    FundingReport,
    MarketReport,
    Order,
    OrderReport,
    OrderState,
    PositionReport,
    PublicTradeReport,
    Reason,
    Report,
    Side,
)
from bot.simulator.state import Market, VenueState


class Turn:
    """The changes and reports of one operation at one instant."""

    __slots__ = ("_books", "_markets", "_positions", "_wallets", "now", "reports", "state")

    def __init__(self, state: VenueState, now: Millis) -> None:
        self.state = state
        self.now = now
        self.reports: list[Report] = []
        self._positions: dict[tuple[str, str], tuple[Account, Holding]] = {}
        self._wallets: dict[tuple[str, str], Account] = {}
        self._books: dict[str, Market] = {}
        self._markets: dict[str, Market] = {}

    def accept(self, account: Account, order: Order) -> None:
        """A new order is the venue's from here on."""
        account.remember(order)
        self._tell(order)

    def end(self, account: Account, order: Order, state: OrderState, reason: Reason) -> None:
        """An open order closes without a fill."""
        self._leave_book(account, order)
        order.state, order.reason = state, reason
        self._touch(order)
        account.retire(order)
        self._tell(order)

    def public_trade(self, market: Market, taker: Side, contracts: Decimal, price: Decimal) -> int:
        """What everybody sees of an execution; returns its id."""
        trade_id = next(self.state.ids)
        market.last = price
        self.book_changed(market)
        self.reports.append(PublicTradeReport(market.contract.symbol, taker, contracts, price, trade_id, self.now))
        return trade_id

    def fill(
        self,
        market: Market,
        account: Account,
        order: Order | None,
        *,
        fill_id: int,
        side: Side,
        contracts: Decimal,
        price: Decimal,
        fee_rate: Decimal,
        is_maker: bool,
        kind: FillKind,
    ) -> None:
        """One party of an execution: its position, its wallet, its order, the record, and what its reduce-only orders may still do."""
        contract = market.contract
        holding, tally = account.holding(contract), account.tally(contract.settle)
        realised = holding.fill(contracts * side.sign, price, self.now)
        value = margin.value(contract, contracts, price)
        fee = margin.cash(value * fee_rate)
        tally.realised_pnl += realised
        tally.fees += fee
        if order is not None:
            self._fill_order(account, order, contracts, price, value, fee)
        record = Fill(
            fill_id=fill_id,
            order_id=None if order is None else order.order_id,
            client_order_id=None if order is None else order.request.client_order_id,
            account=account.name,
            symbol=contract.symbol,
            side=side,
            contracts=contracts,
            price=price,
            fee=fee,
            fee_asset=contract.settle,
            is_maker=is_maker,
            realised_pnl=realised,
            kind=kind,
            at=self.now,
        )
        account.fills.add(record)
        self.reports.append(FillReport(record, None if order is None else replace(order)))
        if order is not None:
            self._tell(order)
        self._positions[account.name, contract.symbol] = (account, holding)
        if realised or fee:
            self._wallets[account.name, contract.settle] = account
        self._trim_reduce_only(account, market, holding.contracts)

    def pay_funding(self, market: Market, account: Account, holding: Holding, mark: Decimal, rate: Decimal) -> None:
        """Settles one interval's funding of one position at this mark."""
        contract = market.contract
        paid = margin.funding(contract, holding.contracts, mark, rate)
        account.tally(contract.settle).funding += paid
        record = FundingRecord(
            payment_id=next(self.state.ids),
            account=account.name,
            symbol=contract.symbol,
            contracts=holding.contracts,
            mark_price=mark,
            rate=rate,
            amount=paid,
            asset=contract.settle,
            at=self.now,
        )
        account.funding.add(record)
        self.reports.append(FundingReport(record))
        self._wallets[account.name, contract.settle] = account

    def book_changed(self, market: Market) -> None:
        """A book may have changed: its diff is reported at the end, if there is one."""
        self._books[market.contract.symbol] = market

    def market_changed(self, market: Market) -> None:
        """Mark, index, rate, open interest or the next funding instant changed."""
        self._markets[market.contract.symbol] = market

    def finish(self) -> tuple[Report, ...]:
        """All reports of the operation, closed by positions, balances, books and markets as they now are."""
        for account, holding in self._positions.values():
            self.reports.append(PositionReport(self.state.position(account, holding)))
        for (_, asset), account in self._wallets.items():
            self.reports.append(BalanceReport(self.state.balance(account, asset)))
        for market in self._books.values():
            diff = market.book.drain(self.now)
            if diff is not None:
                self.reports.append(diff)
        for market in self._markets.values():
            self.reports.append(MarketReport(market.view(self.now)))
        return tuple(self.reports)

    def _fill_order(self, account: Account, order: Order, contracts: Decimal, price: Decimal, value: Decimal, fee: Decimal) -> None:
        order.filled += contracts
        order.notional_filled += contracts * price
        order.value_filled += value
        order.fees += fee
        order.reason = ""  # an earlier cut was told when it happened; from here on the fill is the news
        order.state = OrderState.PARTIALLY_FILLED if order.leaves else OrderState.FILLED
        self._touch(order)
        if not order.leaves:
            account.retire(order)

    def _trim_reduce_only(self, account: Account, market: Market, held: Decimal) -> None:
        """A reduce-only order never asks for more than the position that is left (OKX and Bybit cut it; without a position it ends)."""
        for entry in tuple(account.working.values()):
            order = entry.order
            if not order.request.reduce_only or order.request.symbol != market.contract.symbol:
                continue
            if held * order.request.side.sign >= ZERO:
                self.end(account, order, OrderState.EXPIRED, Reason.REDUCE_ONLY)
            elif order.leaves > abs(held):
                if entry.resting is not None:
                    market.book.take(entry.resting, order.leaves - abs(held))
                    self.book_changed(market)
                order.request = replace(order.request, contracts=order.filled + abs(held))
                order.reason = Reason.REDUCE_ONLY
                self._touch(order)
                self._tell(order)

    def _leave_book(self, account: Account, order: Order) -> None:
        entry = account.working[order.order_id]
        if entry.resting is not None:
            market = self.state.markets[order.request.symbol]
            market.book.remove(entry.resting)
            entry.resting = None
            self.book_changed(market)

    def _touch(self, order: Order) -> None:
        order.updated_at = self.now

    def _tell(self, order: Order) -> None:
        self.reports.append(OrderReport(replace(order)))
