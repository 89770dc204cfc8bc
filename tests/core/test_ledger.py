"""How facts change the record: each fill moves it once, whichever way it is told."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import events as ev
from bot.core import ledger as book_of
from bot.core import observations
from bot.core.ceilings import CEILINGS
from bot.core.engine import step
from bot.core.order import OrderState, Trigger
from bot.core.records import FILLS_REMEMBERED, NOTES_REMEMBERED, ORDERS_REMEMBERED, ORDERS_REMEMBERED_MS, Ledger, Note, Position
from bot.core.seen import GENERATION
from bot.core.traffic import orders_in_window
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId
from tests.core.market_words import narrow
from tests.core.playbook import (
    accepted,
    book,
    collateral,
    decision_due,
    evenly,
    fill_report,
    not_found,
    order_report,
    outcome_unknown,
    place,
    reading,
    venue_acts,
)
from tests.core.story import Story, policy_for

D = Decimal
OKX = InstrumentId("okx:ETH")


def one_order() -> Story:
    """A book at one venue with one order of -10 on its way."""
    policy = policy_for("ETH", venues=("okx",), venue_share_max=D(1))
    return book(policy) >> evenly("10") >> decision_due() << place(OKX, "-10")


def told(story: Story, *events: ev.Event) -> Ledger:
    ledger = story.ledger
    for event in events:
        ledger = step(ledger, event, story.policy).ledger
    return ledger


def news(story: Story) -> dict[str, ev.Event]:
    at, order_id = story.now, story.order(OKX).client_order_id
    return {
        "ack": ev.OrderReported(at=at, report=order_report(story, OKX, "accepted", "0")),
        "fill": ev.FillReported(at=at, fill=fill_report(story, OKX, "-4", fill_id="x1")),
        "anonymous fill": ev.FillReported(at=at, fill=fill_report(story, OKX, "-2", fill_id="x2", client_order_id=None)),
        "cancel-ack": ev.OrderReported(at=at, report=order_report(story, OKX, "canceled", "-6")),
        "cancel-reject": ev.CancelUnconfirmed(at=at, client_order_id=order_id, reason="unknown order"),
        "report": ev.OrderReported(at=at, report=order_report(story, OKX, "accepted", "-6")),
    }


def test_s28_f21_f22_f24_every_order_and_any_repetition_moves_the_position_once() -> None:
    story = one_order()
    happened = news(story)
    for sequence in permutations(happened.values()):
        ledger = told(story, *sequence, *sequence)
        assert ledger.positions[OKX].quantity == -6
        assert ledger.orders[story.order(OKX).client_order_id].filled == -6
        assert ledger.tallies.breaks_by_cause == {}


@given(st.lists(st.sampled_from(["ack", "fill", "cancel-ack", "cancel-reject", "report"]), max_size=12))
def test_c24_a_replayed_stream_never_moves_more_than_was_told(names: list[str]) -> None:
    story = one_order()
    happened = news(story)
    ledger = told(story, *(happened[n] for n in names))
    expected = -6 if {"cancel-ack", "report"} & set(names) else -4 if "fill" in names else 0
    assert ledger.positions[OKX].quantity == expected


def test_a_report_that_says_nothing_new_changes_nothing_and_hurries_nothing() -> None:
    story = one_order()
    report = news(story)["ack"]
    ledger = told(story, report)
    again = step(ledger, report, story.policy)
    assert again.ledger is ledger
    assert not again.decide_soon


def test_a_report_that_carries_only_the_venues_id_finds_its_order() -> None:
    story = one_order()
    named = news(story)["ack"]
    nameless = ev.OrderReported(at=story.now, report=order_report(story, OKX, "canceled", "-3", client_order_id=None))
    assert told(story, named, nameless).positions[OKX].quantity == -3
    assert told(story, nameless).positions[OKX].quantity == 0  # before the venue's id is known it could be anybody's


def test_a_report_or_fill_without_any_id_is_nobodys_order() -> None:
    story = one_order()
    stray = replace(order_report(story, OKX, "filled", "-10"), client_order_id=None, venue_order_id=None)
    assert book_of.apply_order_report(story.ledger, stray, story.now) is story.ledger
    ledger = told(story, news(story)["ack"])
    fill = replace(fill_report(story, OKX, "-1"), client_order_id=None, venue_order_id=None, venue_at=story.now)
    assert told(story, news(story)["ack"], ev.FillReported(at=story.now, fill=fill)).tallies.breaks_by_cause == {"foreign_fill": 1}
    assert ledger.positions[OKX].quantity == 0


def test_a_fill_that_may_be_of_an_unidentified_order_waits() -> None:
    story = one_order()
    fill = ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-4", client_order_id=None, venue_order_id="v9"))
    assert told(story, fill) is story.ledger
    named = ev.OrderReported(at=story.now, report=order_report(story, OKX, "accepted", "0", venue_order_id="v9"))
    assert told(story, fill, named, fill).positions[OKX].quantity == -4


def test_a_late_fill_of_an_order_that_ended_before_an_adopted_reading_is_in_it_already() -> None:
    for state in (OrderState.CANCELED, OrderState.ABSENT, OrderState.REFUSED):
        story = one_order()
        order = replace(story.order(OKX), state=state, closed_at=story.now)
        at = story.now + 5_000
        adopted = Position(quantity=D(-4), adopted_at=at, adopted_here_at=at, adopted_after=order.client_order_id)
        story.ledger = replace(story.ledger, orders={order.client_order_id: order}, positions={OKX: adopted})
        late = ev.FillReported(at=story.now + 6_000, fill=fill_report(story, OKX, "-4"))
        assert told(story, late).positions[OKX].quantity == -4, state
        before = replace(adopted, adopted_here_at=story.now - 1)
        story.ledger = replace(story.ledger, positions={OKX: before})
        assert told(story, late).positions[OKX].quantity == -8, state


def test_a_fill_before_any_reading_moves_nothing_that_is_not_known() -> None:
    story = one_order()
    story.ledger = replace(story.ledger, positions={})
    after = told(story, news(story)["fill"])
    assert after.positions == {}
    assert after.orders[story.order(OKX).client_order_id].filled == -4
    story >> venue_acts(OKX, "3")
    assert story.ledger.positions == {}


def test_a_foreign_fill_from_before_an_adopted_reading_is_in_it_already() -> None:
    story = one_order()
    old = replace(fill_report(story, OKX, "1"), client_order_id=ClientOrderId("other"), venue_at=story.now - 5_000)
    assert told(story, ev.FillReported(at=story.now, fill=old)).positions[OKX].quantity == 0


def test_fees_slippage_and_notional_are_tallied_in_dollars() -> None:
    story = one_order()
    paid = {"a": (D("0.1"), "USDT"), "b": (D("0.0001"), "ETH"), "c": (D("0.01"), "BNB"), "d": (D("0.2"), None), "e": (None, None)}
    fills = [
        ev.FillReported(
            at=story.now, fill=fill_report(story, OKX, "-1", fill_id=n, fee=fee, fee_asset=asset and Asset(asset), price=D(2999))
        )
        for n, (fee, asset) in paid.items()
    ]
    tallies = told(story, *fills).tallies
    assert tallies.fees_usd == D("0.1") + D("0.2") + D("0.0001") * 2999
    assert tallies.filled_notional_usd == 5 * 2999
    assert tallies.slippage_usd == 5  # sold five at one below the middle of the book
    assert tallies.fills == 5


def test_outcomes_are_counted_once_per_end() -> None:
    story = one_order()
    ledger = told(story, news(story)["fill"], ev.OrderReported(at=story.now, report=order_report(story, OKX, "canceled", "-4")))
    assert ledger.tallies.orders_by_outcome == {"partially_filled": 1}


def test_memories_are_bounded_and_open_orders_are_never_forgotten() -> None:
    story = one_order()
    template = story.order(OKX)
    closed = replace(template, state=OrderState.REFUSED, closed_at=1)
    many = {ClientOrderId(f"x{n}"): replace(closed, client_order_id=ClientOrderId(f"x{n}")) for n in range(ORDERS_REMEMBERED + 100)}
    ledger = replace(story.ledger, orders={template.client_order_id: template, **many})
    after = book_of.change_order(ledger, template.client_order_id, Trigger.ACCEPTED, 5)
    assert template.client_order_id in after.orders
    assert len(after.orders) == ORDERS_REMEMBERED + 1
    assert ClientOrderId("x0") not in after.orders
    for n in range(FILLS_REMEMBERED + 5):
        ledger = book_of.apply_fill(ledger, fill_report(story, OKX, "-0.001", fill_id=f"f{n}"), story.now)
    newest = [f"f{n}" for n in range(5, FILLS_REMEMBERED + 5)]
    assert all(fill_id in ledger.fill_ids[OKX] for fill_id in newest)
    assert len(ledger.fill_ids[OKX]) < FILLS_REMEMBERED + 2 * GENERATION
    for n in range(NOTES_REMEMBERED + 5):
        ledger = book_of.noted(ledger, Note(at=n, kind="k", subject="s", sentence="s"))
    assert [n.at for n in ledger.notes][::39] == [5, 44]


def test_i09_c12_no_order_is_forgotten_while_a_rate_window_may_count_it() -> None:
    """At many venues more orders than are remembered close within one window: each counts to its end."""
    story = one_order()
    template, placed_at = story.order(OKX), story.now - ORDERS_REMEMBERED_MS + 1
    closed = replace(template, state=OrderState.REFUSED, closed_at=placed_at, placed_at=placed_at)
    many = {ClientOrderId(f"x{n}"): replace(closed, client_order_id=ClientOrderId(f"x{n}")) for n in range(3 * ORDERS_REMEMBERED)}
    ledger = replace(story.ledger, orders={**many, template.client_order_id: template})
    policy = replace(story.policy, order_rate_window_ms=ORDERS_REMEMBERED_MS)
    after = book_of.change_order(ledger, template.client_order_id, Trigger.ACCEPTED, story.now)
    assert orders_in_window(after, policy, VenueId("okx"), story.now) == 3 * ORDERS_REMEMBERED + 1
    later = book_of.change_order(after, template.client_order_id, Trigger.ENDED, story.now + 1)
    assert len(later.orders) == ORDERS_REMEMBERED
    assert CEILINGS["order_rate_window_ms"].highest <= ORDERS_REMEMBERED_MS
    assert CEILINGS["duplicate_window_ms"].highest <= ORDERS_REMEMBERED_MS


def test_c24_a_fill_that_was_forgotten_and_is_told_again_counts_no_second_time() -> None:
    """A sweep of thousands of fills lies within the span that each reading asks for again."""
    story = one_order()
    first = fill_report(story, OKX, "-0.001", fill_id="f0")
    ledger = book_of.apply_fill(story.ledger, first, story.now)
    for n in range(1, FILLS_REMEMBERED + 2 * GENERATION):
        ledger = book_of.apply_fill(ledger, replace(first, fill_id=f"f{n}", venue_at=first.venue_at + n), story.now)
    assert "f0" not in ledger.fill_ids[OKX]
    assert book_of.apply_fill(ledger, first, story.now) is ledger
    newer = replace(first, fill_id="new", venue_at=first.venue_at + FILLS_REMEMBERED)
    assert book_of.apply_fill(ledger, newer, story.now).positions[OKX].quantity == ledger.positions[OKX].quantity - D("0.001")


def test_c24_a_first_fill_that_is_told_after_its_order_was_forgotten_is_no_strangers() -> None:
    """The order's report was counted, its fill was lost on the stream, and hundreds of orders closed before a reading tells it."""
    story = one_order()
    order = story.order(OKX)
    late = ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-10"))
    ledger = told(story, ev.OrderReported(at=story.now, report=order_report(story, OKX, "filled", "-10")))
    assert ledger.positions[OKX].quantity == -10
    ledger = replace(ledger, orders={})
    after = told(replace_ledger(story, ledger), late)
    assert after.positions[OKX].quantity == -10
    assert after.tallies.breaks_by_cause == ledger.tallies.breaks_by_cause
    earlier_life = replace(late.fill, client_order_id=ClientOrderId(f"e0{order.client_order_id[2:]}"))
    assert told(replace_ledger(story, ledger), replace(late, fill=earlier_life)).positions[OKX].quantity == -20, "that one nobody entered"


def replace_ledger(story: Story, ledger: Ledger) -> Story:
    """The story with another ledger."""
    story.ledger = ledger
    return story


def test_facts_about_orders_that_are_not_ours_change_nothing() -> None:
    story = one_order()
    nobody = ClientOrderId("nobody")
    for event in (
        ev.OrderAbsent(at=1, client_order_id=nobody, venue_clock_at=1),
        ev.CancelUnconfirmed(at=1, client_order_id=nobody, reason="?"),
        ev.LookUpFailed(at=1, client_order_id=nobody, reason="?"),
    ):
        assert told(story, event) is story.ledger
    assert book_of.change_order(story.ledger, nobody, Trigger.REFUSED, 1) is story.ledger


def test_an_absence_without_the_venues_clock_or_without_any_agreement_proves_nothing() -> None:
    story = one_order()
    story.ledger = book_of.change_order(story.ledger, story.order(OKX).client_order_id, Trigger.UNANSWERED, story.now)
    late = story.now + 100_000
    absent = ev.OrderAbsent(at=late, client_order_id=story.order(OKX).client_order_id, venue_clock_at=late)
    venue = VenueId("okx")
    good = replace(story.ledger.venues[venue], reconciled=True, agreed_at=late - 1_000)
    for record, ends in (
        (good, True),
        (replace(good, clock_offset_ms=None), False),
        (replace(good, agreed_at=None), False),
        (replace(good, reconciled=False), False),
        (replace(good, agreed_at=story.order(OKX).over_at), False),
    ):
        ledger = replace(story.ledger, venues={venue: record})
        state = book_of.apply_absence(ledger, absent, story.policy).orders[absent.client_order_id].state
        assert (state is OrderState.ABSENT) is ends, record


def test_f23_a_venues_clock_that_is_behind_proves_no_absence_whatever_was_read() -> None:
    story = one_order()
    story.ledger = book_of.change_order(story.ledger, story.order(OKX).client_order_id, Trigger.UNANSWERED, story.now)
    order = story.order(OKX)
    record = replace(story.ledger.venues[VenueId("okx")], agreed_at=order.over_at + 1_000)
    ledger = replace(story.ledger, venues={VenueId("okx"): record})
    for clock, ends in ((order.expires_at + 1_000, False), (order.expires_at + 1_001, True)):
        absent = ev.OrderAbsent(at=order.over_at + 2_000, client_order_id=order.client_order_id, venue_clock_at=clock)
        state = book_of.apply_absence(ledger, absent, story.policy).orders[order.client_order_id].state
        assert (state is OrderState.ABSENT) is ends


def test_f46_after_our_clock_stepped_back_a_fill_counts_although_a_reading_was_adopted_later_by_that_clock() -> None:
    """The reading came first; only its instant, told by the clock from before the step, lies behind the order's end."""
    story = one_order()
    order = story.order(OKX)
    for ahead in (60_000, 3_600_000):
        adopted = replace(story.ledger.positions[OKX], adopted_at=story.now, adopted_here_at=story.now + ahead)
        assert adopted.adopted_after < order.client_order_id
        story.ledger = replace(story.ledger, positions={OKX: adopted})
        fill = ev.FillReported(at=story.now, fill=fill_report(story, OKX, "-4"))
        assert told(story, fill).positions[OKX].quantity == -4


def test_f46_a_reading_from_before_our_clock_stepped_back_proves_no_absence() -> None:
    story = one_order()
    story.ledger = book_of.change_order(story.ledger, story.order(OKX).client_order_id, Trigger.UNANSWERED, story.now)
    order = story.order(OKX)
    absent = ev.OrderAbsent(at=story.now + 10_000, client_order_id=order.client_order_id, venue_clock_at=order.expires_at + 100_000)
    for agreed_at, ends in ((story.now + 9_000, True), (story.now + 3_600_000, False)):
        record = replace(story.ledger.venues[VenueId("okx")], agreed_at=agreed_at)
        ledger = replace(story.ledger, venues={VenueId("okx"): record})
        state = book_of.apply_absence(ledger, absent, story.policy).orders[order.client_order_id].state
        assert (state is OrderState.ABSENT) is ends


def test_f46_a_venue_whose_link_came_up_before_our_clock_stepped_back_agrees_with_the_next_reading() -> None:
    story = one_order() >> venue_acts(OKX, "0")
    record = replace(story.ledger.venues[VenueId("okx")], link_since=story.now + 3_600_000, reconciled=False)
    story.ledger = replace(story.ledger, orders={}, venues={VenueId("okx"): record})
    assert (story >> reading("okx")).ledger.venues[VenueId("okx")].reconciled


def test_collateral_totals_replace_each_other_and_are_told_when_they_change() -> None:
    story = one_order() >> evenly("12") >> evenly("12") >> narrow("3") >> collateral("ETH", "3", location="cold")
    assert [n.sentence for n in story.ledger.notes if n.kind == "collateral"] == [
        "ETH at vault: 0 -> 10",
        "ETH at vault: 10 -> 12",
        "ETH at cold: 0 -> 3",
    ]


def test_an_unreadable_source_is_told_once_and_forgiven_when_it_speaks() -> None:
    ledger = observations.source_unreadable(Ledger(), "custody", "503", 1)
    assert observations.source_unreadable(ledger, "custody", "503", 2) is ledger
    assert observations.confirm_source(ledger, ev.CollateralConfirmed(at=3, source="custody")).sources_unreadable == {}


def test_a_restart_forgets_what_only_a_run_can_know() -> None:
    story = one_order()
    story.ledger = replace(story.ledger, invariants_broken=("old",), stopping=True)
    ledger = book_of.restart(story.ledger, ev.SessionStarted(at=9, epoch="e9", config_hash="c", policy=story.policy))
    assert (ledger.epoch, ledger.order_number, ledger.stopping, ledger.invariants_broken) == ("e9", 0, False, ("old",))
    assert (ledger.sources_confirmed_at, ledger.quotes) == ({}, {})
    assert ledger.orders[story.order(OKX).client_order_id].state is OrderState.IN_DOUBT
    record = ledger.venues[VenueId("okx")]
    assert (record.link, record.reconciled, record.read_pending, record.read_asked_at) == (ev.VenueLink.DOWN, False, False, None)
    assert ledger.positions == story.ledger.positions
    assert ledger.holdings == story.ledger.holdings


def test_positions_at_a_venue() -> None:
    story = book(policy_for("BTC", "ETH"))
    assert set(book_of.positions_at(story.ledger, VenueId("okx"))) == {"okx:BTC", "okx:ETH"}


@pytest.mark.parametrize("kind", list(ev.FillKind))
def test_every_kind_of_foreign_fill_has_a_cause(kind: ev.FillKind) -> None:
    story = one_order()
    if kind is ev.FillKind.TRADE:
        assert told(story >> venue_acts(OKX, "-1", kind="trade")).tallies.breaks_by_cause == {}  # it might be of the order
        story >> accepted(OKX)
    story >> venue_acts(OKX, "-1", kind=kind.value)
    assert list(story.ledger.tallies.breaks_by_cause) == [book_of.CAUSE_OF_FILL[kind].value]
    taken = kind in (ev.FillKind.AUTO_DELEVERAGING, ev.FillKind.LIQUIDATION)
    assert (story.ledger.positions[OKX].deleveraged_at is not None) is taken


def test_s29_a_fill_of_another_venue_order_under_our_id_counts_and_is_not_ours() -> None:
    story = one_order() >> accepted(OKX)
    fill = fill_report(story, OKX, "-4", fill_id="x9", venue_order_id="somebody-else")
    ledger = told(story, ev.FillReported(at=story.now, fill=fill))
    assert ledger.orders[story.order(OKX).client_order_id].filled == 0
    assert ledger.positions[OKX].quantity == -4


@pytest.mark.parametrize(("filled", "state"), [("-4", OrderState.IN_DOUBT), ("-10", OrderState.FILLED)])
def test_what_fills_tell_of_an_order_that_was_not_found_counts_and_all_of_it_ends_the_doubt(filled: str, state: OrderState) -> None:
    story = one_order() >> outcome_unknown(OKX) >> not_found(OKX, filled)
    order = story.ledger.orders[story.order(OKX).client_order_id]
    assert (order.filled, order.state) == (D(filled), state)
    assert story.ledger.positions[OKX].quantity == D(filled)
    assert (order.doubted_at is not None) is (state is OrderState.IN_DOUBT)


@pytest.mark.parametrize(("filled", "state"), [("0", OrderState.ABSENT), ("-4", OrderState.CANCELED), ("-10", OrderState.FILLED)])
def test_a_persons_word_ends_a_doubt_with_what_filled(filled: str, state: OrderState) -> None:
    story = one_order() >> outcome_unknown(OKX)
    ledger = book_of.end_doubt(story.ledger, story.order(OKX).client_order_id, D(filled), story.now)
    order = ledger.orders[story.order(OKX).client_order_id]
    assert (order.filled, order.state, order.closed_at) == (D(filled), state, story.now)
    assert ledger.positions[OKX].quantity == D(filled)
