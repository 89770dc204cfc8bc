"""The edges of the no-trade band: the operator's limits until flow is known, the band of least cost inside them from then on."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.band import Edges
from bot.core.flow import FlowVariance
from bot.core.no_trade import KNOWN_WEIGHT, edges_of, variance_of
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.target_records import Flow
from bot.core.units import YEAR_MS, Asset
from tests.core.openings import BINANCE, BYBIT, ETH, OKX
from tests.core.playbook import book, collateral, decision_due, total
from tests.core.story import T0, D, policy_for

COIN = Asset("ETH")
CURVATURE = ETH.risk_aversion * ETH.volatility_annual**2
CLOSE = D("1e-20")
FREE: dict[str, Any] = {"rebalance_band": D(1), "rebalance_band_hard": D(1), "rebalance_notional_min": D(0)}
"""Limits that bind nothing: the band is as wide as it is best."""


@cache
def holding() -> Ledger:
    """A book with 30 ETH at 3 000 USD, before any decision on them: 90 000 USD."""
    return (book(ETH) >> collateral("ETH", "30")).ledger


def flowing(variance: str | Decimal, weight: Decimal = KNOWN_WEIGHT) -> Ledger:
    """The same, with so much variance (USD squared per year) observed of the flow."""
    seen = FlowVariance(ETH.flow_half_life_ms, squares=D(variance) * weight / YEAR_MS, weight=weight)
    return replace(holding(), flows={COIN: Flow(held=D(30), observed_at=T0, variance=seen)})


def told(ledger: Ledger, policy: Policy = ETH) -> Edges:
    found = edges_of(ledger, policy, COIN)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("flow", "known"),
    [
        pytest.param(None, None, id="never looked at"),
        pytest.param(("12", D(0)), None, id="looked at once"),
        pytest.param(("12", KNOWN_WEIGHT - D("0.0001")), None, id="watched for less than a half-life"),
        pytest.param(("12", KNOWN_WEIGHT), "12", id="watched for a half-life"),
        pytest.param(("12", D(1)), "12", id="watched for long"),
        pytest.param(("0", D(1)), None, id="nothing ever moved"),
    ],
)
def test_a_variance_is_known_after_one_half_life(flow: tuple[str, Decimal] | None, known: str | None) -> None:
    found = variance_of(replace(holding(), flows={}) if flow is None else flowing(*flow), COIN)
    assert found is None if known is None else found is not None and abs(found - D(known)) < CLOSE


@pytest.mark.parametrize(
    ("changes", "soft", "hard"),
    [
        pytest.param({}, "45", "225", id="fractions of what is held"),
        pytest.param({"rebalance_band": D("0.0001")}, "25", "225", id="the soft edge is never below the least notional"),
        pytest.param({"rebalance_notional_min": D(500)}, "500", "500", id="nor is the hard edge"),
        pytest.param({"rebalance_band": D("0.01")}, "900", "900", id="the hard edge is never below the soft one"),
    ],
)
@pytest.mark.parametrize("flow", [None, ("1000000", D("0.1")), ("0", D(1))])
def test_without_a_known_variance_the_operators_limits_are_the_edges(
    flow: tuple[str, Decimal] | None, changes: dict[str, Any], soft: str, hard: str
) -> None:
    ledger = replace(holding(), flows={}) if flow is None else flowing(*flow)
    assert told(ledger, policy_for("ETH", **changes)) == Edges(D(0), D(soft), D(hard))


@pytest.mark.parametrize(
    ("variance", "changes", "aim", "soft", "hard"),
    [
        # 3 x 0.00054 x variance / (2 x 0.00000036) = edge cubed: 12 gives 30 USD.
        pytest.param("12", {"netting_window_ms": 0}, "30", "30", "30", id="the band of least cost, inside the limits"),
        pytest.param("12", {"netting_window_ms": 3 * YEAR_MS}, "30", "30", "42", id="hard: two deviations of a window's flow beyond it"),
        pytest.param("12", {"netting_window_ms": 30_000 * YEAR_MS}, "30", "30", "225", id="hard: at most its limit"),
        pytest.param("12000", {"netting_window_ms": 0}, "45", "45", "45", id="soft and aim: at most the soft limit"),
        pytest.param("0.012", {"netting_window_ms": 0}, "3", "25", "25", id="soft and hard: at least the least notional"),
        pytest.param(
            "0.012",
            {"netting_window_ms": 0, "rebalance_notional_min": D(0), "rebalance_band": D("0.00001")},
            "0.9",
            "0.9",
            "0.9",
            id="no least notional: the soft limit alone",
        ),
    ],
)
def test_with_a_known_variance_the_band_of_least_cost_counts_inside_the_limits(
    variance: str, changes: dict[str, Any], aim: str, soft: str, hard: str
) -> None:
    found = told(flowing(variance), policy_for("ETH", **changes))
    for edge, expected in ((found.aim, aim), (found.soft, soft), (found.hard, hard)):
        assert abs(edge - D(expected)) < CLOSE, found


def test_a_fixed_cost_per_order_corrects_further_back() -> None:
    found = told(flowing("12"), policy_for("ETH", order_cost_usd=D("0.01"), **FREE))
    assert 0 < found.aim < D(30) < found.soft


def test_digits_of_a_variance_that_do_not_count_move_no_edge() -> None:
    policy = policy_for("ETH", netting_window_ms=0, **FREE)
    assert told(flowing("12.01"), policy) == told(flowing("12"), policy)
    assert told(flowing("12.1"), policy).soft > told(flowing("12"), policy).soft


@pytest.mark.parametrize(
    ("fees", "halves", "cost"),
    [
        pytest.param(("0.0005", "0.0005", "0.0005"), ("0.3", "0.3", "0.3"), "0.0006", id="fee and half a spread"),
        pytest.param(("0.0001", "0.0004", "0.0009"), ("0.3", "3", "30"), "0.0014", id="the middle one of each"),
        pytest.param((None, None, "0.0003"), ("0.3", "0.3", "0.3"), "0.0004", id="only fees that were told"),
        pytest.param((None, None, None), ("0.3", "0.3", "0.3"), "0.0007", id="none told: the assumed one"),
        pytest.param(("0.0005", "0.0005", "0.0005"), (None, None, "3"), "0.0015", id="only venues that quote"),
        pytest.param(("0.0005", "0.0005", "0.0005"), ("-0.3", "0", "3"), "0.0015", id="a crossed or closed book tells no spread"),
        pytest.param(("0.0005", "0.0005", "0.0005"), ("-0.3", "-0.3", "-0.3"), "0.0005", id="no spread at all: the fee alone"),
        pytest.param(("0.000501", "0.000501", "0.000501"), ("-1", "-1", "-1"), "0.00051", id="rounded up"),
        pytest.param(("-0.001", "-0.001", "-0.001"), ("0.3", "0.3", "0.3"), "0", id="a rebate costs nothing"),
    ],
)
def test_what_correcting_costs(fees: tuple[str | None, ...], halves: tuple[str | None, ...], cost: str) -> None:
    ledger = flowing("12")
    listed, quotes = dict(ledger.instruments), dict(ledger.quotes)
    for name, fee, half in zip((BINANCE, BYBIT, OKX), fees, halves, strict=True):
        instrument = next(i for i in listed if i == name)
        listed[instrument] = replace(listed[instrument], taker_fee=None if fee is None else D(fee))
        quote = quotes.pop(instrument)
        if half is not None:
            quotes[instrument] = replace(quote, bid=D(3_000) - D(half), ask=D(3_000) + D(half))
    found = told(replace(ledger, instruments=listed, quotes=quotes), policy_for("ETH", netting_window_ms=0, **FREE))
    assert (found.soft**3 * 2 * CURVATURE / (3 * D(12))).quantize(D("1e-12")) == D(cost)


def test_a_bid_of_nothing_tells_no_spread() -> None:
    ledger = flowing("12")
    policy = policy_for("ETH", netting_window_ms=0, **FREE)
    none = replace(ledger, quotes={i: replace(q, bid=D(0)) for i, q in ledger.quotes.items()})
    assert (told(none, policy).soft ** 3 * 2 * CURVATURE / 36).quantize(D("1e-12")) == D("0.0005")


def test_there_are_no_edges_while_what_is_held_is_unknown() -> None:
    two = policy_for("ETH", collateral_sources=frozenset({"custody", "chain"}))
    assert edges_of(holding(), two, COIN) is None
    rateless = book(ETH) >> total("wstETH", "5", rate=None) >> decision_due()
    assert edges_of(rateless.ledger, ETH, COIN) is None


def test_there_are_no_edges_without_a_mark() -> None:
    assert edges_of(replace(holding(), quotes={}), ETH, COIN) is None


def test_an_asset_that_nothing_is_held_of_has_the_least_band() -> None:
    assert told(book(ETH).ledger) == Edges(D(0), D(25), D(25))


VARIANCES = st.decimals("0.000001", 10**12, places=6)


@given(
    variance=VARIANCES,
    more=VARIANCES,
    soft=st.decimals(0, "0.01", places=5),
    hard=st.decimals(0, "0.01", places=5),
    least=st.decimals(0, 1_000, places=1),
    fixed=st.sampled_from([D(0), D("0.01"), D(3)]),
    window=st.integers(0, 3_600_000),
)
def test_edges_stay_inside_the_operators_limits_and_widen_with_flow(
    variance: Decimal, more: Decimal, soft: Decimal, hard: Decimal, least: Decimal, fixed: Decimal, window: int
) -> None:
    policy = policy_for(
        "ETH",
        rebalance_band=soft,
        rebalance_band_hard=hard,
        rebalance_notional_min=least,
        order_cost_usd=fixed,
        netting_window_ms=window,
    )
    soft_max = max(90_000 * soft, least)
    found = told(flowing(variance), policy)
    assert 0 <= found.aim <= found.soft <= found.hard
    assert least <= found.soft <= soft_max
    assert found.hard <= max(90_000 * hard, soft_max)
    wider = told(flowing(variance + more), policy)
    assert wider.soft >= found.soft
    assert wider.aim >= found.aim
