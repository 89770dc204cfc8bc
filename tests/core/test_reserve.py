"""What failure and bad funding would cost, against the reserve that is there."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.precision import INFINITE
from bot.core.reserve import ReserveLine, coverage, exposure_at_risk, loss_if_venue_fails, reserve_need, runway_ms, unsettled
from bot.core.units import DAY_MS

D = Decimal
HOUR = 3_600_000
MILLION = 10**6
MONEY = st.decimals(0, 10**10, places=2)


@pytest.mark.parametrize(("hours", "millions"), [(2, 21), (4, 30), (8, 42), (24, 73)])
def test_f8_growth_of_unsettled_profit_on_a_billion(hours: int, millions: int) -> None:
    at_risk = exposure_at_risk(D(1000 * MILLION), D("0.6"), hours * HOUR)
    assert (at_risk / MILLION).quantize(D(1)) == millions


def test_f8_unsettled_is_equity_beyond_what_is_delegated() -> None:
    assert unsettled(D(130), D(100)) == 30
    assert unsettled(D(90), D(100)) == -10
    assert unsettled(None, D(100)) is None
    assert unsettled(D(100), None) is None


@pytest.mark.parametrize(("profit", "posted", "loss"), [(30, 10, 20), (30, 50, 0), (-10, 0, 0), (30, -5, 30)])
def test_loss_of_a_failed_venue_is_unsettled_profit_beyond_its_collateral(profit: int, posted: int, loss: int) -> None:
    assert loss_if_venue_fails(D(profit), D(posted)) == loss


@pytest.mark.parametrize(("notional", "volatility", "span", "deviations"), [(-1, 1, 1, 1), (1, -1, 1, 1), (1, 1, -1, 1), (1, 1, 1, -1)])
def test_exposure_figures_are_not_negative(notional: int, volatility: int, span: int, deviations: int) -> None:
    with pytest.raises(ValueError, match="none may be negative"):
        exposure_at_risk(D(notional), D(volatility), span, D(deviations))


def test_f9_need_of_a_full_unwind_in_a_day() -> None:
    """$6bn x 80 % short, half a percent of funding in 24 h and 0.75 % of slippage: $60m."""
    line = ReserveLine(D(4800 * MILLION), D("-0.005") * 365, D("0.0075"))
    assert abs(reserve_need([line]) - 60 * MILLION) < D("1e-20")


def test_f9_need_adds_up_over_instruments_and_funding_received_needs_nothing() -> None:
    bitcoin = ReserveLine(D(1000), D("-0.73"), D("0.005"))
    ether = ReserveLine(D(2000), D("0.10"), D("0.005"))
    assert reserve_need([bitcoin, ether]) == 1000 * (D("0.002") + D("0.005")) + 2000 * D("0.005")
    assert reserve_need([bitcoin], unwind_ms=0) == 5
    assert reserve_need([]) == 0


@pytest.mark.parametrize(("funding", "days"), [("-0.05", "92"), ("-0.1", "46"), ("-0.25", "18"), ("-0.5", "9"), ("-1", "4.6")])
def test_f9_runway_of_44_million_on_three_and_a_half_billion(funding: str, days: str) -> None:
    runway = runway_ms(D(44 * MILLION), D(3500 * MILLION), D(funding))
    assert runway is not None
    assert (D(runway) / DAY_MS).quantize(D(days)) == D(days)


def test_f9_runway_of_a_fund_that_survives_a_year_at_minus_eleven_percent() -> None:
    runway = runway_ms(D(57_086_131), D(500 * MILLION), D("-0.114"))
    assert runway is not None
    assert (D(runway) / DAY_MS).quantize(D(1)) == 366


def test_f9_runway_is_for_ever_while_shorts_do_not_pay_and_over_when_nothing_is_left() -> None:
    assert runway_ms(D(1), D(100), D(0)) is None
    assert runway_ms(D(1), D(100), D("0.1")) is None
    assert runway_ms(D(1), D(0), D("-0.1")) is None
    assert runway_ms(D(0), D(100), D("-0.1")) == 0
    assert runway_ms(D(-5), D(100), D("-0.1")) == 0


def test_coverage() -> None:
    assert coverage(D(6), D(5)) == D("1.2")
    assert coverage(D(6), D(0)) == INFINITE
    assert coverage(None, D(1)) is None
    assert coverage(D(1), None) is None


def test_reserve_figures_make_sense() -> None:
    for notional, slippage in ((-1, 0), (1, -1)):
        with pytest.raises(ValueError, match="not negative"):
            ReserveLine(D(notional), D(0), D(slippage))
    with pytest.raises(ValueError, match="run backwards"):
        reserve_need([], unwind_ms=-1)
    with pytest.raises(ValueError, match="notional is not negative"):
        runway_ms(D(1), D(-1), D("-0.1"))


@given(MONEY, st.decimals("0.01", 3, places=2), st.integers(1, 100 * DAY_MS))
def test_four_times_the_wait_risks_twice_as_much(notional: Decimal, volatility: Decimal, span: int) -> None:
    one, four = (exposure_at_risk(notional, volatility, factor * span) for factor in (1, 4))
    assert abs(four - 2 * one) <= one * D("1e-25")


@given(st.decimals(1, 10**9, places=2), st.decimals(1, 10**10, places=2), st.decimals("0.001", 5, places=3))
def test_after_the_runway_the_reserve_is_used_up(reserve: Decimal, notional: Decimal, paid: Decimal) -> None:
    runway = runway_ms(reserve, notional, -paid)
    assert runway is not None
    burnt = [notional * paid * span / (365 * DAY_MS) for span in (runway, runway + 1)]
    assert burnt[0] <= reserve * (1 + D("1e-25"))
    assert burnt[1] > reserve * (1 - D("1e-25"))
