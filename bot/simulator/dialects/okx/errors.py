"""What OKX says when it says no: the code, the words and the HTTP status of every refusal.

Three places carry a code. A request that the gateway turns away answers with `code` and `msg` alone. An order or a cancel inside a
request that was understood answers with HTTP 200 and its own `sCode` and `sMsg`. A WebSocket frame answers with an `error` event.
Source: OKX v5 documentation, "Error Code", tables "Public", "Account" and "WebSocket"; HTTP statuses are those of the tables.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.units import ONE, ZERO
from bot.simulator.dialects.dialect import HttpReply, as_json
from bot.simulator.dialects.okx.wire import figure
from bot.simulator.exchange import Exchange
from bot.simulator.model import OrderKind, OrderRequest, Refusal, Refused, Side

BODY_EMPTY = ("50000", 400, "Body for POST request cannot be empty.")
JSON_SYNTAX = ("50002", 400, "JSON syntax error")
EXPIRY_PASSED = ("50036", 200, "The expTime can't be earlier than the current system time. Please adjust the expTime and try again.")
BATCH_SIZE = ("51111", 200, "Maximum 20 orders can be placed in bulk.")
TIMESTAMP_EXPIRED = ("50102", 401, "Timestamp request expired")
KEY_MISSING = ("50103", 401, 'Request header "OK-ACCESS-KEY" cannot be empty.')
PASSPHRASE_MISSING = ("50104", 401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.')
PASSPHRASE_WRONG = ("50105", 401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.')
SIGN_MISSING = ("50106", 401, 'Request header "OK-ACCESS-SIGN" cannot be empty.')
TIMESTAMP_MISSING = ("50107", 401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.')
KEY_INVALID = ("50111", 401, "Invalid OK-ACCESS-KEY")
TIMESTAMP_INVALID = ("50112", 401, "Invalid OK-ACCESS-TIMESTAMP.")
SIGN_INVALID = ("50113", 401, "Invalid signature.")
METHOD_INVALID = ("50115", 405, "Invalid request method.")
INSTRUMENT_UNKNOWN = ("51001", 200, "Instrument ID, Instrument ID code or Spread ID doesn't exist.")
ORDER_ID_MISSING = ("51003", 200, "Either client order ID or order ID is required.")
MODE_UNSUPPORTED = ("51010", 200, "Request unsupported under current account mode")
CANCEL_UNKNOWN = ("51400", 200, "Order cancellation failed as the order has been filled, canceled or does not exist.")
ORDER_UNKNOWN = ("51603", 200, "Order does not exist")
SETTINGS_BUSY = ("59000", 200, "Settings failed. Close any open positions or orders before modifying settings.")
LEVERAGE_TOO_HIGH = ("59102", 200, "Leverage exceeds the maximum limit. Please lower the leverage.")

LOGIN_TIMESTAMP_INVALID = ("60004", 200, "Invalid timestamp")
LOGIN_KEY_INVALID = ("60005", 200, "Invalid apiKey")
LOGIN_TIMESTAMP_EXPIRED = ("60006", 200, "Timestamp request expired")
LOGIN_SIGN_INVALID = ("60007", 200, "Invalid sign")
LOGIN_NEEDED = ("60011", 200, "Please log in")
LOGIN_PASSPHRASE_WRONG = ("60024", 200, "Wrong passphrase")
LOGIN_REPEATED = ("60031", 200, "The WebSocket endpoint does not allow multiple or repeated logins.")
WRONG_SOCKET_FOR_OP = (
    "60028",
    200,
    "The current operation is not supported by this URL. Please use the correct WebSocket URL for the operation.",
)
FEE_TIER_TOO_LOW = ("64003", 200, "Your trading fee tier doesn't meet the requirement to access this channel")

NOT_FOUND = HttpReply(
    status=404,
    body=as_json({"code": 404, "data": {}, "detailMsg": "", "error_code": "404", "error_message": "Not Found", "msg": "Not Found"}),
)
"""The answer to a path that OKX does not have: the one place where `code` is a number."""


class Turned(Exception):
    """A request, an order or a frame that OKX turns away, with its code, its HTTP status and its words."""

    def __init__(self, refusal: tuple[str, int, str]) -> None:
        super().__init__(refusal[2])
        self.code, self.status, self.msg = refusal

    def reply(self) -> HttpReply:
        """The gateway's answer; `data` is there unless the credentials were at fault."""
        body: dict[str, object] = {"msg": self.msg, "code": self.code}
        if self.status != 401:
            body["data"] = []
        return HttpReply(status=self.status, body=as_json(body))


def empty(parameter: str) -> Turned:
    """A parameter that must be given was not."""
    return Turned(("50014", 400, f"Parameter {parameter} can not be empty."))


def wrong(parameter: str) -> Turned:
    """A parameter has a value that OKX does not take."""
    return Turned(("51000", 400, f"Parameter {parameter} error"))


@dataclass(frozen=True, slots=True)
class Words:
    """An order's `sCode` and `sMsg`."""

    code: str
    msg: str


_PLAIN: dict[Refusal, Words] = {
    Refusal.UNKNOWN_SYMBOL: Words("51001", INSTRUMENT_UNKNOWN[2]),
    Refusal.NOT_TRADING: Words("51022", "Contract suspended."),
    Refusal.TICK: Words("51150", "The precision of the number of trades or the price exceeds the limit."),
    Refusal.LOT: Words("51121", "Order quantity must be a multiple of the lot size."),
    Refusal.CONTRACTS_MIN: Words("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.NOTIONAL_MIN: Words("51020", "Your order should meet or exceed the minimum order amount."),
    Refusal.PRICE_MISSING: Words("51204", "The price for the limit order cannot be empty."),
    Refusal.DUPLICATE_CLIENT_ID: Words("51016", "Client order ID already exists."),
    Refusal.CLIENT_ID_FORM: Words("51000", "Parameter clOrdId error"),
    Refusal.UNKNOWN_ORDER: Words("51400", CANCEL_UNKNOWN[2]),
    Refusal.ORDER_CLOSED: Words("51400", CANCEL_UNKNOWN[2]),
    Refusal.UNKNOWN_ACCOUNT: Words("50008", "User doesn't exist."),
    Refusal.NO_LIQUIDITY: Words("51109", "No available offers."),
    Refusal.LEVERAGE: Words("59102", LEVERAGE_TOO_HIGH[2]),
}


def turned_by(refused: Refused) -> Turned:
    """What the gateway answers when the engine refuses something that is not an order."""
    words = _PLAIN[refused.refusal]
    return Turned((words.code, 200, words.msg))


def words_for(refused: Refused, request: OrderRequest, exchange: Exchange) -> Words:
    """The `sCode` and `sMsg` of an order that the engine refused; where OKX quotes a figure, so do these."""
    match refused.refusal:
        case Refusal.MARGIN:
            return Words("51008", f"Order failed. Insufficient {exchange.contracts[request.symbol].settle} margin in account")
        case Refusal.PRICE_BAND:
            return _price_band(request, exchange)
        case Refusal.REDUCE_ONLY:
            return _reduce_only(request, exchange)
        case Refusal.LEVERAGE:
            lever = figure(exchange.leverage(request.account, request.symbol))
            return Words(
                "51004",
                f"Order failed. For buy/sell mode of {request.symbol}, the sum of current order size, position quantity and pending orders"
                f" exceeds the maximum position amount under current leverage. Please lower the leverage (current leverage: {lever}×).",
            )
        case Refusal.CONTRACTS_MAX if request.kind is OrderKind.MARKET:
            return Words("51202", "Market order amount exceeds the maximum amount.")
        case Refusal.CONTRACTS_MAX:
            limit = figure(exchange.contracts[request.symbol].contracts_max)
            return Words("51101", f"Order failed, the sz of the current order can't be more than {limit} (contracts).")
        case plain:
            return _PLAIN[plain]


def _price_band(request: OrderRequest, exchange: Exchange) -> Words:
    view = exchange.market(request.symbol)
    highest = figure(view.mark * (ONE + view.contract.price_band))
    lowest = figure(view.mark * (ONE - view.contract.price_band))
    return Words("51006", f"Order price is not within the price limit (max buy price: {highest} , min sell price: {lowest} )")


def _reduce_only(request: OrderRequest, exchange: Exchange) -> Words:
    held = next((p.contracts for p in exchange.positions(request.account) if p.symbol == request.symbol), ZERO)
    if held == ZERO:
        return Words("51169", "Order failed because you don't have any positions in this direction for this contract to reduce or close.")
    if (held > ZERO) is (request.side is Side.BUY):
        return Words("51170", "Failed to place order. A reduce-only order can't be the same trading direction as your existing positions.")
    return Words("51112", "Close order size exceeds available size for this position.")
