"""What one order must be by itself: figures that are figures, a price within the collars, a quantity that the venue takes, a value that
is not too large. Nothing here knows what else is held; `gate` asks that.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core import exposure, risk, traffic
from bot.core.limits import Breach, Limit
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Millis


def value_at_mark(ledger: Ledger, order: Order) -> Decimal:
    """USD of an order at its instrument's mark; at its own price while there is none."""
    return traffic.value_of(ledger, order, exposure.mark_of(ledger, order.instrument) or order.price)


def sanity_breach(ledger: Ledger, _: Policy, order: Order, __: Millis) -> Breach | None:
    """C16: an instrument that is not listed, and a quantity or price that is no number, endless, nothing, or (the price) negative."""
    if order.instrument not in ledger.instruments:
        return Breach(Limit.NO_INSTRUMENT, order.instrument, None, None, "not listed by its venue")
    if not order.quantity.is_finite() or order.quantity == ZERO:
        return Breach(Limit.INSTRUMENT_FILTER, order.instrument, None, None, f"an order of {order.quantity}")
    if not order.price.is_finite() or order.price <= ZERO:
        return Breach(Limit.PRICE_COLLAR, order.instrument, None, None, f"a price of {order.price}")
    return None


def price_breach(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    """C08: too far from the venue's own mark, to either side."""
    mark = exposure.mark_of(ledger, order.instrument)
    if mark is None:
        return Breach(Limit.PRICE_COLLAR, order.instrument, order.price, None, "no mark to hold the price against")
    distance = abs(order.price - mark) / mark
    return (
        Breach(Limit.PRICE_COLLAR, order.instrument, distance, policy.price_collar, "from mark") if distance > policy.price_collar else None
    )


def second_price_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """C08: a sale too far below what the other venues say, or a purchase too far above."""
    second = risk.second_source(ledger, policy, order.instrument, now)
    if second is None:
        return Breach(Limit.REFERENCE_DEVIATION, order.instrument, None, None, "no second source for the price")
    worse = (second - order.price) / second if order.quantity < ZERO else (order.price - second) / second
    if worse <= policy.price_collar:
        return None
    return Breach(Limit.PRICE_COLLAR, order.instrument, worse, policy.price_collar, "worse than the second source")


def filter_breach(ledger: Ledger, _: Policy, order: Order, __: Millis) -> Breach | None:
    """C16: a quantity that is no whole number of lots of the contract size as it is now, or more or less than the venue takes."""
    listed = ledger.instruments[order.instrument]
    if order.price % listed.tick != ZERO:
        return _filtered(order, order.price, listed.tick, "off the tick")
    contracts = abs(order.quantity) / listed.contract_size
    if order.quantity % (listed.contract_size * listed.lot) != ZERO:
        return _filtered(order, contracts, listed.lot, "contracts, off the lot")
    if listed.contracts_max is not None and contracts > listed.contracts_max:
        return _filtered(order, contracts, listed.contracts_max, "contracts, more than the venue takes")
    least = max(listed.lot, listed.contracts_min)
    return _filtered(order, contracts, least, "contracts, less than the venue takes") if contracts < least else None


def _filtered(order: Order, observed: Decimal, allowed: Decimal, detail: str) -> Breach:
    return Breach(Limit.INSTRUMENT_FILTER, order.instrument, observed, allowed, detail)


def value_breach(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    """C09, C10: the value, and so the volume, of one order."""
    value = value_at_mark(ledger, order)
    return Breach(Limit.ORDER_NOTIONAL, order.instrument, value, policy.order_notional_max) if value > policy.order_notional_max else None
