"""What is wrong with one venue at present, for every run of the bot in a chaos world; drawn and counted by whoever strikes.

Everything is off by default, and `heal` switches everything off again. Faults that hit a single call are drawn per call, from the seed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from random import Random

from bot.core.units import ZERO, InstrumentId

ORDER_FAULTS = (1, 2, 3, 4, 7, 9, 13)
"""Faults by number that hit one order on its way."""
LIES_MAX_S = 20.0
"""Longest time for which a venue repeats old positions: bounded lags are on record up to 30 s, and for ever is another account."""


def _nothing(_: object) -> None:
    return None


@dataclass(slots=True, kw_only=True)
class Conditions:
    """`random` and `struck` are the seed's and the run's; shares are probabilities per call or report."""

    random: Random
    struck: Counter[int]
    order_faults: float = 0.0
    cancels_lost: float = 0.0
    refuses_increases: str = ""
    refuses_orders: str = ""
    unanswered_orders: bool = False
    unanswered_questions: bool = False
    history_dead: bool = False
    refuses_everything: str = ""
    muted: bool = False
    drops: float = 0.0
    doubles: bool = False
    shuffles: bool = False
    empty_positions: bool = False
    wrong_position: bool = False
    """The next reading is wrong, unless the one before it was: two in a row that say the same are another account."""
    told_wrong_position: bool = False
    stale_positions: bool = False
    bad_prices: bool = False
    no_funding: bool = False
    flat_before_reductions: bool = False
    fills_before_cancels: bool = False
    feed_dies: bool = False
    next_orders: list[int] = field(default_factory=list)
    before_reduction: Callable[[InstrumentId], None] = field(default=_nothing)
    before_cancel: Callable[[InstrumentId], None] = field(default=_nothing)
    marks: dict[InstrumentId, Decimal] = field(default_factory=dict)
    """Marks as a multiple of what they should be."""

    def heal(self) -> None:
        """Nothing is wrong any more."""
        kept = ("random", "struck", "told_wrong_position", "before_reduction", "before_cancel")
        plain = Conditions(random=self.random, struck=self.struck)
        for each in fields(self):
            if each.name not in kept:
                setattr(self, each.name, getattr(plain, each.name))

    def order_fault(self) -> int:
        """What hits the order that leaves now, by number; 0: nothing."""
        if self.next_orders:
            return self.next_orders.pop(0)
        return self.random.choice(ORDER_FAULTS) if self._hits(self.order_faults) else 0

    def cancel_is_lost(self) -> bool:
        """Whether the cancel that leaves now comes to nothing."""
        return self._hits(self.cancels_lost)

    def report_is_lost(self) -> bool:
        """Whether this report of our own account gets lost."""
        return self._hits(self.drops)

    def price(self, price: Decimal) -> Decimal:
        """What a broken feed tells instead of a price."""
        return self.random.choice((Decimal("NaN"), ZERO, -price, Decimal("1e9"), Decimal("Infinity")))

    def _hits(self, share: float) -> bool:
        return share > 0.0 and self.random.random() < share
