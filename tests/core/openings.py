"""How many stories begin."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.core.playbook import (
    book,
    collateral,
    decision_due,
    filled,
    net_delta,
    nothing,
    outcome_unknown,
    place,
    query,
)
from tests.core.story import Story, policy_for

ETH = policy_for("ETH")
BINANCE, BYBIT, OKX = "binance:ETH", "bybit:ETH", "okx:ETH"


def hedged(quantity: str = "30", **changes: Any) -> Story:
    """A book with so much ETH, hedged in three equal parts."""
    story = book(policy_for("ETH", **changes)) >> collateral("ETH", quantity) >> decision_due()
    third = f"{-Decimal(quantity) / 3:f}"
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, third)
    return story >> filled(BYBIT, BINANCE, OKX) >> decision_due() << nothing() << net_delta("ETH", "0")


def in_doubt_at_okx() -> Story:
    """A hedge of which the leg at OKX went unanswered."""
    return (
        book(ETH)
        >> collateral("ETH", "30")
        >> decision_due()
        << place(BYBIT, "-10")
        << place(BINANCE, "-10")
        << place(OKX, "-10")
        >> filled(BYBIT, BINANCE)
        >> outcome_unknown(OKX)
        >> decision_due()
        << query(OKX)
    )
