"""A trading floor for tests: one linear and one inverse contract, ticks with round numbers, short ways to place orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import TypeVar

from bot.simulator.exchange import Exchange
from bot.simulator.model import (
    Contract,
    MarketTick,
    Order,
    OrderKind,
    OrderRequest,
    Report,
    Side,
    Tier,
    TimeInForce,
)

NOW = 1_700_000_000_000
HOUR_MS = 3_600_000
D = Decimal

LINEAR = Contract(
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    settle="USDT",
    contract_size=D(1),
    tick=D("0.1"),
    lot=D("0.001"),
    contracts_min=D("0.002"),
    contracts_max=D(100),
    notional_min=D(100),
    maker_fee=D("0.0002"),
    taker_fee=D("0.0005"),
    funding_interval_ms=8 * HOUR_MS,
    funding_cap=D("0.003"),
    price_band=D("0.05"),
    tiers=(Tier(D(500_000), D(50), D("0.01")), Tier(D(5_000_000), D(10), D("0.05"), D(20_000))),
)
INVERSE = replace(
    LINEAR,
    symbol="BTCUSD",
    quote="USD",
    settle="BTC",
    inverse=True,
    contract_size=D(100),
    tick=D("0.5"),
    lot=D(1),
    contracts_min=D(1),
    contracts_max=D(100_000),
    notional_min=D(0),
    tiers=(Tier(D(5_000_000), D(50), D("0.005")),),
)

FLAT = (D(1),) * 3
"""Three levels of one base unit each."""

AnyReport = TypeVar("AnyReport", bound=Report)


def tick(fair: str | Decimal = "50000", *, symbol: str = "BTCUSDT", mark: str | Decimal | None = None, **changes: object) -> MarketTick:
    """Makers at fair -/+ 1, 2, 3 with one base unit each; mark and index at fair unless told otherwise."""
    price = D(fair)
    plain = MarketTick(
        symbol=symbol,
        fair=price,
        mark=price if mark is None else D(mark),
        index=price,
        funding_rate=D("0.0001"),
        half_spread=D(1),
        depth=FLAT,
        open_interest=D(80_000),
        spread_step=D(1),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # the tests' own keywords


def opened(
    *contracts: Contract, balances: Mapping[str, str] | None = None, accounts: tuple[str, ...] = ("ann", "bob"), **options: object
) -> Exchange:
    """An exchange with funded accounts whose contracts all trade at 50,000."""
    exchange = Exchange("test", contracts or (LINEAR,), now=NOW, **options)  # type: ignore[arg-type]  # the tests' own keywords
    for account in accounts:
        exchange.open_account(account, {asset: D(deposit) for asset, deposit in (balances or {"USDT": "100000", "BTC": "10"}).items()})
    for contract in contracts or (LINEAR,):
        exchange.on_tick(tick(symbol=contract.symbol), NOW)
    return exchange


def asks(
    side: Side,
    contracts: str | Decimal,
    price: str | Decimal | None = None,
    *,
    account: str = "ann",
    symbol: str = "BTCUSDT",
    tif: TimeInForce | None = None,
    reduce_only: bool = False,
    client_id: str | None = None,
) -> OrderRequest:
    """A request: limit GTC when it has a price, market IOC when it has none."""
    usual = TimeInForce.IOC if price is None else TimeInForce.GTC
    return OrderRequest(
        account=account,
        symbol=symbol,
        side=side,
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        time_in_force=tif or usual,
        contracts=D(contracts),
        price=None if price is None else D(price),
        reduce_only=reduce_only,
        client_order_id=client_id,
    )


def buy(contracts: str | Decimal, price: str | Decimal | None = None, **options: object) -> OrderRequest:
    """A buy, see `asks`."""
    return asks(Side.BUY, contracts, price, **options)  # type: ignore[arg-type]  # the tests' own keywords


def sell(contracts: str | Decimal, price: str | Decimal | None = None, **options: object) -> OrderRequest:
    """A sell, see `asks`."""
    return asks(Side.SELL, contracts, price, **options)  # type: ignore[arg-type]  # the tests' own keywords


def placed(exchange: Exchange, request: OrderRequest, now: int = NOW + 1) -> Order:
    """Places and returns the order alone."""
    return exchange.place(request, now)[0]


def kept(exchange: Exchange, order: Order) -> Order:
    """The order as the exchange has it now."""
    found = exchange.order(order.request.account, order.request.symbol, order_id=order.order_id)
    assert found is not None
    return found


def only(reports: tuple[Report, ...], kind: type[AnyReport]) -> list[AnyReport]:
    """The reports of one kind, in order."""
    return [report for report in reports if isinstance(report, kind)]
