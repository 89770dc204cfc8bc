"""Liquidation: published formulas by vector, then the definition itself at every price a property can think of."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from bot.core.haircut import CollateralRatios
from bot.core.instrument import ContractKind
from bot.core.liquidation import (
    Backing,
    LiquidationBounds,
    MaintenanceOn,
    MarginedPosition,
    figures,
    liquidation_bounds,
    margin_buffer,
    margin_ratio,
)
from bot.core.precision import INFINITE, precisely
from tests.core.margin_accounts import INVERSE, LINEAR, PRICES, SHORTS, accounts, cross, flat, held, short, two_tiers

D = Decimal
CENT = D("0.01")
NEVER = LiquidationBounds(low=None, high=None)


def high_of(position: MarginedPosition, backing: Backing) -> Decimal:
    """The upper bound, which must exist."""
    bounds = liquidation_bounds(position, backing)
    assert bounds is not None
    assert bounds.high is not None
    return bounds.high


# Vectors


def test_f4_cross_short_in_the_second_tier() -> None:
    position = held(LINEAR, -10, 50_000, two_tiers("0.005", "100000", "0.01"))
    assert position.tiers is not None
    assert position.tiers.tiers[1].deduction == 500
    price = high_of(position, cross(100_000))
    assert price.quantize(D("0.0001")) == D("59455.4455")
    at_it = figures(position, cross(100_000), price)
    assert at_it.margin_balance is not None
    assert at_it.margin_balance.quantize(CENT) == D("5445.54")
    assert at_it.margin_ratio == 1


def test_f4_without_deduction_it_is_hyperliquids_form() -> None:
    price = high_of(held(LINEAR, -10, 50_000, flat("0.01")), cross(100_000))
    assert price.quantize(D("0.0001")) == D("59405.9406")
    mark, side, rate, size = D(50_000), -1, D("0.01"), D(10)
    available = D(100_000) - size * mark * rate
    assert abs(mark - side * available / size / (1 - rate * side) - price) < D("1e-20")


def test_f4_cross_long() -> None:
    """(WB + cum - Q EP) / (Q (MMR - 1)) with WB 100k, Q 10, EP 50k, MMR 1 %, cum 500; the other positions count in both."""
    position = held(LINEAR, 10, 50_000, two_tiers("0.005", "100000", "0.01"))
    bounds = liquidation_bounds(position, cross(100_000))
    assert bounds is not None
    assert bounds.high is None
    assert bounds.low is not None
    assert bounds.low.quantize(D("0.0001")) == (D(-399_500) / D("-9.9")).quantize(D("0.0001"))
    assert liquidation_bounds(position, cross(90_000, 15_000, 5_000)) == bounds


@pytest.mark.parametrize(("wallet", "price"), [("2.0", None), ("1.0", "99500.00"), ("0.5", "66333.33"), ("0.2", "55277.78")])
def test_f5_inverse_cross_short(wallet: str, price: str | None) -> None:
    bounds = liquidation_bounds(held(INVERSE, -100_000, 50_000, flat("0.005")), cross(wallet))
    assert bounds is not None
    assert bounds.low is None
    assert (None if bounds.high is None else bounds.high.quantize(CENT)) == (None if price is None else D(price))


def test_f5_bybit_isolated_short_with_maintenance_frozen_at_entry() -> None:
    """60,000 USD at 50,000, 10 times, 0.5 %: Q / (PV - (IM - MM)), from Bybit's page on isolated liquidation prices."""
    position = held(INVERSE, -60_000, 50_000, flat("0.005"), maintenance_on=MaintenanceOn.ENTRY)
    margin = Backing.isolated(D(60_000) / 50_000 / 10)
    assert high_of(position, margin).quantize(CENT) == D("55248.62")
    assert figures(position, margin, D(50_000)).maintenance_margin == D("0.006")


def test_f5_bybit_cross_long_of_its_old_help_page() -> None:
    """10,000 USD at 8,000 on 0.5 BTC, maintenance at entry and the closing fee kept back; the page rounds on its way to 5,739.50."""
    position = held(INVERSE, 10_000, 8_000, flat("0.005"), maintenance_on=MaintenanceOn.ENTRY)
    bankruptcy = D("1.00075") * 10_000 / (D(10_000) / 8_000 + D("0.5"))
    bounds = liquidation_bounds(position, cross("0.5", 0, D(10_000) * D("0.00075") / bankruptcy))
    assert bounds is not None
    assert bounds.high is None
    assert bounds.low is not None
    assert bounds.low.quantize(CENT) == D("5739.08")
    assert abs(bounds.low / D("5739.50") - 1) < D("0.0001")


def test_bybit_isolated_linear_with_maintenance_frozen_at_entry() -> None:
    """1 BTC long at 20,000, 50 times, 0.5 %: 20,000 - (400 - 100), from the same venue's page on USDT contracts."""
    position = held(LINEAR, 1, 20_000, flat("0.005"), maintenance_on=MaintenanceOn.ENTRY)
    assert liquidation_bounds(position, Backing.isolated(D(400))) == LiquidationBounds(low=D(19_700), high=None)


@pytest.mark.parametrize(("leverage", "multiple"), [("1", "16.7"), ("1.5", "2.65"), ("2", "1.87"), ("3", "1.44"), ("5", "1.22")])
def test_f7_coin_collateral_behind_a_linear_short(leverage: str, multiple: str) -> None:
    coins = CollateralRatios.flat(D("0.95")).counted(D(100))
    price = high_of(held(LINEAR, -100 * D(leverage), 2_000, flat("0.01")), cross(0, coins=coins))
    assert (price / 2_000).quantize(D(multiple)) == D(multiple)


def test_f7_size_tiers_of_collateral_matter_more_than_the_headline() -> None:
    ratios = CollateralRatios.of([(D(10), D("0.98")), (D(40), D("0.9")), (D(50), D("0.8"))])
    small, large = (high_of(held(LINEAR, -size, 50_000, flat("0.01")), cross(0, coins=ratios.counted(D(size)))) for size in (10, 100))
    assert small / 50_000 > 33
    assert large / 50_000 < 2


def test_f6_ratio_runs_from_safe_to_liquidation() -> None:
    assert margin_ratio(D(0), D(100)) == 0
    assert margin_ratio(D(5), D(100)) == D("0.05")
    assert margin_ratio(D(100), D(100)) == 1
    assert margin_ratio(D(100), D(50)) == 1
    assert margin_ratio(D(100), D(-1)) == 1
    assert margin_ratio(D(0), D(-1)) == 0
    assert margin_ratio(None, D(1)) is None
    assert margin_ratio(D(1), None) is None


def test_f6_buffer_is_balance_over_notional() -> None:
    assert margin_buffer(D(30), D(100)) == D("0.3")
    assert margin_buffer(D(30), D(0)) == INFINITE
    assert margin_buffer(None, D(1)) is None
    assert margin_buffer(D(1), None) is None


# The fully coin-margined short


@given(st.decimals("0.01", 10**7, places=2), st.decimals("0.001", 1000, places=3), st.decimals("0.01", 10**7, places=2))
def test_a_short_of_one_times_its_coin_is_never_liquidated_and_worth_the_same_at_every_price(
    entry: Decimal, coins: Decimal, mark: Decimal
) -> None:
    position = held(INVERSE, -coins * entry, entry, two_tiers("0.005", "50", "0.01"))
    seen = figures(position, cross(coins), mark)
    assert seen.bounds == NEVER
    assert seen.liquidation_distance == INFINITE
    assert seen.margin_balance is not None
    assert abs(seen.margin_balance * mark / (coins * entry) - 1) < D("1e-24")


# The definition, at the boundaries


@precisely
def gap(position: MarginedPosition, backing: Backing, mark: Decimal) -> Decimal:
    """Balance less maintenance, as a fraction of the maintenance; the oracle is the definition, not the formula."""
    units, entry = position.contract_units, position.entry_price
    assert entry is not None
    assert position.tiers is not None
    assert backing.wallet_balance is not None
    assert backing.other_unrealised is not None
    assert backing.other_maintenance is not None
    assert backing.coin_units is not None
    at = mark if position.maintenance_on is MaintenanceOn.MARK else entry
    if position.kind is LINEAR:
        profit, notional = units * (mark - entry), abs(units) * at
    else:
        profit, notional = units * (1 / entry - 1 / mark), abs(units) / at
    balance = backing.wallet_balance + backing.other_unrealised + profit + backing.coin_units * mark
    needed = position.tiers.maintenance(notional) + backing.other_maintenance
    return (balance - needed) / needed


@given(accounts())
@example((held(LINEAR, -1, 100, two_tiers("0.01", "150", "0.02")), cross(D("51.5"))))  # exactly where the two tiers meet
@example((held(LINEAR, -1, 100, two_tiers("0.01", "50", "0.2")), cross(-98, 0, 2, D("1.1"))))  # just safe down to nothing
@example((held(LINEAR, -1, 100, two_tiers("0.01", "50", "0.2")), cross(-99, 0, 2, D("1.1"))))  # safe only between two prices
def test_at_a_bound_balance_equals_maintenance_and_beyond_it_is_less(account: tuple[MarginedPosition, Backing]) -> None:
    position, backing = account
    bounds = liquidation_bounds(position, backing)
    assert bounds is not None
    if bounds.high == 0:
        for mark in ("0.01", "1", "100", "50000", "1e7"):
            assert gap(position, backing, D(mark)) <= D("1e-30")
        return
    nudge = D("1e-9")
    for bound, inward in ((bounds.low, 1 + nudge), (bounds.high, 1 - nudge)):
        if bound is not None:
            assert abs(gap(position, backing, bound)) < D("1e-18")
            outward = 2 - inward
            assert gap(position, backing, bound * outward) < 0
            if bounds.low is None or bounds.high is None or bounds.high / bounds.low > 1 + 4 * nudge:
                assert gap(position, backing, bound * inward) > 0
    if bounds.high is None:
        assert gap(position, backing, max(D("1e9"), 2 * (bounds.low or D(0)))) >= 0


@given(accounts(), PRICES)
def test_figures_agree_with_the_definition_and_with_the_bounds(account: tuple[MarginedPosition, Backing], mark: Decimal) -> None:
    position, backing = account
    seen = figures(position, backing, mark)
    assert seen.bounds == liquidation_bounds(position, backing)
    assert seen.margin_balance is not None
    assert seen.maintenance_margin is not None
    exact = gap(position, backing, mark)
    assert abs((seen.margin_balance - seen.maintenance_margin) / seen.maintenance_margin - exact) < D("1e-15")
    assume(abs(exact) > D("1e-15"))
    assert seen.liquidation_distance is not None
    assert (seen.liquidation_distance > 0) is (exact > 0)
    assert seen.margin_ratio is not None
    assert (seen.margin_ratio < 1) is (exact > 0)


# S31: a short's liquidation price is above its entry


@given(SHORTS)
def test_s31_a_short_is_liquidated_above_its_entry_and_only_there(drawn: tuple[ContractKind, Decimal, Decimal, Decimal]) -> None:
    bounds = liquidation_bounds(*short(*drawn))
    assert bounds is not None
    assert bounds.low is None
    assert bounds.high is not None
    assert bounds.high > drawn[1]


@given(SHORTS, st.decimals("0.5", 2, places=3), st.decimals("0.5", 2, places=3))
def test_s31_distance_of_a_short_shrinks_as_the_price_rises(
    drawn: tuple[ContractKind, Decimal, Decimal, Decimal], one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one * drawn[1], other * drawn[1]))
    near, far = (figures(*short(*drawn), mark).liquidation_distance for mark in (high, low))
    assert near is not None
    assert far is not None
    assert near <= far
    assert near < far or near == 0 or low == high


@given(SHORTS, st.decimals("1.1", 15, places=2))
def test_more_leverage_is_nearer_to_liquidation(drawn: tuple[ContractKind, Decimal, Decimal, Decimal], other: Decimal) -> None:
    kind, entry, leverage, size = drawn
    calm, bold = (figures(*short(kind, entry, each, size), entry) for each in sorted((leverage, other)))
    assert calm.liquidation_distance is not None
    assert bold.liquidation_distance is not None
    assert calm.margin_ratio is not None
    assert bold.margin_ratio is not None
    assert calm.liquidation_distance >= bold.liquidation_distance
    assert calm.margin_ratio <= bold.margin_ratio


@given(SHORTS)
def test_a_long_mirrors_the_short_below_its_entry(drawn: tuple[ContractKind, Decimal, Decimal, Decimal]) -> None:
    position, backing = short(*drawn)
    bounds = liquidation_bounds(replace(position, contract_units=-position.contract_units), backing)
    assert bounds is not None
    assert bounds.high is None
    assert bounds.low is not None
    assert bounds.low < drawn[1]


# Shapes a single formula does not know


def test_a_fully_paid_linear_long_has_no_liquidation_price() -> None:
    assert liquidation_bounds(held(LINEAR, 1, 100, flat("0.01")), cross(100)) == NEVER
    assert liquidation_bounds(held(LINEAR, 1, 100, flat("0.01")), cross(101)) == NEVER


def test_coins_that_cover_the_short_with_room_leave_only_a_fall_when_quote_is_owed() -> None:
    position = held(LINEAR, -1, 100, flat("0.01"))
    assert liquidation_bounds(position, cross(0, coins="1.02")) == NEVER
    owing = liquidation_bounds(position, cross(-102, coins="1.03"))
    assert owing == LiquidationBounds(low=D(100), high=None)


def test_between_two_prices_only() -> None:
    bounds = liquidation_bounds(held(LINEAR, -1, 100, two_tiers("0.01", "150", "0.2")), cross(-101, coins="1.02"))
    assert bounds is not None
    assert bounds.low == 100
    assert bounds.high is not None
    assert bounds.high > 150
    assert abs(bounds.distance(D(110)) - D(10) / D(110)) < D("1e-27")
    assert bounds.distance(D(100)) == bounds.distance(D(90)) == 0


def test_short_of_maintenance_at_every_price() -> None:
    for backing in (cross(-100), cross(-200)):
        bounds = liquidation_bounds(held(LINEAR, -1, 100, flat("0.01")), backing)
        assert bounds == LiquidationBounds(low=None, high=D(0))
        assert bounds is not None
        assert bounds.distance(D(50)) == 0
    assert liquidation_bounds(held(INVERSE, 100, 100, flat("0.01")), cross(-1)) == LiquidationBounds(low=None, high=D(0))


def test_without_a_position_only_collateral_can_fall_below_what_others_need() -> None:
    nothing = held(LINEAR, 0, None, None)
    assert liquidation_bounds(nothing, cross(0)) == NEVER
    assert liquidation_bounds(nothing, cross(-10, 0, 5, 3)) == LiquidationBounds(low=D(5), high=None)
    assert liquidation_bounds(nothing, cross(10, 0, 5, 3)) == NEVER
    seen = figures(nothing, cross(10), D(100))
    assert (seen.margin_balance, seen.maintenance_margin, seen.margin_ratio, seen.margin_buffer) == (10, 0, 0, INFINITE)


# What is not known


@pytest.mark.parametrize("missing", ["wallet_balance", "other_unrealised", "coin_units"])
def test_an_absent_part_of_the_balance_makes_what_needs_it_absent(missing: str) -> None:
    parts = {"wallet_balance": D(10), "other_unrealised": D(0), "other_maintenance": D(0), "coin_units": D(0), missing: None}
    seen = figures(held(LINEAR, -1, 100, flat("0.01")), Backing(**parts), D(100))
    assert seen.maintenance_margin == 1
    absent = seen.margin_balance, seen.margin_ratio, seen.margin_buffer, seen.bounds, seen.liquidation_distance
    assert absent == (None,) * 5


@pytest.mark.parametrize(
    ("position", "backing"),
    [
        (held(LINEAR, -1, 100, None), cross(10)),
        (held(LINEAR, -1, 100, flat("0.01")), cross(10, 0, None)),
    ],
)
def test_an_absent_maintenance_is_not_zero(position: MarginedPosition, backing: Backing) -> None:
    seen = figures(position, backing, D(100))
    assert (seen.margin_balance, seen.margin_buffer) == (10, D("0.1"))
    assert (seen.maintenance_margin, seen.margin_ratio, seen.bounds, seen.liquidation_distance) == (None,) * 4


def test_an_absent_entry_or_mark_is_not_a_price() -> None:
    for where in MaintenanceOn:
        seen = figures(held(LINEAR, -1, None, flat("0.01"), maintenance_on=where), cross(10), D(100))
        assert (seen.margin_balance, seen.bounds) == (None, None)
        assert seen.maintenance_margin == (1 if where is MaintenanceOn.MARK else None)
    blind = figures(held(LINEAR, -1, 100, flat("0.01")), cross(10), None)
    assert blind.bounds is not None
    assert (blind.margin_balance, blind.maintenance_margin, blind.margin_buffer, blind.liquidation_distance) == (None,) * 4


def test_prices_are_positive() -> None:
    position = held(LINEAR, -1, 100, flat("0.01"))
    with pytest.raises(ValueError, match="entry price must be positive"):
        held(LINEAR, -1, 0, None)
    with pytest.raises(ValueError, match="a mark must be positive"):
        figures(position, cross(10), D(0))
    with pytest.raises(ValueError, match="a mark must be positive"):
        NEVER.distance(D(-1))


def test_coin_behind_an_inverse_position_is_its_wallet() -> None:
    position = held(INVERSE, -100, 100, flat("0.01"))
    with pytest.raises(ValueError, match="belongs to its wallet balance"):
        liquidation_bounds(position, cross(1, coins=1))
    assert liquidation_bounds(position, cross(1, coins=None)) is None
