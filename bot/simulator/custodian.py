"""A custodian in the style of Copper ClearLoop and Ceffu MirrorX: it holds everything, and mirrors part of it as margin at venues.

    GET  /v1/custody      totals and delegations of one instant (the form: `bot.adapters.collateral.custody_wire`)
    POST /v1/delegate     {venue, asset, quantity}: delegates so much more, or takes it back (< 0); HTTP 409 around a settlement
    POST /v1/faults       {venue, fault}: how the venue's settlements end from now on: partial, failed, excluded, or "" for well
    POST /v1/silence      {quiet}: true: from now on it tells what it told last, with the instant of then; false: the truth again

Every request carries the key in the header `X-API-Key`. Money is text, exact.

Once per interval each venue is settled, all its assets together: nothing can be delegated from `freeze_ms` before until it is over; at the
instant itself equity - delegated is worked out and becomes due; one step later it is being settled; another one later it is in custody and
mirrored, so that the venue's account shows the same as before. Of a loss only so much can be settled as was delegated.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from bot.core.reports import SettlementState
from bot.core.units import ZERO, Millis
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import HttpReply, HttpRequest, as_json

FAULTS = {"partial": SettlementState.PARTIAL, "failed": SettlementState.FAILED, "excluded": SettlementState.EXCLUDED}
_DIGITS_MAX = 30


class Unusable(Exception):
    """A request that cannot be done, and the HTTP status that says so."""

    def __init__(self, why: str, status: int = 400) -> None:
        super().__init__(why)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class CustodianTerms:
    """Where a custodian is asked, by which key, what it holds at the start (asset units) and how it settles.

    `delegations` is by venue and asset, part of `totals`; `posted` by venue and asset what venues posted with it. `step_ms` is how long
    each step of a settlement takes.
    """

    host: str
    api_key: str
    totals: Mapping[str, Decimal]
    delegations: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    posted: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    interval_ms: Millis = 4 * 3_600_000
    freeze_ms: Millis = 60_000
    step_ms: Millis = 5_000


@dataclass(slots=True)
class Mirror:
    """One asset at one venue."""

    delegated: Decimal = ZERO
    settled: Decimal = ZERO
    due: Decimal | None = None


@dataclass(slots=True)
class Cycle:
    """Where one venue's settlement stands."""

    due_at: Millis
    number: int = 1
    state: SettlementState = SettlementState.IDLE
    ended_at: Millis | None = None


class Custodian:
    """One custodian over the simulated venues. `beat` lets its time pass; not safe for use from several threads."""

    def __init__(self, desks: Mapping[str, Desk], terms: CustodianTerms, *, clock: Callable[[], Millis] = wall_ms) -> None:
        """Delegates at once what the terms say. Raises ValueError for more than it holds, or a venue that is not there."""
        self.desks, self.terms, self._clock = desks, terms, clock
        self.totals = dict(terms.totals)
        self.mirrors: dict[tuple[str, str], Mirror] = {}
        self._cycles: dict[str, Cycle] = {}
        self._faults: dict[str, SettlementState] = {}
        self._kept: dict[str, Any] | None = None
        for venue, assets in terms.delegations.items():
            if venue not in desks:
                raise ValueError(f"{venue} is not a simulated venue")
            for asset, quantity in assets.items():
                try:
                    self.delegate(venue, asset, quantity)
                except Unusable as error:
                    raise ValueError(str(error)) from None

    def delegate(self, venue: str, asset: str, quantity: Decimal) -> None:
        """Mirrors so much more at a venue, or takes it back (< 0). Raises Unusable; then nothing has changed."""
        if venue not in self.desks:
            raise Unusable(f"{venue} is not a simulated venue")
        cycle = self._cycles.get(venue)
        if cycle is not None and cycle.state in (SettlementState.FROZEN, SettlementState.CALCULATING, SettlementState.SETTLING):
            raise Unusable(f"delegations are disabled: a settlement with {venue} is {cycle.state.value}", 409)
        mirror = self.mirrors.get((venue, asset), Mirror())
        free = self.totals.get(asset, ZERO) - sum((m.delegated for (_, a), m in self.mirrors.items() if a == asset), ZERO)
        if quantity > free:
            raise Unusable(f"{free} {asset} is not delegated, and {quantity} was asked for")
        if mirror.delegated + quantity < ZERO:
            raise Unusable(f"{mirror.delegated} {asset} is delegated to {venue}, and {-quantity} was asked back")
        desk = self.desks[venue]
        desk.deposit(desk.accounts[0], asset, quantity)
        mirror.delegated += quantity
        self.mirrors[venue, asset] = mirror
        self._cycles.setdefault(venue, Cycle(due_at=self._clock() + self.terms.interval_ms))

    def deposit(self, asset: str, quantity: Decimal) -> None:
        """Collateral arrives in custody, or leaves it (< 0). Raises Unusable when more would leave than is not delegated."""
        free = self.totals.get(asset, ZERO) - sum((m.delegated for (_, a), m in self.mirrors.items() if a == asset), ZERO)
        if free + quantity < ZERO:
            raise Unusable(f"{free} {asset} is not delegated")
        self.totals[asset] = self.totals.get(asset, ZERO) + quantity

    def beat(self) -> None:
        """Lets each venue's settlement go as far as the clock says, through every step."""
        now, step = self._clock(), self.terms.step_ms
        for venue, cycle in self._cycles.items():
            if cycle.state is SettlementState.IDLE and now >= cycle.due_at - self.terms.freeze_ms:
                cycle.state = SettlementState.FROZEN
            if cycle.state is SettlementState.FROZEN and now >= cycle.due_at:
                cycle.state = SettlementState.CALCULATING
                self._calculate(venue)
            if cycle.state is SettlementState.CALCULATING and now >= cycle.due_at + step:
                cycle.state = SettlementState.SETTLING
            if cycle.state is SettlementState.SETTLING and now >= cycle.due_at + 2 * step:
                self._end(venue, cycle, now)
            if cycle.ended_at is not None and now >= cycle.ended_at + step and cycle.state is SettlementState.COMPLETED:
                self._begin(venue, cycle)
            if cycle.ended_at is not None and now >= cycle.due_at - self.terms.freeze_ms:
                self._begin(venue, cycle)  # what went wrong is told until the next one

    def _calculate(self, venue: str) -> None:
        desk = self.desks[venue]
        equity = {held.asset: held.margin_balance for held in desk.exchange.balances(desk.accounts[0])}
        for (place, asset), mirror in self.mirrors.items():
            if place == venue:
                mirror.due = max(equity.get(asset, ZERO) - mirror.delegated, -mirror.delegated)

    def _end(self, venue: str, cycle: Cycle, now: Millis) -> None:
        cycle.state = self._faults.get(venue, SettlementState.COMPLETED)
        for (place, asset), mirror in self.mirrors.items():
            if place != venue or mirror.due is None or cycle.state in (SettlementState.FAILED, SettlementState.EXCLUDED):
                continue
            moved = mirror.due / 2 if cycle.state is SettlementState.PARTIAL else mirror.due
            self.totals[asset] += moved
            mirror.delegated += moved
            mirror.settled += moved
        cycle.ended_at, cycle.due_at = now, cycle.due_at + self.terms.interval_ms

    def _begin(self, venue: str, cycle: Cycle) -> None:
        cycle.number, cycle.state, cycle.ended_at = cycle.number + 1, SettlementState.IDLE, None
        for (place, _), mirror in self.mirrors.items():
            if place == venue:
                mirror.due = None

    def statement(self) -> dict[str, Any]:
        """Everything of this instant, as it goes on the wire."""
        return {
            "as_of": self._clock(),
            "totals": [{"asset": asset, "quantity": str(held)} for asset, held in self.totals.items()],
            "delegations": [self._row(venue, asset, mirror) for (venue, asset), mirror in self.mirrors.items()],
        }

    def _row(self, venue: str, asset: str, mirror: Mirror) -> dict[str, Any]:
        cycle, posted = self._cycles[venue], self.terms.posted.get(venue, {}).get(asset)
        return {
            "venue": venue,
            "asset": asset,
            "delegated": str(mirror.delegated),
            "settled": str(mirror.settled),
            "due": None if mirror.due is None else str(mirror.due),
            "cycle": cycle.number,
            "state": cycle.state.value,
            "next_settlement_at": cycle.due_at,
            "frozen_from": cycle.due_at - self.terms.freeze_ms,
            "frozen_until": cycle.due_at + 2 * self.terms.step_ms,
            "posted": None if posted is None else str(posted),
        }

    def handle(self, request: HttpRequest) -> HttpReply:
        """Answers one request; never raises for a bad one."""
        key = next((value for name, value in request.headers.items() if name.lower() == "x-api-key"), "")
        if not hmac.compare_digest(key.encode(), self.terms.api_key.encode()):
            return HttpReply(status=401, body=as_json({"error": "the key is missing or wrong"}))
        try:
            return HttpReply(status=200, body=as_json(self._do(request)))
        except Unusable as error:
            return HttpReply(status=error.status, body=as_json({"error": str(error)}))

    def _do(self, request: HttpRequest) -> Any:
        match request.method, request.path:
            case "GET", "/v1/custody":
                return self.statement() if self._kept is None else self._kept
            case "POST", "/v1/delegate":
                body = _body(request)
                self.delegate(_text(body, "venue"), _text(body, "asset"), _decimal(body, "quantity"))
            case "POST", "/v1/faults":
                body = _body(request)
                self.fault(_text(body, "venue"), _text(body, "fault"))
            case "POST", "/v1/silence":
                self.go_stale(quiet=_body(request).get("quiet") is True)
            case _:
                raise Unusable(f"there is no {request.method} {request.path}", 404)
        return {}

    def fault(self, venue: str, name: str) -> None:
        """How settlements with a venue end from now on; "" for well. Raises Unusable for a fault that is not known."""
        if name and name not in FAULTS:
            raise Unusable(f"no fault {name!r}; there are {', '.join(FAULTS)}")
        self._faults.pop(venue, None)
        if name:
            self._faults[venue] = FAULTS[name]

    def go_stale(self, *, quiet: bool) -> None:
        """From now on it tells what is true now, for ever; or the truth again."""
        self._kept = self.statement() if quiet else None


def _body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = orjson.loads(request.body)
    except orjson.JSONDecodeError:
        raise Unusable("the body is not JSON") from None
    if not isinstance(body, dict):
        raise Unusable("the body is not a JSON object")
    return body


def _text(body: Mapping[str, Any], name: str) -> str:
    if not isinstance(body.get(name), str):
        raise Unusable(f"{name} is missing, or no text")
    return str(body[name])


def _decimal(body: Mapping[str, Any], name: str) -> Decimal:
    text = _text(body, name)
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unusable(f"{name} is no number") from None
    if not value.is_finite() or len(text) > _DIGITS_MAX:
        raise Unusable(f"{name} is no ordinary number")
    return value
