"""What rows tell of an account that somebody set otherwise: another margin mode than cross, another leverage than ours.

The rule: a margin mode decides what is lost with a position, so that nothing increases under another one (`VenueReported.unfit`).
Under cross margin a leverage decides only how much of the balance a position takes up: with a lower one there is less room, with a higher
one the largest position may be smaller, and the venue refuses what does not fit. Neither moves a liquidation. It is told
(`VenueReported.remarks`), set back when the instruments are described again, and blocks nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from bot.adapters.venue.ccxt_mapping import Instruments, Unreadable, figure, told
from bot.adapters.venue.shapes import Paths, Row


def modes_unfit(
    rows: Iterable[Row], symbol_at: Paths, mode_at: Paths, cross: frozenset[str], instruments: Instruments, wanted: str = "cross margin"
) -> tuple[str, ...]:
    """Of what a row tells another margin mode than cross, one sentence each; without `symbol_at` each row is about the account.

    Rows about other instruments, and those without a mode, tell nothing.
    """
    found = []
    for row in rows:
        mode, symbol = told(row, mode_at), told(row, symbol_at) if symbol_at else None
        if mode is not None and mode not in cross and (not symbol_at or symbol in instruments):
            found.append(f"{symbol or 'the account'} is in margin mode {mode}, not in {wanted}")
    return tuple(found)


def leverages_unlike(
    rows: Iterable[Row], symbol_at: Paths, leverage_at: Paths, ours: Decimal, instruments: Instruments
) -> Mapping[str, Decimal]:
    """The leverage of each of our instruments (the venue's symbol) of which a row tells another one than ours.

    What makes no sense as a leverage is not told: no reading fails for it.
    """
    found = {}
    for row in rows:
        symbol = told(row, symbol_at)
        try:
            leverage = figure(row, leverage_at)
        except Unreadable:
            continue
        if symbol in instruments and symbol is not None and leverage is not None and leverage > 0 and leverage != ours:
            found[symbol] = leverage
    return found


def remarks_of(leverages: Mapping[str, Decimal], ours: Decimal) -> tuple[str, ...]:
    """One sentence for each instrument at another leverage."""
    return tuple(f"{symbol} is at leverage {leverage.normalize():f}, not {ours:f}" for symbol, leverage in sorted(leverages.items()))
