"""What `hedgebot flatten` would close, and the net delta that remains, before anybody confirms it."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

from bot.adapters.telemetry.endpoints import EndpointUnavailable, fetch_statement
from bot.core.statement import BookStatement, InstrumentStatement
from bot.core.units import ZERO, Range
from bot.drivers.control_place import Place


class NotOfTheBook(Exception):
    """A venue or asset was named that the book does not have: one sentence."""


async def preview(place: Place, venue: str | None, asset: str | None) -> str | None:
    """Some lines for people; None, and one sentence on the standard error, when no bot answers. Raises NotOfTheBook."""
    told = await asked_about(place, venue, asset, otherwise="nothing is closed")
    return None if told is None else in_words(told, venue, asset)


async def asked_about(place: Place, venue: str | None, asset: str | None, *, otherwise: str) -> BookStatement | None:
    """What the bot tells; None, and one sentence on the standard error, when none answers. Raises NotOfTheBook: that something is not there
    must never be told of a name that is only written wrong.
    """
    if place.venues is not None:
        _check("venue", venue, place.venues)
    try:
        told = await fetch_statement(place.control)
    except EndpointUnavailable as unavailable:
        sys.stderr.write(f"hedgebot: {unavailable}; {otherwise}\n")
        return None
    _check("venue", venue, {row.venue for row in told.venues})
    _check("asset", asset, {row.asset for row in told.assets} | {row.asset for row in told.instruments})
    return told


def _check(field: str, named: str | None, known: Collection[str]) -> None:
    if named is not None and named not in known:
        raise NotOfTheBook(f"{field}: {named!r} is not one of {', '.join(sorted(known))}")


def in_words(told: BookStatement, venue: str | None, asset: str | None) -> str:
    """The positions that would be closed, and each asset's net delta after it, while nothing else moves."""
    closed = [i for i in told.instruments if venue in (None, i.venue) and asset in (None, i.asset) and _may_be_held(i)]
    lines = [f"Closes {len(closed)} positions of {venue or asset or 'the whole book'}:" if closed else "Nothing is held there."]
    lines += [f"  {i.instrument}: {span_of(i.position)} {i.asset}" + _usd(i) for i in closed]
    for row in told.assets:
        here = [i for i in closed if i.asset == row.asset]
        if here:
            lines.append(f"Net delta of {row.asset} after it: {_after(row.net_delta, here)}, now {span_of(row.net_delta)}")
    if venue is not None and closed:
        lines.append("The other venues hedge it again as far as their limits allow.")
    elif closed:
        lines.append("Nothing hedges it until the book is resumed.")
    return "\n".join(lines)


def _may_be_held(row: InstrumentStatement) -> bool:
    return row.position is None or (row.position.low, row.position.high) != (ZERO, ZERO)


def _after(net: Range | None, closed: Sequence[InstrumentStatement]) -> str:
    """The range without these positions, each at whatever it is in its own range: only their certain part leaves for certain."""
    if net is None or any(i.position is None for i in closed):
        return "not known"
    low = net.low - sum((i.position.low for i in closed if i.position is not None), ZERO)
    high = net.high - sum((i.position.high for i in closed if i.position is not None), ZERO)
    return span_of(Range(low, high))


def span_of(known: Range | None) -> str:
    """A figure or both its ends, with their signs."""
    if known is None:
        return "unknown"
    return f"{known.low:+.4f}" if known.low == known.high else f"{known.low:+.4f} .. {known.high:+.4f}"


def _usd(row: InstrumentStatement) -> str:
    return "" if row.notional_usd is None else f" ({row.notional_usd:,.0f} USD)"
