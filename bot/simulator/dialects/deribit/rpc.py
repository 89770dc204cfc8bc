"""One JSON-RPC request, whichever way it came: the method is found, the caller too, the credits are paid, the answer is wrapped.

An answer over HTTP GET has no `id`; all others repeat the request's. Times are microseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.core.units import Millis
from bot.simulator.dialects.deribit.errors import RpcError, refused, unknown_method
from bot.simulator.dialects.deribit.methods import METHODS
from bot.simulator.dialects.deribit.params import Params
from bot.simulator.dialects.deribit.venue import Call, Result, Venue
from bot.simulator.dialects.deribit.wire import Row, stamps
from bot.simulator.model import Refused, Report

NOBODY = "public"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer before it is text: its rows, its HTTP status, what happened."""

    row: Row
    status: int = 200
    reports: Sequence[Report] = ()


def answered(value: Any, now: Millis, request_id: Any = None) -> Row:
    """The envelope of a success."""
    told: Row = {"jsonrpc": "2.0"} if request_id is None else {"jsonrpc": "2.0", "id": request_id}
    return {**told, "result": value, **stamps(now)}


def failed(error: RpcError, now: Millis, request_id: Any = None) -> Row:
    """The envelope of a refusal."""
    told: Row = {"jsonrpc": "2.0"} if request_id is None else {"jsonrpc": "2.0", "id": request_id}
    return {**told, "error": error.row(), **stamps(now)}


def run(venue: Venue, method: str, given: Mapping[str, Any], account: str | None, now: Millis, *, connection: int | None = None) -> Result:
    """Does what a method says. Raises RpcError, also for what the engine refuses."""
    found = METHODS.get(method)
    if found is None:
        raise unknown_method()
    if method.startswith("private/") and account is None:
        raise RpcError(13009, "unauthorized", reason="missing_token")
    venue.credits.spend(account or NOBODY, found.kind, now)
    try:
        return found.function(Call(venue, Params(given), account or "", now, connection))
    except Refused as refusal:
        raise refused(refusal) from None
