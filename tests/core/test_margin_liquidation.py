"""Liquidation through a ledger: F4, F5, F7 and S31, alone and of all shorts of a venue together."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import margin
from bot.core.haircut import CollateralRatios
from bot.core.margin import joint_distance, liquidation, margin_ratio
from bot.core.precision import INFINITE
from bot.core.records import Ledger, Position
from bot.core.tiers import TierRule
from tests.core.margin_books import BTC, ETH, ETH_INVERSE, MARKS, OKX, POLICY, SOL, TIERS, D, account, books, sliced, told

CENT = D("0.01")


def test_f4_linear_cross_short_and_the_others_stand_still() -> None:
    """WB 100k, Q 10, EP 50k, MMR 1 %, cum 500: 59,455.4455; at any mark, with another pair that neither wins nor loses."""
    tiers = sliced(("0", "0.005"), ("100000", "0.01"))
    for mark, balance in (("50000", "100000"), ("52000", "80000")):
        charged = D(mark) * 10 * D("0.01") - 500
        ledger = account(told("USDT", balance, charged), positions={BTC: "-10"}, tiers=tiers, marks={**MARKS, BTC: D(mark)})
        found = liquidation(ledger, POLICY, BTC)
        assert found is not None
        assert found.price is not None
        assert found.price.quantize(D("0.0001")) == D("59455.4455")
        assert abs(found.distance - (found.price / D(mark) - 1)) < D("1e-25")
        assert abs((joint_distance(ledger, POLICY, OKX) or D(0)) - found.distance) < D("1e-25")


@pytest.mark.parametrize(("wallet", "price"), [("2.0", None), ("1.0", "99500.00"), ("0.5", "66333.33"), ("0.2", "55277.78")])
def test_f5_inverse_cross_short(wallet: str, price: str | None) -> None:
    marks = {ETH: D(50_000), ETH_INVERSE: D(50_000)}
    ledger = account(told("ETH", wallet, "0.01"), positions={ETH_INVERSE: "-100000"}, tiers=sliced(("0", "0.005")), marks=marks)
    found, joint = liquidation(ledger, POLICY, ETH_INVERSE), joint_distance(ledger, POLICY, OKX)
    assert found is not None
    assert joint is not None
    assert (None if found.price is None else found.price.quantize(CENT)) == (None if price is None else D(price))
    assert found.distance == joint == INFINITE if price is None else abs(found.distance - joint) < D("1e-25")


@pytest.mark.parametrize(("leverage", "multiple"), [("1", "16.7"), ("1.5", "2.65"), ("2", "1.87"), ("3", "1.44"), ("5", "1.22")])
@pytest.mark.parametrize("tells_equity", [True, False])
def test_f7_coin_collateral_behind_a_linear_short(leverage: str, multiple: str, tells_equity: bool) -> None:
    """100 ETH at 0.95: from the venue's own adjusted equity, or worked out from the ratios."""
    maintenance = 2_000 * D(leverage)
    ratios = CollateralRatios.flat(D("0.95"))
    coin = told("ETH", "190000" if tells_equity else None, maintenance, wide=True, equity=100, ratios=ratios)
    cash = told("USDT", "190000" if tells_equity else None, maintenance, wide=True, equity=0)
    ledger = account(coin, cash, positions={ETH: f"-{100 * D(leverage)}"}, tiers=sliced(("0", "0.01")))
    found, joint = liquidation(ledger, POLICY, ETH), joint_distance(ledger, POLICY, OKX)
    assert found is not None
    assert found.price is not None
    assert joint is not None
    assert (found.price / 2_000).quantize(D(multiple)) == D(multiple)
    assert abs(joint - found.distance) < D("1e-20")
    assert round(margin_ratio(ledger, POLICY, OKX) or D(0), 20) == round(maintenance / D(190_000), 20)


def test_f7_size_tiers_matter_more_than_the_headline_and_unknown_ratios_count_nothing_of_a_rise() -> None:
    ratios = CollateralRatios.of([(D(10), D("0.98")), (D(40), D("0.9")), (D(50), D("0.8"))])
    heights = []
    for size, counted, known in (("10", "9.8", ratios), ("100", "44.8", ratios), ("10", "9.8", None)):
        report = told("ETH", D(counted) * 2_000, D(size) * 20, wide=True, equity=size, ratios=known)
        found = joint_distance(account(report, positions={ETH: f"-{size}"}, tiers=sliced(("0", "0.01"))), POLICY, OKX)
        assert found is not None
        heights.append(found)
    assert heights[0] > 30
    assert heights[1] < 1
    assert heights[2] < 1


def test_adjusted_equity_needs_every_part() -> None:
    ratios = CollateralRatios.flat(D("0.9"))

    def balance(*reports: object, marks: object = MARKS) -> Decimal | None:
        return margin.margin_balance(account(*reports, marks=marks), POLICY, OKX)  # type: ignore[arg-type]  # plain rows

    coin = told("ETH", None, "0", wide=True, equity=10, ratios=ratios)
    cash = told("USDT", None, "0", wide=True, equity=500)
    assert balance(coin, cash) == 18_500
    assert balance(coin, replace(cash, collateral_ratios=ratios)) == 18_450
    assert balance(replace(coin, collateral_ratios=None), cash) is None
    assert balance(replace(coin, collateral_ratios=None, equity=D(-1)), cash) == -1_500  # a debt counts in full
    assert balance(coin, replace(cash, equity=None)) is None
    assert balance(coin, cash, marks={}) is None
    assert balance(replace(coin, equity=D(0)), cash, marks={}) == 500


def test_one_times_its_coin_in_a_whole_account_is_never_liquidated() -> None:
    """5 ETH of equity behind 10,000 USD short: what the coin wins, the position loses."""
    full = CollateralRatios.flat(D(1))
    positions = {ETH_INVERSE: "-10000"}
    ledger = account(told("ETH", "10000", "100", wide=True, equity=5, ratios=full), positions=positions, tiers=sliced(("0", "0.01")))
    found = liquidation(ledger, POLICY, ETH_INVERSE)
    assert found is not None
    assert (found.distance, found.price, joint_distance(ledger, POLICY, OKX)) == (INFINITE, None, INFINITE)
    twice = account(
        told("ETH", "10000", "200", wide=True, equity=5, ratios=full), positions={ETH_INVERSE: "-20000"}, tiers=sliced(("0", "0.01"))
    )
    found = liquidation(twice, POLICY, ETH_INVERSE)
    assert found is not None
    assert found.price is not None
    assert abs(found.distance - D("0.98")) < D("1e-20")  # 10,000 - 200 are lost at 10,000 a doubling; the charge stays, in USD
    assert abs(found.price - 2_000 * (1 + found.distance)) < D("1e-20")
    bare = replace(told("ETH", "10000", "100", wide=True, equity=5))
    assert joint_distance(account(bare, positions=positions, tiers=sliced(("0", "0.01"))), POLICY, OKX) == D("0.99")
    unknown = account(replace(bare, equity=None), positions=positions, tiers=sliced(("0", "0.01")))
    assert (joint_distance(unknown, POLICY, OKX), liquidation(unknown, POLICY, ETH_INVERSE)) == (None, None)
    long = account(bare, positions={ETH_INVERSE: "100"}, tiers=sliced(("0", "0.01")))
    assert liquidation(long, POLICY, ETH_INVERSE) is None


def test_an_isolated_position_stands_alone_at_its_entry() -> None:
    ledger = account(told("USDT", "9e9", "0"), positions={ETH: "-10"}, tiers=sliced(("0", "0.01")))
    assert liquidation(ledger, POLICY, ETH, D(5_000)) is None
    entered = replace(ledger, positions={**ledger.positions, ETH: Position(quantity=D(-10), entry_price=D(1_900))})
    found = liquidation(entered, POLICY, ETH, D(5_000))
    assert found is not None
    assert found.price is not None
    assert found.price.quantize(CENT) == (D(24_000) / D("10.1")).quantize(CENT)


def test_a_long_is_liquidated_below_and_what_is_unknown_has_no_price() -> None:
    found = liquidation(account(told("USDT", "10000", "200"), positions={ETH: "10"}, tiers=sliced(("0", "0.01"))), POLICY, ETH)
    assert found is not None
    assert found.price is not None
    assert found.price < 2_000
    assert liquidation(account(told("USDT", None, "200"), positions={ETH: "-10"}), POLICY, ETH) is None
    assert liquidation(account(told("USDT", "1", "1"), marks={}), POLICY, ETH) is None
    capped = replace(TIERS, rule=TierRule.WHOLE, rows=(replace(TIERS.rows[0], cap=D(5)),))
    assert liquidation(account(told("USDT", "1", "1"), positions={ETH: "-10"}, was={}, tiers=capped), POLICY, ETH) is None
    assert joint_distance(account(told("USDT", "1", "1"), positions={ETH: "-10"}, tiers=capped), POLICY, OKX) is None


def test_shorts_rise_together_longs_do_not_help_and_coins_help_their_own_asset_only() -> None:
    tiers, both = sliced(("0", "0.01")), {ETH: "-10", BTC: "-1"}
    ledger = account(told("USDT", "42000", "700"), positions=both, tiers=tiers)
    joint = joint_distance(ledger, POLICY, OKX)
    assert joint is not None
    assert abs(joint - D(41_300) / D(70_700)) < D("1e-25")
    alone = liquidation(ledger, POLICY, ETH)
    assert alone is not None
    assert alone.distance > joint
    hedged = account(told("USDT", "42000", "900"), positions={**both, SOL: "200"}, tiers=tiers)
    assert round(joint_distance(hedged, POLICY, OKX) or D(0), 20) == round(D(41_100) / D(70_700), 20)
    one = CollateralRatios.flat(D(1))
    coins = told("BTC", "42000", "700", wide=True, equity=1, ratios=one), told("USDT", "42000", "700", wide=True, equity=1)
    backed = joint_distance(account(*coins, positions=both, tiers=tiers), POLICY, OKX)
    assert backed is not None
    assert abs(backed - D(41_300) / D(20_700)) < D("1e-25")
    more = replace(coins[0], equity=D(3)), coins[1]
    assert joint_distance(account(*more, positions=both, tiers=tiers), POLICY, OKX) == backed


def test_less_maintenance_than_the_tiers_ask_for_is_not_believed_for_distances() -> None:
    low = account(told("USDT", "10000", "1"), positions={ETH: "-10"}, tiers=sliced(("0", "0.01")))
    right = account(told("USDT", "10000", "200"), positions={ETH: "-10"}, tiers=sliced(("0", "0.01")))
    assert joint_distance(low, POLICY, OKX) == joint_distance(right, POLICY, OKX)
    assert liquidation(low, POLICY, ETH) == liquidation(right, POLICY, ETH)


@given(books(), st.decimals("1.001", "1.5", places=3))
def test_s31_a_short_is_liquidated_above_its_mark_and_the_distance_shrinks_as_the_price_rises(ledger: Ledger, rise: Decimal) -> None:
    record = ledger.venues[OKX]
    known = replace(ledger, venues={OKX: replace(record, margin_marks=MARKS)})
    higher = replace(known, quotes={i: replace(q, mark=MARKS[i] * rise) for i, q in known.quotes.items()})
    for instrument, position in ledger.positions.items():
        found, then = liquidation(known, POLICY, instrument), liquidation(higher, POLICY, instrument)
        assert found is not None
        if position.quantity == 0 or found.distance == 0 or found.price is None:
            continue
        assert found.price > MARKS[instrument] > 0
        assert then is not None
        assert then.distance <= found.distance
    joint, later = joint_distance(known, POLICY, OKX), joint_distance(higher, POLICY, OKX)
    assert joint is not None
    assert later is not None
    assert later <= joint
