"""Leverage tiers as the venue lists them for our account; None wherever they cannot be read as a whole.

The rule: a table is taken only when it covers every position from nothing upward with rates that never fall, because half a table
would tell too little margin. Without one the margin is computed with the policy's assumed rate, so nothing here ever raises.

Sources: Binance USD-M "Notional and Leverage Brackets", Bybit v5 "Get Risk Limit", OKX v5 "Get position tiers" (a tier's `maxSz`
belongs to it, and the next begins there). Binance states an account's own multiplier (`notionalCoef`) without saying whether the
bounds contain it: any but 1 is not read. Bybit's page shows an inverse contract's rates in percent, and its largest leverage beside them:
rates are taken for what that makes of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

import structlog

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable, at_path, figure, told
from bot.adapters.venue.profile import Tiers
from bot.adapters.venue.shapes import Row, StatedTiers, TierShape
from bot.adapters.venue.throttle import Lane
from bot.core.tiers import MarginTiers, TierRow, TierTable
from bot.core.units import ONE, ZERO

_PERCENT = Decimal(100)
_ROUNDED = Decimal("0.05")

log = structlog.get_logger(__name__)

Answering = Callable[[str, str], Awaitable[list[Row]]]
"""The rows of the answer about an instrument: by the venue's symbol, and by what the question calls it."""


async def listed(
    asker: Asker, tiers: Tiers | StatedTiers, markets: Mapping[str, Mapping[str, Any]], lane: Lane
) -> dict[str, MarginTiers | None]:
    """The tiers of each symbol of ccxt's markets, all asked for at once; as they are stated where nobody can be asked.

    What one answer tells of several instruments is asked for once.
    """
    if isinstance(tiers, StatedTiers):
        return {symbol: tiers.by_base.get(str(market.get("base"))) for symbol, market in markets.items()}
    answers: dict[str, asyncio.Future[list[Row]]] = {}

    async def told_of(symbol: str, name: str) -> list[Row]:
        named = {} if tiers.query.symbol_as is None else {tiers.query.symbol_as: name}
        question = repr((asker.scopes(tiers.query, [symbol]), named))
        if question not in answers:
            answers[question] = asyncio.ensure_future(asker.rows(tiers.query, lane, symbols=[symbol], **named))
        return await answers[question]

    found = await asyncio.gather(*(_of(tiers, symbol, market, told_of) for symbol, market in markets.items()))
    return dict(zip(markets, found, strict=True))


async def _of(tiers: Tiers, symbol: str, market: Mapping[str, Any], told_of: Answering) -> MarginTiers | None:
    name = told(market.get("info") or {}, tiers.named_in_market) or symbol
    try:
        return read(tiers, [row for row in await told_of(symbol, name) if told(row, tiers.shape.symbol) == name])
    except (NotAnswered, Unreadable) as failure:
        log.warning("tiers_unreadable", venue_symbol=symbol, reason=str(failure))
        return None


def read(tiers: Tiers, rows: Iterable[Row]) -> MarginTiers:
    """One instrument's tiers from the venue's rows about it. Raises Unreadable."""
    lines = sorted((_line(row, tiers.shape) for row in _lines(rows, tiers.shape)), key=lambda line: (line[1] is None, line[1] or ZERO))
    floor, ordered = ZERO, list[TierRow]()
    for told_floor, cap, maintenance, initial in lines:
        first = floor if told_floor is None else told_floor
        ordered.append(TierRow(floor=first, cap=cap, maintenance_rate=maintenance, initial_rate=initial))
        floor = first if cap is None else cap
    try:
        TierTable(tuple(ordered))  # refuses gaps, overlaps, and rates that fall or make no sense
    except ValueError as error:
        raise Unreadable(str(error)) from None
    return MarginTiers(rule=tiers.rule, rows=tuple(ordered))


def _lines(rows: Iterable[Row], shape: TierShape) -> Iterable[Row]:
    for row in rows:
        multiplier = figure(row, shape.multiplier)
        if multiplier is not None and multiplier != ONE:
            raise Unreadable(f"tiers stretched by {multiplier}")
        nested = at_path(row, shape.nested)
        yield from [row] if not shape.nested else nested if isinstance(nested, list) else []


def _unit_of(leveraged: Decimal) -> Decimal:
    """What one stands for in an initial rate that comes to this at its largest leverage: a fraction or percents, rounded as told."""
    for unit in (ONE, _PERCENT):
        if abs(leveraged / unit - ONE) <= _ROUNDED:
            return unit
    raise Unreadable("a tier whose initial rate does not belong to its leverage")


def _line(row: Row, shape: TierShape) -> tuple[Decimal | None, Decimal | None, Decimal, Decimal]:
    """Floor where told, cap (None: without end), maintenance and initial rate."""
    cap, maintenance, initial = figure(row, shape.cap), figure(row, shape.maintenance), figure(row, shape.initial)
    leverage = figure(row, shape.leverage)
    if initial is not None and leverage is not None:
        unit = _unit_of(initial * leverage)
        initial, maintenance = initial / unit, None if maintenance is None else maintenance / unit
    if initial is None and leverage is not None and leverage > ZERO:
        initial = ONE / leverage
    if (cap is None and not shape.endless) or maintenance is None or initial is None:
        raise Unreadable("a tier without an end or its rates")
    return figure(row, shape.floor), cap, maintenance, initial
