"""Whether a contract is listed and traded: a word of its terms."""

from __future__ import annotations

from enum import StrEnum


class Listing(StrEnum):
    """What may be done with a contract. HALTED: no new orders, resting ones may be canceled. DELISTED: not told of any more."""

    TRADING = "trading"
    HALTED = "halted"
    DELISTED = "delisted"
