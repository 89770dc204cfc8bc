"""What a venue does to positions without being asked: funding, liquidation, auto-deleveraging.

Funding: every position open at the instant pays or receives at the mark of the newest tick and the interval's rate (F1). It is a payment
between longs and shorts; the side held by people without an account here is not booked.

Liquidation: when margin_balance <= maintenance margin in a settle asset, the account's open orders in it are canceled, then its positions
are closed against the book at any price, largest first, until the account is safe again. Each fill pays the taker fee. What finds nobody
waits for the next tick. What is lost beyond the wallet leaves it negative.

Auto-deleveraging: a venue closes part of a position at mark against somebody of its choice: no order, no fee; the account's open orders in
the contract are canceled (Binance's rule). Binance really uses the counterparty's bankruptcy price, which no account can foresee;
mark is the neutral stand-in.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator import margin
from bot.simulator.accounts import Account, Holding
from bot.simulator.matching import Taker, take
from bot.simulator.model import FillKind, OrderState, Reason, Refusal, Refused, Side
from bot.simulator.state import Market
from bot.simulator.turn import Turn


def settle_funding(turn: Turn, market: Market) -> None:
    """Settles one interval of a contract for every account, and liquidates whoever cannot bear it."""
    mark, rate = market.known.mark, market.rate
    market.rates.add((turn.now, rate))
    for account in turn.state.accounts.values():
        holding = account.holdings.get(market.contract.symbol)
        if holding is not None and holding.contracts:
            turn.pay_funding(market, account, holding, mark, rate)
    if market.next_funding_at <= turn.now:
        market.next_funding_at = turn.now + market.contract.funding_interval_ms
    turn.market_changed(market)
    liquidate(turn, market.contract.settle)


def liquidate(turn: Turn, asset: str) -> None:
    """Liquidates every account that is due in one settle asset."""
    for account in turn.state.accounts.values():
        if not is_due(turn, account, asset):
            continue
        cancel_open(turn, account, lambda market: market.contract.settle == asset, Reason.LIQUIDATION)
        for holding in sorted(turn.state.held(account, asset), key=lambda held: _value(turn, held), reverse=True):
            if not is_due(turn, account, asset):
                break
            side = Side.SELL if holding.contracts > ZERO else Side.BUY
            market = turn.state.markets[holding.contract.symbol]
            take(turn, market, Taker(side, account, kind=FillKind.LIQUIDATION), None, abs(holding.contracts))


def is_due(turn: Turn, account: Account, asset: str) -> bool:
    """Whether an account with positions in an asset has no more than its maintenance margin left."""
    if not turn.state.held(account, asset):
        return False
    unrealised, required = turn.state.at_stake(account, asset)
    return account.tally(asset).wallet + unrealised <= required


def deleverage(turn: Turn, market: Market, account: Account, contracts: Decimal) -> None:
    """Closes part of a position at mark. Raises Refused(REDUCE_ONLY) for more than there is, Refused(LOT) for no multiple of the lot."""
    holding, mark = account.holdings.get(market.contract.symbol), market.known.mark
    if holding is None or contracts > abs(holding.contracts):
        raise Refused(Refusal.REDUCE_ONLY, f"{account.name} holds fewer than {contracts} contracts of {market.contract.symbol}")
    if contracts <= ZERO or contracts % market.contract.lot:
        raise Refused(Refusal.LOT, f"{contracts} contracts are not a positive multiple of {market.contract.lot}")
    cancel_open(turn, account, lambda other: other is market, Reason.AUTO_DELEVERAGING)
    side = Side.SELL if holding.contracts > ZERO else Side.BUY
    market.outside -= contracts * side.sign
    turn.fill(
        market,
        account,
        None,
        fill_id=next(turn.state.ids),
        side=side,
        contracts=contracts,
        price=mark,
        fee_rate=ZERO,
        is_maker=False,
        kind=FillKind.AUTO_DELEVERAGING,
    )


def cancel_open(turn: Turn, account: Account, wanted: Callable[[Market], bool], reason: Reason) -> None:
    """Cancels the account's open orders in the wanted markets, oldest first."""
    for entry in tuple(account.working.values()):
        if wanted(turn.state.markets[entry.order.request.symbol]):
            turn.end(account, entry.order, OrderState.CANCELED, reason)


def _value(turn: Turn, holding: Holding) -> Decimal:
    return margin.value(holding.contract, holding.contracts, turn.state.mark(holding.contract.symbol))
