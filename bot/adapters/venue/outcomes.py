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

from bot.adapters.venue.doors import EgressRefused

NOT_SENT = "not_sent"


class OutOfTime(Exception):
    """An order's time was over in the instant of signing: it was not sent."""


_BINANCE = "https://developers.binance.com/docs/derivatives/usds-margined-futures/error-code"
_BINANCE_COIN_M = "https://developers.binance.com/docs/derivatives/coin-margined-futures/error-code"
_BYBIT = "https://bybit-exchange.github.io/docs/v5/error"
_DERIBIT = "https://docs.deribit.com/articles/errors"
_OKX = "https://www.okx.com/docs-v5/en/#error-code"

_HYPERLIQUID = "https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/error-responses"

SOURCES: Mapping[str, str] = {
    "binanceusdm": _BINANCE,
    "binancecoinm": _BINANCE_COIN_M,
    "bybit": _BYBIT,
    "deribit": _DERIBIT,
    "okx": _OKX,
    "hyperliquid": _HYPERLIQUID,
}

# Each code is documented at the source above as a check made before an order is accepted. What is left out because it does not prove
# that, stands in `unproven` with the reasons.
_BINANCE_BOTH: Mapping[str, str] = {
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
}
"""Those that the pages of USD-M and COIN-M both list."""

PROVEN: Mapping[str, Mapping[str, str]] = {
    "binanceusdm": {
        **_BINANCE_BOTH,
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
    "binancecoinm": {
        **_BINANCE_BOTH,
        "-2016": "no trading window for the symbol",
        "-4089": "only reductions allowed now",
        "-4090": "trading not allowed now",
        "-4112": "reduce-only order fails the margin check",
        "-4113": "counterparty's best price out of the percent-price filter",
        "-4178": "notional below minimum",
        "-4188": "timestamp outside the matching engine's recvWindow",
        "-4192": "cooling-off period",
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
    "deribit": {
        "9999": "API not enabled for the account",
        "10000": "authorization required",
        "10002": "quantity too low",
        "10003": "would overlap an order of ours",
        "10005": "price too low",
        "10006": "price too low for the index",
        "10007": "price too high",
        "10008": "price too high for the index",
        "10009": "funds insufficient",
        "10011": "price not allowed",
        "10012": "book closed",
        "10013": "too many open orders",
        "10014": "too many open futures orders",
        "10016": "open futures orders too large",
        "10018": "futures position too large",
        "10019": "locked by admin",
        "10020": "instrument invalid",
        "10021": "amount invalid",
        "10022": "quantity invalid",
        "10023": "price invalid",
        "10024": "max_show invalid",
        "10026": "price precision exceeded",
        "10027": "amount no whole number of contracts",
        "10028": "request rate exceeded",
        "10031": "arguments invalid for the instrument",
        "10032": "total cost too low",
        "10033": "not implemented",
        "10036": "max_show amount invalid",
        "10043": "price off the tick",
        "11029": "arguments invalid",
        "11030": "rejected for another reason",
        "11042": "permission denied",
        "11043": "bad argument",
        "11047": "combination of arguments not supported",
        "11049": "bad arguments",
        "11050": "request not parsed",
        "11054": "post-only would take",
        "13002": "account blocked",
        "13004": "credentials invalid",
        "13009": "token or signature invalid",
        "13010": "value required",
        "13020": "instrument not found",
        "13021": "key lacks permission",
        "-32602": "parameter invalid",
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
    # No codes: the words themselves, up to their first figure (`phrase`). What a whole action is refused with is not on the venue's page,
    # but is answered before any order of it is looked at. Absent: a nonce that was used (the first action with it was taken), an expiry
    # that has passed (its words are nowhere documented; the look-up after it proves absence), and an immediate order that met nobody.
    "hyperliquid": {
        "Price must be divisible by tick size": "price off the tick",
        "Order must have minimum value of": "notional below minimum",
        "Insufficient margin to place order": "margin not sufficient",
        "Reduce only order would increase position": "reduce-only rule not met",
        "Post only order would have immediately matched, bbo was": "post-only would take",
        "No liquidity available for market order": "nobody to match",
        "Order would increase open interest while open interest is capped": "open interest at its cap",
        "Order would increase open interest too quickly": "open interest grows too fast",
        "Order price too far from oracle": "price too far from the oracle's",
        "Price too far from oracle": "price too far from the oracle's",
        "Order price cannot be more than": "price too far from the reference",
        "Order has invalid price": "price form invalid",
        "Order has invalid size": "size form invalid",
        "Order has zero size": "size zero",
        "User or API Wallet": "signer unknown",
        "Unable to recover signer": "signature invalid",
        "Too many cumulative requests sent": "request limit of the address reached",
        "Invalid nonce: nonce too low": "nonce too old",
    },
}

_DUPLICATE = re.compile(r"duplicat", re.IGNORECASE)
_FIGURES = re.compile(r"\s*(?:asset=|\$|\(|0x|\d)")


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
    if isinstance(error.__cause__, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.ClientHttpProxyError):
        return Refused(NOT_SENT, "no connection could be opened")  # the last: a proxy refused to open the way, before TLS began
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
    """The code and words in an error body of any of the venues; where one has no codes, its words' beginning stands for one."""
    if not isinstance(body, dict):
        return None
    error = body.get("error")
    if isinstance(error, dict) and error.get("code") is not None:
        reason = error.get("data")
        return VenueSaid(str(error["code"]), f"{error.get('message', '')} {reason or ''}".strip())
    words = _words_in(body)
    if words is not None:
        return VenueSaid(phrase(words), words)
    data = body.get("data")
    first = data[0] if isinstance(data, list) and data and isinstance(data[0], dict) else {}
    if str(first.get("sCode", "0")) not in {"0", ""}:
        return VenueSaid(str(first["sCode"]), str(first.get("sMsg", "")))
    for code, words in (("code", "msg"), ("retCode", "retMsg")):
        if body.get(code) is not None:
            return VenueSaid(str(body[code]), str(body.get(words, "")))
    return None


def phrase(words: str) -> str:
    """Words up to their first figure, without the full stop: `Order must have minimum value of $10. asset=0` and the same with another
    figure are one refusal."""
    return _FIGURES.split(words, maxsplit=1)[0].rstrip(" .,:(")


def _words_in(body: dict[str, Any]) -> str | None:
    """What Hyperliquid says instead of a code: about a whole action, about the one order in it, or that it knows no such order."""
    status, response = body.get("status"), body.get("response")
    if status == "err" and isinstance(response, str):
        return response
    if status == "unknownOid":
        return "unknownOid"
    data = response.get("data") if isinstance(response, dict) else None
    statuses = data.get("statuses") if isinstance(data, dict) else None
    first = statuses[0] if isinstance(statuses, list) and statuses else None
    error = first.get("error") if isinstance(first, dict) else None
    return error if isinstance(error, str) else None
