"""Stories of what a venue tells first of a position that no record has: a second answer must agree, and until then only what protects goes.

The language is in `playbook`; how a position is settled, answer by answer, is tried in `test_reconciliation`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core import events as ev
from bot.core.limits import Limit
from bot.core.records import BreakCause, TradingState
from bot.core.units import InstrumentId, VenueId
from bot.core.unread import in_the_way_of
from tests.core.answer_words import strangers_order
from tests.core.market_words import market, wide
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.operators import quarantines, resumes
from tests.core.playbook import (
    after,
    breach,
    collateral,
    confirmed,
    decision_due,
    first_readings,
    holds,
    link,
    position_report,
    reading,
    source_unreadable,
    started,
    unreadable,
    venue_acts,
)
from tests.core.story import D, Feed, Story, margin_report, policy_for
from tests.core.test_playbooks_history import VENUES, holdings, sent, unread

ROUND_MS = 9_000


def answer(venue: str, *, asked_ms_ago: int = 1, works: bool = False, fills: tuple[ev.FillReport, ...] = (), **positions: str) -> Feed:
    """A complete reading of a venue: these positions by asset, and no others. `works`: a stranger's order stands at its ETH."""

    def answers(story: Story) -> list[ev.Event]:
        return [
            ev.VenueReported(
                at=story.now,
                venue=VenueId(venue),
                asked_at=story.now - asked_ms_ago,
                clock_offset_ms=0,
                orders=(strangers_order(f"{venue}:ETH"),) if works else (),
                positions=tuple(position_report(f"{venue}:{asset}", D(held)) for asset, held in positions.items()),
                fills=fills,
                margins=(margin_report(),),
            )
        ]

    return Feed(f"answer of {venue}", answers)


def strangers_fill(story: Story, instrument: str, quantity: str, ms_ago: int) -> ev.FillReport:
    return ev.FillReport(
        instrument=InstrumentId(instrument),
        fill_id="x1",
        client_order_id=None,
        venue_order_id="theirs",
        quantity=D(quantity),
        price=story.marks[instrument],
        fee=None,
        fee_asset=None,
        kind=ev.FillKind.TRADE,
        venue_at=story.now - ms_ago,
    )


def others_known(collateral_eth: str) -> Story:
    """Two venues hold ten each, told twice; what the third holds nobody knows yet."""
    return unread(collateral_eth) >> first_readings("binance", ETH="-10") >> first_readings("bybit", ETH="-10")


def round_of(story: Story, collateral_eth: str, *okx: Feed) -> Story:
    """Time passes, everything else is as it was, the third venue tells this, and it is time to decide."""
    story >> after(ROUND_MS) >> wide() >> collateral("ETH", collateral_eth) >> reading("binance") >> reading("bybit")
    for word in okx:
        story >> word
    return story >> wide() >> decision_due()


# What moves while the first answers are on their way


@pytest.mark.parametrize("told_by", ["its reading", "the stream"])
def test_a_fill_that_the_second_answer_may_be_from_before_is_not_sold_again(told_by: str) -> None:
    """34 are held and 34 short: a stranger's order sold the last four after the sample of the answer that agrees."""
    story = others_known("34") >> answer("okx", asked_ms_ago=200, works=True, ETH="-10") >> after(1_000)
    sold = strangers_fill(story, OKX, "-4", ms_ago=100)
    if told_by == "the stream":
        story.feed(ev.FillReported(at=story.now, fill=sold))
    story >> answer("okx", asked_ms_ago=300, works=True, fills=(sold,) if told_by == "its reading" else (), ETH="-10")
    assert InstrumentId(OKX) not in story.ledger.positions
    assert sent(round_of(story, "34")) == []
    story >> answer("okx", works=True, ETH="-14") >> after(500) >> answer("okx", works=True, ETH="-14") << holds(OKX, "-14")
    assert story.ledger.venues[VenueId("okx")].reconciled
    assert sent(round_of(story, "34")) == []


def test_a_fill_told_before_the_first_answer_is_not_bought_back_a_second_time() -> None:
    """26 are held and 26 short: a stranger bought four, and the answer is from before that."""
    story = others_known("26")
    story.feed(ev.FillReported(at=story.now, fill=strangers_fill(story, OKX, "4", ms_ago=100)))
    story >> after(50) >> answer("okx", asked_ms_ago=300, ETH="-10") >> confirmed() >> decision_due()
    assert InstrumentId(OKX) not in story.ledger.positions
    assert sent(story) == []
    story >> after(500) >> answer("okx", ETH="-6") << holds(OKX, "-6")


def test_an_older_sample_takes_no_newer_ones_place() -> None:
    """A complete reading takes its time for the past: meanwhile another question was asked and answered."""
    story = others_known("26") >> holdings("okx", "-10") >> after(600) >> holdings("okx", "-6") >> after(100)
    story >> answer("okx", asked_ms_ago=650, ETH="-10") >> confirmed() >> decision_due()
    assert InstrumentId(OKX) not in story.ledger.positions
    assert sent(story) == []


def test_the_answer_to_one_question_confirms_itself_never() -> None:
    story = others_known("30") >> answer("okx", ETH="-5") >> answer("okx", ETH="-5")
    assert story.ledger.positions[InstrumentId(OKX)].is_told_once
    assert not story.ledger.venues[VenueId("okx")].reconciled
    story >> after(500) >> answer("okx", ETH="-5")
    assert not story.ledger.positions[InstrumentId(OKX)].is_told_once


def test_a_rest_after_deleveraging_outlasts_another_first_answer() -> None:
    story = others_known("30") >> answer("okx", ETH="-10") >> after(200) >> venue_acts(OKX, "4") >> after(300)
    taken = story.ledger.positions[InstrumentId(OKX)].deleveraged_at
    assert taken is not None
    story >> answer("okx", ETH="-5") >> after(600) >> answer("okx", ETH="-5") << holds(OKX, "-5")
    assert story.ledger.positions[InstrumentId(OKX)].deleveraged_at == taken


# What changed long after the first answer


def told_long_ago() -> Story:
    story = others_known("30") >> answer("okx", ETH="-10")
    for _ in range(40):
        round_of(story, "30", unreadable("okx"))
    assert sent(story) == []
    return story


def twice_from_now(story: Story, eth: str) -> Story:
    return story >> after(ROUND_MS) >> answer("okx", ETH=eth) >> after(600) >> answer("okx", ETH=eth)


def test_what_a_position_told_long_ago_lost_is_deleveraging() -> None:
    story = twice_from_now(told_long_ago(), "-6") << holds(OKX, "-6")
    assert story.ledger.positions[InstrumentId(OKX)].deleveraged_at is not None
    assert story.ledger.tallies.breaks_by_cause[BreakCause.AUTO_DELEVERAGING] == 1
    assert [(s.venue, s.state, s.cause) for s in story.ledger.states] == [("okx", TradingState.REDUCING, Limit.AUTO_DELEVERAGING)]


def test_what_a_position_told_long_ago_gained_halts_its_venue() -> None:
    story = twice_from_now(told_long_ago(), "-40") << holds(OKX, "-40")
    assert [(s.venue, s.state, s.latched) for s in story.ledger.states] == [("okx", TradingState.HALTED, True)]
    orders = sent(round_of(story, "30", answer("okx", ETH="-40")))
    assert all(o.reduce_only and o.instrument != OKX for o in orders)


def two_assets(sol: str = "-25") -> Story:
    """A run on an empty journal that hedges ETH and SOL: both are known at two venues and nowhere else."""
    story = Story(policy_for("ETH", "SOL"))
    story >> started()
    for instrument in story.instruments:
        story.feed(ev.InstrumentListed(at=story.now, instrument=instrument))
        story >> market(instrument.id)
    for venue in VENUES:
        story >> link(venue, "up")
    story >> wide() >> collateral("ETH", "60") >> collateral("SOL", "100")
    return story >> first_readings("binance", ETH="-10", SOL=sol) >> first_readings("bybit", ETH="-10", SOL=sol)


def test_positions_that_vanish_together_after_one_answer_are_an_account_that_was_reset() -> None:
    story = two_assets() >> answer("okx", ETH="-10", SOL="-50") >> after(600)
    story >> answer("okx", ETH="0", SOL="0") >> after(600) >> answer("okx", ETH="0", SOL="0")
    assert {(s.venue, s.state, s.latched) for s in story.ledger.states} == {("okx", TradingState.HALTED, True)}


# Whom it holds up, and who is told


def test_a_position_that_is_told_otherwise_each_time_holds_up_its_own_asset_only() -> None:
    story = two_assets()
    for number in range(12):
        if not sent(story):
            round_of(story >> collateral("SOL", "100"), "60", answer("okx", ETH="-10", SOL=f"{-number}"))
    orders = sent(story)
    assert orders
    assert {story.ledger.instruments[o.instrument].base for o in orders} == {"ETH"}


@pytest.mark.parametrize("last", ["0", "-3"])
def test_an_instrument_that_is_configured_no_more_holds_up_no_other_asset(last: str) -> None:
    story = two_assets(sol="0") >> answer("okx", ETH="-10", SOL=last) >> after(600)
    story.outbox.clear()
    story.policy = policy_for("ETH")
    story.instruments = tuple(i for i in story.instruments if i.base == "ETH")
    story.marks = {i: mark for i, mark in story.marks.items() if i.endswith("ETH")}
    story >> started()
    for venue in VENUES:
        story >> link(venue, "up")
    for _ in range(8):  # longer than a start waits for a venue
        if not sent(story):
            round_of(story, "60", answer("okx", ETH="-10"))
    assert [in_the_way_of(story.ledger, story.policy, InstrumentId(i)) for i in (BINANCE, BYBIT, OKX)] == [(), (), ()]
    if last == "0":
        assert {BINANCE, BYBIT} & {o.instrument for o in sent(story) if not o.reduce_only}


def test_a_venue_that_told_once_is_named_with_what_ends_it_and_quarantining_it_does() -> None:
    story = others_known("60") >> answer("okx", ETH="-10")
    for _ in range(8):
        round_of(story, "60", unreadable("okx"))
    story << breach("unreconciled", "okx")
    (told,) = (b for b in story.statement().breaches if b.subject == "okx" and b.limit is Limit.UNRECONCILED)
    assert told.detail.startswith("positions told once, and not confirmed; holds ETH: nothing of it increases until")
    assert sent(story) == []
    story >> quarantines("ann", "okx")
    orders = sent(round_of(story, "60", unreadable("okx")))
    assert {o.instrument for o in orders if not o.reduce_only} == {BINANCE, BYBIT}


def test_a_venue_that_is_configured_no_more_is_named_too_until_the_book_is_resumed() -> None:
    story = others_known("60") >> answer("okx", ETH="-10") >> after(600)
    story.outbox.clear()
    story.policy = policy_for("ETH", venues=("binance", "bybit"))
    story >> started() >> link("binance", "up") >> link("bybit", "up")
    for _ in range(12):
        round_of(story, "60")
    assert sent(story) == []
    assert any(b.subject == "okx" and "told once" in b.detail for b in story.statement().breaches)
    story >> resumes("ann")
    assert sent(round_of(story, "60"))


def test_a_flat_position_told_once_and_then_left_out_grows_nowhere() -> None:
    story = others_known("30") >> answer("okx", ETH="0") >> after(600) >> answer("okx")
    for _ in range(2):
        round_of(story, "30", answer("okx"))
    assert sent(story) == []


def test_beside_remembered_collateral_a_wrong_first_answer_is_nobodys_move_and_blocks_no_reduction() -> None:
    """The source is silent in this run and 30 are remembered; 40 are short: ten too many, whatever the first answer was."""
    story = hedged("30")
    story.ledger = replace(story.ledger, positions={i: p for i, p in story.ledger.positions.items() if i != OKX})
    story >> after(600_000) >> started()
    for venue in VENUES:
        story >> link(venue, "up")
    story >> decision_due() >> first_readings("binance", ETH="-10") >> first_readings("bybit", ETH="-10")
    story >> answer("okx", ETH="0") >> after(600) >> answer("okx", ETH="-20") >> after(600) >> answer("okx", ETH="-20")
    assert not any(moves.get(InstrumentId(OKX)) for moves in story.ledger.foreign_moves.values())
    for _ in range(18):
        if sent(story):
            break
        story >> after(20_000)
        for venue in VENUES:
            story >> reading(venue)
        story >> source_unreadable() >> wide() >> decision_due()
    orders = sent(story)
    assert orders
    assert all(o.reduce_only for o in orders)
