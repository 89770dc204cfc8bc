"""What is given up first when less short is needed: where margin or a cap is passed, then where it is worth least; only by reductions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core import exposure, target
from bot.core.commands import PlaceOrder
from bot.core.events import DecisionDue
from bot.core.explanation import explained
from bot.core.limits import Limit
from bot.core.records import Delegation, FundingState
from bot.core.target_order import Giving, Passed, first_given_up, order_key
from bot.core.target_problem import question_of
from bot.core.units import ZERO, Asset, InstrumentId, VenueId
from tests.core.market_words import market, mirror, wide
from tests.core.openings import BINANCE, BYBIT, OKX, hedged
from tests.core.playbook import collateral, decision_due, filled
from tests.core.story import Story, margin_report

D = Decimal
ETH, USDT, VENUE, AT = Asset("ETH"), Asset("USDT"), VenueId("okx"), InstrumentId(OKX)

ORDERS: list[tuple[dict[str, tuple[str, str, bool]], list[str]]] = [
    # carry, closing cost, whether a limit is passed -> the order
    ({"a": ("0.10", "0.02", False), "b": ("0.05", "0.02", False), "c": ("0.07", "0.02", False)}, ["b", "c", "a"]),
    ({"a": ("0.10", "0.01", False), "b": ("0.05", "0.09", False)}, ["a", "b"]),
    ({"a": ("-0.50", "0.00", False), "b": ("0.90", "0.00", True)}, ["b", "a"]),
    ({"a": ("0.10", "0.00", True), "b": ("0.05", "0.00", True), "c": ("-1", "0", False)}, ["b", "a", "c"]),
    ({"b": ("0.10", "0.00", False), "a": ("0.08", "0.02", False)}, ["a", "b"]),
]


@pytest.mark.parametrize(("legs", "wanted"), ORDERS)
def test_where_a_limit_is_passed_comes_first_then_the_least_worth(legs: dict[str, tuple[str, str, bool]], wanted: list[str]) -> None:
    keys = {i: order_key(InstrumentId(i), (Limit.LEVERAGE,) if passed else (), D(c), D(closes)) for i, (c, closes, passed) in legs.items()}
    assert sorted(legs, key=lambda i: keys[i]) == wanted


def giving(name: str, short: str, worth: str, **passed: tuple[str | None, str]) -> Giving:
    """An instrument with so much short, and by limit what is beyond it and what of that is forced away."""
    limits = tuple(
        Passed(limit=Limit(limit), subject=(name,), excess=None if beyond is None else D(beyond), taken=D(1), forced=D(forced))
        for limit, (beyond, forced) in passed.items()
    )
    return Giving(instrument=InstrumentId(name), short=D(short), key=order_key(InstrumentId(name), limits, D(worth), ZERO), passed=limits)


GIVEN: list[tuple[list[Giving], str, dict[str, tuple[str, int]]]] = [
    ([giving("a", "10", "0"), giving("b", "10", "1")], "5", {}),
    ([giving("a", "10", "0"), giving("b", "10", "1", leverage=("3", "0"))], "5", {"b": ("leverage", 3)}),
    ([giving("a", "10", "0"), giving("b", "10", "1", leverage=("3", "0"))], "2", {"b": ("leverage", 2)}),
    ([giving("a", "10", "2", leverage=("4", "0")), giving("b", "10", "1", venue_share=("3", "0"))], "5",
     {"b": ("venue_share", 3), "a": ("leverage", 2)}),
    ([giving("a", "10", "1", leverage=("4", "0")), giving("b", "10", "2", venue_share=("9", "3"))], "5",
     {"b": ("venue_share", 3), "a": ("leverage", 2)}),  # what is forced away anyway comes before all else
    ([giving("a", "10", "1", leverage=("4", "4")), giving("b", "10", "2", venue_share=("9", "3"))], "5",
     {"a": ("leverage", 4), "b": ("venue_share", 1)}),
    ([giving("a", "10", "1", unsettled_profit=(None, "0")), giving("b", "10", "2")], "12", {"a": ("unsettled_profit", 10)}),
    ([giving("a", "10", "1", leverage=("2", "0"), margin_ratio=("6", "0"))], "12", {"a": ("margin_ratio", 6)}),
]  # fmt: skip


@pytest.mark.parametrize(("legs", "usd", "wanted"), GIVEN)
def test_what_is_beyond_a_limit_goes_first_and_no_more_than_that(legs: list[Giving], usd: str, wanted: dict[str, tuple[str, int]]) -> None:
    found = first_given_up(legs, D(usd))
    assert {i: (limit.value, part) for i, (limit, part) in found.items()} == wanted
    assert first_given_up(list(reversed(legs)), D(usd)) == found


def paid(story: Story, **annual: str) -> Story:
    """The annual funding of each venue's ETH perpetual."""
    told = {
        InstrumentId(f"{venue}:ETH"): FundingState(rate=None, interval_ms=None, annual=D(rate), observed_at=story.now)
        for venue, rate in annual.items()
    }
    story.ledger = replace(story.ledger, funding=told)
    return story


def opened(**changes: Any) -> Story:
    """Ten ETH short at each of three venues; OKX pays most, Binance least. Then this policy."""
    story = paid(hedged("30"), binance="0.02", bybit="0.05", okx="0.10")
    story.policy = replace(story.policy, **changes)
    return story


def carried(story: Story, **quantities: str) -> Story:
    """The book carries so many ETH at each venue, all at once."""
    positions = dict(story.ledger.positions)
    for venue, quantity in quantities.items():
        at = InstrumentId(f"{venue}:ETH")
        positions[at] = replace(positions[at], quantity=D(quantity))
    story.ledger = replace(story.ledger, positions=positions, allocated=None)
    return story


def account(balance: str, maintenance: str) -> Story:
    """OKX's account stands so; so does what it was told for."""
    story, report = opened(), margin_report(balance, maintenance)
    record = replace(story.ledger.venues[VENUE], margins={USDT: report}, equity_told={USDT: report}, margin_positions={AT: D(-10)})
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VENUE: record})
    return story


def owing() -> Story:
    """OKX owes more than one in a hundred of all that is owned, beyond what a custodian delegated."""
    story = opened()
    story.ledger = replace(story.ledger, delegations={VENUE: {USDT: D(97_000_000)}})
    return story


def risking() -> Story:
    story = opened(unsettled_profit_max=D("0.2"))
    told = Delegation(told=mirror("okx", "88000000", "USDT", next_settlement_at=story.now), observed_at=story.now)
    story.ledger = replace(story.ledger, mirrored={("custody", VENUE, USDT): told})
    return story


PASSED: list[tuple[str, Callable[[], Story]]] = [
    ("venue_share", lambda: carried(opened(venue_share_max=D("0.395")), okx="-12", bybit="-9", binance="-9")),
    ("instrument_notional", lambda: carried(opened(instrument_notional_max=D(35_400)), okx="-12", bybit="-9", binance="-9")),
    ("open_interest_share", lambda: opened() >> wide() >> market(OKX, "98.5")),
    ("leverage", lambda: account("9999", "100")),
    ("margin_ratio", lambda: account("20000", "10001")),
    ("margin_buffer", lambda: account("12000", "100")),
    ("collateral_share", lambda: opened(collateral_share_max=D("0.33"))),
    ("unsettled_profit", owing),
    ("exposure_at_risk", risking),
]


def given_up(story: Story) -> dict[str, Decimal]:
    """What each instrument loses when so much less is needed, in base units of short."""
    (plan,) = target.plan_book(story.ledger, story.policy, story.now)
    assert plan.allocation is not None
    legs = question_of(story.ledger, story.policy, story.now).legs
    return {s.instrument: lost for s in plan.allocation.shares if (lost := legs[s.instrument].short - s.short) != ZERO}


@pytest.mark.parametrize(("limit", "make"), PASSED, ids=[name for name, _ in PASSED])
def test_a_redemption_is_taken_first_where_a_limit_is_passed_though_it_pays_best(limit: str, make: Callable[[], Story]) -> None:
    story = make()
    if limit == "collateral_share":  # all three hold a third
        record = replace(story.ledger.venues[VENUE], margins={USDT: margin_report("110000000")})
        story.ledger = replace(story.ledger, venues={**story.ledger.venues, VENUE: record})
    assert given_up(story) == {}, "nothing moves for that alone"
    legs = question_of(story.ledger, story.policy, story.now).legs
    assert [i for i in legs if limit in {p.limit for p in legs[i].passed}] == [OKX]
    beyond = max(legs[AT].short if p.excess is None else p.excess / p.taken / legs[AT].price for p in legs[AT].passed)
    little = given_up(story >> collateral("ETH", f"{30 - min(beyond, D('0.1')):f}"))
    assert [*little] == [OKX], "what is beyond the limit goes first"
    more = given_up(story >> collateral("ETH", f"{30 - beyond - 1:f}"))
    assert abs(more[OKX] - beyond) < D("0.6"), "until it is not passed any more"
    assert limit == "venue_share" or abs(more[BINANCE] - 1) < D("0.02"), "then where a dollar of short is worth least"
    assert BYBIT not in more


def test_where_no_limit_is_passed_what_is_worth_least_is_given_up_first() -> None:
    story = opened() >> collateral("ETH", "26")
    assert given_up(story) == {BINANCE: D(4)}
    assert given_up(paid(story, binance="0.05", bybit="0.02", okx="0.10")) == {BYBIT: D(4)}
    assert given_up(opened(venue_share_max=D(1)) >> collateral("ETH", "15")) == {BINANCE: D(10), BYBIT: D(5)}
    dear = replace(story.ledger.instruments[InstrumentId(BINANCE)], taker_fee=D("0.01"))
    story.ledger = replace(story.ledger, instruments={**story.ledger.instruments, dear.id: dear})
    assert given_up(story) == {BYBIT: D(4)}, "closing at Binance would cost more than its carry is less"


def test_the_order_is_part_of_what_is_explained() -> None:
    story = account("9999", "100") >> collateral("ETH", "26")
    before = story.ledger
    story >> decision_due()
    placed = [c for c in story.outbox if isinstance(c, PlaceOrder)]
    story.outbox.clear()
    told = explained(before, DecisionDue(at=story.now, quotes=story.quotes()), story.policy, placed)
    legs = {leg.instrument: leg for leg in told.legs}
    margin = ("leverage", "liquidation_distance", "margin_buffer")
    assert {i: (leg.given_up, leg.passed) for i, leg in legs.items()} == {OKX: (1, margin), BINANCE: (2, ()), BYBIT: (3, ())}
    worth = {i: legs[InstrumentId(i)].worth_annual for i in (BINANCE, BYBIT, OKX)}
    assert None not in worth.values()
    assert worth[BYBIT] - worth[BINANCE] == D("0.03")  # type: ignore[operator]  # None is not among them
    assert all(c.reduce_only for c in placed)
    assert {c.instrument: c.quantity for c in placed} == {OKX: D("2.157"), BINANCE: D("1.842")}, "30,000 USD less 9,999 over 0.425 go first"


@given(st.integers(1, 299).map(lambda n: D(n) / 10), st.sampled_from(["0.34", "0.36", "0.395"]))
@settings(max_examples=20, deadline=None)
def test_whatever_is_redeemed_is_taken_out_by_reductions_and_the_rest_stays_inside_the_caps(left: Decimal, share: str) -> None:
    story = carried(paid(hedged("30"), binance="0.02", bybit="0.021", okx="0.022"), okx="-10.5", bybit="-10", binance="-9.5")
    story.policy = replace(story.policy, venue_share_max=D(share), leverage_max=D(2))
    story >> collateral("ETH", f"{left}")
    raised = D(0)
    for _ in range(12):
        story >> decision_due()
        orders = [c for c in story.outbox if isinstance(c, PlaceOrder)]
        story.outbox.clear()
        if not orders:
            break
        raised -= sum((c.quantity for c in orders if not c.reduce_only), D(0))
        story >> filled(*(c.instrument for c in orders))
        story.outbox.clear()
    assert raised <= max(D("10.5") - left * D(share), D(0)), "nothing is opened but for what a cap drives away"
    net = exposure.net_delta(story.ledger, story.policy, ETH)
    assert net is not None
    assert abs(net.worst) <= D("0.02")
    for venue in ("okx", "bybit", "binance"):
        notional = exposure.venue_notional(story.ledger, story.policy, venue)
        required = exposure.share_base(story.ledger, story.policy)
        assert notional is not None
        assert required is not None
        cap = required * D(share)
        assert notional <= cap + max(cap * story.policy.venue_share_drift, story.policy.rebalance_notional_min) + 300, "in whole lots"
