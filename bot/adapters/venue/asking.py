"""Questions to a venue: through the gate, over ccxt, and only well-formed successes come back.

A success is proven by its form: the envelope's own success code where the venue has one, and a list where rows are due. An empty body,
`{}`, HTML or a missing list is `Unreadable`, never "no rows".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable
from typing import Any

import ccxt

from bot.adapters.venue.ccxt_client import correct_clock
from bot.adapters.venue.ccxt_mapping import Unreadable, at_path, instant, told
from bot.adapters.venue.outcomes import venue_said
from bot.adapters.venue.profile import PagedQuery, Profile, Query
from bot.adapters.venue.settings import VenueSettings
from bot.adapters.venue.shapes import Row
from bot.adapters.venue.throttle import Gate, Lane, LaneFull
from bot.core.units import Millis
from bot.ports import Clock

PAGES_MAX = 40
ANSWER_SECONDS = 8.0
ANYTHING_MS: Millis = 10**9
CLOCK_AGEING_MS: Millis = 5
"""How much less is thought of an offset with each measurement that did not better it: clocks drift."""


_NO_SUCH_ENDPOINT = re.compile(r"\S+ [A-Z]+ \S+ (404|405|501) ")
"""How ccxt words an HTTP status: id, method, URL, status, reason, body."""


class NotAnswered(Exception):
    """A question did not come through. `code` is the venue's where it told one; the text holds no secret.

    `is_unknown_here`: whoever answered has no such endpoint (HTTP 404, 405 or 501 without a venue's code), and never will.
    """

    def __init__(self, reason: str, code: str | None = None, *, is_unknown_here: bool = False) -> None:
        super().__init__(reason)
        self.code = code
        self.is_unknown_here = is_unknown_here


class Asker:
    """Asks one venue. `offset_ms` is venue clock minus ours as last measured; `client` is the ccxt client."""

    def __init__(self, client: Any, profile: Profile, settings: VenueSettings, gate: Gate, clock: Clock) -> None:
        self.client = client
        self.gate = gate
        self.offset_ms: Millis = 0
        self._offset_within_ms: Millis = ANYTHING_MS
        self._profile = profile
        self._settings = settings
        self._clock = clock

    async def ask(self, query: Query, lane: Lane, **parameters: Any) -> Any:
        """The venue's answer to one request. Raises NotAnswered, or Unreadable when it is no proven success."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.gate.admit(lane, self._profile.weights[query.ask])
                answer = await getattr(self.client, query.call)({**query.fixed, **parameters})
        except Exception as error:
            raise self.failure(query.ask, error) from None
        if query.success is not None:
            key, value = query.success
            if str(at_path(answer, (key,))) != value:
                raise Unreadable(f"{query.ask}: an answer without {key} {value}")
        return answer

    async def rows(
        self, query: Query, lane: Lane, *, symbols: Collection[str] = (), settles: Collection[str] = (), **more: Any
    ) -> list[Row]:
        """All rows of an answer, asked per symbol or settle asset where the venue wants that."""
        found: list[Row] = []
        for scope in _scopes(query, symbols, settles):
            rows = rows_in(await self.ask(query, lane, **scope, **more), query)
            if query.rows_max is not None and len(rows) >= query.rows_max:
                raise Unreadable(f"{query.ask}: an answer as long as the venue makes them may be cut")
            found += rows
        return found

    async def paged(self, paged: PagedQuery, lane: Lane, since: Millis, *, symbols: Collection[str] = ()) -> list[Row]:
        """All rows since an instant of the venue's clock, over as many pages as it takes. A row may come twice.

        Raises Unreadable beyond PAGES_MAX pages: an answer that was cut is no answer.
        """
        found: list[Row] = []
        for scope in _scopes(paged.query, symbols, ()):
            start = since
            while True:
                last = self.venue_now() - start <= paged.window_ms
                bounds = {paged.since_as: start} if last else {paged.since_as: start, paged.until_as: start + paged.window_ms}
                found += await self._window(paged, lane, {**scope, **bounds})
                if last:
                    break
                start += paged.window_ms
        return found

    async def _window(self, paged: PagedQuery, lane: Lane, bounds: dict[str, Any]) -> list[Row]:
        found: list[Row] = []
        for _ in range(PAGES_MAX):
            answer = await self.ask(paged.query, lane, **bounds)
            rows = rows_in(answer, paged.query)
            found += rows
            following = _next_page(paged, answer, rows, bounds)
            if following is None:
                return found
            bounds = following
        raise Unreadable(f"{paged.query.ask}: more than {PAGES_MAX} pages")

    async def measure_clock(self, lane: Lane) -> Millis:
        """The venue's clock now; from here on requests are signed with it. Raises NotAnswered or Unreadable.

        One answer proves only that the offset lies between two bounds, as far apart as the answer took. A slow answer therefore replaces
        an offset that a quick one gave only when it disproves it: signing must not follow every hiccup of the network.
        """
        reads = self._profile.reads
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.gate.admit(lane, self._profile.weights[reads.clock.ask])
                asked_at = self._clock.now()
                answer = await getattr(self.client, reads.clock.call)(dict(reads.clock.fixed))
        except Exception as error:
            raise self.failure(reads.clock.ask, error) from None
        answered_at = self._clock.now()
        at = instant(answer, reads.clock_at) if isinstance(answer, dict) else None
        if at is None:
            raise Unreadable("clock: an answer without a time")
        took_ms = answered_at - asked_at
        if took_ms <= self._offset_within_ms or not at - answered_at <= self.offset_ms <= at - asked_at:
            self.offset_ms = at - (asked_at + answered_at) // 2
            self._offset_within_ms = took_ms
            correct_clock(self.client, self.offset_ms)
        else:
            self._offset_within_ms += CLOCK_AGEING_MS
        return at

    def venue_now(self) -> Millis:
        """Our estimate of the venue's clock."""
        return self._clock.now() + self.offset_ms

    def failure(self, about: str, error: BaseException) -> NotAnswered:
        """An exception of whatever class as a reason without secrets."""
        if isinstance(error, Unreadable | NotAnswered | LaneFull):
            return NotAnswered(f"{about}: {error}")
        said = venue_said(error) if isinstance(error, ccxt.BaseError) else None
        if said is not None:
            return NotAnswered(self._settings.redact(f"{about}: {said.code} {said.words}"), said.code)
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ is not None else ""
        absent = isinstance(error, ccxt.BaseError) and _NO_SUCH_ENDPOINT.match(str(error)) is not None
        return NotAnswered(f"{about}: {type(error).__name__}{cause}", is_unknown_here=absent)


def rows_in(answer: Any, query: Query) -> list[Row]:
    """The rows of a well-formed success; a single object where the venue answers with one. Raises Unreadable."""
    rows = at_path(answer, query.rows_at) if query.rows_at else answer
    if isinstance(rows, dict) and not query.rows_at:
        rows = [rows]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"{query.ask}: an answer without its rows")
    return rows


def _scopes(query: Query, symbols: Iterable[str], settles: Iterable[str]) -> list[dict[str, str]]:
    if query.symbol_as is not None:
        return [{query.symbol_as: symbol} for symbol in symbols]
    if query.settle_as is not None:
        return [{query.settle_as: asset} for asset in sorted(settles)]
    return [{}]


def _next_page(paged: PagedQuery, answer: Any, rows: list[Row], bounds: dict[str, Any]) -> dict[str, Any] | None:
    """What the next page is asked for with; None when this one was the last."""
    if len(rows) < paged.page:
        return None
    if paged.cursor_as is not None:
        cursor = told(rows[-1] if paged.cursor_in_last_row else answer, (paged.cursor_at,))
        return None if cursor is None else {**bounds, paged.cursor_as: cursor}
    newest = max(instant(row, paged.at) or 0 for row in rows)
    if newest <= bounds[paged.since_as]:
        raise Unreadable(f"{paged.query.ask}: a whole page of one instant")
    return {**bounds, paged.since_as: newest}
