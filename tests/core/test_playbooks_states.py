"""Stories of trading states: what brings them, what they let through, what ends them. The language is in `playbook` and `operators`."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core import risk
from bot.core.copying import replace
from bot.core.limits import Limit
from bot.core.order import OrderState
from bot.core.records import BreakCause
from bot.core.trading import causes
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.foreign import adopts
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, before_us, hedged, in_doubt_at_okx
from tests.core.operators import act, halts, quarantines, reduces, resolves, resumes, state_is
from tests.core.playbook import (
    accepted,
    after,
    book,
    breach,
    cancel,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    fill_report,
    filled,
    funding,
    holds,
    link,
    net_delta,
    nothing,
    order_is,
    place,
    read,
    reading,
    reported_filled,
    says,
    started,
    venue_acts,
)
from tests.core.story import Story, policy_for

QUIET_MS = ETH.quiet_period_ms


def later(story: Story, ms: int) -> Story:
    """So much later, with everything read, agreed and confirmed anew: only time has passed."""
    story >> after(ms) >> confirmed() >> decision_due() << nothing()
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    return story


def shrunk(story: Story, figure: str = "-6") -> Story:
    """OKX tells twice, long after any fill, that the position is another."""
    story >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH=figure) >> after(600) >> decision_due() << read("okx")
    return story >> reading("okx", ETH=figure) << holds(OKX, figure)


def test_an_unexplained_decrease_is_hedged_elsewhere_and_its_venue_reduces_until_all_was_quiet() -> None:
    story = shrunk(hedged("30")) << state_is("reducing", "okx") << state_is("active") << breach("auto_deleveraging", "okx")
    story << says("active -> reducing: auto_deleveraging, okx:ETH: record -10.000, venue -6")
    story >> narrow("36") >> decision_due() << place(BYBIT, "-2") << place(BINANCE, "-2") >> filled(BYBIT, BINANCE)
    story << net_delta("ETH", "0")
    # What is too much is still taken off there, and nothing is added.
    story >> narrow("22.5") >> collateral("ETH", "21") >> decision_due()
    story << place(BYBIT, "4.5", reduce_only=True) << place(BINANCE, "4.5", reduce_only=True)
    story >> filled(BYBIT, BINANCE)
    later(story, QUIET_MS - 1) >> narrow("25.5") >> collateral("ETH", "23") >> decision_due()
    story << place(BYBIT, "-1") << place(BINANCE, "-1") >> filled(BYBIT, BINANCE) << state_is("reducing", "okx")
    story >> after(1) >> collateral("ETH", "24") >> decision_due() << place(OKX, "-1") << state_is("active", "okx")
    (story >> filled(OKX) << net_delta("ETH", "0") << says("auto_deleveraging, quiet for 300000 ms")).close()


@pytest.mark.parametrize(("figure", "excess"), [("-14", "-4"), ("3", "13")])
def test_an_unexplained_increase_or_flip_halts_its_venue_until_a_named_person(figure: str, excess: str) -> None:
    story = shrunk(hedged("30"), figure) << state_is("halted", "okx") << net_delta("ETH", excess) << breach("unexplained_position", "okx")
    half = f"{-Decimal(excess) / 2:f}"
    closes = Decimal(excess) < 0
    story >> narrow("49.5") >> decision_due() << place(BYBIT, f"{-Decimal(excess):f}" if closes else half, reduce_only=closes)
    if not closes:
        story << place(BINANCE, half)
    story >> filled(*([BYBIT] if closes else [BYBIT, BINANCE])) << net_delta("ETH", "0") << holds(OKX, figure)
    later(story, 10 * QUIET_MS) >> evenly("10") >> decision_due() << state_is("halted", "okx")
    while [o for o in story.ledger.open_orders() if o.instrument != OKX]:  # nothing is sent there, not even a reduction
        assert not story.ledger.open_orders(InstrumentId(OKX))
        open_at = [o.instrument for o in story.ledger.open_orders()]
        story.outbox.clear()
        story >> filled(*open_at) >> decision_due()
    story >> resumes("alice", "bybit") << state_is("halted", "okx") >> resumes("alice", "okx") << state_is("active", "okx")
    assert story.ledger.notes[-1].sentence == "halted -> active: resumed by alice, a drill"
    story.outbox.clear()
    story.close()


def test_positions_that_vanish_together_are_no_deleveraging() -> None:
    story = book(policy_for("ETH", "BTC")) >> evenly("30") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX)
    story >> evenly("3", "BTC") >> decision_due()
    for venue in ("binance", "bybit", "okx"):
        story << place(f"{venue}:BTC", "-1")
    story >> filled("binance:BTC", "bybit:BTC", "okx:BTC") >> after(40_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", ETH="0", BTC="0") >> after(600) >> decision_due() << read("okx")
    story >> reading("okx", ETH="0", BTC="0") << state_is("halted", "okx") << says("an account that was reset, or is not ours")
    assert story.ledger.tallies.breaks_by_cause == {BreakCause.UNEXPLAINED.value: 2}
    story >> narrow("45") >> narrow("4.5", "BTC") >> decision_due()
    for instrument, quantity in ((BYBIT, "-5"), (BINANCE, "-5"), ("bybit:BTC", "-0.5"), ("binance:BTC", "-0.5")):
        story << place(instrument, quantity)
    story.close()


def test_one_position_that_vanished_alone_is_presumed_liquidated() -> None:
    story = shrunk(hedged("30"), "0") << state_is("reducing", "okx") >> narrow("45") >> decision_due()
    (story << place(BYBIT, "-5") << place(BINANCE, "-5")).close()


def test_c25_a_foreign_order_and_a_foreign_fill_each_make_their_venue_reduce() -> None:
    theirs = ev.OrderReport(
        instrument=InstrumentId(OKX),
        client_order_id=ClientOrderId("somebody"),
        venue_order_id="9",
        status=ev.VenueOrderStatus.ACCEPTED,
        filled_quantity=Decimal(0),
        average_price=None,
        venue_at=None,
    )
    story = hedged("30") >> after(10_000) >> confirmed() >> decision_due() << read("okx")
    story >> reading("okx", orders=(theirs,)) << state_is("reducing", "okx") << breach("foreign_orders", "okx")
    # However long ago it came: while it works, the venue is not quiet, and who resumes it is told so at once.
    story >> after(2 * QUIET_MS) >> confirmed() >> decision_due() << nothing() << state_is("reducing", "okx")
    story >> reading("okx", orders=(theirs,)) >> resumes("alice", "okx") << state_is("reducing", "okx")
    (
        story
        >> decision_due()
        << nothing()
        >> after(600)
        >> reading("bybit")
        >> reading("binance")
        >> reading("okx")
        << state_is("reducing", "okx")
    )
    gone_at = story.now
    foreign = fill_report(story, OKX, "2", client_order_id=ClientOrderId("somebody"), venue_order_id="9")
    story >> after(1_000)
    story.feed(ev.FillReported(at=story.now, fill=foreign))
    (cause,) = causes(story.ledger, VenueId("okx"))
    assert (cause.cause, cause.last_at) == (Limit.FOREIGN_ORDERS, gone_at + 1_000)
    (story >> confirmed() >> decision_due() << place(BINANCE, "-2") << net_delta("ETH", "0", "2")).close()


def test_a_foreign_fill_that_a_reading_tells_first_counts_as_well() -> None:
    story = hedged("30") >> after(1_000)
    foreign = fill_report(story, OKX, "2", client_order_id=ClientOrderId("somebody"), venue_order_id="9")
    (story >> reading("okx", ETH="-8", fills=(foreign,)) << state_is("reducing", "okx") << holds(OKX, "-8")).close()


@pytest.mark.parametrize(("kind", "state"), [("auto_deleveraging", "active"), ("liquidation", "reducing"), ("settlement", "active")])
def test_c26_what_the_venue_does_and_tells(kind: str, state: str) -> None:
    """A deleveraging that was told is explained: it rests its instrument. A liquidation is the account's own trouble."""
    (hedged("30") >> venue_acts(OKX, "4", kind=kind) << state_is(state, "okx") << net_delta("ETH", "4")).close()


def test_c18_a_halted_book_cancels_and_asks_and_places_nothing_until_it_is_resumed() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(BYBIT) >> filled(BINANCE) >> reported_filled(OKX) >> halts("alice") >> decision_due() << cancel(BYBIT)
    story >> ended(BYBIT, filled="-2") << net_delta("ETH", "8") >> decision_due() << nothing() << breach("operator", "book")
    later(story, 10 * QUIET_MS) >> evenly("60") >> decision_due() << nothing() << state_is("halted")
    story >> reduces("bob") << state_is("halted") >> resumes("bob", "okx") << state_is("halted") >> resumes("bob") << state_is("active")
    (story >> decision_due() << place(BYBIT, "-18") << place(BINANCE, "-10") << place(OKX, "-10")).close()


def test_a_halted_venue_keeps_what_it_has_and_the_others_hedge() -> None:
    story = hedged("30", venue_share_max=Decimal(1)) >> halts("alice", "okx") >> narrow("36") >> collateral("ETH", "34")
    story >> decision_due()
    story << place(BYBIT, "-2") << place(BINANCE, "-2")
    story >> filled(BYBIT, BINANCE) >> evenly("6") >> decision_due()
    story << place(BYBIT, "12", reduce_only=True) << place(BINANCE, "12", reduce_only=True)  # down to nothing: okx keeps its ten
    story >> filled(BYBIT, BINANCE) << net_delta("ETH", "-4") >> decision_due() << nothing() << breach("net_delta", "ETH")
    (story >> resumes("alice", "okx") >> decision_due() << place(OKX, "4", reduce_only=True)).close()


def test_a_reducing_venue_cancels_what_would_increase_there() -> None:
    story = book(ETH) >> evenly("30") >> decision_due() << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> accepted(OKX) >> filled(BYBIT, BINANCE) >> reduces("alice", "okx") >> decision_due() << cancel(OKX)
    story >> ended(OKX) >> after(1_100) >> confirmed() >> narrow("45") >> decision_due() << place(BYBIT, "-5") << place(BINANCE, "-5")
    story >> filled(BYBIT, BINANCE) >> evenly("36") >> collateral("ETH", "24") >> decision_due()
    story << place(BYBIT, "3", reduce_only=True) << place(BINANCE, "3", reduce_only=True) >> accepted(BYBIT) >> filled(BINANCE)
    (story >> reduces("alice", "bybit") >> decision_due() << nothing()).close()  # a reduction that works stays


def test_a_reducing_book_still_hedges_what_is_held() -> None:
    story = hedged("30") >> reduces("alice") << state_is("reducing") >> evenly("33") >> decision_due()
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-1")
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0")
    later(story, 10 * QUIET_MS) >> decision_due() << nothing() << state_is("reducing")
    (story >> resumes("bob") << state_is("active")).close()


def moving(story: Story) -> Story:
    """Funding has flipped at OKX, and the move away from it rests at the two others."""
    story >> narrow("45") >> funding(BYBIT, "0.0001") >> funding(BINANCE, "0.0001")
    story >> funding(OKX, "-0.0005") >> after(2_000) >> confirmed() >> funding(OKX, "-0.0005") >> decision_due()
    story << place(BYBIT, "-5", post_only=True) << place(BINANCE, "-5", post_only=True)
    return story >> accepted(BYBIT) >> accepted(BINANCE)


def test_a_reducing_book_cancels_what_rests_and_would_take_net_delta_away_from_zero() -> None:
    story = moving(hedged("30", funding_dwell_ms=2_000, funding_half_life_ms=1_000)) >> decision_due() << nothing()
    story >> reduces("alice") >> decision_due() << cancel(BYBIT) << cancel(BINANCE)
    (story >> ended(BYBIT) >> ended(BINANCE) >> after(2_000) >> confirmed() >> decision_due() << nothing()).close()


def test_i17_what_rests_with_the_rest_of_coarser_lots_is_left_alone() -> None:
    """A third of 0.05 at each; bybit trades hundredths, and what that leaves over is less than the band."""
    story = (
        hedged("30", netting_window_ms=0) >> narrow("30.051") >> collateral("ETH", "30.05") >> after(2_000) >> confirmed() >> decision_due()
    )
    for instrument, quantity in ((BYBIT, "-0.010"), (BINANCE, "-0.017"), (OKX, "-0.017")):
        story << place(instrument, quantity, post_only=True)
    story >> accepted(BYBIT) >> accepted(BINANCE) >> accepted(OKX)
    for _ in range(3):
        story >> decision_due() << nothing() >> after(500) >> confirmed()
    (story >> collateral("ETH", "30.03") >> decision_due() << cancel(OKX)).close()  # binance takes the rest, bybit's still fits


def test_a_reducing_book_keeps_what_rests_and_brings_net_delta_nearer_to_zero() -> None:
    story = (
        hedged("30", netting_window_ms=0) >> narrow("30.051") >> collateral("ETH", "30.05") >> after(2_000) >> confirmed() >> decision_due()
    )
    for instrument, quantity in ((BYBIT, "-0.010"), (BINANCE, "-0.017"), (OKX, "-0.017")):
        story << place(instrument, quantity, post_only=True)
    story >> accepted(BYBIT) >> accepted(BINANCE) >> accepted(OKX) >> reduces("alice") >> decision_due() << nothing()
    (story >> halts("alice") >> decision_due() << cancel(BYBIT) << cancel(BINANCE) << cancel(OKX)).close()


def test_c20_a_restart_keeps_every_state() -> None:
    story = shrunk(hedged("30")) >> halts("alice") >> reduces("bob", "bybit")
    before = story.ledger.states
    story >> after(1_000) >> started()
    assert story.ledger.states == before
    for venue in ("binance", "bybit", "okx"):
        story >> link(venue, "up")
    story >> decision_due() << nothing()
    for venue in ("binance", "bybit", "okx"):
        story >> reading(venue)
    story >> collateral("ETH", "60") >> decision_due() << nothing() << state_is("halted")
    story >> resumes("alice") << state_is("active") << state_is("reducing", "okx") << state_is("reducing", "bybit")
    (story >> decision_due() << place(BINANCE, "-26")).close()  # the one venue that is still ACTIVE, up to its cap


def test_after_a_restart_a_venue_is_quiet_only_when_it_was_read() -> None:
    story = shrunk(hedged("30")) >> after(2 * QUIET_MS) >> started() >> collateral("ETH", "26") >> decision_due() << nothing()
    story << state_is("reducing", "okx") >> link("okx", "up") >> reading("okx") >> after(100) >> decision_due() << nothing()
    (story << state_is("active", "okx")).close()


def test_a_persons_word_ends_a_doubt_and_the_venue_takes_no_more_before_a_reading_agrees() -> None:
    story = in_doubt_at_okx() >> resolves(OKX, "0") << order_is(OKX, OrderState.ABSENT) << net_delta("ETH", "10")
    story << breach("unreconciled", "okx") >> after(2_000) >> confirmed() >> decision_due() << read("okx")
    story << place(BYBIT, "-2") << place(BINANCE, "-8") >> filled(BYBIT, BINANCE) << net_delta("ETH", "0")
    story >> reading("okx") >> narrow("54") >> collateral("ETH", "32") >> decision_due() << place(OKX, "-2")
    story.close()


def test_c44_a_backlog_makes_the_book_reduce_until_it_has_kept_up_for_a_quiet_period() -> None:
    story = hedged("30") >> after(1_000)
    story.feed(ev.BacklogObserved(at=story.now, waiting=7_000, most=5_000))
    story << state_is("reducing") << breach("backlog", "book")
    (cause,) = causes(story.ledger, None)
    assert (cause.cause, cause.latched) == (Limit.BACKLOG, False)
    assert story.ledger.notes[-1].sentence == "active -> reducing: backlog, 7000 facts waited to be taken, of 5000 at most"
    # A funding flip moves nothing while it lasts; what brings net delta nearer to zero goes on.
    story >> evenly("33") >> decision_due()
    assert {c.quantity < 0 for c in story.outbox} == {True}
    instruments = [o.instrument for o in story.ledger.open_orders()]
    story.outbox.clear()
    story >> filled(*instruments) << net_delta("ETH", "0")
    story >> after(1_000)
    story.feed(ev.BacklogObserved(at=story.now, waiting=6_000, most=5_000))
    again = story.now
    later(story, QUIET_MS - 1) >> decision_due() << state_is("reducing")
    assert causes(story.ledger, None)[0].last_at == again
    (story >> after(1) >> decision_due() << state_is("active")).close()


def test_a_venue_in_quarantine_is_halted_vouches_for_nobody_and_must_agree_anew_after_its_resume() -> None:
    story = hedged("30") >> quarantines("alice", "okx") << state_is("halted", "okx") << state_is("active")
    assert story.statement().quarantined == ("okx",)
    story >> collateral("ETH", "24") >> decision_due()
    assert {o.instrument for o in story.ledger.open_orders()} <= {BYBIT, BINANCE}, "nothing is placed there, not even a reduction"
    story.outbox.clear()
    # Three marks vouch for each other by their median; of the two that are left, each needs the other's.
    okx, bybit = (InstrumentId(i) for i in (OKX, BYBIT))
    story.marks[okx] = Decimal(4_000)
    story >> after(100) >> confirmed() >> decision_due()
    assert risk.second_source(story.ledger, story.policy, bybit, story.now) == story.marks[InstrumentId(BINANCE)]
    story.marks[okx] = story.marks[bybit]
    story >> started() << state_is("halted", "okx") >> resumes("alice", "okx") << state_is("active", "okx")
    assert not story.ledger.venues[VenueId("okx")].reconciled
    assert story.statement().quarantined == ()


def test_a_named_person_adopts_what_grew_unexplained_and_its_venue_goes_on() -> None:
    story = shrunk(hedged("30"), "-14") << state_is("halted", "okx")
    assert [u.shown.instrument for u in story.statement().unadopted] == [OKX]
    story >> adopts("alice", venue="bybit") << state_is("halted", "okx")
    story >> adopts("alice") << state_is("active", "okx") << holds(OKX, "-14")
    story << says("adopted by alice: -14 of okx:ETH, unexplained, with an entry that the venue does not tell")
    assert story.statement().unadopted == ()
    story >> act(ev.OperatorAction.HALT, "bob", venue="okx") >> adopts("alice") << state_is("halted", "okx")


def test_what_was_there_before_the_first_reading_is_told_until_somebody_adopts_it() -> None:
    story = before_us("-4")
    assert [u.shown.instrument for u in story.statement().unadopted] == [OKX]
    (story >> adopts("alice", venue="okx") << says("-4 of okx:ETH, pre_existing, with an entry at 2900") << holds(OKX, "-4"))
    assert story.statement().unadopted == ()


def test_a_position_that_moved_since_it_was_shown_is_not_adopted_and_its_venue_stays_halted() -> None:
    story = shrunk(hedged("30"), "-14")
    seen = story.statement().unadopted[0].shown
    story >> after(1)
    story.feed(ev.FillReported(at=story.now, fill=replace(fill_report(story, OKX, "-1"), client_order_id=None, venue_order_id="x")))
    story >> adopts("alice", seen) << says("not adopted: okx:ETH is -15, not -14") << state_is("halted", "okx")
    assert len(story.statement().unadopted) == 1


def test_a_journal_of_before_takes_over_every_position_that_nobody_had_adopted() -> None:
    story = shrunk(hedged("30"), "-14") >> act(ev.OperatorAction.ADOPT, "alice", venue="bybit") << state_is("halted", "okx")
    story >> act(ev.OperatorAction.ADOPT, "alice") << state_is("active", "okx")
    assert story.statement().unadopted == ()
