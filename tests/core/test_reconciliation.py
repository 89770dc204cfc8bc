"""A venue's reading against our record: when they agree, when to wait, when to dispute, when to adopt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core.engine import step
from bot.core.events import VenueOrderStatus
from bot.core.order import OrderState
from bot.core.reconciliation import apply_holdings, apply_reading
from bot.core.records import POSITION_LAG_MS, BreakCause, Ledger, Position, TradingState
from bot.core.trading import state_of
from bot.core.units import InstrumentId, VenueId
from tests.core.playbook import (
    accepted,
    after,
    book,
    decision_due,
    evenly,
    fill,
    fill_report,
    filled,
    link,
    order_report,
    place,
    position_report,
    started,
    unreadable,
    venue_acts,
)
from tests.core.story import Story, margin_report, policy_for

D = Decimal
OKX, VENUE = InstrumentId("okx:ETH"), VenueId("okx")


def holding_ten(wait_ms: int = POSITION_LAG_MS + 10_000) -> Story:
    """Ten short at one venue, filled long enough ago that no reading can still be late with it."""
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=D(1))) >> evenly("10") >> decision_due()
    return story << place(OKX, "-10") >> filled(OKX) >> after(wait_ms)


def told(story: Story, quantity: str, *, asked_ms_ago: int = 0, **changes: object) -> ev.VenueReported:
    plain = ev.VenueReported(
        at=story.now,
        venue=VENUE,
        asked_at=story.now - asked_ms_ago,
        clock_offset_ms=0,
        orders=(),
        positions=(position_report(OKX, D(quantity)),),
        fills=(),
        margins=(margin_report(),),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


def read(story: Story, *events: ev.VenueReported) -> Ledger:
    ledger = story.ledger
    for event in events:
        ledger = apply_reading(ledger, event)
    return ledger


def test_a_reading_that_agrees_reconciles_and_tells_margin_and_clock() -> None:
    story = holding_ten()
    record = read(story, told(story, "-10", clock_offset_ms=-30, asked_ms_ago=200)).venues[VENUE]
    assert (record.reconciled, record.reported_at, record.agreed_at) == (True, story.now - 200, story.now - 200)
    assert (record.clock_offset_ms, record.unreadable, record.read_pending) == (-30, None, False)
    assert record.margins["USDT"] == margin_report()  # type: ignore[index]  # a plain string is the asset


@pytest.mark.parametrize("left_out", [True, False])
def test_i06_a_reading_that_leaves_out_a_leg_that_we_hold_does_not_agree(left_out: bool) -> None:
    """What is not told is not flat, and not as it was either."""
    story = holding_ten()
    reading = told(story, "-10")
    ledger = apply_reading(story.ledger, replace(reading, positions=() if left_out else reading.positions))
    assert ledger.positions == story.ledger.positions
    assert ledger.venues[VENUE].reconciled is not left_out
    flat = replace(story.ledger, positions={OKX: Position(quantity=D(0))})
    assert apply_reading(flat, replace(reading, positions=())).venues[VENUE].reconciled


def test_s4_a_difference_is_disputed_once_and_adopted_twice() -> None:
    story = holding_ten()
    once = read(story, told(story, "-14"))
    assert (once.positions[OKX].quantity, once.venues[VENUE].reconciled) == (-10, False)
    assert once.positions[OKX].dispute is not None
    assert once.venues[VENUE].agreed_at != story.now
    twice = read(story, told(story, "-14"), told(story, "-14"))
    assert (twice.positions[OKX].quantity, twice.positions[OKX].dispute, twice.venues[VENUE].reconciled) == (-14, None, True)
    assert twice.tallies.breaks_by_cause == {"unexplained": 1}
    changing = read(story, told(story, "-14"), told(story, "-13"), told(story, "-12"))
    assert changing.positions[OKX].quantity == -10
    assert changing.positions[OKX].dispute is not None
    assert changing.positions[OKX].dispute.since == story.now


@pytest.mark.parametrize(
    ("figure", "cause"), [("-6", "auto_deleveraging"), ("0", "auto_deleveraging"), ("-11", "unexplained"), ("4", "unexplained")]
)
def test_s22_a_position_that_shrank_is_presumed_deleveraged(figure: str, cause: str) -> None:
    story = holding_ten()
    ledger = read(story, told(story, figure), told(story, figure))
    if figure == "0":  # our record held that figure before its fill, but long ago
        assert story.ledger.positions[OKX].left_behind[-1].high == 0
    assert ledger.tallies.breaks_by_cause == {cause: 1}
    assert (ledger.positions[OKX].deleveraged_at is not None) is (cause == "auto_deleveraging")


@given(st.integers(min_value=1, max_value=40_000), st.integers(min_value=2, max_value=8))
def test_s6_f27_a_figure_that_our_record_just_left_is_not_adopted(age_ms: int, readings: int) -> None:
    story = holding_ten(wait_ms=age_ms)
    ledger = read(story, *[told(story, "0")] * readings)
    assert ledger.positions[OKX].quantity == (-10 if age_ms < POSITION_LAG_MS else 0)
    assert ledger.venues[VENUE].reconciled is (age_ms >= POSITION_LAG_MS)


@pytest.mark.parametrize("parts", [1, 16, 25, 400])
@pytest.mark.parametrize("figure", ["-10", "-11", "-12.345"])
def test_a_figure_that_our_record_passed_through_is_late_however_many_fills_the_sweep_had(parts: int, figure: str) -> None:
    """Proofs of the review: a sweep told as one fill while the venue has entered a part, or as more fills than were remembered."""
    story = holding_ten() >> evenly("14") >> decision_due() << place(OKX, "-4")
    for _ in range(parts):
        story >> fill(OKX, f"{D(-4) / parts:f}")
    if figure == "-12.345" and parts > 1:
        story >> after(2_000)
    assert story.position(OKX) == -14
    assert len(story.ledger.positions[OKX].left_behind) == 1
    late = read(story >> after(1_000), *[told(story, figure)] * 3)
    assert (late.positions[OKX].quantity, late.venues[VENUE].reconciled) == (-14, False)
    assert late.positions[OKX].dispute is not None
    story.ledger = late
    over = read(story >> after(POSITION_LAG_MS), told(story, figure))
    assert over.positions[OKX].quantity == D(figure)


@pytest.mark.parametrize("figure", ["-9.99", "-14.01", "0"])
def test_a_figure_that_our_record_did_not_pass_through_is_adopted(figure: str) -> None:
    story = holding_ten() >> evenly("14") >> decision_due() << place(OKX, "-4") >> filled(OKX) >> after(1_000)
    assert read(story, told(story, figure), told(story, figure)).positions[OKX].quantity == D(figure)


def test_what_a_position_left_behind_takes_bounded_room() -> None:
    position = Position(quantity=D(0))
    for ms in range(0, 120_000, 50):
        position = position.moved(D(-1), ms)
    assert len(position.left_behind) <= POSITION_LAG_MS / 1_000 + 1
    assert max(p.high for p in position.left_behind) >= position.quantity + POSITION_LAG_MS // 50
    back = position.moved(D(-1), 0)  # our clock stepped back: what it left then is of unknown age
    assert len(back.left_behind) == 1


def test_a_clock_that_stepped_back_does_not_keep_a_difference_from_being_settled() -> None:
    story = holding_ten(wait_ms=1_000)
    story.now -= 3_600_000
    assert read(story, told(story, "-7"), told(story, "-7")).positions[OKX].quantity == -7


def test_f25_while_an_order_may_fill_a_difference_proves_nothing() -> None:
    story = holding_ten() >> evenly("12") >> decision_due() << place(OKX, "-2") >> accepted(OKX)
    ledger = read(story, told(story, "-12"), told(story, "-12"))
    assert (ledger.positions[OKX].quantity, ledger.positions[OKX].dispute) == (-10, None)
    assert not ledger.venues[VENUE].reconciled
    story >> after(8_000)
    over = read(story, told(story, "-12"), told(story, "-12"))  # it must be over by now: whatever it did is in the reading
    assert over.positions[OKX].quantity == -12
    late = ev.OrderReported(at=story.now + 1, report=order_report(story, OKX, "filled", "-2"))
    assert step(over, late, story.policy).ledger.positions[OKX].quantity == -12


def test_an_order_that_ended_or_a_fill_that_came_during_the_reading_makes_it_wait() -> None:
    story = holding_ten(wait_ms=300)
    during = read(story, told(story, "-3", asked_ms_ago=400))
    assert during.positions[OKX].dispute is None
    ended = replace(story.order(OKX), closed_at=story.now)
    story.ledger = replace(story.ledger, orders={ended.client_order_id: ended})
    assert read(story, told(story, "-3")).positions[OKX].dispute is None
    acted = holding_ten() >> venue_acts(OKX, "4")
    assert read(acted, told(acted, "-10", asked_ms_ago=100)).positions[OKX].dispute is None


def test_the_fills_of_a_reading_explain_its_positions() -> None:
    story = holding_ten()
    adl = replace(
        fill_report(story, OKX, "4", kind=ev.FillKind.AUTO_DELEVERAGING), client_order_id=None, venue_order_id=None, fill_id="adl"
    )
    ledger = read(story, told(story, "-6", fills=(adl,)))
    assert (ledger.positions[OKX].quantity, ledger.venues[VENUE].reconciled) == (-6, True)
    assert ledger.tallies.breaks_by_cause == {"auto_deleveraging": 1}
    assert read(story, told(story, "-6", fills=(adl,)), told(story, "-6", fills=(adl, adl))).positions[OKX].quantity == -6
    news = read(story, told(story, "-3", fills=(adl,)))  # more changed than was told: read again
    assert (news.positions[OKX].quantity, news.positions[OKX].dispute, news.venues[VENUE].reconciled) == (-6, None, False)


def test_the_orders_of_a_reading_are_folded_and_those_not_ours_are_told() -> None:
    story = holding_ten() >> evenly("12") >> decision_due() << place(OKX, "-2")
    ours = order_report(story, OKX, "accepted", "-1")
    foreign = replace(ours, client_order_id=None, venue_order_id="77")
    nameless = replace(foreign, venue_order_id=None)
    gone = replace(foreign, venue_order_id="78", status=VenueOrderStatus.CANCELED)
    ledger = read(story, told(story, "-11", orders=(ours, foreign, nameless, gone)))
    assert ledger.positions[OKX].quantity == -11
    assert ledger.orders[ours.client_order_id].state is OrderState.WORKING  # type: ignore[index]  # it has an id
    assert [o.name for o in ledger.venues[VENUE].foreign_orders] == ["77", "?"]
    assert ledger.tallies.breaks_by_cause == {"foreign_order": 2}
    again = apply_reading(ledger, told(story, "-11", orders=(foreign, replace(ours, client_order_id=None))))
    assert [o.name for o in again.venues[VENUE].foreign_orders] == ["77"]
    assert again.tallies.breaks_by_cause == {"foreign_order": 2}


def test_s12_a_reading_asked_for_before_a_silence_does_not_end_it() -> None:
    story = holding_ten() >> link("okx", "stale") >> after(50) >> link("okx", "up") >> after(50)
    assert not read(story, told(story, "-10", asked_ms_ago=100)).venues[VENUE].reconciled
    assert read(story, told(story, "-10", asked_ms_ago=10)).venues[VENUE].reconciled
    assert step(story.ledger, ev.VenueLinkChanged(at=9, venue=VENUE, link=ev.VenueLink.UP, reason=""), story.policy).ledger is story.ledger


def test_s5_a_failed_reading_teaches_nothing_and_is_told_once() -> None:
    story = holding_ten() >> unreadable("okx") >> unreadable("okx")
    record = story.ledger.venues[VENUE]
    assert (record.unreadable, record.read_pending) == ("timed out", False)
    assert story.ledger.positions[OKX].quantity == -10
    assert sum("not readable" in n.sentence for n in story.ledger.notes) == 1


def never_read() -> Story:
    story = holding_ten()
    story.ledger = replace(story.ledger, positions={}, fill_ids={})
    return story


def first_reading(story: Story, quantity: str, asked_ms_ago: int = 400, **changes: object) -> ev.VenueReported:
    return told(story, quantity, asked_ms_ago=asked_ms_ago, **changes)


def test_a_position_from_before_counts_at_once_and_is_settled_when_two_answers_say_the_same() -> None:
    story = never_read()
    once = read(story, first_reading(story, "-3"))
    assert (once.positions[OKX].quantity, once.positions[OKX].is_told_once, once.venues[VENUE].reconciled) == (-3, True, False)
    ledger = apply_reading(once, told(story, "-3"))
    position = ledger.positions[OKX]
    assert (position.quantity, position.is_told_once, position.adopted_here_at) == (-3, False, story.now - 400)
    assert ledger.tallies.breaks_by_cause == {"pre_existing": 1}
    assert (ledger.venues[VENUE].reconciled, ledger.venues[VENUE].first_told) == (True, {})
    flat = read(story, first_reading(story, "0"), told(story, "0"))
    assert (flat.positions[OKX].quantity, flat.positions[OKX].is_told_once, flat.tallies.breaks_by_cause) == (0, False, {})


@pytest.mark.parametrize("wrong", ["-5", "0", "-12"])
def test_a_first_answer_that_is_wrong_gives_way_and_is_no_break(wrong: str) -> None:
    """Of a position that no record has, one answer is all there is: what is missing by it would be hedged a second time."""
    story = never_read()
    once = read(story, first_reading(story, wrong))
    differing = apply_reading(once, first_reading(story, "-10", 300))
    position, record = differing.positions[OKX], differing.venues[VENUE]
    assert (position.quantity, position.is_told_once, position.origin, record.reconciled) == (-10, True, BreakCause.PRE_EXISTING, False)
    assert any(n.sentence == f"told once as {wrong}, and then as -10" for n in differing.notes)
    ledger = apply_reading(differing, told(story, "-10"))
    position, record = ledger.positions[OKX], ledger.venues[VENUE]
    assert (position.quantity, position.is_told_once, record.reconciled, ledger.states) == (-10, False, True, once.states)
    assert set(ledger.tallies.breaks_by_cause) == {"pre_existing"}


def test_a_fill_between_first_answers_moves_what_the_first_one_told_and_a_late_second_one_waits() -> None:
    story = never_read()
    once = read(story, first_reading(story, "-10"))
    foreign = replace(fill_report(story, OKX, "4"), client_order_id=None, venue_order_id="77", venue_at=story.now - 300)
    late = apply_reading(once, first_reading(story, "-10", 200, fills=(foreign,)))
    assert (late.positions[OKX].quantity, late.positions[OKX].is_told_once, late.venues[VENUE].reconciled) == (-6, True, False)
    again = apply_reading(late, first_reading(story, "-10", 100))
    assert again.positions[OKX].quantity == -6
    ledger = apply_reading(again, told(story, "-6"))
    assert (ledger.positions[OKX].quantity, ledger.venues[VENUE].reconciled) == (-6, True)
    assert set(ledger.tallies.breaks_by_cause) == {"pre_existing", "foreign_fill"}


def test_one_answer_told_twice_is_one_answer() -> None:
    """A start tells what came of its question before the fills did, and again with them."""
    story = never_read()
    early = ev.HoldingsReported(
        at=story.now,
        venue=VENUE,
        asked_at=story.now - 400,
        clock_offset_ms=0,
        orders=(),
        positions=(position_report(OKX, D(-5)),),
        margins=(margin_report(),),
    )
    record = replace(story.ledger.venues[VENUE], reported_at=None)
    known = replace(story.ledger, venues={**story.ledger.venues, VENUE: record})
    once = apply_reading(apply_holdings(known, early, story.policy), first_reading(story, "-5"))
    assert (once.positions[OKX].is_told_once, once.venues[VENUE].reconciled) == (True, False)
    twice = apply_reading(apply_holdings(known, replace(early, asked_at=story.now - 200), story.policy), first_reading(story, "-5"))
    assert (twice.positions[OKX].is_told_once, twice.venues[VENUE].reconciled) == (False, True)


def test_a_telling_of_the_run_before_is_no_first_answer() -> None:
    story = never_read()
    works = replace(order_report(story, OKX, "accepted", "0"), client_order_id=None, venue_order_id="77")
    story.ledger = read(story, first_reading(story, "-3", orders=(works,)))
    assert story.ledger.venues[VENUE].first_told == {OKX: -3}
    story >> started()
    assert (story.ledger.venues[VENUE].first_told, story.ledger.venues[VENUE].first_told_at) == ({}, None)


@pytest.mark.parametrize("during", ["an execution", "a working order"])
def test_what_moves_during_first_answers_is_adopted_when_two_agree(during: str) -> None:
    story = never_read()
    foreign = replace(fill_report(story, OKX, "-1"), client_order_id=None, venue_order_id="77", venue_at=story.now - 100)
    works = replace(order_report(story, OKX, "accepted", "0"), client_order_id=None, venue_order_id="77")
    changes = {"fills": (foreign,)} if during == "an execution" else {"orders": (works,)}
    event = first_reading(story, "-3", **changes)
    assert read(story, event).positions == {}
    assert read(story, event, first_reading(story, "-4", 300, **changes)).positions == {}
    again = read(story, event, first_reading(story, "-3", 300, **changes))
    assert (OKX in again.positions) is (during == "a working order")  # an execution may be in neither
    last = apply_reading(apply_reading(again, first_reading(story, "-3", 90, **changes)), first_reading(story, "-3", 50, **changes))
    assert last.positions[OKX].quantity == -3


SHUFFLED = st.permutations(range(5)).flatmap(
    lambda order: st.lists(st.sampled_from(range(5)), max_size=4).map(lambda again: [*order, *again])
)


@given(SHUFFLED, st.sets(st.integers(min_value=0, max_value=4)), st.integers(min_value=0, max_value=3))
def test_s4_fills_shuffled_doubled_and_dropped_end_at_what_the_venue_has(sequence: list[int], dropped: set[int], restarts: int) -> None:
    """Whatever the stream lost, one reading with its fills makes the record the venue's, and no order is placed for it."""
    story = book(policy_for("ETH", venues=("okx",), venue_share_max=D(1))) >> evenly("10") >> decision_due()
    story << place(OKX, "-10")
    fills = [fill_report(story, OKX, "-2") for _ in range(5)]
    for n in sequence:
        if n not in dropped:
            story.feed(ev.FillReported(at=story.now, fill=fills[n]))
    for _ in range(restarts):
        story.feed(ev.SessionStarted(at=story.now, epoch=f"r{story.now}", config_hash="c", policy=story.policy))
    story >> after(20_000) >> link("okx", "up") >> evenly("10")
    story.feed(told(story, "-10", fills=tuple(fills)))
    assert story.position(OKX) == -10
    assert story.ledger.venues[VENUE].reconciled
    story >> decision_due()
    story.close()


@pytest.mark.parametrize(("kind", "reduces"), [("trade", True), ("liquidation", True), ("auto_deleveraging", False), ("settlement", False)])
def test_c25_fills_that_are_somebody_elses_make_their_venue_reduce(kind: str, reduces: bool) -> None:
    story = holding_ten()
    fill_of = fill_report(story, OKX, "4", kind=ev.FillKind(kind), client_order_id=None, venue_order_id=None)
    ledger = read(story, told(story, "-6", fills=(fill_of,)))
    assert state_of(ledger, VENUE) is (TradingState.REDUCING if reduces else TradingState.ACTIVE)
    assert read(story, told(story, "-10")).states == ()


@pytest.mark.parametrize(
    ("figure", "state"), [("-6", "reducing"), ("0", "reducing"), ("-11", "halted"), ("4", "halted"), ("-10", "active")]
)
def test_what_is_adopted_brings_its_venue_into_a_state(figure: str, state: str) -> None:
    story = holding_ten()
    once = read(story, told(story, figure))
    assert once.states == ()  # one reading is a sample
    ledger = read(story, told(story, figure), told(story, figure))
    assert state_of(ledger, VENUE).value == state


BTC = InstrumentId("okx:BTC")


@pytest.mark.parametrize(
    ("held", "figures", "cause"),
    [
        (("-10", "-1"), ("0", "0"), "unexplained"),
        (("-10", "-1"), ("0", "-0.5"), "auto_deleveraging"),
        (("-10", "0"), ("0", "0"), "auto_deleveraging"),
        ((None, "-1"), ("0", "0"), "auto_deleveraging"),
    ],
)
def test_only_several_positions_that_vanish_together_are_an_account_that_was_reset(
    held: tuple[str | None, str], figures: tuple[str, str], cause: str
) -> None:
    positions = {i: Position(quantity=D(q)) for i, q in zip((OKX, BTC), held, strict=True) if q is not None}
    ledger = replace(book(policy_for("ETH")).ledger, positions=positions)
    story = holding_ten()
    rows = tuple(position_report(i, D(q)) for i, q in zip((OKX, BTC), figures, strict=True))
    for _ in range(2):
        ledger = apply_reading(ledger, told(story, "0", positions=rows))
    assert set(ledger.tallies.breaks_by_cause) == {cause}
    assert state_of(ledger, VENUE).value == ("halted" if cause == "unexplained" else "reducing")
