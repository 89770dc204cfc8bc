"""Leverage tiers: the deduction makes margin continuous, and a table that does not fit is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.tiers import MarginTiers, TierRow, TierRule, TierTable, graded, maintenance_rate_of, whole

D = Decimal


def row(floor: str, cap: str | None, maintenance: str, initial: str = "1") -> TierRow:
    """One line of a table, from strings."""
    return TierRow(floor=D(floor), cap=None if cap is None else D(cap), maintenance_rate=D(maintenance), initial_rate=D(initial))


ROWS = (
    row("0", "16", "0.005", "0.01"),
    row("16", "32", "0.01", "0.02"),
    row("32", "50", "0.025", "0.05"),
    row("50", "100", "0.05", "0.1"),
)
TABLE = TierTable(ROWS)


@st.composite
def tables(draw: st.DrawFn) -> TierTable:
    """Tables of one to five tiers, with or without an end."""
    count = draw(st.integers(1, 5))
    widths = draw(st.lists(st.decimals("0.5", "1e6", places=2), min_size=count, max_size=count))
    rises = draw(st.lists(st.decimals("0.0001", "0.05", places=4), min_size=count, max_size=count))
    rows, floor, rate = [], D(0), D(0)
    for number, (width, rise) in enumerate(zip(widths, rises, strict=True)):
        rate += rise
        cap = None if number == count - 1 and draw(st.booleans()) else floor + width
        rows.append(TierRow(floor=floor, cap=cap, maintenance_rate=rate, initial_rate=min(D(1), 2 * rate)))
        floor += width
    return TierTable(tuple(rows))


def test_f3_cumulative_deduction_of_the_coin_margined_brackets() -> None:
    assert [tier.deduction for tier in TABLE.tiers] == [D(0), D("0.08"), D("0.56"), D("1.81")]
    assert TABLE.tiers[3].deduction == 50 * (D("0.05") - D("0.025")) + D("0.56")


@pytest.mark.parametrize(("leverage", "rate"), [(20, "0.025"), (40, "0.0125")])
def test_f3_half_of_the_initial_rate_at_the_highest_leverage(leverage: int, rate: str) -> None:
    assert maintenance_rate_of(D(leverage)) == D(rate)


@pytest.mark.parametrize(("coins", "initial", "maintenance"), [(25, "53125", "28125"), (350, "1312500", "962500")])
def test_f3_rates_that_rise_with_every_coin(coins: int, initial: str, maintenance: str) -> None:
    table = graded(D(coins), maintenance_rate=D("0.01"), initial_rate=D("0.02"), rate_per_unit=D("0.00005"))
    notional = D(coins) * 100_000
    assert table.initial(notional) == D(initial)
    assert table.maintenance(notional) == D(maintenance)


def test_graded_rates_end_at_the_whole_notional() -> None:
    table = graded(D(30_000), maintenance_rate=D("0.01"), initial_rate=D("0.02"), rate_per_unit=D("0.00005"))
    assert table.initial(D(10)) == 10
    assert table.maintenance(D(10)) == D("9.999")


@pytest.mark.parametrize(
    ("notional", "maintenance", "initial"),
    [
        ("0", "0", "0"),
        ("10", "0.05", "0.1"),
        ("16", "0.08", "0.32"),
        ("20", "0.12", "0.4"),
        ("50", "0.69", "5"),
        ("100", "3.19", "10"),
    ],
)
def test_margin_by_tier_a_floor_belongs_to_its_tier(notional: str, maintenance: str, initial: str) -> None:
    assert TABLE.maintenance(D(notional)) == D(maintenance)
    assert TABLE.initial(D(notional)) == D(initial)


def test_chosen_leverage_asks_for_more_never_for_less() -> None:
    assert TABLE.initial(D(10), D(5)) == 2
    assert TABLE.initial(D(10), D(200)) == D("0.1")


def test_beyond_the_table_nothing_can_be_opened_but_what_is_held_still_needs_margin() -> None:
    assert TABLE.notional_max == 100
    assert TABLE.initial(D("100.01")) is None
    assert TABLE.maintenance(D(200)) == 200 * D("0.05") - D("1.81")
    endless = TierTable.flat(D("0.005"), D("0.01"))
    assert endless.notional_max is None
    assert endless.initial(D("1e15")) == D("1e13")


def test_size_picks_one_rate_for_the_whole_position() -> None:
    picked = whole(ROWS, D(16))
    assert picked == TierTable.flat(D("0.005"), D("0.01"))
    assert whole(ROWS, D("16.1")) == TierTable.flat(D("0.01"), D("0.02"))
    assert whole(ROWS, D(101)) is None
    assert whole([row("0", None, "0.01")], D(10**9)) == TierTable.flat(D("0.01"), D(1))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ((), "at least one row"),
        ((row("1", None, "0.01"),), "tier 0 starts at 1, expected 0"),
        ((row("0", "5", "0.01"), row("6", None, "0.02")), "tier 1 starts at 6, expected 5"),
        ((row("0", None, "0.01"), row("5", None, "0.02")), "tier 1 starts at 5, expected None"),
        ((row("0", "0", "0.01"),), "at or below its floor"),
        ((row("0", None, "0"),), "0 < maintenance < 1"),
        ((row("0", None, "1"),), "0 < maintenance < 1"),
        ((row("0", None, "0.02", "0.01"),), "maintenance <= initial"),
        ((row("0", None, "0.02", "1.1"),), "initial <= 1"),
        ((row("0", "5", "0.02"), row("5", None, "0.01")), "asks for less"),
        ((row("0", "5", "0.01", "0.5"), row("5", None, "0.02", "0.4")), "asks for less"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(rows: tuple[TierRow, ...], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        TierTable(rows)
    with pytest.raises(ValueError, match=reason):
        whole(rows, D(1))


def test_magnitudes_are_not_negative() -> None:
    for refused in (
        lambda: TABLE.maintenance(D(-1)),
        lambda: TABLE.initial(D(-1)),
        lambda: whole(ROWS, D(-1)),
        lambda: graded(D(-1), maintenance_rate=D("0.01"), initial_rate=D("0.02"), rate_per_unit=D(0)),
    ):
        with pytest.raises(ValueError, match="never negative"):
            refused()


@pytest.mark.parametrize("leverage", ["0", "-2"])
def test_a_leverage_is_positive(leverage: str) -> None:
    with pytest.raises(ValueError, match="leverage must be positive"):
        TABLE.initial(D(1), D(leverage))
    with pytest.raises(ValueError, match="leverage must be positive"):
        maintenance_rate_of(D(leverage))


@given(tables())
def test_maintenance_has_no_jump_at_a_floor(table: TierTable) -> None:
    for below, tier in zip(table.tiers, table.tiers[1:], strict=False):
        floor = tier.row.floor
        assert floor * below.row.maintenance_rate - below.deduction == table.maintenance(floor)


@given(tables(), st.decimals(0, 10**7, places=2), st.decimals(0, 10**7, places=2))
def test_maintenance_is_the_sum_over_slices_and_never_falls(table: TierTable, one: Decimal, other: Decimal) -> None:
    low, high = sorted((one, other))
    slices = D(0)
    for tier in table.tiers:
        last = tier is table.tiers[-1]
        end = high if last or tier.row.cap is None else min(high, tier.row.cap)
        slices += max(D(0), end - tier.row.floor) * tier.row.maintenance_rate
    assert table.maintenance(high) == slices
    assert table.maintenance(low) <= table.maintenance(high)
    initial = table.initial(high)
    assert initial is None or table.maintenance(high) <= initial <= high


LISTED = (
    TierRow(floor=D(0), cap=D(100), maintenance_rate=D("0.01"), initial_rate=D("0.02")),
    TierRow(floor=D(100), cap=D(1_000), maintenance_rate=D("0.02"), initial_rate=D("0.04")),
)


def test_a_listing_is_read_by_its_rule() -> None:
    sliced = MarginTiers(rule=TierRule.SLICED, rows=LISTED).table_of(contracts=D(-5), base=D(-5))
    assert sliced is not None
    assert sliced.maintenance(D(200)) == D(3)
    by_contracts = MarginTiers(rule=TierRule.WHOLE, rows=LISTED)
    wide = by_contracts.table_of(contracts=D(-500), base=D(-5))
    assert wide is not None
    assert wide.maintenance(D(200)) == D(4)
    assert by_contracts.table_of(contracts=D(5_000), base=D(50)) is None
    rising = MarginTiers(rule=TierRule.GRADED, rows=LISTED[:1], rate_per_unit=D("0.00005")).table_of(contracts=D(1), base=D(-25))
    assert rising is not None
    assert rising.maintenance(D(100_000)) == D(1_125)


@pytest.mark.parametrize("rule", TierRule)
@pytest.mark.parametrize(
    "rows", [(), (row("1", None, "0.01"),), (row("0", "5", "0.02"), row("5", None, "0.01")), (row("0", None, "0.02", "0.01"),)]
)
def test_rows_that_do_not_fit_give_no_table_and_no_error(rule: TierRule, rows: tuple[TierRow, ...]) -> None:
    assert MarginTiers(rule=rule, rows=rows).table_of(contracts=D(-1), base=D(1)) is None


def test_rates_that_would_fall_below_nothing_with_size_give_no_table() -> None:
    falling = MarginTiers(rule=TierRule.GRADED, rows=LISTED[:1], rate_per_unit=D("-0.1"))
    assert falling.table_of(contracts=D(1), base=D(25)) is None


@given(table=tables(), rule=st.sampled_from(TierRule), size=st.decimals("-1e12", "1e12", allow_nan=False))
def test_a_table_that_was_accepted_answers_for_every_size(table: TierTable, rule: TierRule, size: Decimal) -> None:
    found = MarginTiers(rule=rule, rows=table.rows, rate_per_unit=D("0.0001")).table_of(contracts=size, base=size)
    assert found is not None or (rule is TierRule.WHOLE and table.notional_max is not None and abs(size) > table.notional_max)
