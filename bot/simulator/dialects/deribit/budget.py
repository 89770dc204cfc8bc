"""Request credits: a leaky bucket per account and kind of request.

Orders and cancels go to the matching engine: bursts of 20, 5 a second from there on (an account below one million dollars of volume in a
week). All else costs 500 of 50,000 credits that refill at 10,000 a second. A request beyond them is answered with 10028 and not carried
out; the venue also ends the session, which is left out here. Public requests without a key are bounded by address, in figures
that are not published: here they are counted under one name with the same credits.
Source: support.deribit.com, "Rate Limits"; docs.deribit.com/articles/rate-limits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bot.core.units import Millis
from bot.simulator.dialects.deribit.errors import too_many_requests


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of request: what one costs, how many credits there may be, how many come back in a second."""

    name: str
    cost: int
    most: int
    per_second: int


MATCHING = Kind("matching_engine", 1, 20, 5)
OTHER = Kind("non_matching_engine", 500, 50_000, 10_000)


class Credits:
    """The buckets of all accounts. With `enforced` off nothing is ever refused, for measuring clients."""

    def __init__(self, *, enforced: bool = True) -> None:
        self._enforced = enforced
        self._left: dict[tuple[str, str], tuple[Decimal, Millis]] = {}

    def spend(self, account: str, kind: Kind, now: Millis) -> None:
        """Pays for one request. Raises RpcError 10028 when the account has not enough left; then nothing is paid."""
        left, then = self._left.get((account, kind.name), (Decimal(kind.most), now))
        left = min(Decimal(kind.most), left + Decimal(max(0, now - then) * kind.per_second) / 1000)
        if left < kind.cost and self._enforced:
            raise too_many_requests()
        self._left[account, kind.name] = (left - kind.cost, max(now, then))
