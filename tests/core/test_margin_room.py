"""What margin leaves to hedges: never more than the gate allows, and what must leave only below the least values."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.limits import Limit
from bot.core.margin import increase_breach, margin_breaches
from bot.core.margin_room import Room, margin_rooms, margin_use, rooms_of
from bot.core.records import Ledger
from bot.core.tiers import MarginTiers, TierRule
from bot.core.units import InstrumentId
from tests.core.margin_books import BTC, ETH, ETH_INVERSE, MARKS, OKX, POLICY, SOL, D, account, sliced, told

PERCENT = sliced(("0", "0.01"))


def rooms(ledger: Ledger, instrument: InstrumentId = ETH) -> dict[Limit, Room]:
    return {room.limit: room for room in rooms_of(ledger, POLICY, instrument)}


def test_each_limit_leaves_its_own_room() -> None:
    found = rooms(account(told("USDT", "85000", "1000"), positions={ETH: "-50"}, tiers=PERCENT))
    assert found[Limit.LEVERAGE].spare == 155_000
    assert found[Limit.MARGIN_BUFFER].spare == 100_000
    assert (found[Limit.MARGIN_RATIO].spare, found[Limit.MARGIN_RATIO].in_margin) == (41_500, True)
    # 85,000 less 35,000 lost less 1,350 to maintain; each USD more takes 0.35 and 1 % of 1.35.
    assert round(found[Limit.LIQUIDATION_DISTANCE].spare, 6) == round(D(48_650) / D("0.3635"), 6)
    assert {room.leaving for room in found.values()} == {D(0)}
    assert found[Limit.LEVERAGE].instruments == (BTC, ETH, SOL)


def test_a_coin_pool_has_rooms_of_its_own_in_dollars() -> None:
    ledger = account(told("USDT", "85000", "0"), told("ETH", "3", "0.05"), positions={ETH_INVERSE: "-10000"}, tiers=PERCENT)
    found = rooms(ledger, ETH_INVERSE)
    assert found[Limit.MARGIN_BUFFER].spare == 10_000
    assert found[Limit.LEVERAGE].spare == 8_000
    assert found[Limit.MARGIN_BUFFER].instruments == (ETH_INVERSE,)
    assert len(margin_rooms(ledger, POLICY, OKX)) == 8


def test_what_is_below_the_least_must_leave_and_a_full_room_drives_nothing_out() -> None:
    held = {ETH: "-50"}
    full = rooms(account(told("USDT", "28000", "1000"), positions=held, tiers=PERCENT))
    assert {(room.spare, room.leaving) for limit, room in full.items() if limit is not Limit.MARGIN_RATIO} == {(D(0), D(0))}
    thin = rooms(account(told("USDT", "22000", "1000"), positions=held, tiers=PERCENT))
    assert thin[Limit.MARGIN_BUFFER].leaving == 20_000
    near = rooms(account(told("USDT", "19200", "1000"), positions=held, tiers=PERCENT))
    assert near[Limit.LIQUIDATION_DISTANCE].leaving == 10_000  # 2,000 are missing at a rise of a fifth
    gone = rooms(account(told("USDT", "-5", "1000"), positions=held, tiers=PERCENT))
    assert {gone[Limit.MARGIN_BUFFER].leaving, gone[Limit.LIQUIDATION_DISTANCE].leaving} == {D(100_000)}


def test_what_is_unknown_has_no_room_and_drives_nothing_out() -> None:
    (unknown,) = rooms_of(account(told("USDT", None, "0")), POLICY, ETH)
    assert (unknown.limit, unknown.spare, unknown.leaving, unknown.instruments) == (Limit.MARGIN_UNKNOWN, 0, 0, (BTC, ETH, SOL))
    (stranger,) = rooms_of(Ledger(), POLICY, ETH)
    assert (stranger.limit, stranger.instruments) == (Limit.MARGIN_UNKNOWN, (ETH,))
    assert margin_rooms(Ledger(), POLICY, OKX) == ()


STEPS = sliced(("0", "0.01"), ("100000", "0.02"), ("200000", "0.05"))


@pytest.mark.parametrize(
    ("ledger", "instrument", "use"),
    [
        (account(told("USDT", "85000", "0"), tiers=STEPS), ETH, "0.05"),  # 200,000 may be reached
        (account(told("USDT", "84999", "0"), tiers=STEPS), ETH, "0.02"),
        (account(told("USDT", "1", "0"), positions={ETH: "-60"}, tiers=STEPS), ETH, "0.02"),  # its own tier, where no more fits
        (account(told("USDT", "100", "7"), positions={ETH: "-1"}), ETH, "0.0035"),
        (account(told("USDT", "100", "0.1"), positions={ETH: "-1"}), ETH, "0.0001"),  # rounded up
        (account(told("USDT", "100", "0")), ETH, "0.05"),
        (account(told("USDT", None, "0"), tiers=STEPS), ETH, "0.9999"),
        (account(told("USDT", "85000", "0"), tiers=STEPS, marks={BTC: D(1)}), ETH, "0.9999"),
        (Ledger(), ETH, "1"),
        *((account(told("USDT", "100", "0"), tiers=MarginTiers(rule=rule, rows=())), ETH, "0.9999") for rule in TierRule),
        (account(told("ETH", "30", "0"), tiers=sliced(("0", "0.01"), ("80", "0.02"))), ETH_INVERSE, "0.02"),  # 90 coin
        (account(told("ETH", "85000", "0", wide=True, equity=1), tiers=sliced(("0", "0.01"), ("100", "0.02"))), ETH_INVERSE, "0.02"),
        (account(told("ETH", "85000", "0", wide=True, equity=1), tiers=sliced(("0", "0.01"), ("101", "0.02"))), ETH_INVERSE, "0.01"),
    ],
)
def test_what_one_more_dollar_takes(ledger: Ledger, instrument: InstrumentId, use: str) -> None:
    assert margin_use(ledger, POLICY, instrument) == D(use)


def test_a_tier_for_the_whole_position_counts_what_it_lifts() -> None:
    """From 90 ETH at 1 % to 100 ETH at 2 %: 1,800 to 4,000 for 20,000 USD. The largest position is the table's."""
    tiers = sliced(("0", "0.01"), ("95", "0.02"), rule=TierRule.WHOLE)
    ledger = account(told("USDT", "85000", "1800"), positions={ETH: "-90"}, tiers=tiers)
    assert margin_use(ledger, POLICY, ETH) == D("0.11")
    capped = replace(tiers, rows=(tiers.rows[0], replace(tiers.rows[1], cap=D(96))))
    assert margin_use(account(told("USDT", "85000", "1800"), positions={ETH: "-90"}, tiers=capped), POLICY, ETH) == D("0.17")
    beyond = account(told("USDT", "85000", "1800"), positions={ETH: "-97"}, tiers=capped)
    assert margin_use(beyond, POLICY, ETH) == D("0.9999")


@given(
    st.decimals(1_000, 10**6, places=0),
    st.decimals(0, 10**4, places=0),
    st.decimals(0, 40, places=1),
    st.decimals(0, 4, places=2),
    st.sampled_from([None, PERCENT, STEPS, sliced(("0", "0.004"), ("50000", "0.025"))]),
    st.sampled_from([ETH, BTC]),
)
def test_what_a_room_leaves_the_gate_allows(
    balance: Decimal, maintenance: Decimal, eth: Decimal, btc: Decimal, tiers: MarginTiers | None, instrument: InstrumentId
) -> None:
    ledger = account(told("USDT", balance, maintenance), positions={ETH: f"-{eth}", BTC: f"-{btc}"}, tiers=tiers)
    use = margin_use(ledger, POLICY, instrument)
    found = rooms_of(ledger, POLICY, instrument)
    spare = min(room.spare / use if room.in_margin else room.spare for room in found)
    quantity = -(spare / MARKS[instrument]).quantize(D("1e-9"), rounding="ROUND_FLOOR")
    if quantity < 0:
        assert increase_breach(ledger, POLICY, instrument, quantity) is None
    if any(room.leaving for room in found):
        assert margin_breaches(ledger, POLICY, OKX)
        assert spare == 0
