"""Conditions: what lasts at a venue until it is lifted, or was done to it from outside. Data only; `lasting` makes them true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from bot.core.units import ZERO, Millis
from bot.simulator.model import Side


class ConditionKind(StrEnum):
    """What is the case."""

    SILENT = "silent"
    """Requests wait unseen, sockets stay open and say nothing, not even a pong."""
    HALF_OPEN = "half_open"
    """Sockets stay open and say nothing, not even a pong; requests are answered."""
    SOCKETS_CLOSED = "sockets_closed"
    """Every socket is cut, once."""
    MAINTENANCE = "maintenance"
    """The venue says so to every request, and has no sockets."""
    RATE_LIMITED = "rate_limited"
    """Every request is answered by the venue's word for too many."""
    BANNED = "banned"
    """Every request is answered by the venue's word for a ban."""
    STALE_POSITIONS = "stale_positions"
    """Positions are told as they were when each question was first asked."""
    EMPTY_POSITIONS = "empty_positions"
    """No position is told, in a well-formed answer."""
    CLOCK_SHIFTED = "clock_shifted"
    """The venue's clock is off by `by_ms`: ahead above zero, behind below."""
    KEYS_EXPIRED = "keys_expired"
    """The keys of private streams expire, once (Binance: listen keys)."""
    LEVERAGE_CHANGED = "leverage_changed"
    """Somebody chose another `leverage` for a contract, once."""
    HEDGE_MODE = "hedge_mode"
    """Somebody put the account into another position mode; the client may put it back."""
    ISOLATED_MARGIN = "isolated_margin"
    """Somebody put a contract into isolated margin (Bybit: the account); the client may put it back. It is told, and not counted so."""
    FOREIGN_ORDER = "foreign_order"
    """Somebody else's order on the account: resting, or filled as far as it meets others. What is open of it ends with the condition."""
    HALTED = "halted"
    """A contract takes no new orders."""
    DELISTED = "delisted"
    """A contract is not listed any more."""
    RESIZED = "resized"
    """A contract has another `lot` and `tick`."""


_NEEDS: Mapping[ConditionKind, tuple[str, ...]] = MappingProxyType(
    {
        ConditionKind.CLOCK_SHIFTED: ("by_ms",),
        ConditionKind.LEVERAGE_CHANGED: ("symbol", "leverage"),
        ConditionKind.FOREIGN_ORDER: ("symbol", "side", "contracts", "price"),
        ConditionKind.HALTED: ("symbol",),
        ConditionKind.DELISTED: ("symbol",),
        ConditionKind.RESIZED: ("symbol", "lot", "tick"),
    }
)
_MAY: Mapping[ConditionKind, tuple[str, ...]] = MappingProxyType(
    dict.fromkeys((ConditionKind.LEVERAGE_CHANGED, ConditionKind.HEDGE_MODE, ConditionKind.FOREIGN_ORDER), ("account",))
    | {ConditionKind.ISOLATED_MARGIN: ("account", "symbol")}
)
_FIGURES = ("account", "symbol", "by_ms", "leverage", "side", "contracts", "price", "lot", "tick")
_DIGITS_MAX = 30
_BY_MS_MAX: Millis = 10 * 365 * 86_400_000
"""Ten years: beyond that, a venue could not even write its time down."""
ONCE = frozenset({ConditionKind.SOCKETS_CLOSED, ConditionKind.KEYS_EXPIRED, ConditionKind.LEVERAGE_CHANGED})
"""What happens and is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition. It begins `after_ms` after its arming and is lifted `lasts_ms` later, or by hand where that is not told.

    Which figures a kind needs is in this file's table; others are not for it. `account` None is the venue's first. Contracts, lot and
    tick are in the venue's own units. Raises ValueError, whose text names the field.
    """

    venue: str
    kind: ConditionKind
    after_ms: Millis = 0
    lasts_ms: Millis | None = None
    account: str | None = None
    symbol: str | None = None
    by_ms: Millis | None = None
    leverage: Decimal | None = None
    side: Side | None = None
    contracts: Decimal | None = None
    price: Decimal | None = None
    lot: Decimal | None = None
    tick: Decimal | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if self.after_ms < 0:
            raise ValueError("after_ms must be at least 0")
        if self.lasts_ms is not None and (self.lasts_ms < 1 or self.kind in ONCE):
            raise ValueError(f"lasts_ms must be at least 1, and is not for {', '.join(sorted(ONCE))}")
        if self.by_ms is not None and abs(self.by_ms) > _BY_MS_MAX:
            raise ValueError(f"by_ms must be within {_BY_MS_MAX} either way")
        needed = _NEEDS.get(self.kind, ())
        for name in _FIGURES:
            value = getattr(self, name)
            if name in needed and value is None:
                raise ValueError(f"{name} is missing: {self.kind.value} needs {', '.join(needed)}")
            if value is not None and name not in (*needed, *_MAY.get(self.kind, ())):
                raise ValueError(f"{name} is not for {self.kind.value}")
            if isinstance(value, Decimal) and not (value.is_finite() and value > ZERO):
                raise ValueError(f"{name} must be above zero")
            if isinstance(value, Decimal) and abs(value.adjusted()) > _DIGITS_MAX:
                raise ValueError(f"{name} must be of ordinary size")
