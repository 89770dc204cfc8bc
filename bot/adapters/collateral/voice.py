"""What a source says of itself: that its totals are known and fresh, or why they are not. The same rule for every source.

A confirmation is said at once after news or a failure, and else no oftener than asked for; a failure once for each new reason.
"""

from __future__ import annotations

from bot.core.events import CollateralConfirmed, CollateralUnreadable
from bot.core.units import Millis
from bot.ports import Clock, Inbox


class Voice:
    """One source's word on itself."""

    def __init__(self, name: str, clock: Clock, *, every_s: float) -> None:
        """`every_s` is the beat of confirmations while nothing changes; one that comes a tenth of it early is said."""
        self._name, self._clock, self._every_s = name, clock, every_s
        self._failure: str | None = None
        self._confirmed_at: float | None = None

    @property
    def has_failed(self) -> bool:
        """Whether a failure was its last word."""
        return self._failure is not None

    def begin(self) -> None:
        """Nothing was said yet, or there is news: what is said next is said at once."""
        self._failure = self._confirmed_at = None

    def confirm(self, inbox: Inbox, *, as_of: Millis | None = None) -> None:
        """All that was told is known, as of an instant of the source's clock, None: as of now."""
        now = self._clock.steady()
        if self.has_failed or self._confirmed_at is None or now - self._confirmed_at >= self._every_s * 0.9:
            self._failure, self._confirmed_at = None, now
            inbox.put(CollateralConfirmed(at=self._clock.now(), source=self._name, as_of=as_of))

    def fail(self, inbox: Inbox, reason: str) -> None:
        """It cannot be known now, for this reason; what was told last stays, and ages."""
        if reason != self._failure:
            self._failure = reason
            inbox.put(CollateralUnreadable(at=self._clock.now(), source=self._name, reason=reason))
