"""How long a lease may be relied on, by our own clock. Instants are handed in: milliseconds of a clock that counts suspension.

Rules:
- The end is counted from BEFORE the request left: the store began to count later than that, so it never ends the lease before we do.
- A margin is taken off, for two clocks that do not run at one speed.
- Only an answer extends. A renewal whose answer was lost may have extended the store's lease; it does not extend ours.
- An answer that comes late never shortens what a later request was granted.

What no margin covers is a store whose own clock steps, or that forgets. Requests are therefore signed to expire with the lease at the
latest, and who takes over waits (see `shell.mandate`).
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.copying import replace
from bot.core.units import Millis

RENEWALS_PER_TERM = 3
"""How often a lease is renewed within its length: two in a row may fail."""
MARGIN_PARTS = 20
"""The margin is one such part of the length, and never less than the following."""
MARGIN_LEAST_MS: Millis = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenure:
    """What we hold of a lease of `ttl_ms`: nothing beyond `ends_at`, and nothing at all when that is None."""

    ttl_ms: Millis
    ends_at: Millis | None = None

    def __post_init__(self) -> None:
        if self.ttl_ms <= 2 * MARGIN_LEAST_MS:
            raise ValueError(f"a lease of {self.ttl_ms} ms is as short as what two clocks may differ by")

    @property
    def margin_ms(self) -> Millis:
        """How much earlier than the store we let go."""
        return max(MARGIN_LEAST_MS, self.ttl_ms // MARGIN_PARTS)

    @property
    def renew_every_ms(self) -> Millis:
        """From one renewal to the next."""
        return self.ttl_ms // RENEWALS_PER_TERM

    def granted(self, asked_at: Millis) -> Tenure:
        """After the store said yes to what was asked at `asked_at`."""
        end = asked_at + self.ttl_ms - self.margin_ms
        return replace(self, ends_at=end if self.ends_at is None else max(end, self.ends_at))

    def lost(self) -> Tenure:
        """After the store said that it is not ours, or we gave it back."""
        return replace(self, ends_at=None)

    def left_ms(self, now: Millis) -> Millis:
        """For how long it may still be relied on; 0 when it may not."""
        return 0 if self.ends_at is None else max(0, self.ends_at - now)


def epoch_of(claim: str) -> int:
    """The epoch in a claim `EPOCH:TOKEN`; 0 in what is none."""
    number = claim.partition(":")[0]
    return int(number) if number.isdigit() else 0


def whose_now(claim: str, ours: str) -> str:
    """Why a lease is not ours any more, where the store says that `claim` (empty: none) holds it."""
    if not claim:
        return f"the store does not know our claim {epoch_of(ours)} any more"
    return f"it was granted again, in epoch {epoch_of(claim)}; ours was {epoch_of(ours)}"
