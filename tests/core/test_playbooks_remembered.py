"""Runs that stand on what is remembered of a source of collateral: what may have changed while nobody was there to hear it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core import exposure
from bot.core.collateral import stable_holdings
from bot.core.engine import step
from bot.core.holdings import known_asset_value, settle_exposure
from bot.core.limits import Limit
from bot.core.units import Asset
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
    Feed,
    after,
    book,
    breach,
    collateral,
    confirmed,
    decision_due,
    evenly,
    filled,
    link,
    net_delta,
    nothing,
    place,
    reading,
    source_unreadable,
    started,
    total,
    venue_acts,
)
from tests.core.story import D, Story, margin_report, policy_for
from tests.core.test_playbooks_sources import VENUES, next_run, read_all

ETH = Asset("ETH")
DRIFT = D("0.00864")
QUIET_MS = 6 * 60_000
"""Longer than `quiet_period_ms`: by then a foreign trade keeps no venue from increasing."""


def while_silent(story: Story, ms: int) -> Story:
    """Time passes, in which venues are read and the source is not heard."""
    for _ in range(ms // 20_000):
        read_all(story >> after(20_000)) >> source_unreadable() >> decision_due() << nothing()
    return story


def people_close(story: Story, **legs: str) -> Story:
    """A run begins, and venues tell it of trades of people that it has not seen."""
    story >> after(600_000) >> started()
    for venue in VENUES:
        story >> link(venue, "up")
    story >> decision_due()
    for venue, quantity in legs.items():
        story >> venue_acts(f"{venue}:ETH", quantity, kind="trade")
    return read_all(story) >> source_unreadable()


def said_of_custody(story: Story) -> str:
    return next(b.detail for b in story.statement().breaches if b.limit is Limit.COLLATERAL_AGE)


def test_hedges_that_people_closed_while_no_run_was_there_are_not_opened_again_before_the_source_is_heard() -> None:
    """30 ETH were paid out and their hedges closed: what is remembered alone would be sold once more, naked."""
    story = while_silent(people_close(hedged("30", collateral_drift_per_day=DRIFT), okx="10", bybit="10", binance="10"), QUIET_MS)
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert known.low == 0
    assert known.high > 30
    assert "30 ETH" in said_of_custody(story)
    story >> collateral("ETH", "0") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_hedges_that_people_closed_after_the_last_word_and_before_a_restart_are_not_opened_again() -> None:
    """The run before still heard the source, then the trades, and ended: nobody told it whether coins had left."""
    story = hedged("30", collateral_drift_per_day=DRIFT) >> after(5_000)
    for leg in (OKX, BYBIT, BINANCE):
        story >> venue_acts(leg, "10", kind="trade")
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert known.low == 30, "the source is heard in this run: its word counts"
    story = while_silent(people_close(story), QUIET_MS)
    assert "30 ETH" in said_of_custody(story)
    story >> collateral("ETH", "0") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_hedges_that_people_closed_while_a_source_that_was_heard_in_this_run_fell_silent_are_not_opened_again() -> None:
    story = while_silent(hedged("30", collateral_drift_per_day=DRIFT), 3_600_000)
    for leg in (OKX, BYBIT, BINANCE):
        story >> venue_acts(leg, "10", kind="trade")
    while_silent(story, QUIET_MS)
    story >> collateral("ETH", "0") >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0")
    assert not story.ledger.foreign_moves
    story.close()


def from_before(minutes: str, told: Feed) -> Feed:
    """A source tells totals as of so many minutes ago by its own clock."""
    return Feed(
        f"{told.name}, {minutes} min old",
        lambda s: [replace(e, as_of=s.now - 60_000 * int(minutes)) for e in told.events(s)],  # type: ignore[call-arg]  # totals are dated
    )


@pytest.mark.parametrize("told", [
    from_before("50", total("ETH", "30")),
    total("ETH", "1", location="desk"),
    total("ETH", "30"),
], ids=["the first of a backlog", "of another place", "the same again"])  # fmt: skip
def test_a_total_alone_ends_no_silence_of_its_source(told: Feed) -> None:
    """Others may follow that say that the coins have left: nothing is hedged again before the source says that it has told everything."""
    story = while_silent(hedged("30", collateral_drift_per_day=DRIFT), 3_600_000)
    for leg in (OKX, BYBIT, BINANCE):
        story >> venue_acts(leg, "10", kind="trade")
    while_silent(while_silent(story, QUIET_MS) >> told, 60_000)
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert known.low == 0
    assert known.high > 30
    assert "30 ETH" in said_of_custody(story)
    story >> collateral("ETH", "0") >> total("ETH", "0", location="desk") >> confirmed() >> decision_due() << nothing()
    story << net_delta("ETH", "0")
    assert not story.ledger.foreign_moves
    story.close()


def test_of_a_move_that_a_silent_source_begins_to_tell_neither_half_is_believed_before_it_has_told_everything() -> None:
    """30 ETH went from the vault to a cold wallet while the source was down; it comes back, and tells one place after the other."""
    for first, second in (("vault", "cold"), ("cold", "vault")):
        story = while_silent(hedged("30", collateral_drift_per_day=DRIFT), 3_600_000)
        story >> total("ETH", "0" if first == "vault" else "30", location=first) >> decision_due() << nothing()
        while_silent(story, 60_000)
        story >> total("ETH", "0" if second == "vault" else "30", location=second) >> decision_due() << nothing()
        story >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0")
        story.close()


def test_what_a_silent_source_told_is_acted_on_as_soon_as_it_has_told_everything() -> None:
    story = while_silent(hedged("30"), 3_600_000)
    assert step(story.ledger, confirmed().events(story)[0], story.policy).decide_soon
    story >> confirmed()
    assert not step(story.ledger, confirmed().events(story)[0], story.policy).decide_soon, "it was heard already"
    story.close()


def test_hedges_that_people_opened_while_the_source_is_silent_are_not_closed_before_it_is_heard() -> None:
    """10 ETH were paid in and hedged by people: what is remembered alone would leave them naked."""
    story = hedged("30", collateral_drift_per_day=DRIFT)
    owned = known_asset_value(story.ledger, story.policy)
    while_silent(people_close(story, okx="-4", bybit="-3", binance="-3"), QUIET_MS)
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert known.low <= -10
    assert known.high >= 0
    assert "others opened hedges of 10 ETH, and as much may have been paid in" in said_of_custody(story)
    assert owned == known_asset_value(story.ledger, story.policy), "what may have come is nothing that is owned"
    story >> collateral("ETH", "40") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_what_people_opened_with_nothing_paid_in_is_closed_when_the_source_says_so() -> None:
    story = while_silent(people_close(hedged("30"), okx="-4", bybit="-3", binance="-3"), QUIET_MS) >> confirmed() >> decision_due()
    story << place(OKX, "10.000", reduce_only=True) >> filled(OKX) << net_delta("ETH", "0")
    story.close()


def test_what_people_closed_and_nobody_paid_out_is_hedged_again_once_the_source_says_so() -> None:
    story = while_silent(people_close(hedged("30"), okx="10"), QUIET_MS) >> confirmed() >> decision_due()
    story << place(BINANCE, "-8.000") << place(BYBIT, "-2.00") >> filled(BINANCE, BYBIT) << net_delta("ETH", "0")
    story.close()


def test_what_a_venue_takes_is_hedged_again_beside_what_people_closed() -> None:
    """10 of 30 ETH may have gone with the hedge that people closed; of the 20 that are certain a venue took 4: all but a lot."""
    story = while_silent(people_close(hedged("30", collateral_drift_per_day=D("0.000001")), okx="10"), QUIET_MS)
    story >> venue_acts(BYBIT, "4") >> decision_due() << place(BINANCE, "-3.999") >> filled(BINANCE)
    while_silent(story, QUIET_MS)
    story.close()


def test_a_position_that_shrank_and_no_fill_tells_why_may_have_been_closed_by_people() -> None:
    story = hedged("30", collateral_drift_per_day=DRIFT) >> after(600_000) >> started()
    for venue in VENUES:
        story >> link(venue, "up")
    for _ in range(30):
        for venue in VENUES:
            story >> reading(venue, ETH="0")
        story >> source_unreadable() >> decision_due() << nothing() >> after(20_000)
    assert [story.position(i) for i in (OKX, BYBIT, BINANCE)] == [0, 0, 0]
    story >> collateral("ETH", "0") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_hedges_that_people_moved_to_another_venue_take_nothing_from_what_is_remembered() -> None:
    story = while_silent(people_close(hedged("30", collateral_drift_per_day=DRIFT), okx="5", bybit="-5"), QUIET_MS)
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert -D("0.01") < known.low < 0 < known.high < D("0.01")
    story.close()


def test_a_second_run_still_knows_what_people_closed_before_the_first() -> None:
    story = next_run(while_silent(people_close(hedged("30", collateral_drift_per_day=DRIFT), okx="10", bybit="10", binance="10"), 60_000))
    while_silent(story, QUIET_MS)
    story.close()


def test_what_people_close_after_the_source_was_heard_is_judged_by_what_it_told() -> None:
    story = while_silent(people_close(hedged("30"), okx="10"), 60_000) >> confirmed()
    story >> after(600_000) >> started()
    assert not story.ledger.foreign_moves
    story._nothing_left_over("at the end")


def test_of_a_move_that_was_told_only_half_neither_half_is_believed() -> None:
    """30 ETH moved from the vault to a cold wallet; the source told of the vault, and fell silent before it told of the wallet."""
    story = next_run(hedged("30", collateral_drift_per_day=DRIFT)) >> total("ETH", "0") >> decision_due() << nothing()
    while_silent(story, 120_000)
    known = exposure.net_delta(story.ledger, story.policy, ETH)
    assert known is not None
    assert known.low <= -30
    assert known.high >= 0
    story >> total("ETH", "30", location="cold")
    while_silent(story, 120_000)
    story >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_what_a_move_adds_at_one_place_is_not_hedged_before_it_is_told_what_it_took_from_the_other() -> None:
    story = next_run(hedged("30", collateral_drift_per_day=DRIFT)) >> total("ETH", "30", location="cold")
    while_silent(story, 120_000)
    story >> venue_acts(OKX, "4") >> decision_due() << place(BINANCE, "-3.997") >> filled(BINANCE)
    story >> total("ETH", "0") >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0.003")
    story.close()


def test_what_was_told_half_when_the_run_before_ended_is_a_range_as_well() -> None:
    story = next_run(hedged("30", collateral_drift_per_day=DRIFT) >> total("ETH", "0"))
    while_silent(story, 120_000)
    while_silent(next_run(story), 120_000)
    story >> total("ETH", "30", location="cold") >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0")
    assert not story.ledger.unconfirmed
    story.close()


def with_dollars(*coins: str, **changes: Any) -> Story:
    """A book of which the custodian tells the ETH, and a desk the dollars that are held beside it; it settles in USDT."""
    told = {"custody": frozenset({ETH}), "desk": frozenset(map(Asset, coins))}
    dollars = frozenset({Asset("USDC"), Asset("USDT")})
    story = book(policy_for("ETH", collateral_sources=frozenset(told), source_assets=told, stables=dollars, **changes))
    for venue in VENUES:
        story.margins[venue] = margin_report("40000", "150")
        story >> reading(venue)
    return story >> evenly("30")


def test_dollars_that_nobody_has_told_yet_are_not_taken_for_none() -> None:
    """120,000 of 210,000 USD stand at the venues, less than the limit allows; how many more the desk holds is not known."""
    story = with_dollars("USDT", settle_exposure_max=D("0.6")) >> source_unreadable("desk") >> decision_due() << nothing()
    story << breach("collateral_unknown", "USDT")
    story >> total("USDT", "10000", None, source="desk", location="desk") >> confirmed("desk") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    assert not [b for b in story.statement().breaches if b.limit is Limit.COLLATERAL_UNKNOWN]
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0")
    story.close()


def test_dollars_that_are_only_remembered_count_as_they_were_told() -> None:
    story = with_dollars("USDT", settle_exposure_max=D("0.6"))
    story >> total("USDT", "10000", None, source="desk", location="desk") >> confirmed("desk")
    story = next_run(story) >> confirmed() >> decision_due() << nothing() << breach("collateral_unknown", "USDT")
    read_all(story >> after(60_000)) >> confirmed() >> evenly("30") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX)
    story.close()


def test_of_dollars_that_were_told_only_half_the_most_counts_against_the_limit() -> None:
    """The desk held 10,000 and told of 90,000 more before it fell silent: with them the book would settle too much in one coin."""
    story = with_dollars("USDT", settle_exposure_max=D("0.6"))
    story = next_run(story >> total("USDT", "10000", None, source="desk", location="desk") >> confirmed("desk")) >> confirmed()
    story >> total("USDT", "90000", None, source="desk", location="desk")
    read_all(story >> after(60_000)) >> confirmed() >> evenly("30") >> decision_due() << nothing() << breach("settle_exposure", "USDT")
    assert settle_exposure(story.ledger, story.policy)[Asset("USDT")] == 210_000
    assert stable_holdings(story.ledger, story.policy)[Asset("USDT")] == 10_000
    story.close()


@pytest.mark.parametrize(("issuers", "is_held_up"), [({"USDC": "One", "USDT": "One"}, True), ({"USDC": "Two", "USDT": "One"}, False)])
def test_an_issuer_waits_for_every_coin_of_its_own_and_for_no_others(issuers: dict[str, str], is_held_up: bool) -> None:
    """The book settles in USDT. What is held of USDC is not known."""
    story = with_dollars("USDC", issuers={Asset(coin): name for coin, name in issuers.items()}) >> decision_due()
    if is_held_up:
        story << nothing() << breach("collateral_unknown", "USDC")
        story >> total("USDC", "0", None, source="desk", location="desk") >> confirmed("desk") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX)
    story.close()
