"""How Hyperliquid shows an account: margin and positions (one-way, cross), funding payments, fees, limits, the role of an address.

`accountValue` is equity with unrealised PnL, `totalRawUsd` what would be left of it without the positions' value. Initial margin is
counted from positions only. Whoever is not known has nothing: every figure is zero, every list empty. A funding payment that the account
made is negative, while `cumFunding` counts what it paid as positive.
Source: Hyperliquid docs, "Info endpoint / Perpetuals" (clearinghouse state, user funding), "Info endpoint" (fees, rate limit, role).
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.hyperliquid.wallets import Usage
from bot.simulator.dialects.hyperliquid.wire import Row, figure
from bot.simulator.exchange import Exchange
from bot.simulator.model import Balance, FundingRecord, Position

SETTLE = "USDC"


def clearinghouse_state(exchange: Exchange, account: str | None, now: Millis) -> Row:
    """`clearinghouseState`: `account` is None for an address that nobody has used."""
    positions = [] if account is None else [each for each in exchange.positions(account) if each.contracts]
    balances = () if account is None else exchange.balances(account)
    summary = _summary(positions, next((each for each in balances if each.asset == SETTLE), None))
    maintenance = sum((each.maintenance_margin for each in positions), ZERO)
    available = sum((each.available for each in balances if each.asset == SETTLE), ZERO)
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": figure(maintenance),
        "withdrawable": figure(max(available, ZERO)),
        "assetPositions": [{"type": "oneWay", "position": _position(exchange, each)} for each in positions],
        "time": now,
    }


def _summary(positions: Iterable[Position], balance: Balance | None) -> Row:
    values = [each.contracts * each.mark_price for each in positions]
    equity = ZERO if balance is None else balance.margin_balance
    return {
        "accountValue": figure(equity),
        "totalNtlPos": figure(sum((abs(value) for value in values), ZERO)),
        "totalRawUsd": figure(equity - sum(values, ZERO)),
        "totalMarginUsed": figure(sum((each.initial_margin for each in positions), ZERO)),
    }


def _position(exchange: Exchange, position: Position) -> Row:
    paid = [-each.amount for each in exchange.funding_payments(position.account, position.symbol)]
    since = [-each.amount for each in exchange.funding_payments(position.account, position.symbol, position.opened_at)]
    changed = [-each.amount for each in exchange.funding_payments(position.account, position.symbol, position.updated_at)]
    margin, price = position.initial_margin, position.liquidation_price
    return {
        "coin": position.symbol,
        "szi": figure(position.contracts),
        "leverage": _leverage(position),
        "entryPx": figure(position.entry_price),
        "positionValue": figure(abs(position.contracts) * position.mark_price),
        "unrealizedPnl": figure(position.unrealised_pnl),
        "returnOnEquity": figure(position.unrealised_pnl / margin if margin else ZERO),
        "liquidationPx": None if price is None else figure(price),
        "marginUsed": figure(margin),
        "maxLeverage": int(exchange.contracts[position.symbol].tiers[0].leverage_max),
        "cumFunding": {
            "allTime": figure(sum(paid, ZERO)),
            "sinceOpen": figure(sum(since, ZERO)),
            "sinceChange": figure(sum(changed, ZERO)),
        },
    }


def _leverage(position: Position) -> Row:
    """`rawUsd` is what would be left of an isolated position's own margin without its value."""
    if not position.isolated:
        return {"type": "cross", "value": int(position.leverage)}
    raw = position.initial_margin + position.unrealised_pnl - position.contracts * position.mark_price
    return {"type": "isolated", "value": int(position.leverage), "rawUsd": figure(raw)}


def funding_row(record: FundingRecord) -> Row:
    """`userFunding`: one payment; its hash is all zeros, as the venue's are."""
    return {"time": record.at, "hash": f"0x{0:064x}", "delta": {"type": "funding", **funding_told(record), "nSamples": None}}


def funding_told(record: FundingRecord) -> Row:
    """A payment's figures, as `userFunding` and the channels tell them."""
    return {
        "coin": record.symbol,
        "usdc": figure(record.amount),
        "szi": figure(record.contracts),
        "fundingRate": figure(record.rate),
    }


def fees(exchange: Exchange) -> Row:
    """`userFees`: the lowest tier's rates; discounts, trials and links are none."""
    contract = next(iter(exchange.contracts.values()))
    taker, maker = figure(contract.taker_fee), figure(contract.maker_fee)
    return {
        "dailyUserVlm": [],
        "feeSchedule": {
            "cross": taker,
            "add": maker,
            "spotCross": "0.0007",
            "spotAdd": "0.0004",
            "tiers": {"vip": [], "mm": []},
            "referralDiscount": "0.04",
            "stakingDiscountTiers": [],
        },
        "userCrossRate": taker,
        "userAddRate": maker,
        "userSpotCrossRate": "0.0007",
        "userSpotAddRate": "0.0004",
        "activeReferralDiscount": "0.0",
        "trial": None,
        "feeTrialEscrow": "0.0",
        "nextTrialAvailableTimestamp": None,
        "stakingLink": None,
        "activeStakingDiscount": {"bpsOfMaxSupply": "0.0", "discount": "0.0"},
    }


def rate_limit(usage: Usage) -> Row:
    """`userRateLimit`: actions sent, actions allowed, and the volume (USDC) that allows them."""
    return {
        "cumVlm": figure(Decimal(usage.volume)),
        "nRequestsUsed": usage.requests,
        "nRequestsCap": usage.cap,
        "nRequestsSurplus": 0,
    }
