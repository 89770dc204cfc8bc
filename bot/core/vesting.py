"""A staked stablecoin whose rewards vest: what of its vault counts already, and what its share price has earned.

    unvested     = (period - elapsed) / period x vesting amount        0 once the period is over
    total assets = vault balance - unvested
    share price  = total assets / total supply                         stablecoin units per share
    yield        = (later price / earlier price) ^ (year / elapsed) - 1

As in Ethena's StakedUSDe contract (ERC-4626, period of 8 hours), which divides whole token units and so is at most one unit below.
Token quantities are in whole tokens.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.precision import precisely
from bot.core.units import ONE, YEAR_MS, ZERO, Millis

VESTING_MS: Millis = 8 * 3_600_000


@precisely
def unvested(vesting_quantity: Decimal, elapsed_ms: Millis, period_ms: Millis = VESTING_MS) -> Decimal:
    """What of the last distribution has not vested yet. Raises ValueError for a negative quantity or time, or no period."""
    if vesting_quantity < ZERO or elapsed_ms < 0 or period_ms <= 0:
        raise ValueError(f"need quantity and time >= 0 and a period, got {vesting_quantity}, {elapsed_ms} ms, {period_ms} ms")
    return vesting_quantity * max(0, period_ms - elapsed_ms) / period_ms


@precisely
def share_price(vault_balance: Decimal, unvested_quantity: Decimal, total_supply: Decimal) -> Decimal | None:
    """Stablecoins per share; None while nobody holds a share. Raises ValueError for a negative quantity or more unvested than there is."""
    if min(unvested_quantity, total_supply) < ZERO or vault_balance < unvested_quantity:
        raise ValueError(f"need 0 <= unvested <= balance and supply >= 0, got {unvested_quantity}, {vault_balance}, {total_supply}")
    return None if total_supply == ZERO else (vault_balance - unvested_quantity) / total_supply


@precisely
def realised_yield(earlier_price: Decimal, later_price: Decimal, elapsed_ms: Millis) -> Decimal:
    """Compounded annual yield between two share prices. Raises ValueError unless prices and time are positive."""
    if min(earlier_price, later_price) <= ZERO or elapsed_ms <= 0:
        raise ValueError(f"prices and time must be positive, got {earlier_price}, {later_price}, {elapsed_ms} ms")
    return (later_price / earlier_price) ** (Decimal(YEAR_MS) / elapsed_ms) - ONE
