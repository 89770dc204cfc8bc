"""0 is safe and 1 is liquidation; what was not told is absent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core.margin import increase_breach, margin_balance, margin_ratio
from bot.core.policy import Limit, Policy
from bot.core.records import Ledger, VenueRecord
from bot.core.units import Asset, VenueId
from tests.core.story import margin_report

D = Decimal
OKX = VenueId("okx")
POLICY = Policy(margin_ratio_max=D("0.5"), leverage_max=D(3))


def account(balance: str | None, maintenance: str | None) -> Ledger:
    return Ledger(venues={OKX: VenueRecord(margins={Asset("USDT"): margin_report(balance, maintenance)})})


@pytest.mark.parametrize(
    ("balance", "maintenance", "ratio"),
    [
        ("1000", "0", "0"),
        ("1000", "250", "0.25"),
        ("1000", "1000", "1"),
        ("0", "10", "1"),
        ("-5", "10", "1"),
        ("0", "0", "0"),
        (None, "10", None),
        ("1000", None, None),
    ],
)
def test_the_ratio(balance: str | None, maintenance: str | None, ratio: str | None) -> None:
    assert margin_ratio(account(balance, maintenance), OKX) == (None if ratio is None else D(ratio))


def test_an_account_nobody_told_of_is_absent_and_not_empty() -> None:
    assert margin_balance(Ledger(), OKX) is None
    assert margin_balance(Ledger(venues={OKX: VenueRecord()}), OKX) is None
    assert margin_ratio(Ledger(), OKX) is None


def test_several_settle_assets_add_up_and_one_untold_makes_all_unknown() -> None:
    both = {Asset("USDT"): margin_report("700", "10"), Asset("USDC"): margin_report("300", "40")}
    ledger = Ledger(venues={OKX: VenueRecord(margins=both)})
    assert (margin_balance(ledger, OKX), margin_ratio(ledger, OKX)) == (D(1000), D("0.05"))
    half = {**both, Asset("USDC"): margin_report(None, "40")}
    assert margin_balance(Ledger(venues={OKX: VenueRecord(margins=half)}), OKX) is None


@pytest.mark.parametrize(
    ("balance", "maintenance", "notional", "limit"),
    [
        ("1000", "500", "3000", None),  # exactly at both limits
        ("1000", "501", "100", Limit.MARGIN_RATIO),
        ("1000", "500", "3000.01", Limit.LEVERAGE),
        ("-1", "0", "0.01", Limit.LEVERAGE),
        (None, "0", "100", Limit.MARGIN_UNKNOWN),
        ("1000", None, "100", Limit.MARGIN_UNKNOWN),
        ("1000", "0", None, Limit.MARGIN_UNKNOWN),
    ],
)
def test_what_an_account_may_carry(balance: str | None, maintenance: str | None, notional: str | None, limit: Limit | None) -> None:
    breach = increase_breach(account(balance, maintenance), POLICY, OKX, None if notional is None else D(notional))
    assert (breach.limit if breach else None) is limit
