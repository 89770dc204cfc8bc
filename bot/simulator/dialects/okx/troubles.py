"""What OKX says on its bad days.

Source: OKX v5 documentation, "Error Code", tables "General", "API Class" and "Trade", and "Rate Limits". The gateway refuses with `code`,
`msg` and the table's HTTP status; an order that was understood is refused with HTTP 200 and its own `sCode` and `sMsg`.
"""

from __future__ import annotations

from typing import Any

from bot.simulator.dialects.dialect import HttpReply, as_json
from bot.simulator.dialects.trouble import (
    BANNED,
    DUPLICATE_ID,
    MAINTENANCE,
    NO_POSITIONS,
    POSITION_MODE,
    RATE_LIMITED,
    UNHEARD_OF,
    Topic,
    Trouble,
    Troubles,
)

GATEWAY_REFUSALS: dict[str, tuple[int, str]] = {
    "50002": (400, "JSON syntax error"),
    "50014": (400, "Parameter side can not be empty."),
    "50036": (200, "The expTime can't be earlier than the current system time. Please adjust the expTime and try again."),
    "50061": (429, "The sub-account rate limit has been reached."),
    "50101": (401, "APIKey does not match current environment."),
    "50102": (401, "Timestamp request expired"),
    "50103": (401, 'Request header "OK-ACCESS-KEY" cannot be empty.'),
    "50104": (401, 'Request header "OK-ACCESS-PASSPHRASE" cannot be empty.'),
    "50105": (401, 'Request header "OK-ACCESS-PASSPHRASE" incorrect.'),
    "50106": (401, 'Request header "OK-ACCESS-SIGN" cannot be empty.'),
    "50107": (401, 'Request header "OK-ACCESS-TIMESTAMP" cannot be empty.'),
    "50110": (401, "Your IP is not included in your API key's IP whitelist."),
    "50111": (401, "Invalid OK-ACCESS-KEY"),
    "50112": (401, "Invalid OK-ACCESS-TIMESTAMP."),
    "50113": (401, "Invalid signature."),
    "50114": (401, "Invalid authorization"),
    "50119": (401, "API key doesn't exist"),
    "50120": (401, "This API key doesn't have permission to use this function."),
}
"""What the gateway refuses before an order reaches the matching engine: HTTP status and text by code."""

ORDER_REFUSALS: dict[str, str] = {
    "51000": "Parameter px error",
    "51001": "Instrument ID, Instrument ID code or Spread ID doesn't exist.",
    "51003": "Either client order ID or order ID is required.",
    "51004": "Order failed. The sum of current order size, position quantity and pending orders exceeds the maximum position amount.",
    "51005": "Your order amount exceeds the max order amount.",
    "51006": "Order price is not within the price limit (max buy price: 61800 , min sell price: 58200 )",
    "51008": "Order failed. Insufficient USDT margin in account",
    "51010": "Request unsupported under current account mode",
    "51020": "Your order should meet or exceed the minimum order amount.",
    "51021": "Contract to be listed.",
    "51022": "Contract suspended.",
    "51023": "Position does not exist.",
    "51024": "Trading account is blocked.",
    "51025": "Order count exceeds the limit.",
    "51027": "Contract expired.",
    "51028": "Contract under delivery.",
    "51030": "Funding fee is being settled.",
    "51109": "No available offers.",
    "51119": "Order failed. Insufficient balance in account",
    "51120": "Order quantity is less than the minimum.",
    "51121": "Order quantity must be a multiple of the lot size.",
    "51127": "Your available balance is 0.",
    "51131": "Insufficient balance.",
    "51136": "The highest price limit for buy orders is 61800.",
    "51137": "Your limit price for buy orders is above the limit.",
    "51138": "Your limit price for sell orders is below the limit.",
    "51150": "The precision of the number of trades or the price exceeds the limit.",
    "51169": "Order failed because you don't have any positions in this direction for this contract to reduce or close.",
    "51170": "Failed to place order. A reduce-only order can't be the same trading direction as your existing positions.",
    "51204": "The price for the limit order cannot be empty.",
    "51205": "Reduce-Only is not available.",
}
"""Checks made before an order is taken: `sMsg` by `sCode`."""

UNPROVEN: dict[str, tuple[int, str]] = {
    "50001": (503, "Service temporarily unavailable. Please try again later."),
    "50004": (400, "Endpoint request timeout (does not mean that the request was successful or failed, please check the request result)."),
    "50013": (429, "Systems are busy. Please try again later."),
    "50026": (500, "System error. Please try again later."),
}
"""Gateway codes that do not say what became of the request: HTTP status and text."""

_UNPROVEN_ORDERS: dict[str, str] = {
    "51054": "Request timed out. Please try again.",
    "51149": "Order timed out. Please try again.",
}
_TOPICS = {
    "bbo-tbt": Topic.BOOKS,
    "books": Topic.BOOKS,
    "books5": Topic.BOOKS,
    "mark-price": Topic.PRICES,
    "index-tickers": Topic.PRICES,
    "tickers": Topic.PRICES,
    "funding-rate": Topic.PRICES,
    "open-interest": Topic.PRICES,
    "orders": Topic.ORDERS,
    "account": Topic.ACCOUNT,
    "positions": Topic.ACCOUNT,
    "balance_and_position": Topic.ACCOUNT,
}


def gateway(code: str, text: str, status: int, *, not_done: bool = True) -> Trouble:
    """What the gateway answers; `data` is there unless the credentials were at fault."""
    body: dict[str, object] = {"msg": text, "code": code}
    if status != 401:
        body["data"] = []
    return Trouble(code=code, reply=HttpReply(status=status, body=as_json(body)), not_done=not_done)


def order(code: str, text: str, *, not_done: bool = True) -> Trouble:
    """What a single order is answered with: the envelope says that all operations failed, the row says why."""
    row = {"clOrdId": "", "ordId": "", "sCode": code, "sMsg": text, "tag": "", "ts": "1"}
    body = as_json({"code": "1", "data": [row], "inTime": "1", "msg": "All operations failed", "outTime": "2"})
    return Trouble(code=code, reply=HttpReply(status=200, body=body), not_done=not_done)


def topic_of(frame: Any) -> Topic | None:
    """By the channel that a push echoes; confirmations carry `event` beside it."""
    if not isinstance(frame, dict) or "event" in frame or not isinstance(frame.get("arg"), dict):
        return None
    return _TOPICS.get(str(frame["arg"].get("channel")))


TROUBLES = Troubles(
    replies={
        UNHEARD_OF: order("59999", "Something new.", not_done=False),
        DUPLICATE_ID: order("51016", "Client order ID already exists.", not_done=False),
        RATE_LIMITED: gateway("50011", "Too Many Requests", 429),
        BANNED: gateway("50011", "Requests too frequent", 429),
        MAINTENANCE: gateway("50001", UNPROVEN["50001"][1], 503, not_done=False),
        NO_POSITIONS: Trouble(code="0", reply=HttpReply(status=200, body=as_json({"code": "0", "msg": "", "data": []}))),
        POSITION_MODE: order("51000", "Parameter posSide error"),
        **{code: gateway(code, text, status) for code, (status, text) in GATEWAY_REFUSALS.items()},
        **{code: gateway(code, text, status, not_done=False) for code, (status, text) in UNPROVEN.items()},
        **{code: order(code, text) for code, text in ORDER_REFUSALS.items()},
        **{code: order(code, text, not_done=False) for code, text in _UNPROVEN_ORDERS.items()},
    },
    topic_of=topic_of,
    sequences=(("data", 0, "seqId"), ("data", 0, "prevSeqId")),
    hollow='{"arg":{"channel":"orders","instType":"SWAP"},"data":[7]}',
)
