"""What Bybit says on its bad days.

Source: the v5 pages "Error Codes" (HTTP codes, common codes, derivatives) and "Rate Limit". Refusals are HTTP 200 with a `retCode`; an
address that asked too often gets HTTP 403 from the gate in front of the venue, for at least ten minutes.
"""

from __future__ import annotations

from typing import Any

from bot.simulator.dialects.bybit.wire import envelope
from bot.simulator.dialects.dialect import HttpReply
from bot.simulator.dialects.trouble import (
    BANNED,
    DUPLICATE_ID,
    MAINTENANCE,
    NO_POSITIONS,
    POSITION_MODE,
    RATE_LIMITED,
    UNHEARD_OF,
    MarginModes,
    Topic,
    Trouble,
    Troubles,
)

REFUSALS: dict[str, str] = {
    "10001": "params error: side invalid",
    "10002": "invalid request, please check your server timestamp or recv_window param",
    "10003": "API key is invalid.",
    "10004": "error sign! please check your signature generation algorithm.",
    "10005": "Permission denied, please check your API key permissions.",
    "10009": "IP has been banned.",
    "10010": "Unmatched IP, please check your API key's bound IP addresses.",
    "10018": "Exceeded the IP Rate Limit.",
    "10024": "Compliance rules triggered",
    "10027": "Transactions are banned.",
    "10028": "The API can only be accessed by unified account users.",
    "10029": "The requested symbol is invalid, please check symbol whitelist",
    "110003": "Order price exceeds the allowable range.",
    "110004": "Wallet balance is insufficient",
    "110005": "position status",
    "110006": "The assets are estimated to be unable to cover the position margin",
    "110007": "ab not enough for new order",
    "110011": "This position is currently undergoing liquidation",
    "110012": "Insufficient available balance.",
    "110017": "current position is zero, cannot fix reduce-only order qty",
    "110020": "Not allowed to have more than 500 active orders",
    "110021": "Not allowed to exceeded position limits due to Open Interest",
    "110022": "Quantity has been restricted and orders cannot be modified to increase the quantity.",
    "110023": "Currently you can only reduce your position on this contract.",
    "110044": "Available margin is insufficient.",
    "110045": "Wallet balance is insufficient.",
    "110049": "Tick size error",
    "110066": "No trading is allowed at the current time",
    "110074": "This contract is not live",
    "110089": "Exceeds the maximum risk limit level",
    "110094": "Order does not meet minimum order value",
}
"""Checks made before an order is taken, by code."""

UNPROVEN: dict[str, str] = {
    "10000": "Server Timeout",
    "10014": "Invalid duplicate request.",
    "10016": "Internal server error.",
    "10429": "System level frequency protection",
    "110001": "order not exists or too late to cancel",
    "110030": "Duplicate orderId",
    "170007": "Timeout waiting for response from backend server.",
}
"""Codes that do not say what became of the request, or that belong to another kind of request."""

_TOPICS = {
    "orderbook": Topic.BOOKS,
    "tickers": Topic.PRICES,
    "order": Topic.ORDERS,
    "execution": Topic.ORDERS,
    "position": Topic.ACCOUNT,
    "wallet": Topic.ACCOUNT,
}


def answer(code: str, text: str, *, status: int = 200, not_done: bool = True) -> Trouble:
    """The venue's envelope with an empty result."""
    reply = HttpReply(status=status, body=envelope({}, 0, code=int(code), sentence=text))
    return Trouble(code=code, reply=reply, not_done=not_done)


def topic_of(frame: Any) -> Topic | None:
    """By the first word of `topic`."""
    return _TOPICS.get(str(frame.get("topic", "")).split(".", 1)[0]) if isinstance(frame, dict) else None


TROUBLES = Troubles(
    replies={
        UNHEARD_OF: answer("99999", "something new", not_done=False),
        DUPLICATE_ID: answer("110072", "OrderLinkedID is duplicate", not_done=False),
        RATE_LIMITED: answer("10006", "Too many visits. Exceeded the API Rate Limit."),
        BANNED: Trouble(
            code="",
            reply=HttpReply(status=403, body=b"access too frequent", content_type="text/plain"),
            not_done=False,
        ),
        MAINTENANCE: answer("10016", "Service is restarting or under maintenance, please try again later.", status=503, not_done=False),
        NO_POSITIONS: Trouble(
            code="0", reply=HttpReply(status=200, body=envelope({"list": [], "nextPageCursor": "", "category": "linear"}, 0))
        ),
        POSITION_MODE: answer("10001", "position idx not match position mode"),
        **{code: answer(code, text) for code, text in REFUSALS.items()},
        **{code: answer(code, text, not_done=False) for code, text in UNPROVEN.items()},
    },
    topic_of=topic_of,
    sequences=(("data", "u"), ("data", "seq")),
    margin_modes=MarginModes.ACCOUNT,
    hollow='{"topic":"order","id":"1","creationTime":1,"data":[7]}',
)
