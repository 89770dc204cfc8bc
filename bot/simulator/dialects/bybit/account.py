"""The private endpoints under /v5/position, /v5/account, /v5/user and /v5/asset (source: v5 documentation).

Every account is a unified trading account 2.0: one-way positions, cross margin. What would leave that (hedge mode, isolated margin) is
refused with the venue's code for "not available to you"; an account that a fault put elsewhere can come back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from bot.core.units import DAY_MS, ONE, ZERO, Millis
from bot.simulator.accounts import ARCHIVE_MAX
from bot.simulator.dialects.bybit.account_rows import (
    NOT_IN_ISOLATED,
    at_of,
    log_of_fill,
    log_of_funding,
    never_held,
    position_row,
    wallet_row,
)
from bot.simulator.dialects.bybit.codes import (
    HEDGE_MODE_UNAVAILABLE,
    LEVERAGE_TOO_HIGH,
    LEVERAGE_UNCHANGED,
    MARGIN_MODE_FAILED,
    MARGIN_TOO_SMALL,
    POSITION_MODE_UNCHANGED,
    UNIFIED_ACCOUNT_FORBIDS,
    ApiError,
    parameter,
)
from bot.simulator.dialects.bybit.dcp import WINDOW_SECONDS_DEFAULT, WINDOW_SECONDS_MAX, WINDOW_SECONDS_MIN
from bot.simulator.dialects.bybit.venue import Call, Result, Venue
from bot.simulator.dialects.bybit.wire import LINEAR, Json, category_of, has_position_modes, page, text
from bot.simulator.dialects.dialect import KeyRights
from bot.simulator.model import Contract, Refusal, Refused

_KEY_LIFE_MS: Millis = 90 * DAY_MS


def positions(call: Call) -> Result:
    """GET position/list: with `symbol` that contract's position also when it is flat, with `settleCoin` the open ones only.

    Of linear contracts one of the two is needed; without either, all open inverse positions are told.
    """
    if call.params.required("category") == "option":
        return Result(page([], "", "option"))
    category = call.params.category()
    symbol, settle = call.params.text("symbol"), call.params.text("settleCoin")
    call.params.integer("limit", default=20, low=1, high=200)
    held = {position.symbol: position for position in call.exchange.positions(call.account)}
    if symbol is None:
        if settle is None and category == LINEAR:
            raise parameter("Missing some parameters that must be filled in, symbol or settleCoin")
        listed = [contract for contract in call.venue.listed(category) if settle in {None, contract.settle}]
        shown = [held[contract.symbol] for contract in listed if contract.symbol in held and held[contract.symbol].contracts]
    else:
        contract = _contract(call, symbol)
        marks = [view.mark for view in call.venue.trading([symbol])]
        flat = never_held(call.account, contract, marks[0] if marks else ZERO, call.exchange.leverage(call.account, symbol))
        shown = [held.get(symbol, flat)]
    contracts = call.exchange.contracts
    return Result(page([position_row(position, contracts[position.symbol]) for position in shown], "", category))


def set_leverage(call: Call) -> Result:
    """POST position/set-leverage: both sides alike in one-way mode; 110043 when it is that already."""
    symbol = call.params.required("symbol")
    _contract(call, symbol)
    buy, sell = call.params.positive("buyLeverage"), call.params.positive("sellLeverage")
    if buy is None or buy != sell or buy < ONE:
        raise parameter("buy leverage invalid")
    before = call.exchange.leverage(call.account, symbol)
    if buy == before:
        raise ApiError(LEVERAGE_UNCHANGED, "leverage not modified")
    try:
        call.exchange.set_leverage(call.account, symbol, buy)
    except Refused as refusal:
        if refusal.refusal is not Refusal.LEVERAGE:
            raise
        if buy < before:
            raise ApiError(MARGIN_TOO_SMALL, "Insufficient available margin") from None
        raise ApiError(LEVERAGE_TOO_HIGH, "cannot set leverage gt maxLeverage by risk limit") from None
    return Result({})


def switch_mode(call: Call) -> Result:
    """POST position/switch-mode: accounts are one-way (0); one that was changed from outside can be changed back.

    Only contracts that settle in USDT have a mode at all.
    """
    mode, symbol = call.params.required("mode"), call.params.text("symbol")
    if mode not in {"0", "3"}:
        raise parameter("params error: mode invalid")
    has_modes = call.params.required("coin") == "USDT" if symbol is None else has_position_modes(_contract(call, symbol))
    if call.params.category() != LINEAR or not has_modes:
        raise parameter("params error: position mode can only be switched for USDT perpetuals")
    settings = call.exchange.settings(call.account)
    if mode == "0" and settings.hedge_mode:
        settings.hedge_mode = False
        return Result({})
    if mode == "0":
        raise ApiError(POSITION_MODE_UNCHANGED, "Position mode is not modified")
    raise ApiError(HEDGE_MODE_UNAVAILABLE, "Hedge mode is not available for this symbol")


def switch_isolated(call: Call) -> Result:
    """POST position/switch-isolated: not for unified accounts."""
    call.params.required("symbol")
    raise ApiError(UNIFIED_ACCOUNT_FORBIDS, "unified account is forbidden")


def set_margin_mode(call: Call) -> Result:
    """POST account/set-margin-mode: cross (REGULAR_MARGIN) is what every account has, or comes back to."""
    if call.params.required("setMarginMode") == "REGULAR_MARGIN":
        call.exchange.settings(call.account).isolated.clear()
        return Result({"reasons": []})
    raise ApiError(MARGIN_MODE_FAILED, "Set margin mode failed")


def protect_on_disconnect(call: Call) -> Result:
    """POST order/disconnected-cancel-all: sets the window of `dcp`, in seconds. Without a product it is about options, which nobody has."""
    product = call.params.text("product") or "OPTIONS"
    if product not in {"OPTIONS", "DERIVATIVES", "SPOT"}:
        raise parameter("params error: product invalid")
    call.params.required("timeWindow")
    seconds = call.params.integer("timeWindow", default=0, low=WINDOW_SECONDS_MIN, high=WINDOW_SECONDS_MAX)
    if product == "DERIVATIVES":
        call.venue.protection.set_window(call.account, seconds)
    return Result({})


def wallet_balance(call: Call) -> Result:
    """GET account/wallet-balance of the unified account, all coins or those in `coin`."""
    if call.params.required("accountType") != "UNIFIED":
        raise parameter("accountType only support UNIFIED.")
    row = wallet(call.venue, call.account)
    coins = call.params.text("coin")
    if coins is not None:
        row["coin"] = [coin for coin in row["coin"] if coin["coin"] in coins.split(",")]
    return Result({"list": [row]})


def wallet(venue: Venue, account: str) -> Json:
    """The row of an account's wallet, for REST and for the stream."""
    contracts = venue.exchange.contracts
    bound: dict[str, Decimal] = {}
    for position in venue.exchange.positions(account):
        coin = contracts[position.symbol].settle
        bound[coin] = bound.get(coin, ZERO) + position.initial_margin
    prices = {view.contract.base: view.index for view in venue.trading(contracts)}
    row = wallet_row(venue.exchange.balances(account), bound, prices)
    return row | NOT_IN_ISOLATED if venue.exchange.settings(account).isolated else row


def account_info(call: Call) -> Result:
    """GET account/info: a unified account 2.0 Pro (status 6), in cross margin unless somebody changed that."""
    window = call.venue.protection.window(call.account)
    return Result(
        {
            "marginMode": "ISOLATED_MARGIN" if call.exchange.settings(call.account).isolated else "REGULAR_MARGIN",
            "updatedTime": str(call.now),
            "unifiedMarginStatus": 6,
            "dcpStatus": "OFF" if window is None else "ON",
            "timeWindow": WINDOW_SECONDS_DEFAULT if window is None else window,
            "smpGroup": 0,
            "isMasterTrader": False,
            "spotHedgingStatus": "OFF",
        }
    )


def protection_info(call: Call) -> Result:
    """GET account/query-dcp-info: the products that it was switched on for, every one here but options."""
    window = call.venue.protection.window(call.account) or WINDOW_SECONDS_DEFAULT
    on = call.venue.protection.is_offered
    return Result({"dcpInfos": [{"product": "DERIVATIVES", "dcpStatus": "ON", "timeWindow": str(window)}] if on else []})


def key_info(call: Call) -> Result:
    """GET user/query-api: what the key may do. `uta` 1 tells a client that the account is unified.

    A key with a list of addresses has no end here; another one ends after ninety days unless it is told otherwise.
    """
    told = KeyRights() if call.key is None else call.key.rights
    wallet = [*(["Withdraw"] if told.withdraw else []), *(["AccountTransfer"] if told.move else [])]
    ends_at = told.ends_at if told.ends_at is not None or told.addresses else call.now + _KEY_LIFE_MS
    return Result(
        {
            "id": "1",
            "note": call.account,
            "apiKey": "",
            "readOnly": 0 if told.trade else 1,
            "secret": "",
            "permissions": {"ContractTrade": ["Order", "Position"], "Wallet": wallet, "Derivatives": ["DerivativesTrade"], "Spot": []},
            "ips": list(told.addresses) or ["*"],
            "type": 1,
            "deadlineDay": 0 if ends_at is None else (ends_at - call.now) // DAY_MS,
            "expiredAt": "" if ends_at is None else datetime.fromtimestamp(ends_at // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "unified": 0,
            "uta": 1,
            "userID": 1,
            "inviterID": 0,
            "parentUid": "0",
            "isMaster": True,
            "rsaPublicKey": "",
            "vipLevel": "No VIP",
            "mktMakerLevel": "0",
        }
    )


def fee_rate(call: Call) -> Result:
    """GET account/fee-rate: fractions of the notional, by contract."""
    category, symbol = call.params.category(), call.params.text("symbol")
    chosen = call.venue.listed(category) if symbol is None else [_contract(call, symbol)]
    rows = [
        {"symbol": contract.symbol, "baseCoin": "", "takerFeeRate": text(contract.taker_fee), "makerFeeRate": text(contract.maker_fee)}
        for contract in chosen
    ]
    return Result({"category": "", "list": rows})


def transaction_log(call: Call) -> Result:
    """GET account/transaction-log: everything that moved the wallets, newest first, of at most seven days."""
    start, end = call.params.period(call.now)
    limit = call.params.integer("limit", default=20, low=1, high=50)
    kind, currency, base, category = (call.params.text(name) for name in ("type", "currency", "baseCoin", "category"))
    listed = call.exchange.contracts.items()
    symbols = {name for name, each in listed if base in {None, each.base} and category in {None, category_of(each)}}
    rows = [
        row
        for row in _with_balances(call)
        if row["symbol"] in symbols
        and kind in {None, row["type"]}
        and currency in {None, row["currency"]}
        and start <= int(row["transactionTime"]) <= end
    ]
    cursor = call.params.text("cursor")
    if cursor is not None:
        if not cursor.isdigit():
            raise parameter("params error: cursor invalid")
        rows = [row for row in rows if at_of(row)[1] < int(cursor)]
    shown = rows[:limit]
    return Result({"nextPageCursor": str(at_of(shown[-1])[1]) if shown else "", "list": shown})


def _with_balances(call: Call) -> list[Json]:
    """All log rows, newest first, each with the wallet right after it: today's wallet less what came later."""
    contracts = call.exchange.contracts
    rows = [log_of_fill(fill, contracts[fill.symbol]) for fill in call.exchange.fills(call.account, limit=ARCHIVE_MAX)]
    rows += [log_of_funding(record, contracts[record.symbol]) for record in call.exchange.funding_payments(call.account)]
    rows.sort(key=at_of, reverse=True)
    wallets = {balance.asset: balance.wallet for balance in call.exchange.balances(call.account)}
    for row in rows:
        row["cashBalance"] = text(wallets[row["currency"]])
        wallets[row["currency"]] -= Decimal(row["change"])
    return rows


def coins_balance(call: Call) -> Result:
    """GET asset/transfer/query-account-coins-balance: the funding wallet, coins that it held once too."""
    if call.params.required("accountType") != "FUND":
        raise parameter("accountType invalid")
    wanted = call.params.text("coin")
    held = call.exchange.wallet(call.account, "funding")
    rows = [
        {"coin": coin, "walletBalance": text(units), "transferBalance": text(units), "bonus": ""}
        for coin, units in held.items()
        if wanted is None or coin in wanted.split(",")
    ]
    return Result({"memberId": "1", "accountType": "FUND", "balance": rows})


def coin_info(call: Call) -> Result:
    """GET asset/coin/query-info: the coins of the listed contracts; nothing can be deposited or withdrawn here, so no chains."""
    listed = call.exchange.contracts.values()
    names = sorted({name for contract in listed for name in (contract.base, contract.quote, contract.settle)})
    wanted = call.params.text("coin")
    rows = [{"name": name, "coin": name, "remainAmount": "0", "chains": []} for name in names if wanted in {None, name}]
    return Result({"rows": rows})


def _contract(call: Call, symbol: str) -> Contract:
    contract = call.venue.contract(symbol, call.params.category())
    if contract is None:
        raise parameter("params error: symbol invalid")
    return contract
