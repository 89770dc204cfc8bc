"""Funding and other rates on one time base, and what a rate pays the holder of a position.

    simple annual   = rate x year / interval                      365 days
    compounded      = (1 + rate) ^ (year / interval) - 1
    equivalent      = rate x other interval / interval             0.01 % per 8 h = 0.00125 % per hour
    payment         = - quantity x reference price x rate          linear, in quote units
                    = - contract units / reference price x rate    inverse, in coin

Rates are fractions per the interval that is named beside them; a positive funding rate pays shorts. The reference price is the
venue's: mark at Binance (nominal value = mark x size), the oracle's at Hyperliquid. Deribit pays continuously: its rate is per
8 hours and `accrued` shares it out by the millisecond. Sources: those venues' funding documentation.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.instrument import ContractKind
from bot.core.precision import precisely
from bot.core.units import ONE, YEAR_MS, ZERO, Millis

EIGHT_HOURS_MS: Millis = 8 * 3_600_000


def _checked(interval_ms: Millis) -> Millis:
    if interval_ms <= 0:
        raise ValueError(f"an interval must be positive, got {interval_ms} ms")
    return interval_ms


@precisely
def annualised(rate: Decimal, interval_ms: Millis) -> Decimal:
    """Simple annual rate. Raises ValueError for an interval that is not positive."""
    return rate * YEAR_MS / _checked(interval_ms)


@precisely
def compounded(rate: Decimal, interval_ms: Millis) -> Decimal:
    """Annual yield when every payment is reinvested. Raises ValueError for an interval <= 0 or a rate at or below -1."""
    if rate <= -ONE:
        raise ValueError(f"a rate at or below -1 leaves nothing to compound, got {rate}")
    return (ONE + rate) ** (Decimal(YEAR_MS) / _checked(interval_ms)) - ONE


@precisely
def equivalent(rate: Decimal, interval_ms: Millis, other_interval_ms: Millis = EIGHT_HOURS_MS) -> Decimal:
    """The rate per another interval with the same simple annual rate. Raises ValueError for intervals that are not positive."""
    return rate * _checked(other_interval_ms) / _checked(interval_ms)


@precisely
def payment(kind: ContractKind, contract_units: Decimal, reference_price: Decimal, rate: Decimal) -> Decimal:
    """What one funding settlement pays the holder (< 0: the holder pays), quote units if linear, coin if inverse.

    `contract_units` = signed contracts x contract size; `rate` is per settlement. Raises ValueError unless the price is positive.
    """
    if reference_price <= ZERO:
        raise ValueError(f"a reference price must be positive, got {reference_price}")
    if kind is ContractKind.LINEAR:
        return -contract_units * reference_price * rate
    return -contract_units / reference_price * rate


@precisely
def accrued(whole_payment: Decimal, elapsed_ms: Millis, interval_ms: Millis = EIGHT_HOURS_MS) -> Decimal:
    """The part of an interval's payment that has come due after `elapsed_ms`, where funding is paid continuously.

    Raises ValueError for an interval that is not positive or a negative time.
    """
    if elapsed_ms < 0:
        raise ValueError(f"time does not run backwards, got {elapsed_ms} ms")
    return whole_payment * elapsed_ms / _checked(interval_ms)


@precisely
def premium_rate(premium: Decimal, interest: Decimal, clamp: Decimal, rate_max: Decimal | None = None) -> Decimal:
    """Funding rate of a premium index: premium + clamp(interest - premium, within +-clamp), itself within +-rate_max.

    All per the same interval. Hyperliquid states it per 8 hours (interest 0.01 %, clamp 0.05 %) and pays an eighth every hour, at
    most 4 % an hour. Raises ValueError for a negative clamp or maximum.
    """
    if clamp < ZERO or (rate_max is not None and rate_max < ZERO):
        raise ValueError(f"limits of a rate are not negative, got {clamp} and {rate_max}")
    rate = premium + max(-clamp, min(clamp, interest - premium))
    return rate if rate_max is None else max(-rate_max, min(rate_max, rate))
