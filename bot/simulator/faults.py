"""Faults: what may go wrong between a client and a venue, armed in advance, and the record of what really did.

A fault waits for what fits it and then happens to it. One on a request (`Fault`) happens either before the venue has seen the request or
after it has dealt with it; one after `place` waits for an order that the venue accepted: to lose the answer to a refusal would prove
nothing. Frames of streams have theirs in `stream_faults`, and what lasts is in `conditions`.
Everything that happened is kept with wall times, so that a report can set "injected" beside "seen".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import count

from bot.core.units import Millis
from bot.simulator.conditions import Condition
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.trouble import Topic
from bot.simulator.stream_faults import StreamFault


class FaultKind(StrEnum):
    """What happens to a request. The first four come before the venue has seen it, the others after."""

    HOLD_REQUEST = "hold_request"
    """It waits `delay_ms` on the way in and is dealt with then; the venue's own expiry check applies."""
    REFUSE = "refuse"
    """It is answered with the venue's own `trouble`, or with `status` and `body`, and never dealt with."""
    DISCONNECT = "disconnect"
    """The connection is closed and it is never dealt with."""
    SWALLOW = "swallow"
    """It is never dealt with and never answered; the connection stays open."""
    DROP_REPLY = "drop_reply"
    """It is dealt with, and the connection is closed without a byte of the answer."""
    RESET_REPLY = "reset_reply"
    """It is dealt with, and the connection is reset without a byte of the answer."""
    NO_REPLY = "no_reply"
    """It is dealt with and never answered; the connection stays open."""
    DELAY_REPLY = "delay_reply"
    """It is dealt with at once, and answered `delay_ms` later."""
    BAD_GATEWAY = "bad_gateway"
    """It is dealt with, and a proxy's page with `status` and `body` takes the answer's place."""
    TRUNCATE_BODY = "truncate_body"
    """It is dealt with, and the connection breaks in the middle of the answer."""
    EMPTY_BODY = "empty_body"
    """It is dealt with, and answered by HTTP 200 without a body."""
    EMPTY_OBJECT = "empty_object"
    """It is dealt with, and answered by HTTP 200 with `{}`."""

    @property
    def is_before(self) -> bool:
        """Whether the venue has not seen the request when this happens."""
        return self in (FaultKind.HOLD_REQUEST, FaultKind.REFUSE, FaultKind.DISCONNECT, FaultKind.SWALLOW)

    @property
    def is_delay(self) -> bool:
        """Whether it needs a `delay_ms`."""
        return self in (FaultKind.HOLD_REQUEST, FaultKind.DELAY_REPLY)


_STATUSES: dict[FaultKind, int] = {FaultKind.REFUSE: 503, FaultKind.BAD_GATEWAY: 502}
_REASONS: dict[int, str] = {500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Time-out"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault on requests, in waiting. It lets `skip` fitting ones pass and then happens `times` times; `operation` None fits any.

    It waits for nothing before `after_ms` from its arming. `trouble` names one of the dialect's own answers (`dialects.trouble`).
    `label` is the arming program's own name for it and comes back in the record. Raises ValueError for figures that make no sense.
    """

    venue: str
    kind: FaultKind
    operation: Operation | None = None
    times: int = 1
    skip: int = 0
    after_ms: Millis = 0
    delay_ms: Millis = 0
    trouble: str | None = None
    status: int | None = None
    body: str | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if self.times < 1 or min(self.skip, self.delay_ms, self.after_ms) < 0:
            raise ValueError("times must be at least 1, skip, delay_ms and after_ms at least 0")
        if self.kind.is_delay != (self.delay_ms > 0):
            raise ValueError("delay_ms belongs to hold_request and delay_reply, which need it")
        if (self.status is not None or self.body is not None) and self.kind not in _STATUSES:
            raise ValueError("status and body belong to refuse and bad_gateway")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("status must be an HTTP status from 200 to 599")
        if self.trouble is not None and (self.kind is not FaultKind.REFUSE or self.status is not None or self.body is not None):
            raise ValueError("trouble belongs to refuse, without status and body")

    @property
    def page(self) -> tuple[int, str]:
        """Status and body that take the answer's place."""
        status = self.status or _STATUSES[self.kind]
        if self.body is not None:
            return status, self.body
        title = f"{status} {_REASONS.get(status, 'Sorry')}"
        if self.kind is FaultKind.REFUSE:
            return status, title.partition(" ")[2]
        return status, f"<html>\n<head><title>{title}</title></head>\n<body>{title}</body>\n</html>\n"


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


Armed = Fault | StreamFault | Condition
"""What may be armed."""


class FaultPlan:
    """What waits, in the order of arming, and all incidents so far."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._armed: dict[int, Armed] = {}
        self._due_at: dict[int, Millis] = {}
        self._lasting: dict[int, int] = {}
        self._incidents: dict[int, Incident] = {}

    @property
    def armed(self) -> dict[int, Armed]:
        """What still waits, by number; `times` and `skip` are what is left of them."""
        return dict(self._armed)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Everything that happened, oldest first."""
        return tuple(self._incidents.values())

    @property
    def touches_frames(self) -> bool:
        """Whether any fault waits for frames."""
        return any(isinstance(fault, StreamFault) for fault in self._armed.values())

    def number(self) -> int:
        """A number that no fault and no incident of this plan has."""
        return next(self._numbers)

    def arm(self, fault: Armed, now: Millis = 0) -> int:
        """Adds a fault; returns the number to disarm it by. `now` is what its `after_ms` counts from."""
        number = self.number()
        self._armed[number], self._due_at[number] = fault, now + fault.after_ms
        return number

    def disarm(self, number: int, now: Millis = 0) -> bool:
        """Takes a fault back; False when it is not waiting (any more)."""
        if number in self._lasting:
            self.ended(self._lasting.pop(number), now)
        return self._armed.pop(number, None) is not None

    def due(self, now: Millis) -> tuple[tuple[int, Condition], ...]:
        """The waiting conditions whose time has come, with their numbers."""
        waiting = self._armed.items()
        return tuple((number, each) for number, each in waiting if isinstance(each, Condition) and now >= self._due_at[number])

    def begun(self, number: int) -> Condition:
        """Takes a waiting condition out of the plan: it is the case now. Raises KeyError for any other number."""
        condition = self._armed[number]
        if not isinstance(condition, Condition):
            raise KeyError(number)
        del self._armed[number]
        return condition

    def before(self, venue: str, operation: Operation, detail: str, now: Millis) -> Fault | None:
        """The fault that happens to a request that the venue has not seen yet."""
        return self._take(venue, operation, detail, now, is_before=True)

    def after(self, venue: str, operation: Operation, detail: str, now: Millis, *, accepted: bool) -> Fault | None:
        """The fault that happens to the answer; `accepted` says whether the request made or changed an order."""
        if operation is Operation.PLACE and not accepted:
            return None
        return self._take(venue, operation, detail, now, is_before=False)

    def frame(self, venue: str, topic: Topic, now: Millis) -> StreamFault | None:
        """The fault that happens to the next frame of a topic. It is one incident, however many frames it meets."""
        for number, fault in tuple(self._armed.items()):
            if not isinstance(fault, StreamFault) or fault.venue != venue or fault.topic not in (None, topic) or now < self._due_at[number]:
                continue
            if fault.lasts_ms is not None and now >= self._due_at[number] + fault.lasts_ms:
                self.disarm(number, now)
                continue
            if fault.skip:
                self._armed[number] = replace(fault, skip=fault.skip - 1)
                continue
            if number not in self._lasting:
                self._lasting[number] = self.began(venue, fault.kind.value, now, detail=topic.value, label=fault.label)
            if fault.times == 1:
                self.disarm(number, now)
            elif fault.times is not None:
                self._armed[number] = replace(fault, times=fault.times - 1)
            return fault
        return None

    def happened(self, venue: str, kind: str, now: Millis, *, detail: str = "", label: str = "") -> None:
        """Records something that is over at once."""
        self.ended(self.began(venue, kind, now, detail=detail, label=label), now)

    def began(self, venue: str, kind: str, now: Millis, *, detail: str = "", label: str = "") -> int:
        """Records something that lasts, such as a silence; returns the number to end it by."""
        number = self.number()
        self._incidents[number] = Incident(number=number, venue=venue, kind=kind, began_at=now, ended_at=None, detail=detail, label=label)
        return number

    def ended(self, number: int, now: Millis) -> None:
        """Records the end of something that lasted."""
        self._incidents[number] = replace(self._incidents[number], ended_at=now)

    def _take(self, venue: str, operation: Operation, detail: str, now: Millis, *, is_before: bool) -> Fault | None:
        for number, fault in self._armed.items():
            if (
                not isinstance(fault, Fault)
                or fault.venue != venue
                or fault.kind.is_before != is_before
                or fault.operation not in (None, operation)
            ):
                continue
            if now < self._due_at[number]:
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
        number = self.number()
        self._incidents[number] = Incident(
            number=number,
            venue=fault.venue,
            kind=fault.kind.value,
            began_at=now,
            ended_at=now + fault.delay_ms,
            operation=operation,
            detail=detail if fault.trouble is None else f"{detail}: {fault.trouble}",
            label=fault.label,
        )
