"""What is looked at before an account is trusted with a run, and how it is judged. Pure: data and rules, nothing is asked here.

The rule: what was not learned is told as unknown and is never fine. On mainnet a key that may withdraw, has no list of addresses or ends
within seven days is refused, and so is one of which the venue could tell that and did not. Elsewhere the same is a warning: there is no
money there, but the same key policy is worth keeping. What a venue has no such thing for (`Absent`) is told, and stands in nobody's way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any

from bot.adapters.venue.doors import Opening
from bot.adapters.venue.questions import Query
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import Paths
from bot.core.units import DAY_MS, Millis

KEY_ENDS_WITHIN_MS: Millis = 7 * DAY_MS


class Verdict(StrEnum):
    """How one finding is judged. Only REFUSED makes a check fail."""

    FINE = "ok"
    NOTED = "note"
    WARNING = "warning"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is, what was found, and in one sentence what follows where it is not fine."""

    what: str
    found: str
    verdict: Verdict
    why: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The venue could have told, and did not; `why` says what happened instead."""

    why: str


@dataclass(frozen=True, slots=True)
class Absent:
    """The venue has no such thing, or tells nobody; `why` says so in a sentence."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFacts:
    """What a venue tells of the key that asks. `addresses`: from which it may be used, none of them meaning from anywhere.

    `may_move`: between wallets of the same owner. `ends_at`: by the venue's clock, milliseconds.
    """

    may_trade: bool | Unknown | Absent
    may_withdraw: bool | Unknown | Absent
    may_move: bool | Unknown | Absent
    addresses: tuple[str, ...] | Unknown | Absent
    ends_at: Millis | Unknown | Absent


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who asks: the account's key, and the address that its secret signs for, where a venue knows such addresses."""

    api_key: str
    signer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyTold:
    """Where a venue tells of its keys. `facts` raises Unreadable for an answer that tells nothing of the one that asked.

    `openings`: what the check opens beside what a run does, by environment. `absent`: environments that tell nothing, and why.
    """

    query: Query
    facts: Callable[[Any, Asking], KeyFacts]
    source: str
    openings: Mapping[Environment, tuple[Opening, ...]] = field(default_factory=dict)
    absent: Mapping[Environment, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsTold:
    """One question whose rows tell how an account is set: any of position mode, margin mode and leverage, of a symbol or of the account."""

    query: Query
    symbol: Paths = ()
    position_mode: Paths = ()
    one_way: frozenset[str] = frozenset()
    margin_mode: Paths = ()
    cross: frozenset[str] = frozenset()
    leverage: Paths = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchTold:
    """Where a venue tells that an account may use its dead-man switch: a row with `product` whose `status` is `on`."""

    query: Query
    product: tuple[Paths, str]
    status: tuple[Paths, str]
    otherwise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """How one venue's account is looked at without changing it. `always`: what of it cannot be otherwise there, by what it is called."""

    key: KeyTold
    settings: tuple[SettingsTold, ...] = ()
    always: Mapping[str, str] = field(default_factory=dict)
    switch: SwitchTold | None = None
    no_switch: str = ""


def of_clock(offset_ms: Millis, within_ms: Millis, allowed_ms: Millis) -> Finding:
    """The venue's clock minus ours, known within half of what the answer took; a run increases nothing beyond what is allowed."""
    found = f"{offset_ms:+d} ms, within {within_ms} ms"
    if abs(offset_ms) > allowed_ms:
        why = f"Set this machine's clock: beyond policy.clock_offset_max_ms ({allowed_ms}) a run increases nothing there."
        return Finding("clock", found, Verdict.REFUSED, why)
    if abs(offset_ms) * 2 > allowed_ms:
        why = f"Set this machine's clock: it is more than half way to policy.clock_offset_max_ms ({allowed_ms})."
        return Finding("clock", found, Verdict.WARNING, why)
    return Finding("clock", found, Verdict.FINE)


def of_key(facts: KeyFacts, environment: Environment, now: Millis) -> tuple[Finding, ...]:
    """The five questions about a key, judged. `now` is the venue's clock."""
    strict = environment is Environment.MAINNET
    return (
        _right(facts.may_trade, strict),
        _no_right("may withdraw", facts.may_withdraw, strict, Verdict.REFUSED, "Make one without the right to withdraw: a run never does."),
        _no_right("may move funds", facts.may_move, strict, Verdict.WARNING, "A run never moves funds; leave that right away."),
        _addresses(facts.addresses, strict),
        _end(facts.ends_at, strict, now),
    )


def unknown_key(why: Unknown | Absent, environment: Environment, now: Millis) -> tuple[Finding, ...]:
    """The same where nothing of it was told."""
    return of_key(KeyFacts(may_trade=why, may_withdraw=why, may_move=why, addresses=why, ends_at=why), environment, now)


def of_mode(what: str, modes: Mapping[str, str | None], wanted: frozenset[str]) -> Finding:
    """A position or margin mode by symbol (`account` for all of it); None where a row did not tell it."""
    if not modes or None in modes.values():
        return Finding(what, "not told", Verdict.UNKNOWN, "Its answer does not say it; a run sets it and reads it again.")
    found = _by_value({name: str(mode) for name, mode in modes.items()})
    if all(mode in wanted for mode in modes.values()):
        return Finding(what, "one-way" if what == "position mode" else found, Verdict.FINE)
    wanted_mode = "one-way positions" if what == "position mode" else "cross margin"
    why = f"A run sets {wanted_mode} at its start, which the venue refuses while a position or an order is open."
    return Finding(what, found, Verdict.WARNING, why)


def of_leverage(leverages: Mapping[str, Decimal | None], ours: int) -> Finding:
    """The leverage of each symbol beside the one that is configured."""
    if not leverages or None in leverages.values():
        return Finding("leverage", "not told", Verdict.UNKNOWN, "Its answer does not say it; a run sets it and reads it again.")
    found = _by_value({name: f"{leverage.normalize():f}x" for name, leverage in leverages.items() if leverage is not None})
    if all(leverage == ours for leverage in leverages.values()):
        return Finding("leverage", found, Verdict.FINE)
    return Finding("leverage", found, Verdict.NOTED, f"A run sets {ours}x at its start.")


def _right(told: bool | Unknown | Absent, strict: bool) -> Finding:
    if isinstance(told, Unknown | Absent):
        return _untold("may trade", told, strict)
    if told:
        return Finding("may trade", "yes", Verdict.FINE)
    return Finding("may trade", "no", Verdict.REFUSED, "The key needs the right to trade perpetuals.")


def _no_right(what: str, told: bool | Unknown | Absent, strict: bool, at_worst: Verdict, advice: str) -> Finding:
    if isinstance(told, Unknown | Absent):
        return _untold(what, told, strict and at_worst is Verdict.REFUSED)
    if not told:
        return Finding(what, "no", Verdict.FINE)
    return Finding(what, "yes", at_worst if strict else Verdict.WARNING, advice)


def _addresses(told: tuple[str, ...] | Unknown | Absent, strict: bool) -> Finding:
    what = "address list"
    if isinstance(told, Unknown | Absent):
        return _untold(what, told, strict)
    if told:
        return Finding(what, "yes" if len(told) == 1 else f"{len(told)} addresses", Verdict.FINE)
    advice = "Bind the key to the addresses that this bot calls from: a stolen key is then of no use elsewhere."
    return Finding(what, "none", Verdict.REFUSED if strict else Verdict.WARNING, advice)


def _end(told: Millis | Unknown | Absent, strict: bool, now: Millis) -> Finding:
    what = "ends"
    if isinstance(told, Unknown | Absent):
        return _untold(what, told, strict)
    days = (told - now) // DAY_MS
    if told <= now:
        return Finding(what, "it has ended", Verdict.REFUSED, "Make a new key.")
    if told - now <= KEY_ENDS_WITHIN_MS:
        advice = "Make a new key before it ends, and give it to the bot: docs/operations.md."
        return Finding(what, f"in {days} days", Verdict.REFUSED if strict else Verdict.WARNING, advice)
    return Finding(what, f"in {days} days", Verdict.FINE)


def _untold(what: str, told: Unknown | Absent, strict: bool) -> Finding:
    if isinstance(told, Absent):
        return Finding(what, "not told", Verdict.NOTED, told.why)
    if strict:
        return Finding(
            what, "unknown", Verdict.REFUSED, f"It could not be learned, and mainnet takes no key of which that is so: {told.why}"
        )
    return Finding(what, "unknown", Verdict.UNKNOWN, told.why)


def _by_value(by_name: Mapping[str, str]) -> str:
    """`cross` where all are alike, else each with its names."""
    values = list(dict.fromkeys(by_name.values()))
    if len(values) == 1:
        return values[0]
    return "; ".join(f"{value}: {', '.join(name for name, each in by_name.items() if each == value)}" for value in values)
