"""In which pieces a gap of blocks is asked for: as large as the node accepts, which no node says beforehand.

A refused range is halved, down to one block; several accepted ones in a row double the next, up to the most that is configured.
"""

from __future__ import annotations

from dataclasses import dataclass

ACCEPTED_IN_A_ROW = 8
"""So many pieces of one size are accepted before a larger one is tried: most nodes have a fixed limit, and refusals are counted."""


@dataclass(frozen=True, slots=True)
class Blocks:
    """The blocks from `first` to `last`, both included."""

    first: int
    last: int


class RangePlan:
    """The size of the next piece, learned from what was refused."""

    def __init__(self, most: int) -> None:
        """`most` blocks are asked for at once at the most. Raises ValueError unless it is positive."""
        if most < 1:
            raise ValueError("at least one block must be asked for at once")
        self._most = self.size = most
        self._accepted = 0

    def next(self, first: int, last: int) -> Blocks | None:
        """The next piece of `first` to `last`; None when there is nothing left."""
        return None if first > last else Blocks(first, min(last, first + self.size - 1))

    def accepted(self, asked: Blocks) -> None:
        """The node answered. Only a piece of the full size says that more would be accepted."""
        if asked.last - asked.first + 1 < self.size:
            return
        self._accepted += 1
        if self._accepted >= ACCEPTED_IN_A_ROW:
            self._accepted, self.size = 0, min(self._most, self.size * 2)

    def refused(self, asked: Blocks) -> bool:
        """The node did not. False: it was a single block, and no smaller piece is left to try."""
        width = asked.last - asked.first + 1
        self._accepted, self.size = 0, max(1, width // 2)
        return width > 1
