"""The parameters of one request, from the query string or a JSON body, read the way Bybit reads them: 10001 for what it cannot use."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bot.core.units import DAY_MS, ZERO, Millis
from bot.simulator.dialects.bybit.codes import parameter
from bot.simulator.dialects.bybit.wire import INVERSE, LINEAR
from bot.simulator.dialects.dialect import HttpRequest

WEEK_MS: Millis = 7 * DAY_MS


class Params:
    """Named values. Every accessor raises `ApiError` 10001 when a value is there and cannot be used."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    def of(cls, request: HttpRequest) -> Params:
        """Query string of a GET, JSON object of a POST."""
        if request.method != "POST":
            return cls(dict(parse_qsl(request.query_string, keep_blank_values=True)))
        try:
            values = orjson.loads(request.body or b"{}")
        except orjson.JSONDecodeError as error:
            raise parameter(f"params error: {error}") from None
        if not isinstance(values, dict):
            raise parameter("params error: expect a JSON object")
        return cls(values)

    def text(self, name: str) -> str | None:
        """A value as text, None when it is absent or empty."""
        value = self._values.get(name)
        if value is None or value == "":
            return None
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (str, int, float)):
            return str(value)
        raise parameter(f"params error: {name} invalid")

    def required(self, name: str) -> str:
        """A value that must be there."""
        value = self.text(name)
        if value is None:
            raise parameter(f"params error: {name} is required")
        return value

    def positive(self, name: str) -> Decimal | None:
        """A decimal above zero, None when absent. The venue takes plain notation only, no exponents, no sign."""
        given = self.text(name)
        if given is None:
            return None
        try:
            value = Decimal(given)
        except InvalidOperation:
            raise parameter(f"params error: {name} invalid") from None
        if not value.is_finite() or value <= ZERO or not set(given) <= set("0123456789."):
            raise parameter(f"params error: {name} invalid")
        return value

    def integer(self, name: str, *, default: int, low: int, high: int) -> int:
        """A whole number between two bounds, both included."""
        given = self.text(name)
        if given is None:
            return default
        try:
            value = int(given)
        except ValueError:
            raise parameter(f"params error: {name} invalid") from None
        if not low <= value <= high:
            raise parameter(f"params error: {name} must be in [{low}, {high}]")
        return value

    def flag(self, name: str) -> bool:
        """A boolean, false when absent."""
        given = self.text(name)
        if given is None or given.lower() in {"false", "0"}:
            return False
        if given.lower() in {"true", "1"}:
            return True
        raise parameter(f"params error: {name} invalid")

    def period(self, now: Millis) -> tuple[Millis, Millis]:
        """`startTime` and `endTime` in ms, both included: the last seven days unless told otherwise, never more than seven days."""
        far = 1 << 62
        start = self.integer("startTime", default=-1, low=0, high=far)
        end = self.integer("endTime", default=-1, low=0, high=far)
        if start < 0:
            end = now if end < 0 else end
            start = max(0, end - WEEK_MS)
        elif end < 0:
            end = start + WEEK_MS
        if start > end:
            raise parameter("startTime must be less than endTime")
        if end - start > WEEK_MS:
            raise parameter("The time range between startTime and endTime cannot exceed 7 days")
        return start, end

    def category(self) -> str:
        """The `category`, linear or inverse: the two with anything in them here. Each knows its own contracts only."""
        category = self.required("category")
        if category not in {LINEAR, INVERSE}:
            raise parameter("params error: Category is invalid")
        return category
