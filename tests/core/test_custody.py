"""What a custodian holds and mirrors counts once; a settlement changes composition and no delta; contradictions and gaps are seen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import custody as rules
from bot.core import events as ev
from bot.core import exposure, holdings, obstacles, reserve
from bot.core.commands import PlaceOrder
from bot.core.engine import step
from bot.core.events import SettlementState as State
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy
from bot.core.records import Delegation, Ledger, VenueRecord
from bot.core.units import Asset, Range, VenueId
from tests.core.coin_accounts import ETH, LISTED, OKX, POLICY, account
from tests.core.market_words import custody, mirror, wide
from tests.core.openings import hedged
from tests.core.playbook import after as after_ms
from tests.core.playbook import book, collateral, confirmed, decision_due, filled, net_delta, nothing, place, reading
from tests.core.story import T0, Story, margin_report, policy_for

D = Decimal
USDT = Asset("USDT")
LAG = rules.MIRROR_LAG_MS
PATH = [State.IDLE, State.FROZEN, State.CALCULATING, State.SETTLING]
ENDS = [State.COMPLETED, State.PARTIAL, State.FAILED, State.EXCLUDED]
TELLS = replace(POLICY, collateral_sources=frozenset({"custody"}))


def report(
    quantity: Decimal | str, *delegations: ev.DelegationReport, at: int = T0, as_of: int | None = None, **more: Any
) -> ev.CustodyReported:
    totals = (ev.CustodyTotal(asset=ETH, quantity=D(quantity), redemption_rate=D(1)),)
    plain = ev.CustodyReported(
        at=at, source="custody", location="vault", as_of=at if as_of is None else as_of, totals=totals, delegations=delegations
    )
    return replace(plain, **more)


def with_account(ledger: Ledger, coins: Decimal | str, read_at: int) -> Ledger:
    """OKX told so many ETH in a complete reading."""
    told = {ETH: account("ETH", D(coins))}
    return replace(ledger, venues={OKX: VenueRecord(margins=told, equity_told=told, reported_at=read_at)})


def fresh(coins: str = "0") -> Ledger:
    return with_account(Ledger(decided_at=T0, instruments={i.id: i for i in LISTED}), coins, T0)


def after(ledger: Ledger, *events: ev.Event, policy: Policy = TELLS) -> Ledger:
    for event in events:
        ledger = step(ledger, event, policy).ledger
    return ledger


def held(ledger: Ledger, policy: Policy = TELLS) -> Range:
    found = exposure.held(ledger, policy, ETH)
    assert found is not None
    return found


def exactly(quantity: str) -> Range:
    return Range.exactly(D(quantity))


# -- the states of a settlement -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("before", "told"), list(product(State, State)))
def test_within_one_cycle_states_go_forward_and_what_went_wrong_may_be_tried_again(before: State, told: State) -> None:
    if before in PATH:
        allowed = told in ENDS or PATH.index(told) >= PATH.index(before)
    elif before is State.COMPLETED:
        allowed = told is State.COMPLETED
    else:
        allowed = told in (State.CALCULATING, State.SETTLING, *ENDS)
    assert rules.may_follow(mirror("okx", "1", cycle=4, state=before), mirror("okx", "1", cycle=4, state=told)) is allowed
    assert rules.may_follow(mirror("okx", "1", cycle=4, state=before), mirror("okx", "1", cycle=5, state=told))
    assert not rules.may_follow(mirror("okx", "1", cycle=4, state=before), mirror("okx", "1", cycle=3, state=told))


def test_a_contradiction_is_taken_over_told_and_blocks_until_the_custodian_goes_on() -> None:
    ledger = after(fresh("10"), report("10", mirror("okx", "10", cycle=2, state=State.COMPLETED)))
    assert obstacles.settlement_breach(ledger, TELLS, OKX, T0) is None
    back = mirror("okx", "10", cycle=2, state=State.SETTLING)
    ledger = after(ledger, report("10", back, at=T0 + 1), report("10", back, at=T0 + 2))
    found = obstacles.settlement_breach(ledger, TELLS, OKX, T0)
    assert found is not None
    assert found.sentence() == "settlement on okx, settlement 2 of ETH is told in contradiction: settling"
    assert [n.sentence for n in ledger.notes if n.kind == "settlement"][-1].endswith("that contradicts what was told before")
    ledger = after(ledger, report("11", replace(back, delegated=D(11), posted=D(1)), at=T0 + 2))
    assert obstacles.settlement_breach(ledger, TELLS, OKX, T0) == found, "that other figures change explains nothing"
    ledger = after(ledger, report("10", mirror("okx", "10", cycle=2, state=State.COMPLETED), at=T0 + 3))
    assert obstacles.settlement_breach(ledger, TELLS, OKX, T0) is None


@pytest.mark.parametrize("state", [State.PARTIAL, State.FAILED, State.EXCLUDED])
def test_a_settlement_that_went_wrong_blocks_its_venue_alone(state: State) -> None:
    ledger = after(fresh("10"), report("10", mirror("okx", "5", cycle=1, state=state), mirror("bybit", "5")))
    found = obstacles.settlement_breach(ledger, TELLS, OKX, T0)
    assert found is not None
    assert (found.limit, found.effect, found.detail) == (Limit.SETTLEMENT, Effect.BLOCKS, f"settlement 1 of ETH is {state.value}")
    assert found in obstacles.of_venue(ledger, TELLS, OKX, T0)
    assert obstacles.settlement_breach(ledger, TELLS, VenueId("bybit"), T0) is None


def test_a_settlement_is_late_beyond_its_delay_and_not_before() -> None:
    ledger = after(fresh("10"), report("10", mirror("okx", "10", next_settlement_at=T0)))
    most = TELLS.settlement_delay_max_ms
    assert obstacles.settlement_breach(ledger, TELLS, OKX, T0 + most) is None
    found = obstacles.settlement_breach(ledger, TELLS, OKX, T0 + most + 1)
    assert found is not None
    assert (found.observed, found.allowed) == (most + 1, most)


# -- each coin once -------------------------------------------------------------------------------------------------------------


def test_what_is_mirrored_counts_at_the_custodian_and_the_account_adds_the_rest() -> None:
    assert held(after(fresh("6.5"), report("10", mirror("okx", "6")))) == exactly("10.5")
    assert held(after(fresh("5.5"), report("10", mirror("okx", "6")))) == exactly("9.5")


def test_two_custodians_of_one_venue_add_up_and_one_that_is_not_configured_any_more_counts_for_nothing() -> None:
    both = replace(TELLS, collateral_sources=frozenset({"custody", "second"}))
    second = report("4", mirror("okx", "4"), source="second", location="elsewhere")
    ledger = after(fresh("10.5"), report("10", mirror("okx", "6")), second, policy=both)
    assert exposure.held(ledger, both, ETH) == exactly("14.5")
    assert rules.delegated_at(ledger, both, OKX) == {ETH: D(10)}
    assert held(with_account(ledger, "6.5", T0)) == exactly("10.5")


def test_a_mirrored_stablecoin_counts_once_in_what_the_book_owns_and_in_its_settle_exposure() -> None:
    """100,000 USDT in custody, 60,000 of them mirrored; the account holds 63,000 of which 3,000 are owed to us."""
    story = hedged("30")
    told = replace(margin_report("63000"), wallet_balance=D("63000"))
    story.margins["okx"] = told
    rows = (mirror("okx", "60000", "USDT"),)
    totals = (
        ev.CustodyTotal(asset=ETH, quantity=D(30), redemption_rate=D(1)),
        ev.CustodyTotal(asset=USDT, quantity=D(100_000), redemption_rate=None),
    )
    before = exposure.settle_exposure(story.ledger, story.policy)[USDT]
    story >> reading("okx")
    story.feed(replace(report("30", *rows, at=story.now), totals=totals))
    elsewhere = before - 100_000_000
    assert exposure.settle_exposure(story.ledger, story.policy) == {USDT: elsewhere + 103_000}
    assert holdings.known_asset_value(story.ledger, story.policy) == 90_000 + elsewhere + 103_000
    assert obstacles.unsettled_usd(story.ledger, story.policy, OKX) == 3_000


def test_one_report_makes_the_source_known_and_is_decided_upon_at_once() -> None:
    first = step(fresh(), report("10"), TELLS)
    assert (first.decide_soon, exposure.held(first.ledger, TELLS, ETH)) == (True, exactly("10"))
    assert exposure.held(fresh(), TELLS, ETH) is None


# -- a settlement changes composition, not delta --------------------------------------------------------------------------------


def test_a_settlement_into_the_mirror_moves_profit_into_custody_and_no_delta() -> None:
    before = after(fresh("6.5"), report("10", mirror("okx", "6")))
    done = after(before, report("10.5", mirror("okx", "6.5", cycle=1, settled="0.5", state=State.COMPLETED), at=T0 + 1))
    assert (held(before), held(done)) == (exactly("10.5"), exactly("10.5"))
    assert (exposure.collateral(done, TELLS, ETH), exposure.coin_equity(done, TELLS, ETH)) == (exactly("10.5"), 0)


def test_a_settlement_that_is_paid_out_leaves_delta_in_a_range_until_the_account_surely_shows_it() -> None:
    before = after(fresh("6.5"), report("10", mirror("okx", "6")))
    paid = after(before, report("10.5", mirror("okx", "6", settled="0.5"), at=T0 + 1))
    assert held(paid) == Range(D("10.5"), D(11))
    assert held(with_account(paid, "6", T0 + LAG)) == Range(D(10), D("10.5"))
    assert held(with_account(paid, "6", T0 + 1 + LAG)) == exactly("10.5")


def test_a_delegation_that_the_account_does_not_show_yet_is_a_doubt_and_no_change() -> None:
    told = after(fresh("2"), report("10", mirror("okx", "2")), report("10", mirror("okx", "7"), at=T0 + 1))
    assert held(told) == Range(D(5), D(10))
    assert held(with_account(told, "7", T0 + 2)) == Range(D(10), D(15))
    assert held(with_account(told, "7", T0 + 1 + LAG)) == exactly("10")
    again = after(told, report("10", mirror("okx", "7", posted="1"), at=T0 + 5))
    assert held(again) == Range(D(5), D(10))
    back = after(again, report("10", mirror("okx", "2"), at=T0 + 6))
    assert held(back) == Range(D(5), D(15))
    assert held(with_account(back, "2", T0 + 6 + LAG)) == exactly("10")


def test_the_first_delegation_to_a_venue_is_a_doubt_as_any_other() -> None:
    """The custodian spoke before and had no such row: it is new, and the account may show it later or shows it already."""
    told = after(fresh("2"), report("30"), report("30", mirror("okx", "10"), at=T0 + 5_000))
    assert held(told) == Range(D(22), D(32))
    shown = with_account(told, "12", T0 + 5_000 + LAG)
    assert held(shown) == exactly("32")
    assert held(after(shown, report("30", mirror("okx", "10"), at=T0 + 20_000))) == exactly("32")
    assert held(after(told, report("30", mirror("okx", "10"), at=T0 + 6_000))) == Range(D(22), D(32)), "told again it is no second one"


def test_what_a_custodian_tells_first_of_all_may_have_been_there_for_long() -> None:
    assert held(after(fresh("12"), report("30", mirror("okx", "10")))) == exactly("32")


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["delegate", "take back", "settle", "pay out", "profit", "deposit", "read", "show"]),
        st.integers(1, 50).map(lambda n: D(n) / 10),
        st.integers(0, 2 * LAG),
    ),
    max_size=25,
)


@given(ACTIONS)
@settings(max_examples=60, deadline=None)
def test_whatever_is_settled_delegated_and_read_the_truth_is_in_the_range_and_in_the_end_exact(actions: list[tuple[str, D, int]]) -> None:
    """The venue shows what the custodian moved at once, or at the latest `MIRROR_LAG_MS` later; a settlement alone never moves delta."""
    total, delegated, settled, shown, profit, now = D(20), D(0), D(0), D(0), D(0), T0
    due: list[tuple[int, D]] = []  # what the venue has still to show, and from when on it surely does
    ledger = after(fresh(), report(total, mirror("okx", "0")))
    for what, quantity, pause in actions:
        now += pause
        ledger = replace(ledger, decided_at=now, sources_confirmed_at={"custody": now})
        shown += sum((q for at, q in due if at <= now), D(0))
        due = [(at, q) for at, q in due if at > now]
        before, moved = held(ledger), D(0)
        if what == "delegate":
            moved = min(quantity, total - delegated)
        elif what == "take back":
            moved = -min(quantity, delegated)
        elif what == "settle":
            gain = max(profit, -delegated)
            total, delegated, settled, profit = total + gain, delegated + gain, settled + gain, profit - gain
        elif what == "pay out" and profit > 0:
            total, settled, moved = total + profit, settled + profit, D(0)
            due.append((now + LAG, -profit))
        elif what == "profit":
            profit, shown = profit + quantity - 2, shown + quantity - 2
            ledger = with_account(ledger, shown, now)
        elif what == "deposit":
            total += quantity
        elif what == "show":
            shown, due = shown + sum((q for _, q in due), D(0)), []
            ledger = with_account(ledger, shown, now)
        elif what == "read":
            ledger = with_account(ledger, shown, now)
        if moved:
            delegated += moved
            due.append((now + LAG, moved))
        if what == "pay out":
            profit = min(profit, D(0))
        if what not in ("profit", "read", "show"):
            ledger = after(ledger, report(total, mirror("okx", str(delegated), settled=str(settled)), at=now))
        truth = total - delegated + shown + sum((q for _, q in due), D(0))
        assert held(ledger).low <= truth <= held(ledger).high
        if what == "settle":
            assert held(ledger) == before
    shown += sum((q for _, q in due), D(0))
    assert held(with_account(ledger, shown, now + 2 * LAG)) == Range.exactly(total - delegated + shown)


# -- what makes no sense --------------------------------------------------------------------------------------------------------

TWICE = (ev.CustodyTotal(asset=ETH, quantity=D(1), redemption_rate=None),) * 2
SENSELESS: list[tuple[ev.CustodyReported, str]] = [
    (report("10", totals=TWICE), "an asset is told twice"),
    (report("-1"), "senseless total of ETH"),
    (report("NaN"), "senseless total of ETH"),
    (report("10", totals=(ev.CustodyTotal(asset=ETH, quantity=D(10), redemption_rate=D(0)),)), "senseless total of ETH"),
    (report("10", totals=()), "ETH is gone from the report, and absence is not zero"),
    (report("10"), "ETH delegated to okx is gone from the report, and absence is not zero"),
    (report("10", mirror("okx", "11")), "more ETH is delegated than the custodian holds"),
    (report("10", mirror("okx", "6"), mirror("bybit", "5")), "more ETH is delegated than the custodian holds"),
    (report("10", mirror("okx", "6"), mirror("okx", "1")), "ETH delegated to okx is told twice"),
    (report("10", mirror("okx", "6"), mirror("okx", "1", "BTC")), "BTC delegated to okx without a total of it"),
    (report("10", mirror("okx", "-1")), "senseless figures of ETH delegated to okx"),
    (report("10", mirror("okx", "1", due="NaN")), "senseless figures of ETH delegated to okx"),
    (report("10", mirror("okx", "1", posted="-1")), "senseless figures of ETH delegated to okx"),
]


@pytest.mark.parametrize(("bad", "why"), SENSELESS, ids=[why for _, why in SENSELESS])
def test_of_a_report_that_makes_no_sense_nothing_is_taken_over(bad: ev.CustodyReported, why: str) -> None:
    before = after(fresh("6"), report("10", mirror("okx", "6")))
    told = after(before, replace(bad, at=T0 + 1, as_of=T0 + 1))
    assert told.sources_unreadable == {"custody": why}
    assert (told.holdings, told.mirrored, held(told)) == (before.holdings, before.mirrored, exactly("10"))
    assert after(told, report("10", mirror("okx", "6"), at=T0 + 2)).sources_unreadable == {}


def test_a_late_report_changes_nothing_and_the_same_one_again_neither() -> None:
    newest = report("12", mirror("okx", "6"), at=T0 + 10)
    ledger = after(fresh("6"), newest)
    late = report("10", mirror("okx", "2"), at=T0 + 20, as_of=T0 + 9)
    assert after(ledger, late) is ledger
    assert after(ledger, newest) == ledger


# -- what may be lost ---------------------------------------------------------------------------------------------------------


HOUR = 3_600_000


def mirrored(story: Story, delegated: str, **terms: Any) -> Story:
    """OKX mirrors so many USDT; the account holds what it was funded with."""
    told = Delegation(told=mirror("okx", delegated, "USDT", **terms), observed_at=story.now)
    story.ledger = replace(story.ledger, mirrored={("custody", OKX, USDT): told})
    return story


def risked(story: Story) -> Decimal:
    found = obstacles.exposure_at_risk_usd(story.ledger, story.policy, OKX, story.now)
    assert found is not None
    return found


def grown(hours: int) -> Decimal:
    return reserve.exposure_at_risk(D(30_000), D("0.6"), hours * HOUR)


def near(found: Decimal, wanted: Decimal) -> bool:
    return abs(found - wanted) < D("1e-12")


def test_f8_what_may_be_owed_until_the_next_settlement_is_unsettled_profit_and_its_growth_less_what_was_posted() -> None:
    """30,000 USD short at 60 % for four hours: 2.326 x 30,000 x 0.6 x sqrt(4 / 8,760) = 894."""
    story = hedged("30")
    told = {"next_settlement_at": story.now + 4 * HOUR}
    assert grown(4).quantize(D(1)) == 895
    assert near(risked(mirrored(story, "99990000", **told)), 10_000 + grown(4))
    assert near(risked(mirrored(story, "100010000", **told)), grown(4))  # what we owe takes nothing from what it may come to owe
    assert near(risked(mirrored(story, "99990000", **told, posted="10500")), grown(4) - 500)
    assert risked(mirrored(story, "99990000", **told, posted="20000")) == 0
    assert near(risked(mirrored(story, "100000000")), grown(24))  # untold: the longest
    assert near(risked(mirrored(story, "100000000", **told, state=State.FAILED)), grown(28))
    assert risked(mirrored(story, "100000000", next_settlement_at=story.now - 1)) == 0
    unread = replace(story.ledger, positions={})
    assert obstacles.exposure_at_risk_usd(unread, story.policy, OKX, story.now) is None
    assert obstacles.exposure_at_risk_usd(unread, story.policy, VenueId("bybit"), story.now) == 0


def test_f8_a_venue_that_may_come_to_owe_too_much_takes_no_increase() -> None:
    story = mirrored(hedged("30"), "90000000", next_settlement_at=T0 + 4 * HOUR)
    owned = holdings.known_asset_value(story.ledger, story.policy)
    assert owned is not None
    share = risked(story) / owned
    story.policy = replace(story.policy, exposure_at_risk_max=share, unsettled_profit_max=D("0.2"))
    assert obstacles.of_venue(story.ledger, story.policy, OKX, story.now) == ()
    story.policy = replace(story.policy, exposure_at_risk_max=share - D("0.0001"))
    (found,) = obstacles.of_venue(story.ledger, story.policy, OKX, story.now)
    assert (found.limit, found.observed, found.effect) == (Limit.EXPOSURE_AT_RISK, share, Effect.BLOCKS)


def test_a_story_of_a_cycle_nothing_is_traded_for_a_settlement() -> None:
    """9.7 of 29.7 ETH in custody are mirrored at OKX, whose account has made 0.3 of profit: frozen, calculated, settled, and no order."""
    story = hedged("30")
    story.margins["okx"] = account("ETH", "10")
    for state in (*PATH, State.COMPLETED):
        settled = "0.3" if state is State.COMPLETED else "0"
        total, mirrors = f"{D('29.7') + D(settled)}", f"{D('9.7') + D(settled)}"
        told = mirror("okx", mirrors, cycle=7, state=state, settled=settled, next_settlement_at=story.now + HOUR)
        story >> reading("okx") >> custody(total, told) >> decision_due() << nothing() << net_delta("ETH", "0") >> after_ms(10_000)
    assert (exposure.collateral(story.ledger, story.policy, ETH), exposure.coin_equity(story.ledger, story.policy, ETH)) == (
        exactly("30"),
        0,
    )
    kept = [n.sentence for n in story.ledger.notes if n.kind == "settlement"]
    assert [sentence.rpartition(" ")[2] for sentence in kept] == [state.value for state in (*PATH, State.COMPLETED)]


def test_one_deposit_that_several_sources_see_is_hedged_once() -> None:
    """Ten ETH arrive in custody and are mirrored at OKX: the custodian, a second source of the same vault, and the venue's account see
    them, one after the other. All together they are ten."""
    story = book(policy_for("ETH", collateral_sources=frozenset({"chain", "custody"})))
    story.margins["okx"] = account("ETH", "0")
    story >> custody("30", mirror("okx", "0")) >> collateral("ETH", "30", source="chain") >> confirmed("chain")
    story >> reading("okx") >> wide() >> decision_due()
    first = [o for o in story.outbox if isinstance(o, PlaceOrder)]
    assert sum((o.quantity for o in first), D(0)) == -30
    for order in first:
        story << place(order.instrument, f"{order.quantity:f}")
    story >> filled(*(order.instrument for order in first))
    story >> custody("40", mirror("okx", "10")) >> decision_due() << nothing()  # one of two words on a place: possible, not certain
    story.margins["okx"] = account("ETH", "10")
    story >> after_ms(500) >> reading("okx") >> collateral("ETH", "40", source="chain") >> after_ms(LAG) >> reading("okx")
    story >> custody("40", mirror("okx", "10")) >> collateral("ETH", "40", source="chain") >> decision_due()
    assert held(story.ledger, story.policy) == exactly("40")
    assert sum((o.quantity for o in story.outbox if isinstance(o, PlaceOrder)), D(0)) == -10
    story.outbox.clear()
