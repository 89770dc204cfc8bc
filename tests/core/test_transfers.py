"""Advice on margin: how much, to which venue, from where and why; none while a figure is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.haircut import CollateralRatios
from bot.core.margin import figures_of
from bot.core.margin_account import pools
from bot.core.transfers import MORE, OUTSIDE, needed_of, recommended
from bot.core.units import Asset, VenueId
from tests.core.openings import hedged
from tests.core.playbook import reading, total
from tests.core.story import Story, margin_report

D = Decimal


def margins(story: Story, **balances: str | None) -> Story:
    """Venues tell so much margin balance in USDT."""
    for venue, balance in balances.items():
        story.margins[venue] = margin_report(balance, "150")
        story >> reading(venue)
    return story


def advice(story: Story) -> list[tuple[str, str | None, Decimal, str]]:
    return [(t.venue, t.asset, t.usd, t.source) for t in recommended(story.ledger, story.policy)]


def test_nothing_is_advised_while_every_venue_has_what_it_needs() -> None:
    assert advice(margins(hedged("30"), okx="20000", bybit="20000", binance="20000")) == []


def test_what_a_venue_misses_comes_from_the_one_with_most_to_spare() -> None:
    story = margins(hedged("30"), okx="7000", bybit="30000", binance="20000")  # 30,000 USD of shorts each; 12,750 are needed
    assert advice(story) == [("okx", "USDT", D("12750") * MORE - 7_000, "bybit")]
    (told,) = recommended(story.ledger, story.policy)
    assert told.why == "margin_buffer: 7000 USD of margin, 12750 are needed"
    assert story.statement().transfers == (told,)


def test_custody_gives_first_and_what_is_found_nowhere_comes_from_outside() -> None:
    story = hedged("30", stables=frozenset({"USDT"}))
    story >> total("USDT", "1000", None, location="cold")
    margins(story, okx="7000", bybit="16000", binance="16000")
    missing = D("12750") * MORE - 7_000
    spare = 16_000 - D("12750") * D("1.25")
    assert advice(story) == [
        ("okx", "USDT", D(1_000), "custody: cold"),
        ("okx", "USDT", spare, "binance"),
        ("okx", "USDT", spare, "bybit"),
        ("okx", "USDT", missing - 1_000 - 2 * spare, OUTSIDE),
    ]


def test_what_is_unknown_or_a_trifle_is_not_advised_on() -> None:
    assert advice(margins(hedged("30"), okx=None, bybit="20000", binance="20000")) == []
    story = margins(hedged("30", venue_move_notional_min=D(10_000)), okx="7000", bybit="30000", binance="20000")
    assert advice(story) == []


# What a custodian mirrors.


def with_mirror(story: Story, asset: str, held: str, **delegated: str) -> Story:
    """A custodian tells what it holds of an asset, and what of that it mirrors at venues."""
    rows = tuple(ev.DelegationReport(venue=VenueId(v), asset=Asset(asset), delegated=D(q)) for v, q in delegated.items())
    totals = (ev.CustodyTotal(asset=Asset("ETH"), quantity=D(30), redemption_rate=D(1)),)
    totals += (ev.CustodyTotal(asset=Asset(asset), quantity=D(held), redemption_rate=None),)
    story.feed(ev.CustodyReported(at=story.now, source="custody", location="vault", as_of=story.now, totals=totals, delegations=rows))
    return story


MISSING = D("12750") * MORE - 7_000
SPARE = D("12750") * D("1.25")
MIRRORS: dict[str, tuple[str, dict[str, str], dict[str, str], list[tuple[str, str | None, Decimal, str]]]] = {
    "nothing is mirrored": ("9000", {}, {"bybit": "30000"}, [("okx", "USDT", MISSING, "custody: vault")]),
    "what is mirrored is not free in custody": (
        "9000",
        {"binance": "8000"},
        {"bybit": "30000"},
        [("okx", "USDT", D(1_000), "custody: vault"), ("okx", "USDT", MISSING - 1_000, "bybit")],
    ),
    "and no venue gives it away": ("30000", {"bybit": "30000"}, {"bybit": "30000"}, [("okx", "USDT", MISSING, OUTSIDE)]),
    "a venue gives what is its own": (
        "29000",
        {"bybit": "29000"},
        {"bybit": "30000"},
        [("okx", "USDT", D(1_000), "bybit"), ("okx", "USDT", MISSING - 1_000, OUTSIDE)],
    ),
}


@pytest.mark.parametrize(("held", "mirrored", "balances", "advised"), MIRRORS.values(), ids=MIRRORS)
def test_what_a_custodian_mirrors_is_moved_by_nobody(
    held: str, mirrored: dict[str, str], balances: dict[str, str], advised: list[tuple[str, str | None, Decimal, str]]
) -> None:
    story = with_mirror(hedged("30", stables=frozenset({"USDT"})), "USDT", held, **mirrored)
    assert advice(margins(story, okx="7000", binance="14000", **balances)) == advised


# Accounts that stand behind everything at once.


def of_account(asset: str, equity: str, balance: str | None, ratio: str | None = None, wallet: str | None = None) -> ev.MarginReport:
    return ev.MarginReport(
        asset=Asset(asset),
        margin_balance=None if balance is None else D(balance),
        wallet_balance=D(equity if wallet is None else wallet),
        maintenance_margin=D(150),
        initial_margin=None,
        is_account_wide=True,
        equity=D(equity),
        collateral_ratios=None if ratio is None else CollateralRatios.flat(D(ratio)),
    )


def whole(story: Story, venue: str, *told: ev.MarginReport) -> Story:
    """A venue tells its margin as one account."""
    record = story.ledger.venues[VenueId(venue)]
    margins = {m.asset: m for m in told}
    venues = {**story.ledger.venues, VenueId(venue): replace(record, margins=margins, equity_told=margins)}
    story.ledger = replace(story.ledger, venues=venues)
    return story


DOLLARS = (of_account("USDT", "20000", "30000"), of_account("USDC", "10000", "30000"))
ACCOUNTS: dict[str, tuple[dict[str, Sequence[ev.MarginReport]], list[tuple[str, str | None, Decimal, str]]]] = {
    "one gives what others miss, asset by asset": (
        {"bybit": DOLLARS},
        [("okx", "USDT", MISSING, "bybit")],
    ),
    "all its assets together no more than it can spare": (
        {
            "bybit": (of_account("USDT", "2000", "19937.5"), of_account("USDC", "17937.5", "19937.5")),
            "okx": (of_account("USDC", "0", "7000"),),
        },
        [("okx", "USDC", D("19937.5") - SPARE, "bybit"), ("okx", None, MISSING - D("19937.5") + SPARE, OUTSIDE)],
    ),
    "one is given whatever dollars it counts": (
        {"okx": (of_account("USDC", "7000", "7000"),), "bybit": DOLLARS},
        [("okx", "USDC", MISSING, "bybit")],
    ),
    "profit that is not realised is not moved": (
        {"bybit": (of_account("USDT", "30000", "30000", wallet="500"),)},
        [("okx", "USDT", D(500), "bybit"), ("okx", "USDT", MISSING - 500, OUTSIDE)],
    ),
    "of what it does not count nothing is advised": (
        {"okx": (of_account("USDC", "7000", "7000"),)},
        [("okx", None, MISSING, OUTSIDE)],
    ),
}


@pytest.mark.parametrize(("accounts", "advised"), ACCOUNTS.values(), ids=ACCOUNTS)
def test_an_account_that_stands_behind_everything_gives_and_takes_what_it_counts(
    accounts: dict[str, Sequence[ev.MarginReport]], advised: list[tuple[str, str | None, Decimal, str]]
) -> None:
    story = margins(hedged("30", stables=frozenset({"USDT", "USDC"})), okx="7000", bybit="16000", binance="14000")
    for venue, told in accounts.items():
        whole(story, venue, *told)
    assert advice(story) == advised


def test_coins_that_count_in_part_are_moved_as_more_than_is_missing() -> None:
    story = hedged("30", stables=frozenset({"USDT"}))
    margins(story, okx="7000", bybit="14000", binance="14000")
    whole(story, "okx", of_account("USDT", "5500", "7000"), of_account("ETH", "0.5556", "7000", ratio="0.9"))
    advised = advice(story)
    assert [(a, s) for _, a, _, s in advised] == [("ETH", "custody: vault")]
    pool = next(p for p in pools(story.ledger, story.policy, VenueId("okx")) if p.asset is None)
    needed = needed_of(story.policy, pool, figures_of(pool))
    assert needed is not None
    assert advised[0][2] == (needed[1] * MORE - 7_000) / D("0.9")


def test_with_what_is_needed_the_distance_is_the_one_that_is_aimed_at_and_coins_of_the_shorts_asset_help() -> None:
    bare = margins(hedged("30", liquidation_distance_target=D("0.6")), okx="7000")
    backed = whole(
        margins(hedged("30", liquidation_distance_target=D("0.6")), okx="7000"),
        "okx",
        of_account("USDT", "1000", "7000"),
        of_account("ETH", "2", "7000", ratio="1"),
    )
    needs = []
    for story in (bare, backed):
        (pool,) = pools(story.ledger, story.policy, VenueId("okx"))
        found = needed_of(story.policy, pool, figures_of(pool))
        assert found is not None
        assert found[0].value == "liquidation_distance"
        distance = figures_of(replace(pool, balance_told=found[1])).joint_distance
        assert distance is not None
        assert abs(distance - D("0.6")) < D("0.001")
        needs.append(found[1])
    assert needs[0] - needs[1] == D("0.6") * 2 * 3_000
