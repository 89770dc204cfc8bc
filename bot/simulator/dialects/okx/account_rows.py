"""How OKX shows an account in Futures mode (`acctLv` 2), net positions, cross margin: balances, positions, bills, configuration.

Figures of margin stand per currency (`details`); the totals over currencies (`adjEq`, `imr`, `mmr`, `mgnRatio` of the account) belong to
the other account modes and are empty here. `mgnRatio` is equity over maintenance margin: it falls toward 1 as liquidation nears.
A funding payment that the account made is negative. USDT counts as one US dollar, other coins at their index.
Source: OKX v5 documentation, "Trading Account", response and push examples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.accounts import steps_of
from bot.simulator.dialects.dialect import KeyRights
from bot.simulator.dialects.okx.order_rows import EVERY_FILL, all_fills, categories, sub_type, trade_id
from bot.simulator.dialects.okx.wire import SWAP, Row, blank, figure, order_id_of, position_id, uid
from bot.simulator.exchange import Exchange
from bot.simulator.model import Balance, Contract, Fill, FundingRecord, Position, Refused

DOLLARS = frozenset({"USDT", "USDC", "USD"})

FUNDING_BILL = "8"
_BILL_TYPES = {"normal": "2", "partial_liquidation": "5", "full_liquidation": "5", "adl": "9"}


def account_row(exchange: Exchange, account: str, now: Millis) -> Row:
    """`account/balance` and channel `account`."""
    details = [balance_row(exchange, balance, now) for balance in exchange.balances(account)]
    total = sum((Decimal(detail["eqUsd"]) for detail in details if detail["eqUsd"]), ZERO)
    absent = blank(
        "adjEq availEq borrowFroz delta deltaLever imr mgnRatio mmr notionalUsd notionalUsdForBorrow notionalUsdForFutures"
        " notionalUsdForOption notionalUsdForSwap ordFroz upl"
    )
    return {
        **absent,
        "deltaNeutralStatus": "0",
        "details": details,
        "isoEq": "0",
        "totalEq": figure(total),
        "uTime": str(now),
    }


def balance_row(exchange: Exchange, balance: Balance, now: Millis) -> Row:
    """One currency of `account/balance`: `eq` is wallet plus unrealised PnL, `availEq` what new orders may use."""
    price = _dollars(exchange, balance.asset)
    absent = blank(
        "accAvgPx borrowFroz clSpotInUseAmt crossLiab interest isoLiab liab maxLoan maxSpotInUseAmt openAvgPx spotBal spotInUseAmt spotUpl"
        " spotUplRatio totalPnl totalPnlRatio uplLiab"
    )
    zero = (
        "fixedBal isoEq isoUpl ordFrozen rewardBal smtSyncEq spotCopyTradingEq spotIsoBal stgyEq twap colRes colBorrAutoConversion frpType"
    )
    maintenance = balance.maintenance_margin
    return {
        **absent,
        **dict.fromkeys(zero.split(), "0"),
        "autoLendMtAmt": "0",
        "autoLendStatus": "unsupported",
        "availBal": figure(balance.available),
        "availEq": figure(balance.available),
        "cashBal": figure(balance.wallet),
        "ccy": balance.asset,
        "coinUsdPrice": figure(price),
        "collateralEnabled": False,
        "collateralRestrict": False,
        "disEq": "" if price is None else figure(balance.margin_balance * price),
        "eq": figure(balance.margin_balance),
        "eqUsd": "" if price is None else figure(balance.margin_balance * price),
        "frozenBal": figure(max(balance.margin_balance - balance.available, ZERO)),
        "imr": figure(balance.initial_margin),
        "mgnRatio": figure(balance.margin_balance / maintenance) if maintenance else "",
        "mmr": figure(maintenance),
        "notionalLever": "0",
        "uTime": str(now),
        "upl": figure(balance.unrealised_pnl),
    }


_POSITION = blank(
    "baseBal baseBorrowed baseInterest bePx bizRefId bizRefType clSpotInUseAmt deltaBS deltaPA gammaBS gammaPA hedgedPos interest liab"
    " liabCcy margin maxSpotInUseAmt mgnRatio nonSettleAvgPx optVal pendingCloseOrdLiabVal posCcy quoteBal quoteBorrowed quoteInterest"
    " settledPnl spotInUseAmt spotInUseCcy thetaBS thetaPA uplLastPx uplRatioLastPx vegaBS vegaPA"
)


def position_row(exchange: Exchange, position: Position) -> Row:
    """`account/positions` and channel `positions`: the net position, short < 0, in contracts."""
    contract = exchange.contracts[position.symbol]
    view = exchange.market(position.symbol)
    since = _since_opening(exchange, position)
    open_ = position.contracts != ZERO
    return {
        **_POSITION,
        "adl": str(steps_of(position.deleveraging_rank, 5)),
        "availPos": "",
        "avgPx": figure(position.entry_price) if open_ else "",
        "cTime": str(position.opened_at),
        "ccy": contract.settle,
        "closeOrderAlgo": [],
        "fee": figure(since.fees),
        "fundingFee": figure(since.funding),
        "idxPx": figure(view.index),
        "imr": figure(position.initial_margin),
        "instId": position.symbol,
        "instType": SWAP,
        "last": figure(view.last),
        "lever": figure(position.leverage),
        "liqPenalty": "0",
        "liqPx": figure(position.liquidation_price) if open_ else "",
        "markPx": figure(position.mark_price),
        "mgnMode": "cross",
        "mmr": figure(position.maintenance_margin),
        "notionalUsd": figure(_notional(contract, position)),
        "pnl": figure(since.pnl),
        "pos": figure(position.contracts),
        "posId": position_id(position.account, position.symbol),
        "posSide": "net",
        "realizedPnl": figure(since.pnl + since.fees + since.funding),
        "tradeId": since.trade_id,
        "uTime": str(position.updated_at),
        "upl": figure(position.unrealised_pnl),
        "uplRatio": figure(position.unrealised_pnl / position.initial_margin) if position.initial_margin else "",
        "usdPx": figure(_dollars(exchange, contract.settle)),
    }


@dataclass(frozen=True, slots=True)
class _SinceOpening:
    """What a position has cost and brought since it was opened, in settle units (paid < 0), and its newest trade."""

    pnl: Decimal
    fees: Decimal
    funding: Decimal
    trade_id: str


def _since_opening(exchange: Exchange, position: Position) -> _SinceOpening:
    fills = exchange.fills(position.account, position.symbol, position.opened_at, EVERY_FILL)
    payments = exchange.funding_payments(position.account, position.symbol, position.opened_at)
    return _SinceOpening(
        pnl=sum((fill.realised_pnl for fill in fills), ZERO),
        fees=-sum((fill.fee for fill in fills), ZERO),
        funding=sum((payment.amount for payment in payments), ZERO),
        trade_id=trade_id(fills[-1]) if fills else "",
    )


def bill_rows(exchange: Exchange, account: str) -> list[Row]:
    """`account/bills`: funding payments (type 8), trades (2), liquidations (5) and deleveraging (9), newest first.

    The wallet after each bill is not kept: `bal` is empty. Deposits and transfers are outside the simulated venue.
    """
    fills = all_fills(exchange, account)
    kinds = categories(fills)
    rows = [_fill_bill(fill, kinds[fill.fill_id]) for fill in fills]
    rows += [_funding_bill(record) for record in exchange.funding_payments(account)]
    return sorted(rows, key=lambda row: (int(row["ts"]), row["billId"]), reverse=True)


def fee_row(contracts: Sequence[Contract], now: Millis) -> Row:
    """`account/trade-fee`: a fee that is charged is negative. `maker` and `taker` are the coin-margined rates, the others named."""
    maker, taker = figure(-contracts[0].maker_fee), figure(-contracts[0].taker_fee)
    return {
        "category": "1",
        "delivery": "",
        "exercise": "",
        "feeGroup": [{"groupId": "1", "maker": maker, "taker": taker}],
        "fiat": [],
        "instType": SWAP,
        "level": "Lv1",
        "maker": maker,
        "makerU": maker,
        "makerUSDC": maker,
        "ruleType": "normal",
        "taker": taker,
        "takerU": taker,
        "takerUSDC": taker,
        "ts": str(now),
    }


def config_row(account: str, rights: KeyRights, *, hedge_mode: bool) -> Row:
    """`account/config`: Futures mode, the position mode, and what the key may do."""
    held = (("read_only", True), ("trade", rights.trade), ("withdraw", rights.withdraw))
    return {
        "acctLv": "2",
        "acctStpMode": "cancel_maker",
        "autoLoan": False,
        "ctIsoMode": "automatic",
        "enableSpotBorrow": False,
        "feeType": "0",
        "greeksType": "PA",
        "ip": ",".join(rights.addresses),
        "kycLv": "3",
        "label": "simulated",
        "level": "Lv1",
        "levelTmp": "",
        "liquidationGear": "-1",
        "mainUid": uid(account),
        "mgnIsoMode": "automatic",
        "opAuth": "0",
        "perm": ",".join(name for name, is_held in held if is_held),
        "posMode": "long_short_mode" if hedge_mode else "net_mode",
        "roleType": "0",
        "settleCcy": "USDT",
        "settleCcyList": ["USDT", "USDC"],
        "spotBorrowAutoRepay": False,
        "spotOffsetType": "",
        "spotRoleType": "0",
        "spotTraderInsts": [],
        "stgyType": "0",
        "traderInsts": [],
        "type": "0",
        "uid": uid(account),
    }


_BILL = blank(
    "bal clOrdId earnAmt earnApr execType fillFwdPx fillIdxPx fillMarkPx fillMarkVol fillPxUsd fillPxVol fillTime from notes ordId tag to"
    " tradeId"
)


def _funding_bill(record: FundingRecord) -> Row:
    amount = figure(record.amount)
    return {
        **_BILL,
        "balChg": amount,
        "billId": f"8{record.payment_id:017d}",
        "ccy": record.asset,
        "fee": "0",
        "instId": record.symbol,
        "instType": SWAP,
        "interest": "0",
        "mgnMode": "cross",
        "pnl": amount,
        "posBal": "0",
        "posBalChg": "0",
        "px": figure(record.mark_price),
        "subType": "174" if record.amount > ZERO else "173",
        "sz": figure(abs(record.contracts)),
        "ts": str(record.at),
        "type": FUNDING_BILL,
    }


def _fill_bill(fill: Fill, category: str) -> Row:
    return {
        **_BILL,
        "balChg": figure(fill.realised_pnl - fill.fee),
        "billId": f"2{fill.fill_id:017d}",
        "ccy": fill.fee_asset,
        "clOrdId": fill.client_order_id or "",
        "execType": "M" if fill.is_maker else "T",
        "fee": figure(-fill.fee),
        "fillTime": str(fill.at),
        "instId": fill.symbol,
        "instType": SWAP,
        "interest": "0",
        "mgnMode": "cross",
        "ordId": order_id_of(fill),
        "pnl": figure(fill.realised_pnl),
        "posBal": "0",
        "posBalChg": "0",
        "px": figure(fill.price),
        "subType": sub_type(fill, category),
        "sz": figure(fill.contracts),
        "tradeId": trade_id(fill),
        "ts": str(fill.at),
        "type": _BILL_TYPES[category],
    }


def _notional(contract: Contract, position: Position) -> Decimal:
    size = abs(position.contracts) * contract.contract_size
    return size if contract.inverse else size * position.mark_price


def _dollars(exchange: Exchange, asset: str) -> Decimal | None:
    """US dollars per unit, None for a coin of which the venue has no index (yet)."""
    if asset in DOLLARS:
        return Decimal(1)
    symbol = next((symbol for symbol, contract in exchange.contracts.items() if contract.base == asset), None)
    try:
        return None if symbol is None else exchange.market(symbol).index
    except Refused:
        return None
