"""How Deribit spells values: numbers as JSON numbers, instants as ms, ids as text with the currency in front (BTC's without).

Amounts are US dollars of an inverse perpetual and base units of a linear one; `contracts` is an amount in published contract sizes.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.dialect import as_number
from bot.simulator.model import Contract

Row = dict[str, Any]

_SMALLEST = Decimal("1E-12")


def plain(value: Decimal) -> str:
    """A decimal in plain notation without trailing zeros, at most twelve decimals."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        value = value.quantize(_SMALLEST, rounding=ROUND_HALF_EVEN)
    return format(value.normalize(), "f") if value else "0"


def number(value: Decimal) -> orjson.Fragment:
    """A JSON number, exact to twelve decimals."""
    return as_number(Decimal(plain(value)))


def dollars(value: Decimal) -> orjson.Fragment:
    """A price that comes from a division, rounded half-even to four decimals."""
    return number(value.quantize(Decimal("0.0001"), rounding=ROUND_HALF_EVEN))


def contract_size(contract: Contract) -> Decimal:
    """The published size: the least amount by which orders step."""
    return contract.lot * contract.contract_size


def named(contract: Contract, number_: int) -> str:
    """An order's or trade's id on the wire."""
    return str(number_) if contract.settle == "BTC" else f"{contract.settle}-{number_}"


def numbered(text: str) -> int:
    """The engine's number in an id; -1, which nothing has, when the text is no id."""
    digits = text.rpartition("-")[2]
    return int(digits) if digits.isascii() and digits.isdigit() else -1


def index_name(contract: Contract) -> str:
    """The price index of a contract, `btc_usd` or `btc_usdc`."""
    return f"{contract.base}_{contract.quote}".lower()


def stamps(now: Millis) -> Row:
    """The microseconds at which a request came in and its answer left, and on which net."""
    return {"usIn": now * 1000, "usOut": now * 1000 + 150, "usDiff": 150, "testnet": False}
