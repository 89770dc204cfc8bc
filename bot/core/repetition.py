"""Executions again and again without a change of the target: the throttle that a runaway loop meets (control C13).

Since the last real change of an instrument's target, what is needed to reach it is known, and so are the orders that it takes. An
execution is repeated when as much as was needed has been executed before it, or when it is on the other side than the one before it:
the target was reached, or turned away from, and still something trades. From `repeated_executions_max` such executions on the venue is
HALTED until a named operator resumes it, and then the count begins anew. Orders of one large change are not repeated, however many
slices it takes, nor are those that bring back what others moved: a deleveraging, a stranger's fill, a figure taken over from the venue.

Quantities are signed contract units; targets are signed base units.
"""

from __future__ import annotations

from decimal import Decimal

from bot.core.copying import replace
from bot.core.limit_table import nearing
from bot.core.limits import Breach, Effect, Limit
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Executions, Ledger
from bot.core.units import ZERO, InstrumentId, sign


def executed(before: Executions | None, order: Order, gained: Decimal) -> Executions:
    """The record after an order of ours filled by `gained`. One order is one execution, in however many fills."""
    record = before or Executions(target=None, needed=ZERO)
    side = sign(gained)
    repeated = record.executed >= record.needed or record.side == -side
    is_first = order.filled == ZERO  # of the order as it was before
    return replace(
        record,
        executed=record.executed + abs(gained),
        count=record.count + 1 if is_first and repeated else record.count,
        side=side,
    )


def moved_otherwise(before: Executions | None, by: Decimal) -> Executions | None:
    """The record after a position moved by something else than our orders (contract units): to bring that back may be executed too.

    Else what a venue deleveraged could not be hedged again in slices: the target is the same, and each slice would count as repeated.
    """
    return None if before is None else replace(before, needed=before.needed + abs(by))


def retargeted(before: Executions | None, target: Decimal, needed: Decimal, least: Decimal) -> Executions:
    """The record after a decision: a change of target by `least` or more (base units) begins anew, a smaller one allows for itself.

    `needed` is what the new target asks for, in contract units.
    """
    if before is None or before.target is None or abs(target - before.target) >= least:
        return Executions(target=target, needed=abs(needed))
    return before


def repetition_breach(ledger: Ledger, policy: Policy, instrument: InstrumentId) -> Breach | None:
    """Whether an instrument has executed too often without a change of its target, or nearly (told only)."""
    record = ledger.executions.get(instrument)
    count, most = Decimal(0 if record is None else record.count), Decimal(policy.repeated_executions_max)
    told = nearing(Limit.REPEATED_EXECUTION, instrument, count, most, "executions without a change of the target")
    return replace(told, effect=Effect.HALTED) if told is not None and count >= most else told
