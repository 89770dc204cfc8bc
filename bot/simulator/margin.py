"""Worth, margin and liquidation of perpetuals, linear and inverse: formulas only.

One device serves both kinds of contract: `worth(contract, n, price)`, in settle units, is n x size x price for a linear contract and
-n x size / price for an inverse one (n signed, short < 0). Profit from one price to another is the difference of two worths, so a
position is kept as signed contracts and `cost`, the sum of the worths at its fills, and unrealised PnL = worth(mark) - cost.

    value         |worth|: what margin and fees are a fraction of, in settle units
    maintenance   value x rate - deduction, of the tier that the value falls in                      (F3)
    initial       value / leverage
    funding       -n x size x mark x rate (linear), -n x size / mark x rate (inverse): > 0 when received   (F1)
    liquidation   the price at which wallet + PnL = maintenance, everything else in the account standing still   (F4, F5)

Tiers bound the value, or the number of contracts where the venue counts those (OKX); a tier's deduction is in settle units.
Formulas and vectors: the project's reference, sections 1.4 and 6.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

from bot.core.units import ZERO
from bot.simulator.model import Contract, Order, Tier

CASH_STEP = Decimal("0.00000001")
"""Every cash flow is rounded to this once, when it happens: sums of them are then exact (Binance books 8 decimals)."""


def cash(value: Decimal) -> Decimal:
    """A cash flow in settle units as it is booked."""
    return value.quantize(CASH_STEP, rounding=ROUND_HALF_EVEN)


def worth(contract: Contract, contracts: Decimal, price: Decimal) -> Decimal:
    """Signed worth of signed contracts at a price, in settle units (see the top of this file)."""
    if contract.inverse:
        return -contracts * contract.contract_size / price
    return contracts * contract.contract_size * price


def value(contract: Contract, contracts: Decimal, price: Decimal) -> Decimal:
    """Magnitude of contracts at a price, >= 0, in settle units."""
    return abs(worth(contract, contracts, price))


def notional(contract: Contract, contracts: Decimal, price: Decimal) -> Decimal:
    """Magnitude of contracts at a price, >= 0, in quote units; an inverse contract's does not depend on the price."""
    if contract.inverse:
        return abs(contracts) * contract.contract_size
    return abs(contracts) * contract.contract_size * price


def entry_price(contract: Contract, contracts: Decimal, cost: Decimal) -> Decimal:
    """The one price at which all contracts would have cost `cost`; zero when flat."""
    if not contracts:
        return ZERO
    if contract.inverse:
        return -contracts * contract.contract_size / cost
    return cost / (contracts * contract.contract_size)


def filled_at(contract: Contract, order: Order) -> Decimal | None:
    """The one price at which all that an order filled is worth what its fills were worth; None before the first."""
    if contract.inverse and order.filled:
        return order.filled * contract.contract_size / order.value_filled
    return order.average_price


def funding(contract: Contract, contracts: Decimal, mark: Decimal, rate: Decimal) -> Decimal:
    """One settlement's payment in settle units, > 0 when the holder receives it (F1)."""
    return cash(-value(contract, contracts, mark) * rate * (1 if contracts > ZERO else -1))


def tiered(contract: Contract, contracts: Decimal, mark: Decimal) -> Decimal:
    """What the contract's tiers count of a position, >= 0: contracts, or value in settle units."""
    return abs(contracts) if contract.tiers_count_contracts else value(contract, contracts, mark)


def tier_at(contract: Contract, counted: Decimal) -> int:
    """Index of the tier that a position falls in, as `tiered` counts it; beyond the last one, the last."""
    for index, tier in enumerate(contract.tiers):
        if counted <= tier.cap:
            return index
    return len(contract.tiers) - 1


def leverage_max(contract: Contract, counted: Decimal) -> Decimal:
    """The most leverage that a position may carry, as `tiered` counts it; zero beyond the last tier, where none is allowed."""
    if counted > contract.tiers[-1].cap:
        return ZERO
    return contract.tiers[tier_at(contract, counted)].leverage_max


def maintenance(contract: Contract, contracts: Decimal, mark: Decimal) -> Decimal:
    """Maintenance margin of a position in settle units, by tier (F3)."""
    if not contracts:
        return ZERO
    tier = contract.tiers[tier_at(contract, tiered(contract, contracts, mark))]
    return value(contract, contracts, mark) * tier.rate - tier.deduction


def initial(contract: Contract, contracts: Decimal, mark: Decimal, leverage: Decimal) -> Decimal:
    """Initial margin of a position in settle units."""
    return value(contract, contracts, mark) / leverage


def liquidation_price(contract: Contract, contracts: Decimal, cost: Decimal, mark: Decimal, rest: Decimal) -> Decimal | None:
    """The mark at which the account would be liquidated if only this contract moved; None when no price does it.

    `rest` is what stands beside this position: wallet, plus the other positions' unrealised PnL, minus their maintenance margin, in the
    same settle asset. With one tier this is F4 (linear) and F5 (inverse) exactly. Across tiers, the search walks in the direction that
    hurts and returns the first price at which the margin is used up; at a tier's edge where the requirement jumps, that edge. An account
    that is due already gets the price that its present tier alone gives, on the other side of the mark, if there is one.
    """
    if not contracts:
        return None
    tiers = contract.tiers
    start = tier_at(contract, tiered(contract, contracts, mark))
    safe = rest - cost + worth(contract, contracts, mark) > maintenance(contract, contracts, mark)
    if contract.inverse or contract.tiers_count_contracts or not safe:
        return _solve(contract, contracts, cost, rest, tiers[start])
    unit = abs(contracts) * contract.contract_size
    if contracts < ZERO:
        for index in range(start, len(tiers)):
            price = _solve(contract, contracts, cost, rest, tiers[index])
            if price is not None and (index == len(tiers) - 1 or price * unit <= tiers[index].cap):
                return price if index == start else max(price, tiers[index - 1].cap / unit)
        return None
    for index in range(start, -1, -1):
        price = _solve(contract, contracts, cost, rest, tiers[index])
        if price is not None and (index == 0 or price * unit > tiers[index - 1].cap):
            return price if index == start else min(price, tiers[index].cap / unit)
    return None


def _solve(contract: Contract, contracts: Decimal, cost: Decimal, rest: Decimal, tier: Tier) -> Decimal | None:
    """rest - cost + worth(P) = |worth(P)| x rate - deduction, solved for P > 0 in one tier."""
    cushion = rest - cost + tier.deduction
    size = contracts * contract.contract_size
    if contract.inverse:
        # cushion - size / P = |size| / P x rate
        return (size + abs(size) * tier.rate) / cushion if (size + abs(size) * tier.rate) * cushion > ZERO else None
    slope = abs(size) * tier.rate - size
    return cushion / slope if cushion * slope > ZERO else None
