"""Ledgers with coins in accounts at venues, as one reading told them, and a price that may have moved since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from bot.core.events import MarginReport, PositionReport, Quote
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger, Position, VenueRecord
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.story import T0, inverse, listed, policy_for, quote_of

D = Decimal
ETH, WSTETH, USDT, USDC = Asset("ETH"), Asset("wstETH"), Asset("USDT"), Asset("USDC")
OKX = VenueId("okx")
ETH_USD = InstrumentId("okx:ETH-USD")
POLICY: Policy = policy_for("ETH", instruments=frozenset({ETH_USD}))
LISTED = (inverse("okx", "ETH"), *(listed("okx", "ETH", venue_symbol=f"ETH-{d}", quote=d, settle=d) for d in (USDT, USDC)))
"""The linear ones are listed and not used: they tell what is taken for a dollar."""


def account(asset: str = "ETH", balance: Decimal | str | None = "10", wallet: Decimal | str | None = None, **changes: Any) -> MarginReport:
    """An account in one asset; `balance` is its equity, with unrealised PnL, `wallet` without."""
    plain = MarginReport(
        asset=Asset(asset),
        margin_balance=None if balance is None else D(balance),
        wallet_balance=None if wallet is None else D(wallet),
        maintenance_margin=D("0.01"),
        initial_margin=None,
    )
    return replace(plain, **changes)


def told(quantity: Decimal | str, mark: Decimal | str | None = "3000", entry: Decimal | str | None = None) -> PositionReport:
    """What the reading said of the inverse perpetual: signed USD, its mark and entry then."""
    return PositionReport(
        instrument=ETH_USD,
        quantity=D(quantity),
        entry_price=None if entry is None else D(entry),
        mark_price=None if mark is None else D(mark),
    )


def ledger_with(
    *accounts: MarginReport,
    position: PositionReport | None = None,
    record: Decimal | str | None = None,
    mark: Decimal | str | None = "3000",
    **changes: Any,
) -> Ledger:
    """OKX told these accounts and this position; `record` is ours if it moved since, `mark` the price of now. Collateral: none."""
    reading = position or told("0")
    reports: Mapping[Asset, MarginReport] = {m.asset: m for m in accounts}
    quotes: dict[InstrumentId, Quote] = {} if mark is None else {ETH_USD: quote_of(ETH_USD, D(mark), T0)}
    plain = Ledger(
        decided_at=T0,
        instruments={i.id: i for i in LISTED},
        positions={ETH_USD: Position(quantity=reading.quantity if record is None else D(record))},
        venues={OKX: VenueRecord(margins=reports, equity_told=reports, inverse_told={ETH_USD: reading})},
        quotes=quotes,
        sources_confirmed_at={"custody": T0},
    )
    return replace(plain, **changes)


def holding(asset: str, quantity: str, rate: str | None = "1", location: str = "vault", at: int = T0, source: str = "custody") -> Holding:
    """What a source told of one asset at one place."""
    return Holding(
        source=source,
        location=location,
        asset=Asset(asset),
        quantity=D(quantity),
        redemption_rate=None if rate is None else D(rate),
        observed_at=at,
    )


def held_as(*holdings: Holding) -> dict[tuple[str, str, Asset], Holding]:
    """Holdings as the ledger keys them."""
    return {(h.source, h.location, h.asset): h for h in holdings}
