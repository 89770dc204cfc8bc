"""The last gate: may this very order leave?

It asks again what `risk` decided, as if that had not run, with the order counted in and the ledger as it is: a target that a later
rounding, slicing or mistake pushed over a limit dies here. A refusal is a `Breach` with its numbers. `CHECKS` is the whole list, in the
order in which they are asked; `INCREASE_CHECKS` follow for what is no reduction.

Reductions pass wherever something is there to reduce: they are held to a sane price, to what the venue takes, and to the order rate,
of which a part is kept for them; a HALTED book or venue takes none but what
a named person asks to be closed. Cancels and questions never come here: they always pass.
"""

from __future__ import annotations

from collections.abc import Callable

from bot.core import allowances, exposure, gate_checks, margin, risk, trading, traffic
from bot.core.limits import Breach, Limit
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import ZERO, Millis

Check = Callable[[Ledger, Policy, Order, Millis], Breach | None]
"""Why an order may not leave, or None. The ledger does not contain it yet; the instant is our clock."""


def order_breach(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    """Why this very order may not leave, everything counted in, or None. `ledger` does not contain it yet."""
    for check in CHECKS if order.reduce_only else (*CHECKS, *INCREASE_CHECKS):
        found = check(ledger, policy, order, now)
        if found is not None:
            return found
    return None


def _halted(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    if order.reduce_only and trading.may_close(ledger, order.instrument):
        return None
    state = risk.trading_state(ledger, policy)
    return Breach(Limit.TRADING_STATE, "book", None, None, state.value) if state is risk.TradingState.HALTED else None


def _silence(ledger: Ledger, _: Policy, __: Order, now: Millis) -> Breach | None:
    return risk.silence_breach(ledger, now)


def _instrument(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    return risk.instrument_breach(ledger, policy, order.instrument, now)


def _reduction(ledger: Ledger, _: Policy, order: Order, __: Millis) -> Breach | None:
    held = ledger.positions[order.instrument].quantity
    if order.reduce_only and (held * order.quantity >= ZERO or abs(order.quantity) > abs(held)):
        return Breach(Limit.INSTRUMENT_FILTER, order.instrument, order.quantity, held, "reduces more than is there")
    return None


def _obstacles(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    return next(iter(risk.increase_breaches(ledger, policy, order.instrument, now)), None)


def _reducing_book(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    """In a REDUCING book only what brings the worse end of |net delta| nearer to zero (DESIGN, section 3)."""
    if risk.trading_state(ledger, policy) is risk.TradingState.ACTIVE:
        return None
    asset = ledger.instruments[order.instrument].base
    net = exposure.net_delta(ledger, policy, asset)
    if net is None:
        return Breach(Limit.TRADING_STATE, asset, None, None, "reducing, and its net delta is not known")
    mark = exposure.mark_of(ledger, order.instrument) or order.price
    added = ledger.instruments[order.instrument].base_of(order.quantity, mark)
    before, after = abs(net.worst), max(abs(net.low + added), abs(net.high + added))
    return Breach(Limit.TRADING_STATE, asset, after, before, "reducing: brings net delta no nearer to zero") if after >= before else None


def _doubts(ledger: Ledger, policy: Policy, _: Order, __: Millis) -> Breach | None:
    return next(iter(risk.doubt_breaches(ledger, policy)), None)


def _allowances(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    added = gate_checks.value_at_mark(ledger, order)
    caps = allowances.of_increase(ledger, policy, order.instrument)
    return next((found for cap in caps if (found := cap.breach_of(added)) is not None), None)


def _margin(ledger: Ledger, policy: Policy, order: Order, _: Millis) -> Breach | None:
    return margin.increase_breach(ledger, policy, order.instrument, order.quantity)


def _rates(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    return traffic.rate_breach(ledger, policy, order, now)


def _duplicate(ledger: Ledger, policy: Policy, order: Order, now: Millis) -> Breach | None:
    return traffic.duplicate_breach(ledger, policy, order, now)


CHECKS: tuple[Check, ...] = (
    gate_checks.sanity_breach,
    _halted,
    _silence,
    _instrument,
    _rates,
    gate_checks.price_breach,
    gate_checks.filter_breach,
    gate_checks.value_breach,
    _reduction,
)
"""What every order is held to."""

INCREASE_CHECKS: tuple[Check, ...] = (
    gate_checks.second_price_breach,
    _obstacles,
    _doubts,
    _duplicate,
    _allowances,
    _reducing_book,
    _margin,
)
"""What an order is held to that is no reduction."""


def increases_max(policy: Policy) -> int:
    """Orders within the rate window from which on an increase waits."""
    return traffic.part_for_increases(policy.order_rate_max)
