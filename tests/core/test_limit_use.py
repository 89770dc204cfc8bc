"""Every limit that has a value is told as used over allowed: 1 is at the limit, beyond 1 is broken, and what is not known is left out."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bot.core.limit_table import LIMITS
from bot.core.limit_use import NOT_MEASURED, uses
from bot.core.limits import Effect, Limit
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger, ReferencePrice
from bot.core.units import Asset, VenueId
from tests.core import coin_accounts as coins
from tests.core.openings import ETH, OKX, hedged, in_doubt_at_okx
from tests.core.playbook import after
from tests.core.story import Story

D = Decimal


def ratios(story: Story, **changes: D | int) -> dict[tuple[Limit, str], D]:
    told = uses(story.ledger, replace(story.policy, **changes), story.now)
    assert len({(u.limit, u.subject) for u in told}) == len(told), "each limit once for each subject"
    return {(u.limit, u.subject): u.ratio for u in told}


def test_a_hedged_book_against_its_limits() -> None:
    told = ratios(
        hedged("30"), gross_notional_max=D(180_000), instrument_notional_max=D(60_000), leverage_max=D(1), margin_ratio_max=D("0.5")
    )
    assert told[Limit.GROSS_NOTIONAL, "book"] == D("0.5")
    assert told[Limit.INSTRUMENT_NOTIONAL, OKX] == D("0.5")
    assert told[Limit.LEVERAGE, "okx"] == D(30_000) / 100_000_000
    assert told[Limit.MARGIN_RATIO, "okx"] < D("0.001")
    assert told[Limit.NET_DELTA, "ETH"] == 0
    assert told[Limit.ORDERS_IN_DOUBT, "book"] == 0
    assert told[Limit.COLLATERAL_SHARE, "okx"] > 0
    assert told[Limit.SETTLE_EXPOSURE, "USDT"] > D("0.99")


def test_ages_grow_with_time() -> None:
    story = hedged("30") >> after(1_500)
    told = ratios(story, quote_age_max_ms=3_000, report_age_max_ms=60_000, collateral_age_max_ms=60_000)
    quote = story.ledger.quotes[OKX]
    assert told[Limit.QUOTE_AGE, OKX] == D(story.now - min(quote.book_at, quote.mark_at or 0)) / 3_000
    assert told[Limit.UNRECONCILED, "okx"] == D(story.now - (story.ledger.venues[VenueId("okx")].reported_at or 0)) / 60_000
    (source,) = story.policy.collateral_sources
    assert 0 < told[Limit.COLLATERAL_AGE, source] < 1


def test_a_doubt_counts_at_its_worse_end() -> None:
    told = ratios(in_doubt_at_okx(), orders_in_doubt_max=2, doubt_notional_max=D(60_000))
    assert told[Limit.ORDERS_IN_DOUBT, "book"] == D("0.5")
    assert told[Limit.DOUBT_NOTIONAL, "book"] == D("0.5")
    assert told[Limit.NET_DELTA, "ETH"] > 1


def test_what_must_not_fall_below_is_told_upside_down() -> None:
    ledger = coins.ledger_with(coins.account("ETH", "10"), position=coins.told("-30000"))
    told = {u.limit: u.ratio for u in uses(ledger, replace(coins.POLICY, inverse_buffer_min=D("0.25")), coins.T0)}
    assert told[Limit.MARGIN_BUFFER] == D("0.25"), "a buffer of 1 where 0.25 is the least"


def test_a_coin_below_its_dollar() -> None:
    story = hedged("30")
    price = ReferencePrice(price=D("0.995"), observed_at=story.now)
    story.ledger = replace(story.ledger, references={Asset("USDT"): price})
    assert ratios(story, stablecoin_depeg_max=D("0.01"))[Limit.STABLECOIN_DEPEG, "USDT"] == D("0.5")
    assert (Limit.STABLECOIN_DEPEG, "USDT") not in ratios(hedged("30"))


@pytest.mark.parametrize("ledger", [Ledger(), Ledger(epoch="a")])
def test_what_nobody_told_is_left_out_and_never_zero(ledger: Ledger) -> None:
    told = {u.limit for u in uses(ledger, ETH, 5)}
    assert told <= {
        Limit.ORDERS_IN_DOUBT, Limit.DOUBT_NOTIONAL, Limit.ORDER_RATE, Limit.NOTIONAL_RATE, Limit.MESSAGE_RATE, Limit.EXPOSURE_AT_RISK,
    }  # fmt: skip


def test_uses_agree_with_breaches() -> None:
    """What binds is used up: a limit that is broken on a subject, with numbers, is told there at 1 or more."""
    story = in_doubt_at_okx() >> after(70_000)
    told = ratios(story)
    broken = [b for b in story.statement().breaches if b.effect is not Effect.TELLS and b.limit not in NOT_MEASURED and b.allowed]
    assert {Limit.NET_DELTA, Limit.QUOTE_AGE, Limit.UNRECONCILED} <= {b.limit for b in broken}
    for breach in broken:
        assert told[breach.limit, breach.subject] >= 1, breach


def test_every_limit_with_a_value_is_measured_or_says_why_not() -> None:
    with_values = {limit for limit, rule in LIMITS.items() if rule.levels}
    assert set(NOT_MEASURED) <= with_values
    assert all(reason for reason in NOT_MEASURED.values())
    measured = {u.limit for story in (hedged("30"), _everything()) for u in uses(story.ledger, story.policy, story.now)}
    assert measured == with_values - set(NOT_MEASURED)


def _everything() -> Story:
    """A hedged book with a coin off its peg, a staked token, a reserve, and a place in a queue of auto-deleveraging."""
    story = hedged("30")
    price = ReferencePrice(price=D("0.995"), observed_at=story.now)
    okx = story.ledger.venues[VenueId("okx")]
    story.ledger = replace(
        story.ledger,
        references={Asset("USDT"): price, Asset("stETH"): price},
        venues={**story.ledger.venues, VenueId("okx"): replace(okx, deleveraging_ranks={OKX: D("0.4")})},
    )
    staked = Asset("stETH")
    rated = Holding(source="custody", location="vault", asset=staked, quantity=D(0), redemption_rate=D(1), observed_at=story.now)
    story.ledger = replace(story.ledger, holdings={**story.ledger.holdings, ("custody", "vault", staked): rated})
    assets = {**story.policy.collateral_assets, Asset("stETH"): Asset("ETH")}
    story.policy = replace(
        story.policy, collateral_assets=assets, reserve_fund_usd=D(10_000), reserve_need_rate=D("0.05"), issuers={Asset("USDT"): "Tether"}
    )
    return story


def test_a_policy_alone_tells_nothing_of_a_book() -> None:
    assert {u.subject for u in uses(Ledger(), Policy(), 0)} == {"book"}
