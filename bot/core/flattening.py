"""Closing what a named person wants closed: reduce-only IOC orders for all that is held, slice by slice, until nothing is left.

What may close is told by the person's word (`acts.Flattening`) and by `trading.may_close`. Limits of increases are not asked. A reduction
is held to what every reduction is: a sane price, the slippage allowed, the order limit, what the touch shows, the order rate. One order at
a time per instrument; what rests there is withdrawn first. Nothing is closed twice: what is in flight or in doubt must end before the next
slice, and what is disputed must be settled. Beside an order in doubt that is spent (see `order`) what is certain is closed.

It is not over when nothing is left: it stays until a person resumes, or the hedge would come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import takewhile

from bot.core import exposure, gate, questions, risk, trading, working
from bot.core.commands import CancelOrder, Command, PlaceOrder
from bot.core.drafting import draft_closing
from bot.core.ledger import noted, put
from bot.core.limits import Breach
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.units import ZERO, InstrumentId, Millis


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What one decision sends to close positions, entered in the ledger. `targets`: nothing, of each instrument that is to be closed."""

    ledger: Ledger
    commands: tuple[Command, ...]
    targets: Mapping[InstrumentId, Decimal]
    refused: tuple[Breach, ...]


def instruments_to_close(ledger: Ledger) -> tuple[InstrumentId, ...]:
    """Every listed instrument of which a person wants nothing held, sorted."""
    return tuple(i for i in sorted(ledger.instruments) if trading.flattening_of(ledger, i) is not None) if ledger.flattenings else ()


def unlisted_to_close(ledger: Ledger, policy: Policy) -> tuple[InstrumentId, ...]:
    """Instruments of which a person wants nothing held and nobody knows what they are, sorted: their venue has not listed them.

    One that is known to hold nothing is none of them. Of what is wanted of one asset alone nobody knows whether it is meant: it counts.
    """
    venues = {f.venue for f in ledger.flattenings}
    unlisted = sorted({*policy.instruments, *ledger.positions} - ledger.instruments.keys()) if venues else ()
    return tuple(i for i in unlisted if ledger.venue_of(i) in venues and not _is_flat(ledger, i))


def _is_flat(ledger: Ledger, instrument: InstrumentId) -> bool:
    held = ledger.positions.get(instrument)
    return held is not None and held.quantity == ZERO and held.dispute is None and not ledger.is_worked(instrument)


def closed(ledger: Ledger, policy: Policy, now: Millis) -> Closing:
    """Withdraws what rests on the instruments to be closed, and sends the next slice of what is held of each."""
    instruments = instruments_to_close(ledger)
    commands: list[Command] = []
    refused: list[Breach] = []
    for instrument in instruments:
        ledger, cancels = _withdrawn(ledger, policy, instrument, now)
        commands.extend(cancels)
        held = ledger.positions.get(instrument)
        if held is None or held.quantity == ZERO or ledger.is_live(instrument):
            continue
        ledger, command, breach = _reduced(ledger, policy, instrument, now)
        refused += [breach] if breach is not None else []
        commands += [command] if command is not None else []
    return Closing(ledger=ledger, commands=tuple(commands), targets=dict.fromkeys(instruments, ZERO), refused=tuple(refused))


def _withdrawn(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Ledger, tuple[CancelOrder, ...]]:
    commands: list[CancelOrder] = []
    for order in working.resting(ledger, (instrument,)):
        ledger, cancels = questions.cancel(ledger, policy, order, now)
        commands.extend(cancels)
    return ledger, tuple(commands)


def _reduced(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Ledger, PlaceOrder | None, Breach | None]:
    asked = trading.flattening_of(ledger, instrument)
    reason = f"{ledger.instruments[instrument].base}: flattened by {asked.by if asked else 'nobody'}"
    order, command = draft_closing(ledger, policy, instrument, now, reason)
    if order is None or command is None:
        return _why_nothing(ledger, policy, instrument, now)
    breach = gate.order_breach(ledger, policy, order, now)
    if breach is not None:
        return ledger, None, breach
    ledger = ledger.with_order(put(ledger.orders, order.client_order_id, order), order, order_number=ledger.order_number + 1)
    verb = "sell" if order.quantity < ZERO else "buy"
    sentence = f"{verb} {abs(order.quantity):f} at {order.price:f} or better; {reason}"
    note = Note(at=now, kind="decision", subject=instrument, sentence=sentence, order=order.client_order_id)
    return noted(ledger, note), command, None


def _why_nothing(ledger: Ledger, policy: Policy, instrument: InstrumentId, now: Millis) -> tuple[Ledger, None, Breach | None]:
    """Nothing of what is held could be drafted: no quote to price it on, less than a lot is left or certain, or the touch shows less."""
    breach = risk.quote_breach(ledger, policy, instrument, now)
    if breach is not None or is_closed(ledger, instrument):
        return ledger, None, breach
    why = _untold(ledger, instrument) or f"the touch shows less than a lot of {ledger.instruments[instrument].lot:f} contracts"
    sentence = f"not closed: {why}; tried again at each decision"
    of_subject = (n for n in reversed(ledger.notes) if n.subject == instrument)
    if any(n.sentence == sentence for n in takewhile(lambda n: n.kind == "breach", of_subject)):
        return ledger, None, None
    return noted(ledger, Note(at=now, kind="breach", subject=instrument, sentence=sentence)), None, None


def _untold(ledger: Ledger, instrument: InstrumentId) -> str | None:
    """The order that may have closed all that is held, or more, for all that is told; None when more than a lot is held for certain."""
    held = exposure.position_units(ledger, instrument)
    if held is not None and ledger.instruments[instrument].contracts_of_units(held.nearest_zero) != ZERO:
        return None
    untold = (*(str(o.client_order_id) for o in ledger.open_orders(instrument)), *(o.name for o in ledger.taken_orders(instrument)))
    return f"order {untold[0]} may have closed it, and what it did is not told yet" if untold else None


def is_closed(ledger: Ledger, instrument: InstrumentId) -> bool:
    """Whether all is closed of an instrument that can be: nothing is open, and what is left is less than a lot."""
    held = ledger.positions.get(instrument)
    if held is None or held.dispute is not None or ledger.is_worked(instrument):
        return False
    return ledger.instruments[instrument].contracts_of_units(held.quantity) == ZERO
