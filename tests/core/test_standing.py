"""One list of what binds and of what people are told: each budget from nine tenths of it on, each limit on a subject once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core.limit_table import LIMITS
from bot.core.limits import Breach, Effect, Limit
from bot.core.records import Delegation, Executions, FundingState, Messages
from bot.core.standing import breaches
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId
from tests.core.market_words import market, mirror
from tests.core.openings import BINANCE, BYBIT, OKX, hedged, in_doubt_at_okx
from tests.core.playbook import decision_due, link
from tests.core.story import Story, margin_report

D = Decimal
VENUE, USDT = VenueId("okx"), Asset("USDT")


def told(story: Story, limit: Limit, subject: str) -> list[Breach]:
    return [b for b in breaches(story.ledger, story.policy, story.now) if (b.limit, b.subject) == (limit, subject)]


def bent(**changes: Any) -> Story:
    """Ten ETH short at each of three venues, 30,000 USD each, and then this policy."""
    story = hedged("30")
    story.policy = replace(story.policy, **changes)
    return story


def at_okx(story: Story, **changes: Any) -> Story:
    record = replace(story.ledger.venues[VENUE], **changes)
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VENUE: record})
    return story


def account(balance: str, maintenance: str) -> Story:
    report = margin_report(balance, maintenance)
    return at_okx(bent(), margins={USDT: report}, equity_told={USDT: report}, margin_positions={InstrumentId(OKX): D(-10)})


def owing(profit: int) -> Story:
    """Of 200 million at two venues and 90,000 USD of collateral; the third holds what was delegated, and this."""
    story = bent()
    story.ledger = replace(story.ledger, delegations={VENUE: {USDT: D(100_000_000 - profit)}})
    return story


def risking(profit: int) -> Story:
    """The same of a custodian that settles at once, so that nothing more is added until then."""
    story = bent()
    told = Delegation(told=mirror("okx", f"{100_000_000 - profit}", "USDT", next_settlement_at=story.now), observed_at=story.now)
    story.ledger = replace(story.ledger, mirrored={("custody", VENUE, USDT): told})
    return story


def sent(count: int) -> Story:
    story = bent(order_rate_max=14)  # ten for increases
    order = story.order(OKX)
    orders = {ClientOrderId(f"x{n}"): replace(order, client_order_id=ClientOrderId(f"x{n}")) for n in range(count)}
    story.ledger = replace(story.ledger, orders=orders)
    return story


def asked(count: int) -> Story:
    story = bent(message_rate_max=28)  # 21 for increases, and an order was sent
    return at_okx(story, messages=(Messages(at=story.now, count=count),))


def executed(count: int) -> Story:
    story = bent()
    story.ledger = replace(story.ledger, executions={InstrumentId(OKX): Executions(target=D(-10), needed=D(0), count=count)})
    return story


def issued(most: Decimal, **issuers: str) -> Story:
    """All but 90,000 of 300 million are USDT on venues."""
    named = {Asset(coin): issuer for coin, issuer in issuers.items()}
    return bent(settle_exposure_max=D("1.2"), issuers=named, issuer_exposure_max={"Tether": most})


def interest(eth: str) -> Story:
    """A tenth of an instrument's open interest, and of all of the asset's."""
    return bent() >> market(OKX, eth) >> market(BYBIT, "10000") >> market(BINANCE, "10000")


def doubtful(**changes: Any) -> Story:
    story = in_doubt_at_okx()
    story.policy = replace(story.policy, **changes)
    return story


TELLS, BLOCKS, REDUCING, HALTED = Effect.TELLS, Effect.BLOCKS, Effect.REDUCING, Effect.HALTED
BUDGETS: list[tuple[Limit, str, Callable[[], Story], Effect | None]] = [
    (Limit.VENUE_SHARE, "okx", lambda: bent(venue_share_max=D("0.371")), None),  # 30,000 of 33,390
    (Limit.VENUE_SHARE, "okx", lambda: bent(venue_share_max=D("0.37")), TELLS),
    (Limit.VENUE_SHARE, "okx", lambda: bent(venue_share_max=D("0.33")), BLOCKS),
    (Limit.VENUE_SHARE, "okx", lambda: bent(venue_share_max=D("0.3")), REDUCING),
    (Limit.GROSS_NOTIONAL, "book", lambda: bent(gross_notional_max=D(100_001)), None),
    (Limit.GROSS_NOTIONAL, "book", lambda: bent(gross_notional_max=D(100_000)), TELLS),
    (Limit.GROSS_NOTIONAL, "book", lambda: bent(gross_notional_max=D(90_000)), BLOCKS),
    (Limit.INSTRUMENT_NOTIONAL, OKX, lambda: bent(instrument_notional_max=D(33_334)), None),
    (Limit.INSTRUMENT_NOTIONAL, OKX, lambda: bent(instrument_notional_max=D(33_333)), TELLS),
    (Limit.INSTRUMENT_NOTIONAL, OKX, lambda: bent(instrument_notional_max=D(30_000)), BLOCKS),
    (Limit.OPEN_INTEREST_SHARE, OKX, lambda: interest("112"), None),
    (Limit.OPEN_INTEREST_SHARE, OKX, lambda: interest("111"), TELLS),
    (Limit.OPEN_INTEREST_SHARE, OKX, lambda: interest("100"), BLOCKS),
    (Limit.COLLATERAL_SHARE, "okx", lambda: bent(collateral_share_max=D("0.38")), None),  # a third
    (Limit.COLLATERAL_SHARE, "okx", lambda: bent(collateral_share_max=D("0.37")), TELLS),
    (Limit.COLLATERAL_SHARE, "okx", lambda: bent(collateral_share_max=D("0.33")), BLOCKS),
    (Limit.SETTLE_EXPOSURE, "USDT", lambda: bent(settle_exposure_max=D("1.2")), None),  # all but 90,000 of 300 million
    (Limit.SETTLE_EXPOSURE, "USDT", lambda: bent(settle_exposure_max=D(1)), TELLS),
    (Limit.SETTLE_EXPOSURE, "USDT", lambda: bent(settle_exposure_max=D("0.99")), BLOCKS),
    (Limit.ISSUER_EXPOSURE, "Tether", lambda: issued(USDT="Tether", most=D(340_000_000)), None),
    (Limit.ISSUER_EXPOSURE, "Tether", lambda: issued(USDT="Tether", most=D(330_000_000)), TELLS),
    (Limit.ISSUER_EXPOSURE, "Tether", lambda: issued(USDT="Tether", most=D(290_000_000)), BLOCKS),
    (Limit.ISSUER_EXPOSURE, "Tether", lambda: issued(USDC="Tether", most=D(290_000_000)), None),
    (Limit.LEVERAGE, "okx", lambda: account("11200", "100"), None),
    (Limit.LEVERAGE, "okx", lambda: account("11100", "100"), TELLS),
    (Limit.LEVERAGE, "okx", lambda: account("10000", "100"), BLOCKS),
    (Limit.MARGIN_RATIO, "okx", lambda: account("20000", "8999"), None),
    (Limit.MARGIN_RATIO, "okx", lambda: account("20000", "9000"), TELLS),
    (Limit.MARGIN_RATIO, "okx", lambda: account("20000", "10000"), BLOCKS),
    (Limit.UNSETTLED_PROFIT, "okx", lambda: owing(1_800_000), None),  # one in a hundred of about 202 million
    (Limit.UNSETTLED_PROFIT, "okx", lambda: owing(1_900_000), TELLS),
    (Limit.UNSETTLED_PROFIT, "okx", lambda: owing(2_100_000), BLOCKS),
    (Limit.EXPOSURE_AT_RISK, "okx", lambda: risking(9_000_000), None),  # one in twenty of about 210 million
    (Limit.EXPOSURE_AT_RISK, "okx", lambda: risking(10_000_000), TELLS),
    (Limit.EXPOSURE_AT_RISK, "okx", lambda: risking(11_000_000), BLOCKS),
    (Limit.ORDER_RATE, "okx", lambda: sent(8), None),
    (Limit.ORDER_RATE, "okx", lambda: sent(9), TELLS),
    (Limit.ORDER_RATE, "okx", lambda: sent(10), BLOCKS),
    (Limit.NOTIONAL_RATE, "okx", lambda: bent(notional_rate_max=D(35_000)), None),
    (Limit.NOTIONAL_RATE, "okx", lambda: bent(notional_rate_max=D(32_000)), TELLS),
    (Limit.NOTIONAL_RATE, "okx", lambda: bent(notional_rate_max=D(20_000)), BLOCKS),
    (Limit.MESSAGE_RATE, "okx", lambda: asked(17), None),
    (Limit.MESSAGE_RATE, "okx", lambda: asked(18), TELLS),
    (Limit.MESSAGE_RATE, "okx", lambda: asked(20), BLOCKS),
    (Limit.ORDERS_IN_DOUBT, "book", lambda: doubtful(orders_in_doubt_max=2), None),
    (Limit.ORDERS_IN_DOUBT, "book", lambda: doubtful(orders_in_doubt_max=1), TELLS),
    (Limit.ORDERS_IN_DOUBT, "book", lambda: doubtful(orders_in_doubt_max=0), REDUCING),
    (Limit.DOUBT_NOTIONAL, "book", lambda: doubtful(doubt_notional_max=D(34_000)), None),
    (Limit.DOUBT_NOTIONAL, "book", lambda: doubtful(doubt_notional_max=D(33_000)), TELLS),
    (Limit.DOUBT_NOTIONAL, "book", lambda: doubtful(doubt_notional_max=D(29_999)), REDUCING),
    (Limit.REPEATED_EXECUTION, OKX, lambda: executed(10), None),
    (Limit.REPEATED_EXECUTION, OKX, lambda: executed(11), TELLS),
    (Limit.REPEATED_EXECUTION, OKX, lambda: executed(12), HALTED),
]


@pytest.mark.parametrize(("limit", "subject", "make", "effect"), BUDGETS)
def test_a_budget_is_told_when_it_is_nearly_used_up_and_when_it_is(
    limit: Limit, subject: str, make: Callable[[], Story], effect: Effect | None
) -> None:
    found = told(make(), limit, subject)
    assert [b.effect for b in found] == ([] if effect is None else [effect])
    for breach in found:
        assert breach.observed is not None
        assert breach.allowed is not None
        assert breach.observed >= breach.allowed * D("0.9")


def test_every_budget_of_the_table_is_told_near() -> None:
    assert {limit for limit, _, _, effect in BUDGETS if effect is TELLS} == {limit for limit, rule in LIMITS.items() if rule.is_budget}


def test_each_limit_on_a_subject_is_told_once_and_what_acts_comes_first() -> None:
    story = in_doubt_at_okx() >> link("bybit", "down") >> decision_due()
    story.outbox.clear()
    found = breaches(story.ledger, story.policy, story.now)
    named = [(b.limit, b.subject, b.effect is TELLS) for b in found]
    assert len(set(named)) == len(named)
    assert [tells for _, _, tells in named] == sorted(tells for _, _, tells in named)
    assert {(Limit.VENUE_LINK, "bybit", False), (Limit.IN_DOUBT, OKX, False), (Limit.NET_DELTA, "ETH", False)} <= set(named)


def test_a_flip_an_asset_without_collateral_and_an_unlisted_one_are_told() -> None:
    story = hedged("30")
    flipped = FundingState(rate=D(0), interval_ms=1, annual=D("-0.1"), observed_at=story.now, flipped=True)
    story.ledger = replace(story.ledger, funding={InstrumentId(OKX): flipped, InstrumentId(BYBIT): replace(flipped, flipped=False)})
    (breach,) = told(story, Limit.FUNDING_FLIP, OKX)
    assert (breach.observed, breach.allowed) == (D("-0.1"), D("-0.02"))
    assert told(story, Limit.FUNDING_FLIP, BYBIT) == []
    story.policy = replace(story.policy, collateral_assets={Asset("BTC"): Asset("BTC")})
    assert [b.detail for b in told(story, Limit.NO_INSTRUMENT, "BTC")] == ["nothing is listed that could hedge it"]
    assert told(story, Limit.NET_DELTA, "ETH")[0].effect is Effect.PAGES  # carried, and no collateral of it is configured


@pytest.mark.parametrize("margin", [None, "100"])
def test_a_margin_that_was_not_told_and_one_too_thin_are_told(margin: str | None) -> None:
    report = margin_report(margin, margin)
    story = at_okx(bent(), margins={USDT: report}, equity_told={USDT: report})
    found = {b.limit: b.effect for b in breaches(story.ledger, story.policy, story.now) if b.subject == "okx"}
    if margin is None:
        assert found[Limit.MARGIN_UNKNOWN] is BLOCKS
    else:
        assert {found[Limit.MARGIN_BUFFER], found[Limit.LIQUIDATION_DISTANCE]} == {REDUCING}
