"""An account after a proposed change: an order filled, margin moved in or out. Then `liquidation.figures` says how it would stand.

    opened, added    linear entry = (q1 E1 + q2 P) / (q1 + q2)        inverse entry = (n1 + n2) / (n1 / E1 + n2 / P)
    closed           realises q (P - E) in quote units                realises n (1 / E - 1 / P) in coin; the entry stays
    turned round     closes all of it and opens the rest at P

At its own price a fill moves the margin balance by its fee and nothing else: profit only moves from unrealised to the wallet.
Quantities are contract units (base if linear, quote if inverse), signed, a short negative.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from bot.core.instrument import ContractKind
from bot.core.liquidation import Backing, MarginedPosition
from bot.core.precision import precisely
from bot.core.tiers import TierTable
from bot.core.units import ONE, ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginChange:
    """A proposed change: contracts filled at a price, and margin moved in (> 0) or out (< 0), both signed.

    `fee` is in settle units, > 0 when paid. `tiers` replaces the table where the venue's rate depends on the position's size; None
    keeps it. Raises ValueError when contracts change at a price that is not positive.
    """

    contract_units: Decimal = ZERO
    price: Decimal = ZERO
    fee: Decimal = ZERO
    margin_added: Decimal = ZERO
    tiers: TierTable | None = None

    def __post_init__(self) -> None:
        if self.contract_units != ZERO and self.price <= ZERO:
            raise ValueError(f"contracts change hands at a positive price, got {self.price}")


@precisely
def after(position: MarginedPosition, backing: Backing, change: MarginChange) -> tuple[MarginedPosition, Backing]:
    """Position and backing as they would be: what is closed realises its profit into the wallet, what is added averages the entry.

    The entry of an inverse position averages harmonically, as its profit is counted in coin. Margin that a venue frees from an isolated
    position when it shrinks is a negative `margin_added`. A part that was absent stays absent.
    """
    units, entry, added = position.contract_units, position.entry_price, change.contract_units
    linear = position.kind is ContractKind.LINEAR
    closed = ZERO if units * added >= ZERO else (units if abs(units) <= abs(added) else -added)
    total = units + added
    wallet = None if backing.wallet_balance is None else backing.wallet_balance + change.margin_added - change.fee
    if closed != ZERO:
        if entry is None or wallet is None:
            wallet = None
        else:
            wallet += closed * (change.price - entry) if linear else closed * (ONE / entry - ONE / change.price)
    if total == ZERO:
        entry = None
    elif closed == units and added != ZERO:  # was flat, or has turned round
        entry = change.price
    elif closed == ZERO and added != ZERO and entry is not None:
        entry = (units * entry + added * change.price) / total if linear else total / (units / entry + added / change.price)
    tiers = position.tiers if change.tiers is None else change.tiers
    return replace(position, contract_units=total, entry_price=entry, tiers=tiers), replace(backing, wallet_balance=wallet)
