"""How a stray is acted on: left alone inside the band, waiting between its edges, corrected beyond; and what flow is seen."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import exposure
from bot.core.band import Urgency
from bot.core.flow import FlowVariance
from bot.core.netting import LOOKS_PER_HALF_LIFE, gap_of, urgency_of, watched
from bot.core.no_trade import KNOWN_WEIGHT, edges_of
from bot.core.records import Ledger
from bot.core.target_records import Flow
from bot.core.units import YEAR_MS, Asset
from tests.core.coin_words import coins_at, marks
from tests.core.openings import ETH, hedged, in_doubt_at_okx
from tests.core.playbook import after, book, collateral, confirmed, decision_due, evenly, nothing, reading
from tests.core.story import D, inverse, policy_for

COIN = Asset("ETH")
WINDOW = ETH.netting_window_ms
LOOK = ETH.flow_half_life_ms // LOOKS_PER_HALF_LIFE
NOW = hedged().now
UNKNOWN_SOURCE = policy_for("ETH", collateral_sources=frozenset({"custody", "chain"}))


@cache
def holding(quantity: str, variance: str | None = None) -> Ledger:
    """30 ETH short at 3 000 USD against so much collateral; edges of 45 and 225 USD, or as the variance of flow asks for."""
    ledger = (hedged() >> collateral("ETH", quantity)).ledger
    if variance is None:
        return replace(ledger, flows={}, strayed_at={})
    seen = FlowVariance(ETH.flow_half_life_ms, squares=D(variance) * KNOWN_WEIGHT / YEAR_MS, weight=KNOWN_WEIGHT)
    return replace(ledger, flows={COIN: Flow(held=D(quantity), observed_at=NOW, variance=seen)}, strayed_at={})


def strayed(quantity: str, since: int | None) -> Ledger:
    return replace(holding(quantity), strayed_at={} if since is None else {COIN: NOW - since})


CASES = [
    pytest.param("30", None, Urgency.NONE, "0", id="hedged"),
    pytest.param("30.015", WINDOW, Urgency.NONE, "0", id="45 of 45 USD: inside the soft edge, however long"),
    pytest.param("30.03", None, Urgency.NETTING, "0", id="just strayed: nobody has looked yet"),
    pytest.param("30.03", 0, Urgency.NETTING, "0", id="just strayed"),
    pytest.param("30.03", WINDOW - 1, Urgency.NETTING, "0", id="still waits"),
    pytest.param("30.03", WINDOW, Urgency.DUE, "0.03", id="has waited"),
    pytest.param("29.97", WINDOW - 1, Urgency.NETTING, "0", id="too short: still waits"),
    pytest.param("29.97", WINDOW, Urgency.DUE, "-0.03", id="too short: has waited"),
    pytest.param("30.03", -1, Urgency.DUE, "0.03", id="a clock set back counts as waited"),
    pytest.param("30.1", None, Urgency.AT_ONCE, "0.1", id="beyond the hard edge"),
    pytest.param("29.9", None, Urgency.AT_ONCE, "-0.1", id="too short beyond it"),
]


@pytest.mark.parametrize(("quantity", "since", "urgency", "gap"), CASES)
def test_what_a_stray_calls_for(quantity: str, since: int | None, urgency: Urgency, gap: str) -> None:
    ledger = strayed(quantity, since)
    assert urgency_of(ledger, ETH, COIN, NOW) is urgency
    assert gap_of(ledger, ETH, COIN, NOW) == D(gap)


@pytest.mark.parametrize(("quantity", "gap"), [("30.02", "0.01"), ("29.98", "-0.01"), ("30.2", "0.19"), ("29.8", "-0.19"), ("30.009", "0")])
def test_what_is_corrected_goes_back_to_the_aim(quantity: str, gap: str) -> None:
    """A variance of 12 gives edge and aim of 30 USD: 0.01 ETH."""
    policy = policy_for("ETH", netting_window_ms=0)
    assert abs(gap_of(holding(quantity, "12"), policy, COIN, NOW) - D(gap)) < D("1e-20")


def test_without_a_window_nothing_waits() -> None:
    assert urgency_of(strayed("30.03", None), policy_for("ETH", netting_window_ms=0), COIN, NOW) is Urgency.DUE


def test_what_is_not_known_calls_for_nothing() -> None:
    for ledger, policy in ((holding("31"), UNKNOWN_SOURCE), (replace(holding("31"), quotes={}), ETH)):
        assert urgency_of(ledger, policy, COIN, NOW) is Urgency.NONE
        assert gap_of(ledger, policy, COIN, NOW) == 0


def test_only_the_certain_part_of_a_delta_counts() -> None:
    story = in_doubt_at_okx()
    net = exposure.net_delta(story.ledger, ETH, COIN)
    assert net is not None
    assert (net.low, net.high) == (0, 10)
    assert urgency_of(story.ledger, ETH, COIN, story.now) is Urgency.NONE
    grown = (story >> collateral("ETH", "30.1")).ledger
    assert urgency_of(grown, ETH, COIN, story.now) is Urgency.AT_ONCE
    assert gap_of(grown, ETH, COIN, story.now) == D("0.1")


@pytest.mark.parametrize(
    ("quantity", "before", "after_it"),
    [
        pytest.param("30", None, None, id="inside, as before"),
        pytest.param("30.015", None, None, id="on the edge is inside"),
        pytest.param("30.03", None, 0, id="strays from now on"),
        pytest.param("29.97", None, 0, id="strays to the short side"),
        pytest.param("30.03", 700, 700, id="has strayed since then"),
        pytest.param("30", 700, None, id="came back"),
    ],
)
def test_since_when_a_delta_strays(quantity: str, before: int | None, after_it: int | None) -> None:
    ledger = watched(strayed(quantity, before), ETH, NOW)
    assert ledger.strayed_at == ({} if after_it is None else {COIN: NOW - after_it})


def test_the_stray_of_one_asset_leaves_the_others_alone() -> None:
    ledger = replace(holding("30.03"), strayed_at={Asset("BTC"): 5})
    assert watched(ledger, ETH, NOW).strayed_at == {Asset("BTC"): 5, COIN: NOW}
    assert watched(replace(holding("30"), strayed_at={Asset("BTC"): 5, COIN: 6}), ETH, NOW).strayed_at == {Asset("BTC"): 5}


def test_a_delta_that_is_not_known_does_not_stray() -> None:
    assert watched(strayed("31", 700), UNKNOWN_SOURCE, NOW).strayed_at == {}


def looked(quantity: str, ago: int) -> Ledger:
    """So much is held, and 30 were when last looked, so long ago."""
    seen = Flow(held=D(30), observed_at=NOW - ago, variance=FlowVariance(ETH.flow_half_life_ms))
    return replace(holding(quantity), flows={COIN: seen})


def test_what_was_there_before_anybody_looked_is_no_flow() -> None:
    flow = watched(holding("30"), ETH, NOW).flows[COIN]
    assert flow == Flow(held=D(30), observed_at=NOW, variance=FlowVariance(ETH.flow_half_life_ms))


@pytest.mark.parametrize(
    ("quantity", "ago", "usd"),
    [
        pytest.param("30", 0, None, id="nothing moved, at the same instant: no news"),
        pytest.param("30", LOOK - 1, None, id="nothing moved yet: no news"),
        pytest.param("30", LOOK, "0", id="nothing moved for long enough: news"),
        pytest.param("30", -1, "0", id="nothing moved, a clock set back: looked at anew"),
        pytest.param("30.01", 500, "30", id="a deposit"),
        pytest.param("29.99", 500, "-30", id="a withdrawal"),
        pytest.param("30.01", 0, "30", id="a deposit at the same instant"),
        pytest.param("30.01", -1, "30", id="a deposit, a clock set back"),
    ],
)
def test_which_flow_is_seen(quantity: str, ago: int, usd: str | None) -> None:
    before = looked(quantity, ago)
    flow = watched(before, ETH, NOW).flows[COIN]
    if usd is None:
        assert flow is before.flows[COIN]
    else:
        seen = FlowVariance(ETH.flow_half_life_ms).observe(D(usd), ago)
        assert flow == Flow(held=D(quantity), observed_at=NOW, variance=seen)


def test_another_half_life_begins_anew() -> None:
    policy = policy_for("ETH", flow_half_life_ms=1_000)
    flow = watched(looked("31", 500), policy, NOW).flows[COIN]
    assert flow == Flow(held=D(31), observed_at=NOW, variance=FlowVariance(1_000))


def test_what_is_not_known_is_no_flow() -> None:
    before = looked("31", 500)
    assert watched(before, UNKNOWN_SOURCE, NOW).flows == before.flows
    assert watched(replace(before, quotes={}), ETH, NOW).flows == before.flows


def test_deposits_and_withdrawals_between_two_decisions_cancel() -> None:
    story = hedged()
    before = story.ledger.flows[COIN]
    story >> after(1_000) >> collateral("ETH", "40") >> collateral("ETH", "30") >> confirmed() >> decision_due() << nothing()
    assert story.ledger.flows[COIN] is before
    assert story.ledger.strayed_at == {}


def test_what_prices_do_is_no_flow() -> None:
    story = book(policy_for("ETH", instruments=frozenset({"okx:ETH-USD"}), venues=("okx",)), instruments=(inverse("okx", "ETH"),))
    story >> coins_at("okx", "ETH", "10") >> collateral("ETH", "20") >> after(1_000)
    story >> reading("okx", **{"ETH-USD": "-90000"})
    ledger = watched(story.ledger, story.policy, story.now)
    before, equity = ledger.flows[COIN], exposure.coin_equity(ledger, story.policy, COIN)
    assert before.held == 20
    story >> marks("ETH", "2000") >> after(1_000) >> reading("okx", **{"ETH-USD": "-90000"}) >> confirmed()
    quotes = {q.instrument: q for q in story.quotes()}
    moved = replace(story.ledger, flows=ledger.flows, quotes=quotes)
    assert exposure.mark_of_asset(moved, story.policy, COIN) == 2_000
    assert exposure.coin_equity(moved, story.policy, COIN) != equity
    assert watched(moved, story.policy, story.now).flows[COIN] is before


def test_a_stray_that_flow_cancels_within_the_window_is_never_traded() -> None:
    story = hedged() >> after(100) >> evenly("30.03") >> decision_due() << nothing()
    assert story.ledger.strayed_at == {COIN: story.now}
    story >> after(WINDOW - 1) >> collateral("ETH", "30") >> decision_due() << nothing()
    assert story.ledger.strayed_at == {}
    story >> after(1) >> confirmed() >> decision_due() << nothing()
    story.close()


@given(
    units=st.integers(-3_000, 3_000),
    variance=st.sampled_from([None, "0.001", "12", "40", "1000000"]),
    fixed=st.sampled_from([D(0), D("0.01"), D(2)]),
    since=st.integers(-10, 2 * WINDOW),
)
def test_a_correction_never_crosses_zero_and_ends_at_the_aim(units: int, variance: str | None, fixed: Decimal, since: int) -> None:
    policy = policy_for("ETH", order_cost_usd=fixed)
    net = D(units) / 10_000
    base = holding("30", variance)
    grown: dict[Any, Any] = {k: replace(h, quantity=D(30) + net) for k, h in base.holdings.items() if h.asset == COIN}
    ledger = replace(base, holdings={**base.holdings, **grown}, strayed_at={COIN: NOW - since})
    gap, urgency, edges = gap_of(ledger, policy, COIN, NOW), urgency_of(ledger, policy, COIN, NOW), edges_of(ledger, policy, COIN)
    assert edges is not None
    if urgency in (Urgency.NONE, Urgency.NETTING):
        assert gap == 0
        assert abs(net) * 3_000 <= (edges.soft if urgency is Urgency.NONE else edges.hard)
        return
    assert gap * net > 0
    assert abs(gap) <= abs(net)
    assert abs(abs(net - gap) * 3_000 - edges.aim) < D("1e-15")
    assert urgency is (Urgency.AT_ONCE if abs(net) * 3_000 > edges.hard else Urgency.DUE)
