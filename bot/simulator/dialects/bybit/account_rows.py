"""The shapes of positions, wallets and the transaction log (source: v5 position and account endpoints, unified account, cross margin).

A position's value, margin and profit are in what its contract settles in: coins of an inverse one, whose `size` is USD.

Signs: `size` is unsigned with a `side`; in the log `funding` is positive when received and `fee` positive when paid, so that
change = cashFlow + funding - fee. Of per-coin fields that the unified account leaves empty, `availableToWithdraw` is one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.core.units import ONE, ZERO, Millis
from bot.simulator.accounts import steps_of
from bot.simulator.dialects.bybit.wire import (
    SIDES,
    Json,
    average,
    category_of,
    execution_id,
    funding_id,
    order_id,
    text,
    venue_order_id,
)
from bot.simulator.margin import tier_at, value
from bot.simulator.model import Balance, Contract, Fill, FillKind, FundingRecord, Position, Side

USD_COINS = frozenset({"USDT", "USDC", "USD"})
_LOG_TYPES: Mapping[FillKind, str] = {
    FillKind.TRADE: "TRADE",
    FillKind.AUTO_DELEVERAGING: "ADL",
    FillKind.LIQUIDATION: "LIQUIDATION",
}


_NOT_SIMULATED: Json = {
    "positionIdx": 0,
    "breakEvenPrice": "",
    "bustPrice": "",
    "positionBalance": "0",
    "curRealisedPnl": "",
    "cumRealisedPnl": "",
    "positionStatus": "Normal",
    "autoAddMargin": 0,
    "tradeMode": 0,
    "isReduceOnly": False,
    "tpslMode": "Full",
    "takeProfit": "",
    "stopLoss": "",
    "trailingStop": "0",
    "sessionAvgPrice": "",
    "mmrSysUpdatedTime": "",
    "leverageSysUpdatedTime": "",
}
"""Fields of a position that never differ here: one-way mode, cross margin, no attached orders."""


NOT_IN_ISOLATED: Json = dict.fromkeys(
    (
        *("accountIMRate", "accountMMRate", "accountIMRateByMp", "accountMMRateByMp", "totalMarginBalance", "totalAvailableBalance"),
        *("totalInitialMargin", "totalInitialMarginByMp", "totalMaintenanceMargin", "totalMaintenanceMarginByMp"),
    ),
    "",
)
"""Fields of the account as a whole, which are not applicable in isolated margin ("Get Wallet Balance")."""


def position_row(position: Position, contract: Contract) -> Json:
    """One position; a flat one has an empty side and size "0". The entry price is `avgPrice` over REST and `entryPrice` on the stream."""
    held = position.contracts
    worth = value(contract, held, position.entry_price) if held else ZERO
    tier = tier_at(contract, value(contract, held, position.mark_price)) if held else 0
    entry = average(position.entry_price) if held else "0"
    return {
        **_NOT_SIMULATED,
        "category": category_of(contract),
        "symbol": position.symbol,
        "side": (SIDES[Side.BUY] if held > ZERO else SIDES[Side.SELL]) if held else "",
        "size": text(abs(held)),
        "avgPrice": entry,
        "entryPrice": entry,
        "positionValue": text(worth) if held else "",
        "markPrice": text(position.mark_price),
        "liqPrice": average(position.liquidation_price, 4) if held else "",
        "leverage": text(position.leverage),
        "positionIM": text(position.initial_margin),
        "positionIMByMp": text(position.initial_margin),
        "positionMM": text(position.maintenance_margin),
        "positionMMByMp": text(position.maintenance_margin),
        "unrealisedPnl": text(position.unrealised_pnl) if held else "",
        "adlRankIndicator": steps_of(position.deleveraging_rank, 5),
        "riskId": tier + 1,
        "riskLimitValue": text(contract.tiers[tier].cap),
        "createdTime": str(position.opened_at),
        "updatedTime": str(position.updated_at),
        "seq": position.updated_at,
    }


def never_held(account: str, contract: Contract, mark: Decimal, leverage: Decimal) -> Position:
    """The flat position that the venue shows for a contract that the account never traded."""
    return Position(
        account=account,
        symbol=contract.symbol,
        contracts=ZERO,
        entry_price=ZERO,
        mark_price=mark,
        unrealised_pnl=ZERO,
        maintenance_margin=ZERO,
        initial_margin=ZERO,
        liquidation_price=None,
        leverage=leverage,
        opened_at=0,
        updated_at=0,
    )


def wallet_row(balances: Iterable[Balance], position_margin: Mapping[str, Decimal], prices: Mapping[str, Decimal]) -> Json:
    """The unified account: totals in USD over the coins whose price is known, rates as fractions of the margin balance.

    `position_margin` is the initial margin of positions by coin (the rest of a coin's initial margin is bound by orders); `prices` are
    index prices in USD by coin. A coin without a price has an empty `usdValue` and counts nowhere.
    """
    coins: list[Json] = []
    totals: dict[str, Decimal] = dict.fromkeys(("equity", "wallet", "upl", "im", "mm", "available"), ZERO)
    for balance in balances:
        if not (balance.wallet or balance.margin_balance or balance.initial_margin):
            continue  # the venue lists what is not zero
        price = ONE if balance.asset in USD_COINS else prices.get(balance.asset)
        coins.append(_coin(balance, position_margin.get(balance.asset, ZERO), price))
        if price is not None:
            totals["equity"] += balance.margin_balance * price
            totals["wallet"] += balance.wallet * price
            totals["upl"] += balance.unrealised_pnl * price
            totals["im"] += balance.initial_margin * price
            totals["mm"] += balance.maintenance_margin * price
            totals["available"] += balance.available * price
    im_rate, mm_rate = (f"{part / totals['equity']:.6f}" if totals["equity"] > ZERO else "" for part in (totals["im"], totals["mm"]))
    return {
        "accountType": "UNIFIED",
        "accountIMRate": im_rate,
        "accountMMRate": mm_rate,
        "accountIMRateByMp": im_rate,
        "accountMMRateByMp": mm_rate,
        "accountLTV": "",
        "totalEquity": text(totals["equity"]),
        "totalWalletBalance": text(totals["wallet"]),
        "totalMarginBalance": text(totals["equity"]),
        "totalAvailableBalance": text(totals["available"]),
        "totalPerpUPL": text(totals["upl"]),
        "totalInitialMargin": text(totals["im"]),
        "totalInitialMarginByMp": text(totals["im"]),
        "totalMaintenanceMargin": text(totals["mm"]),
        "totalMaintenanceMarginByMp": text(totals["mm"]),
        "coin": coins,
    }


def _coin(balance: Balance, position_margin: Decimal, price: Decimal | None) -> Json:
    return {
        "coin": balance.asset,
        "equity": text(balance.margin_balance),
        "usdValue": "" if price is None else text(balance.margin_balance * price),
        "walletBalance": text(balance.wallet),
        "locked": "0",
        "spotHedgingQty": "0",
        "spotBorrow": "0",
        "borrowAmount": "0",
        "accruedInterest": "0",
        "availableToWithdraw": "",
        "availableToBorrow": "",
        "totalOrderIM": text(max(ZERO, balance.initial_margin - position_margin)),
        "totalPositionIM": text(position_margin),
        "totalPositionMM": text(balance.maintenance_margin),
        "unrealisedPnl": text(balance.unrealised_pnl),
        "cumRealisedPnl": "",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
    }


def log_of_fill(fill: Fill, contract: Contract) -> Json:
    """A fill in the transaction log; `cashBalance` is filled in by whoever knows the order of events."""
    worth = value(contract, fill.contracts, fill.price)
    ours = fill.order_id if fill.kind is FillKind.TRADE else None
    return {
        "id": f"{fill.fill_id}_{fill.symbol}",
        "symbol": fill.symbol,
        "category": category_of(contract),
        "side": SIDES[fill.side],
        "transactionTime": str(fill.at),
        "type": _LOG_TYPES[fill.kind],
        "transSubType": "",
        "qty": text(fill.contracts),
        "size": "",
        "currency": fill.fee_asset,
        "tradePrice": text(fill.price),
        "funding": "",
        "fee": text(fill.fee),
        "cashFlow": text(fill.realised_pnl),
        "change": text(fill.realised_pnl - fill.fee),
        "cashBalance": "",
        "feeRate": text(fill.fee / worth),
        "bonusChange": "0",
        "tradeId": execution_id(fill.fill_id),
        "orderId": venue_order_id(fill.fill_id) if ours is None else order_id(ours),
        "orderLinkId": (fill.client_order_id or "") if ours is not None else "",
        "extraFees": "",
    }


def log_of_funding(record: FundingRecord, contract: Contract) -> Json:
    """A funding settlement in the transaction log: `funding` > 0 was received, the opposite sign of an execution's `execFee`."""
    side = Side.BUY if record.contracts > ZERO else Side.SELL
    return {
        "id": f"{record.payment_id}_{record.symbol}",
        "symbol": record.symbol,
        "category": category_of(contract),
        "side": SIDES[side],
        "transactionTime": str(record.at),
        "type": "SETTLEMENT",
        "transSubType": "",
        "qty": text(abs(record.contracts)),
        "size": text(record.contracts),
        "currency": record.asset,
        "tradePrice": text(record.mark_price),
        "funding": text(record.amount),
        "fee": "0",
        "cashFlow": "0",
        "change": text(record.amount),
        "cashBalance": "",
        "feeRate": text(record.rate * side.sign),
        "bonusChange": "0",
        "tradeId": funding_id(record.payment_id),
        "orderId": venue_order_id(record.payment_id),
        "orderLinkId": "",
        "extraFees": "",
    }


def at_of(row: Json) -> tuple[Millis, int]:
    """When a log row happened, and its number among those of the same instant."""
    return int(row["transactionTime"]), int(str(row["id"]).split("_", 1)[0])
