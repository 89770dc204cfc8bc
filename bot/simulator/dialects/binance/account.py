"""The account's income, settings and listen keys. What it holds is told differently by each venue: `usd_m_account`, `coin_m_account`.

Accounts are one-way and cross-margined. Asking for what already is answers -4046 (margin type) or -4059 (position mode); asking for the
other mode is refused. Leverage is a whole number within the contract's tiers (-4028).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO
from bot.simulator.accounts import steps_of
from bot.simulator.dialects.binance.errors import ApiError, illegal, mandatory, unavailable
from bot.simulator.dialects.binance.face import Face, Row
from bot.simulator.dialects.binance.rows import fill_row, income_of_fill, income_of_funding, order_id_of
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.trading import EVERYTHING
from bot.simulator.dialects.binance.wire import lowest, text
from bot.simulator.dialects.dialect import as_number
from bot.simulator.model import Contract, Position, Refused, Tier

ADL_STEPS = 4
"""The last of the steps from 0 in which the place in the queue of auto-deleveraging is told."""


def position_margins(call: Call) -> dict[str, Decimal]:
    """Initial margin that positions bind, by asset: the rest of what an account binds is its orders'."""
    margins: dict[str, Decimal] = {}
    for position in call.exchange.positions(call.account):
        settle = call.exchange.contracts[position.symbol].settle
        margins[settle] = margins.get(settle, ZERO) + position.initial_margin
    return margins


def held(call: Call) -> list[Position]:
    """Open positions, and flat ones with working orders."""
    working = {order.request.symbol for order in call.exchange.open_orders(call.account)}
    return [position for position in call.exchange.positions(call.account) if position.contracts or position.symbol in working]


def tier_of(contract: Contract, leverage: Decimal) -> Tier:
    """The largest tier in which this leverage is still allowed."""
    allowed = [tier for tier in contract.tiers if tier.leverage_max >= leverage]
    return allowed[-1] if allowed else contract.tiers[0]


def adl_quantile(call: Call) -> Outcome:
    """GET adlQuantile: the place of each open position in the queue of auto-deleveraging, from 0 to 4."""
    symbols = {contract.symbol for contract in call.contracts()}
    rows = [
        {"symbol": position.symbol, "adlQuantile": {"LONG": 0, "SHORT": 0, "BOTH": steps_of(position.deleveraging_rank, ADL_STEPS)}}
        for position in call.exchange.positions(call.account)
        if position.contracts and position.symbol in symbols
    ]
    return Outcome(rows)


def leverage_bracket(call: Call) -> Outcome:
    """GET leverageBracket, of one symbol or of all. USD-M bounds a tier by notional, COIN-M by the base asset's quantity."""
    contract = call.contract_or_none()
    listed = call.exchange.contracts.values() if contract is None else (contract,)
    return Outcome([_brackets(call.face, each) for each in listed])


def _brackets(face: Face, contract: Contract) -> Row:
    brackets: list[Row] = []
    floor = ZERO
    for number, tier in enumerate(contract.tiers, start=1):
        brackets.append(
            {
                "bracket": number,
                "initialLeverage": int(tier.leverage_max),
                face.bracket_cap: as_number(tier.cap),
                face.bracket_floor: as_number(floor),
                "maintMarginRatio": as_number(tier.rate),
                "cum": as_number(tier.deduction),
            }
        )
        floor = tier.cap
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
    most = tier_of(contract, Decimal(wanted)).cap
    return Outcome({"leverage": wanted, call.face.position_max: lowest(most), "symbol": contract.symbol})


def set_margin_type(call: Call) -> Outcome:
    """POST marginType: a contract that a fault put into isolated margin can be put back while nothing is open or held there."""
    symbol = call.contract().symbol
    wanted = call.parameters.required("marginType").upper()
    isolated = call.exchange.settings(call.account).isolated
    if wanted == "CROSSED":
        if symbol not in isolated:
            raise ApiError(-4046, "No need to change margin type.")
        if any(order.request.symbol == symbol for order in call.exchange.open_orders(call.account)):
            raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")
        if any(position.symbol == symbol and position.contracts for position in call.exchange.positions(call.account)):
            raise ApiError(-4048, "Margin type cannot be changed if there exists position.")
        isolated.discard(symbol)
        return Outcome({"code": 200, "msg": "success"})
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
        settings = call.exchange.settings(call.account)
        if settings.hedge_mode:
            settings.hedge_mode = False
            return Outcome({"code": 200, "msg": "success"})
        raise ApiError(-4059, "No need to change position side.")
    raise unavailable()


def api_restrictions(call: Call) -> Outcome:
    """GET apiRestrictions of the spot host: what the key that asks may do."""
    told, ends_at = call.rights, call.rights.ends_at
    row: dict[str, Any] = {
        "ipRestrict": bool(told.addresses),
        "createTime": 1_698_645_219_000,
        "enableReading": True,
        "enableWithdrawals": told.withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": told.trade,
        "permitsUniversalTransfer": told.move,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": False,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": False,
    }
    return Outcome(row if ends_at is None else row | {"tradingAuthorityExpirationTime": ends_at})


def commission_rate(call: Call) -> Outcome:
    """GET commissionRate."""
    contract = call.contract()
    rates = {"makerCommissionRate": text(contract.maker_fee), "takerCommissionRate": text(contract.taker_fee)}
    return Outcome({"symbol": contract.symbol} | rates)


def user_trades(call: Call) -> Outcome:
    """GET userTrades: oldest first; the newest `limit` when neither `fromId` nor `startTime` says where to begin."""
    parameters = call.parameters
    order_id, from_id = parameters.integer("orderId"), parameters.integer("fromId")
    rows = [
        fill_row(call.face, contract, fill)
        for contract in call.contracts_named()
        for fill in call.exchange.fills(call.account, contract.symbol, 0, EVERYTHING)
        if (order_id is None or order_id_of(fill) == order_id) and (from_id is None or fill.fill_id >= from_id)
    ]
    rows.sort(key=lambda row: (row["time"], row["id"]))
    return Outcome(_windowed(call, rows, call.face.fills_page, from_start=from_id is not None))


def income(call: Call) -> Outcome:
    """GET income: funding, commission and realised profit, oldest first."""
    contract = call.contract_or_none()
    symbol = None if contract is None else contract.symbol
    wanted = call.parameters.get("incomeType")
    rows = [income_of_funding(record) for record in call.exchange.funding_payments(call.account, symbol, 0)]
    for fill in call.exchange.fills(call.account, symbol, 0, EVERYTHING):
        rows.extend(income_of_fill(fill))
    kept = sorted((row for row in rows if wanted is None or row["incomeType"] == wanted), key=lambda row: row["time"])
    return Outcome(_windowed(call, kept, (100, 1_000), from_start=False))


def _windowed(call: Call, rows: Iterable[Row], page: tuple[int, int], *, from_start: bool) -> list[Row]:
    start, end = call.parameters.integer("startTime"), call.parameters.integer("endTime")
    if start is not None and end is not None and start > end:
        raise ApiError(-1023, "Start time is greater than end time.")
    kept = [row for row in rows if (start is None or row["time"] >= start) and (end is None or row["time"] <= end)]
    limit = call.parameters.limit(*page)
    return kept[:limit] if from_start or start is not None else kept[-limit:]


def open_listen_key(call: Call) -> Outcome:
    """POST listenKey: the account's key, extended if it has one."""
    return Outcome({"listenKey": call.state.open_listen_key(call.account, call.now)})


def extend_listen_key(call: Call) -> Outcome:
    """PUT listenKey."""
    key = call.state.extend_listen_key(call.account, call.now)
    return Outcome({"listenKey": key} if call.face.extended_key_told else _NOTHING)


def close_listen_key(call: Call) -> Outcome:
    """DELETE listenKey."""
    call.state.close_listen_key(call.account, call.now)
    return Outcome(_NOTHING)


_NOTHING: dict[str, Any] = {}
