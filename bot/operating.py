"""What people and the shell say to each other, and what of it outlives the process: requests and answers, the halt switch, and intents that
were kept beside the journal. A part of the ports.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from bot.core.acts import Adopted
from bot.core.commands import PlaceOrder
from bot.core.events import Event, OperatorAction
from bot.core.policy import Policy
from bot.core.units import Asset, ClientOrderId, Millis, VenueId


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorRequest:
    """What a named person asks of a running bot. RESOLVE is about `order`; `filled` of it executed, in its own unit, unsigned. FLATTEN is
    about the book, a venue or an `asset`; OVERRIDE sets `setting` to `value` for `lasts_ms`; ADOPT is about `adopting`, as it was shown.
    """

    action: OperatorAction
    by: str
    why: str
    venue: VenueId | None = None
    order: ClientOrderId | None = None
    filled: Decimal | None = None
    asset: Asset | None = None
    setting: str | None = None
    value: Decimal | None = None
    lasts_ms: Millis | None = None
    adopting: tuple[Adopted, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorAnswer:
    """What came of it, in one sentence; `accepted` False: nothing was done. `trading_state` is that of the venue asked for, or the book."""

    accepted: bool
    sentence: str
    trading_state: str


@dataclass(frozen=True, slots=True)
class HaltTold:
    """Who halts the book from outside the process, why, and when that was written (our clock; None: nobody knows)."""

    by: str
    why: str
    at: Millis | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What the configuration says now: its policy and hash, and in one sentence what came of the difference to what runs."""

    policy: Policy
    config_hash: str
    sentence: str


class Reload(Protocol):
    """Reads the configuration again."""

    def __call__(self, running: Policy) -> Reloaded | str:
        """What it says now; a sentence for why it cannot be taken by what runs."""


class HaltSwitch(Protocol):
    """Something outside the process, and outliving it, by which a person halts the book also while nothing in it answers."""

    def told(self) -> HaltTold | None:
        """Who halts, None: nobody. Cheap, asked at least once a second. What is there and cannot be read halts."""

    def clear(self) -> None:
        """Nobody halts any more. Raises OSError when that cannot be made so."""


class Intents(Protocol):
    """What had to leave while the journal's store took nothing, kept on this host until the journal has it."""

    def keep(self, events: Sequence[Event], orders: Sequence[PlaceOrder]) -> None:
        """Keeps facts with the orders that the last of them caused; returns when a power cut cannot undo it. Raises OSError."""

    def left(self) -> Sequence[tuple[tuple[Event, ...], tuple[PlaceOrder, ...]]]:
        """What is kept, in order. Raises OSError. What was torn by a crash never left, and is left out wherever it stands."""

    def clear(self) -> None:
        """The journal has all of it that can be read; what cannot be read is set aside. Raises OSError."""
