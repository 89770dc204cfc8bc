"""How often an account may call: a rolling window of one second per account and endpoint (source: the v5 rate limit page, UTA 2.0).

The count travels in the headers of every private answer. One visit too many is refused with 10006 and was not carried out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from bot.core.units import Millis
from bot.simulator.dialects.bybit.codes import TOO_MANY_VISITS, ApiError

WINDOW_MS: Millis = 1_000


@dataclass(frozen=True, slots=True)
class Visit:
    """One call: calls allowed per second, calls left after it, when the window frees (now, while any are left), whether it was too many."""

    limit: int
    left: int
    reset_at: Millis
    too_many: bool

    @property
    def headers(self) -> dict[str, str]:
        """Header names and values as the venue sends them."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(self.left),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset_at),
        }

    def admit(self) -> None:
        """Raises ApiError 10006 when the call was one too many."""
        if self.too_many:
            raise ApiError(TOO_MANY_VISITS, "Too many visits. Exceeded the API Rate Limit.")


class Visits:
    """The rolling windows. With `enforced` off it counts and never refuses, for measuring the speed of clients."""

    def __init__(self, *, enforced: bool = True) -> None:
        self._enforced = enforced
        self._calls: dict[tuple[str, str], deque[Millis]] = {}

    def count(self, account: str, endpoint: str, limit: int, now: Millis) -> Visit:
        """Counts one call of an account at an endpoint. A refused call does not count against the next second."""
        calls = self._calls.setdefault((account, endpoint), deque())
        while calls and calls[0] <= now - WINDOW_MS:
            calls.popleft()
        if len(calls) >= limit and self._enforced:
            return Visit(limit, 0, calls[0] + WINDOW_MS, too_many=True)
        calls.append(now)
        return Visit(limit, max(0, limit - len(calls)), now, too_many=False)
