"""How OKX v5 writes things down: every figure is a string, every answer an envelope, every id a string of digits.

A figure that is not known or does not apply is the empty string, never "0". Times are milliseconds as strings; the gateway's
`inTime` and `outTime` are microseconds. An instrument such as `BTC-USDT-SWAP` belongs to the family and index `BTC-USDT`.
Source: OKX v5 documentation, "Overview" and the response examples of each endpoint.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO, Millis
from bot.simulator.dialects.dialect import HttpReply, as_json
from bot.simulator.model import Contract, Fill

Row = dict[str, Any]
"""One object of an answer's `data` list."""

SWAP = "SWAP"
DECIMALS_MAX = Decimal("1e-16")
"""OKX prints at most sixteen decimals."""

SYSTEM_ORDER_ID_FIRST = 900_000_000_000_000_000
"""Deleveraging and liquidation orders are the venue's own: their ids live above every id that an account's order can get."""


def figure(value: Decimal | None) -> str:
    """A number in plain notation without trailing zeros; the empty string when there is none."""
    if value is None:
        return ""
    if value == ZERO:
        return "0"
    if int(value.as_tuple().exponent) < int(DECIMALS_MAX.as_tuple().exponent):
        value = value.quantize(DECIMALS_MAX)
    return format(value.normalize(), "f")


def blank(names: str) -> Row:
    """Members that are there and say nothing: OKX sends every member of a row, whether it applies or not."""
    return dict.fromkeys(names.split(), "")


def family(contract: Contract) -> str:
    """The instrument family, which is also the index and the underlying: `BTC-USDT`."""
    return f"{contract.base}-{contract.quote}"


def uid(account: str) -> str:
    """The account's user id: digits, and always the same for the same name."""
    return str(10_000_000_000 + zlib.crc32(account.encode()))


def position_id(account: str, symbol: str) -> str:
    """The id of the account's net position in one contract."""
    return str(20_000_000_000 + zlib.crc32(f"{account}/{symbol}".encode()))


def order_id_of(fill: Fill) -> str:
    """The `ordId` that a fill belongs to; the venue's own orders take theirs from their only fill."""
    return str(fill.order_id if fill.order_id is not None else SYSTEM_ORDER_ID_FIRST + fill.fill_id)


def envelope(rows: list[Row], *, code: str = "0", msg: str = "") -> HttpReply:
    """The answer to a request that was understood: HTTP 200 with `code`, `msg` and `data`."""
    return HttpReply(status=200, body=as_json({"code": code, "data": rows, "msg": msg}))


def acknowledgement(rows: list[Row], now: Millis) -> HttpReply:
    """The answer to orders and cancels: each row has its own `sCode`, and `code` says whether all, some or none went through."""
    return HttpReply(status=200, body=as_json({**verdict(rows), "data": rows, **gateway_times(now)}))


def verdict(rows: list[Row]) -> dict[str, str]:
    """`code` and `msg` over the rows of a batch: 0 all accepted, 2 some, 1 none."""
    refused = sum(row["sCode"] != "0" for row in rows)
    if not refused:
        return {"code": "0", "msg": ""}
    if refused < len(rows):
        return {"code": "2", "msg": "Bulk operation partially succeeded."}
    return {"code": "1", "msg": "All operations failed"}


def gateway_times(now: Millis) -> dict[str, str]:
    """When the gateway took the request in and sent the answer, in microseconds."""
    return {"inTime": str(now * 1000), "outTime": str(now * 1000 + 500)}


def page(rows: list[Row], query: Mapping[str, str], *, key: str, time_key: str, limit_max: int = 100) -> list[Row]:
    """One page of rows that are sorted newest first.

    `after` asks for rows older than the row whose `key` it names, `before` for newer ones; `begin` and `end` (ms, both included)
    filter `time_key`. An id that is not among the rows has nothing on either side of it.
    """
    ids = [row[key] for row in rows]
    if after := query.get("after"):
        rows = rows[ids.index(after) + 1 :] if after in ids else []
    elif before := query.get("before"):
        rows = rows[: ids.index(before)] if before in ids else []
    begin, end = query.get("begin"), query.get("end")
    rows = [row for row in rows if (not begin or int(row[time_key]) >= int(begin)) and (not end or int(row[time_key]) <= int(end))]
    limit = int(query.get("limit") or limit_max)
    return rows[: min(limit, limit_max)]
