"""What an account holds, as COIN-M tells it: `account`, `balance`, `positionRisk`. Every amount is in coins of the margin asset.

`positionRisk` and `account` list every contract, flat ones too, with its leverage. `positionRisk` takes `marginAsset` or `pair`, never a
symbol: what else is sent is not looked at. `notionalValue` is coins, signed like the position; the mark of a flat position is "0".
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator import margin
from bot.simulator.dialects.binance.account import position_margins, tier_of
from bot.simulator.dialects.binance.face import Row, pair_of
from bot.simulator.dialects.binance.rows import asset_row
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.wire import lowest, text
from bot.simulator.model import Balance, Contract, Position


def account(call: Call) -> Outcome:
    """GET account: assets and every contract's position, with what the account may do."""
    margins = position_margins(call)
    balances = call.exchange.balances(call.account)
    return Outcome(
        {
            "assets": [asset_row(one, margins.get(one.asset, ZERO), call.now) for one in balances],
            "positions": [_account_position(call, contract) for contract in call.exchange.contracts.values()],
            "canDeposit": True,
            "canTrade": True,
            "canWithdraw": True,
            "feeTier": 0,
            "updateTime": 0,
        }
    )


def balance(call: Call) -> Outcome:
    """GET balance: one row per margin asset."""
    return Outcome([_balance_row(one, call.now) for one in call.exchange.balances(call.account)])


def position_risk(call: Call) -> Outcome:
    """GET positionRisk: every contract, or those of a pair or of a margin asset."""
    pair, asset = call.parameters.get("pair"), call.parameters.get("marginAsset")
    return Outcome(
        [
            _position_risk(call, contract)
            for contract in call.exchange.contracts.values()
            if pair in (None, pair_of(contract.symbol)) and asset in (None, contract.settle)
        ]
    )


def _position_risk(call: Call, contract: Contract) -> Row:
    position, leverage = _position(call, contract)
    flat, isolated = position is None or not position.contracts, _is_isolated(call, contract)
    return {
        "symbol": contract.symbol,
        "positionAmt": "0" if position is None else text(position.contracts),
        "entryPrice": "0.0" if position is None or flat else text(position.entry_price),
        "breakEvenPrice": "0.0" if position is None or flat else text(position.entry_price),
        "markPrice": "0.00000000" if position is None or flat else text(position.mark_price),
        "unRealizedProfit": "0.00000000" if position is None else text(position.unrealised_pnl),
        "liquidationPrice": "0" if position is None else text(position.liquidation_price or ZERO),
        "leverage": text(leverage.normalize()),
        "maxQty": lowest(tier_of(contract, leverage).cap),
        "marginType": "isolated" if isolated else "cross",
        "isolatedMargin": text(position.initial_margin + position.unrealised_pnl) if isolated and position is not None else "0.00000000",
        "isAutoAddMargin": "false",
        "positionSide": "BOTH",
        "notionalValue": _coins(contract, position),
        "isolatedWallet": text(position.initial_margin) if isolated and position is not None else "0",
        "updateTime": 0 if position is None else position.updated_at,
    }


def _account_position(call: Call, contract: Contract) -> Row:
    position, leverage = _position(call, contract)
    initial = "0" if position is None else text(position.initial_margin)
    return {
        "symbol": contract.symbol,
        "positionAmt": "0" if position is None else text(position.contracts),
        "initialMargin": initial,
        "maintMargin": "0" if position is None else text(position.maintenance_margin),
        "unrealizedProfit": "0.00000000" if position is None else text(position.unrealised_pnl),
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "leverage": text(leverage.normalize()),
        "isolated": _is_isolated(call, contract),
        "positionSide": "BOTH",
        "entryPrice": "0.0" if position is None or not position.contracts else text(position.entry_price),
        "breakEvenPrice": "0.0" if position is None or not position.contracts else text(position.entry_price),
        "maxQty": lowest(tier_of(contract, leverage).cap),
        "notionalValue": _coins(contract, position),
        "updateTime": 0 if position is None else position.updated_at,
    }


def _is_isolated(call: Call, contract: Contract) -> bool:
    return contract.symbol in call.exchange.settings(call.account).isolated


def _position(call: Call, contract: Contract) -> tuple[Position | None, Decimal]:
    """The position, None in a contract never traded, and the leverage."""
    traded = {position.symbol: position for position in call.exchange.positions(call.account)}
    return traded.get(contract.symbol), call.exchange.leverage(call.account, contract.symbol)


def _coins(contract: Contract, position: Position | None) -> str:
    return "0" if position is None else text(-margin.worth(contract, position.contracts, position.mark_price))


def _balance_row(balance: Balance, now: Millis) -> Row:
    return {
        "accountAlias": "SgsR",
        "asset": balance.asset,
        "balance": text(balance.wallet),
        "withdrawAvailable": text(balance.available),
        "crossWalletBalance": text(balance.wallet),
        "crossUnPnl": text(balance.unrealised_pnl),
        "availableBalance": text(balance.available),
        "updateTime": now,
    }
