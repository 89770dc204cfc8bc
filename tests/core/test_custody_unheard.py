"""A delegation that the venue shows before the custodian tells of it: the coins are in doubt, and nothing is hedged on them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import custody as rules
from bot.core.commands import PlaceOrder
from bot.core.units import Range
from tests.core.coin_accounts import account
from tests.core.openings import hedged
from tests.core.playbook import after as after_ms
from tests.core.playbook import decision_due, nothing, reading
from tests.core.story import Story
from tests.core.test_custody import ETH, OKX, custody, exactly, held, mirror

D = Decimal


def mirrored(coins: str = "10") -> Story:
    """Of 30 ETH in custody `coins` are mirrored at OKX, whose account shows them, and all are hedged."""
    story = hedged("30")
    story.margins["okx"] = account("ETH", coins, coins)
    story >> custody("30", mirror("okx", coins)) >> reading("okx") >> after_ms(rules.MIRROR_LAG_MS + 1) >> reading("okx")
    story >> custody("30", mirror("okx", coins)) >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == exactly("30")
    return story


def shows(story: Story, coins: str) -> Story:
    """OKX's account tells so many ETH in a complete reading."""
    story.margins["okx"] = account("ETH", coins, coins)
    return story >> after_ms(1_000) >> reading("okx")


def told(story: Story, coins: str, total: str = "30", **more: str) -> Story:
    """The custodian tells that it mirrors so many, and OKX's account, which showed it before, surely shows all of it."""
    story >> custody(total, mirror("okx", coins, **more))
    assert held(story.ledger, story.policy).low <= D(total) <= held(story.ledger, story.policy).high
    return story >> decision_due() << nothing() >> after_ms(rules.MIRROR_LAG_MS + 1) >> reading("okx")


def orders(story: Story) -> list[PlaceOrder]:
    return [command for command in story.outbox if isinstance(command, PlaceOrder)]


def test_what_the_venue_shows_first_is_in_doubt_and_not_hedged_until_the_custodian_tells_of_it() -> None:
    story = shows(mirrored(), "15")
    assert held(story.ledger, story.policy) == Range(D(30), D(35))
    story >> decision_due() << nothing()
    told(story, "15") >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == exactly("30")


def test_a_report_that_was_on_its_way_does_not_end_the_doubt() -> None:
    story = shows(mirrored(), "15")
    story >> custody("30", mirror("okx", "10")) >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == Range(D(30), D(35))
    told(story, "15") >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == exactly("30")


@pytest.mark.parametrize("before_ms", [(1_000, 1_000, 1_000), (1_000, 500, 1)], ids=["the last one again", "newer ones"])
@pytest.mark.parametrize("has_row", [True, False])
def test_a_statement_from_before_the_reading_is_no_word_on_it(before_ms: tuple[int, ...], *, has_row: bool) -> None:
    """A custodian's answers come out of a cache: however often, they are of an instant at which it could not know."""
    rows = (mirror("okx", "10"),) if has_row else ()
    story = shows(mirrored(), "15") if has_row else shows(unmirrored(), "5")
    read_at, doubted = story.now, held(story.ledger, story.policy)
    assert doubted == Range(D(30), D(35))
    for ms in before_ms:
        story >> after_ms(5_000) >> custody("30", *rows, as_of=read_at - ms) >> decision_due() << nothing()
        assert held(story.ledger, story.policy) == doubted
    for known in (doubted, exactly("35")):
        story >> after_ms(1_000) >> custody("30", *rows)
        assert held(story.ledger, story.policy) == known, "from then on its words count"
    story.outbox.clear()


def test_one_statement_that_is_told_twice_is_one_word() -> None:
    story = shows(mirrored(), "15")
    story >> custody("30", mirror("okx", "10"))
    told = story.now
    for _ in range(3):
        story >> after_ms(5_000) >> custody("30", mirror("okx", "10"), as_of=told) >> decision_due() << nothing()
        assert held(story.ledger, story.policy) == Range(D(30), D(35))
    story >> custody("30", mirror("okx", "15")) >> reading("okx") >> after_ms(rules.MIRROR_LAG_MS + 1)
    shows(shows(story, "15"), "15") >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == exactly("30")


def test_coins_of_our_own_count_when_the_second_report_knows_nothing_of_them() -> None:
    story = shows(mirrored(), "15")
    for _ in range(2):
        assert orders(story) == []
        story >> after_ms(1_000) >> custody("30", mirror("okx", "10")) >> decision_due()
    assert held(story.ledger, story.policy) == exactly("35")
    assert sum((order.quantity for order in orders(story)), D(0)) == -5
    story.outbox.clear()


def test_what_is_taken_back_is_in_doubt_the_other_way() -> None:
    story = shows(mirrored(), "4")
    assert held(story.ledger, story.policy) == Range(D(24), D(30))
    story >> decision_due() << nothing()
    told(story, "4") >> decision_due() << nothing()
    assert held(story.ledger, story.policy) == exactly("30")


def test_a_profit_that_is_paid_out_before_the_custodian_tells_of_it_leaves_no_hole() -> None:
    story = shows(mirrored(), "12")
    for _ in range(2):
        story >> after_ms(1_000) >> custody("30", mirror("okx", "10"))
    story.outbox.clear()
    assert held(story.ledger, story.policy) == exactly("32")
    shows(story, "10")
    assert held(story.ledger, story.policy) == Range(D(30), D(32))
    told(story, "10", total="32", settled="2")
    assert held(story.ledger, story.policy) == exactly("32")


def test_of_a_custodian_that_falls_silent_the_doubt_stays() -> None:
    story = shows(mirrored(), "15")
    for _ in range(5):
        shows(story, "15")
    assert held(story.ledger, story.policy) == Range(D(30), D(35))


def test_what_was_told_and_is_shown_then_is_no_second_doubt() -> None:
    story = mirrored()
    story >> custody("30", mirror("okx", "15"))
    assert held(story.ledger, story.policy) == Range(D(25), D(30))
    shows(story, "15")
    assert rules.delegated_at(story.ledger, story.policy, OKX) == {ETH: D(15)}
    assert held(story.ledger, story.policy) == Range(D(30), D(35)), "until it surely shows all"
    shows(story >> after_ms(rules.MIRROR_LAG_MS), "15")
    assert held(story.ledger, story.policy) == exactly("30")


def unmirrored(own: str = "0") -> Story:
    """30 ETH in custody, of which the custodian mirrors nothing yet, and coins of our own at OKX; all are hedged."""
    story = hedged("30")
    story.margins["okx"] = account("ETH", own, own)
    story >> custody("30") >> reading("okx") >> after_ms(1_000) >> custody("30") >> after_ms(1_000)
    story >> custody("30") >> reading("okx") >> decision_due()
    story.outbox.clear()
    assert held(story.ledger, story.policy) == exactly(str(D(30) + D(own)))
    assert not story.ledger.mirrored
    return story


@pytest.mark.parametrize("own", ["0", "3"])
def test_the_first_delegation_of_all_that_the_venue_shows_before_any_row_of_it_is_in_doubt(own: str) -> None:
    story = shows(unmirrored(own), str(D(own) + 10))
    assert held(story.ledger, story.policy) == Range(D(30) + D(own), D(40) + D(own))
    story >> custody("30", mirror("okx", "10")) >> after_ms(rules.MIRROR_LAG_MS + 1) >> reading("okx")
    assert held(story.ledger, story.policy) == exactly(str(D(30) + D(own)))


def test_coins_of_our_own_where_no_row_comes_count_with_the_second_report() -> None:
    story = shows(unmirrored(), "10")
    story >> custody("30")
    assert held(story.ledger, story.policy) == Range(D(30), D(40))
    story >> after_ms(1_000) >> custody("30")
    assert held(story.ledger, story.policy) == exactly("40")
    assert not story.ledger.mirrored


def test_an_account_that_told_no_such_coin_before_shows_a_first_delegation_too() -> None:
    story = hedged("30") >> custody("30") >> reading("okx") >> decision_due()
    assert ETH not in story.ledger.venues[OKX].equity_told
    shows(story, "10")
    assert held(story.ledger, story.policy) == Range(D(30), D(40))
    story >> custody("30", mirror("okx", "10")) >> after_ms(rules.MIRROR_LAG_MS + 1) >> reading("okx")
    assert held(story.ledger, story.policy) == exactly("30")


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["delegate, shown first", "delegate, told first", "own", "tell"]), st.integers(-40, 40), st.integers(0, 4_000)
    ),
    max_size=15,
)


@given(MOVES)
@settings(max_examples=60, deadline=None)
def test_whoever_is_the_first_to_tell_the_truth_is_in_the_range(moves: list[tuple[str, int, int]]) -> None:
    """Each move is shown by a reading before the next one; the custodian is heard before it, after it, or not for a long time."""
    story, delegated, own = hedged("30"), D(10), D(0)

    def tell() -> None:
        story >> custody("30", mirror("okx", f"{delegated}"))

    def show() -> None:
        story.margins["okx"] = account("ETH", delegated + own, delegated + own)
        story >> reading("okx")

    tell(), show(), story >> after_ms(rules.MIRROR_LAG_MS + 1), show()
    for what, tenths, pause in moves:
        story >> after_ms(pause)
        if what.startswith("delegate"):
            delegated = min(max(delegated + D(tenths) / 10, D(0)), D(30))
        elif what == "own":
            own = max(own + D(tenths) / 10, D(0))
        if what in ("tell", "delegate, told first"):
            tell()
        if what != "tell":
            show()
        story.outbox.clear()
        found = held(story.ledger, story.policy)
        assert found.low <= 30 + own <= found.high
    for _ in range(rules.WORDS):
        story >> after_ms(rules.MIRROR_LAG_MS)
        tell()
    story >> after_ms(rules.MIRROR_LAG_MS + 1)
    show()
    story.outbox.clear()
    assert held(story.ledger, story.policy) == Range.exactly(30 + own)


def test_each_move_keeps_its_own_side_of_the_doubt() -> None:
    story = shows(shows(mirrored(), "15"), "10")
    (delegation,) = story.ledger.mirrored.values()
    assert (delegation.unheard_up, delegation.unheard_down, delegation.words) == (5, -5, 0)
    assert held(story.ledger, story.policy) == Range(D(25), D(35))
