"""Balances and positions, each currency with a margin of its own (`segregated_sm`).

A position's `size` is signed: US dollars of an inverse perpetual, base units of a linear one; `size_currency` and `delta` are base units.
A flat one has the direction `zero` and stays listed. `equity` is the cash balance and all profit and funding of the session.
There is nothing to set: one net position per instrument, cross margin within a currency, leverage decided by the equity alone. The
engine binds a tenth of a position's value as initial margin, more than the venue's two percent.
Source: docs.deribit.com, `private/get_positions`, `private/get_account_summary`.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.deribit.venue import CURRENCIES, Call, Result, Venue
from bot.simulator.dialects.deribit.wire import Row, dollars, number
from bot.simulator.dialects.dialect import Credential
from bot.simulator.model import Balance, Contract, Position

_LEVERAGE = Decimal(50)


def get_positions(call: Call) -> Result:
    """The positions of a currency, or all of them."""
    symbols = {contract.symbol for contract in call.contracts()}
    held = [position for position in call.exchange.positions(call.account) if position.symbol in symbols]
    return Result([position_row(call.venue, position) for position in held])


def get_position(call: Call) -> Result:
    """One position, also one that never was."""
    contract = call.contract()
    for position in call.exchange.positions(call.account):
        if position.symbol == contract.symbol:
            return Result(position_row(call.venue, position))
    return Result(_row(call.venue, contract, None, ZERO, ZERO))


def get_account_summary(call: Call) -> Result:
    """The margin of one currency; `extended` tells who the account is as well."""
    row = summary_row(call.venue, call.account, call.params.choice("currency", set(CURRENCIES)))
    return Result(row | _identity(call) if call.params.flag("extended") else row)


def get_account_summaries(call: Call) -> Result:
    """The margin of every currency."""
    rows = [summary_row(call.venue, call.account, currency) for currency in CURRENCIES]
    return Result({"summaries": rows} | _identity(call) if call.params.flag("extended") else {"summaries": rows})


def position_row(venue: Venue, position: Position) -> Row:
    """A position as it is."""
    contract = venue.exchange.contracts[position.symbol]
    return _row(venue, contract, position, *venue.sessions.of_position(position.account, position.symbol))


def summary_row(venue: Venue, account: str, currency: str) -> Row:
    """One currency's figures, also in the `user.portfolio` channel."""
    held = next((each for each in venue.exchange.balances(account) if each.asset == currency), None)
    balance = held or Balance(
        account=account,
        asset=currency,
        wallet=ZERO,
        unrealised_pnl=ZERO,
        initial_margin=ZERO,
        maintenance_margin=ZERO,
        margin_balance=ZERO,
        available=ZERO,
    )
    cash = venue.sessions.balance(account, currency)
    realised, funding = venue.sessions.realised(account, currency)
    unrealised = balance.margin_balance - cash - realised - funding
    free = number(max(ZERO, min(cash, balance.available)))
    delta = sum((_base(venue, each) for each in venue.exchange.positions(account) if _settles_in(venue, each, currency)), ZERO)
    zero = number(ZERO)
    return {
        "currency": currency,
        "balance": number(cash),
        "equity": number(balance.margin_balance),
        "margin_balance": number(balance.margin_balance),
        "available_funds": number(balance.available),
        "available_withdrawal_funds": free,
        "initial_margin": number(balance.initial_margin),
        "maintenance_margin": number(balance.maintenance_margin),
        "projected_initial_margin": number(balance.initial_margin),
        "projected_maintenance_margin": number(balance.maintenance_margin),
        "session_rpl": number(realised + funding),
        "session_upl": number(unrealised),
        "futures_session_rpl": number(realised + funding),
        "futures_session_upl": number(unrealised),
        "futures_pl": number(balance.unrealised_pnl),
        "total_pl": number(balance.unrealised_pnl),
        "delta_total": number(delta),
        "projected_delta_total": number(delta),
        **{f"options_{name}": zero for name in ("delta", "gamma", "pl", "session_rpl", "session_upl", "theta", "value", "vega")},
        "fee_balance": zero,
        "spot_reserve": zero,
        "cross_collateral_enabled": False,
        "margin_model": "segregated_sm",
        "portfolio_margining_enabled": False,
    }


def list_api_keys(call: Call) -> Result:
    """`private/list_api_keys`: every key of the account, secrets masked."""
    return Result([_key(place, each) for place, each in enumerate(call.venue.keys.of(call.account), start=1)])


def _key(place: int, credential: Credential) -> Row:
    told = credential.rights
    scopes = {"account": True, "block_trade": False, "trade": told.trade, "wallet": told.withdraw or told.move}
    row: Row = {
        "timestamp": 1_560_236_001_108,
        "max_scope": " ".join(f"{name}:{'read_write' if writes else 'read'}" for name, writes in scopes.items()),
        "id": place,
        "enabled": True,
        "default": place == 1,
        "client_secret": "*****",
        "client_id": credential.api_key,
        "name": "",
        "enabled_features": [],
    }
    return row | ({"ip_whitelist": list(told.addresses)} if told.addresses else {})


def _identity(call: Call) -> Row:
    matching = {"maker_quotes": {"rate": 5, "burst": 20}, "trading": {"total": {"rate": 5, "burst": 20}}}
    return {
        "id": 1,
        "username": "simulated",
        "system_name": call.account,
        "type": "main",
        "limits": {"non_matching_engine": {"rate": 20, "burst": 100}, "matching_engine": matching, "limits_per_currency": False},
        "self_trading_reject_mode": "cancel_maker",
        "trading_permissions": True,
    }


def _row(venue: Venue, contract: Contract, position: Position | None, realised: Decimal, funding: Decimal) -> Row:
    view = venue.exchange.market(contract.symbol)
    size = ZERO if position is None else position.contracts
    settled = ZERO if position is None else venue.sessions.of(position.account).unrealised.get(contract.symbol, ZERO)
    profit = ZERO if position is None else position.unrealised_pnl
    base = size / view.mark if contract.inverse else size
    liquidation = None if position is None else position.liquidation_price
    return {
        "average_price": dollars(ZERO if position is None else position.entry_price),
        "delta": number(base),
        "direction": "buy" if size > ZERO else "sell" if size < ZERO else "zero",
        "estimated_liquidation_price": None if liquidation is None else dollars(liquidation),
        "floating_profit_loss": number(profit - settled),
        "index_price": dollars(view.index),
        "initial_margin": number(ZERO if position is None else position.initial_margin),
        "instrument_name": contract.symbol,
        "interest_value": number(ZERO),
        "kind": "future",
        "leverage": int(_LEVERAGE),
        "maintenance_margin": number(ZERO if position is None else position.maintenance_margin),
        "mark_price": dollars(view.mark),
        "open_orders_margin": number(ZERO),
        "realized_funding": number(funding),
        "realized_profit_loss": number(realised + funding),
        "settlement_price": dollars(view.mark),
        "size": number(size),
        "size_currency": number(base),
        "total_profit_loss": number(profit),
    }


def _base(venue: Venue, position: Position) -> Decimal:
    contract = venue.exchange.contracts[position.symbol]
    return position.contracts / position.mark_price if contract.inverse else position.contracts


def _settles_in(venue: Venue, position: Position, currency: str) -> bool:
    return venue.exchange.contracts[position.symbol].settle == currency
