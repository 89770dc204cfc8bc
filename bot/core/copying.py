"""A frozen record with some of its fields replaced: `dataclasses.replace`, without the cost of going through `__init__` again.

The rule: what is made equals what `dataclasses.replace` would make. A class that checks its fields when it is made (`__post_init__`) is
left to `dataclasses.replace`. What a record has worked out and keeps beside its fields (`cached_property`) is not taken over, except what
its class names in `KEPT`, and only while none of the fields changes from which it follows.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Set
from dataclasses import fields
from functools import cache, cached_property
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import replace  # a type checker then knows the fields of every record
else:

    def replace(record, /, **changes):
        """The record with `changes`, by field. Raises TypeError for a name that is no field of it."""
        return _copier(record.__class__)(record, changes)


__all__ = ["replace"]

Copier = Callable[[Any, Mapping[str, Any]], Any]


@cache
def _copier(kind: type[Any]) -> Copier:
    """How records of a class are copied."""
    if hasattr(kind, "__post_init__") or not all(f.init for f in fields(kind)):
        return lambda record, changes: dataclasses.replace(record, **changes)
    names = tuple(f.name for f in fields(kind))
    if hasattr(kind, "__dict__") and not hasattr(kind, "__slots__"):
        return _by_dict(kind, frozenset(names), getattr(kind, "KEPT", {}))
    return _by_slot(kind, names)


def _by_dict(kind: type[Any], names: frozenset[str], kept: Mapping[str, Set[str]]) -> Copier:
    new = object.__new__
    worked_out = {name for each in kind.__mro__ for name, what in vars(each).items() if isinstance(what, cached_property)} | kept.keys()
    dropped: dict[tuple[str, ...], tuple[str, ...]] = {}  # by the fields that change: a few combinations, each again and again

    def copied(record: Any, changes: Mapping[str, Any]) -> Any:
        changed = tuple(changes)
        if changed not in dropped:
            if not names.issuperset(changed):
                raise TypeError(f"{kind.__name__} has no field {min(set(changed) - names)}")
            dropped[changed] = tuple(name for name in sorted(worked_out) if name not in kept or not kept[name].isdisjoint(changed))
        made = new(kind)
        known = made.__dict__
        known.update(record.__dict__)
        known.update(changes)
        for name in dropped[changed]:
            known.pop(name, None)
        return made

    return copied


def _by_slot(kind: type[Any], names: tuple[str, ...]) -> Copier:
    if not all(name in kind.__dict__ for name in names) or len(names) == 1:  # fields of a class above it; `attrgetter` of one is no tuple
        return lambda record, changes: dataclasses.replace(record, **changes)
    new, values_of = object.__new__, attrgetter(*names)
    setters = {name: kind.__dict__[name].__set__ for name in names}
    in_order = tuple(setters.values())

    def copied(record: Any, changes: Mapping[str, Any]) -> Any:
        made = new(kind)
        for set_, value in zip(in_order, values_of(record), strict=True):
            set_(made, value)
        for name, value in changes.items():
            if name not in setters:
                raise TypeError(f"{kind.__name__} has no field {name}")
            setters[name](made, value)
        return made

    return copied
