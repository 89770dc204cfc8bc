"""How far all shorts' marks may rise together: vectors, then the definition at the answer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.liquidation import figures
from bot.core.liquidation_joint import Charge, Moving
from bot.core.precision import INFINITE
from tests.core.margin_accounts import INVERSE, SHORTS, flat, short, tables, two_tiers

D = Decimal


def moving(balance: object, needed: object, slope: object, *charges: Charge, in_coin: bool = False) -> Moving:
    parts = [D(str(part)) for part in (balance, needed, slope)]
    return Moving(margin_balance=parts[0], maintenance_margin=parts[1], slope=parts[2], charges=charges, in_coin=in_coin)


@pytest.mark.parametrize(
    ("account", "distance"),
    [
        (moving(10, 10, -100), D(0)),
        (moving(9, 10, -100), D(0)),
        (moving(60, 10, -100), D("0.5")),  # nothing charged: 50 are lost at a rise of a half
        (moving(60, 10, 0), INFINITE),
        (moving(60, 10, 100), INFINITE),
        (moving(61, 1, -100, Charge(tiers=flat("0.2"), notional=D(100))), D("0.5")),  # 60 - 100 x - 20 x
        (moving(61, 1, 0, Charge(tiers=flat("0.2"), notional=D(0))), INFINITE),
        (moving(61, 1, 10, Charge(tiers=flat("0.2"), notional=D(100))), D(6)),  # only the charge grows: faster than the balance
        # Two tiers that meet at 150: 0.1 up to a rise of a half, 0.3 from there on.
        (moving(75, 10, -100, Charge(tiers=two_tiers("0.1", "150", "0.3"), notional=D(100))), D("0.5") + D(10) / 130),
        (moving(65, 10, -100, Charge(tiers=two_tiers("0.1", "150", "0.3"), notional=D(100))), D("0.5")),
        (moving(43, 10, -100, Charge(tiers=two_tiers("0.1", "150", "0.3"), notional=D(100))), D("0.3")),
        # In coin: 1 - 1/y of the notional is lost.
        (moving(30, 0, 60, in_coin=True), D(1)),
        (moving(60, 0, 60, in_coin=True), INFINITE),
        (moving(61, 0, 60, in_coin=True), INFINITE),
        (moving(30, 1, 100, Charge(tiers=two_tiers("0.01", "80", "0.1"), notional=D(100)), in_coin=True), None),
    ],
)
def test_vectors(account: Moving, distance: Decimal | None) -> None:
    if distance is None:
        t = 1 / (1 + account.distance())
        assert abs(account.gap(t)) < D("1e-25")
        return
    assert abs(account.distance() - distance) < D("1e-25") if distance != INFINITE else account.distance() == INFINITE


def test_an_inverse_position_in_a_whole_account_is_charged_in_coin() -> None:
    """2 coin of notional at 100: 0.01 of it above one coin, 0.005 below; at twice the price it is one coin."""
    charge = Charge(tiers=two_tiers("0.005", "1", "0.01"), notional=D(2), coin_price=D(100))
    assert charge.at(D(1)) == D("1.5")
    assert charge.at(D(2)) == D(1)
    assert charge.at(D(4)) == D(1)
    assert charge.bends() == (D(2),)
    assert abs(moving("101.5", "1.5", -200, charge).distance() - D(100) / D("199.5")) < D("1e-25")


@given(SHORTS)
def test_s31_a_lone_short_rises_together_with_itself(drawn: tuple[object, Decimal, Decimal, Decimal]) -> None:
    position, backing = short(*drawn)  # type: ignore[arg-type]  # the kind comes first
    entry, in_coin = drawn[1], position.kind is INVERSE
    seen = figures(position, backing, entry)
    notional = abs(position.contract_units) * entry if not in_coin else abs(position.contract_units) / entry
    assert position.tiers is not None
    assert seen.margin_balance is not None
    assert seen.maintenance_margin is not None
    account = Moving(
        margin_balance=seen.margin_balance,
        maintenance_margin=seen.maintenance_margin,
        slope=notional if in_coin else -notional,
        charges=(Charge(tiers=position.tiers, notional=notional),),
        in_coin=in_coin,
    )
    assert seen.liquidation_distance is not None
    if seen.liquidation_distance == INFINITE:
        assert account.distance() == INFINITE
    else:
        assert abs(account.distance() - seen.liquidation_distance) < D("1e-20") * (1 + seen.liquidation_distance)


NOTIONALS = st.decimals(1, 10**6, places=2)


@given(st.lists(st.tuples(tables(), NOTIONALS), min_size=1, max_size=4), st.decimals("0.01", 5, places=3), st.booleans())
def test_at_the_distance_balance_meets_maintenance_and_not_before(
    legs: list[tuple[object, Decimal]], buffer: Decimal, in_coin: bool
) -> None:
    charges = tuple(Charge(tiers=table, notional=notional) for table, notional in legs)  # type: ignore[arg-type]  # drawn tables
    total = sum((charge.notional for charge in charges), D(0))
    needed = sum((charge.at(D(1)) for charge in charges), D(0))
    account = Moving(
        margin_balance=needed + total * buffer,
        maintenance_margin=needed,
        slope=total if in_coin else -total,
        charges=charges,
        in_coin=in_coin,
    )
    distance = account.distance()
    if distance == INFINITE:
        assert in_coin
        assert account.gap(D(0)) >= 0
        return
    t = 1 / (1 + distance) if in_coin else 1 + distance
    assert abs(account.gap(t)) < D("1e-15") * total
    assert account.gap((t + 1) / 2) > 0
