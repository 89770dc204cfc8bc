"""What a dialect knows of its venue's bad days: answers in the venue's own envelope, and which stream frame is about what.

Every dialect has one `Troubles` as its attribute `troubles`, written in the module `troubles.py` of its package. The fault plan takes
from it what is refused how; tests take from it what a client must make of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.dialect import HttpReply

UNHEARD_OF = "unheard_of"
"""A code that is on no list of the venue's."""
DUPLICATE_ID = "duplicate_id"
"""The client order id was used before: the first request with it exists."""
RATE_LIMITED = "rate_limited"
"""Too many requests, for a short while."""
BANNED = "banned"
"""The address or account is shut out, for a longer while."""
MAINTENANCE = "maintenance"
"""The venue is closed for maintenance."""
NO_POSITIONS = "no_positions"
"""Not an error: the well-formed list of positions of an account that holds none."""
POSITION_MODE = "position_mode"
"""An order of another position mode than the account's. Only where the venue has position modes."""

NEEDED = (UNHEARD_OF, DUPLICATE_ID, RATE_LIMITED, BANNED, MAINTENANCE, NO_POSITIONS)


class MarginModes(StrEnum):
    """What can be put into isolated margin at a venue."""

    NOTHING = "nothing"
    """Each order names its mode, or there is but one."""
    CONTRACT = "contract"
    """Each contract by itself."""
    ACCOUNT = "account"
    """The account with all that it holds."""


class Topic(StrEnum):
    """What a stream frame is about."""

    BOOKS = "books"
    PRICES = "prices"
    """Marks, indexes, tickers, funding."""
    ORDERS = "orders"
    """Orders and fills of the account."""
    ACCOUNT = "account"
    """Balances and positions of the account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One answer. `code` is the venue's, empty where the answer carries none.

    `not_done`: the venue's documentation says that a request answered like this was not carried out. `tells_when`: the answer says in
    the header Retry-After after how many seconds to come back.
    """

    code: str
    reply: HttpReply
    not_done: bool = True
    tells_when: bool = False

    def lasting(self, left_ms: Millis) -> HttpReply:
        """The answer while the trouble lasts for another `left_ms`."""
        if not self.tells_when:
            return self.reply
        return replace(self.reply, headers={**self.reply.headers, "Retry-After": str(max(1, -(-left_ms // 1_000)))})


@dataclass(frozen=True, slots=True, kw_only=True)
class Troubles:
    """All of one dialect. Documented refusals are named by their codes, what every venue has in its way by the words above.

    `topic_of` takes a decoded frame and gives None for acknowledgements, pongs and the like.
    `sequences` are the paths (keys and list indexes) at which book frames carry sequence numbers. `hollow` is a private frame with a right
    heading and nothing readable behind it. `margin_modes` is what a person can put into isolated margin. Raises ValueError when one of the
    answers in NEEDED is missing.
    """

    replies: Mapping[str, Trouble]
    topic_of: Callable[[Any], Topic | None]
    sequences: tuple[tuple[str | int, ...], ...]
    hollow: str
    margin_modes: MarginModes = MarginModes.NOTHING

    def __post_init__(self) -> None:
        missing = [name for name in NEEDED if name not in self.replies]
        if missing:
            raise ValueError(f"every dialect needs an answer called {missing[0]}")
