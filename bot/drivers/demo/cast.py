"""Who plays in the demo: each venue, the perpetuals that the bot may use there, and what its account holds at the start.

Coins in an account are margin and exposure at once: a coin-margined venue begins with coins, and the bot has to hedge them from its first
decision on. Whoever is left out of the cast is not started at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from bot.core.units import Millis
from bot.drivers.refusals import DemoRefused

ASSETS = ("BTC", "ETH")
HEDGED_AS: Mapping[str, str] = MappingProxyType({"BTC": "BTC", "ETH": "ETH", "wstETH": "ETH"})
VENUES_MIN = 3
"""Two must be able to carry the whole hedge while one is away."""
_DOLLARS = Decimal(1_000_000)
_HOUR_MS: Millis = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One venue's part. `instruments` in the venue's spelling; `balances` in units of each asset; the interval in market time.

    `books_funding_later`: its funding runs all the time, and enters an account with the next trade of the instrument.
    """

    venue: str
    instruments: tuple[str, ...]
    balances: Mapping[str, Decimal]
    funding_interval_ms: Millis = 8 * _HOUR_MS
    books_funding_later: bool = False


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        part.venue: part
        for part in (
            Part(venue="binanceusdm", instruments=("BTCUSDT", "ETHUSDT"), balances={"USDT": _DOLLARS}),
            Part(venue="bybit", instruments=("BTCUSDT", "ETHUSDT"), balances={"USDT": _DOLLARS}),
            Part(venue="okx", instruments=("BTC-USDT-SWAP", "ETH-USDT-SWAP"), balances={"USDT": _DOLLARS}),
            Part(
                venue="binancecoinm",
                instruments=("BTCUSD_PERP", "ETHUSD_PERP"),
                balances={"BTC": Decimal("0.8"), "ETH": Decimal(20)},
            ),
            Part(
                venue="deribit",
                instruments=("BTC-PERPETUAL", "ETH_USDC-PERPETUAL"),
                balances={"BTC": Decimal("0.7"), "USDC": Decimal(500_000)},
                funding_interval_ms=_HOUR_MS,
                books_funding_later=True,
            ),
            Part(
                venue="hyperliquid",
                instruments=("BTC", "ETH"),
                balances={"USDC": _DOLLARS},
                funding_interval_ms=_HOUR_MS,
            ),
        )
    }
)
"""Everybody who can be cast, in the order of appearance."""


def cast_of(names: Sequence[str] = ()) -> tuple[Part, ...]:
    """The parts named, in the order of appearance; all of them when none is named.

    Raises DemoRefused for a venue that is not known, and for fewer than VENUES_MIN.
    """
    if unknown := [name for name in names if name not in PARTS]:
        raise DemoRefused(f"--venues: {unknown[0]!r} is not known; known are {', '.join(PARTS)}")
    cast = tuple(part for name, part in PARTS.items() if not names or name in names)
    if len(cast) < VENUES_MIN:
        raise DemoRefused(
            f"--venues: the story needs at least three venues, so that two can carry the whole hedge; known are {', '.join(PARTS)}"
        )
    return cast
