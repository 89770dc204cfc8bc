"""What Binance says on its bad days.

Source: the venues' pages "Error Codes" and "General Info" (limits, HTTP return codes) of USD-M and COIN-M futures. A 503 whose body says
that the execution status is unknown, and the codes -1000 to -1008, prove nothing about the request that they answer.
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
    MarginModes,
    Topic,
    Trouble,
    Troubles,
)

REFUSALS: dict[str, str] = {
    "-1013": "Invalid message.",
    "-1015": "Too many new orders; current limit is 1200 orders per MINUTE.",
    "-1020": "This operation is not supported.",
    "-1021": "Timestamp for this request is outside of the recvWindow.",
    "-1022": "Signature for this request is not valid.",
    "-1100": "Illegal characters found in parameter 'price'; legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'.",
    "-1101": "Too many parameters sent for this endpoint.",
    "-1102": "Mandatory parameter 'side' was not sent, was empty/null, or malformed.",
    "-1103": "An unknown parameter was sent.",
    "-1104": "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.",
    "-1105": "Parameter 'price' was empty.",
    "-1106": "Parameter 'price' sent when not required.",
    "-1111": "Precision is over the maximum defined for this asset.",
    "-1115": "Invalid timeInForce.",
    "-1116": "Invalid orderType.",
    "-1117": "Invalid side.",
    "-1118": "New client order ID was empty.",
    "-1121": "Invalid symbol.",
    "-1130": "Data sent for parameter 'quantity' is not valid.",
    "-2014": "API-key format invalid.",
    "-2015": "Invalid API-key, IP, or permissions for action.",
    "-2018": "Balance is insufficient.",
    "-2019": "Margin is insufficient.",
    "-2020": "Unable to fill.",
    "-2021": "Order would immediately trigger.",
    "-2022": "ReduceOnly Order is rejected.",
    "-2023": "User in liquidation mode now.",
    "-2024": "Position is not sufficient.",
    "-2025": "Reach max open order limit.",
    "-2026": "This OrderType is not supported when reduceOnly.",
    "-2027": "Exceeded the maximum allowable position at current leverage.",
    "-2028": "Leverage is smaller than permitted: insufficient margin balance.",
    "-4001": "Price less than 0.",
    "-4002": "Price greater than max price.",
    "-4003": "Quantity less than zero.",
    "-4004": "Quantity less than min quantity.",
    "-4005": "Quantity greater than max quantity.",
    "-4013": "Price less than min price.",
    "-4014": "Price not increased by tick size.",
    "-4015": "Client order id is not valid.",
    "-4016": "Price is higher than mark price multiplier cap.",
    "-4023": "Qty not increased by step size.",
    "-4024": "Price is lower than mark price multiplier floor.",
    "-4061": "Order's position side does not match user's setting.",
}
"""Checks made before an order is taken, by code, as both pages list them."""

USD_M_REFUSALS: dict[str, str] = {
    "-4118": "ReduceOnly Order Failed. Please check your existing position and open orders.",
    "-4131": "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    "-4140": "Invalid symbol status for opening position.",
    "-4141": "Symbol is closed.",
    "-4164": "Order's notional must be no smaller than 100 (unless you choose reduce only).",
    "-4400": "Futures Trading Quantitative Rules violated, only reduceOnly order is allowed, please try again later.",
    "-5021": "Due to the order could not be filled immediately, the FOK order has been rejected. The order will not be recorded in the"
    " order history.",
    "-5022": "Due to the order could not be executed as maker, the Post Only order will be rejected. The order will not be recorded in the"
    " order history.",
    "-5028": "Timestamp for this request is outside of the ME recvWindow.",
}
"""Those that only USD-M's page lists."""

COIN_M_REFUSALS: dict[str, str] = {
    "-2016": "No trading window could be found for the symbol. Try ticker/24hrs instead.",
    "-4089": "User can only place reduce only order.",
    "-4090": "User can not place order currently.",
    "-4112": "ReduceOnly Order Failed. Please check your existing position and open orders.",
    "-4113": "The counterparty's best price does not meet the PERCENT_PRICE filter limit.",
    "-4178": "Order's notional must be no smaller than one (unless you choose reduce only)",
    "-4188": "Timestamp for this request is outside of the ME recvWindow.",
    "-4192": "Trade forbidden due to Cooling-off Period.",
}
"""Those that only COIN-M's page lists. It has none for post-only and fill-or-kill orders: they are taken and expire."""

UNPROVEN: dict[str, tuple[int, str]] = {
    "-1000": (400, "An unknown error occured while processing the request."),
    "-1001": (503, "Internal error; unable to process your request. Please try again."),
    "-1006": (503, "An unexpected response was received from the message bus. Execution status unknown."),
    "-1007": (408, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."),
    "-1008": (503, "Server is currently overloaded with other requests. Please try again in a few minutes."),
    "-2010": (400, "NEW_ORDER_REJECTED"),
}
"""HTTP status and text of codes that do not say what became of the request."""

_STATUSES = {"-1015": 429, "-2014": 401, "-2015": 401}
_TOPICS = {
    "bookTicker": Topic.BOOKS,
    "depthUpdate": Topic.BOOKS,
    "markPriceUpdate": Topic.PRICES,
    "24hrTicker": Topic.PRICES,
    "ORDER_TRADE_UPDATE": Topic.ORDERS,
    "ACCOUNT_UPDATE": Topic.ACCOUNT,
}


def answer(code: str, text: str, status: int, *, not_done: bool = True, tells_when: bool = False) -> Trouble:
    """`{"code", "msg"}` with an HTTP status."""
    body = as_json({"code": int(code), "msg": text})
    return Trouble(code=code, reply=HttpReply(status=status, body=body), not_done=not_done, tells_when=tells_when)


def topic_of(frame: Any) -> Topic | None:
    """By the event's name `e`, bare or inside `{"stream", "data"}`; all-market streams are lists of one kind."""
    event = frame.get("data", frame) if isinstance(frame, dict) else frame
    first = event[0] if isinstance(event, list) and event else event
    return _TOPICS.get(str(first.get("e"))) if isinstance(first, dict) else None


_RATE = "Too many requests; current limit of IP is 2400 requests per minute. Please use the websocket for live updates to avoid bans."
_BAN = "Way too many requests; IP banned. Please use the websocket for live updates to avoid bans."


def _troubles(refusals: dict[str, str]) -> Troubles:
    return Troubles(
        replies={
            UNHEARD_OF: answer("-9999", "Something new.", 400, not_done=False),
            DUPLICATE_ID: answer("-4116", "ClientOrderId is duplicated.", 400, not_done=False),
            RATE_LIMITED: answer("-1003", _RATE, 429, tells_when=True),
            BANNED: answer("-1003", _BAN, 418, tells_when=True),
            MAINTENANCE: Trouble(
                code="",
                reply=HttpReply(status=503, body=b"<html><body><h1>503 Service Unavailable</h1></body></html>", content_type="text/html"),
                not_done=False,
            ),
            NO_POSITIONS: Trouble(code="", reply=HttpReply(status=200, body=b"[]")),
            POSITION_MODE: answer("-4061", REFUSALS["-4061"], 400),
            **{code: answer(code, text, _STATUSES.get(code, 400)) for code, text in refusals.items()},
            **{code: answer(code, text, status, not_done=False) for code, (status, text) in UNPROVEN.items()},
        },
        topic_of=topic_of,
        sequences=(("u",), ("U",), ("pu",), ("data", "u"), ("data", "U"), ("data", "pu")),
        margin_modes=MarginModes.CONTRACT,
        hollow='{"e":"ORDER_TRADE_UPDATE","E":1,"T":1,"o":7}',
    )


USD_M = _troubles(REFUSALS | USD_M_REFUSALS)
COIN_M = _troubles(REFUSALS | COIN_M_REFUSALS)
