"""All that one simulated venue is at one moment: its markets, its accounts, its counters; and the views of them that leave the engine.

Views are copies. Before the first tick of a contract there is no mark price, and nothing may be said about its market: NOT_TRADING.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count

from bot.core.units import ZERO, Millis
from bot.simulator import margin
from bot.simulator.accounts import Account, Archive, Holding
from bot.simulator.book import OrderBook, Resting
from bot.simulator.model import (
    Balance,
    Contract,
    MarketTick,
    MarketView,
    Position,
    Refusal,
    Refused,
    Side,
)

LEVERAGE_DEFAULT = Decimal(10)
"""Leverage of a contract for which the account never chose one, or its first tier's maximum where that is lower."""


@dataclass(slots=True)
class Market:
    """One contract's book and what is published beside it. `outside` is the net contracts of everybody who has no account here."""

    contract: Contract
    book: OrderBook
    next_funding_at: Millis
    tick: MarketTick | None = None
    last: Decimal = ZERO
    outside: Decimal = ZERO
    quotes: dict[Side, dict[Decimal, Resting]] = field(default_factory=lambda: {side: {} for side in Side})
    rates: Archive[tuple[Millis, Decimal]] = field(default_factory=lambda: Archive(lambda settled: settled[0]))

    @property
    def known(self) -> MarketTick:
        """The newest tick. Raises Refused(NOT_TRADING) before the first."""
        if self.tick is None:
            raise Refused(Refusal.NOT_TRADING, f"{self.contract.symbol} has no mark price yet")
        return self.tick

    @property
    def rate(self) -> Decimal:
        """The funding rate of this interval, inside the contract's cap."""
        cap = self.contract.funding_cap
        return max(-cap, min(cap, self.known.funding_rate))

    def view(self, at: Millis) -> MarketView:
        """What everybody may see. Raises Refused(NOT_TRADING) before the first tick."""
        tick = self.known
        return MarketView(
            contract=self.contract,
            mark=tick.mark,
            index=tick.index,
            last=self.last,
            funding_rate=self.rate,
            next_funding_at=self.next_funding_at,
            open_interest=tick.open_interest,
            at=at,
        )


@dataclass(slots=True)
class VenueState:
    """One venue. `ids` numbers orders, fills and payments; it starts at the opening time so that ids of two runs do not collide."""

    name: str
    markets: dict[str, Market]
    now: Millis
    ids: count[int]
    accounts: dict[str, Account] = field(default_factory=dict)

    def market(self, symbol: str) -> Market:
        """A listed contract's market. Raises Refused(UNKNOWN_SYMBOL)."""
        market = self.markets.get(symbol)
        if market is None:
            raise Refused(Refusal.UNKNOWN_SYMBOL, f"{symbol} is not listed on {self.name}")
        return market

    def account(self, name: str) -> Account:
        """An open account. Raises Refused(UNKNOWN_ACCOUNT)."""
        account = self.accounts.get(name)
        if account is None:
            raise Refused(Refusal.UNKNOWN_ACCOUNT, f"no account {name} on {self.name}")
        return account

    def mark(self, symbol: str) -> Decimal:
        """The contract's mark price. Raises Refused(NOT_TRADING) before the first tick."""
        return self.markets[symbol].known.mark

    def leverage(self, account: Account, contract: Contract) -> Decimal:
        """The account's leverage in a contract, chosen or by default."""
        return account.settings.leverage.get(contract.symbol) or min(LEVERAGE_DEFAULT, contract.tiers[0].leverage_max)

    def held(self, account: Account, asset: str) -> tuple[Holding, ...]:
        """The account's open positions that settle in an asset."""
        return tuple(holding for holding in account.holdings.values() if holding.contracts and holding.contract.settle == asset)

    def balance(self, account: Account, asset: str) -> Balance:
        """Cross margin of one asset: what is there, what positions and open orders bind, what is free (see `committed`)."""
        wallet = account.tally(asset).wallet
        unrealised, required = self.at_stake(account, asset)
        bound = sum((self.committed(account, market) for market in self.markets.values() if market.contract.settle == asset), ZERO)
        return Balance(
            account=account.name,
            asset=asset,
            wallet=wallet,
            unrealised_pnl=unrealised,
            initial_margin=bound,
            maintenance_margin=required,
            margin_balance=wallet + unrealised,
            available=max(ZERO, wallet + unrealised - bound),
        )

    def at_stake(self, account: Account, asset: str) -> tuple[Decimal, Decimal]:
        """Unrealised PnL and maintenance margin of all positions that settle in an asset."""
        unrealised = required = ZERO
        for holding in self.held(account, asset):
            mark = self.mark(holding.contract.symbol)
            unrealised += holding.unrealised(mark)
            required += margin.maintenance(holding.contract, holding.contracts, mark)
        return unrealised, required

    def free(self, account: Account, asset: str) -> Decimal:
        """Margin balance that nothing binds; negative when the price has moved against the account since it was bound."""
        balance = self.balance(account, asset)
        return balance.margin_balance - balance.initial_margin

    def committed(self, account: Account, market: Market, *, buys: Decimal = ZERO, sells: Decimal = ZERO) -> Decimal:
        """Initial margin bound by one contract at the current mark, in settle units: that of `worst`."""
        worst = self.worst(account, market.contract.symbol, buys=buys, sells=sells)
        if not worst:
            return ZERO
        return margin.initial(market.contract, worst, market.known.mark, self.leverage(account, market.contract))

    def worst(self, account: Account, symbol: str, *, buys: Decimal = ZERO, sells: Decimal = ZERO) -> Decimal:
        """Unsigned contracts of the position, or of what it becomes when one side's open orders all fill, whichever is largest.

        `buys` and `sells` are contracts of an order still to be accepted. Reduce-only orders bind nothing.
        """
        for entry in account.working.values():
            request = entry.order.request
            if request.symbol == symbol and not request.reduce_only:
                if request.side is Side.BUY:
                    buys += entry.order.leaves
                else:
                    sells += entry.order.leaves
        holding = account.holdings.get(symbol)
        held = ZERO if holding is None else holding.contracts
        return max(abs(held), abs(held + buys), abs(held - sells))

    def position(self, account: Account, holding: Holding) -> Position:
        """One position at the current mark."""
        contract = holding.contract
        mark, leverage = self.mark(contract.symbol), self.leverage(account, contract)
        return Position(
            account=account.name,
            symbol=contract.symbol,
            contracts=holding.contracts,
            entry_price=margin.entry_price(contract, holding.contracts, holding.cost),
            mark_price=mark,
            unrealised_pnl=holding.unrealised(mark),
            maintenance_margin=margin.maintenance(contract, holding.contracts, mark),
            initial_margin=margin.initial(contract, holding.contracts, mark, leverage),
            liquidation_price=self._liquidation_price(account, holding, mark),
            leverage=leverage,
            opened_at=holding.opened_at,
            updated_at=holding.updated_at,
            isolated=contract.symbol in account.settings.isolated,
            deleveraging_rank=holding.rank if holding.contracts else ZERO,
        )

    def _liquidation_price(self, account: Account, holding: Holding, mark: Decimal) -> Decimal | None:
        rest = account.tally(holding.contract.settle).wallet
        for other in self.held(account, holding.contract.settle):
            if other is not holding:
                other_mark = self.mark(other.contract.symbol)
                rest += other.unrealised(other_mark) - margin.maintenance(other.contract, other.contracts, other_mark)
        return margin.liquidation_price(holding.contract, holding.contracts, holding.cost, mark, rest)
