"""Faults from text: one form for a plan's file and for the control endpoint, and one sentence about what is wrong with it.

    - {venue: okx, kind: drop_reply, operation: place, after_ms: 5000, skip: 2, times: 1}      a request (`faults.Fault`)
    - {venue: bybit, kind: lose_frame, topic: orders, times: null, lasts_ms: 3000}             frames (`stream_faults.StreamFault`)
    - {venue: binanceusdm, kind: clock_shifted, by_ms: -3000}                                  a condition (`conditions.Condition`)

The kind says which of the three it is; their fields are those of the classes. Numbers of contracts and prices may be text.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from bot.simulator.conditions import Condition, ConditionKind
from bot.simulator.faults import Armed, Fault, FaultKind
from bot.simulator.stream_faults import StreamFault, StreamKind

_KINDS: tuple[tuple[type[StrEnum], type[Armed]], ...] = (
    (FaultKind, Fault),
    (StreamKind, StreamFault),
    (ConditionKind, Condition),
)
_ADAPTERS: dict[type[Armed], TypeAdapter[Any]] = {made: TypeAdapter(made) for _, made in _KINDS}
_SHOWN_MAX = 80
_WORDS = {
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "string_type": "text is needed",
    "decimal_type": "a number is needed",
    "decimal_parsing": "a number is needed",
}


class FaultsUnusable(ValueError):
    """Text that is no fault: one sentence with the field's path, the value and what is allowed."""


def plan_of(document: Any) -> list[Armed]:
    """The faults of a plan: a list, or `{faults: [...]}`. Raises FaultsUnusable."""
    if isinstance(document, Mapping):
        unknown = [key for key in document if key != "faults"]
        if unknown:
            raise FaultsUnusable(f"{unknown[0]}: unknown key; known: faults")
        document = document.get("faults")
    if not isinstance(document, list) or not document:
        raise FaultsUnusable("faults: a list with at least one fault is needed")
    return [fault_of(each, f"faults.{number}.") for number, each in enumerate(document)]


def fault_of(told: Any, path: str = "") -> Armed:
    """One fault; `path` goes before each field's name in a complaint. Raises FaultsUnusable."""
    if not isinstance(told, Mapping):
        raise FaultsUnusable(f"{path.rstrip('.') or 'the fault'}: keys with values are needed")
    kind = told.get("kind")
    made = next((made for kinds, made in _KINDS if kind in [each.value for each in kinds]), None)
    if made is None:
        known = [each.value for kinds, _ in _KINDS for each in kinds]
        if kind is None:
            raise FaultsUnusable(f"{path}kind: is missing: expected one of {', '.join(known)}")
        raise FaultsUnusable(f"{path}kind: {kind!r} is not allowed: expected one of {', '.join(known)}{_near(str(kind), known)}")
    names = [each.name for each in fields(made)]
    for key in told:
        if key not in names:
            raise FaultsUnusable(f"{path}{key}: unknown key{_near(str(key), names)}; known: {', '.join(names)}")
    try:
        fault: Armed = _ADAPTERS[made].validate_json(orjson.dumps(_writable(told, path)), strict=True)
    except ValidationError as error:
        raise FaultsUnusable(_sentence(error, path)) from None
    return fault


def _writable(told: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The fields as JSON can carry them. Raises FaultsUnusable for what it cannot."""
    fields_told = {key: str(value) if isinstance(value, Decimal) else value for key, value in told.items()}
    for key, value in fields_told.items():
        try:
            orjson.dumps(value)
        except TypeError:  # a whole number of more than 64 bits, text that is none, a type of YAML's own
            raise FaultsUnusable(
                f"{path}{key}: {ascii(value)[:_SHOWN_MAX]} is not allowed: text or a number of ordinary size is needed"
            ) from None
    return fields_told


def _near(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f", did you mean {close[0]!r}?" if close else ""


def _sentence(error: ValidationError, path: str) -> str:
    """The first problem."""
    problem = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in problem["loc"] if isinstance(part, str))
    if problem["type"] == "value_error":
        return f"{path}{problem['ctx']['error']}" if not place else f"{path}{place}: {problem['ctx']['error']}"
    if problem["type"] in {"missing", "missing_argument", "missing_keyword_only_argument"}:
        return f"{path}{place}: is missing, and there is no default"
    what = f"expected {problem['ctx']['expected']}" if problem["type"] == "enum" else _WORDS.get(problem["type"], problem["msg"])
    return f"{path}{place}: {problem['input']!r} is not allowed: {what}"
