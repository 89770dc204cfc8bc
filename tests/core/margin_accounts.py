"""Positions and what stands behind them, for the tests of margin: from plain figures, and drawn."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import strategies as st

from bot.core.instrument import ContractKind
from bot.core.liquidation import Backing, MaintenanceOn, MarginedPosition
from bot.core.tiers import TierRow, TierTable

D = Decimal
LINEAR, INVERSE = ContractKind.LINEAR, ContractKind.INVERSE
CENT = D("0.01")


def flat(rate: str) -> TierTable:
    """One tier with a maintenance rate."""
    return TierTable.flat(D(rate), D(1))


def two_tiers(first: str, border: str, second: str) -> TierTable:
    """Two tiers that meet at a notional."""
    return TierTable(
        (
            TierRow(floor=D(0), cap=D(border), maintenance_rate=D(first), initial_rate=D(1)),
            TierRow(floor=D(border), cap=None, maintenance_rate=D(second), initial_rate=D(1)),
        )
    )


def held(kind: ContractKind, units: object, entry: object, tiers: TierTable | None, **more: MaintenanceOn) -> MarginedPosition:
    """A position from plain figures."""
    price = None if entry is None else D(str(entry))
    return MarginedPosition(kind=kind, contract_units=D(str(units)), entry_price=price, tiers=tiers, **more)


def cross(wallet: object, unrealised: object = 0, maintenance: object = 0, coins: object = 0) -> Backing:
    """A cross account from plain figures; None stays None."""
    parts = [None if part is None else D(str(part)) for part in (wallet, unrealised, maintenance, coins)]
    return Backing(wallet_balance=parts[0], other_unrealised=parts[1], other_maintenance=parts[2], coin_units=parts[3])


POSITIVE_RATES = st.decimals("0.001", "0.05", places=4)
PRICES = st.decimals(1, 200_000, places=2)
LEVERAGES = st.decimals("0.2", 20, places=2)


@st.composite
def tables(draw: st.DrawFn) -> TierTable:
    """One to four tiers with borders from tiny to huge, so that the boundary may fall into any of them."""
    floors = [D(0), *sorted(draw(st.sets(st.decimals("0.01", 10**8, places=2), max_size=3)))]
    rate, rows = D(0), []
    for number, floor in enumerate(floors):
        rate += draw(POSITIVE_RATES)
        cap = floors[number + 1] if number + 1 < len(floors) else None
        rows.append(TierRow(floor=floor, cap=cap, maintenance_rate=rate, initial_rate=D(1)))
    return TierTable(tuple(rows))


@st.composite
def accounts(draw: st.DrawFn) -> tuple[MarginedPosition, Backing]:
    """Positions of either kind and side, on any leverage, with other positions and coin collateral beside linear ones."""
    kind = draw(st.sampled_from(list(ContractKind)))
    entry, leverage = draw(PRICES), draw(LEVERAGES)
    size = draw(st.decimals("0.01", 1000, places=2))
    worth = size * entry if kind is LINEAR else size
    units = draw(st.sampled_from([-1, 1])) * (size if kind is LINEAR else (size * entry).quantize(CENT) + CENT)
    coins = draw(st.decimals(0, 2, places=2)) * size if kind is LINEAR else D(0)
    others = draw(st.decimals("-0.05", "0.05", places=3)) * worth
    backing = Backing(
        wallet_balance=(worth / leverage).quantize(D("1e-8")),
        other_unrealised=others,
        other_maintenance=draw(st.decimals(0, "0.01", places=4)) * worth,
        coin_units=coins,
    )
    where = draw(st.sampled_from(list(MaintenanceOn)))
    return held(kind, units, entry, draw(tables()), maintenance_on=where), backing


SHORTS = st.tuples(st.sampled_from(list(ContractKind)), PRICES, st.decimals("1.1", 15, places=2), st.decimals("0.01", 100, places=2))


def short(kind: ContractKind, entry: Decimal, leverage: Decimal, size: Decimal) -> tuple[MarginedPosition, Backing]:
    """A short on its own margin of 1 / leverage, in a single tier that leaves room at entry."""
    units, margin = (-size, size * entry / leverage) if kind is LINEAR else (-size * entry, size / leverage)
    return held(kind, units, entry, flat("0.01")), Backing.isolated(margin)
