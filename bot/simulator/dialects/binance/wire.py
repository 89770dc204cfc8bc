"""How Binance spells values: decimal strings without exponent, booleans in lower case, parameters from query and body.

A parameter that is sent both in the query string and in the body is taken from the query string (venue rule, general API information).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from urllib.parse import parse_qsl

from bot.core.units import ZERO
from bot.simulator.dialects.binance.errors import illegal, mandatory
from bot.simulator.dialects.dialect import HttpRequest

_EIGHT = Decimal("0.00000001")


def text(value: Decimal) -> str:
    """A decimal as Binance writes it: plain notation, at most eight decimals."""
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -8:
        value = value.quantize(_EIGHT)
    return format(value, "f") if value else "0"


def decimals(step: Decimal) -> int:
    """How many decimals a step has: 0.001 -> 3, 1 -> 0."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def lowest(step: Decimal) -> str:
    """A step or bound without the trailing zeros that arithmetic leaves behind."""
    return text(step.normalize())


class Parameters:
    """The parameters of one request. Every accessor raises `ApiError` with the venue's code when the value cannot be used."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    @classmethod
    def of(cls, request: HttpRequest) -> Parameters:
        """Query string and form body of a request, the query string winning."""
        body = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        return cls({**body, **dict(parse_qsl(request.query_string, keep_blank_values=True))})

    def get(self, name: str) -> str | None:
        """The text of a parameter, None when it is absent or empty."""
        return self._values.get(name) or None

    def required(self, name: str) -> str:
        """The text of a parameter that must be there; raises -1102."""
        value = self.get(name)
        if value is None:
            raise mandatory(name)
        return value

    def integer(self, name: str, default: int | None = None) -> int | None:
        """A non-negative integer of at most 20 digits; raises -1100 for anything else."""
        value = self.get(name)
        if value is None:
            return default
        if not (value.isascii() and value.isdigit() and len(value) <= 20):
            raise illegal(name, "^[0-9]{1,20}$")
        return int(value)

    def limit(self, default: int, most: int) -> int:
        """The `limit` parameter, at least 1 and never more than the venue's own maximum."""
        return max(1, min(self.integer("limit") or default, most))

    def decimal(self, name: str) -> Decimal | None:
        """A plain decimal; raises -1100 for anything else, such as an exponent or a NaN."""
        value = self.get(name)
        if value is None:
            return None
        if not set(value) <= set("-.0123456789"):
            raise illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$")
        try:
            return Decimal(value)
        except InvalidOperation:
            raise illegal(name, "^([0-9]{1,20})(\\.[0-9]{1,20})?$") from None

    def flag(self, name: str) -> bool:
        """A boolean that is false when absent; raises -1100 for anything but `true` and `false`."""
        value = (self.get(name) or "false").lower()
        if value not in ("true", "false"):
            raise illegal(name, "^(true|false)$")
        return value == "true"


def places_of(value: Decimal) -> int:
    """How many decimals a sent value carries, trailing zeros not counted."""
    return decimals(value) if value != ZERO else 0
