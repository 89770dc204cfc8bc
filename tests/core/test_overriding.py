"""A person sets a limit for a while: within the ceilings, over restarts, and never longer than asked."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.acts import OperatorAction
from bot.core.ceilings import CEILINGS
from bot.core.events import DecisionDue, OperatorActed
from bot.core.overriding import LASTS_MAX_MS, field_of, in_force, why_not
from bot.core.policy import Policy
from bot.core.units import CLOCK_STEP_TOLERANCE_MS
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import after, collateral, confirmed, decision_due, filled, place, says, started
from tests.core.story import Feed, Story

D = Decimal
HOUR = 3_600_000


def overrides(setting: str, value: str, lasts_ms: int = HOUR) -> Feed:
    """A named person sets a policy field for a while."""

    def acts(story: Story) -> list[OperatorActed]:
        kind, end = OperatorAction.OVERRIDE, lasts_ms
        return [OperatorActed(at=story.now, action=kind, by="alice", why="a drill", setting=setting, value=D(value), lasts_ms=end)]

    return Feed(f"override {setting}", acts)


def values(story: Story, field: str) -> tuple[Decimal, Decimal]:
    """What is in force, and what is configured."""
    return getattr(in_force(story.ledger, story.policy), field), getattr(story.policy, field)


def test_it_counts_at_once_over_a_restart_and_until_its_end() -> None:
    story = hedged("30") >> overrides("venue_share_max", "0.3")
    assert values(story, "venue_share_max") == (D("0.3"), D("0.6"))
    (told,) = story.statement().overrides
    assert (told.made.value, told.configured, told.made.by, told.made.until) == (D("0.3"), D("0.6"), "alice", story.now + HOUR)
    story >> started() >> after(HOUR - 1) >> confirmed()
    story.feed(DecisionDue(at=story.now, quotes=story.quotes()))
    assert values(story, "venue_share_max") == (D("0.3"), D("0.6"))
    story >> after(1) >> confirmed()
    story.feed(DecisionDue(at=story.now, quotes=story.quotes()))
    assert values(story, "venue_share_max") == (D("0.6"), D("0.6"))
    story << says("the override of venue_share_max to 0.3 by alice is over")


def test_a_decision_is_held_to_what_is_in_force_and_replays_equal() -> None:
    story = hedged("30") >> overrides("order_notional_max", "15000") >> narrow("60") >> collateral("ETH", "60") >> decision_due()
    for instrument in (BYBIT, BINANCE, OKX):
        story << place(instrument, "-5")  # 15,000 USD at 3,000 each
    story >> filled(BYBIT, BINANCE, OKX) >> overrides("order_notional_max", "250000", 0)
    story.close()
    assert story.ledger.overrides == ()


def test_a_second_takes_the_place_of_the_first_and_a_clock_that_steps_back_ends_it() -> None:
    story = hedged("30") >> overrides("spread_max", "0.003") >> overrides("spread_max", "0.004")
    assert [o.value for o in story.ledger.overrides] == [D("0.004")]
    story.now -= CLOCK_STEP_TOLERANCE_MS + HOUR
    story.feed(DecisionDue(at=story.now, quotes=story.quotes()))
    assert story.ledger.overrides == ()


@pytest.mark.parametrize(
    ("name", "value", "lasts_ms", "words"),
    [
        ("venue_share_max", "1.1", HOUR, "venue_share_max: 1.1 is not allowed: 0.05 to 1, whoever asks"),
        ("order_rate_max", "1.5", HOUR, "order_rate_max: 1.5 is not a whole number"),
        ("venue_share_max", "0.5", LASTS_MAX_MS + 1, "--for: 24h is not allowed: up to 24h"),
        ("stables", "1", HOUR, "stables: is not a limit with a value"),
        ("eligibility", "1", HOUR, "eligibility: is not a limit with a value; say open_interest_min or touch_notional_min or spread_max"),
    ],
)
def test_what_is_beyond_the_ceilings_is_refused_and_changes_nothing(name: str, value: str, lasts_ms: int, words: str) -> None:
    assert (why_not(name, D(value), lasts_ms, Policy()) or "").startswith(words)
    story = hedged("30") >> overrides(name, value, lasts_ms) << says(f"not overridden: {words}")
    assert story.ledger.overrides == ()


def test_a_limit_with_one_value_is_known_by_its_own_name_too() -> None:
    assert (field_of("venue_share"), field_of("venue_share_max"), field_of("nonsense")) == ("venue_share_max", "venue_share_max", None)


def test_what_is_in_force_is_the_very_same_policy_while_nothing_changes() -> None:
    story = hedged("30") >> overrides("spread_max", "0.003")
    once = in_force(story.ledger, story.policy)
    story >> after(10) >> confirmed()
    assert in_force(story.ledger, story.policy) is once
    assert in_force(story.ledger, Policy()).spread_max == D("0.003")


def test_one_beyond_the_ceilings_of_a_later_version_counts_no_more_and_is_told() -> None:
    story = hedged("30") >> overrides("venue_share_max", "0.3")
    (made,) = story.ledger.overrides
    beyond = CEILINGS["venue_share_max"].highest + 1
    story.ledger = replace(story.ledger, overrides=(replace(made, value=beyond),))
    assert values(story, "venue_share_max") == (D("0.6"), D("0.6"))
    story >> started() >> after(1)
    story.feed(DecisionDue(at=story.now, quotes=story.quotes()))
    assert story.ledger.overrides == ()
    story << says(f"the override of venue_share_max to {beyond:f} by alice is over")


@pytest.mark.parametrize("value", ["1e999999999", "-1e31", "1e-31", "NaN", "Infinity"])
def test_a_number_that_nobody_can_read_is_refused_without_writing_it_out(value: str) -> None:
    told = why_not("spread_max", D(value), HOUR, Policy())
    assert told == "spread_max: the value is not a number of a usable size"
