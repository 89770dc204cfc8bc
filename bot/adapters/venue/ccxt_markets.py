"""A ccxt market -> our instrument. Pure. Everything that a venue may change (lot, tick, bounds, fees, interval) is data from here on."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.adapters.venue.ccxt_mapping import Unreadable, at_path
from bot.core.instrument import ContractKind, Instrument
from bot.core.tiers import MarginTiers
from bot.core.units import ZERO, Asset, Millis, VenueId

STABLECOINS = frozenset({"USDT", "USDC", "FDUSD", "BUSD", "USD1", "USDE"})
"""Quotes that may be taken for one dollar."""


def instrument_of(
    venue: VenueId,
    market: Mapping[str, Any],
    *,
    interval_ms: Millis | None,
    taker_fee: Decimal | None,
    maker_fee: Decimal | None,
    tiers: MarginTiers | None = None,
    unit_worth: Mapping[ContractKind, Decimal] | None = None,
) -> Instrument:
    """A ccxt market (precision mode TICK_SIZE) as our instrument; `lot` and the bounds count contracts, fees are fractions.

    A contract is the unit that the venue counts quantities in. `unit_worth` says by kind what one is worth; else ccxt's contract size does.
    """
    kind = kind_of(market)
    size = (unit_worth or {}).get(kind) or ccxt_number(market.get("contractSize"))
    lot = ccxt_number(at_path(market, ("precision", "amount")))
    tick = ccxt_number(at_path(market, ("precision", "price")))
    if not size or not lot or not tick or min(size, lot, tick) <= ZERO:
        raise Unreadable(f"{market.get('id')} without a contract size, a lot or a tick")
    return Instrument(
        venue=venue,
        venue_symbol=str(market["id"]),
        base=Asset(str(market["base"])),
        quote=Asset(str(market["quote"])),
        settle=Asset(str(market["settle"])),
        kind=kind,
        contract_size=size,
        lot=lot,
        tick=tick,
        contracts_min=ccxt_number(at_path(market, ("limits", "amount", "min"))) or lot,
        contracts_max=ccxt_number(at_path(market, ("limits", "amount", "max"))) or None,
        notional_min=ccxt_number(at_path(market, ("limits", "cost", "min"))) or None,
        funding_interval_ms=interval_ms,
        taker_fee=taker_fee,
        maker_fee=maker_fee,
        tiers=tiers,
    )


def kind_of(market: Mapping[str, Any]) -> ContractKind:
    """What a ccxt market's contracts are counted and settled in."""
    return ContractKind.LINEAR if market.get("linear") else ContractKind.INVERSE


def is_usable(market: Mapping[str, Any]) -> bool:
    """Whether a ccxt market is a perpetual that we can hold: linear, quoted and settled in one stablecoin, or inverse, quoted in USD and
    settled in its coin."""
    if market.get("linear"):
        return market.get("quote") in STABLECOINS and market.get("settle") == market.get("quote")
    return bool(market.get("inverse")) and market.get("quote") == "USD" and market.get("settle") == market.get("base")


def ccxt_number(value: Any) -> Decimal | None:
    """One of ccxt's own floats as the Decimal that it prints as (0.001 -> 0.001); None stays None."""
    if value is None:
        return None
    number = Decimal(str(value))
    if not number.is_finite():
        raise Unreadable(f"{value} is no number")
    # 1.0 -> 1 and 1E+2 -> 100: a Decimal that prints as people write it.
    return Decimal(f"{number.normalize():f}")
