"""Whether a venue takes an order at all. Refusals come in this order, the first one that applies; a refused request changes nothing.

    UNKNOWN_ACCOUNT, UNKNOWN_SYMBOL (also delisted), NOT_TRADING (no mark price yet, or halted)
    CLIENT_ID_FORM, DUPLICATE_CLIENT_ID (among open orders on Binance, ever on Bybit and OKX)
    CONTRACTS_MIN (also zero and less), CONTRACTS_MAX, LOT
    PRICE_MISSING (a limit order without one, or a post-only order that is not a limit order), TICK (also zero and less), PRICE_BAND
    NOTIONAL_MIN (at the limit price, or at mark; not for reduce-only orders)
    REDUCE_ONLY: there is no position, or the order is on its side. One that is larger than the position is cut to it.
    LEVERAGE: the position that all open orders could make is too large for the account's leverage (the tier's maximum)
    MARGIN: the free margin does not cover the additional initial margin, the loss from filling beyond mark, and the taker fee
    NO_LIQUIDITY: a market order that would meet nobody inside the price band

The band is one-sided as on the real venues: a buy may not be above mark x (1 + band), a sell not below mark x (1 - band). Orders that do
not increase the margin bound (reductions) are never refused for margin or leverage.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from bot.core.units import ONE, ZERO
from bot.simulator import margin
from bot.simulator.accounts import Account
from bot.simulator.listed import Listing
from bot.simulator.matching import limit_of
from bot.simulator.model import Contract, OrderKind, OrderRequest, Refusal, Refused, Side, TimeInForce
from bot.simulator.state import Market, VenueState

ClientIdScope = Literal["open", "ever", "never"]
"""How long a client order id stays taken: while its order is open, for ever (as long as its order is kept), or not at all."""

CLIENT_ID_FORM = re.compile(r"[\x21-\x7e]{1,64}")
"""What a client order id may look like on a venue that says nothing else."""


@dataclass(frozen=True, slots=True)
class ClientIdRules:
    """One venue's rules on client order ids."""

    scope: ClientIdScope
    form: re.Pattern[str]


def accepted(state: VenueState, request: OrderRequest, rules: ClientIdRules) -> OrderRequest:
    """The request as the venue takes it: price and contracts in the contract's decimals, a reduce-only order cut to the position.

    Raises Refused, see the top of this file.
    """
    account, market = state.account(request.account), state.market(request.symbol)
    mark = market.known.mark
    if market.contract.listing is Listing.DELISTED:
        raise Refused(Refusal.UNKNOWN_SYMBOL, f"{request.symbol} is not listed any more")
    if market.contract.listing is Listing.HALTED:
        raise Refused(Refusal.NOT_TRADING, f"{request.symbol} is halted")
    _check_client_id(account, request.client_order_id, rules)
    request = replace(request, contracts=_contracts(market.contract, request.contracts), price=_price(market.contract, request, mark))
    if not request.reduce_only:
        price = mark if request.price is None else request.price
        smallest, asked = market.contract.notional_min, margin.notional(market.contract, request.contracts, price)
        if asked < smallest:
            raise Refused(Refusal.NOTIONAL_MIN, f"notional {asked} is below {smallest}")
        _check_margin(state, account, market, request, price)
    else:
        request = replace(request, contracts=_reducing(account, request))
    if request.kind is OrderKind.MARKET and not market.book.within(request.side, limit_of(request, market), account.name):
        raise Refused(Refusal.NO_LIQUIDITY, f"nobody to {request.side} from inside the price band")
    return request


def _check_client_id(account: Account, client_order_id: str | None, rules: ClientIdRules) -> None:
    if client_order_id is None:
        return
    if rules.form.fullmatch(client_order_id) is None:
        raise Refused(Refusal.CLIENT_ID_FORM, f"a client order id has to match {rules.form.pattern}")
    taken = account.newest_by_client_id.get(client_order_id)
    if taken is not None and (rules.scope == "ever" or (rules.scope == "open" and taken in account.working)):
        raise Refused(Refusal.DUPLICATE_CLIENT_ID, f"client order id {client_order_id} belongs to order {taken}")


def _contracts(contract: Contract, contracts: Decimal) -> Decimal:
    """The contracts in the decimals of the lot, once they pass its filters."""
    if not contracts.is_finite() or contracts < contract.contracts_min or contracts <= ZERO:
        raise Refused(Refusal.CONTRACTS_MIN, f"{contracts} contracts are below {contract.contracts_min}")
    if contracts > contract.contracts_max:
        raise Refused(Refusal.CONTRACTS_MAX, f"{contracts} contracts are above {contract.contracts_max}")
    lots = contracts / contract.lot
    if lots != lots.to_integral_value():
        raise Refused(Refusal.LOT, f"{contracts} contracts are not a multiple of {contract.lot}")
    return contracts.quantize(contract.lot)


def _price(contract: Contract, request: OrderRequest, mark: Decimal) -> Decimal | None:
    """The limit price in the decimals of the tick, once it passes its filters; None for a market order, whatever it said."""
    if request.kind is OrderKind.MARKET:
        if request.time_in_force is TimeInForce.POST_ONLY:
            raise Refused(Refusal.PRICE_MISSING, "a post-only order needs a price")
        return None
    if request.price is None:
        raise Refused(Refusal.PRICE_MISSING, "a limit order needs a price")
    if not request.price.is_finite() or request.price <= ZERO:
        raise Refused(Refusal.TICK, f"price {request.price} is not positive")
    ticks = request.price / contract.tick
    if ticks != ticks.to_integral_value():
        raise Refused(Refusal.TICK, f"price {request.price} is not a multiple of {contract.tick}")
    bound = mark * (ONE + request.side.sign * contract.price_band)
    if (request.price - bound) * request.side.sign > ZERO:
        raise Refused(Refusal.PRICE_BAND, f"price {request.price} is beyond {bound}")
    return request.price.quantize(contract.tick)


def _reducing(account: Account, request: OrderRequest) -> Decimal:
    holding = account.holdings.get(request.symbol)
    held = ZERO if holding is None else holding.contracts
    if held * request.side.sign >= ZERO:
        raise Refused(Refusal.REDUCE_ONLY, f"a {request.side} does not reduce a position of {held} contracts")
    return min(request.contracts, abs(held))


def _check_margin(state: VenueState, account: Account, market: Market, request: OrderRequest, price: Decimal) -> None:
    contract, mark = market.contract, market.known.mark
    buys, sells = (request.contracts, ZERO) if request.side is Side.BUY else (ZERO, request.contracts)
    leverage = state.leverage(account, contract)
    before, after = state.committed(account, market), state.committed(account, market, buys=buys, sells=sells)
    if after <= before:
        return
    worst = state.worst(account, contract.symbol, buys=buys, sells=sells)
    highest = margin.leverage_max(contract, margin.tiered(contract, worst, mark))
    if leverage > highest:
        raise Refused(Refusal.LEVERAGE, f"with {worst} contracts the highest leverage is {highest}, not {leverage}")
    signed = request.contracts * request.side.sign
    loss = max(ZERO, margin.worth(contract, signed, price) - margin.worth(contract, signed, mark))
    fee = max(ZERO, margin.value(contract, signed, price) * contract.taker_fee)
    free, needed = state.free(account, contract.settle), after - before + loss + fee
    if needed > free:
        raise Refused(Refusal.MARGIN, f"needs {needed} {contract.settle}, free are {max(ZERO, free)}")
