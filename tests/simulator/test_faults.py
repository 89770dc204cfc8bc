"""The fault plan: what fits, what it costs, what is remembered."""

from __future__ import annotations

from typing import Any

import pytest

from bot.simulator.dialects.dialect import Operation
from bot.simulator.faults import Fault, FaultKind, FaultPlan

LOST = Fault(venue="okx", kind=FaultKind.DROP_REPLY, operation=Operation.PLACE)


def after(plan: FaultPlan, operation: Operation = Operation.PLACE, *, venue: str = "okx", accepted: bool = True) -> Fault | None:
    return plan.after(venue, operation, "POST /x", 10, accepted=accepted)


def test_a_fault_happens_once_to_the_first_request_that_fits() -> None:
    plan = FaultPlan()
    plan.arm(LOST)
    assert after(plan, venue="bybit") is None
    assert after(plan, Operation.CANCEL) is None
    assert plan.before("okx", Operation.PLACE, "POST /x", 10) is None
    assert after(plan) == LOST
    assert after(plan) is None
    (incident,) = plan.incidents
    assert (incident.venue, incident.kind, incident.operation, incident.began_at, incident.ended_at) == (
        "okx",
        "drop_reply",
        Operation.PLACE,
        10,
        10,
    )


def test_an_answer_to_a_refused_order_is_not_worth_losing() -> None:
    plan = FaultPlan()
    plan.arm(LOST)
    assert after(plan, accepted=False) is None
    assert after(plan) == LOST


def test_reads_are_spoiled_whatever_they_answer() -> None:
    plan = FaultPlan()
    plan.arm(Fault(venue="okx", kind=FaultKind.EMPTY_BODY, operation=Operation.POSITIONS))
    assert after(plan, Operation.POSITIONS, accepted=False) is not None


def test_skip_and_times_count_fitting_requests_only() -> None:
    plan = FaultPlan()
    plan.arm(Fault(venue="okx", kind=FaultKind.REFUSE, times=2, skip=1))
    met = [plan.before("okx", Operation.ORDER, "", now) is not None for now in range(5)]
    assert met == [False, True, True, False, False]
    assert plan.armed == {}
    assert [incident.began_at for incident in plan.incidents] == [1, 2]


def test_faults_are_met_in_the_order_of_arming() -> None:
    plan = FaultPlan()
    for label in ("first", "second"):
        plan.arm(Fault(venue="okx", kind=FaultKind.DISCONNECT, label=label))
    for _ in range(2):
        plan.before("okx", Operation.BALANCE, "", 0)
    assert [incident.label for incident in plan.incidents] == ["first", "second"]


def test_a_fault_can_be_taken_back() -> None:
    plan = FaultPlan()
    number = plan.arm(LOST)
    assert plan.disarm(number) is True
    assert plan.disarm(number) is False
    assert after(plan) is None


def test_a_delay_is_recorded_with_its_end() -> None:
    plan = FaultPlan()
    plan.arm(Fault(venue="okx", kind=FaultKind.DELAY_REPLY, delay_ms=250))
    after(plan)
    assert [(incident.began_at, incident.ended_at) for incident in plan.incidents] == [(10, 260)]


def test_what_lasts_has_a_beginning_and_an_end() -> None:
    plan = FaultPlan()
    number = plan.began("okx", "silence", 100, label="story")
    (lasting,) = plan.incidents
    assert lasting.ended_at is None
    plan.ended(number, 900)
    (over,) = plan.incidents
    assert (over.began_at, over.ended_at, over.label) == (100, 900, "story")


@pytest.mark.parametrize(
    "figures",
    [
        {"times": 0},
        {"skip": -1},
        {"delay_ms": 5},
        {"kind": FaultKind.DELAY_REPLY},
        {"kind": FaultKind.HOLD_REQUEST, "delay_ms": -1},
        {"status": 503},
        {"body": "x"},
        {"kind": FaultKind.REFUSE, "status": 99},
        {"after_ms": -1},
        {"trouble": "50011"},
        {"kind": FaultKind.REFUSE, "status": 400, "trouble": "50011"},
    ],
)
def test_figures_that_make_no_sense_are_refused(figures: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"times|delay_ms|status|trouble"):
        Fault(**({"venue": "okx", "kind": FaultKind.DROP_REPLY} | figures))


def test_a_fault_may_wait_for_its_time() -> None:
    plan = FaultPlan()
    plan.arm(Fault(venue="okx", kind=FaultKind.SWALLOW, after_ms=50), now=1_000)
    met = [plan.before("okx", Operation.PLACE, "", now) is not None for now in (1_000, 1_049, 1_050, 1_051)]
    assert met == [False, False, True, False]


def test_what_a_venue_was_made_to_say_is_in_the_record() -> None:
    plan = FaultPlan()
    plan.arm(Fault(venue="okx", kind=FaultKind.REFUSE, trouble="50011"))
    plan.before("okx", Operation.PLACE, "POST /x", 0)
    assert [incident.detail for incident in plan.incidents] == ["POST /x: 50011"]


@pytest.mark.parametrize(
    ("fault", "page"),
    [
        ({"kind": FaultKind.REFUSE}, (503, "Service Unavailable")),
        ({"kind": FaultKind.REFUSE, "status": 500}, (500, "Internal Server Error")),
        ({"kind": FaultKind.BAD_GATEWAY, "status": 200, "body": ""}, (200, "")),
    ],
)
def test_a_page_is_what_was_asked_for(fault: dict[str, Any], page: tuple[int, str]) -> None:
    assert Fault(venue="okx", **fault).page == page


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxys_page_names_its_status(status: int) -> None:
    told, body = Fault(venue="okx", kind=FaultKind.BAD_GATEWAY, status=status).page
    assert told == status
    assert f"<title>{status} " in body
