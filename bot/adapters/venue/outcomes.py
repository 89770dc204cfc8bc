"""What an answer to a write proves: REFUSED, or nothing.

The rule: an order is refused only when the venue said so with a code of the list below, or when nothing reached the wire. All else
(timeouts, 5xx, cut or empty answers, codes nobody listed, exceptions of whatever class) is unknown: the order may exist. ccxt's
exception classes do not separate the two (its plain ExchangeError is both), so they are not consulted. A duplicate client order id
proves that the first request with it EXISTS; it is never a refusal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from bot.adapters.venue.routing import EgressRefused

NOT_SENT = "not_sent"


class OutOfTime(Exception):
    """An order's time was over in the instant of signing: it was not sent."""


_BINANCE = "https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code"
_BYBIT = "https://bybit-exchange.github.io/docs/v5/error"
_OKX = "https://www.okx.com/docs-v5/en/#error-code"

SOURCES: Mapping[str, str] = {"binanceusdm": _BINANCE, "bybit": _BYBIT, "okx": _OKX}

# Each code is documented at the source above as a check made before an order is accepted. Deliberately absent, because they do not
# prove that: Binance -1000 -1001 -1006 -1007 -1008 (unknown, disconnected, unexpected, timeout, overloaded), -2010 (also used for a
# duplicate), -4116 (duplicate id); Bybit 10000 10016 10429 (server side), 10014 110030 110072 (duplicates), 170007 170146
# (timeouts); OKX 50001 50004 50013 50026 (server side), 51016 (duplicate id), 51054 51149 (timeouts).
PROVEN: Mapping[str, Mapping[str, str]] = {
    "binanceusdm": {
        "-1003": "request rate exceeded",
        "-1013": "message or filter invalid",
        "-1015": "order rate exceeded",
        "-1020": "unsupported operation",
        "-1021": "timestamp outside recvWindow",
        "-1022": "signature invalid",
        "-1100": "illegal characters in a parameter",
        "-1101": "too many parameters",
        "-1102": "mandatory parameter missing",
        "-1103": "unknown parameter",
        "-1104": "unread parameters",
        "-1105": "parameter empty",
        "-1106": "parameter not required",
        "-1111": "precision over maximum",
        "-1115": "invalid timeInForce",
        "-1116": "invalid order type",
        "-1117": "invalid side",
        "-1118": "new client order id empty",
        "-1121": "invalid symbol",
        "-1130": "invalid data for a parameter",
        "-2014": "API key format invalid",
        "-2015": "API key, IP or permission invalid",
        "-2018": "balance not sufficient",
        "-2019": "margin not sufficient",
        "-2020": "unable to fill",
        "-2021": "order would trigger immediately",
        "-2022": "reduce-only order rejected",
        "-2023": "user in liquidation",
        "-2024": "position not sufficient",
        "-2025": "too many open orders",
        "-2026": "reduce-only not supported for this order type",
        "-2027": "position over the leverage's maximum",
        "-2028": "leverage too small for the margin",
        "-4001": "price below zero",
        "-4002": "price over maximum",
        "-4003": "quantity not above zero",
        "-4004": "quantity below minimum",
        "-4005": "quantity over maximum",
        "-4013": "price below minimum",
        "-4014": "price off the tick",
        "-4015": "client order id too long",
        "-4016": "price over the multiplier's cap",
        "-4023": "quantity off the step",
        "-4024": "price under the multiplier's floor",
        "-4061": "position side does not match the account's mode",
        "-4118": "reduce-only order fails the margin check",
        "-4131": "counterparty's best price out of the percent-price filter",
        "-4140": "symbol status does not allow opening",
        "-4141": "symbol closed",
        "-4164": "notional below minimum",
        "-4400": "quantitative rules violated",
        "-4401": "quantitative rules violated: reduce-only",
        "-5021": "fill-or-kill not fillable",
        "-5022": "post-only would take",
        "-5028": "timestamp outside the matching engine's recvWindow",
    },
    "bybit": {
        "10001": "request parameter error",
        "10002": "request time outside recv_window",
        "10003": "API key invalid",
        "10004": "signature invalid",
        "10005": "permission denied",
        "10006": "request rate exceeded",
        "10009": "IP banned",
        "10010": "IP not bound to the key",
        "10018": "IP request rate exceeded",
        "10024": "compliance rules",
        "10027": "transactions banned",
        "10028": "symbol restricted",
        "10029": "symbol not on the key's list",
        "110003": "price out of the permitted range",
        "110004": "wallet balance insufficient",
        "110005": "position status",
        "110006": "wallet balance below margin required",
        "110007": "available balance insufficient",
        "110011": "position in liquidation",
        "110012": "available balance insufficient",
        "110017": "reduce-only rule not met",
        "110020": "too many active orders",
        "110021": "open interest limit exceeded",
        "110022": "quantity over maximum",
        "110023": "only reductions allowed now",
        "110044": "available margin insufficient",
        "110045": "wallet balance insufficient",
        "110049": "price off the tick",
        "110066": "trading not allowed now",
        "110074": "contract not live",
        "110089": "over the maximum risk limit",
        "110094": "notional below minimum",
    },
    "okx": {
        "50002": "JSON syntax error",
        "50011": "request rate exceeded",
        "50014": "parameter empty",
        "50036": "expTime earlier than the venue's clock",
        "50061": "order rate of the account exceeded",
        "50101": "key of another environment",
        "50102": "timestamp expired",
        "50103": "key header missing",
        "50104": "passphrase header missing",
        "50105": "passphrase wrong",
        "50106": "signature header missing",
        "50107": "timestamp header missing",
        "50110": "IP not on the key's list",
        "50111": "API key invalid",
        "50112": "timestamp invalid",
        "50113": "signature invalid",
        "50114": "authority invalid",
        "50119": "API key does not exist",
        "50120": "API key lacks permission",
        "51000": "parameter error",
        "51001": "instrument does not exist",
        "51003": "order id missing",
        "51004": "position over the tier's maximum",
        "51005": "order over the maximum",
        "51006": "price outside the limit",
        "51008": "balance insufficient",
        "51010": "not supported in this account mode",
        "51020": "quantity below minimum",
        "51021": "instrument not yet live",
        "51022": "instrument suspended",
        "51023": "position does not exist",
        "51024": "account blocked",
        "51025": "too many orders",
        "51027": "contract expired",
        "51028": "contract in delivery",
        "51030": "funding is being settled",
        "51109": "no offers to match",
        "51119": "balance insufficient",
        "51120": "quantity below minimum",
        "51121": "quantity off the lot",
        "51127": "available balance zero",
        "51131": "balance insufficient",
        "51136": "buy price over the limit",
        "51137": "buy price over the limit",
        "51138": "sell price under the limit",
        "51150": "precision over the limit",
        "51169": "no position to reduce",
        "51170": "reduce-only order on the position's own side",
        "51204": "limit price missing",
        "51205": "reduce-only not available",
    },
}

_DUPLICATE = re.compile(r"duplicat", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Refused:
    """Proof that the order does not exist: the venue's code (or NOT_SENT) and what it means."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unproven:
    """No proof either way. `code` is the venue's where it told one."""

    code: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class VenueSaid:
    """The code and words in a venue's error body."""

    code: str
    words: str


def classify(venue: str, error: BaseException, *, sent: bool) -> Refused | Unproven:
    """What an exception out of a place request proves. `sent`: whether any request was handed to the wire meanwhile."""
    if isinstance(error, EgressRefused | OutOfTime):
        return Refused(NOT_SENT, str(error))
    if not sent:
        return Refused(NOT_SENT, f"stopped before it was sent: {type(error).__name__}")
    if isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return Refused(NOT_SENT, "no connection could be opened")
    said = venue_said(error)
    if said is None:
        return Unproven(None, f"no readable answer: {type(error).__name__}")
    meaning = PROVEN.get(venue, {}).get(said.code)
    if meaning is None or _DUPLICATE.search(said.words):
        return Unproven(said.code, said.words)
    return Refused(said.code, said.words or meaning)


def venue_said(error: BaseException) -> VenueSaid | None:
    """The venue's own code in a ccxt exception: ccxt writes `<id> <the body>`; None when there is no such body.

    An order's own code (OKX: `data[0].sCode`) goes before the envelope's, which only says that something in the batch failed.
    """
    text = str(error)
    start = text.find("{")
    if start < 0:
        return None
    try:
        body = orjson.loads(text[start:])
    except orjson.JSONDecodeError:
        return None
    return said_in(body)


def said_in(body: Any) -> VenueSaid | None:
    """The code and words in an error body of any of the three venues."""
    if not isinstance(body, dict):
        return None
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    if str(first.get("sCode", "0")) not in {"0", ""}:
        return VenueSaid(str(first["sCode"]), str(first.get("sMsg", "")))
    for code, words in (("code", "msg"), ("retCode", "retMsg")):
        if body.get(code) is not None:
            return VenueSaid(str(body[code]), str(body.get(words, "")))
    return None
