"""How Bybit spells values: numbers as decimal strings, absent values as empty strings, UUIDs for ids, one envelope for all answers.

Engine ids are integers. They travel inside UUIDs whose upper half says what is numbered, so that an id leads back to its order and no
other text does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any
from uuid import UUID

from bot.core.units import Millis
from bot.simulator.dialects.dialect import as_json
from bot.simulator.model import Contract, Side

Json = dict[str, Any]

LINEAR, INVERSE = "linear", "inverse"
SIDES: Mapping[Side, str] = {Side.BUY: "Buy", Side.SELL: "Sell"}

_SMALLEST = Decimal("1E-12")
_LOW = (1 << 64) - 1
_ORDER = 0x6F72_6465_7200_4000
_EXECUTION = 0x6578_6563_7500_4000
_FUNDING = 0x6675_6E64_6900_4000
_VENUE_ORDER = 0x7665_6E75_6500_4000


def text(value: Decimal) -> str:
    """A decimal in plain notation without trailing zeros, at most twelve decimals."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -12:
        value = value.quantize(_SMALLEST, rounding=ROUND_HALF_EVEN)
    return format(value.normalize(), "f") if value else "0"


def category_of(contract: Contract) -> str:
    """The category that a contract is traded in."""
    return INVERSE if contract.inverse else LINEAR


def has_position_modes(contract: Contract) -> bool:
    """Whether a contract knows another position mode than one-way: in a unified account those that settle in USDT alone."""
    return contract.settle == "USDT" and not contract.inverse


def average(value: Decimal | None, decimals: int = 8) -> str:
    """A price that comes from a division, rounded half-even; empty when there is none."""
    return "" if value is None else text(value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_EVEN))


def order_id(number: int) -> str:
    """The `orderId` of an engine order."""
    return _uuid(_ORDER, number)


def order_number(order_id_text: str) -> int | None:
    """The engine's number in an `orderId`, None for any other text."""
    try:
        value = UUID(order_id_text).int
    except ValueError:
        return None
    return value & _LOW if value >> 64 == _ORDER else None


def execution_id(number: int) -> str:
    """The `execId` of a fill."""
    return _uuid(_EXECUTION, number)


def funding_id(number: int) -> str:
    """The `execId` of a funding payment."""
    return _uuid(_FUNDING, number)


def venue_order_id(number: int) -> str:
    """The `orderId` of a fill for which the account has no order: the venue's own, of a deleveraging or a liquidation."""
    return _uuid(_VENUE_ORDER, number)


def _uuid(tag: int, number: int) -> str:
    return str(UUID(int=tag << 64 | number))


def envelope(result: Json, now: Millis, *, code: int = 0, sentence: str = "OK", extra: Json | None = None) -> bytes:
    """An answer's body; `time` is the venue's clock in ms, a JSON number like `retCode`."""
    return as_json({"retCode": code, "retMsg": sentence, "result": result, "retExtInfo": extra or {}, "time": now})


def frame(message: Json) -> str:
    """One WebSocket text frame."""
    return as_json(message).decode()


def page(rows: Sequence[Json], cursor: str, category: str) -> Json:
    """The `result` of a listing in a category."""
    return {"nextPageCursor": cursor, "category": category, "list": list(rows)}
