"""Questions to a venue: through the gate, over ccxt, and only well-formed successes come back.

A success is proven by its form: the envelope's own success code where the venue has one, and a list where rows are due. An empty body,
`{}`, HTML or a missing list is `Unreadable`, never "no rows".
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from typing import Any

import ccxt

from bot.adapters.venue.ccxt_client import correct_clock
from bot.adapters.venue.ccxt_mapping import Unreadable, at_path, instant, told
from bot.adapters.venue.feedback import Brake
from bot.adapters.venue.outcomes import PROVEN, VenueSaid, venue_said
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.questions import Ask, PagedQuery, Place, Query
from bot.adapters.venue.settings import VenueSettings
from bot.adapters.venue.shapes import Paths, Row
from bot.adapters.venue.throttle import Gate, Lane, NotAdmitted
from bot.core.units import Millis
from bot.ports import Clock

PAGES_MAX = 40
ANSWER_SECONDS = 8.0
Listing = Callable[[], Coroutine[Any, Any, list[dict[str, Any]]]]

CLOCK_BEAT_SECONDS = 60.0
CLOCK_RETRY_SECONDS = 1.0
ANYTHING_MS: Millis = 10**9
AHEAD_MS: Millis = 60_000
"""How far beyond the venue's clock an answer is asked for that has to say where it ends: nothing of now is left out."""
CLOCK_STEP_MS: Millis = 250
"""How far the wall clock may have moved against the steady one since the venue's was last measured before an order waits for another
measurement. Slewing, at most half a millisecond in a second, stays below it between two beats."""
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
    """Asks one venue. `offset_ms` is venue clock minus ours as last measured.

    `places` says of each of our instruments, by the venue's symbol, what a question about it has to name.

    `client` is the account's ccxt client; `public` the one without a key, which is asked whatever is public; `listing` gives ccxt's
    markets. `clock_doubted` is set when the venue refused a request for its time, and cleared by the next measurement.
    """

    def __init__(
        self,
        client: Any,
        profile: Profile,
        settings: VenueSettings,
        gate: Gate,
        clock: Clock,
        *,
        public: Any = None,
        listing: Listing | None = None,
        brake: Brake | None = None,
    ) -> None:
        self.client = client
        self.public = client if public is None else public
        self.listing: Listing = self._fetched_markets if listing is None else listing
        self.gate = gate
        self.places: Mapping[str, Place] = {}
        self.clock_doubted = asyncio.Event()
        self._brake = brake
        self.offset_ms: Millis = 0
        self._offset_within_ms: Millis = ANYTHING_MS
        self._measured_at: tuple[Millis, float] | None = None
        self._profile = profile
        self._weights: dict[str, Mapping[str, int]] = {str(ask): owed for ask, owed in profile.weights.items()}
        self._settings = settings
        self._clock = clock

    async def ask(self, query: Query, lane: Lane, **parameters: Any) -> Any:
        """The venue's answer to one request. Raises NotAnswered, or Unreadable when it is no proven success."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.gate.admit(lane, self._profile.weights[query.ask])
                about = {} if query.account_as is None else {query.account_as: self._settings.api_key}
                answer = await getattr(self._client_for(query), query.call)({**query.fixed, **about, **parameters})
        except Exception as error:
            raise self.failure(query.ask, error) from None
        if query.success is not None:
            key, value = query.success
            if str(at_path(answer, (key,))) != value:
                raise Unreadable(f"{query.ask}: an answer without {key} {value}")
        return answer

    async def call(self, about: Ask, lane: Lane, request: Callable[[], Awaitable[Any]]) -> Any:
        """What one of ccxt's own methods answers. Raises NotAnswered."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.gate.admit(lane, self._profile.weights[about])
                return await request()
        except Exception as error:
            raise self.failure(about, error) from None

    async def rows(self, query: Query, lane: Lane, *, symbols: Collection[str] | None = None, **more: Any) -> list[Row]:
        """All rows of an answer about some of our instruments, or all, asked per symbol, settle asset or part where the venue wants that.

        What is given in `more` is sent as it is, and goes before what would follow from the symbols.
        """
        found: list[Row] = []
        for scope in self.scopes(query, symbols):
            rows = rows_in(await self.ask(query, lane, **(scope | more)), query)
            if query.rows_max is not None and len(rows) >= query.rows_max:
                raise Unreadable(f"{query.ask}: an answer as long as the venue makes them may be cut")
            found += rows
        return found

    async def row_of_each(self, query: Query, lane: Lane, symbols: Collection[str], named_at: Paths) -> dict[str, Row]:
        """The row about each of some instruments, by the venue's symbol; those that could not be read are missing.

        All is asked for at once, and what one answer tells of several instruments is asked for once.
        """
        about: dict[tuple[tuple[str, str], ...], list[str]] = {}
        for symbol in symbols:
            for scope in self.scopes(query, [symbol]):
                about.setdefault(tuple(sorted(scope.items())), []).append(symbol)
        return {
            symbol: row
            for found in await asyncio.gather(*(self._rows_of(query, lane, each, named_at) for each in about.values()))
            for symbol, row in found.items()
        }

    async def _rows_of(self, query: Query, lane: Lane, symbols: Collection[str], named_at: Paths) -> dict[str, Row]:
        try:
            rows = await self.rows(query, lane, symbols=symbols)
        except (NotAnswered, Unreadable):
            return {}
        named = [(told(row, named_at), row) for row in rows]
        return {symbol: row for symbol, row in reversed(named) if symbol is not None and symbol in symbols}

    async def paged(self, paged: PagedQuery, lane: Lane, since: Millis, *, symbols: Collection[str] | None = None) -> list[Row]:
        """All rows since an instant of the venue's clock, over as many pages as it takes. A row may come twice.

        Raises Unreadable beyond PAGES_MAX pages: an answer that was cut is no answer.
        """
        found: list[Row] = []
        for scope in self.scopes(paged.query, symbols):
            start = since
            while True:
                last = self.venue_now() - start <= paged.window_ms
                until = self.venue_now() + AHEAD_MS if last else start + paged.window_ms
                bounds = {paged.since_as: start} | ({} if last and not paged.until_required else {paged.until_as: until})
                found += await self._window(paged, lane, {**scope, **bounds})
                if paged.recent_ms is not None and self.venue_now() - start > paged.recent_ms:
                    found += await self._window(paged, lane, {**scope, **bounds, **paged.older})
                if last:
                    break
                start += paged.window_ms
        return found

    def scopes(self, query: Query, symbols: Collection[str] | None = None) -> list[dict[str, str]]:
        """The parameters of each request that a question about these instruments takes (None: about all of ours), each once.

        Raises Unreadable for an instrument that is none of ours.
        """
        if query.symbol_as is None and query.settle_as is None and query.part_as is None:
            return [{}]
        found = []
        for symbol in self.places if symbols is None else symbols:
            place = self.places.get(symbol)
            if place is None:
                raise Unreadable(f"{query.ask}: {symbol} is none of ours")
            scope = scope_of(query, place)
            if scope not in found:
                found.append(scope)
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
                answer = await getattr(self._client_for(reads.clock), reads.clock.call)(dict(reads.clock.fixed))
        except Exception as error:
            raise self.failure(reads.clock.ask, error) from None
        answered_at, steady = self._clock.now(), self._clock.steady()
        at = instant(answer, reads.clock_at) if isinstance(answer, dict) else None
        if at is None:
            raise Unreadable("clock: an answer without a time")
        took_ms, self._measured_at = answered_at - asked_at, (answered_at, steady)
        if self.clock_doubted.is_set():
            self._offset_within_ms = ANYTHING_MS
            self.clock_doubted.clear()
        if took_ms <= self._offset_within_ms or not at - answered_at <= self.offset_ms <= at - asked_at:
            self.offset_ms = at - (asked_at + answered_at) // 2
            self._offset_within_ms = took_ms
            correct_clock(self.client, self.offset_ms)
        else:
            self._offset_within_ms += CLOCK_AGEING_MS
        return at

    async def know_clock(self, lane: Lane) -> None:
        """Measures the venue's clock where it never was, or where ours has stepped since. Raises NotAnswered or Unreadable.

        A request may be refused for its time, but at a venue that takes what is signed for later, nothing else tells of the step in time.
        """
        if self._measured_at is not None:
            now, steady = self._measured_at
            if abs((self._clock.now() - now) - (self._clock.steady() - steady) * 1_000) < CLOCK_STEP_MS:
                return
            self._offset_within_ms = ANYTHING_MS
        await self.measure_clock(lane)

    async def keep_clock(self) -> None:
        """Measures the venue's clock on a beat, and soon after it refused a request for its time, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(CLOCK_BEAT_SECONDS):
                    await self.clock_doubted.wait()
            except TimeoutError:
                pass
            try:
                await self.measure_clock(Lane.RECONCILE)
            except (NotAnswered, Unreadable):
                await self._clock.sleep(CLOCK_RETRY_SECONDS)

    async def _fetched_markets(self) -> list[dict[str, Any]]:
        markets: list[dict[str, Any]] = await self.public.fetch_markets(dict(self._profile.markets_parameters))
        return markets

    def _client_for(self, query: Query) -> Any:
        return self.public if query.is_public and query.account_as is None else self.client

    def venue_now(self) -> Millis:
        """Our estimate of the venue's clock."""
        return self._clock.now() + self.offset_ms

    def noticed(self, about: str, error: BaseException) -> VenueSaid | None:
        """What the venue said in an exception, after what it says about the clock and about our budget has been heeded."""
        said = venue_said(error) if isinstance(error, ccxt.BaseError) else None
        writes = self._profile.writes
        if isinstance(error, ccxt.InvalidNonce) or (said is not None and said.code in writes.clock_codes):
            self.clock_doubted.set()
        if said is not None and about == Ask.PLACE and writes.late_is_unnamed and said.code not in PROVEN[self._profile.venue]:
            self.clock_doubted.set()
        if said is not None and self._brake is not None:
            self._brake.refused(said.code, self._weights.get(about, {}))
        return said

    def failure(self, about: str, error: BaseException) -> NotAnswered:
        """An exception of whatever class as a reason without secrets. What it says about the clock and our budget is heeded."""
        if isinstance(error, Unreadable | NotAnswered | NotAdmitted):
            return NotAnswered(f"{about}: {error}")
        said = self.noticed(about, error)
        if said is not None:
            return NotAnswered(self._settings.redact(f"{about}: {said.code} {said.words}"), said.code)
        cause = f" ({type(error.__cause__).__name__})" if error.__cause__ is not None else ""
        absent = isinstance(error, ccxt.BaseError) and _NO_SUCH_ENDPOINT.match(str(error)) is not None
        return NotAnswered(f"{about}: {type(error).__name__}{cause}", is_unknown_here=absent)


def rows_in(answer: Any, query: Query) -> list[Row]:
    """The rows of a well-formed success; a single object where the venue answers with one. Raises Unreadable."""
    rows = at_path(answer, query.rows_at) if query.rows_at else answer
    if query.rows_by is not None:
        rows = query.rows_by(rows)
    elif isinstance(rows, dict) and (query.is_one or not query.rows_at):
        rows = [rows]
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"{query.ask}: an answer without its rows")
    return rows


def scope_of(query: Query, place: Place) -> dict[str, str]:
    """The parameters by which a question says which instrument it is about, or where that one stands."""
    scope = {}
    if query.symbol_as is not None:
        scope[query.symbol_as] = place.symbol
    if query.settle_as is not None and place.kind in query.settle_of:
        scope[query.settle_as] = place.settle
    if query.part_as is not None:
        scope[query.part_as] = place.part
    return scope


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
