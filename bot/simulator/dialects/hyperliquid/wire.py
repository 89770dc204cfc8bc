"""How Hyperliquid writes things down: figures are strings with at least one decimal, ids and times are integers, addresses lower case.

An asset is named by its coin (`BTC`) in everything that is read, and by its index in `meta` in everything that is signed. A side is
`B` (bid, buy) or `A` (ask, sell). A client order id (`cloid`) is 128 bits: `0x` and 32 hexadecimal digits.
Source: Hyperliquid docs, "Notation", "Asset IDs", and the response examples of each request.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from bot.core.units import ZERO
from bot.simulator.dialects.dialect import HttpReply, as_json
from bot.simulator.model import Contract, Side

Row = dict[str, Any]
"""One JSON object."""

DECIMALS_MAX = 16
FIGURES_MAX = 5
PRICE_DECIMALS = 6
"""A perpetual's price has at most PRICE_DECIMALS - szDecimals decimals, and at most FIGURES_MAX significant figures if it has any."""

CLOID = re.compile(r"0x[0-9a-fA-F]{32}")
ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_NUMBER = re.compile(r"\d{1,20}(\.\d{1,20})?")

UNREADABLE = HttpReply(status=422, body=b"Failed to deserialize the JSON body into the target type", content_type="text/plain")
"""The answer to a body that is no request of the venue's."""
NOT_FOUND = HttpReply(status=404, body=b"", content_type="text/plain")
WRONG_METHOD = HttpReply(status=405, body=b"", content_type="text/plain")


class Misshapen(Exception):
    """A body or a frame that is no request of the venue's."""


def figure(value: Decimal) -> str:
    """A number in plain notation, with one decimal at least: `0.05`, `60000.0`, `0.0`."""
    if value == ZERO:
        return "0.0"
    if -int(value.as_tuple().exponent) > DECIMALS_MAX:
        value = round(value, DECIMALS_MAX)
    text = format(value.normalize(), "f")
    return text if "." in text else f"{text}.0"


def side_of(side: Side) -> str:
    """`B` or `A`."""
    return "B" if side is Side.BUY else "A"


def size_decimals(contract: Contract) -> int:
    """The contract's `szDecimals`."""
    return max(0, -int(contract.lot.normalize().as_tuple().exponent))


def number(text: object) -> Decimal:
    """A figure as a client sends it. Raises Misshapen for anything else."""
    if not isinstance(text, str) or not _NUMBER.fullmatch(text):
        raise Misshapen(f"no figure: {text!r}")
    return Decimal(text)


def is_price(price: Decimal, contract: Contract) -> bool:
    """Whether a price keeps to five significant figures and to the decimals that the contract's size leaves it."""
    plain = price.normalize()
    _, digits, exponent = plain.as_tuple()
    decimals = max(0, -int(exponent))
    return decimals == 0 or (len(digits) <= FIGURES_MAX and decimals <= PRICE_DECIMALS - size_decimals(contract))


def hash_of(number_of: int) -> str:
    """The hash of a transaction on the venue's chain; there is no chain here, so it just counts."""
    return f"0x{number_of:064x}"


def reply(body: Any) -> HttpReply:
    """An answer of the venue's: always HTTP 200, also for what it refuses."""
    return HttpReply(status=200, body=as_json(body))


def done(kind: str, statuses: list[Any] | None = None) -> Row:
    """The answer to an action that was taken: with a status per order where it has orders."""
    response: Row = {"type": kind}
    if statuses is not None:
        response["data"] = {"statuses": statuses}
    return {"status": "ok", "response": response}


def refused(words: str) -> Row:
    """The answer to an action that was refused as a whole."""
    return {"status": "err", "response": words}
