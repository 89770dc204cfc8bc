"""An allocation stands until something else moved a position, its changes miss the gap, another thing stands in the way, or a look pays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.allocation_terms import Bound
from bot.core.limits import Breach, Limit
from bot.core.order import OrderState
from bot.core.records import Ledger
from bot.core.target_problem import PROHIBITIVE, Leg, Question, question_of
from bot.core.target_records import Allocated, Standing
from bot.core.target_standing import short_of, standing, units_of
from bot.core.units import ZERO, Asset, ClientOrderId, InstrumentId
from tests.core.coin_words import marks
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged
from tests.core.playbook import accepted, after, book, collateral, confirmed, decision_due, evenly, nothing, place, venue_acts
from tests.core.story import D, Story, inverse, policy_for

COIN = Asset("ETH")
INTERVAL = ETH.reallocation_interval_ms
NOW = hedged().now
NAMES = tuple(InstrumentId(i) for i in (BINANCE, BYBIT, OKX))
EDGE = D("0.015")
"""Base units: the soft edge of 30 ETH."""
REASON = Breach(Limit.INSTRUMENT_NOTIONAL, OKX, None, None, "told so")


@cache
def hedge() -> tuple[Ledger, Question]:
    """30 ETH, 10 short at each of three venues, and the question of that instant: nothing is to be hedged."""
    story = hedged()
    return story.ledger, question_of(story.ledger, ETH, story.now)


def allocated(shares: Mapping[str, tuple[str, str]] | None = None, **changes: Any) -> Ledger:
    """The hedge, with an allocation of now by which each instrument should carry 10 and did, unless told otherwise: (was, should)."""
    ledger, question = hedge()
    told = {i: (shares or {}).get(i, ("10", "10")) for i in NAMES}
    plain = Allocated(
        at=NOW,
        obstacles=question.obstacles,
        shares={i: Standing(was=D(was), units=D(units)) for i, (was, units) in told.items()},
    )
    return replace(ledger, allocated=replace(plain, **changes))


def asked(gap: str | Decimal = "0", obstacles: tuple[str, ...] | None = None, **legs: Mapping[str, Any]) -> Question:
    """The question, with another gap or obstacles, and legs changed by the name of their venue."""
    question = hedge()[1]
    changed = {i: replace(leg, **legs.get(leg.venue, {})) for i, leg in question.legs.items()}
    return replace(question, legs=changed, gaps={COIN: D(gap)}, obstacles=question.obstacles if obstacles is None else obstacles)


def stands(ledger: Ledger, question: Question, now: int = NOW) -> bool:
    found = standing(ledger, ETH, question, now)
    assert found is None or found is ledger.allocated
    return found is not None


def test_before_any_allocation_none_stands() -> None:
    ledger, question = hedge()
    assert not stands(replace(ledger, allocated=None), question)


def test_what_is_carried_out_stands() -> None:
    assert stands(*hedge())
    assert stands(allocated(), asked())


@pytest.mark.parametrize(
    ("was", "units", "short", "expected"),
    [
        pytest.param("10", "10", "10", True, id="nothing to do"),
        pytest.param("4", "12", "4", True, id="to be raised: not begun"),
        pytest.param("4", "12", "8", True, id="to be raised: on its way"),
        pytest.param("4", "12", "12", True, id="to be raised: done"),
        pytest.param("4", "12", "3.99", False, id="to be raised: something lowered it"),
        pytest.param("4", "12", "12.01", False, id="to be raised: something raised it further"),
        pytest.param("12", "4", "12", True, id="to be lowered: not begun"),
        pytest.param("12", "4", "8", True, id="to be lowered: on its way"),
        pytest.param("12", "4", "4", True, id="to be lowered: done"),
        pytest.param("12", "4", "12.01", False, id="to be lowered: something raised it"),
        pytest.param("12", "4", "3.99", False, id="to be lowered: something lowered it further"),
        pytest.param("0", "5", "-0.01", False, id="something made it long"),
    ],
)
def test_a_position_off_its_way_ends_it(was: str, units: str, short: str, expected: bool) -> None:
    question = asked(D(units) - D(short), okx={"short": D(short)})
    assert stands(allocated({OKX: (was, units)}), question) is expected


def test_an_instrument_that_is_frozen_is_on_no_way() -> None:
    assert stands(allocated(), asked(okx={"short": D(50), "frozen": REASON}))


def test_an_instrument_that_it_knows_nothing_of_ends_it() -> None:
    ledger = allocated()
    assert ledger.allocated is not None
    others = {i: share for i, share in ledger.allocated.shares.items() if i != OKX}
    assert not stands(replace(ledger, allocated=replace(ledger.allocated, shares=others)), asked())


def test_an_instrument_that_is_asked_of_no_more_does_not() -> None:
    question = asked()
    assert stands(allocated(), replace(question, legs={i: leg for i, leg in question.legs.items() if i != OKX}))


@pytest.mark.parametrize(
    ("shares", "gap", "expected"),
    [
        pytest.param({}, "0", True, id="nothing to do, nothing to hedge"),
        pytest.param({}, "0.015", True, id="a gap of just the band"),
        pytest.param({}, "-0.015", True, id="or the other way"),
        pytest.param({}, "0.0151", True, id="a gap that the net delta does not show"),
        pytest.param({OKX: ("10", "12")}, "2", True, id="what is to be raised is the gap"),
        pytest.param({OKX: ("10", "8")}, "-2", True, id="what is to be lowered is the gap"),
        pytest.param({OKX: ("10", "12")}, "1.985", True, id="is the gap within the band"),
        pytest.param({OKX: ("10", "12")}, "1.98", False, id="is more than the gap"),
        pytest.param({OKX: ("10", "12")}, "2.02", False, id="is less than the gap"),
        pytest.param({OKX: ("10", "12"), BYBIT: ("10", "8")}, "0", True, id="a change of venue"),
        pytest.param({OKX: ("10", "12"), BYBIT: ("10", "9")}, "1", True, id="a change of venue and a gap"),
        pytest.param({OKX: ("10", "12"), BYBIT: ("10", "9")}, "0", False, id="a change of venue that does not add up"),
    ],
)
def test_changes_that_miss_the_gap_end_it(shares: Mapping[str, tuple[str, str]], gap: str, expected: bool) -> None:
    assert stands(allocated(shares), asked(gap)) is expected


@pytest.mark.parametrize(("quantity", "expected"), [("31", True), ("31.01", True), ("30.98", False), ("31.1", False)])
def test_or_they_come_to_the_net_delta_while_a_change_of_venue_is_under_way(quantity: str, expected: bool) -> None:
    story = hedged() >> collateral("ETH", quantity)
    ledger = replace(story.ledger, allocated=allocated({OKX: ("10", "11")}).allocated)
    assert stands(ledger, asked("0")) is expected


@pytest.mark.parametrize(
    "okx", [pytest.param({"frozen": REASON}, id="what is frozen"), pytest.param({"asset": Asset("BTC")}, id="another asset")]
)
def test_what_is_no_change_to_come(okx: Mapping[str, Any]) -> None:
    ledger = allocated({OKX: ("10", "12"), BYBIT: ("10", "13")})
    assert stands(ledger, asked("5"))
    assert not stands(ledger, asked("5", okx=okx))
    assert stands(ledger, asked("3", okx=okx))


@pytest.mark.parametrize(
    ("ahead", "binance", "expected"),
    [
        pytest.param("8", "13", True, id="two bought back on their way, one more to follow, for the three of the other leg"),
        pytest.param("7", "13", True, id="all three on their way"),
        pytest.param("8", "14", False, id="the other leg takes more than will leave"),
    ],
)
def test_a_move_stands_while_one_of_its_legs_is_on_its_way(ahead: str, binance: str, expected: bool) -> None:
    """OKX should go from 10 to 7 and Binance up: what is on its way counts, and net delta counts as it will be."""
    ledger = allocated({OKX: ("10", "7"), BINANCE: ("10", binance)})
    bought = D(10) - D(ahead)
    template = next(o for o in ledger.orders.values() if o.instrument == OKX)
    order = replace(template, client_order_id=ClientOrderId("way"), quantity=bought, state=OrderState.PENDING_NEW, reduce_only=True)
    order = replace(order, fills_filled=ZERO, reported_filled=ZERO, closed_at=None)
    ledger = ledger.with_order({**ledger.orders, order.client_order_id: order}, order)
    question = asked("0", okx={"frozen": REASON, "is_waiting": True, "ahead": D(ahead)})
    assert stands(ledger, question) is expected


def test_it_ends_while_band_or_net_delta_are_not_known() -> None:
    two = policy_for("ETH", collateral_sources=frozenset({"custody", "chain"}))
    assert standing(allocated(), two, asked(), NOW) is None
    assert not stands(replace(allocated(), quotes={}), asked())


@pytest.mark.parametrize(
    "obstacles",
    [
        pytest.param(("state active", "binance:ETH", "bybit:ETH", "okx:ETH flipped"), id="another thing stands in the way"),
        pytest.param(("state reduce_only", "binance:ETH", "bybit:ETH", "okx:ETH"), id="another state"),
        pytest.param(("state active", "binance:ETH", "bybit:ETH"), id="one stands no longer"),
    ],
)
def test_other_obstacles_end_it(obstacles: tuple[str, ...]) -> None:
    assert not stands(allocated(), asked(obstacles=obstacles))
    assert not stands(allocated(obstacles=obstacles), asked())
    assert stands(allocated(obstacles=obstacles), asked(obstacles=obstacles))


PAYS: dict[str, Mapping[str, Any]] = {"okx": {"carry": D("0.2")}}
EXCEEDED = ("state active", "okx:ETH beyond instrument_notional")


@pytest.mark.parametrize(
    ("elapsed", "expected"),
    [(-1, False), (0, True), (1, True), (INTERVAL - 1, True), (INTERVAL, False), (10 * INTERVAL, False)],
)
@pytest.mark.parametrize("why", ["a move pays", "a cap was exceeded"])
def test_it_ends_after_the_interval_when_a_look_is_worth_it(why: str, elapsed: int, expected: bool) -> None:
    if why == "a move pays":
        assert stands(allocated(), asked(**PAYS), NOW + elapsed) is expected
    else:
        assert stands(allocated(obstacles=EXCEEDED), asked(obstacles=EXCEEDED), NOW + elapsed) is expected


@pytest.mark.parametrize("elapsed", [-1, 0, INTERVAL, 1_000 * INTERVAL])
def test_it_stands_for_ever_while_no_look_is_worth_it(elapsed: int) -> None:
    assert stands(allocated(), asked(), NOW + elapsed)


COST = hedge()[1].legs[NAMES[0]].opens
FULL = (Bound(limit="room", most=D(40_000)), Bound(limit="full", most=D(30_000)))
GAINS: dict[str, Any] = {"carry": D("0.2")}
NO_LOSERS: dict[str, Mapping[str, Any]] = {"binance": {"closes": PROHIBITIVE}, "bybit": {"closes": PROHIBITIVE}}


@pytest.mark.parametrize(
    ("legs", "pays"),
    [
        pytest.param({"okx": {"carry": 2 * COST}}, False, id="earns just what the move costs"),
        pytest.param({"okx": {"carry": 2 * COST + D("0.000001")}}, True, id="earns more"),
        pytest.param({"bybit": {"carry": -2 * COST - D("0.000001")}}, True, id="one loses more by staying"),
        pytest.param({"okx": GAINS | {"opens": PROHIBITIVE}}, False, id="a last resort gains nothing"),
        pytest.param({"okx": GAINS | {"carry": 2 * PROHIBITIVE, "opens": PROHIBITIVE}}, False, id="whatever its funding"),
        pytest.param({"okx": GAINS | {"obstacles": (REASON,)}}, False, id="nor does what takes no more"),
        pytest.param({"okx": GAINS | {"bounds": FULL}}, False, id="nor what is full: the least bound counts"),
        pytest.param({"okx": GAINS | {"bounds": FULL[:1]}}, True, id="there is room"),
        pytest.param({"okx": GAINS | {"bounds": ()}}, True, id="nothing bounds it"),
        pytest.param({"okx": GAINS | {"frozen": REASON}}, False, id="what is frozen gains nothing"),
        pytest.param({"okx": GAINS, **NO_LOSERS}, False, id="the others stay"),
        pytest.param({"okx": GAINS, "binance": {"frozen": REASON}, "bybit": {"frozen": REASON}}, False, id="the others are frozen"),
        pytest.param({"okx": GAINS | {"asset": Asset("BTC")}}, False, id="another asset"),
        pytest.param({v: {"obstacles": (REASON,)} for v in ("binance", "bybit", "okx")}, False, id="nothing may grow"),
    ],
)
def test_when_a_move_could_pay(legs: dict[str, Mapping[str, Any]], pays: bool) -> None:
    assert stands(allocated(), asked(**legs), NOW + INTERVAL) is not pays


def test_what_carries_nothing_has_nothing_to_lose() -> None:
    empty = {"short": D(0), "carry": D(-1)}
    ledger = allocated({BINANCE: ("0", "0")})
    assert stands(ledger, asked(binance=empty), NOW + INTERVAL)
    assert not stands(ledger, asked(binance=empty, bybit={"carry": D(-1)}), NOW + INTERVAL)


def inverse_leg(story: Story) -> Leg:
    return question_of(story.ledger, story.policy, story.now).legs[InstrumentId("okx:ETH-USD")]


def test_shares_are_contract_units_so_that_an_inverse_one_stands_while_its_price_moves() -> None:
    policy = policy_for("ETH", instruments=frozenset({"okx:ETH-USD"}))
    story = book(policy, instruments=(inverse("okx", "ETH"),)) >> collateral("ETH", "10") >> decision_due()
    share = Standing(units=D(30_000), was=D(0))
    leg = inverse_leg(story)
    assert units_of(story.ledger, leg, D(10)) == 30_000
    assert short_of(story.ledger, leg, share) == 10
    dearer = replace(story.ledger, quotes={i: replace(q, mark=D(6_000)) for i, q in story.ledger.quotes.items()})
    assert units_of(dearer, leg, D(5)) == 30_000
    assert short_of(dearer, leg, share) == 5
    silent = replace(story.ledger, quotes={})
    assert (units_of(silent, leg, D(10)), short_of(silent, leg, share)) == (30_000, 10)


def test_orders_on_their_way_do_not_end_it() -> None:
    story = book(ETH) >> evenly("30") >> decision_due()
    kept = story.ledger.allocated
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-10")
    for instrument in (BYBIT, BINANCE, OKX):
        story >> accepted(instrument)
    story >> after(100) >> confirmed() >> decision_due() << nothing()
    assert story.ledger.allocated is kept


@pytest.mark.parametrize(
    ("happens", "expected"),
    [
        pytest.param(lambda s: s >> after(100) >> confirmed(), True, id="time passes"),
        pytest.param(lambda s: s >> marks("ETH", "3300"), True, id="the price moves"),
        pytest.param(lambda s: s >> venue_acts(OKX, "1"), False, id="a venue closed a part"),
        pytest.param(lambda s: s >> after(100) >> collateral("ETH", "31"), False, id="collateral came"),
        pytest.param(lambda s: s >> after(100) >> collateral("ETH", "30.01"), True, id="less of it than the band"),
    ],
)
def test_what_ends_it_in_a_story(happens: Callable[[Story], Story], expected: bool) -> None:
    story = happens(hedged())
    assert (standing(story.ledger, ETH, question_of(story.ledger, ETH, story.now), story.now) is not None) is expected


def test_records_are_frozen_values() -> None:
    share = Standing(units=D(1), was=D(2))
    assert share == Standing(units=D("1.0"), was=D(2), limits=())
    with pytest.raises(FrozenInstanceError):
        share.units = D(3)  # type: ignore[misc]  # what is tested


UNITS = st.decimals(0, 20, places=2)


@given(was=UNITS, units=UNITS, short=st.decimals(-5, 25, places=2), off=st.decimals("-0.03", "0.03", places=3))
def test_it_ends_exactly_when_a_position_leaves_its_way_or_the_changes_miss_the_gap(
    was: Decimal, units: Decimal, short: Decimal, off: Decimal
) -> None:
    changes = units - short
    question = asked(changes + off, okx={"short": short})
    is_on_its_way = was <= short <= units or units <= short <= was
    adds_up = abs(off) <= EDGE or abs(changes) <= EDGE  # the net delta of this book is zero
    assert stands(allocated({OKX: (f"{was}", f"{units}")}), question) is (is_on_its_way and adds_up)
