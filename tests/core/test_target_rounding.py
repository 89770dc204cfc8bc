"""What of an allocation is traded: balanced, in lots, within every bound."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import exposure
from bot.core.limits import Breach, Limit
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_problem import question_of
from bot.core.target_rounding import Changes, settled
from bot.core.units import ZERO, Asset, InstrumentId
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import collateral, venue_acts
from tests.core.story import Story

D = Decimal
ETH = Asset("ETH")
STORY = hedged("30")


def settle(story: Story, *, may_move: bool = True, policy: Policy | None = None, ledger: Ledger | None = None, **shorts: str) -> Changes:
    """The changes on the way to these shorts of ETH by venue."""
    ledger, policy = ledger or story.ledger, policy or story.policy
    question = question_of(ledger, policy, story.now)
    wanted = {InstrumentId(f"{venue}:ETH"): D(short) for venue, short in shorts.items()}
    return settled(ledger, policy, question, wanted, may_move=may_move)


def told(changes: Changes) -> dict[str, str]:
    return {instrument.split(":")[0]: f"{short.normalize():f}" for instrument, short in changes.shorts.items()}


def test_a_gap_and_a_move_are_both_made_and_told_apart() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    found = settle(story, binance="15", bybit="11", okx="7")
    assert told(found) == {"binance": "15", "bybit": "11", "okx": "7"}
    assert found.moves == {ETH: frozenset({OKX})}
    found = settle(hedged("30"), binance="13", bybit="10", okx="7")
    assert found.moves == {ETH: frozenset({BINANCE, OKX})}
    assert settle(story, binance="13", bybit="10", okx="10").moves == {ETH: frozenset()}


@pytest.mark.parametrize(
    ("ahead", "binance"),
    [
        pytest.param("8", "12", id="two on their way, two to follow"),
        pytest.param("6", "10", id="all of it on its way: the other leg has its own"),
        pytest.param("10", "14", id="nothing on its way yet"),
    ],
)
def test_the_legs_of_a_move_do_not_stop_each_other_while_one_is_on_its_way(ahead: str, binance: str) -> None:
    story = hedged("30")
    question = question_of(story.ledger, story.policy, story.now)
    flying = replace(question.legs[OKX], frozen=Breach(Limit.IN_DOUBT, OKX, D(1), ZERO), is_waiting=True, ahead=D(ahead))
    asked = replace(question, legs={**question.legs, OKX: flying})
    wanted = {BINANCE: D(14), BYBIT: D(10), OKX: D(6)}
    found = settled(story.ledger, story.policy, asked, wanted, may_move=True)
    assert told(found) == {"binance": binance, "bybit": "10"}
    unknown = replace(asked, legs={**question.legs, OKX: replace(flying, is_waiting=False)})  # one in doubt is not counted on
    assert told(settled(story.ledger, story.policy, unknown, wanted, may_move=True)) == {"binance": "10", "bybit": "10"}


def test_what_is_on_its_way_for_a_gap_is_not_raised_again() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    question = question_of(story.ledger, story.policy, story.now)
    flying = replace(question.legs[OKX], frozen=Breach(Limit.IN_DOUBT, OKX, D(1), ZERO), is_waiting=True, short=D(11), ahead=D(11))
    asked = replace(question, legs={**question.legs, OKX: flying}, gaps={ETH: D(2)})
    found = settled(story.ledger, story.policy, asked, {BINANCE: D(11), BYBIT: D(11), OKX: D(11)}, may_move=True)
    assert told(found) == {"binance": "11", "bybit": "11"}


@pytest.mark.parametrize(("may_move", "least"), [(False, "0"), (True, "9001")])
def test_moves_are_dropped_where_they_may_not_be_or_are_not_worth_it_and_the_gap_is_hedged_all_the_same(may_move: bool, least: str) -> None:
    story = hedged("30") >> collateral("ETH", "33")
    policy = replace(story.policy, venue_move_notional_min=D(least))
    assert told(settle(story, may_move=may_move, policy=policy, binance="15", bybit="11", okx="7")) == {
        "binance": "13",
        "bybit": "10",
        "okx": "10",
    }
    assert told(settle(hedged("30"), may_move=may_move, policy=policy, binance="13", bybit="10", okx="7")) == dict.fromkeys(
        ("binance", "bybit", "okx"), "10"
    )


def test_what_is_too_much_is_taken_from_the_largest_changes_first() -> None:
    assert told(settle(hedged("30"), binance="14", bybit="11", okx="8")) == {"binance": "12", "bybit": "10", "okx": "8"}
    assert told(settle(hedged("30"), binance="12", bybit="5", okx="9")) == {"binance": "12", "bybit": "8", "okx": "10"}


def test_lots_are_rounded_toward_zero_and_the_finest_takes_what_is_left() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    assert told(settle(story, binance="11", bybit="11.007", okx="10.993")) == {"binance": "11.007", "bybit": "11", "okx": "10.993"}
    apart = settle(story, binance="10", bybit="13", okx="10")
    assert told(apart) == {"binance": "10", "bybit": "13", "okx": "10"}


def test_for_less_than_the_band_nobody_is_traded_who_would_not_be_anyway_and_for_more_somebody_is() -> None:
    story = hedged("30") >> collateral("ETH", "33.006")
    assert told(settle(story, binance="10", bybit="13.006", okx="10")) == {"binance": "10", "bybit": "13", "okx": "10"}
    fine = replace(story.policy, rebalance_band=D("0.00001"), rebalance_notional_min=D(1))
    assert told(settle(story, policy=fine, binance="10", bybit="13.006", okx="10")) == {"binance": "10.006", "bybit": "13", "okx": "10"}


def test_a_raise_that_no_longer_fits_ends_at_the_bound_and_another_does_not_take_it_over() -> None:
    story = hedged("30") >> collateral("ETH", "33")
    tight = replace(story.policy, instrument_notional_max=D(36_000))
    found = settle(story, policy=tight, binance="13", bybit="10", okx="10")
    assert told(found) == {"binance": "12", "bybit": "10", "okx": "10"}
    assert (found.left[InstrumentId(BINANCE)].usd, found.left[InstrumentId(BINANCE)].limit) == (0, "instrument_notional")


def test_a_long_is_closed_without_taking_room() -> None:
    story = hedged("30") >> venue_acts(OKX, "13", kind="trade")
    tight = replace(story.policy, instrument_notional_max=D(36_000))
    found = settle(story, policy=tight, binance="12", bybit="12", okx="0")
    assert told(found)["okx"] == "0"
    assert found.shorts[InstrumentId(BINANCE)] == 12


def test_what_the_first_leg_of_a_move_over_hedged_is_taken_back_inside_the_band_too() -> None:
    story = hedged("30")
    grown = replace(story.ledger.positions[InstrumentId(BINANCE)], quantity=D("-10.07"))
    ledger = replace(story.ledger, positions={**story.ledger.positions, InstrumentId(BINANCE): grown})
    found = settle(story, ledger=ledger, binance="10.07", bybit="10", okx="9.93")
    assert told(found) == {"binance": "10.07", "bybit": "10", "okx": "9.93"}
    assert told(settle(story, ledger=ledger, binance="10.07", bybit="10", okx="5"))["okx"] == "9.93"  # and no more


QUANTITIES = st.decimals(min_value=0, max_value=40, places=4)


@given(QUANTITIES, QUANTITIES, QUANTITIES, st.decimals(min_value=0, max_value=60, places=2), st.booleans())
def test_whatever_is_wanted_the_sum_is_never_more_than_needed_and_no_bound_is_broken(
    binance: Decimal, bybit: Decimal, okx: Decimal, held: Decimal, may_move: bool
) -> None:
    holding = replace(next(iter(STORY.ledger.holdings.values())), quantity=held)
    ledger = replace(STORY.ledger, holdings={("custody", "vault", ETH): holding})
    question = question_of(ledger, STORY.policy, STORY.now)
    wanted = {InstrumentId(BINANCE): binance, InstrumentId(BYBIT): bybit, InstrumentId(OKX): okx}
    found = settled(ledger, STORY.policy, question, wanted, may_move=may_move)
    total = sum(found.shorts.values(), ZERO)
    assert total <= max(30 + question.gaps[ETH], 30)
    share = exposure.share_base(ledger, STORY.policy)
    assert share is not None
    for short in found.shorts.values():
        assert short >= 0
        assert short * 3_000 <= max(share * STORY.policy.venue_share_max, D(30_000))  # its cap, or what was there
    if not may_move and question.gaps[ETH] == 0:  # nobody is raised then, and no more is lowered than is short too much
        assert all(short <= 10 for short in found.shorts.values())
        assert 30 - total <= max(30 - held, ZERO)
