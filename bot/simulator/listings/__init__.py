"""What each simulated venue lists: perpetuals with the filters, fees and tiers of the real venue, one file per venue.

Data, no rules; sources are in each file, as they stood in 2025 for an account of the lowest fee tier. Venues move these now and then;
nothing in the bot relies on a particular value, it reads them. A new venue is a file with its `LISTING` and its line in `_LISTINGS`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from bot.core.units import Millis
from bot.simulator.exchange import Exchange
from bot.simulator.listings import binancecoinm, binanceusdm, bybit, deribit, hyperliquid, okx
from bot.simulator.listings.listing import FUNDING_INTERVAL_MS, HOUR_MS, Listing, tiers_of
from bot.simulator.model import Contract

__all__ = ["FUNDING_INTERVAL_MS", "HOUR_MS", "VENUES", "contracts_of", "exchange_of", "listing_of", "tiers_of"]

_LISTINGS: Mapping[str, Listing] = {
    "binanceusdm": binanceusdm.LISTING,
    "binancecoinm": binancecoinm.LISTING,
    "bybit": bybit.LISTING,
    "deribit": deribit.LISTING,
    "okx": okx.LISTING,
    "hyperliquid": hyperliquid.LISTING,
}

VENUES: tuple[str, ...] = tuple(_LISTINGS)
"""The venues with listings, by ccxt id."""


def listing_of(venue: str) -> Listing:
    """The venue's listing. Raises KeyError for a venue without one."""
    return _LISTINGS[venue]


def contracts_of(
    venue: str, *, funding_interval_ms: Millis | None = None, intervals: Mapping[str, Millis] | None = None
) -> tuple[Contract, ...]:
    """The venue's contracts: linear ones first, each kind in the order BTC, ETH, SOL.

    `funding_interval_ms` replaces the venue's own interval, `intervals` that of a base asset (market time, ms). Raises KeyError for a
    venue without listings.
    """
    return _LISTINGS[venue].contracts(funding_interval_ms, intervals or {})


def exchange_of(
    venue: str, *, now: Millis, funding_interval_ms: Millis | None = None, intervals: Mapping[str, Millis] | None = None
) -> Exchange:
    """The venue with its contracts (see `contracts_of`) and its rules on client order ids. Raises KeyError without listings."""
    listing = _LISTINGS[venue]
    return Exchange(
        venue,
        listing.contracts(funding_interval_ms, intervals or {}),
        now=now,
        duplicate_client_id_scope=listing.client_id_scope,
        client_id_form=re.compile(listing.client_id_form),
    )
