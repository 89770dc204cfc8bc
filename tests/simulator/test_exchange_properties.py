"""Whatever happens on the floor, in whatever order: what must be true of a venue stays true.

Random days of orders, cancels, ticks, funding and deleveraging over two accounts, a linear and an inverse contract. After each action the
checks below run on what everybody outside can see: the reports and the views.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.simulator.model import (
    BookReport,
    FillKind,
    FillReport,
    FundingReport,
    OrderKind,
    OrderReport,
    OrderRequest,
    OrderState,
    PublicTradeReport,
    Reason,
    Refused,
    Report,
    Side,
    TimeInForce,
)
from tests.simulator.floor import INVERSE, LINEAR, NOW, D, opened, tick

ACCOUNTS = ("ann", "bob")
CONTRACTS = {contract.symbol: contract for contract in (LINEAR, INVERSE)}
SYMBOLS = st.sampled_from(sorted(CONTRACTS))
NAMES = st.sampled_from(ACCOUNTS)


@dataclass(frozen=True)
class Place:
    """An order near the touch: lots, and ticks of ten from the last price."""

    account: str
    symbol: str
    side: Side
    kind: OrderKind
    tif: TimeInForce
    lots: int
    offset: int
    reduce_only: bool


@dataclass(frozen=True)
class Cancel:
    """One of the account's open orders goes."""

    account: str
    pick: int


@dataclass(frozen=True)
class Move:
    """The makers follow a new fair price with new depths; whoever is due is liquidated."""

    symbol: str
    moved: int
    tenths: tuple[int, ...]
    rate: int


@dataclass(frozen=True)
class Fund:
    """Funding settles."""

    symbol: str


@dataclass(frozen=True)
class Deleverage:
    """Some quarters of a position are taken away."""

    account: str
    symbol: str
    quarters: int


Action = Place | Cancel | Move | Fund | Deleverage

PLACES = st.builds(
    Place,
    account=NAMES,
    symbol=SYMBOLS,
    side=st.sampled_from(Side),
    kind=st.sampled_from([OrderKind.LIMIT, OrderKind.LIMIT, OrderKind.MARKET]),
    tif=st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK, TimeInForce.POST_ONLY]),
    lots=st.one_of(st.integers(2, 50), st.integers(500, 4000)),
    offset=st.integers(-12, 12),
    reduce_only=st.sampled_from([False, False, False, True]),
)
MOVES = st.builds(
    Move,
    symbol=SYMBOLS,
    moved=st.one_of(st.integers(-30, 30), st.integers(-2500, 2500)),
    tenths=st.lists(st.integers(0, 40), min_size=1, max_size=6).map(tuple),
    rate=st.integers(-40, 40),
)
OTHERS = st.one_of(
    st.builds(Cancel, account=NAMES, pick=st.integers(0, 20)),
    st.builds(Fund, symbol=SYMBOLS),
    st.builds(Deleverage, account=NAMES, symbol=SYMBOLS, quarters=st.integers(1, 4)),
)
ACTIONS = st.one_of(PLACES, PLACES, PLACES, MOVES, OTHERS)
DAYS = st.one_of(st.lists(ACTIONS, max_size=30), st.lists(ACTIONS, min_size=40, max_size=60))
"""Short days to shrink to; long ones because only they fill a book and use up a margin."""


class Floor:
    """Acts, and believes only the reports."""

    def __init__(self) -> None:
        self.now = NOW
        self.exchange = opened(LINEAR, INVERSE, balances={"USDT": "6000", "BTC": "0.2"})
        for account in ACCOUNTS:
            for symbol in CONTRACTS:
                self.exchange.set_leverage(account, symbol, D(40))
        self.copies: dict[str, dict[Side, dict[Decimal, Decimal]]] = {}
        self.sequences: dict[str, int] = {}
        for symbol in CONTRACTS:
            view = self.exchange.book(symbol)
            self.sequences[symbol] = view.sequence
            self.copies[symbol] = {
                Side.BUY: {level.price: level.contracts for level in view.bids},
                Side.SELL: {level.price: level.contracts for level in view.asks},
            }
        self.held: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.cash: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self.told: dict[int, OrderReport] = {}

    def act(self, action: Action) -> None:
        """One action, and everything that has to hold after it."""
        match action:
            case Place():
                self.place(action)
            case Cancel():
                self.cancel(action)
            case Move():
                fair = max(D(20_000), self.exchange.market(action.symbol).last + action.moved)
                depth = tuple(D(tenth) / 10 for tenth in action.tenths)
                moved = tick(fair, symbol=action.symbol, depth=depth, funding_rate=D(action.rate) / 10_000)
                self.hear(self.exchange.on_tick(moved, self.step()))
            case Fund():
                self.hear(self.exchange.settle_funding(action.symbol, self.step()))
            case Deleverage():
                self.deleverage(action)
        self.books_are_uncrossed_and_as_told()
        self.contracts_are_conserved()
        self.cash_is_conserved()
        self.working_orders_rest_and_reduce()

    def place(self, action: Place) -> None:
        contract = CONTRACTS[action.symbol]
        request = OrderRequest(
            account=action.account,
            symbol=action.symbol,
            side=action.side,
            kind=action.kind,
            time_in_force=action.tif,
            contracts=action.lots * contract.lot,
            price=self.exchange.market(action.symbol).last + action.offset if action.kind is OrderKind.LIMIT else None,
            reduce_only=action.reduce_only,
        )
        book = self.exchange.book(action.symbol, depth=1000)
        try:
            order, reports = self.exchange.place(request, self.step())
        except Refused:
            return
        self.hear(reports)
        prices = [report.fill.price for report in reports if isinstance(report, FillReport) and report.fill.order_id == order.order_id]
        assert prices == sorted(prices, reverse=action.side is Side.SELL), "the best price first"
        assert set(prices) <= {level.price for level in (book.asks if action.side is Side.BUY else book.bids)}
        if request.price is not None:
            assert all((request.price - price) * action.side.sign >= 0 for price in prices)
        if action.tif is TimeInForce.FOK:
            assert order.filled in (0, order.request.contracts)
        if action.tif is TimeInForce.POST_ONLY:
            assert order.filled == 0
        if action.tif in (TimeInForce.IOC, TimeInForce.FOK) or action.kind is OrderKind.MARKET:
            assert not order.state.is_open

    def cancel(self, action: Cancel) -> None:
        working = self.exchange.open_orders(action.account)
        if working:
            order = working[action.pick % len(working)]
            gone, reports = self.exchange.cancel(action.account, order.request.symbol, self.step(), order_id=order.order_id)
            assert gone.state is OrderState.CANCELED
            self.hear(reports)

    def deleverage(self, action: Deleverage) -> None:
        lot, held = CONTRACTS[action.symbol].lot, self.held[action.account, action.symbol]
        contracts = abs(held) * action.quarters // 4 // lot * lot
        if contracts:
            self.hear(self.exchange.deleverage(action.account, action.symbol, contracts, self.step()))
            assert abs(self.held[action.account, action.symbol]) == abs(held) - contracts

    def step(self) -> int:
        self.now += 7
        return self.now

    def hear(self, reports: tuple[Report, ...]) -> None:
        """Takes every report at its word; each public trade must be matched by fills that sum to no more than its two sides."""
        public: dict[int, PublicTradeReport] = {}
        fills: dict[int, list[FillReport]] = defaultdict(list)
        for report in reports:
            match report:
                case PublicTradeReport():
                    public[report.trade_id] = report
                case FillReport():
                    fills[report.fill.fill_id].append(report)
                    fill = report.fill
                    self.held[fill.account, fill.symbol] += fill.contracts * fill.side.sign
                    self.cash[fill.account, fill.fee_asset] += fill.realised_pnl - fill.fee
                case FundingReport():
                    self.cash[report.record.account, report.record.asset] += report.record.amount
                case OrderReport():
                    self.hear_order(report)
                case BookReport():
                    self.hear_book(report)
                case _:
                    pass
        for fill_id, told in fills.items():
            kinds = {report.fill.kind for report in told}
            if kinds == {FillKind.AUTO_DELEVERAGING}:
                continue
            trade = public.pop(fill_id)
            assert {report.fill.contracts for report in told} == {trade.contracts}
            assert {report.fill.price for report in told} == {trade.price}
            assert len({report.fill.side for report in told}) == len({report.fill.account for report in told}) == len(told) <= 2
            assert all((report.fill.side is trade.side) is not report.fill.is_maker for report in told)
        assert public == {}, "every public trade involves an account"

    def hear_order(self, report: OrderReport) -> None:
        order = report.order
        before = self.told.get(order.order_id)
        if before is None:
            assert order.state is OrderState.NEW
        else:
            assert before.order.state.is_open, "nothing follows an order's end"
            assert before.order.filled <= order.filled
        assert 0 <= order.filled <= order.request.contracts
        assert (order.state is OrderState.FILLED) is (order.leaves == 0)
        self.told[order.order_id] = report

    def hear_book(self, report: BookReport) -> None:
        assert report.first_sequence == self.sequences[report.symbol] + 1
        self.sequences[report.symbol] = report.last_sequence
        for side, levels in ((Side.BUY, report.bids), (Side.SELL, report.asks)):
            for level in levels:
                self.copies[report.symbol][side][level.price] = level.contracts
                if not level.contracts:
                    del self.copies[report.symbol][side][level.price]

    def books_are_uncrossed_and_as_told(self) -> None:
        """Diffs alone rebuild each book, and its sides never meet."""
        for symbol in CONTRACTS:
            view = self.exchange.book(symbol, depth=1000)
            assert {level.price: level.contracts for level in view.bids} == self.copies[symbol][Side.BUY]
            assert {level.price: level.contracts for level in view.asks} == self.copies[symbol][Side.SELL]
            assert view.sequence == self.sequences[symbol]
            assert all(level.contracts > 0 for level in (*view.bids, *view.asks))
            if view.bids and view.asks:
                assert view.bids[0].price < view.asks[0].price

    def contracts_are_conserved(self) -> None:
        """Positions are the sum of fills, and all of them with the outside world's are nothing."""
        for symbol in CONTRACTS:
            held = {
                position.account: position.contracts
                for name in ACCOUNTS
                for position in self.exchange.positions(name)
                if position.symbol == symbol
            }
            for name in ACCOUNTS:
                assert held.get(name, D(0)) == self.held[name, symbol]
            assert sum(held.values(), D(0)) + self.exchange.outside(symbol) == 0

    def cash_is_conserved(self) -> None:
        """wallet = deposits + realised PnL + funding - fees, to the last decimal, by the reports and by the tally."""
        for name in ACCOUNTS:
            tallies = self.exchange.tallies(name)
            for balance in self.exchange.balances(name):
                deposit = D(6_000) if balance.asset == "USDT" else D("0.2")
                tally = tallies[balance.asset]
                assert balance.wallet == deposit + self.cash[name, balance.asset]
                assert balance.wallet == tally.deposits + tally.realised_pnl + tally.funding - tally.fees
                assert balance.margin_balance == balance.wallet + balance.unrealised_pnl
                assert balance.available >= 0

    def working_orders_rest_and_reduce(self) -> None:
        """Each level holds at least its accounts' orders, and a reduce-only order never asks for more than the position."""
        for name in ACCOUNTS:
            for order in self.exchange.open_orders(name):
                request = order.request
                assert request.price is not None
                assert self.copies[request.symbol][request.side][request.price] >= order.leaves > 0
                assert self.told[order.order_id].order == order
                if request.reduce_only:
                    held = self.held[name, request.symbol]
                    assert held * request.side.sign < 0
                    assert order.leaves <= abs(held)


@given(DAYS)
@settings(max_examples=100, deadline=None)
def test_what_must_be_true_of_a_venue_stays_true(day: list[Action]) -> None:
    floor = Floor()
    for action in day:
        floor.act(action)


def drawn(chance: Random) -> Action:
    """An action with even odds, where Hypothesis prefers small and repeated values."""
    account, symbol = chance.choice(ACCOUNTS), chance.choice(sorted(CONTRACTS))
    match chance.choices(["place", "move", "cancel", "fund", "deleverage"], [10, 5, 1, 1, 1])[0]:
        case "place":
            tif, kind = chance.choice([*TimeInForce, TimeInForce.GTC]), chance.choice([OrderKind.LIMIT, OrderKind.LIMIT, OrderKind.MARKET])
            lots, offset, reduces = chance.randint(2, 4000), chance.randint(-12, 12), chance.random() < 0.2
            return Place(account, symbol, chance.choice(list(Side)), kind, tif, lots, offset, reduces)
        case "move":
            moved = chance.choice([chance.randint(-20, 20), chance.randint(-2500, 2500)])
            return Move(symbol, moved, tuple(chance.randint(0, 40) for _ in range(chance.randint(0, 6))), chance.randint(-40, 40))
        case "cancel":
            return Cancel(account, chance.randint(0, 20))
        case "fund":
            return Fund(symbol)
        case _:
            return Deleverage(account, symbol, chance.randint(1, 4))


def test_long_days_in_which_everything_happens() -> None:
    """Thirty seeded days of 120 actions; together they show every kind of fill and every way an order can end."""
    kinds, ends = set[FillKind](), set[tuple[OrderState, str]]()
    for seed in range(30):
        floor, chance = Floor(), Random(seed)
        for _ in range(120):
            floor.act(drawn(chance))
        kinds |= {fill.kind for name in ACCOUNTS for fill in floor.exchange.fills(name, limit=10_000)}
        ends |= {(order.state, order.reason) for name in ACCOUNTS for order in floor.exchange.closed_orders(name, limit=10_000)}
    assert kinds == set(FillKind)
    assert ends >= {
        (OrderState.FILLED, ""),
        (OrderState.CANCELED, Reason.ASKED),
        (OrderState.CANCELED, Reason.LIQUIDATION),
        (OrderState.CANCELED, Reason.AUTO_DELEVERAGING),
        (OrderState.EXPIRED, Reason.IMMEDIATE),
        (OrderState.EXPIRED, Reason.REDUCE_ONLY),
        (OrderState.EXPIRED, Reason.SELF_TRADE),
        (OrderState.REJECTED, Reason.POST_ONLY),
        (OrderState.REJECTED, Reason.FILL_OR_KILL),
    }
