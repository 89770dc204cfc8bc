"""Faults from text and conditions at a venue: what is refused in a sentence, what begins and ends when."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.simulator.conditions import Condition, ConditionKind
from bot.simulator.desk import Desk
from bot.simulator.dialects.binance import BinanceUsdm
from bot.simulator.dialects.dialect import Operation
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.dialects.trouble import Topic
from bot.simulator.fault_codec import FaultsUnusable, fault_of, plan_of
from bot.simulator.faults import Fault, FaultKind, FaultPlan
from bot.simulator.lasting import Lasting, unfit
from bot.simulator.listed import Listing
from bot.simulator.model import OrderKind, OrderRequest, Refusal, Refused, Side, TimeInForce
from bot.simulator.stream_faults import StreamFault, StreamKind
from tests.simulator.stand import KEY, desk_of

VENUE = "binanceusdm"
D = Decimal


@pytest.fixture
def desk() -> Desk:
    return desk_of(VENUE, BinanceUsdm)


@pytest.fixture
def plan() -> FaultPlan:
    return FaultPlan()


@pytest.fixture
def lasting(desk: Desk, plan: FaultPlan) -> Lasting:
    return Lasting({VENUE: desk}, plan)


def condition(kind: ConditionKind, **figures: Any) -> Condition:
    return Condition(venue=VENUE, kind=kind, **figures)


def order(desk: Desk, **changed: Any) -> OrderRequest:
    plain: dict[str, Any] = {
        "account": KEY.account,
        "symbol": "BTCUSDT",
        "side": Side.SELL,
        "kind": OrderKind.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "contracts": D("0.05"),
        "price": D(60_100),
    }
    return OrderRequest(**(plain | changed))


def test_one_form_for_all_three_sorts_of_fault() -> None:
    plan = plan_of(
        {
            "faults": [
                {"venue": "okx", "kind": "drop_reply", "operation": "place", "after_ms": 5, "skip": 2, "times": 3},
                {"venue": "okx", "kind": "lose_frame", "topic": "orders", "times": None, "lasts_ms": 7},
                {"venue": "okx", "kind": "resized", "symbol": "BTC-USDT-SWAP", "lot": "0.1", "tick": D("0.5")},
            ]
        }
    )
    assert plan == [
        Fault(venue="okx", kind=FaultKind.DROP_REPLY, operation=Operation.PLACE, after_ms=5, skip=2, times=3),
        StreamFault(venue="okx", kind=StreamKind.LOSE_FRAME, topic=Topic.ORDERS, times=None, lasts_ms=7),
        Condition(venue="okx", kind=ConditionKind.RESIZED, symbol="BTC-USDT-SWAP", lot=D("0.1"), tick=D("0.5")),
    ]


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"kind": "drop_repli"}, "x.kind: 'drop_repli' is not allowed: expected one of .*, did you mean 'drop_reply'"),
        ({}, "x.kind: is missing"),
        ({"kind": "drop_reply"}, "x.venue: is missing, and there is no default"),
        ({"kind": "drop_reply", "venue": "okx", "tims": 2}, "x.tims: unknown key, did you mean 'times'.*; known: venue, kind"),
        ({"kind": "drop_reply", "venue": "okx", "times": "2"}, "x.times: '2' is not allowed: a whole number is needed"),
        ({"kind": "drop_reply", "venue": "okx", "times": 0}, "x.times must be at least 1"),
        ({"kind": "drop_reply", "venue": "okx", "operation": "plase"}, "x.operation: 'plase' is not allowed: expected .*'place'"),
        ({"kind": "lose_frame", "venue": "okx", "topic": "book"}, "x.topic: 'book' is not allowed: expected 'books'"),
        ({"kind": "wrong_sequence", "venue": "okx", "topic": "orders"}, "x.wrong_sequence needs the topic books"),
        ({"kind": "halted", "venue": "okx"}, "x.symbol is missing: halted needs symbol"),
        ({"kind": "halted", "venue": "okx", "symbol": "BTC", "price": "1"}, "x.price is not for halted"),
        ({"kind": "clock_shifted", "venue": "okx", "by_ms": 1.5}, "x.by_ms: 1.5 is not allowed: a whole number is needed"),
        ({"kind": "sockets_closed", "venue": "okx", "lasts_ms": 5}, "x.lasts_ms must be at least 1, and is not for"),
        ({"kind": "resized", "venue": "okx", "symbol": "B", "lot": "0", "tick": "1"}, "x.lot must be above zero"),
        ({"kind": "resized", "venue": "okx", "symbol": "B", "lot": "much", "tick": "1"}, "x.lot: 'much' is not allowed"),
        ({"kind": "resized", "venue": "okx", "symbol": "B", "lot": "1e999999999", "tick": "1"}, "x.lot must be of ordinary size"),
        ({"kind": "resized", "venue": "okx", "symbol": "B", "lot": D("1e-999999999"), "tick": "1"}, "x.lot must be of ordinary size"),
        ({"kind": "clock_shifted", "venue": "okx", "by_ms": 10**12}, "x.by_ms must be within 315360000000 either way"),
        ({"kind": ["drop_reply"], "venue": "okx"}, r"x.kind: \['drop_reply'\] is not allowed"),
        ({"kind": "drop_reply", "venue": "okx", "times": 2**70}, "x.times: 1180591620717411303424 is not allowed"),
        ({"kind": "drop_reply", "venue": "okx", "label": "\ud800"}, r"x.label: '\\ud800' is not allowed"),
        ({"kind": "drop_reply", "venue": "okx", "label": b"x"}, "x.label: b'x' is not allowed"),
        (["drop_reply"], "x: keys with values are needed"),
    ],
)
def test_text_that_is_no_fault_is_refused_in_one_sentence(told: Any, sentence: str) -> None:
    with pytest.raises(FaultsUnusable, match=sentence) as raised:
        fault_of(told, "x.")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("document", [None, [], {}, {"faults": []}, {"faults": {}}, "drop_reply"])
def test_a_plan_without_faults_is_refused(document: Any) -> None:
    with pytest.raises(FaultsUnusable, match="faults: a list with at least one fault is needed"):
        plan_of(document)


def test_a_plan_tells_which_of_its_faults_is_wrong() -> None:
    with pytest.raises(FaultsUnusable, match=r"faults\.1\.kind"):
        plan_of([{"venue": "okx", "kind": "drop_reply"}, {"venue": "okx", "kind": "gremlin"}])
    with pytest.raises(FaultsUnusable, match="falts: unknown key; known: faults"):
        plan_of({"falts": []})


@pytest.mark.parametrize(
    ("armed", "sentence"),
    [
        (Fault(venue="mars", kind=FaultKind.DISCONNECT), f"venue: 'mars' is not allowed: expected one of {VENUE}"),
        (Fault(venue=VENUE, kind=FaultKind.REFUSE, trouble="-1"), "trouble: '-1' is not allowed: binanceusdm says .*-2019"),
        (condition(ConditionKind.HALTED, symbol="DOGE"), "symbol: 'DOGE' is not allowed: binanceusdm lists BTCUSDT"),
        (condition(ConditionKind.HEDGE_MODE, account="nobody"), "account: 'nobody' is not allowed: expected one of desk"),
    ],
)
def test_what_is_not_at_this_venue_cannot_be_armed(lasting: Lasting, plan: FaultPlan, armed: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        lasting.arm(armed, 0)
    assert plan.armed == {}


def test_a_condition_begins_and_ends_by_the_clock_and_is_one_incident(lasting: Lasting, plan: FaultPlan, desk: Desk) -> None:
    lasting.arm(condition(ConditionKind.CLOCK_SHIFTED, by_ms=500, after_ms=100, lasts_ms=50, label="late"), 1_000)
    shifts = []
    for now in (1_000, 1_099, 1_100, 1_149, 1_150):
        lasting.beat(now)
        shifts.append(desk.shift_ms)
    assert shifts == [0, 0, 500, 500, 0]
    (incident,) = plan.incidents
    assert (incident.kind, incident.began_at, incident.ended_at, incident.label) == ("clock_shifted", 1_100, 1_150, "late")
    assert (plan.armed, lasting.standing) == ({}, {})


def test_a_condition_without_an_end_is_lifted_by_hand_once(lasting: Lasting, desk: Desk) -> None:
    number = lasting.arm(condition(ConditionKind.HALTED, symbol="BTCUSDT"), 0)
    assert desk.exchange.contracts["BTCUSDT"].listing is Listing.HALTED
    with pytest.raises(Refused) as raised:
        desk.place(order(desk))
    assert raised.value.refusal is Refusal.NOT_TRADING
    assert lasting.disarm(number, 5) is True
    assert lasting.disarm(number, 6) is False
    assert desk.place(order(desk)).order_id


def test_orders_of_a_halted_contract_stay_and_can_be_canceled(lasting: Lasting, desk: Desk) -> None:
    resting = desk.place(order(desk))
    lasting.arm(condition(ConditionKind.DELISTED, symbol="BTCUSDT"), 0)
    with pytest.raises(Refused) as raised:
        desk.place(order(desk))
    assert raised.value.refusal is Refusal.UNKNOWN_SYMBOL
    desk.cancel(KEY.account, "BTCUSDT", resting.order_id)
    assert desk.exchange.open_orders(KEY.account) == ()


def test_a_contract_of_another_size_judges_orders_by_it_and_comes_back(lasting: Lasting, desk: Desk) -> None:
    number = lasting.arm(condition(ConditionKind.RESIZED, symbol="BTCUSDT", lot=D("0.1"), tick=D("5")), 0)
    for changed, refusal in (
        ({"contracts": D("0.05")}, Refusal.CONTRACTS_MIN),
        ({"contracts": D("0.15")}, Refusal.LOT),
        ({"contracts": D("0.1"), "price": D(60_101)}, Refusal.TICK),
    ):
        with pytest.raises(Refused) as raised:
            desk.place(order(desk, **changed))
        assert raised.value.refusal is refusal
    desk.place(order(desk, contracts=D("0.1")))
    lasting.disarm(number, 1)
    desk.place(order(desk, contracts=D("0.05"), price=D("60_101.1")))


def test_a_contract_cannot_become_another_one(desk: Desk) -> None:
    from dataclasses import replace

    btc = desk.exchange.contracts["BTCUSDT"]
    with pytest.raises(ValueError, match="another contract"):
        desk.exchange.amend(replace(btc, contract_size=D(2)))
    with pytest.raises(Refused):
        desk.exchange.amend(replace(btc, symbol="DOGEUSDT"))


def test_a_foreign_order_ends_with_its_condition(lasting: Lasting, desk: Desk) -> None:
    figures = {"symbol": "BTCUSDT", "side": Side.SELL, "contracts": D("0.05"), "price": D(60_100)}
    number = lasting.arm(condition(ConditionKind.FOREIGN_ORDER, **figures), 0)
    (resting,) = desk.exchange.open_orders(KEY.account)
    assert resting.request.client_order_id is None
    lasting.disarm(number, 1)
    assert desk.exchange.open_orders(KEY.account) == ()
    number = lasting.arm(condition(ConditionKind.FOREIGN_ORDER, **(figures | {"price": D(59_990)})), 2)
    assert lasting.disarm(number, 3) is True, "filled at once: nothing is left to cancel"
    assert desk.exchange.positions(KEY.account)[0].contracts == D("-0.05")


def terms(desk: Desk) -> tuple[Decimal, Decimal, Listing]:
    contract = desk.exchange.contracts["BTCUSDT"]
    return contract.lot, contract.tick, contract.listing


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_two_conditions_that_change_the_same_end_one_by_one(lasting: Lasting, desk: Desk, first_to_end: int) -> None:
    before = terms(desk)
    sizes = [{"lot": D("0.1"), "tick": D("5")}, {"lot": D("0.2"), "tick": D("10")}]
    resized = [lasting.arm(condition(ConditionKind.RESIZED, symbol="BTCUSDT", **size), 0) for size in sizes]
    listings = [ConditionKind.HALTED, ConditionKind.DELISTED]
    unlisted = [lasting.arm(condition(kind, symbol="BTCUSDT"), 0) for kind in listings]
    lasting.disarm(resized[first_to_end], 1)
    lasting.disarm(unlisted[first_to_end], 1)
    left = 1 - first_to_end
    assert terms(desk) == (sizes[left]["lot"], sizes[left]["tick"], [Listing.HALTED, Listing.DELISTED][left])
    lasting.disarm(resized[left], 2)
    lasting.disarm(unlisted[left], 2)
    assert terms(desk) == before


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_a_position_mode_that_was_changed_twice_is_back_when_both_have_ended(lasting: Lasting, desk: Desk, first_to_end: int) -> None:
    numbers = [lasting.arm(condition(ConditionKind.HEDGE_MODE), 0) for _ in range(2)]
    lasting.disarm(numbers[first_to_end], 1)
    assert desk.exchange.settings(KEY.account).hedge_mode is True
    lasting.disarm(numbers[1 - first_to_end], 2)
    assert desk.exchange.settings(KEY.account).hedge_mode is False


def test_a_venue_speaks_when_its_last_silence_has_ended(lasting: Lasting, plan: FaultPlan, desk: Desk) -> None:
    silent = lasting.arm(condition(ConditionKind.SILENT), 0)
    half_open = lasting.arm(condition(ConditionKind.HALF_OPEN), 0)
    desk.silence(plan)
    lasting.disarm(silent, 1)
    assert (desk.is_answering, desk.is_talking) == (False, False)
    desk.restore(plan)
    assert (desk.is_answering, desk.is_talking) == (True, False)
    desk.restore(plan)
    lasting.disarm(half_open, 2)
    assert (desk.is_answering, desk.is_talking) == (True, True)


def test_what_the_engine_refuses_is_told_at_once_or_noted_later(lasting: Lasting, plan: FaultPlan, desk: Desk) -> None:
    too_high = {"symbol": "BTCUSDT", "leverage": D(1_000)}
    with pytest.raises(Refused):
        lasting.arm(condition(ConditionKind.LEVERAGE_CHANGED, **too_high), 0)
    assert plan.armed == {}
    lasting.arm(condition(ConditionKind.LEVERAGE_CHANGED, after_ms=1, **too_high), 0)
    lasting.beat(1)
    assert len(desk.failures) == 1
    assert "leverage_changed could not begin" in desk.failures[0]
    lasting.beat(2)
    assert len(desk.failures) == 1
    lasting.arm(condition(ConditionKind.LEVERAGE_CHANGED, symbol="BTCUSDT", leverage=D(3)), 3)
    assert desk.exchange.leverage(KEY.account, "BTCUSDT") == 3


def test_the_example_of_a_plan_fits_the_venues_that_it_names() -> None:
    document = yaml.safe_load((Path(__file__).parents[2] / "config" / "faults.yaml").read_text(encoding="utf-8"))
    planned = plan_of(document)
    desks = {name: desk_of(name, DIALECTS[name]) for name in {armed.venue for armed in planned}}
    assert [unfit(armed, desks) for armed in planned] == [None] * len(planned)
    assert {type(armed) for armed in planned} == {Fault, StreamFault, Condition}
