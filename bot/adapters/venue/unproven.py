"""Codes that look like refusals and prove none, with the reason: what `outcomes` leaves out on purpose.

The rule is in `outcomes`: whatever is not listed there leaves the order in doubt. These are written down so that nobody lists them later.
Sources: the pages that `outcomes.SOURCES` names.
"""

from __future__ import annotations

from collections.abc import Mapping

_BINANCE: Mapping[str, str] = {
    "-1000": "unknown error while processing",
    "-1001": "disconnected inside the venue: the request may have been taken",
    "-1006": "unexpected response inside the venue: execution status unknown",
    "-1007": "timeout inside the venue: execution status unknown",
    "-1008": "overloaded: some such requests were taken all the same",
    "-2010": "new order rejected, also said of a repeated id",
    "-4116": "client order id repeated: the first order with it exists",
}

UNPROVEN: Mapping[str, Mapping[str, str]] = {
    "binanceusdm": _BINANCE,
    "binancecoinm": _BINANCE,
    "bybit": {
        "10000": "server timeout",
        "10014": "request repeated: the first one may exist",
        "10016": "internal server error",
        "10429": "system-wide protection",
        "110030": "order id repeated: the first order with it exists",
        "110072": "client order id repeated: the first order with it exists",
        "170007": "timeout waiting for the backend",
        "170146": "order creation timed out",
    },
    "okx": {
        "50001": "service unavailable",
        "50004": "endpoint timeout: neither success nor failure",
        "50013": "system busy",
        "50026": "system error",
        "51016": "client order id repeated: the first order with it exists",
        "51054": "request timed out",
        "51149": "order timed out",
    },
    "hyperliquid": {
        "Invalid nonce: duplicate nonce": "request repeated: the first one was taken",
        "Duplicate cloid": "client order id repeated: the first order with it exists",
        "Action expired": "documented nowhere: whether it expired before it was taken is asked",
    },
    "deribit": {
        "10001": "general failure",
        "10010": "order already closed: filled or not is not said",
        "10040": "retry: the venue could not finish",
        "10041": "daily settlement in progress",
        "10047": "matching engine's queue full",
        "10066": "too many concurrent requests",
        "11008": "order already filled",
        "11031": "some other error",
        "11044": "order not open: filled or not is not said",
        "11051": "system under maintenance",
        "11094": "internal server error",
        "13028": "temporarily unavailable",
        "13888": "timed out: too late for `valid_until`; that nothing had begun is not said",
    },
}
