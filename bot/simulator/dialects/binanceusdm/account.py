"""The account: margin, positions, income, settings, listen keys.

Accounts are one-way and cross-margined. Asking for what already is answers -4046 (margin type) or -4059 (position mode); asking for the
other mode is refused. Leverage is a whole number within the contract's tiers (-4028).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO
from bot.simulator.dialects.binanceusdm.errors import ApiError, illegal, mandatory, unavailable
from bot.simulator.dialects.binanceusdm.rows import (
    Row,
    account_row,
    balance_row,
    fill_row,
    income_of_fill,
    income_of_funding,
    order_id_of,
    position_risk_v2,
    position_risk_v3,
)
from bot.simulator.dialects.binanceusdm.state import Call, Outcome
from bot.simulator.dialects.binanceusdm.trading import EVERYTHING
from bot.simulator.dialects.binanceusdm.wire import lowest, text
from bot.simulator.dialects.dialect import as_number
from bot.simulator.model import Contract, Position, Refused, Tier


def _held(call: Call) -> list[Position]:
    """Positions that the venue lists: open ones, and flat ones with working orders."""
    working = {order.request.symbol for order in call.exchange.open_orders(call.account)}
    return [position for position in call.exchange.positions(call.account) if position.contracts or position.symbol in working]


def _margins(call: Call) -> dict[str, Decimal]:
    margins: dict[str, Decimal] = {}
    for position in call.exchange.positions(call.account):
        settle = call.exchange.contracts[position.symbol].settle
        margins[settle] = margins.get(settle, ZERO) + position.initial_margin
    return margins


def account(call: Call) -> Outcome:
    """GET account, version 3: totals, assets, open positions."""
    row = account_row(call.exchange.balances(call.account), _held(call), _margins(call), call.now)
    return Outcome(row)


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
    return Outcome([balance_row(held, call.now) for held in call.exchange.balances(call.account)])


def position_risk(call: Call) -> Outcome:
    """GET positionRisk, version 3: only what is held."""
    contract = call.contract_or_none()
    held = [position for position in _held(call) if contract is None or position.symbol == contract.symbol]
    return Outcome([position_risk_v3(position, call.exchange.contracts[position.symbol].settle) for position in held])


def position_risk_all(call: Call) -> Outcome:
    """GET positionRisk, version 2: every symbol that was ever traded, flat ones too."""
    contract = call.contract_or_none()
    rows = []
    for position in call.exchange.positions(call.account):
        if contract is None or position.symbol == contract.symbol:
            listed = call.exchange.contracts[position.symbol]
            most = tier_of(listed, position.leverage).notional_max
            rows.append(position_risk_v2(position, listed.settle, most))
    return Outcome(rows)


def tier_of(contract: Contract, leverage: Decimal) -> Tier:
    """The largest tier in which this leverage is still allowed."""
    allowed = [tier for tier in contract.tiers if tier.leverage_max >= leverage]
    return allowed[-1] if allowed else contract.tiers[0]


def leverage_bracket(call: Call) -> Outcome:
    """GET leverageBracket, of one symbol or of all."""
    contract = call.contract_or_none()
    listed = call.exchange.contracts.values() if contract is None else (contract,)
    return Outcome([_brackets(each) for each in listed])


def _brackets(contract: Contract) -> Row:
    brackets: list[Row] = []
    floor = ZERO
    for number, tier in enumerate(contract.tiers, start=1):
        brackets.append(
            {
                "bracket": number,
                "initialLeverage": int(tier.leverage_max),
                "notionalCap": as_number(tier.notional_max),
                "notionalFloor": as_number(floor),
                "maintMarginRatio": as_number(tier.rate),
                "cum": as_number(tier.deduction),
            }
        )
        floor = tier.notional_max
    return {"symbol": contract.symbol, "notionalCoef": as_number(Decimal("1.00")), "brackets": brackets}


def set_leverage(call: Call) -> Outcome:
    """POST leverage."""
    contract = call.contract()
    wanted = call.parameters.integer("leverage")
    if wanted is None:
        raise mandatory("leverage")
    try:
        call.exchange.set_leverage(call.account, contract.symbol, Decimal(wanted))
    except Refused:
        raise ApiError(-4028, f"Leverage {wanted} is not valid") from None
    most = tier_of(contract, Decimal(wanted)).notional_max
    return Outcome({"leverage": wanted, "maxNotionalValue": lowest(most), "symbol": contract.symbol})


def set_margin_type(call: Call) -> Outcome:
    """POST marginType."""
    call.contract()
    wanted = call.parameters.required("marginType").upper()
    if wanted == "CROSSED":
        raise ApiError(-4046, "No need to change margin type.")
    if wanted != "ISOLATED":
        raise illegal("marginType", "^(ISOLATED|CROSSED)$")
    raise unavailable()


def position_mode(call: Call) -> Outcome:
    """GET positionSide/dual."""
    return Outcome({"dualSidePosition": call.exchange.settings(call.account).hedge_mode})


def set_position_mode(call: Call) -> Outcome:
    """POST positionSide/dual."""
    call.parameters.required("dualSidePosition")
    if not call.parameters.flag("dualSidePosition"):
        raise ApiError(-4059, "No need to change position side.")
    raise unavailable()


def symbol_config(call: Call) -> Outcome:
    """GET symbolConfig: margin type and leverage of one symbol or of all."""
    contract = call.contract_or_none()
    rows = []
    for listed in call.exchange.contracts.values() if contract is None else (contract,):
        leverage = call.exchange.leverage(call.account, listed.symbol)
        rows.append(
            {
                "symbol": listed.symbol,
                "marginType": "CROSSED",
                "isAutoAddMargin": False,
                "leverage": int(leverage),
                "maxNotionalValue": lowest(tier_of(listed, leverage).notional_max),
            }
        )
    return Outcome(rows)


def commission_rate(call: Call) -> Outcome:
    """GET commissionRate."""
    contract = call.contract()
    rates = {"makerCommissionRate": text(contract.maker_fee), "takerCommissionRate": text(contract.taker_fee)}
    return Outcome({"symbol": contract.symbol} | rates)


def user_trades(call: Call) -> Outcome:
    """GET userTrades: oldest first; the newest `limit` when neither `fromId` nor `startTime` says where to begin."""
    symbol = call.contract().symbol
    parameters = call.parameters
    order_id, from_id = parameters.integer("orderId"), parameters.integer("fromId")
    fills = [
        fill
        for fill in call.exchange.fills(call.account, symbol, 0, EVERYTHING)
        if (order_id is None or order_id_of(fill) == order_id) and (from_id is None or fill.fill_id >= from_id)
    ]
    return Outcome(_windowed(call, (fill_row(fill) for fill in fills), 500, from_start=from_id is not None))


def income(call: Call) -> Outcome:
    """GET income: funding, commission and realised profit, oldest first."""
    contract = call.contract_or_none()
    symbol = None if contract is None else contract.symbol
    wanted = call.parameters.get("incomeType")
    rows = [income_of_funding(record) for record in call.exchange.funding_payments(call.account, symbol, 0)]
    for fill in call.exchange.fills(call.account, symbol, 0, EVERYTHING):
        rows.extend(income_of_fill(fill))
    kept = sorted((row for row in rows if wanted is None or row["incomeType"] == wanted), key=lambda row: row["time"])
    return Outcome(_windowed(call, kept, 100, from_start=False))


def _windowed(call: Call, rows: Iterable[Row], default: int, *, from_start: bool) -> list[Row]:
    start, end = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    if start is not None and end is not None and start > end:
        raise ApiError(-1023, "Start time is greater than end time.")
    kept = [row for row in rows if (start is None or row["time"] >= start) and (end is None or row["time"] <= end)]
    limit = call.parameters.limit(default, 1_000)
    return kept[:limit] if from_start or start is not None else kept[-limit:]


def open_listen_key(call: Call) -> Outcome:
    """POST listenKey: the account's key, extended if it has one."""
    return Outcome({"listenKey": call.state.open_listen_key(call.account, call.now)})


def extend_listen_key(call: Call) -> Outcome:
    """PUT listenKey."""
    return Outcome({"listenKey": call.state.extend_listen_key(call.account, call.now)})


def close_listen_key(call: Call) -> Outcome:
    """DELETE listenKey."""
    call.state.close_listen_key(call.account, call.now)
    nothing: dict[str, Any] = {}
    return Outcome(nothing)
