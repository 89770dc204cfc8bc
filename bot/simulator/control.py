"""The control endpoint: what other programs may do to the simulated venues, over HTTP under the host `simulator.control`.

    GET    /truth?venue=V[&account=A]   the venue's own books
    GET    /faults                      what waits, which conditions stand, and every incident so far with wall times
    POST   /faults                      any fault or condition in the form of `fault_codec` -> {number}
    DELETE /faults/N                    takes a waiting fault back, or lifts a condition
    POST   /silence                     {venue, http?, sockets?, label?}
    POST   /restore                     {venue}
    POST   /sockets/close               {venue, label?} -> {closed}
    POST   /adl                         {venue, account, symbol, contracts}
    POST   /adl/rank                    {venue, account, symbol, rank}: the place in the queue, a fraction from 0 to 1
    POST   /funding                     {venue, symbol}
    POST   /deposit                     {venue, account, asset, quantity}

Bodies are JSON objects; money is text. A request that cannot be done is answered by HTTP 400 with {"error": ...} and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson

from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import HttpReply, HttpRequest, as_json
from bot.simulator.fault_codec import fault_of
from bot.simulator.faults import Armed, FaultPlan, Incident
from bot.simulator.lasting import Lasting
from bot.simulator.model import Refused
from bot.simulator.truth import truth_of

CONTROL_HOST = "simulator.control"
_DIGITS_MAX = 30


class Unusable(Exception):
    """A control request that cannot be done; the text says why."""


class Control:
    """Answers control requests."""

    def __init__(self, desks: Mapping[str, Desk], plan: FaultPlan, lasting: Lasting) -> None:
        self._desks = desks
        self._plan = plan
        self._lasting = lasting
        self._posts: dict[str, Callable[[_Body], Any]] = {
            "/faults": self._arm,
            "/silence": self._silence,
            "/restore": self._restore,
            "/sockets/close": self._close_sockets,
            "/adl": self._deleverage,
            "/adl/rank": self._rank,
            "/funding": self._settle_funding,
            "/deposit": self._deposit,
        }

    def handle(self, request: HttpRequest) -> HttpReply:
        """Answers one request; never raises for a bad one."""
        try:
            return HttpReply(status=200, body=as_json(self._do(request)))
        except Unusable as error:
            return HttpReply(status=400, body=as_json({"error": str(error)}))
        except Refused as refused:
            return HttpReply(status=400, body=as_json({"error": str(refused)}))

    def _do(self, request: HttpRequest) -> Any:
        if request.method == "POST" and request.path in self._posts:
            return self._posts[request.path](_Body.of(request.body))
        if request.method == "GET" and request.path == "/truth":
            asked = _Body(dict(parse_qsl(request.query_string)))
            return truth_of(self._desk(asked), asked.text("account") if "account" in asked.values else None)
        if request.method == "GET" and request.path == "/faults":
            return {
                "armed": [_fault_row(number, fault) for number, fault in self._plan.armed.items()],
                "standing": [_fault_row(number, each) for number, each in self._lasting.standing.items()],
                "incidents": [_incident_row(incident) for incident in self._plan.incidents],
            }
        number = request.path.removeprefix("/faults/")
        if request.method == "DELETE" and number.isdecimal():
            return {"disarmed": self._lasting.disarm(int(number), wall_ms())}
        raise Unusable(f"there is no {request.method} {request.path}")

    def _arm(self, body: _Body) -> Any:
        try:
            return {"number": self._lasting.arm(fault_of(body.values), wall_ms())}
        except ValueError as error:
            raise Unusable(str(error)) from None

    def _silence(self, body: _Body) -> Any:
        http, sockets = body.flag("http", default=True), body.flag("sockets", default=True)
        self._desk(body).silence(self._plan, http=http, sockets=sockets, label=body.text("label", ""))
        return {}

    def _restore(self, body: _Body) -> Any:
        self._desk(body).restore(self._plan)
        return {}

    def _close_sockets(self, body: _Body) -> Any:
        return {"closed": self._desk(body).close_sockets(self._plan, label=body.text("label", ""))}

    def _deleverage(self, body: _Body) -> Any:
        reports = self._desk(body).deleverage(body.text("account"), body.text("symbol"), body.decimal("contracts"))
        return {"reports": len(reports)}

    def _settle_funding(self, body: _Body) -> Any:
        return {"reports": len(self._desk(body).settle_funding(body.text("symbol")))}

    def _deposit(self, body: _Body) -> Any:
        reports = self._desk(body).deposit(body.text("account"), body.text("asset"), body.decimal("quantity"))
        return {"reports": len(reports)}

    def _rank(self, body: _Body) -> Any:
        self._desk(body).exchange.rank(body.text("account"), body.text("symbol"), body.decimal("rank"))
        return {}

    def _desk(self, body: _Body) -> Desk:
        venue = body.text("venue")
        if venue not in self._desks:
            raise Unusable(f"no venue {venue!r}; there are {', '.join(self._desks)}")
        return self._desks[venue]


class _Body:
    """The fields of a control request. Accessors raise `Unusable` with the field's name."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values

    @classmethod
    def of(cls, raw: bytes) -> _Body:
        try:
            values = orjson.loads(raw)
        except orjson.JSONDecodeError:
            raise Unusable("the body is not JSON") from None
        if not isinstance(values, dict):
            raise Unusable("the body is not a JSON object")
        return cls(values)

    def text(self, name: str, default: str | None = None) -> str:
        value = self.values.get(name, default)
        if not isinstance(value, str):
            raise Unusable(f"{name} must be text")
        return value

    def integer(self, name: str, default: int) -> int:
        value = self.values.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise Unusable(f"{name} must be a whole number")
        return value

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.values.get(name, default)
        if not isinstance(value, bool):
            raise Unusable(f"{name} must be true or false")
        return value

    def decimal(self, name: str) -> Decimal:
        try:
            value = Decimal(self.text(name))
        except InvalidOperation:
            raise Unusable(f"{name} must be a decimal number as text") from None
        if not value.is_finite():
            raise Unusable(f"{name} must be finite")
        if abs(value.adjusted()) > _DIGITS_MAX:
            raise Unusable(f"{name} must be of ordinary size")
        return value


def _fault_row(number: int, fault: Armed) -> dict[str, Any]:
    row = {name: str(value) if isinstance(value, Decimal) else value for name, value in asdict(fault).items()}
    return {"number": number, **row}


def _incident_row(incident: Incident) -> dict[str, Any]:
    return {
        "number": incident.number,
        "venue": incident.venue,
        "kind": incident.kind,
        "operation": None if incident.operation is None else incident.operation.value,
        "detail": incident.detail,
        "label": incident.label,
        "began_at": incident.began_at,
        "ended_at": incident.ended_at,
    }
