"""What is true at a venue: the complete reading, and the look-up of one order.

**How flat is proven.** Venues list nothing for an account that holds nothing, so an empty list is the normal answer of a flat account,
and also the answer of a venue that has lost its mind. It counts as flat only when (1) it is a well-formed success: the envelope's own
success code where the venue has one, and a JSON list where rows are due (`asking`); and (2) the account, asked independently,
carries no maintenance margin. A position that vanished from the list while margin is still held against it makes the whole reading
unreadable. A fill between the two questions looks the same for a moment, so they are asked once more before giving up.

The same goes for a list that is only shorter than our instruments. One that it leaves out is asked for by itself when there is reason to
doubt: it was held at the last reading, or the maintenance margin of its asset (or of the account, where it has one for all) is more than
what the listed positions explain. Without an answer of its own the reading is unreadable; with none to doubt nothing more is asked.

**How absence is proven.** The venue's clock is read first, then the order is asked for by our id, then the fills since it was placed.
The clock that `OrderAbsent` carries is therefore older than the evidence: when it is past the order's expiry, so were the look-ups,
and the order could not have come in after them.

**What does not wait for the past.** Until the first complete reading, orders, positions and margin are told by themselves
(`HoldingsReported`) when fills are late or fail: asked twice, so that the core can hold the answers against each other. The reading goes
on meanwhile.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import (
    Instruments,
    Unreadable,
    figure,
    fill_report,
    margin_reports,
    order_report,
    position_reports,
    told,
)
from bot.adapters.venue.profile import Reads
from bot.adapters.venue.questions import PagedQuery
from bot.adapters.venue.set_otherwise import leverages_unlike, modes_unfit, remarks_of
from bot.adapters.venue.shapes import Row
from bot.adapters.venue.throttle import Lane
from bot.core.commands import LookUpOrder, ReadVenue
from bot.core.events import (
    FillReport,
    HoldingsReported,
    LookUpFailed,
    MarginReport,
    OrderAbsent,
    OrderReport,
    OrderReported,
    PositionReport,
    VenueReported,
    VenueUnreadable,
)
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId, Millis, VenueId
from bot.ports import Clock, Inbox, LookUpAnswer, ReadAnswer

READING_SECONDS = 10.0
FILLS_PATIENCE_SECONDS = 0.5
"""How long fills may be out, after all else of a first reading was answered, before that is told without them."""
TELLINGS = 2
"""How often it is: the core takes over what two tellings agree on."""
MARGIN_UNEXPLAINED = Decimal("0.05")
"""Part of the maintenance margin that the listed positions need not explain: marks move between two answers."""
UNLISTED_MAX = 20
"""How many orders are asked for by themselves when the history does not list them: all that ours can be, one at a time per instrument."""
CLOCK_SLACK_MS: Millis = 2_000
"""How far before an instant of ours fills are asked for: our clock and the venue's are never quite one."""

_Failure = (NotAnswered, Unreadable, TimeoutError)


class Reader:
    """Reads one venue's account. `instruments` are ours, by the venue's symbol; `sent` is how our ids are written there.

    `leverage` is what was set, and `unverified` what of the account is not known to be as it was; `leverages` are those of our instruments
    of which the last complete reading told another leverage; `inbox` is where the present is told to while the past is awaited.
    """

    def __init__(
        self,
        asker: Asker,
        reads: Reads,
        venue: VenueId,
        instruments: Instruments,
        clock: Clock,
        *,
        sent: Callable[[str], str] = str,
        leverage: int,
        unverified: Sequence[str] = (),
    ) -> None:
        self._asker = asker
        self._sent = sent
        self._reads = reads
        self._venue = venue
        self._instruments = instruments
        self._clock = clock
        self._settles = sorted({instrument.settle for instrument in instruments.values()})
        self._held: frozenset[InstrumentId] = frozenset()
        self._leverage = Decimal(leverage)
        self._unverified = unverified
        self._was_read = False
        self.leverages: Mapping[str, Decimal] = {}
        self.inbox: Inbox | None = None

    async def read(self, command: ReadVenue) -> ReadAnswer:
        """Orders, positions, fills, margin and clock: all of them, or VenueUnreadable with the first thing that failed."""
        asked_at = self._clock.now()
        try:
            async with asyncio.timeout(READING_SECONDS):
                fills_told = asyncio.Event()
                fills, (orders, (positions, margins, isolated, at_position), (unfit, at_symbol)) = await _all_of(
                    _then(fills_told, self._fills(command.fills_since, Lane.RECONCILE)),
                    self._present(asked_at, fills_told),
                )
        except _Failure as failure:
            reason = str(failure) or "the reading took too long"
            return VenueUnreadable(at=self._clock.now(), venue=self._venue, asked_at=asked_at, reason=reason)
        self._was_read = True
        self.leverages = {**at_symbol, **at_position}
        return VenueReported(
            at=self._clock.now(),
            venue=self._venue,
            asked_at=asked_at,
            clock_offset_ms=self._asker.offset_ms,
            orders=orders,
            positions=positions,
            fills=fills,
            margins=margins,
            unfit=tuple(dict.fromkeys((*unfit, *isolated, *self._unverified))),
            remarks=remarks_of(self.leverages, self._leverage),
        )

    async def _present(self, asked_at: Millis, fills_told: asyncio.Event) -> tuple[Any, Any, Any]:
        """Orders, holdings and modes as first told, clock measured; told to the inbox too while fills are due (see the module)."""
        _, orders, holdings, modes = await _all_of(
            self._asker.measure_clock(Lane.RECONCILE), self._orders(), self._holdings(), self._modes()
        )
        now_orders, now_holdings = orders, holdings
        for number in range(1, TELLINGS + 1):
            if self._was_read or self.inbox is None or await _comes_within(fills_told, FILLS_PATIENCE_SECONDS):
                break
            if number > 1:
                asked_at = self._clock.now()
                now_orders, now_holdings = await _all_of(self._orders(), self._holdings())
            told_now = HoldingsReported(
                at=self._clock.now(),
                venue=self._venue,
                asked_at=asked_at,
                clock_offset_ms=self._asker.offset_ms,
                orders=now_orders,
                positions=now_holdings[0],
                margins=now_holdings[1],
            )
            self.inbox.put(told_now)
        return orders, holdings, modes

    async def look_up(self, command: LookUpOrder) -> LookUpAnswer:
        """By client id wherever the venue keeps orders, then among fills."""
        ours = command.client_order_id
        try:
            async with asyncio.timeout(READING_SECONDS):
                venue_clock_at = await self._asker.measure_clock(Lane.LOOK_UP)
                report = await self.by_client_id(command.instrument, command.client_order_id)
                filled = ZERO if report is not None else await self._among_fills(command)
        except _Failure as failure:
            return LookUpFailed(at=self._clock.now(), client_order_id=ours, reason=str(failure) or "the look-up took too long")
        if report is not None:
            return OrderReported(at=self._clock.now(), report=report)
        return OrderAbsent(at=self._clock.now(), client_order_id=ours, venue_clock_at=venue_clock_at, filled_quantity=filled)

    async def _orders(self) -> tuple[OrderReport, ...]:
        rows = await self._asker.rows(self._reads.open_orders, Lane.RECONCILE, symbols=self._instruments)
        reports = (order_report(row, self._reads.order, self._instruments) for row in rows)
        return tuple(report for report in reports if report is not None)

    async def _modes(self) -> tuple[tuple[str, ...], Mapping[str, Decimal]]:
        """What is told, apart from positions, to be in another margin mode than cross, and at another leverage than ours."""
        modes = self._reads.margin_modes
        if modes is None:
            return (), {}
        rows = await self._asker.rows(modes.query, Lane.RECONCILE, symbols=self._instruments)
        if not rows or any(told(row, modes.mode) is None for row in rows):
            raise Unreadable("modes: an answer without a margin mode")
        unfit = modes_unfit(rows, modes.symbol, modes.mode, modes.cross, self._instruments, modes.wanted)
        return unfit, leverages_unlike(rows, modes.symbol, modes.leverage, self._leverage, self._instruments)

    async def _holdings(self) -> tuple[tuple[PositionReport, ...], tuple[MarginReport, ...], tuple[str, ...], Mapping[str, Decimal]]:
        """Positions and margin that agree on whether anything is held (see the module's docstring).

        With them, whose margin is isolated, and which leverages are not ours.
        """
        for _ in range(2):
            rows, answer = await _all_of(
                self._asker.rows(self._reads.positions, Lane.RECONCILE, symbols=self._instruments),
                self._asker.ask(self._reads.margin, Lane.RECONCILE),
            )
            margins = margin_reports(answer, self._reads.margin_shape, [Asset(asset) for asset in self._settles])
            rows = await self._ranked(rows + await self._left_out(rows, margins))
            positions = position_reports(rows, self._reads.position_shape, self._instruments)
            if _something_held(rows, self._reads) or not any(margin.maintenance_margin for margin in margins):
                self._held = frozenset(position.instrument for position in positions if position.quantity)
                shape = self._reads.position_shape
                unfit = modes_unfit(rows, shape.symbol, shape.margin_mode, shape.cross, self._instruments)
                unlike = leverages_unlike(rows, shape.symbol, shape.leverage, self._leverage, self._instruments)
                return positions, margins, unfit, unlike
        raise Unreadable("positions: none are listed, while margin is held against some")

    async def _ranked(self, rows: list[Row]) -> list[Row]:
        """The rows with their places in the queue of auto-deleveraging, where those are told apart. No reading fails for want of them."""
        if self._reads.ranks is None or not _something_held(rows, self._reads):
            return rows
        try:
            told_apart = await self._asker.rows(self._reads.ranks, Lane.RECONCILE)
        except (NotAnswered, Unreadable):
            return rows
        symbol_at = self._reads.position_shape.symbol
        ranks = {told(row, symbol_at): row for row in told_apart}
        return [{**ranks.get(told(row, symbol_at), {}), **row} for row in rows]

    async def _left_out(self, rows: Sequence[Row], margins: Sequence[MarginReport]) -> list[Row]:
        """The rows of doubted instruments that the list leaves out, each asked for by itself. Raises NotAnswered or Unreadable."""
        listed = {told(row, self._reads.position_shape.symbol) for row in rows}
        missing = {symbol: each for symbol, each in self._instruments.items() if symbol not in listed}
        explained = _explained(rows, margins, self._reads, self._instruments)
        doubted = [symbol for symbol, each in missing.items() if each.settle not in explained or each.id in self._held]
        if not doubted:
            return []
        asked_for = [[symbol] for symbol in doubted] if not self._reads.position_is_list else [doubted]
        found = await _all_of(*(self._asker.rows(self._reads.position, Lane.RECONCILE, symbols=each) for each in asked_for))
        if self._reads.position_is_list:
            explained = _explained(found[0], margins, self._reads, self._instruments)
            found *= len(doubted)
        rows = []
        for symbol, own in zip(doubted, found, strict=True):
            its = [row for row in own if told(row, self._reads.position_shape.symbol) == symbol]
            contradicted = missing[symbol].settle not in explained if self._reads.position_is_list else bool(own)
            if not its and (contradicted or self._reads.flat_is_told):
                raise Unreadable(f"positions: {symbol} is not listed, and asked for by itself it is not told of either")
            rows += its
        return rows

    async def _fills(self, since: Millis, lane: Lane) -> tuple[FillReport, ...]:
        """Every fill since an instant of our clock, each once, oldest first."""
        start = max(0, since + self._asker.offset_ms - CLOCK_SLACK_MS)
        rows = await self._asker.paged(self._reads.fills, lane, start, symbols=self._instruments)
        if rows and self._reads.order_history is not None:
            rows = await self._with_client_ids(self._reads.order_history, rows, start, lane)
        found = (fill_report(row, self._reads.fill, self._instruments) for row in rows)
        once = {(fill.instrument, fill.fill_id): fill for fill in found if fill is not None}
        return tuple(sorted(once.values(), key=lambda fill: (fill.venue_at, fill.fill_id)))

    async def _with_client_ids(self, history: PagedQuery, rows: Sequence[Row], start: Millis, lane: Lane) -> list[Row]:
        """The rows with the client ids of their orders: ours tell whose a fill is, the venue's own tell what kind it is."""
        fill, order = self._reads.fill, self._reads.order
        symbols = {symbol for row in rows if (symbol := told(row, fill.symbol)) in self._instruments and symbol is not None}
        orders = await self._asker.paged(history, lane, start, symbols=sorted(symbols))
        by_order = {(told(row, order.symbol), told(row, order.venue_id)): told(row, order.client_id) for row in orders}
        traded = dict.fromkeys((told(row, fill.symbol), told(row, fill.venue_id)) for row in rows)
        for symbol, venue_id in [each for each in traded if each[0] in symbols and each not in by_order][:UNLISTED_MAX]:
            by_order[symbol, venue_id] = await self._client_id_of(str(symbol), str(venue_id), lane)
        key = str(fill.client_id[0][0])
        return [{**row, key: by_order.get((told(row, fill.symbol), told(row, fill.venue_id)))} for row in rows]

    async def _client_id_of(self, symbol: str, venue_id: str, lane: Lane) -> str | None:
        """The client id of an order that the history left out: it lists orders by when they were placed, and this one was before that."""
        for look_up in self._reads.look_ups:
            if look_up.venue_id_as is None:
                continue
            try:
                rows = await self._asker.rows(look_up.query, lane, symbols=[symbol], **{look_up.venue_id_as: venue_id})
            except NotAnswered as failure:
                if failure.code in look_up.absent_codes:
                    continue
                raise
            if len(rows) != 1 or told(rows[0], self._reads.order.venue_id) != venue_id:
                raise Unreadable("order: the venue answered with another order")
            return told(rows[0], self._reads.order.client_id)
        return None

    async def by_client_id(self, instrument: InstrumentId, ours: ClientOrderId) -> OrderReport | None:
        """The order as the venue keeps it; None when it says that it knows no such order. Raises NotAnswered or Unreadable."""
        symbol = next(symbol for symbol, each in self._instruments.items() if each.id == instrument)
        for look_up in self._reads.look_ups:
            try:
                rows = await self._asker.rows(look_up.query, Lane.LOOK_UP, symbols=[symbol], **{look_up.client_id_as: self._sent(ours)})
            except NotAnswered as failure:
                if failure.code in look_up.absent_codes:
                    continue
                raise
            for row in rows:
                report = order_report(row, self._reads.order, self._instruments)
                if report is None or report.client_order_id != ours:
                    raise Unreadable("order: the venue answered with another order")
                return report
        return None

    async def _among_fills(self, command: LookUpOrder) -> Decimal:
        """What filled of an order that the venue does not know by our id: the signed sum of its fills since it was placed."""
        fills = [fill for fill in await self._fills(command.placed_at, Lane.LOOK_UP) if fill.instrument == command.instrument]
        its = [fill for fill in fills if _is_of(fill, command)]
        if not its and self._reads.order_history is not None and any(fill.client_order_id is None for fill in fills):
            raise Unreadable("fills: one since the order was placed belongs to no order that the venue lists")
        return sum((fill.quantity for fill in its), ZERO)


def _is_of(fill: FillReport, command: LookUpOrder) -> bool:
    if fill.client_order_id is not None:
        return fill.client_order_id == command.client_order_id
    return command.venue_order_id is not None and fill.venue_order_id == command.venue_order_id


def _something_held(rows: Iterable[Row], reads: Reads) -> bool:
    """Whether any position is listed, ours or not: margin is held against all of them."""
    return any(figure(row, reads.position_shape.contracts) for row in rows)


def _explained(rows: Iterable[Row], margins: Sequence[MarginReport], reads: Reads, instruments: Instruments) -> set[Asset]:
    """The settle assets whose maintenance margin the listed positions account for; all of them or none in an account with one for all.

    That one is in USD, while a position's stands in what it settles in. Of a position that is not ours this is not known: the smaller of
    both readings counts, or nothing where every asset has its own margin. Too little explained costs a question, never a position.
    Where a venue does not tell a position's maintenance margin, the same is asked of the margin that is used for it.
    """
    shape = reads.position_shape
    whole = any(margin.is_account_wide for margin in margins)
    told_of = dict.fromkeys((margin.asset for margin in margins), ZERO)
    for row in rows:
        ours, mark = instruments.get(told(row, shape.symbol) or ""), figure(row, shape.mark)
        held = figure(row, shape.maintenance or shape.initial) or ZERO
        settle = reads.margin_shape.only_asset if ours is None else ours.settle
        if whole:
            counted = held
            if ours is None or ours.is_inverse:
                at_mark = held * (mark or ZERO)
                counted = at_mark if ours is not None else min(held, at_mark)
            told_of = {asset: so_far + counted for asset, so_far in told_of.items()}
        elif settle in told_of:
            told_of[Asset(settle)] += held
    due = {each.asset: (each.maintenance_margin if shape.maintenance else each.initial_margin) or ZERO for each in margins}
    explained = {asset for asset in told_of if told_of[asset] >= due[asset] * (1 - MARGIN_UNEXPLAINED)}
    return explained if not whole or len(explained) == len(due) else set()


async def _all_of(*questions: Any) -> Any:
    """All answers, asked at once. The first failure is raised only when every question has ended: nothing is left running."""
    answers = await asyncio.gather(*questions, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


async def _then(ended: asyncio.Event, question: Coroutine[Any, Any, Any]) -> Any:
    """The answer to a question; the event is set when it came, and not when it failed."""
    answer = await question
    ended.set()
    return answer


async def _comes_within(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
