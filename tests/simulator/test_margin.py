"""Formulas against the reference's vectors: funding (F1), tiers (F3), liquidation (F4, F5)."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator import margin
from bot.simulator.listings import VENUES, contracts_of
from bot.simulator.model import Contract, Tier
from tests.simulator.floor import INVERSE, LINEAR, D

WIDE = D(10) ** 12


def one_tier(contract: Contract, rate: str, deduction: str = "0") -> Contract:
    return replace(contract, tiers=(Tier(WIDE, D(50), D(rate), D(deduction)),))


def liquidated_at(contract: Contract, contracts: str, entry: str, wallet: str, mark: str | None = None) -> Decimal | None:
    held = D(contracts)
    return margin.liquidation_price(contract, held, margin.worth(contract, held, D(entry)), D(mark or entry), D(wallet))


@pytest.mark.parametrize(
    ("rate", "deduction", "contracts", "price"),
    [
        ("0.01", "500", "-10", "59455.4455"),
        ("0.01", "0", "-10", "59405.9406"),
        # long, F4: (100,000 - 10 x 50,000) / (10 x (0.01 - 1))
        ("0.01", "0", "10", "40404.0404"),
    ],
)
def test_f4_linear_cross(rate: str, deduction: str, contracts: str, price: str) -> None:
    contract = one_tier(LINEAR, rate, deduction)
    found = liquidated_at(contract, contracts, "50000", "100000")
    assert found is not None
    assert round(found, 4) == D(price)
    equity = D(100_000) + margin.worth(contract, D(contracts), found) - margin.worth(contract, D(contracts), D(50_000))
    assert round(equity, 6) == round(margin.maintenance(contract, D(contracts), found), 6)
    if deduction == "500":
        assert round(equity, 2) == D("5445.54")


@pytest.mark.parametrize(
    ("wallet", "price"),
    [("2.0", None), ("1.0", "99500.00"), ("0.5", "66333.33"), ("0.2", "55277.78")],
)
def test_f5_inverse_cross_short(wallet: str, price: str | None) -> None:
    contract = one_tier(INVERSE, "0.005")
    found = liquidated_at(contract, "-1000", "50000", wallet)
    assert (None if found is None else round(found, 2)) == (None if price is None else D(price))


def test_f5_inverse_cross_long() -> None:
    contract = one_tier(INVERSE, "0.005")
    found = liquidated_at(contract, "1000", "50000", "0.2")
    assert found is not None
    equity = D("0.2") + margin.worth(contract, D(1000), found) - margin.worth(contract, D(1000), D(50_000))
    assert round(equity, 12) == round(margin.maintenance(contract, D(1000), found), 12)
    assert found < 50_000


def test_no_liquidation_price_when_nothing_can_hurt_enough() -> None:
    assert liquidated_at(one_tier(LINEAR, "0.01"), "1", "50000", "60000") is None
    assert liquidated_at(LINEAR, "-1", "50000", "-60000") is None, "bankrupt at every price"
    assert margin.liquidation_price(LINEAR, D(0), D(0), D(50_000), D(1)) is None


@given(
    contracts=st.decimals("-60", "60", places=3).filter(bool),
    wallet=st.decimals("1000", "3000000", places=2),
    listed=st.sampled_from(
        [LINEAR, *(listed for venue in VENUES for listed in contracts_of(venue) if listed.base == "BTC" and not listed.inverse)]
    ),
)
def test_across_tiers_the_margin_is_used_up_exactly_there(contracts: Decimal, wallet: Decimal, listed: Contract) -> None:
    """One tick nearer to the mark the account is still safe, one tick farther it is due."""
    contract = replace(listed, contract_size=D(1))
    mark = D(50_000)
    cost = margin.worth(contract, contracts, mark)

    def spare(price: Decimal) -> Decimal:
        return wallet + margin.worth(contract, contracts, price) - cost - margin.maintenance(contract, contracts, price)

    found = margin.liquidation_price(contract, contracts, cost, mark, wallet)
    if spare(mark) <= 0:
        return
    if found is None:
        assert contracts > 0
        assert spare(D("0.1")) > 0
        return
    farther = D("0.1") if contracts < 0 else D("-0.1")
    assert spare(found + farther) < 0 < spare(found - farther)


@pytest.mark.parametrize(
    ("contract", "contracts", "mark", "rate", "paid"),
    [
        (LINEAR, "-10", "10000", "0.0011875", "118.75"),
        (LINEAR, "10", "10000", "0.0011875", "-118.75"),
        (LINEAR, "-10", "10000", "-0.0011875", "-118.75"),
        (LINEAR, "10", "10000", "-0.0011875", "118.75"),
        (INVERSE, "-1000", "50000", "0.0001", "0.0002"),
        (INVERSE, "1000", "50000", "0.0001", "-0.0002"),
        (replace(LINEAR, contract_size=D("0.01")), "-150", "60000", "0.0003", "27"),
    ],
)
def test_f1_shorts_receive_when_the_rate_is_positive(contract: Contract, contracts: str, mark: str, rate: str, paid: str) -> None:
    assert margin.funding(contract, D(contracts), D(mark), D(rate)) == D(paid)


def test_f3_deductions_make_the_maintenance_continuous() -> None:
    # 50 x (5 % - 2.5 %) + 0.56 = 1.81, the reference's vector, from the tier below's 0.56
    assert D("0.56") + D(50) * (D("0.05") - D("0.025")) == D("1.81")
    for contract in (*contracts_of("binanceusdm"), *contracts_of("binancecoinm"), *contracts_of("bybit")):
        for lower, upper in zip(contract.tiers, contract.tiers[1:], strict=False):
            edge = lower.cap
            assert edge * lower.rate - lower.deduction == edge * upper.rate - upper.deduction
    assert all(tier.deduction == 0 for contract in contracts_of("okx") for tier in contract.tiers)


@pytest.mark.parametrize(
    ("notional", "index", "leverage"),
    [("0", 0, "50"), ("500000", 0, "50"), ("500000.01", 1, "10"), ("5000000", 1, "10"), ("5000000.01", 1, "0")],
)
def test_tier_edges(notional: str, index: int, leverage: str) -> None:
    assert margin.tier_at(LINEAR, D(notional)) == index
    assert margin.leverage_max(LINEAR, D(notional)) == D(leverage)


def test_tiers_that_count_contracts_do_not_move_with_the_price() -> None:
    contract = replace(LINEAR, tiers=(Tier(D(100), D(50), D("0.01")), Tier(D(500), D(10), D("0.05"))), tiers_count_contracts=True)
    for mark in (D(100), D(1_000_000)):
        assert margin.maintenance(contract, D(-100), mark) == margin.value(contract, D(-100), mark) * D("0.01")
        assert margin.maintenance(contract, D(101), mark) == margin.value(contract, D(101), mark) * D("0.05")
        assert margin.tiered(contract, D(-101), mark) == 101
    cost, wallet = margin.worth(contract, D(-101), D(1000)), D(20_000)
    price = margin.liquidation_price(contract, D(-101), cost, D(1000), wallet)
    assert price is not None
    pnl = margin.worth(contract, D(-101), price) - cost
    assert round(wallet + pnl - margin.maintenance(contract, D(-101), price), 10) == 0


@given(st.integers(-10_000, 10_000).filter(bool), st.decimals("1", "100000", places=1), st.decimals("1", "100000", places=1))
def test_worth_differences_are_the_textbook_pnl(contracts: int, entry: Decimal, exit_: Decimal) -> None:
    held = Decimal(contracts)
    linear = margin.worth(LINEAR, held, exit_) - margin.worth(LINEAR, held, entry)
    assert linear == held * (exit_ - entry)
    inverse = margin.worth(INVERSE, held, exit_) - margin.worth(INVERSE, held, entry)
    assert abs(inverse - held * 100 * (1 / entry - 1 / exit_)) < D("1e-15")
    assert abs(margin.entry_price(INVERSE, held, margin.worth(INVERSE, held, entry)) - entry) < D("1e-15")


def test_a_coin_margined_short_of_one_times_keeps_its_dollar_value() -> None:
    """1,000 USD short against exactly its coins: equity in USD is the same at every price, and no price liquidates it."""
    contract, coins = one_tier(INVERSE, "0.005"), D(1000) / D(50_000)
    cost = margin.worth(contract, D(-10), D(50_000))
    for price in (D(100), D(25_000), D(50_000), D(1_000_000)):
        equity = coins + margin.worth(contract, D(-10), price) - cost
        assert round(equity * price, 10) == D(1000)
    assert margin.liquidation_price(contract, D(-10), cost, D(50_000), coins) is None
