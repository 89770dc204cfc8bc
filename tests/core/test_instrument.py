"""Contracts become base units and back, and no rounding on the way makes an order larger (S17, S30)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.instrument import ContractKind, Instrument
from tests.core.story import listed

D = Decimal
CONTRACT_SIZES = st.sampled_from([D("0.001"), D("0.01"), D("0.1"), D(1), D(10), D(100), D("1e6")])
LOTS = st.sampled_from([D("0.001"), D("0.01"), D("0.1"), D(1), D(5)])
QUANTITIES = st.decimals(min_value=D("-1e7"), max_value=D("1e7"), allow_nan=False, places=9)
PRICES = st.decimals(min_value=D("0.01"), max_value=D("200000"), places=2)


def linear(contract_size: Decimal, lot: Decimal) -> Instrument:
    return listed("okx", "ETH", contract_size=contract_size, lot=lot)


def inverse(contract_size: Decimal, lot: Decimal) -> Instrument:
    return listed("okx", "ETH", kind=ContractKind.INVERSE, contract_size=contract_size, lot=lot)


def test_its_id_names_venue_and_symbol() -> None:
    assert listed("okx", "ETH").id == "okx:ETH"


@given(CONTRACT_SIZES, LOTS, QUANTITIES, PRICES)
def test_s17_a_linear_order_is_never_larger_than_asked_and_misses_less_than_a_lot(
    size: Decimal, lot: Decimal, quantity: Decimal, price: Decimal
) -> None:
    instrument = linear(size, lot)
    contracts = instrument.to_contracts(quantity, price)
    back = instrument.to_base(contracts, price)
    assert contracts % lot == 0
    assert abs(back) <= abs(quantity)
    assert back * quantity >= 0
    assert abs(quantity) - abs(back) < size * lot


@given(CONTRACT_SIZES, LOTS, QUANTITIES, PRICES)
def test_s17_an_inverse_order_is_never_larger_than_asked(size: Decimal, lot: Decimal, quantity: Decimal, price: Decimal) -> None:
    instrument = inverse(size, lot)
    contracts = instrument.to_contracts(quantity, price)
    assert contracts % lot == 0
    assert abs(contracts) * size <= abs(quantity * price)
    assert abs(quantity * price) - abs(contracts) * size < size * lot


@given(CONTRACT_SIZES, LOTS, st.integers(min_value=-10_000, max_value=10_000), PRICES)
def test_s30_closing_a_position_of_whole_lots_closes_exactly_it(size: Decimal, lot: Decimal, lots: int, price: Decimal) -> None:
    instrument = linear(size, lot)
    held = instrument.to_base(lots * lot, price)
    assert instrument.to_contracts(-held, price) == -lots * lot


def test_notional_of_linear_and_inverse() -> None:
    assert linear(D("0.1"), D(1)).notional(D(-30), D(3000)) == 9_000
    assert inverse(D(100), D(1)).notional(D(-30), D(3000)) == 3_000
    assert inverse(D(100), D(1)).to_base(D(-30), D(3000)) == -1


SIGNED_LOTS = st.integers(min_value=-10_000, max_value=10_000)


@given(CONTRACT_SIZES, LOTS, SIGNED_LOTS, PRICES, st.booleans())
def test_s30_whole_lots_become_base_units_and_back_without_losing_one(
    size: Decimal, lot: Decimal, lots: int, price: Decimal, is_linear: bool
) -> None:
    instrument = (linear if is_linear else inverse)(size, lot)
    units = instrument.units_of_contracts(lots * lot)
    assert instrument.contracts_of_units(units) == lots * lot
    assert instrument.dust_of(units) == 0
    assert instrument.to_contracts(instrument.base_of(units, price), price) == lots * lot


@given(CONTRACT_SIZES, LOTS, QUANTITIES)
def test_s14_what_is_below_a_lot_is_dust_and_the_rest_never_more_than_asked(size: Decimal, lot: Decimal, units: Decimal) -> None:
    instrument = inverse(size, lot)
    contracts, dust = instrument.contracts_of_units(units), instrument.dust_of(units)
    assert instrument.units_of_contracts(contracts) + dust == units
    assert abs(dust) < size * lot
    assert dust * units >= 0
    assert abs(contracts) * size <= abs(units)


@given(CONTRACT_SIZES, LOTS, QUANTITIES, PRICES, st.booleans())
def test_base_units_come_back_within_a_lot(size: Decimal, lot: Decimal, quantity: Decimal, price: Decimal, is_linear: bool) -> None:
    instrument = (linear if is_linear else inverse)(size, lot)
    back = instrument.to_base(instrument.to_contracts(quantity, price), price)
    assert abs(quantity - back) <= instrument.to_base(lot, price)


def test_units_are_base_if_linear_and_quote_if_inverse() -> None:
    eth, usd = linear(D("0.1"), D(1)), inverse(D(100), D(1))
    assert (eth.is_inverse, usd.is_inverse) == (False, True)
    assert (eth.units_of_contracts(D(-30)), usd.units_of_contracts(D(-30))) == (-3, -3_000)
    assert (eth.base_of(D(-3), D(3000)), usd.base_of(D(-3_000), D(3000))) == (-3, -1)
    assert (eth.units_of(D(-3), D(3000)), usd.units_of(D(-1), D(3000))) == (-3, -3_000)
    assert (eth.notional_of_units(D(-3), D(3000)), usd.notional_of_units(D(-3_000), D(9))) == (9_000, 3_000)


def test_s14_a_reduction_needs_no_minimum_notional() -> None:
    instrument = listed("binance", "ETH", lot=D("0.001"), contracts_min=D("0.002"), notional_min=D(100))
    assert instrument.tradable_contracts_min(D(3000)) == D("0.034")
    assert instrument.tradable_contracts_min(D(3000), reduces=True) == D("0.002")


@pytest.mark.parametrize(
    ("lot", "contracts_min", "notional_min", "expected"),
    [
        ("0.001", "0.001", None, "0.001"),
        ("0.001", "0.01", None, "0.01"),
        ("0.001", "0.001", "100", "0.034"),  # 100 / 3000 rounded up to the lot
        ("1", "1", "100", "1"),
        ("0.001", "0.001", "3", "0.001"),
    ],
)
def test_s14_the_least_order_obeys_lot_minimum_and_notional(lot: str, contracts_min: str, notional_min: str | None, expected: str) -> None:
    instrument = listed(
        "binance", "ETH", lot=D(lot), contracts_min=D(contracts_min), notional_min=None if notional_min is None else D(notional_min)
    )
    assert instrument.tradable_contracts_min(D(3000)) == D(expected)
