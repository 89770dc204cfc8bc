"""What Deribit says when it says no: a numeric code, a message, and sometimes data with a reason and a parameter.

Every error is HTTP 400 but for a request beyond the credits (429) and a method that does not exist (404).
Source: docs.deribit.com, "RPC Error Codes" (articles/errors, and the code table of API 2.1.1), as ccxt's table lists them too.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.units import ONE
from bot.simulator.dialects.deribit.wire import Row, plain
from bot.simulator.exchange import Exchange
from bot.simulator.model import OrderRequest, Refusal, Refused, Side


class RpcError(Exception):
    """An answer that refuses. `status` is the HTTP status where HTTP carries it."""

    def __init__(self, code: int, message: str, status: int = 400, **data: str) -> None:
        super().__init__(message)
        self.code, self.message, self.status, self.data = code, message, status, data

    def row(self) -> Row:
        """The `error` member."""
        told: Row = {"message": self.message, "code": self.code}
        return told | {"data": dict(self.data)} if self.data else told


def invalid(param: str, reason: str) -> RpcError:
    """A parameter that is missing or has no value that the method takes."""
    return RpcError(-32602, "Invalid params", reason=reason, param=param)


def unknown_method() -> RpcError:
    """A method that the venue does not have."""
    return RpcError(-32601, "Method not found", 404)


def not_found() -> RpcError:
    """An instrument that the venue does not list."""
    return RpcError(13020, "not_found")


def order_not_found() -> RpcError:
    """No order with this id or label."""
    return RpcError(10004, "order_not_found")


def not_open() -> RpcError:
    """The order exists and is not open any more: it was filled, in part or in full, or canceled."""
    return RpcError(11044, "not_open_order")


def too_many_requests() -> RpcError:
    """Beyond the account's credits; nothing was done."""
    return RpcError(10028, "too_many_requests", 429)


def timed_out() -> RpcError:
    """The request's `valid_until` was over before the matching engine could start on it; nothing was done."""
    return RpcError(13888, "timed_out")


def post_only_reject() -> RpcError:
    """A post-only order with `reject_post_only` that would have taken."""
    return RpcError(11054, "post_only_reject")


_PLAIN: dict[Refusal, tuple[int, str, dict[str, str]]] = {
    Refusal.UNKNOWN_SYMBOL: (13020, "not_found", {}),
    Refusal.NOT_TRADING: (10012, "book_closed", {}),
    Refusal.TICK: (-32602, "Invalid params", {"reason": "must conform to tick size", "param": "price"}),
    Refusal.LOT: (-32602, "Invalid params", {"reason": "must be a multiple of the minimum order size", "param": "amount"}),
    Refusal.CONTRACTS_MIN: (10002, "qty_too_low", {}),
    Refusal.CONTRACTS_MAX: (10021, "invalid_amount", {}),
    Refusal.NOTIONAL_MIN: (10032, "whole_cost_too_low", {}),
    Refusal.PRICE_MISSING: (-32602, "Invalid params", {"reason": "value required", "param": "price"}),
    Refusal.MARGIN: (10009, "not_enough_funds", {}),
    Refusal.REDUCE_ONLY: (11030, "other_reject", {"reason": "reduce_only order does not reduce the position"}),
    Refusal.CLIENT_ID_FORM: (-32602, "Invalid params", {"reason": "must be at most 64 characters long", "param": "label"}),
    Refusal.DUPLICATE_CLIENT_ID: (11030, "other_reject", {"reason": "label"}),
    Refusal.UNKNOWN_ORDER: (10004, "order_not_found", {}),
    Refusal.ORDER_CLOSED: (11044, "not_open_order", {}),
    Refusal.UNKNOWN_ACCOUNT: (13009, "unauthorized", {}),
    Refusal.NO_LIQUIDITY: (11030, "other_reject", {"reason": "no_liquidity"}),
    Refusal.LEVERAGE: (10018, "non_pme_max_future_position_size", {}),
}


def refused(refusal: Refused, request: OrderRequest | None = None, exchange: Exchange | None = None) -> RpcError:
    """The venue's words for what the engine refused; a price outside the band is told with the bound that it missed."""
    if refusal.refusal is Refusal.PRICE_BAND and request is not None and exchange is not None:
        lowest, highest = price_bounds(exchange, request.symbol)
        if request.side is Side.BUY:
            return RpcError(10007, f"price_too_high {plain(highest)}")
        return RpcError(10005, f"price_too_low {plain(lowest)}")
    code, message, data = _PLAIN.get(refusal.refusal, (10011, "price_not_allowed", {}))
    return RpcError(code, message, 400, **data)


def price_bounds(exchange: Exchange, symbol: str) -> tuple[Decimal, Decimal]:
    """The lowest price of a sell and the highest of a buy, rounded into the band. Raises Refused(NOT_TRADING)."""
    view = exchange.market(symbol)
    tick, band = view.contract.tick, view.contract.price_band
    lowest, highest = view.mark * (ONE - band), view.mark * (ONE + band)
    return -(-lowest // tick) * tick, highest // tick * tick
