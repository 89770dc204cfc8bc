"""The no-trade band costs least at its own width, and its edges stay inside the operator's limits."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.band import Band, Edges, StrayCost, Urgency, best_band, edges, mean_cost
from bot.core.units import YEAR_MS

D = Decimal
HOUR = 3_600_000
PROPORTIONAL = StrayCost(flow_variance=D(1), aversion=D(1), volatility=D("0.6"), cost_rate=D("0.01"), cost_fixed=D(0))
FIXED = replace(PROPORTIONAL, cost_rate=D(0), cost_fixed=D("0.002"))
BOTH = replace(PROPORTIONAL, cost_fixed=D("0.002"))

POSITIVE = st.decimals("0.0001", 10**6, places=4)
COSTS = st.builds(
    StrayCost,
    flow_variance=st.decimals(1, 10**15, places=0),
    aversion=st.decimals("0.0000001", 1, places=7),
    volatility=st.decimals("0.05", 2, places=2),
    cost_rate=st.decimals("0.00001", "0.01", places=5),
    cost_fixed=st.decimals("0.01", 100, places=2),
)


def test_f11_proportional_band_and_its_cost() -> None:
    band = best_band(PROPORTIONAL)
    assert band.trigger.quantize(D("0.0001")) == D("0.3467")
    assert band.aim == band.trigger
    cost = mean_cost(PROPORTIONAL, band)
    assert cost.quantize(D("0.0001")) == D("0.0216")
    closed_form = PROPORTIONAL.curvature * band.trigger**2 / 2
    assert abs(cost / closed_form - 1) < D("1e-26")


@pytest.mark.parametrize(("factor", "simulated"), [("0.5", "0.0295"), ("1", "0.0216"), ("2", "0.0373")])
def test_f11_cost_of_other_widths_agrees_with_simulation(factor: str, simulated: str) -> None:
    """Simulated means lie within 4 % of the long-run formula."""
    width = best_band(PROPORTIONAL).trigger * D(factor)
    assert abs(mean_cost(PROPORTIONAL, Band(width, width)) / D(simulated) - 1) < D("0.04")


def test_f11_fixed_cost_band_and_its_cost() -> None:
    band = best_band(FIXED)
    assert band.trigger.quantize(D("0.001")) == D("0.508")
    assert band.aim == 0
    assert mean_cost(FIXED, band).quantize(D("0.0001")) == D("0.0155")


def test_f11_with_both_costs_the_aim_lies_between() -> None:
    band = best_band(BOTH)
    assert 0 < band.aim < best_band(PROPORTIONAL).trigger < band.trigger
    nearly_fixed = best_band(replace(BOTH, cost_rate=D("1e-20")))
    assert abs(nearly_fixed.trigger - best_band(FIXED).trigger) < D("1e-12")
    assert nearly_fixed.aim < D("1e-12")
    nearly_proportional = best_band(replace(BOTH, cost_fixed=D("1e-60")))
    assert abs(nearly_proportional.trigger - best_band(PROPORTIONAL).trigger) < D("1e-12")
    assert abs(nearly_proportional.aim - best_band(PROPORTIONAL).aim) < D("1e-12")


def test_f11_is_whalley_and_wilmotts_band_when_the_stray_comes_from_gamma() -> None:
    gamma, volatility, spot, aversion, rate = D("0.02"), D("0.6"), D(100), D("0.5"), D("0.001")
    cost = StrayCost(
        flow_variance=(gamma * volatility * spot * spot) ** 2,  # of the dollar delta: spot x gamma x volatility x spot
        aversion=aversion,
        volatility=volatility,
        cost_rate=rate,
        cost_fixed=D(0),
    )
    published_cubed = D(3) / 2 * rate * spot * gamma**2 / aversion  # in coins, without discounting
    assert abs((best_band(cost).trigger / spot) ** 3 / published_cubed - 1) < D("1e-24")


def test_without_any_cost_there_is_no_band() -> None:
    assert best_band(replace(PROPORTIONAL, cost_rate=D(0))) == Band(D(0), D(0))


@given(COSTS, st.sampled_from(["0.001", "0.5", "2", "8", "1000"]))
def test_f11_width_grows_with_the_cube_root_of_cost(cost: StrayCost, factor: str) -> None:
    cost = replace(cost, cost_fixed=D(0))
    dearer = replace(cost, cost_rate=cost.cost_rate * D(factor))
    ratio = best_band(dearer).trigger / best_band(cost).trigger
    assert abs(ratio**3 / D(factor) - 1) < D("1e-25")


@given(COSTS)
def test_f11_width_grows_with_the_two_thirds_power_of_flow(cost: StrayCost) -> None:
    cost = replace(cost, cost_fixed=D(0))
    busier = replace(cost, flow_variance=cost.flow_variance * 64)  # eight times the deviation
    assert abs(best_band(busier).trigger / best_band(cost).trigger - 4) < D("1e-25")


@given(COSTS, st.sampled_from(["0", "0.9", "0.99", "1.01", "1.1"]), st.sampled_from(["0.9", "0.99", "1.01", "1.1"]))
def test_no_band_near_the_best_one_costs_less(cost: StrayCost, aim: str, trigger: str) -> None:
    band = best_band(cost)
    other = Band(band.trigger * D(trigger), min(band.aim * D(aim), band.trigger * D(trigger) * D("0.999999")))
    assert mean_cost(cost, other) > mean_cost(cost, band)


@given(COSTS)
def test_the_best_band_solves_its_equations(cost: StrayCost) -> None:
    band = best_band(cost)
    assert 0 < band.aim < band.trigger
    apart, together = band.trigger - band.aim, band.trigger + band.aim
    bend = cost.curvature / 12
    assert abs(bend * apart**3 * together / (cost.flow_variance * cost.cost_fixed) - 1) < D("1e-12")
    assert abs(bend * together**3 / (cost.flow_variance * (cost.cost_fixed / apart + cost.cost_rate)) - 1) < D("1e-12")


@pytest.mark.parametrize("field", ["flow_variance", "aversion", "volatility"])
@pytest.mark.parametrize("value", ["0", "-1"])
def test_what_must_be_positive(field: str, value: str) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        replace(PROPORTIONAL, **{field: D(value)})


@pytest.mark.parametrize("field", ["cost_rate", "cost_fixed"])
def test_costs_are_not_negative(field: str) -> None:
    with pytest.raises(ValueError, match="costs not negative"):
        replace(PROPORTIONAL, **{field: D(-1)})


def test_a_band_without_a_finite_cost_is_refused() -> None:
    with pytest.raises(ValueError, match="no finite cost"):
        mean_cost(PROPORTIONAL, Band(D(0), D(0)))
    with pytest.raises(ValueError, match="no finite cost"):
        mean_cost(BOTH, Band(D(1), D(1)))


@pytest.mark.parametrize(("trigger", "aim"), [("1", "2"), ("1", "-1")])
def test_a_band_is_in_order(trigger: str, aim: str) -> None:
    with pytest.raises(ValueError, match="a band needs"):
        Band(D(trigger), D(aim))


@pytest.mark.parametrize(("aim", "soft", "hard"), [("-1", "1", "2"), ("2", "1", "3"), ("0", "3", "2")])
def test_edges_are_in_order(aim: str, soft: str, hard: str) -> None:
    with pytest.raises(ValueError, match="edges need"):
        Edges(D(aim), D(soft), D(hard))


def test_edges_from_observed_flow() -> None:
    """A variance of 1e12 a year is 1,000,000 x sqrt(1 / 8760) = 10,684 in an hour; twice that is added for the hard edge."""
    found = edges(Band(D(30_000), D(20_000)), D("1e12"), HOUR, soft_max=D(50_000), hard_max=D(100_000), deviations=D(2))
    assert found is not None
    assert (found.aim, found.soft) == (20_000, 30_000)
    assert found.hard.quantize(D(1)) == 51_369


def test_edges_stay_inside_the_limits() -> None:
    wide = Band(D(30_000), D(20_000))
    assert edges(wide, D("1e12"), YEAR_MS, soft_max=D(15_000), hard_max=D(40_000), deviations=D(2)) == Edges(
        D(15_000), D(15_000), D(40_000)
    )
    assert edges(wide, D(0), HOUR, soft_max=D(50_000), hard_max=D(50_000), deviations=D(2)) == Edges(D(20_000), D(30_000), D(30_000))


def test_edges_of_an_unknown_flow_are_unknown() -> None:
    assert edges(Band(D(2), D(1)), None, HOUR, soft_max=D(1), hard_max=D(1), deviations=D(2)) is None


@pytest.mark.parametrize(("soft", "hard", "window", "deviations"), [(2, 1, 0, 0), (-1, 1, 0, 0), (1, 2, -1, 0), (1, 2, 0, -1)])
def test_limits_of_edges_make_sense(soft: int, hard: int, window: int, deviations: int) -> None:
    with pytest.raises(ValueError, match="need 0 <= soft <= hard"):
        edges(Band(D(2), D(1)), None, window, soft_max=D(soft), hard_max=D(hard), deviations=D(deviations))


@pytest.mark.parametrize(
    ("net_delta", "waited", "urgency", "correction"),
    [
        ("20", 10**9, Urgency.NONE, "0"),
        ("-20", 10**9, Urgency.NONE, "0"),
        ("21", 0, Urgency.NETTING, "-11"),
        ("-30", 59, Urgency.NETTING, "20"),
        ("-30", 60, Urgency.DUE, "20"),
        ("31", 0, Urgency.AT_ONCE, "-21"),
        ("-31", 0, Urgency.AT_ONCE, "21"),
    ],
)
def test_urgency_and_correction(net_delta: str, waited: int, urgency: Urgency, correction: str) -> None:
    acted = Edges(D(10), D(20), D(30))
    assert acted.urgency(D(net_delta), waited, 60) is urgency
    assert acted.correction(D(net_delta)) == D(correction)


@given(st.decimals(0, 100, places=2), st.decimals(0, 100, places=2), st.decimals(0, 100, places=2), st.decimals(-1000, 1000, places=2))
def test_a_correction_leaves_the_stray_at_the_aim_on_its_own_side(a: Decimal, b: Decimal, c: Decimal, net_delta: Decimal) -> None:
    aim, soft, hard = sorted((a, b, c))
    left = net_delta + Edges(aim, soft, hard).correction(net_delta)
    assert left * net_delta >= 0
    assert abs(left) == (abs(net_delta) if abs(net_delta) <= soft else aim)
