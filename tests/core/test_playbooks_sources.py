"""Runs that begin while a source of collateral cannot be heard: what is remembered of it counts as a range, and only what it may tell of
waits."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.core import exposure
from bot.core.claim_terms import ClaimTerms
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy
from bot.core.units import Asset
from tests.core.market_words import narrow, wide
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import (
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
from tests.core.story import D, Story, policy_for

VENUES = ("binance", "bybit", "okx")
ETH_, BTC_ = Asset("ETH"), Asset("BTC")
DRIFT = D("0.00864")
"""A ten-millionth of a total for each second of silence."""


def read_all(story: Story) -> Story:
    for venue in VENUES:
        story >> reading(venue)
    return story


def next_run(story: Story, *, is_fresh: bool = False) -> Story:
    """The bot is down for ten minutes and begins again: every venue is read, and no source is heard."""
    story >> after(600_000) >> started(is_fresh=is_fresh)
    for venue in VENUES:
        story >> link(venue, "up")
    return read_all(story >> decision_due()) >> source_unreadable()


def states(story: Story) -> tuple[str, bool]:
    told = story.statement()
    return told.trading_state, told.ready


def test_a_source_that_is_down_at_the_start_counts_as_what_it_told_last_as_a_range_and_nothing_else_waits() -> None:
    """30 ETH, heard 660 s ago: 0.00198 less or more. What a venue takes away is hedged, but for what may have gone."""
    story = next_run(hedged("30", collateral_drift_per_day=DRIFT)) >> decision_due() << nothing()
    story << breach("collateral_unknown", "custody")
    read_all(story >> after(60_000)) >> decision_due() << nothing() << net_delta("ETH", "-0.00198", "0.00198")
    assert states(story) == ("active", False)
    story << breach("collateral_age", "custody")
    assert not [b for b in story.statement().breaches if b.limit is Limit.COLLATERAL_UNKNOWN]
    story >> venue_acts(OKX, "4") >> decision_due() << place(BINANCE, "-3.998") >> filled(BINANCE)
    story >> venue_acts(BYBIT, "-6", kind="settlement") >> decision_due() << place(OKX, "5.996", reduce_only=True) >> filled(OKX)
    story >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "-0.002")
    assert states(story)[1]
    story.close()


def test_a_source_that_is_heard_within_its_minute_is_believed_and_what_was_remembered_moves_nothing() -> None:
    """While no run was there to see it, everything was paid out and a person closed the hedges: nothing is sold on what was."""
    story = hedged("30") >> venue_acts(OKX, "10", kind="trade") >> venue_acts(BYBIT, "10", kind="trade")
    story = next_run(story >> venue_acts(BINANCE, "10", kind="trade")) >> decision_due() << nothing()
    read_all(story >> after(59_000)) >> decision_due() << nothing()
    story >> collateral("ETH", "0") >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_a_second_run_in_which_a_source_stays_silent_remembers_it_as_well() -> None:
    story = next_run(next_run(hedged("30", collateral_drift_per_day=DRIFT)))
    read_all(story >> after(60_000)) >> decision_due() << nothing() << net_delta("ETH", "-0.00378", "0.00378")
    story.close()


def test_of_a_journal_that_lost_its_end_no_source_is_remembered() -> None:
    """Its totals may be from long ago: hedges that stand against what came since would be bought back."""
    story = next_run(hedged("30"), is_fresh=True)
    read_all(story >> after(60_000)) >> decision_due() << nothing() << breach("collateral_unknown", "custody")
    assert exposure.net_delta(story.ledger, story.policy, ETH_) is None
    story >> confirmed() >> decision_due() << nothing() << net_delta("ETH", "0")
    story.close()


def test_a_source_that_never_told_everything_is_not_remembered() -> None:
    story = book(two_sources(custody="BTC")) >> total("wstETH", "30", rate="1", source="chain") >> decision_due() << nothing()
    story = next_run(story)
    read_all(story >> after(60_000)) >> decision_due() << nothing() << breach("collateral_unknown", "chain")
    story.close()


def believing(*places: str) -> ClaimTerms:
    return ClaimTerms(authorities=dict.fromkeys(places, "custody"))


@pytest.mark.parametrize(("before", "now", "is_remembered"), [
    (("ETH@vault",), ("ETH@vault",), True),
    (("ETH@vault", "ETH@cold"), ("ETH@vault",), True),
    (("ETH@vault",), ("ETH@vault", "ETH@cold"), False),
])  # fmt: skip
def test_a_source_that_is_believed_of_more_than_it_was_has_told_nothing_of_that(
    before: tuple[str, ...], now: tuple[str, ...], is_remembered: bool
) -> None:
    """Coins that moved to a new place would else be missed, and their hedges bought back."""
    story = book(replace(policy_for("ETH"), claims=believing(*before))) >> evenly("30") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX)
    story.policy = replace(story.policy, claims=believing(*now))
    read_all(next_run(story) >> after(60_000)) >> decision_due() << nothing()
    assert (exposure.net_delta(story.ledger, story.policy, ETH_) is not None) is is_remembered
    story._nothing_left_over("at the end")


STABLE = Asset("USDT")
OF_ETH = {"source_assets": {"custody": frozenset({ETH_})}}
WIDER = {ETH_: ETH_, Asset("stETH"): ETH_}


@pytest.mark.parametrize(("before", "now", "is_remembered"), [
    ({}, {}, True),
    ({}, {"collateral_assets": WIDER}, False),
    ({"collateral_assets": WIDER}, {"collateral_assets": {ETH_: ETH_}}, True),
    ({}, {"stables": frozenset({STABLE})}, False),
    (OF_ETH, {**OF_ETH, "collateral_assets": WIDER}, True),
    (OF_ETH, {"source_assets": {"custody": frozenset(WIDER)}, "collateral_assets": WIDER}, False),
    ({"source_addresses": {"custody": frozenset({"1"})}}, {"source_addresses": {"custody": frozenset({"1"})}}, True),
    ({"source_addresses": {"custody": frozenset({"1"})}}, {"source_addresses": {"custody": frozenset({"1", "2"})}}, False),
    ({"source_addresses": {"custody": frozenset({"1", "2"})}}, {"source_addresses": {"custody": frozenset({"2"})}}, True),
    ({"source_addresses": {"custody": frozenset({"1"})}}, {"source_addresses": {"custody": frozenset({"2"})}}, False),
    ({}, {"source_addresses": {"custody": frozenset({"1"})}}, False),
])  # fmt: skip
def test_a_source_that_may_tell_of_more_than_it_could_has_told_nothing_of_that(
    before: dict[str, Any], now: dict[str, Any], is_remembered: bool
) -> None:
    """A vault that was swapped into a token that counts only since then would else be unwound. What a source tells less of is known."""
    plain = replace(policy_for("ETH"), collateral_assets={ETH_: ETH_})
    story = book(replace(plain, **before)) >> evenly("30") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10") >> filled(BYBIT, BINANCE, OKX)
    story.policy = replace(plain, **now)
    read_all(next_run(story) >> after(60_000)) >> decision_due() << nothing()
    assert (exposure.net_delta(story.ledger, story.policy, ETH_) is not None) is is_remembered
    story._nothing_left_over("at the end")


def two_sources(**assets: str) -> Policy:
    """A chain that may tell of wstETH alone, and a desk that tells of BTC."""
    told = {"chain": frozenset({Asset("wstETH")})} | {name: frozenset({Asset(asset)}) for name, asset in assets.items()}
    return policy_for("BTC", "ETH", collateral_sources=frozenset({"chain", "custody"}), source_assets=told)


def test_at_the_very_first_start_an_asset_waits_for_its_sources_and_the_others_are_hedged() -> None:
    story = book(two_sources(custody="BTC")) >> evenly("3", "BTC") >> source_unreadable("chain") >> decision_due()
    story << place("bybit:BTC", "-1") << place("binance:BTC", "-1") << place("okx:BTC", "-1") << breach("collateral_unknown", "chain")
    assert states(story) == ("active", False)
    assert exposure.net_delta(story.ledger, story.policy, ETH_) is None
    story >> filled("bybit:BTC", "binance:BTC", "okx:BTC") >> decision_due() << nothing() << net_delta("BTC", "0")
    story >> evenly("30") >> decision_due() << nothing(), "the desk tells of BTC alone, but what it told counts"
    story >> collateral("wstETH", "0", rate="1.2", source="chain") >> decision_due()
    story << place(BYBIT, "-10") << place(BINANCE, "-10") << place(OKX, "-10")
    story >> filled(BYBIT, BINANCE, OKX) << net_delta("ETH", "0")
    story.close()


def test_a_source_that_may_tell_of_anything_keeps_everything_waiting_at_the_very_first_start() -> None:
    sources = frozenset({"chain", "custody", "file"})
    story = book(replace(two_sources(), collateral_sources=sources)) >> collateral("wstETH", "10", rate="1.2", source="chain")
    story >> evenly("3", "BTC") >> decision_due() << nothing() << breach("collateral_unknown", "file")
    story.close()


def two_thirds_on_chain() -> Story:
    """3 BTC that the desk tells of and 60 ETH that the chain does, hedged."""
    story = book(two_sources(custody="BTC")) >> evenly("3", "BTC") >> narrow("60")
    story >> collateral("wstETH", "60", rate="1", source="chain") >> decision_due()
    for asset, part in (("BTC", "-1"), ("ETH", "-20")):
        for venue in ("bybit", "binance", "okx"):
            story << place(f"{venue}:{asset}", part)
    story >> filled(*(f"{venue}:{asset}" for venue in VENUES for asset in ("BTC", "ETH")))
    return story >> wide() >> decision_due() << nothing()


def test_while_an_asset_waits_for_what_is_remembered_of_it_the_others_have_the_room_they_had() -> None:
    story = next_run(two_thirds_on_chain()) >> confirmed() >> decision_due() << nothing()
    story >> venue_acts("okx:BTC", "0.1") >> reading("okx") >> decision_due() << breach("collateral_unknown", "chain")
    story << place("binance:BTC", "-0.1") >> filled("binance:BTC") << net_delta("BTC", "0")
    story.close()


def test_no_hedge_moves_because_of_a_share_of_coins_that_nobody_has_told_yet() -> None:
    """Two thirds of the book wait, and nothing is remembered: a venue's share of the rest is far beyond its cap. Nothing is bought back."""
    story = next_run(two_thirds_on_chain(), is_fresh=True) >> confirmed()
    read_all(story >> after(60_000)) >> confirmed() >> decision_due() << nothing() << net_delta("BTC", "0")
    story >> venue_acts("okx:BTC", "0.1") >> decision_due() << nothing() << breach("venue_share", "binance")
    story >> confirmed("chain") >> decision_due() << place("binance:BTC", "-0.1")
    story >> filled("binance:BTC") << net_delta("BTC", "0") << net_delta("ETH", "0")
    story.close()


def test_what_is_silent_for_so_long_that_nothing_of_it_is_certain_pages_and_holds_up_nothing_that_others_tell() -> None:
    sources = frozenset({"custody", "desk"})
    story = book(policy_for("ETH", venues=("binance",), venue_share_max=D(1), collateral_sources=sources)) >> confirmed("desk")
    story >> evenly("30") >> decision_due() << place(BINANCE, "-30") >> filled(BINANCE)
    story >> after(10 * 86_400_000) >> reading("binance") >> confirmed("desk") >> decision_due() << nothing()
    story << net_delta("ETH", "-30", "30")
    told = [b for b in story.statement().breaches if b.limit is Limit.COLLATERAL_UNKNOWN]
    assert [(b.subject, b.effect) for b in told] == [("custody", Effect.PAGES)]
    assert states(story)[0] == "active"
    story >> wide() >> collateral("ETH", "40", source="desk", location="desk") >> decision_due() << place(BINANCE, "-9.950")
    story >> filled(BINANCE)
    story.close()


def test_dust_without_a_rate_is_told_and_holds_up_nothing() -> None:
    """0.0008 of a token: at ten base units each it is worth 24 USD, and a rebalance begins at 25."""
    story = hedged("30") >> collateral("wstETH", "0.0008", rate=None) >> decision_due() << nothing()
    story << net_delta("ETH", "0", "0.008")
    told = [b for b in story.statement().breaches if b.limit is Limit.COLLATERAL_UNKNOWN]
    assert [(b.subject, b.observed, b.effect) for b in told] == [("wstETH", D("0.0008"), Effect.TELLS)]
    story >> venue_acts(OKX, "4") >> decision_due() << place(BINANCE, "-4") >> filled(BINANCE)
    story >> collateral("wstETH", "0.0009", rate=None) >> decision_due() << nothing() << breach("collateral_unknown", "wstETH")
    assert states(story)[0] == "active"
    assert exposure.net_delta(story.ledger, story.policy, ETH_) is None
    story.close()


def test_what_no_rate_is_told_of_keeps_its_asset_waiting_and_the_others_are_hedged() -> None:
    story = book(policy_for("BTC", "ETH")) >> collateral("wstETH", "10", rate=None) >> evenly("3", "BTC") >> decision_due()
    story << place("bybit:BTC", "-1") << place("binance:BTC", "-1") << place("okx:BTC", "-1") << breach("collateral_unknown", "wstETH")
    assert states(story)[0] == "active"
    story >> filled("bybit:BTC", "binance:BTC", "okx:BTC") >> evenly("9", "BTC") >> decision_due()
    story << place("bybit:BTC", "-2") << place("binance:BTC", "-2") << place("okx:BTC", "-2") << breach("collateral_unknown", "wstETH")
    story >> filled("bybit:BTC", "binance:BTC", "okx:BTC") << net_delta("BTC", "0")
    story.close()
