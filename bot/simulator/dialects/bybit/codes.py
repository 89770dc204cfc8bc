"""What Bybit answers when it refuses: `retCode` and `retMsg`, HTTP status 200 throughout (source: the v5 error code page).

Every refusal of the engine has a code here. `sentence` texts are close to the venue's own, because clients match on some of them
(ccxt looks for "Not supported symbols").
"""

from __future__ import annotations

from bot.simulator.model import Refusal, Refused

PARAMETER = 10001
EXPIRED = 10002
KEY = 10003
SIGNATURE = 10004
TOO_MANY_VISITS = 10006
POSITION_MODE_UNCHANGED = 110025
HEDGE_MODE_UNAVAILABLE = 110029
LEVERAGE_UNCHANGED = 110043
LEVERAGE_TOO_HIGH = 110013
MARGIN_TOO_SMALL = 110044
UNIFIED_ACCOUNT_FORBIDS = 100028
MARGIN_MODE_FAILED = 3400045
OP_NOT_FOUND = 10404
REPEATED_AUTH = 20001
REPEATED_REQUEST_ID = 20006


class ApiError(Exception):
    """A request that the venue answers with a code instead of a result."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(f"{code} {sentence}")
        self.code = code
        self.sentence = sentence


_REFUSALS: dict[Refusal, tuple[int, str]] = {
    Refusal.UNKNOWN_SYMBOL: (PARAMETER, "params error: symbol invalid"),
    Refusal.NOT_TRADING: (110066, "No trading is allowed at the current time"),
    Refusal.TICK: (PARAMETER, "Price invalid"),
    Refusal.LOT: (PARAMETER, "Qty invalid"),
    Refusal.CONTRACTS_MIN: (PARAMETER, "The number of contracts exceeds minimum limit allowed"),
    Refusal.CONTRACTS_MAX: (PARAMETER, "The number of contracts exceeds maximum limit allowed: too large"),
    Refusal.NOTIONAL_MIN: (110094, "Order does not meet minimum order value"),
    Refusal.PRICE_MISSING: (PARAMETER, "params error: price is required for a limit order"),
    Refusal.PRICE_BAND: (110003, "Order price exceeds the allowable range."),
    Refusal.MARGIN: (110007, "ab not enough for new order"),
    Refusal.REDUCE_ONLY: (110017, "current position is zero, cannot fix reduce-only order qty"),
    Refusal.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
    Refusal.CLIENT_ID_FORM: (PARAMETER, "params error: OrderLinkId invalid"),
    Refusal.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
    # The venue does not tell a finished order from one that never was.
    Refusal.ORDER_CLOSED: (110001, "order not exists or too late to cancel"),
    Refusal.UNKNOWN_ACCOUNT: (KEY, "API key is invalid."),
    # The venue takes such a market order and cancels it at once; the engine never makes an order of it, so it is refused as illegal.
    Refusal.NO_LIQUIDITY: (110032, "Illegal order"),
    Refusal.LEVERAGE: (
        110090,
        "Order placement failed as your position may exceed the max limit. Please adjust your leverage to increase the max limit.",
    ),
}


def refused(refusal: Refused) -> ApiError:
    """The venue's code for something that the engine refused."""
    return ApiError(*_REFUSALS[refusal.refusal])


def parameter(sentence: str) -> ApiError:
    """10001, the code of nearly everything that is wrong with a parameter."""
    return ApiError(PARAMETER, sentence)
