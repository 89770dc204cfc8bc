"""Policy values that a named person set for a while, within the hard ceilings: which policy is in force, and how that ends.

An override is part of the record: it stands over a restart and a changed configuration, and ends by itself, at the first decision from its
end on. One of the same field takes the place of the one before; one that lasts no time ends it. Where our clock steps back before its
beginning it ends, rather than last longer than was asked; and so does one beyond the ceilings of a version that came after it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.acts import Override
from bot.core.ceilings import CEILINGS
from bot.core.events import OperatorActed
from bot.core.ledger import noted
from bot.core.limit_table import LIMITS
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.records import Ledger, Note
from bot.core.units import Millis, is_ahead

LASTS_MAX_MS: Millis = 24 * 3_600_000
"""The longest override: what should last longer belongs into the configuration."""

EXPONENT_MAX = 30
"""The furthest that a value's first digit may be from its point."""


def field_of(name: str) -> str | None:
    """The policy field that is meant by its own name, or by that of a limit with one value; None when it is none."""
    if name in CEILINGS:
        return name
    levels = LIMITS[Limit(name)].levels if name in set(Limit) else ()
    return levels[0].field if len(levels) == 1 else None


def is_usable(value: Decimal) -> bool:
    """Whether a number is of a size that can be compared and written out; 1e999999999 would be a gigabyte of digits."""
    return value.is_finite() and (not value or abs(value.adjusted()) <= EXPONENT_MAX)


def why_not(name: str, value: Decimal, lasts_ms: Millis, policy: Policy) -> str | None:
    """Why a field cannot be set so for so long, in one sentence; None when it can."""
    field = field_of(name)
    if field is None:
        several = [level.field for level in LIMITS[Limit(name)].levels] if name in set(Limit) else []
        return f"{name}: is not a limit with a value; " + (f"say {' or '.join(several)}" if several else "see docs/limits.md for those")
    if not is_usable(value):
        return f"{field}: the value is not a number of a usable size"
    ceiling = CEILINGS[field]
    if not ceiling.lowest <= value <= ceiling.highest:
        return f"{field}: {value:f} is not allowed: {ceiling.lowest:f} to {ceiling.highest:f}, whoever asks"
    if isinstance(getattr(policy, field), int) and value != value.to_integral_value():
        return f"{field}: {value:f} is not a whole number"
    if not 0 <= lasts_ms <= LASTS_MAX_MS:
        return f"--for: {lasts_ms / 3_600_000:g}h is not allowed: up to {LASTS_MAX_MS // 3_600_000}h; what should last longer is configured"
    return None


def apply_override(ledger: Ledger, event: OperatorActed, policy: Policy) -> Ledger:
    """The ledger after a person set a field for a while. What is beyond the ceilings changes nothing, and is told."""
    if event.setting is None or event.value is None or event.lasts_ms is None:
        return ledger
    refusal, field = why_not(event.setting, event.value, event.lasts_ms, policy), field_of(event.setting)
    if refusal is not None or field is None:
        return noted(ledger, Note(at=event.at, kind="operator", subject="book", sentence=f"not overridden: {refusal}"))
    kept = tuple(o for o in ledger.overrides if o.field != field)
    if event.lasts_ms == 0:
        return replace(ledger, overrides=kept)
    made = Override(field=field, value=event.value, since=event.at, until=event.at + event.lasts_ms, by=event.by, why=event.why)
    return replace(ledger, overrides=(*kept, made))


def expired(ledger: Ledger, now: Millis) -> Ledger:
    """The ledger without the overrides whose time is up at `now`, our clock."""
    over = tuple(o for o in ledger.overrides if now >= o.until or is_ahead(o.since, now) or not _is_within(o))
    for each in over:
        sentence = f"the override of {each.field} to {each.value:f} by {each.by} is over"
        ledger = noted(ledger, Note(at=now, kind="operator", subject="book", sentence=sentence))
    return replace(ledger, overrides=tuple(o for o in ledger.overrides if o not in over)) if over else ledger


def _is_within(made: Override) -> bool:
    """Whether a value is within the ceilings of this version, which may be others than those it was set under."""
    ceiling = CEILINGS.get(made.field)
    return ceiling is not None and ceiling.lowest <= made.value <= ceiling.highest


def in_force(ledger: Ledger, policy: Policy) -> Policy:
    """The policy with what people set for a while; the very same object while neither changes."""
    if not ledger.overrides:
        return policy
    known: tuple[Policy, Policy] | None = ledger.__dict__.get("_in_force")
    if known is None or known[0] is not policy:
        changes = {o.field: type(getattr(policy, o.field))(o.value) for o in ledger.overrides if _is_within(o)}
        known = (policy, replace(policy, **changes))
        ledger.__dict__["_in_force"] = known
    return known[1]
