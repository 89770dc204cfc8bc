"""Funding as the venue tells it: what will be settled next, how often, and what was paid.

A rate is a fraction per interval, > 0 when shorts receive; a payment is > 0 when we received it. An interval is never assumed: where a
venue tells it nowhere, it is the distance between its last two settlements, else None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, figure, funding_interval, funding_payment, instant, told
from bot.adapters.venue.profile import Funding
from bot.adapters.venue.shapes import Row
from bot.adapters.venue.throttle import Lane
from bot.core.events import FundingRateObserved, FundingRecordsRead
from bot.core.units import Millis, VenueId
from bot.ports import Clock

_Failure = (NotAnswered, Unreadable)


async def rates(asker: Asker, funding: Funding, instruments: Instruments, clock: Clock) -> Sequence[FundingRateObserved]:
    """The current rate of each instrument that could be read."""
    observed = []
    rows = await asker.row_of_each(funding.rates, Lane.MARKET_DATA, instruments, funding.rate_shape.symbol)
    for symbol, instrument in instruments.items():
        row = rows.get(symbol)
        if row is None:
            continue
        try:
            observed.append(
                FundingRateObserved(
                    at=clock.now(),
                    instrument=instrument.id,
                    rate=figure(row, funding.rate_shape.rate),
                    interval_ms=funding.interval_ms or funding_interval(row, funding.rate_shape) or instrument.funding_interval_ms,
                    next_settlement_at=instant(row, funding.rate_shape.next_at),
                )
            )
        except Unreadable:
            continue
    return observed


async def payments(
    venue: VenueId, asker: Asker, funding: Funding, instruments: Instruments, clock: Clock, since: Millis
) -> FundingRecordsRead | None:
    """Every payment at or after an instant of our clock, oldest first; None when the venue could not be read, or not to the end."""
    from_at, to_at = max(0, since + asker.offset_ms), asker.venue_now()
    try:
        rows = await asker.paged(funding.payments, Lane.MARKET_DATA, from_at)
        found = [funding_payment(row, funding.payment, instruments) for row in rows if _is_payment(row, funding)]
    except _Failure:
        return None
    once = {(payment.instrument, payment.payment_id): payment for payment in found if payment is not None}
    listed = sorted(once.values(), key=lambda payment: (payment.venue_at, payment.instrument, payment.payment_id))
    return FundingRecordsRead(at=clock.now(), venue=venue, from_at=from_at, to_at=to_at, payments=tuple(listed))


async def intervals(asker: Asker, funding: Funding, markets: Mapping[str, Mapping[str, Any]], lane: Lane) -> dict[str, Millis | None]:
    """The funding interval of each symbol, from wherever this venue tells it; None where it does not."""
    listed = await _listed_intervals(asker, funding, lane)
    found = {s: funding.interval_ms or _in_market(market, funding) or listed.get(s) for s, market in markets.items()}
    untold = [symbol for symbol, interval in found.items() if not interval]
    rows = await asker.row_of_each(funding.rates, lane, untold, funding.rate_shape.symbol)
    for symbol in untold:
        in_row = funding_interval(rows[symbol], funding.rate_shape) if symbol in rows else None
        found[symbol] = in_row or await _between_settlements(asker, funding, symbol, lane)
    return found


def _is_payment(row: Row, funding: Funding) -> bool:
    if funding.payment_is is None:
        return True
    path, value = funding.payment_is
    return told(row, (path,)) == value


def _in_market(market: Mapping[str, Any], funding: Funding) -> Millis | None:
    length = figure(market.get("info") or {}, funding.interval_in_market)
    return int(length * funding.interval_in_market_unit_ms) if length else None


async def _listed_intervals(asker: Asker, funding: Funding, lane: Lane) -> dict[str, Millis | None]:
    shape = funding.intervals_shape
    if funding.intervals is None or shape is None:
        return {}
    try:
        rows = await asker.rows(funding.intervals, lane)
        return {symbol: funding_interval(row, shape) for row in rows if (symbol := told(row, shape.symbol)) is not None}
    except _Failure:
        return {}


async def _between_settlements(asker: Asker, funding: Funding, symbol: str, lane: Lane) -> Millis | None:
    if funding.settlements is None:
        return None
    try:
        rows = await asker.rows(funding.settlements, lane, symbols=[symbol])
        ats = sorted({at for row in rows if (at := instant(row, funding.settled_at)) is not None})
    except _Failure:
        return None
    return ats[-1] - ats[-2] if len(ats) >= 2 else None
