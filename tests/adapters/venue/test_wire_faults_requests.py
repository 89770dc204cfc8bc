"""Faults on requests, at every dialect: what the adapter makes of each, and how it heals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from bot.adapters.venue.throttle import Gate
from bot.core.commands import CancelOrder
from bot.core.events import (
    CancelUnconfirmed,
    LookUpFailed,
    OrderAbsent,
    OrderOutcomeUnknown,
    OrderRefused,
    OrderReported,
    VenueOrderStatus,
    VenueReported,
    VenueUnreadable,
)
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.trouble import BANNED, DUPLICATE_ID, MAINTENANCE, NO_POSITIONS, RATE_LIMITED, UNHEARD_OF
from bot.simulator.faults import FaultKind
from tests.adapters.venue.venue_stand import LATE_IN_DOUBT, OF_NO_KIND, STANDS, Stand, standing

ORDER_MS = 4_500
TIMEOUT_MS = 200
HTML = "<html><body>Welcome</body></html>"
AFTER = {
    "no answer": (FaultKind.NO_REPLY, {}),
    "late answer": (FaultKind.DELAY_REPLY, {"delay_ms": 3 * TIMEOUT_MS}),
    "closed": (FaultKind.DROP_REPLY, {}),
    "reset": (FaultKind.RESET_REPLY, {}),
    "cut in the middle": (FaultKind.TRUNCATE_BODY, {}),
    "empty 200": (FaultKind.EMPTY_BODY, {}),
    "empty object": (FaultKind.EMPTY_OBJECT, {}),
    "page": (FaultKind.BAD_GATEWAY, {"status": 200, "body": HTML}),
    **{str(status): (FaultKind.BAD_GATEWAY, {"status": status}) for status in (500, 502, 503, 504)},
}
"""The venue has dealt with it."""
BEFORE = {"never arrived, closed": FaultKind.DISCONNECT, "never arrived, no answer": FaultKind.SWALLOW}
"""The venue has never seen it."""


@pytest.fixture(params=list(STANDS))
async def stand(request) -> AsyncIterator[Stand]:
    async with standing(request.param) as one:
        yield one


@contextmanager
def impatient(stand: Stand) -> Iterator[None]:
    """Answers are waited for a tenth as long as else."""
    clients = stand.venue._up.client, stand.venue._up.public
    usual = clients[0].timeout
    for client in clients:
        client.timeout = TIMEOUT_MS
    yield
    for client in clients:
        client.timeout = usual


@pytest.fixture
def unlimited(monkeypatch) -> None:
    """No request waits for its turn, and no ban that an answer brought holds the next one back."""

    async def admit(*_: object) -> None:
        return

    monkeypatch.setattr(Gate, "admit", admit)
    monkeypatch.setattr(Gate, "closed_for", 0.0)


@pytest.mark.parametrize("fault", list(AFTER))
async def test_an_accepted_order_without_a_whole_answer_is_in_doubt_and_found_by_its_id(stand, fault):
    kind, more = AFTER[fault]
    await stand.venue.place(stand.order("-0.01"))  # the connection is warm: a silent second sending would show
    before = stand.held()
    stand.arm(kind, Operation.PLACE, **more)
    command = stand.order("-0.05")
    with impatient(stand):
        answer = await stand.venue.place(command)
    assert isinstance(answer, OrderOutcomeUnknown), answer
    assert stand.held() - before == command.quantity, "one wire attempt"
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported), found
    assert (found.report.status, found.report.filled_quantity) == (VenueOrderStatus.FILLED, command.quantity)
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    assert {each.instrument: each.quantity for each in reading.positions}[stand.btc.id] == stand.held()


@pytest.mark.parametrize("fault", list(BEFORE))
async def test_an_order_that_never_arrived_is_in_doubt_and_absent_once_its_time_is_over(stand, fault):
    stand.arm(BEFORE[fault], Operation.PLACE)
    command = stand.order("-0.05", expires_in=500)
    with impatient(stand):
        assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    await stand.clock.sleep(0.6)
    absent = await stand.venue.look_up(stand.asked(command))
    assert isinstance(absent, OrderAbsent), absent
    assert absent.venue_clock_at > command.expires_at
    assert (absent.filled_quantity, stand.held()) == (0, 0)


async def test_an_order_that_arrives_late_but_in_time_is_in_doubt_first_and_found_then(stand):
    stand.arm(FaultKind.HOLD_REQUEST, Operation.PLACE, delay_ms=3 * TIMEOUT_MS)
    command = stand.order("-0.05", expires_in=4_500)
    with impatient(stand):
        assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    early = await stand.venue.look_up(stand.asked(command))
    assert isinstance(early, OrderAbsent)
    assert early.venue_clock_at < command.expires_at, "absence proves nothing while the order may still arrive"
    await stand.clock.sleep(3 * TIMEOUT_MS / 1_000)
    found = await stand.venue.look_up(stand.asked(command))
    assert isinstance(found, OrderReported), found
    assert found.report.filled_quantity == command.quantity == stand.held()


async def test_an_order_that_arrives_after_its_time_is_refused_by_the_venue(stand):
    stand.arm(FaultKind.HOLD_REQUEST, Operation.PLACE, delay_ms=900)
    answer = await stand.venue.place(stand.order("-0.05", expires_in=400))
    assert isinstance(answer, OrderOutcomeUnknown if stand.name in LATE_IN_DOUBT else OrderRefused), answer
    assert stand.held() == 0


@OF_NO_KIND
async def test_each_documented_code_is_a_refusal_only_where_the_venue_documents_one(stand, unlimited):
    """The dialect says what the venue documents, the adapter's list says what proves a refusal: neither knows the other."""
    wrong = {}
    for name, trouble in stand.desk.dialect.troubles.replies.items():
        if name in {RATE_LIMITED, BANNED, NO_POSITIONS}:
            continue
        stand.arm(FaultKind.REFUSE, Operation.PLACE, trouble=name)
        answer = await stand.venue.place(stand.order("-0.05"))
        expected = OrderRefused if trouble.not_done else OrderOutcomeUnknown
        if not isinstance(answer, expected) or (trouble.not_done and answer.code != trouble.code):
            wrong[name] = answer
    assert wrong == {}
    assert stand.held() == 0
    assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderReported), "all of it passes"


@OF_NO_KIND
@pytest.mark.parametrize("name", [UNHEARD_OF, DUPLICATE_ID, MAINTENANCE])
async def test_what_proves_no_refusal_is_in_doubt_and_looked_up(stand, name):
    stand.arm(FaultKind.REFUSE, Operation.PLACE, trouble=name)
    command = stand.order("-0.05")
    assert isinstance(await stand.venue.place(command), OrderOutcomeUnknown)
    assert isinstance(await stand.venue.look_up(stand.asked(command)), OrderAbsent)


@OF_NO_KIND
@pytest.mark.parametrize("name", [RATE_LIMITED, BANNED])
async def test_too_many_requests_are_no_order_and_pass(stand, name):
    stand.arm(FaultKind.REFUSE, Operation.PLACE, trouble=name)
    trouble = stand.desk.dialect.troubles.replies[name]
    answer = await stand.venue.place(stand.order("-0.05"))
    assert isinstance(answer, OrderRefused if trouble.not_done else OrderOutcomeUnknown), answer
    if stand.venue._gate.closed_for > ORDER_MS / 1_000:
        assert isinstance(await stand.venue.place(stand.order("-0.05")), OrderRefused), "nothing is sent while a ban lasts"
        stand.venue._gate._closed_until = 0.0  # which is ten minutes at Bybit
    began = stand.clock.steady()
    command = stand.order("-0.05", expires_in=ORDER_MS)
    assert isinstance(await stand.venue.place(command), OrderReported)
    if trouble.tells_when:
        assert stand.clock.steady() - began > 0.7, "the venue said to come back after a second"
    assert stand.held() == command.quantity


CANCELS = {**AFTER, **{fault: (kind, {}) for fault, kind in BEFORE.items()}}


@pytest.mark.parametrize("fault", list(CANCELS))
async def test_a_cancel_without_a_whole_answer_is_unconfirmed_or_looked_up_and_a_reading_tells(stand, fault):
    """An answer that is there and says nothing has the order looked up at once; what is told then is the truth."""
    kind, more = CANCELS[fault]
    resting = stand.order("-0.05", Decimal("60100"), post_only=True)
    assert isinstance(await stand.venue.place(resting), OrderReported)
    stand.arm(kind, Operation.CANCEL, **more)
    cancel = CancelOrder(client_order_id=resting.client_order_id, instrument=resting.instrument, venue_order_id=None)
    with impatient(stand):
        answer = await stand.venue.cancel(cancel)
    if isinstance(answer, OrderReported):
        assert (fault in AFTER, answer.report.status) == (True, VenueOrderStatus.CANCELED)
    else:
        assert isinstance(answer, CancelUnconfirmed), answer
    reading = await stand.venue.read(stand.reading())
    assert isinstance(reading, VenueReported), reading
    still_open = [each.client_order_id for each in reading.orders]
    assert still_open == ([] if fault in AFTER else [resting.client_order_id])
    found = await stand.venue.look_up(stand.asked(resting))
    assert isinstance(found, OrderReported), found
    assert (found.report.status is VenueOrderStatus.CANCELED) == (fault in AFTER)


PARTS = [Operation.OPEN_ORDERS, Operation.FILLS, Operation.POSITIONS, Operation.BALANCE, Operation.CLOCK]
READS = {fault: (kind, more) for fault, (kind, more) in CANCELS.items() if kind is not FaultKind.SWALLOW}


@pytest.mark.parametrize("fault", list(READS))
async def test_a_reading_with_any_part_spoiled_is_unreadable_and_the_next_one_whole(stand, fault):
    kind, more = READS[fault]
    await stand.venue.place(stand.order("-0.05"))
    reads = stand.venue._profile.reads
    apart = reads.margin_modes is not None and reads.margin_modes.query.call != reads.margin.call  # else it is spoiled with the margin
    modes = [Operation.SETTINGS] if apart else []
    for part in PARTS + modes:
        stand.arm(kind, part, times=9, **more)
        with impatient(stand):
            answer = await stand.venue.read(stand.reading())
        assert isinstance(answer, VenueUnreadable), (part, answer)
        for number in stand.server.plan.armed:
            stand.server.plan.disarm(number)
    assert isinstance(await stand.venue.read(stand.reading()), VenueReported)


@pytest.mark.parametrize("fault", ["no answer", "reset", "cut in the middle", "empty object", "page", "503"])
async def test_a_look_up_that_is_spoiled_proves_nothing(stand, fault):
    kind, more = AFTER[fault]
    command = stand.order("-0.05")
    await stand.venue.place(command)
    for operation in (Operation.ORDER, Operation.OPEN_ORDERS):
        stand.arm(kind, operation, times=9, **more)
    with impatient(stand):
        assert isinstance(await stand.venue.look_up(stand.asked(command)), LookUpFailed)
    for number in stand.server.plan.armed:
        stand.server.plan.disarm(number)
    assert isinstance(await stand.venue.look_up(stand.asked(command)), OrderReported)
