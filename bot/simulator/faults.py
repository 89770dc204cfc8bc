"""Faults: what may go wrong between a client and a venue, armed in advance, and the record of what really did.

A fault waits for a request that fits (venue, operation) and then happens to it, either before the venue has seen the request or after it
has dealt with it. A fault after `place` waits for an order that the venue accepted: to lose the answer to a refusal would prove nothing.
Everything that happened is kept with wall times, so that a report can set "injected" beside "seen".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count

from bot.core.units import Millis
from bot.simulator.dialects.dialect import Operation


class FaultKind(StrEnum):
    """What happens to a request. The first three come before the venue has seen it, the others after."""

    HOLD_REQUEST = "hold_request"
    """It waits `delay_ms` on the way in and is dealt with then; the venue's own expiry check applies."""
    REFUSE = "refuse"
    """It is answered with `status` and `body` and never dealt with."""
    DISCONNECT = "disconnect"
    """The connection is closed and it is never dealt with."""
    DROP_REPLY = "drop_reply"
    """It is dealt with, and the connection is closed without a byte of the answer."""
    DELAY_REPLY = "delay_reply"
    """It is dealt with at once, and answered `delay_ms` later."""
    BAD_GATEWAY = "bad_gateway"
    """It is dealt with, and a proxy's page with `status` and `body` takes the answer's place."""
    TRUNCATE_BODY = "truncate_body"
    """It is dealt with, and the connection breaks in the middle of the answer."""
    EMPTY_BODY = "empty_body"
    """It is dealt with, and answered by HTTP 200 without a body."""

    @property
    def is_before(self) -> bool:
        """Whether the venue has not seen the request when this happens."""
        return self in (FaultKind.HOLD_REQUEST, FaultKind.REFUSE, FaultKind.DISCONNECT)

    @property
    def is_delay(self) -> bool:
        """Whether it needs a `delay_ms`."""
        return self in (FaultKind.HOLD_REQUEST, FaultKind.DELAY_REPLY)


_PAGES: dict[FaultKind, tuple[int, str]] = {
    FaultKind.REFUSE: (503, "Service Unavailable"),
    FaultKind.BAD_GATEWAY: (502, "<html>\n<head><title>502 Bad Gateway</title></head>\n<body>502 Bad Gateway</body>\n</html>\n"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault in waiting. It lets `skip` fitting requests pass and then happens `times` times; `operation` None fits any request.

    `label` is the arming program's own name for it and comes back in the record. Raises ValueError for figures that make no sense.
    """

    venue: str
    kind: FaultKind
    operation: Operation | None = None
    times: int = 1
    skip: int = 0
    delay_ms: Millis = 0
    status: int | None = None
    body: str | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if self.times < 1 or self.skip < 0 or self.delay_ms < 0:
            raise ValueError("times must be at least 1, skip and delay_ms at least 0")
        if self.kind.is_delay != (self.delay_ms > 0):
            raise ValueError("delay_ms belongs to hold_request and delay_reply, which need it")
        if (self.status is not None or self.body is not None) and self.kind not in _PAGES:
            raise ValueError("status and body belong to refuse and bad_gateway")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("status must be an HTTP status from 200 to 599")

    @property
    def page(self) -> tuple[int, str]:
        """Status and body that take the answer's place."""
        status, body = _PAGES[self.kind]
        return self.status or status, body if self.body is None else self.body


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that was done to a venue's clients: wall times in ms, `ended_at` None while it lasts. `detail` says to what."""

    number: int
    venue: str
    kind: str
    began_at: Millis
    ended_at: Millis | None
    operation: Operation | None = None
    detail: str = ""
    label: str = ""


class FaultPlan:
    """The faults in waiting, in the order of arming, and all incidents so far."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._armed: dict[int, Fault] = {}
        self._incidents: dict[int, Incident] = {}

    @property
    def armed(self) -> dict[int, Fault]:
        """What still waits, by number; `times` and `skip` are what is left of them."""
        return dict(self._armed)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Everything that happened, oldest first."""
        return tuple(self._incidents.values())

    def arm(self, fault: Fault) -> int:
        """Adds a fault; returns the number to disarm it by."""
        number = next(self._numbers)
        self._armed[number] = fault
        return number

    def disarm(self, number: int) -> bool:
        """Takes a fault back; False when it is not waiting (any more)."""
        return self._armed.pop(number, None) is not None

    def before(self, venue: str, operation: Operation, detail: str, now: Millis) -> Fault | None:
        """The fault that happens to a request that the venue has not seen yet."""
        return self._take(venue, operation, detail, now, is_before=True)

    def after(self, venue: str, operation: Operation, detail: str, now: Millis, *, accepted: bool) -> Fault | None:
        """The fault that happens to the answer; `accepted` says whether the request made or changed an order."""
        if operation is Operation.PLACE and not accepted:
            return None
        return self._take(venue, operation, detail, now, is_before=False)

    def began(self, venue: str, kind: str, now: Millis, *, detail: str = "", label: str = "") -> int:
        """Records something that lasts, such as a silence; returns the number to end it by."""
        number = next(self._numbers)
        self._incidents[number] = Incident(number=number, venue=venue, kind=kind, began_at=now, ended_at=None, detail=detail, label=label)
        return number

    def ended(self, number: int, now: Millis) -> None:
        """Records the end of something that lasted."""
        self._incidents[number] = replace(self._incidents[number], ended_at=now)

    def _take(self, venue: str, operation: Operation, detail: str, now: Millis, *, is_before: bool) -> Fault | None:
        for number, fault in self._armed.items():
            if fault.venue != venue or fault.kind.is_before != is_before or fault.operation not in (None, operation):
                continue
            if fault.skip:
                self._armed[number] = replace(fault, skip=fault.skip - 1)
                continue
            if fault.times > 1:
                self._armed[number] = replace(fault, times=fault.times - 1)
            else:
                del self._armed[number]
            self._record(fault, operation, detail, now)
            return fault
        return None

    def _record(self, fault: Fault, operation: Operation, detail: str, now: Millis) -> None:
        number = next(self._numbers)
        self._incidents[number] = Incident(
            number=number,
            venue=fault.venue,
            kind=fault.kind.value,
            began_at=now,
            ended_at=now + fault.delay_ms,
            operation=operation,
            detail=detail,
            label=fault.label,
        )
