"""What an account holds, as USD-M tells it: `account` and `positionRisk` in their versions 2 and 3, `balance`, `symbolConfig`.

Version 3 lists only what is held, and names neither leverage nor margin type. Notional values are quote units, signed like the position.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.accounts import steps_of
from bot.simulator.dialects.binance.account import ADL_STEPS, held, position_margins, tier_of
from bot.simulator.dialects.binance.face import Row
from bot.simulator.dialects.binance.rows import asset_row
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.wire import lowest, text
from bot.simulator.model import Balance, Position


def account(call: Call) -> Outcome:
    """GET account, version 3: totals, assets, open positions."""
    return Outcome(account_row(call.exchange.balances(call.account), held(call), position_margins(call), call.now))


def account_v2(call: Call) -> Outcome:
    """GET account, version 2: also what the account may do."""
    permissions = {
        "feeTier": 0,
        "feeBurn": False,
        "canTrade": True,
        "canDeposit": True,
        "canWithdraw": True,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
    }
    return Outcome(permissions | account(call).value)


def balance(call: Call) -> Outcome:
    """GET balance: one row per margin asset."""
    return Outcome([balance_row(one, call.now) for one in call.exchange.balances(call.account)])


def position_risk(call: Call) -> Outcome:
    """GET positionRisk, version 3: only what is held."""
    contract = call.contract_or_none()
    chosen = [position for position in held(call) if contract is None or position.symbol == contract.symbol]
    return Outcome([position_risk_v3(position, call.exchange.contracts[position.symbol].settle) for position in chosen])


def position_risk_all(call: Call) -> Outcome:
    """GET positionRisk, version 2: every symbol that was ever traded, flat ones too."""
    contract = call.contract_or_none()
    rows = []
    for position in call.exchange.positions(call.account):
        if contract is None or position.symbol == contract.symbol:
            listed = call.exchange.contracts[position.symbol]
            most = tier_of(listed, position.leverage).cap
            rows.append(position_risk_v2(position, listed.settle, most))
    return Outcome(rows)


def symbol_config(call: Call) -> Outcome:
    """GET symbolConfig: margin type and leverage of one symbol or of all."""
    contract, isolated = call.contract_or_none(), call.exchange.settings(call.account).isolated
    rows = []
    for listed in call.exchange.contracts.values() if contract is None else (contract,):
        leverage = call.exchange.leverage(call.account, listed.symbol)
        rows.append(
            {
                "symbol": listed.symbol,
                "marginType": "ISOLATED" if listed.symbol in isolated else "CROSSED",
                "isAutoAddMargin": False,
                "leverage": int(leverage),
                "maxNotionalValue": lowest(tier_of(listed, leverage).cap),
            }
        )
    return Outcome(rows)


def position_risk_v3(position: Position, margin_asset: str) -> Row:
    """A position as `positionRisk` version 3 lists it. A liquidation price of "0" means that there is none."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.contracts),
        "entryPrice": text(position.entry_price),
        "breakEvenPrice": text(position.entry_price),
        "markPrice": text(position.mark_price),
        "unRealizedProfit": text(position.unrealised_pnl),
        "liquidationPrice": text(position.liquidation_price or ZERO),
        "isolatedMargin": _isolated_margin(position),
        "notional": text(position.contracts * position.mark_price),
        "marginAsset": margin_asset,
        "isolatedWallet": _isolated_wallet(position),
        "initialMargin": text(position.initial_margin),
        "maintMargin": text(position.maintenance_margin),
        "positionInitialMargin": text(position.initial_margin),
        "openOrderInitialMargin": "0",
        "adl": steps_of(position.deleveraging_rank, ADL_STEPS),
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": position.updated_at,
    }


def _isolated_wallet(position: Position) -> str:
    return text(position.initial_margin) if position.isolated else "0"


def _isolated_margin(position: Position) -> str:
    """What lies in the position's own wallet, and its unrealised profit."""
    return text(position.initial_margin + position.unrealised_pnl) if position.isolated else "0"


def position_risk_v2(position: Position, margin_asset: str, notional_max: Decimal) -> Row:
    """The older version, which also names leverage and margin type."""
    return position_risk_v3(position, margin_asset) | {
        "leverage": text(position.leverage.normalize()),
        "maxNotionalValue": text(notional_max),
        "marginType": "isolated" if position.isolated else "cross",
        "isAutoAddMargin": "false",
    }


def account_position(position: Position) -> Row:
    """A position inside `account` version 3."""
    return {
        "symbol": position.symbol,
        "positionSide": "BOTH",
        "positionAmt": text(position.contracts),
        "unrealizedProfit": text(position.unrealised_pnl),
        "isolatedMargin": _isolated_margin(position),
        "notional": text(position.contracts * position.mark_price),
        "isolatedWallet": _isolated_wallet(position),
        "initialMargin": text(position.initial_margin),
        "maintMargin": text(position.maintenance_margin),
        "updateTime": position.updated_at,
    }


def balance_row(balance: Balance, now: Millis) -> Row:
    """A margin asset as `balance` lists it."""
    return {
        "accountAlias": "SgsR",
        "asset": balance.asset,
        "balance": text(balance.wallet),
        "crossWalletBalance": text(balance.wallet),
        "crossUnPnl": text(balance.unrealised_pnl),
        "availableBalance": text(balance.available),
        "maxWithdrawAmount": text(balance.available),
        "marginAvailable": True,
        "updateTime": now,
    }


def account_row(balances: Sequence[Balance], positions: Iterable[Position], margins: dict[str, Decimal], now: Millis) -> Row:
    """`account` version 3. The totals count USDT only, as in the venue's single-asset mode."""
    usdt = [balance for balance in balances if balance.asset == "USDT"]

    def total(name: str) -> str:
        return text(sum((getattr(balance, name) for balance in usdt), ZERO))

    position_margin = margins.get("USDT", ZERO)
    order_margin = max(ZERO, sum((balance.initial_margin for balance in usdt), ZERO) - position_margin)
    return {
        "totalInitialMargin": total("initial_margin"),
        "totalMaintMargin": total("maintenance_margin"),
        "totalWalletBalance": total("wallet"),
        "totalUnrealizedProfit": total("unrealised_pnl"),
        "totalMarginBalance": total("margin_balance"),
        "totalPositionInitialMargin": text(position_margin),
        "totalOpenOrderInitialMargin": text(order_margin),
        "totalCrossWalletBalance": total("wallet"),
        "totalCrossUnPnl": total("unrealised_pnl"),
        "availableBalance": total("available"),
        "maxWithdrawAmount": total("available"),
        "assets": [asset_row(balance, margins.get(balance.asset, ZERO), now) | {"marginAvailable": True} for balance in balances],
        "positions": [account_position(position) for position in positions],
    }
