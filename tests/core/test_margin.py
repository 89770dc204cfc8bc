"""0 is safe and 1 is liquidation; what was not told is absent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.margin import increase_breach, margin_balance, margin_ratio, notional_max, settle_exposure
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


def test_figures_of_a_whole_account_count_once_however_many_assets_repeat_them() -> None:
    usdt, usdc = (replace(margin_report("1000000", "5000"), asset=Asset(a), is_account_wide=True) for a in ("USDT", "USDC"))
    usdt, usdc = replace(usdt, wallet_balance=D(600_000)), replace(usdc, wallet_balance=D(400_000))
    wide = Ledger(venues={OKX: VenueRecord(margins={m.asset: m for m in (usdt, usdc)})})
    assert (margin_balance(wide, OKX), margin_ratio(wide, OKX)) == (D(1_000_000), D("0.005"))
    breach = increase_breach(wide, POLICY, OKX, D(5_900_000), D(5_900_000))
    assert breach is not None
    assert (breach.limit, breach.allowed) == (Limit.LEVERAGE, D(3_000_000))
    assert settle_exposure(wide) == {"USDC": D(400_000), "USDT": D(600_000)}
    # Told at two instants, the copies differ: the worse one counts. Without wallets the account counts once.
    later = replace(usdc, margin_balance=D(900_000), maintenance_margin=D(9_000), wallet_balance=None)
    mixed = Ledger(venues={OKX: VenueRecord(margins={"USDT": usdt, "USDC": later})})  # type: ignore[dict-item]  # plain strings are assets
    assert (margin_balance(mixed, OKX), margin_ratio(mixed, OKX)) == (D(900_000), D("0.01"))
    assert settle_exposure(mixed) == {"USDC": D(900_000)}
    untold = replace(later, margin_balance=None)
    half = Ledger(venues={OKX: VenueRecord(margins={"USDT": usdt, "USDC": untold})})  # type: ignore[dict-item]  # plain strings are assets
    assert margin_balance(half, OKX) is None


@pytest.mark.parametrize(
    ("needed", "told", "after", "ratio"),
    [
        ("29900", "30000", "30000", None),  # as it is: 0.4983
        ("29900", "30000", "90000", "1.495"),  # three times as much of it
        ("25000", "50000", "60000", None),  # exactly at the limit
        ("25000", "50000", "60001", "0.500008333"),
        ("29000", "1", "1001", "0.5"),  # at most the notional itself is asked for
        ("29000", "1", "1002", "0.500016667"),
        ("0", "0", "600000", None),  # nothing to measure by: 5 % are assumed, ten times leverage
        ("0", "0", "600020", "0.500016667"),
        ("0", None, "600020", "0.500016667"),
        ("29000", "30000", "1", None),  # less than now is never more than now
    ],
)
def test_the_margin_ratio_is_held_after_the_order_too(needed: str, told: str | None, after: str, ratio: str | None) -> None:
    policy = replace(POLICY, leverage_max=D(100))
    held = None if told is None else D(told)
    breach = increase_breach(account("60000", needed), policy, OKX, D(after), held)
    if ratio is None or ratio == "0.5":
        assert breach is None
    else:
        assert breach is not None
        assert (breach.limit, round(breach.observed or D(0), 9), breach.detail) == (Limit.MARGIN_RATIO, D(ratio), "after the order")
    most = notional_max(account("60000", needed), policy, OKX, held)
    assert most is not None
    assert (D(after) > most) is (breach is not None)


def test_what_an_untold_account_may_carry_at_most_is_unknown() -> None:
    assert notional_max(account(None, "1"), POLICY, OKX, D(1)) is None


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
    after = None if notional is None else D(notional)
    breach = increase_breach(account(balance, maintenance), POLICY, OKX, after, after)
    assert (breach.limit if breach else None) is limit
