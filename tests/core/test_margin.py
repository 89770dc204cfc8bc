"""0 is safe and 1 is liquidation; what was not told is absent; and the same after an order as now."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import margin
from bot.core.limits import Effect, Limit
from bot.core.margin import (
    account_after,
    buffer,
    increase_breach,
    joint_distance,
    liquidation,
    margin_breaches,
    margin_ratio,
)
from bot.core.precision import INFINITE
from bot.core.records import Ledger, Position, VenueRecord
from bot.core.tiers import TierRule
from bot.core.units import Asset, InstrumentId
from tests.core.margin_books import (
    BTC,
    ETH,
    ETH_INVERSE,
    OKX,
    POLICY,
    QUANTITIES,
    SOL,
    TIERS,
    D,
    account,
    books,
    instruments,
    sliced,
    told,
)
from tests.core.story import listed

CENT = D("0.01")
WIDE = replace(POLICY, margin_buffer_target=D("0.01"), liquidation_distance_target=D(0), leverage_max=D(100))
"""Only the margin ratio binds."""


def ratio(ledger: Ledger) -> Decimal | None:
    return margin_ratio(ledger, POLICY, OKX)


# The ratio, and what is absent


@pytest.mark.parametrize(
    ("balance", "maintenance", "expected"),
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
def test_f6_the_ratio(balance: str | None, maintenance: str | None, expected: str | None) -> None:
    assert ratio(account(told("USDT", balance, maintenance))) == (None if expected is None else D(expected))


def test_an_account_nobody_told_of_is_absent_and_not_empty() -> None:
    for ledger in (Ledger(), Ledger(venues={OKX: VenueRecord()})):
        assert margin.margin_balance(ledger, POLICY, OKX) is None
        assert margin.maintenance_now(ledger, POLICY, OKX) is None
        assert (ratio(ledger), buffer(ledger, POLICY, OKX), joint_distance(ledger, POLICY, OKX)) == (None, None, None)
        assert account_after(ledger, POLICY, ETH, D(-1)) is None
        assert liquidation(ledger, POLICY, ETH) is None
        assert margin_breaches(ledger, POLICY, OKX) == ()
        breach = increase_breach(ledger, POLICY, ETH, D(-1))
        assert breach is not None
        assert breach.limit is Limit.MARGIN_UNKNOWN


@pytest.mark.parametrize(("balance", "maintenance", "unknown"), [(None, "10", True), ("1000", None, True), ("1000", "10", False)])
def test_s25_margin_that_a_venue_leaves_out_is_told_once_it_was_read(balance: str | None, maintenance: str | None, unknown: bool) -> None:
    flat = {ETH: "0", ETH_INVERSE: "0"}
    ledger = account(told("USDT", balance, maintenance), told("ETH", "10", "0.1"), positions=flat)
    unread = replace(ledger, venues={OKX: replace(ledger.venues[OKX], reported_at=None)})
    read = replace(ledger, venues={OKX: replace(ledger.venues[OKX], reported_at=1)})
    assert margin.unknown_breach(Ledger(), POLICY, OKX) is None
    assert margin.unknown_breach(unread, POLICY, OKX) is None
    found = margin.unknown_breach(read, POLICY, OKX)
    assert (found is not None) is unknown
    assert found is None or (found.limit, found.subject, found.effect) == (Limit.MARGIN_UNKNOWN, OKX, Effect.BLOCKS)
    coinless = replace(account(told("USDT", "1000", "10"), positions=flat).venues[OKX], reported_at=1)
    found = margin.unknown_breach(replace(ledger, venues={OKX: coinless}), POLICY, OKX)
    assert found is not None
    assert found.detail == f"the margin behind {ETH_INVERSE} is not told"


def test_pools_of_several_settle_assets_add_up_and_the_worst_counts() -> None:
    usdc = listed("okx", "ETHUSDC", base=Asset("ETH"), quote=Asset("USDC"), settle=Asset("USDC"))
    known = {**instruments(None), usdc.id: usdc}
    ledger = account(told("USDT", "700", "10"), told("USDC", "300", "30"), instruments=known)
    assert margin.margin_balance(ledger, POLICY, OKX) == 1000
    assert margin.maintenance_now(ledger, POLICY, OKX) == 40
    assert ratio(ledger) == D("0.1")
    assert buffer(ledger, POLICY, OKX) == joint_distance(ledger, POLICY, OKX) == INFINITE
    half = account(told("USDT", "700", "10"), told("USDC", None, "30"))
    assert (margin.margin_balance(half, POLICY, OKX), ratio(half)) == (None, None)


@pytest.mark.parametrize("asset", ["wstETH", "DOGE", "USDC"])
def test_what_is_neither_a_coin_with_a_mark_nor_a_dollar_is_worth_nothing_known(asset: str) -> None:
    """A hundred wstETH that ask for ten are not a hundred dollars that ask for ten."""
    ledger = account(told("USDT", "700", "10"), told(asset, "100", "10"))
    assert margin.margin_balance(ledger, POLICY, OKX) is None
    assert margin.maintenance_now(ledger, POLICY, OKX) is None
    whole = account(told("USDT", None, "0", wide=True, equity=500), told(asset, None, "0", wide=True, equity=9))
    assert margin.margin_balance(whole, POLICY, OKX) is None


def test_a_coin_pool_is_counted_in_dollars_at_the_mark() -> None:
    ledger = account(told("USDT", "700", "10"), told("ETH", "3", "0.5"))
    assert margin.margin_balance(ledger, POLICY, OKX) == 6_700
    assert margin.maintenance_now(ledger, POLICY, OKX) == 1_010
    unmarked = account(told("ETH", "3", "0"), marks={})
    assert margin.margin_balance(unmarked, POLICY, OKX) is None
    assert margin.maintenance_now(unmarked, POLICY, OKX) == 0


def test_a_position_whose_pool_was_not_told_is_unknown() -> None:
    ledger = account(told("USDT", "700", "10"), positions={ETH_INVERSE: "-2000"})
    assert (ratio(ledger), joint_distance(ledger, POLICY, OKX)) == (None, None)


def test_figures_of_a_whole_account_count_once_however_many_assets_repeat_them() -> None:
    usdt, usdc = told("USDT", "1000000", "5000", wide=True), told("USDC", "1000000", "5000", wide=True)
    usdt, usdc = replace(usdt, wallet_balance=D(600_000)), replace(usdc, wallet_balance=D(400_000))
    ledger = account(usdt, usdc)
    assert (margin.margin_balance(ledger, POLICY, OKX), ratio(ledger)) == (1_000_000, D("0.005"))
    # Told at two instants, the copies differ: the worse one counts. Without wallets the account counts once.
    later = replace(usdc, margin_balance=D(900_000), maintenance_margin=D(9_000), wallet_balance=None)
    mixed = account(usdt, later)
    assert (margin.margin_balance(mixed, POLICY, OKX), ratio(mixed)) == (900_000, D("0.01"))
    assert margin.margin_balance(account(usdt, replace(later, margin_balance=None)), POLICY, OKX) is None
    assert margin.maintenance_now(account(usdt, replace(later, maintenance_margin=None)), POLICY, OKX) is None


def test_a_position_nobody_can_value_leaves_what_was_told_and_stops_increases() -> None:
    stranger = InstrumentId("okx:DOGE")
    ledger = account(told("USDT", "1000", "250"), positions={ETH: "-1"})
    odd = replace(ledger, positions={**ledger.positions, stranger: Position(quantity=D(-5))})
    assert (ratio(odd), buffer(odd, POLICY, OKX), joint_distance(odd, POLICY, OKX)) == (D("0.25"), None, None)
    unread = replace(ledger, positions={i: p for i, p in ledger.positions.items() if i != BTC})
    unmarked = account(told("USDT", "1000", "250"), positions={ETH: "-1"}, marks={BTC: D(1)})
    for broken in (odd, unread, unmarked):
        breach = increase_breach(broken, POLICY, ETH, D("-0.01"))
        assert breach is not None
        assert breach.limit is Limit.MARGIN_UNKNOWN


def test_a_carried_instrument_that_nobody_quotes_is_valued_at_its_entry() -> None:
    policy = replace(POLICY, instruments=POLICY.instruments - {ETH})
    ledger = account(told("USDT", "1000", "0"), positions={ETH: "-1"}, marks={})
    assert buffer(ledger, policy, OKX) is None
    entered = replace(ledger, positions={**ledger.positions, ETH: Position(quantity=D(-1), entry_price=D(500))})
    assert buffer(entered, policy, OKX) == 2


# Maintenance by tier (F3), now and after


def test_f3_maintenance_follows_the_tiers_from_what_was_told() -> None:
    """100,000 USD ask for 500 + 1,000; as told, 20,000 asked for 200, and the venue said 230."""
    ledger = account(told("USDT", "100000", "230"), positions={ETH: "-50"}, was={ETH: "-10"}, tiers=TIERS)
    assert margin.maintenance_now(ledger, POLICY, OKX) == 230 - 200 + 1_500
    after = account_after(ledger, POLICY, ETH, D(-100))
    assert after is not None
    assert after.maintenance_margin == 30 + 500 + 3_000 + 5_000
    assert (after.notional, after.margin_balance, round(after.margin_buffer or D(0), 9)) == (300_000, 100_000, D("0.333333333"))
    less = account_after(ledger, POLICY, ETH, D(50))
    assert less is not None
    assert (less.maintenance_margin, less.margin_buffer, less.joint_distance) == (30, INFINITE, INFINITE)


def test_f3_deribit_grades_and_okx_takes_the_whole_position() -> None:
    """OKX: above 60 contracts all of it at 2 %. Beyond the table no position is possible, and nothing can be told."""
    by_size = sliced(("0", "0.01"), ("60", "0.02"), rule=TierRule.WHOLE)
    capped = replace(by_size, rows=(by_size.rows[0], replace(by_size.rows[1], cap=D(100))))
    ledger = account(told("USDT", "100000", "1000"), positions={ETH: "-50"}, tiers=capped)
    assert [_maintenance_after(ledger, q) for q in ("-10", "-20", "-51")] == [1_200, 2_800, None]
    graded = replace(sliced(("0", "0.01"), rule=TierRule.GRADED), rate_per_unit=D("0.0001"))
    ledger = account(told("USDT", "100000", "1500"), positions={ETH: "-50"}, tiers=graded)
    assert _maintenance_after(ledger, "-50") == 4_000
    breach = increase_breach(account(told("USDT", "9e9", "1000"), positions={ETH: "-50"}, tiers=capped), POLICY, ETH, D(-51))
    assert breach is not None
    assert breach.limit is Limit.MARGIN_UNKNOWN


def _maintenance_after(ledger: Ledger, quantity: str) -> Decimal | None:
    after = account_after(ledger, POLICY, ETH, D(quantity))
    assert after is not None
    return after.maintenance_margin


def test_the_balance_is_told_again_at_the_marks_of_now() -> None:
    """10 ETH short lost 100 each since; the tiers ask for 1 % of 20,000 instead of 19,000."""
    ledger = account(told("USDT", "10000", "190"), positions={ETH: "-10"}, was_at={ETH: "1900"}, tiers=TIERS)
    assert margin.margin_balance(ledger, POLICY, OKX) == 9_000
    assert margin.maintenance_now(ledger, POLICY, OKX) == 200
    inverse = account(told("ETH", "10", "0.1"), positions={ETH_INVERSE: "-10000"}, was_at={ETH_INVERSE: "1000"}, tiers=TIERS)
    assert margin.margin_balance(inverse, POLICY, OKX) == (10 - 5) * 2_000
    assert margin.maintenance_now(inverse, POLICY, OKX) == D("0.05") * 2_000
    in_usd = account(told("ETH", "10000", "1", wide=True, equity=5), positions={ETH_INVERSE: "-10000"}, was_at={ETH_INVERSE: "1000"})
    assert margin.margin_balance(in_usd, POLICY, OKX) == 10_000  # coin and position move against each other
    wide = {ETH: "-10"}
    fallen = account(
        told("ETH", "10000", "1", wide=True, equity=5), told("USDT", "10000", "1", wide=True), positions=wide, was_at={ETH: "2100"}
    )
    assert margin.margin_balance(fallen, POLICY, OKX) == 10_000  # what the short won the coins may have lost


@pytest.mark.parametrize(
    ("needed", "was", "quantity", "expected"),
    [
        ("29900", "30000", "0", None),  # as it is: 0.4983
        ("29900", "30000", "-60000", "1"),  # three times as much of it
        ("25000", "50000", "-10000", None),  # exactly at the limit
        ("25000", "50000", "-10001", "0.500008333"),
        ("29000", "1", "-1000", None),  # at most the notional itself is asked for
        ("29000", "1", "-1002", "0.500031663"),
        ("0", "0", "-600000", None),  # nothing to measure by: 5 % are assumed
        ("0", "0", "-600020", "0.500016667"),
        ("29000", "30000", "29999", None),
    ],
)
def test_without_tiers_the_ratio_after_the_order_takes_the_rate_of_what_is_there(
    needed: str, was: str, quantity: str, expected: str | None
) -> None:
    ledger = account(told("USDT", "60000", needed), positions={ETH: f"-{was}"}, marks={ETH: D(1)})
    breach = increase_breach(ledger, WIDE, ETH, D(quantity))
    if expected is None:
        assert breach is None
    else:
        assert breach is not None
        assert (breach.limit, round(breach.observed or D(0), 9), breach.detail) == (Limit.MARGIN_RATIO, D(expected), "after the order")


# Limits


@pytest.mark.parametrize(
    ("balance", "maintenance", "quantity", "limit"),
    [
        ("1000", "50", "-1.5", None),
        ("1000", "501", "-0.1", Limit.MARGIN_RATIO),
        ("8500", "0", "-13", Limit.LEVERAGE),
        ("8500", "0", "-10.01", Limit.MARGIN_BUFFER),
        ("-1", "0", "-0.01", Limit.LEVERAGE),
        (None, "0", "-1", Limit.MARGIN_UNKNOWN),
        ("1000", None, "-1", Limit.MARGIN_UNKNOWN),
    ],
)
def test_what_an_account_may_carry(balance: str | None, maintenance: str | None, quantity: str, limit: Limit | None) -> None:
    ledger = account(told("USDT", balance, maintenance), tiers=sliced(("0", "0.01")))
    breach = increase_breach(ledger, POLICY, ETH, D(quantity) * (D("0.7") if limit is None else 1))
    assert (breach.limit if breach else None) is limit


def test_defaults_fit_together_and_each_carries_its_numbers() -> None:
    """At the target buffer the distance is beyond its target, at the least buffer beyond the least, at rates up to the assumed one."""
    for rate in ("0.004", "0.01", "0.035", "0.05"):
        for target, least, asset, instrument, unit in (
            (POLICY.margin_buffer_target, POLICY.margin_buffer_min, "USDT", ETH, D("0.0005")),
            (POLICY.inverse_buffer_target, POLICY.inverse_buffer_min, "ETH", ETH_INVERSE, D(2_000)),
        ):
            for at, distance in ((target, POLICY.liquidation_distance_target), (least, POLICY.liquidation_distance_min)):
                tiers = sliced(("0", rate))
                ledger = account(told(asset, 100 * at, 100 * D(rate)), positions={instrument: f"-{100 * unit}"}, tiers=tiers)
                joint = joint_distance(ledger, POLICY, OKX)
                assert joint is not None
                assert joint > distance
                assert margin_breaches(ledger, POLICY, OKX) == ()


def test_a_distance_that_is_too_short_refuses_increases_and_below_the_least_reduces_the_venue() -> None:
    tiers = sliced(("0", "0.3"))
    ledger = account(told("USDT", "14000", "6000"), positions={ETH: "-10"}, tiers=tiers)
    breach = increase_breach(ledger, POLICY, ETH, D("-0.001"))
    assert breach is not None
    assert (breach.limit, breach.allowed, breach.detail) == (Limit.LIQUIDATION_DISTANCE, D("0.35"), "after the order")
    assert breach.observed is not None
    assert breach.observed < D("0.31")
    assert margin_breaches(ledger, POLICY, OKX) == ()
    near = account(told("USDT", "11000", "6000"), positions={ETH: "-10"}, tiers=tiers)
    (found,) = margin_breaches(near, POLICY, OKX)
    assert (found.limit, found.allowed, found.detail) == (Limit.LIQUIDATION_DISTANCE, D("0.20"), "margin in USDT")
    thin = account(told("USDT", "5400", "20", wide=True), positions={ETH: "-10"}, tiers=sliced(("0", "0.001")))
    (found,) = margin_breaches(thin, POLICY, OKX)
    assert (found.limit, found.observed, found.detail) == (Limit.MARGIN_BUFFER, D("0.27"), "whole account")


# Properties


@given(books(), st.sampled_from([ETH, SOL, ETH_INVERSE]), QUANTITIES)
def test_an_increase_makes_no_account_safer_and_a_reduction_none_worse(ledger: Ledger, instrument: InstrumentId, more: Decimal) -> None:
    held = -ledger.positions[instrument].quantity
    now, after = account_after(ledger, POLICY, instrument, D(0)), account_after(ledger, POLICY, instrument, -more)
    less = account_after(ledger, POLICY, instrument, min(more, held))
    assert now is not None
    assert after is not None
    assert less is not None
    for safer, bolder in ((less, now), (now, after)):
        assert safer.margin_ratio is not None
        assert bolder.margin_ratio is not None
        assert safer.margin_ratio <= bolder.margin_ratio
        assert safer.joint_distance is not None
        assert bolder.joint_distance is not None
        assert safer.joint_distance >= bolder.joint_distance - D("1e-20") * (1 + min(bolder.joint_distance, D(10**6)))
        assert safer.margin_buffer is not None
        assert bolder.margin_buffer is not None
        assert safer.margin_buffer >= bolder.margin_buffer


@given(books())
def test_the_account_is_the_sum_of_its_pools_and_what_is_absent_stays_absent(ledger: Ledger) -> None:
    linear, coin = account_after(ledger, POLICY, SOL, D(0)), account_after(ledger, POLICY, ETH_INVERSE, D(0))
    assert linear is not None
    assert coin is not None
    for name, total in (
        ("margin_balance", margin.margin_balance(ledger, POLICY, OKX)),
        ("maintenance_margin", margin.maintenance_now(ledger, POLICY, OKX)),
    ):
        assert total == getattr(linear, name) + getattr(coin, name)
    assert ratio(ledger) == max(linear.margin_ratio or 0, coin.margin_ratio or 0)
    record = ledger.venues[OKX]
    mute = replace(record, margins={**record.margins, Asset("ETH"): told("ETH", None, None)})
    silent = replace(ledger, venues={OKX: mute})
    assert (ratio(silent), joint_distance(silent, POLICY, OKX), margin.margin_balance(silent, POLICY, OKX)) == (None, None, None)
    assert account_after(silent, POLICY, SOL, D(0)) == linear
