"""Arguments of a method: text from a query string, or JSON values. A wrong one is answered with -32602, its name and a reason."""

from __future__ import annotations

from collections.abc import Mapping, Set
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.deribit.errors import invalid


class Params:
    """The named arguments of one request. Every reader raises RpcError -32602."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    def text(self, name: str, default: str | None = None) -> str:
        """A text, or the default where there is one."""
        value = self._given.get(name)
        if value in (None, ""):
            if default is None:
                raise invalid(name, "value required")
            return default
        if not isinstance(value, str | int):
            raise invalid(name, "wrong format")
        return str(value)

    def choice(self, name: str, allowed: Set[str], default: str | None = None) -> str:
        """One of a few words."""
        value = self.text(name, default)
        if value not in allowed:
            raise invalid(name, "wrong format")
        return value

    def whole(self, name: str, default: int | None = None, most: int | None = None) -> int:
        """A whole number, cut to the most that the method takes."""
        value = self._given.get(name)
        if value in (None, "") and default is not None:
            return default
        try:
            found = int(str(value))
        except ValueError:
            raise invalid(name, "value required" if value in (None, "") else "must be a number") from None
        return found if most is None else max(0, min(found, most))

    def instant(self, name: str, default: Millis | None = None) -> Millis:
        """An instant in ms."""
        return self.whole(name, default)

    def flag(self, name: str) -> bool:
        """Yes or no; no when absent."""
        value = self._given.get(name, False)
        if value not in (True, False, "true", "false"):
            raise invalid(name, "must be a boolean")
        return value in (True, "true")

    def amount(self, name: str) -> Decimal | None:
        """A positive number, None when absent."""
        value = self._given.get(name)
        if value in (None, ""):
            return None
        try:
            found = Decimal(str(value))
        except InvalidOperation:
            raise invalid(name, "must be a number") from None
        if isinstance(value, bool) or not found.is_finite() or found <= 0:
            raise invalid(name, "must be a positive number")
        return found

    def texts(self, name: str) -> list[str]:
        """A list of texts: in a query string it is one JSON list."""
        value = self._given.get(name)
        if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
            raise invalid(name, "must be a list")
        return value
