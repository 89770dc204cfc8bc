"""What the two futures venues of Binance differ in: names of fields, units, limits and codes. What is not here is the same on both.

    USD-M   linear, settles in a stablecoin. A quantity is base units, the worth of a fill quote units (`cumQuote`, `quoteQty`).
    COIN-M  inverse, settles in the coin. A quantity is contracts of 100 USD (BTC) or 10 USD (others), the worth of a fill coins (`cumBase`,
            `baseQty`). Every row names the pair beside the symbol (`pair`, in streams `ps`), and one symbol is answered as a list too.

Sources: the venue's pages "USDⓈ-M Futures" and "COIN-M Futures" (REST API, WebSocket market streams, user data streams, error codes).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from bot.simulator.model import Contract, Refusal

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much the venue takes; what it enforces is what `exchangeInfo` tells. A benchmark raises them, nothing else should.

    `orders_per_10s` is None where orders are counted by the minute alone.
    """

    weight_per_minute: int = 2_400
    orders_per_10s: int | None = 300
    orders_per_minute: int = 1_200


@dataclass(frozen=True, slots=True, kw_only=True)
class Face:
    """One venue's words. `hosts` are all that it is reached under; `socket_path` matches a stream's path."""

    rest_host: str
    stream_host: str
    hosts: tuple[str, ...]
    socket_path: re.Pattern[str]
    limits: Limits
    names_pair: bool
    lists_one: bool
    """Whether market data of one symbol are a list of one, too."""
    status: str
    """The field of a listed contract that says whether it trades."""
    price_places_min: int
    """Decimals that `pricePrecision` shows at least, also where the tick has fewer."""
    filled_value: str
    fill_value: str
    day_value: str
    bracket_floor: str
    bracket_cap: str
    position_max: str
    """The field that says how large a position may become at the account's leverage."""
    orders_page: tuple[int, int]
    fills_page: tuple[int, int]
    """Rows of an answer by default, and at most."""
    refuses_in_answer: bool
    """Whether a post-only order that would take, or a fill-or-kill order that cannot fill, is refused in the answer and leaves no trace
    (USD-M since 2023-03-22); else it is taken and EXPIRED at once, and can be found."""
    account_alias: str | None
    """The account's code where private events carry it."""
    order_defaults: Mapping[str, Any]
    """What a row of an order says beside the order itself, always the same here."""
    event_defaults: Mapping[str, Any]
    """The same for an order's private event."""
    tells_expiry_reason: bool
    expired_names_key: bool
    extended_key_told: bool
    """Whether PUT listenKey answers with the key."""
    codes: Mapping[Refusal, tuple[int, str]] = field(default_factory=dict)
    """The codes that differ from those both venues have."""

    def pair(self, symbol: str) -> Row:
        """The pair as rows name it; nothing on a venue that names none."""
        return {"pair": pair_of(symbol)} if self.names_pair else {}

    def streamed_pair(self, symbol: str) -> Row:
        """The pair as streams name it."""
        return {"ps": pair_of(symbol)} if self.names_pair else {}

    def alias(self) -> Row:
        """The account's code as private events carry it."""
        return {} if self.account_alias is None else {"i": self.account_alias}


def pair_of(symbol: str) -> str:
    """BTCUSD of BTCUSD_PERP; a USD-M perpetual is its own pair."""
    return symbol.partition("_")[0]


def average_price(contract: Contract, contracts: Decimal, value: Decimal) -> Decimal | None:
    """The one price at which unsigned contracts are worth `value` settle units; None for no contracts."""
    if not contracts:
        return None
    units = contracts * contract.contract_size
    return units / value if contract.inverse else value / units
