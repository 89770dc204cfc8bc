"""Events and commands of every kind for journal tests: drawn by Hypothesis, and a few by hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from bot.adapters.journal.codec import COMMANDS, EVENTS
from bot.core.commands import PlaceOrder
from bot.core.events import CollateralConfirmed, CollateralObserved
from bot.core.flow import FlowVariance
from bot.core.haircut import CollateralRatios
from bot.core.units import Asset, ClientOrderId, InstrumentId, Range

_DECIMALS = st.builds(lambda whole, exponent: Decimal(whole).scaleb(exponent), st.integers(-(10**24), 10**24), st.integers(-12, 6))
_PLAIN: dict[Any, st.SearchStrategy[Any]] = {
    Decimal: _DECIMALS,
    str: st.text(max_size=20),
    int: st.integers(-(2**62), 2**62),
    bool: st.booleans(),
    NoneType: st.none(),
    None: st.none(),
    CollateralRatios: st.lists(st.integers(1, 10**6), min_size=1, max_size=3, unique=True).map(
        lambda caps: CollateralRatios.of((Decimal(cap), Decimal(1) / (2 + n)) for n, cap in enumerate(sorted(caps)))
    ),
    FlowVariance: st.builds(FlowVariance, st.integers(1, 2**40), _DECIMALS, _DECIMALS),
    Range: st.tuples(_DECIMALS, _DECIMALS).map(lambda ends: Range.spanning(*ends)),
}


def drawn(kind: Any) -> st.SearchStrategy[Any]:
    """Values of one type, followed through its fields. A type it does not know is an error: the journal may not know it either."""
    kind = getattr(kind, "__supertype__", kind)
    parts = get_args(kind)
    if kind in _PLAIN:
        return _PLAIN[kind]
    if get_origin(kind) in (Union, UnionType):
        return st.one_of(*map(drawn, parts))
    if get_origin(kind) is tuple and parts[-1] is not Ellipsis:
        return st.tuples(*map(drawn, parts))
    if get_origin(kind) is tuple:
        return st.lists(drawn(parts[0]), max_size=2).map(tuple)
    if get_origin(kind) is frozenset:
        return st.frozensets(drawn(parts[0]), max_size=2)
    if get_origin(kind) is Mapping:
        return st.dictionaries(drawn(parts[0]), drawn(parts[1]), max_size=2)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    if is_dataclass(kind):
        make: Callable[..., Any] = kind  # type: ignore[assignment]  # a dataclass type is a constructor of itself
        return st.builds(make, **{name: drawn(hint) for name, hint in get_type_hints(kind).items()})
    raise TypeError(f"no values are drawn for {kind}")


any_event: st.SearchStrategy[Any] = st.one_of(*(drawn(kind) for kind in EVENTS.values()))
any_command: st.SearchStrategy[Any] = st.one_of(*(drawn(kind) for kind in COMMANDS.values()))


def shown(value: Any) -> str:
    """A value to the exact type and digit, as `repr` shows it; but equal sets are shown alike, in whatever order they were made."""
    if is_dataclass(value) and not isinstance(value, type):
        return f"{type(value).__name__}({', '.join(f'{f.name}={shown(getattr(value, f.name))}' for f in fields(value) if f.repr)})"
    if isinstance(value, Mapping):
        return f"{type(value).__name__}({', '.join(f'{shown(key)}: {shown(held)}' for key, held in value.items())})"
    if isinstance(value, frozenset | tuple | list):
        parts = map(shown, value)
        return f"{type(value).__name__}({', '.join(sorted(parts) if isinstance(value, frozenset) else parts)})"
    return repr(value)


def seen(at: int, quantity: str = "1") -> CollateralObserved:
    """One collateral total."""
    return CollateralObserved(
        at=at, source="desk", location="custody", asset=Asset("BTC"), quantity=Decimal(quantity), redemption_rate=Decimal("1.10")
    )


def confirmed(at: int) -> CollateralConfirmed:
    """One confirmation."""
    return CollateralConfirmed(at=at, source="desk")


def order(number: int) -> PlaceOrder:
    """One order to place."""
    return PlaceOrder(
        client_order_id=ClientOrderId(f"a{number}"),
        instrument=InstrumentId("okx:BTC-USDT-SWAP"),
        quantity=Decimal("-0.010"),
        contracts=Decimal(1),
        price=Decimal("65000.10"),
        reduce_only=False,
        expires_at=number,
    )
