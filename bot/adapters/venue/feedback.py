"""What a venue's answers tell about our request budget, as data: how much is left, and that we are to stay away.

The rule: a venue's word counts when it is worse than our own count, because a neighbour behind the same address may spend the same budget.
A request to stay away closes the whole gate where it is about the address or the key, for as long as the venue says, and ends by itself;
where it is about one endpoint, it empties that endpoint's limits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import structlog

from bot.adapters.venue.throttle import Gate
from bot.core.units import Millis, VenueId

log = structlog.get_logger(__name__)

SecondsTold = Callable[[float], None]
"""Is told seconds: here those for which a venue told us to stay away, each time that it does."""

STAY_AWAY_SECONDS_MIN = 1.0
STAY_AWAY_SECONDS_MAX = 3 * 86_400.0
"""The longest ban that a venue documents (Binance: two minutes to three days)."""


class Counts(StrEnum):
    """What a header counts."""

    USED = "used"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageHeader:
    """A header that tells a limit's use.

    `path`: how the request's path ends, for headers that are about the endpoint asked; empty, the header speaks for itself. `below`: how
    the path begins, where one header means another limit in each part of a venue.
    `resets_at`: the header with the instant (the venue's clock, ms) at which a used-up count ends; before that the count rolls. Without
    such a header, counts are of whole periods of the venue's clock.
    """

    header: str
    limit: str
    counts: Counts
    path: str = ""
    below: str = ""
    resets_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StayAwaySign:
    """An HTTP status or a venue's code that says "too many". `seconds` unless the header `for_header` tells how many.

    `is_of_endpoint`: only the limits of the request that was refused are used up; else nothing at all may be sent.
    """

    status: int | None = None
    code: str | None = None
    seconds: float
    for_header: str | None = None
    is_of_endpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """One venue's ways of telling about budgets."""

    usage: Sequence[UsageHeader] = ()
    stay_away: Sequence[StayAwaySign] = ()

    def of_status(self, status: int) -> StayAwaySign | None:
        """The sign that an HTTP status is, if it is one."""
        return next((sign for sign in self.stay_away if sign.status == status), None)

    def of_code(self, code: str | None) -> StayAwaySign | None:
        """The sign that a venue's code is, if it is one."""
        return next((sign for sign in self.stay_away if code is not None and sign.code == code), None)


class Brake:
    """Heeds what one venue says: into its gate, the log, and to whom it concerns (`told`)."""

    def __init__(
        self, venue: VenueId, feedback: Feedback, gate: Gate, told: SecondsTold | None = None, closed: SecondsTold | None = None
    ) -> None:
        """`closed` is told each time that nothing at all may be sent, with the seconds."""
        self._venue = venue
        self._feedback = feedback
        self._gate = gate
        self._told = told
        self._closed = closed

    def answered(self, path: str, status: int, headers: Mapping[str, str], venue_now: Millis) -> None:
        """One HTTP answer. What makes no sense in it is passed over: our own count stands."""
        for usage in self._feedback.usage:
            count = _whole_number(headers.get(usage.header))
            if count is None or not path.endswith(usage.path) or not path.startswith(usage.below):
                continue
            seconds = self._seconds_left(usage, count, headers, venue_now)
            if usage.counts is Counts.USED:
                self._gate.used(usage.limit, count, seconds)
            else:
                self._gate.leave(usage.limit, count, seconds)
        sign = self._feedback.of_status(status)
        if sign is not None:
            told = _whole_number(headers.get(sign.for_header)) if sign.for_header is not None else None
            self._stay_away(sign, sign.seconds if told is None else float(told), ())

    def refused(self, code: str | None, owed: Collection[str]) -> None:
        """A request that weighed on the limits `owed` was answered with the venue's `code`."""
        sign = self._feedback.of_code(code)
        if sign is not None:
            self._stay_away(sign, sign.seconds, owed)

    def _stay_away(self, sign: StayAwaySign, seconds: float, owed: Collection[str]) -> None:
        seconds = min(max(seconds, STAY_AWAY_SECONDS_MIN), STAY_AWAY_SECONDS_MAX)
        is_news = self._gate.closed_for < seconds - STAY_AWAY_SECONDS_MIN / 2
        if sign.is_of_endpoint:
            for name in owed:
                self._gate.leave(name, 0, seconds)
        else:
            self._gate.close_for(seconds)
            if is_news and self._closed is not None:
                self._closed(seconds)
        if is_news:
            said = f"HTTP {sign.status}" if sign.status is not None else f"code {sign.code}"
            about = sorted(owed) if sign.is_of_endpoint else "everything"
            log.error("venue_says_stay_away", venue=self._venue, said=said, seconds=seconds, limits=about)
            if self._told is not None:
                self._told(seconds)

    def _seconds_left(self, usage: UsageHeader, count: int, headers: Mapping[str, str], venue_now: Millis) -> float:
        period_ms = int(self._gate.period_s(usage.limit) * 1_000)
        if usage.resets_at is None:
            return (period_ms - venue_now % period_ms) / 1_000
        resets_at = _whole_number(headers.get(usage.resets_at)) if count == 0 else None
        left_ms = 0 if resets_at is None else resets_at - venue_now
        return min(left_ms if left_ms > 0 else period_ms, period_ms) / 1_000


def _whole_number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() else None
