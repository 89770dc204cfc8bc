"""After a proposed change: entries average, closed parts realise, and nothing is won or lost by the bookkeeping."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.instrument import ContractKind
from bot.core.liquidation import Backing, MarginedPosition, figures
from bot.core.margin_change import MarginChange, after
from tests.core.margin_accounts import INVERSE, LINEAR, PRICES, SHORTS, accounts, cross, flat, held, short

D = Decimal


@pytest.mark.parametrize(
    ("kind", "units", "entry", "change", "units_after", "entry_after", "wallet_after"),
    [
        (LINEAR, 0, None, (-2, 100), -2, 100, 1000),
        (LINEAR, -2, 100, (-2, 200), -4, 150, 1000),
        (LINEAR, -4, 150, (1, 100), -3, 150, 1050),
        (LINEAR, -4, 150, (4, 160), 0, None, 960),
        (LINEAR, -4, 150, (6, 100), 2, 100, 1200),
        (LINEAR, 4, 150, (-6, 100), -2, 100, 800),
        (INVERSE, -100, 100, (-100, 50), -200, "66.66666666666666666666666666666666666667", 1000),
        (INVERSE, -100, 100, (50, 50), -50, 100, "1000.5"),
        (INVERSE, -100, 100, (100, 200), 0, None, "999.5"),
        (LINEAR, -4, 150, (0, 0), -4, 150, 1000),
        (LINEAR, 0, None, (0, 0), 0, None, 1000),
    ],
)
def test_after_a_fill(
    kind: ContractKind,
    units: int,
    entry: int | None,
    change: tuple[int, int],
    units_after: int,
    entry_after: object,
    wallet_after: object,
) -> None:
    proposed = MarginChange(contract_units=D(change[0]), price=D(change[1]))
    position, backing = after(held(kind, units, entry, flat("0.01")), cross(1000), proposed)
    assert position.contract_units == units_after
    assert position.entry_price == (None if entry_after is None else D(str(entry_after)))
    assert backing.wallet_balance == D(str(wallet_after))


def test_after_moving_margin_paying_a_fee_and_changing_the_table() -> None:
    position, backing = after(
        held(LINEAR, -1, 100, flat("0.01")),
        cross(50),
        MarginChange(contract_units=D(-1), price=D(100), fee=D("0.05"), margin_added=D(-10), tiers=flat("0.02")),
    )
    assert backing.wallet_balance == D("39.95")
    assert position.tiers == flat("0.02")


def test_after_with_parts_unknown_they_stay_unknown() -> None:
    more = MarginChange(contract_units=D(-1), price=D(100))
    less = MarginChange(contract_units=D(1), price=D(100))
    position, backing = after(held(LINEAR, -2, None, None), cross(50), more)
    assert (position.entry_price, backing.wallet_balance) == (None, 50)
    position, backing = after(held(LINEAR, -2, None, None), cross(50), less)
    assert (position.entry_price, backing.wallet_balance) == (None, None)
    position, backing = after(held(LINEAR, -2, 100, None), cross(None), less)
    assert (position.entry_price, backing.wallet_balance) == (100, None)


@given(accounts(), st.decimals(-500, 500, places=2), PRICES, st.decimals(0, 10, places=2))
def test_a_fill_changes_the_balance_at_its_own_price_by_the_fee_only(
    account: tuple[MarginedPosition, Backing], units: Decimal, price: Decimal, fee: Decimal
) -> None:
    before = figures(*account, price).margin_balance
    now = figures(*after(*account, MarginChange(contract_units=units, price=price, fee=fee)), price).margin_balance
    assert before is not None
    assert now is not None
    scale = abs(before) + fee + 1 + abs(account[0].contract_units) * max(price, 1)
    assert abs(before - fee - now) / scale < D("1e-24")


@given(SHORTS, st.decimals("0.01", 2, places=2))
def test_a_larger_short_on_the_same_margin_is_nearer_to_liquidation(
    drawn: tuple[ContractKind, Decimal, Decimal, Decimal], share: Decimal
) -> None:
    position, backing = short(*drawn)
    more = MarginChange(contract_units=position.contract_units * share, price=drawn[1])
    now = figures(position, backing, drawn[1]).liquidation_distance
    then = figures(*after(position, backing, more), drawn[1]).liquidation_distance
    assert now is not None
    assert then is not None
    assert then < now


def test_contracts_change_hands_at_a_positive_price() -> None:
    with pytest.raises(ValueError, match="at a positive price"):
        MarginChange(contract_units=D(1))
