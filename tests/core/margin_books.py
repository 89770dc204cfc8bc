"""Ledgers with one venue's margin, from plain figures, for the tests of margin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

from bot.core.haircut import CollateralRatios
from bot.core.instrument import ContractKind, Instrument
from bot.core.policy import Policy
from bot.core.records import Ledger, Position, VenueRecord
from bot.core.reports import MarginReport
from bot.core.tiers import MarginTiers, TierRow, TierRule
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.story import T0, listed, policy_for, quote_of

D = Decimal
OKX = VenueId("okx")
ETH, BTC, SOL, ETH_INVERSE = (InstrumentId(f"okx:{name}") for name in ("ETH", "BTC", "SOL", "ETHUSD"))
MARKS = {ETH: D(2_000), BTC: D(50_000), SOL: D(100), ETH_INVERSE: D(2_000)}
POLICY: Policy = replace(policy_for("BTC", "ETH", "SOL", venues=("okx",)), instruments=frozenset(MARKS))


def sliced(*steps: tuple[str, str], rule: TierRule = TierRule.SLICED) -> MarginTiers:
    """Tiers from (floor, maintenance rate) pairs."""
    floors = [D(floor) for floor, _ in steps]
    caps = [*floors[1:], None]
    rows = (
        TierRow(floor=floor, cap=cap, maintenance_rate=D(rate), initial_rate=D(1))
        for floor, cap, (_, rate) in zip(floors, caps, steps, strict=True)
    )
    return MarginTiers(rule=rule, rows=tuple(rows))


def told(
    asset: str = "USDT",
    balance: object = "100000",
    maintenance: object = "0",
    *,
    wide: bool = False,
    equity: object = None,
    ratios: CollateralRatios | None = None,
) -> MarginReport:
    """What a venue says of its margin; None stays None."""
    figures = [None if figure is None else D(str(figure)) for figure in (balance, maintenance, equity)]
    return MarginReport(
        asset=Asset(asset),
        margin_balance=figures[0],
        wallet_balance=None,
        maintenance_margin=figures[1],
        initial_margin=None,
        is_account_wide=wide,
        equity=figures[2],
        collateral_ratios=ratios,
    )


def instruments(tiers: MarginTiers | Mapping[InstrumentId, MarginTiers] | None) -> dict[InstrumentId, Instrument]:
    """The four instruments of the venue, one of them inverse."""
    found = {i: listed("okx", i.split(":")[1], contract_size=D(1)) for i in (ETH, BTC, SOL)}
    found[ETH_INVERSE] = listed(
        "okx", "ETHUSD", base=Asset("ETH"), quote=Asset("USD"), settle=Asset("ETH"), kind=ContractKind.INVERSE, contract_size=D(1)
    )
    per = {} if tiers is None else (dict.fromkeys(found, tiers) if isinstance(tiers, MarginTiers) else tiers)
    return {i: replace(one, tiers=per.get(i)) for i, one in found.items()}


def account(
    *reports: MarginReport,
    positions: Mapping[InstrumentId, str] | None = None,
    was: Mapping[InstrumentId, str] | None = None,
    was_at: Mapping[InstrumentId, str] | None = None,
    tiers: MarginTiers | Mapping[InstrumentId, MarginTiers] | None = None,
    marks: Mapping[InstrumentId, Decimal] = MARKS,
    **changes: Any,
) -> Ledger:
    """A ledger in which the venue holds `positions`; `was`, `was_at`: positions and marks as the margin was told, unless the same."""
    positions = positions or {}
    record = VenueRecord(
        margins={m.asset: m for m in reports},
        margin_positions={i: D(q) for i, q in (positions if was is None else was).items()},
        margin_marks={i: D(m) for i, m in (was_at or {}).items()},
    )
    plain = Ledger(
        instruments=instruments(tiers),
        venues={OKX: record},
        positions={i: Position(quantity=D(positions.get(i, "0"))) for i in MARKS},
        quotes={i: quote_of(i, m, T0) for i, m in marks.items()},
    )
    return replace(plain, **changes)


TIERS = sliced(("0", "0.01"), ("50000", "0.02"), ("200000", "0.05"))
QUANTITIES = st.decimals("0.1", 50, places=1)
BALANCES = st.decimals(20_000, 10**6, places=0)


@st.composite
def books(draw: st.DrawFn) -> Ledger:
    positions = {i: f"-{draw(QUANTITIES)}" for i in draw(st.sets(st.sampled_from([ETH, SOL, ETH_INVERSE]), min_size=1))}
    tiers = draw(st.sampled_from([None, TIERS, sliced(("0", "0.004"), ("10", "0.01"), ("30000", "0.03"))]))
    return account(
        told("USDT", draw(BALANCES), draw(st.decimals(1, 5_000, places=0))),
        told("ETH", draw(st.decimals("0.1", 100, places=2)), "0.001"),
        positions=positions,
        tiers=tiers,
    )
