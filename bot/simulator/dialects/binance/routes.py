"""What one path of a venue is: what it is about, what it weighs and who may call it. The paths themselves: `usd_m`, `coin_m`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from bot.simulator.dialects.binance import market
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.wire import Parameters
from bot.simulator.dialects.dialect import Operation

SPOT_HOST = "api.binance.com"
"""Where a key is told of; also where the spot venue is, which is not simulated."""


class Security(Enum):
    """Who may call: everybody, whoever sends a key, or whoever signs."""

    NONE = "none"
    KEY = "key"
    SIGNED = "signed"


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint. `weight` is used when a symbol is given, `weight_all` when none is."""

    operation: Operation
    endpoint: Callable[[Call], Outcome]
    security: Security = Security.NONE
    weight: int = 1
    weight_all: int | None = None

    def cost(self, parameters: Parameters) -> int:
        """The weight of one request; the depth of a book is weighed by its limit."""
        if self.endpoint is market.depth:
            limit = parameters.get("limit") or "500"
            return {"5": 2, "10": 2, "20": 2, "50": 2, "100": 5, "500": 10}.get(limit, 20)
        if self.weight_all is not None and parameters.get("symbol") is None:
            return self.weight_all
        return self.weight


Routes = Mapping[tuple[str, str, str], Route]
"""Endpoints by host, method and path. One that is not here is answered by HTTP 404, as the venue does."""


def signed(operation: Operation, endpoint: Callable[[Call], Outcome], weight: int = 1, weight_all: int | None = None) -> Route:
    """An endpoint for whoever signs."""
    return Route(operation, endpoint, Security.SIGNED, weight, weight_all)


def keyed(operation: Operation, endpoint: Callable[[Call], Outcome], weight: int = 1) -> Route:
    """An endpoint for whoever sends a key."""
    return Route(operation, endpoint, Security.KEY, weight)
