"""Markets too thin, coins off their peg, capital in one place: told, or in the way of increases, and never of reductions."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import events as ev
from bot.core import gate, holdings, obstacles, target
from bot.core.events import MarginReport
from bot.core.execution import draft
from bot.core.instrument import ContractKind
from bot.core.limits import Breach, Effect, Limit
from bot.core.records import Ledger
from bot.core.target import Grade
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.market_words import delegated, market, reference
from tests.core.openings import BINANCE, OKX, hedged, slot_at
from tests.core.playbook import after, breach, collateral, confirmed, decision_due, filled, net_delta, nothing, place, reading
from tests.core.story import Story, margin_report, quote_of

D = Decimal
USDT, WSTETH, VENUE, AT = Asset("USDT"), Asset("wstETH"), VenueId("okx"), InstrumentId(OKX)


def asked(story: Story, quantity: str = "-1") -> Breach | None:
    """What the last gate says of an order at OKX."""
    order, _ = draft(story.ledger, story.policy, AT, D(quantity), story.now, "test")
    assert order is not None
    return gate.order_breach(story.ledger, story.policy, order, story.now)


def stands_in_the_way(story: Story, limit: Limit, subject: str, observed: Decimal | None, allowed: Decimal) -> None:
    """The gate refuses an increase with these numbers and lets a reduction pass; the target keeps what is there and adds nothing."""
    found = asked(story)
    assert found is not None
    assert (found.limit, found.subject, found.observed, found.allowed) == (limit, subject, observed, allowed)
    assert asked(story, "1") is None
    slot = slot_at(story.ledger, story.policy, story.now, AT)
    assert slot is not None
    assert (slot.most, slot.binding, slot.grade) == (D(10), limit, Grade.HOLD)
    assert limit in {b.limit for p in target.plan_book(story.ledger, story.policy, story.now) for b in p.blocked}
    story << breach(limit.value, subject)


@pytest.mark.parametrize(("interest", "observed"), [("333.333", D("999999.000")), (None, None)])
def test_a_market_too_thin_or_untold_takes_no_increase(interest: str | None, observed: Decimal | None) -> None:
    story = bent(hedged("30"), open_interest_share_max=D("0.25"), open_interest_min=D(1_000_000)) >> market(OKX, "334")
    assert asked(story) is None
    stands_in_the_way(story >> market(OKX, interest), Limit.ELIGIBILITY, OKX, observed, D(1_000_000))


def with_spread(story: Story, half: str) -> Story:
    quotes = {AT: quote_of(OKX, D(3_000), story.now, bid=3_000 - D(half), ask=3_000 + D(half))}
    story.ledger = replace(story.ledger, quotes={**story.ledger.quotes, **quotes})
    return story


def test_a_market_too_wide_takes_no_increase() -> None:
    assert asked(with_spread(hedged("30"), "3")) is None
    stands_in_the_way(with_spread(hedged("30"), "3.3"), Limit.ELIGIBILITY, OKX, D("0.0022"), D("0.002"))


def with_touch(story: Story, bid_quantity: str | None, ask_quantity: str | None) -> Story:
    shown = [None if q is None else D(q) for q in (bid_quantity, ask_quantity)]
    quote = quote_of(OKX, D(3_000), story.now, bid_quantity=shown[0], ask_quantity=shown[1])
    story.ledger = replace(story.ledger, quotes={**story.ledger.quotes, AT: quote})
    return story


@pytest.mark.parametrize(
    ("bid_quantity", "ask_quantity", "observed"),
    [("0.04", "0.02", D("119.996") + D("60.002")), ("0.06", None, D("179.994")), (None, None, D(0))],
)
def test_a_market_without_depth_at_its_touch_takes_no_increase(
    bid_quantity: str | None, ask_quantity: str | None, observed: Decimal
) -> None:
    """At 2,999.9 and 3,000.1; 200 USD are asked for."""
    assert asked(with_touch(hedged("30"), "0.07", "0")) is None
    assert asked(with_touch(hedged("30"), "0.04", "0.03")) is None
    stands_in_the_way(with_touch(hedged("30"), bid_quantity, ask_quantity), Limit.ELIGIBILITY, OKX, observed, D(200))


def test_a_quote_that_is_none_says_nothing_of_the_market() -> None:
    story = hedged("30")
    for crossed in (quote_of(OKX, D(3_000), story.now, bid=D(3_001)), None):
        quotes = {i: q for i, q in story.ledger.quotes.items() if i != AT} | ({} if crossed is None else {AT: crossed})
        ledger = replace(story.ledger, quotes=quotes)
        assert obstacles.eligibility_breach(ledger, story.policy, AT) is None


def test_a_touch_that_empties_is_left_to_the_others_in_a_playbook() -> None:
    story = hedged("30") >> after(500) >> collateral("ETH", "36")
    thin = replace(story.quotes()[2], bid_quantity=D("0.01"), ask_quantity=D("0.01"))
    story.feed(ev.DecisionDue(at=story.now, quotes=(*story.quotes()[:2], thin)))
    story << place(BINANCE, "-6") << breach("eligibility", OKX)


def test_a_market_too_thin_is_left_to_the_others_in_a_playbook() -> None:
    story = hedged("30") >> market(OKX, None) >> after(500) >> collateral("ETH", "36") >> decision_due()
    story << place(BINANCE, "-6") >> filled(BINANCE) >> decision_due() << nothing() << net_delta("ETH", "0")


@pytest.mark.parametrize(
    ("price", "effect"), [("1.01", None), ("0.997", None), ("0.9969", Effect.TELLS), ("0.99", Effect.TELLS), ("0.9899", Effect.BLOCKS)]
)
def test_a_stablecoin_below_its_dollar_is_told_and_then_takes_nothing_more(price: str, effect: Effect | None) -> None:
    story = hedged("30") >> reference("USDT", price)
    found = obstacles.stablecoin_breach(story.ledger, story.policy, USDT, story.now)
    assert (None if found is None else found.effect) == effect
    if effect is Effect.BLOCKS:
        stands_in_the_way(story, Limit.STABLECOIN_DEPEG, "USDT", D("0.0101"), D("0.01"))
    else:
        assert asked(story) is None


def test_a_stablecoins_price_that_grew_old_is_unknown_and_one_never_told_is_only_not_watched() -> None:
    story = hedged("30")
    found = obstacles.stablecoin_breach(story.ledger, story.policy, USDT, story.now)
    assert found is not None
    assert (found.effect, found.detail) == (Effect.TELLS, "not watched: no reference price was ever told")
    assert asked(story) is None
    story >> reference("USDT", "1")
    old = obstacles.stablecoin_breach(story.ledger, story.policy, USDT, story.now + 120_001)
    assert old is not None
    assert (old.effect, old.observed, old.allowed) == (Effect.BLOCKS, D(120_001), D(120_000))
    assert obstacles.stablecoin_breach(story.ledger, story.policy, USDT, story.now + 120_000) is None


def test_a_staked_token_off_its_peg_refuses_deployment_and_no_hedge() -> None:
    story = hedged("30") >> reference("wstETH", "0.9799") >> after(500) >> collateral("wstETH", "3", rate="1.2")
    found = obstacles.staked_breach(story.ledger, story.policy, WSTETH, story.now)
    assert found is not None
    assert (found.effect, found.observed, found.allowed) == (Effect.TELLS, D("0.0201"), D("0.02"))
    assert found.detail.startswith("new deployment is refused")
    story << breach("staked_depeg", "wstETH") >> decision_due()
    story << place(BINANCE, "-3.6")
    for price, told in (("0.994", "below its peg"), ("0.996", None)):
        story.outbox.clear()
        story >> reference("wstETH", price)
        milder = obstacles.staked_breach(story.ledger, story.policy, WSTETH, story.now)
        assert (None if milder is None else milder.detail) == told


def test_stables_of_an_instrument() -> None:
    story = hedged("30")
    assert obstacles.stables_of(story.ledger, AT) == ("USDT",)
    coin = replace(story.ledger.instruments[AT], kind=ContractKind.INVERSE, quote=Asset("USD"), settle=Asset("ETH"))
    assert obstacles.stables_of(replace(story.ledger, instruments={AT: coin}), AT) == ()
    assert obstacles.stables_in_book(story.ledger, story.policy) == ("USDT",)


def funded(story: Story, **balances: str) -> Story:
    """So much margin at each venue, in USDT; 90,000 USD are in custody."""
    for venue in ("binance", "bybit", "okx"):
        story.margins[venue] = margin_report(balances.get(venue, "60000"), "10")
        story >> reading(venue)
    return story


def bent(story: Story, **changes: Any) -> Story:
    story.policy = replace(story.policy, **changes)
    return story


def test_c14_a_venue_that_holds_too_much_of_all_that_is_owned_takes_no_increase() -> None:
    """60,000 of 270,000."""
    story = funded(hedged("30"))
    assert holdings.net_asset_value(story.ledger, story.policy) == 270_000
    assert asked(bent(story, collateral_share_max=D("0.23"))) is None
    stands_in_the_way(bent(story, collateral_share_max=D("0.22")), Limit.COLLATERAL_SHARE, "okx", D(60_000) / 270_000, D("0.22"))


def test_too_much_of_one_stablecoin_takes_no_more_of_it() -> None:
    """180,000 of 270,000."""
    story = funded(hedged("30"))
    assert asked(bent(story, settle_exposure_max=D("0.67"))) is None
    stands_in_the_way(bent(story, settle_exposure_max=D("0.66")), Limit.SETTLE_EXPOSURE, "USDT", D(180_000) / 270_000, D("0.66"))


def test_too_much_of_one_issuers_coins_takes_no_more_of_any_of_them() -> None:
    """180,000 USDT on venues and 20,000 USDX in the vault, of one issuer: 200,000 of 290,000, and 200,000 against a limit in USD."""
    usdx = Asset("USDX")
    story = bent(funded(hedged("30")), stables=frozenset({usdx})) >> collateral("USDX", "20000", None)
    assert net_delta("ETH", "0").check(story) is None
    both = {USDT: "Tether", usdx: "Tether"}
    assert asked(bent(story, settle_exposure_max=D("0.63"))) is None
    share = D("0.68")
    most = 290_000 * share
    stands_in_the_way(bent(story, issuers=both, settle_exposure_max=share), Limit.ISSUER_EXPOSURE, "Tether", D(200_000), most)
    assert asked(bent(story, issuers=both, settle_exposure_max=D(1))) is None
    assert asked(bent(story, issuer_exposure_max={"Tether": D(200_000)})) is None
    stands_in_the_way(bent(story, issuer_exposure_max={"Tether": D(199_999)}), Limit.ISSUER_EXPOSURE, "Tether", D(200_000), D(199_999))
    assert asked(bent(story, issuers={usdx: "Tether"})) is None, "what settles in another issuer's coin does not mind"


def test_c14_a_venue_that_has_told_nothing_switches_no_share_off() -> None:
    """60,000 of the 210,000 that are known; and 120,000 of them in one stablecoin."""
    story = funded(hedged("30"))
    silent = replace(story.ledger.venues[VenueId("binance")], margins={})
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VenueId("binance"): silent})
    assert holdings.net_asset_value(story.ledger, story.policy) is None
    found = asked(bent(story, collateral_share_max=D("0.28")))
    assert found is not None
    assert (found.limit, found.subject, found.observed) == (Limit.COLLATERAL_SHARE, "okx", D(60_000) / 210_000)
    found = asked(bent(story, collateral_share_max=D(1), settle_exposure_max=D("0.57")))
    assert found is not None
    assert (found.limit, found.subject, found.observed) == (Limit.SETTLE_EXPOSURE, "USDT", D(120_000) / 210_000)


def test_an_old_reference_blocks_over_every_restart_until_some_source_tells_it_and_says_so() -> None:
    story = hedged("30") >> reference("USDT", "1") >> after(120_001) >> confirmed()
    for _ in range(2):
        found = obstacles.stablecoin_breach(story.ledger, story.policy, USDT, story.now)
        assert found is not None
        assert (found.limit, found.effect, found.observed, found.allowed) == (Limit.STABLECOIN_DEPEG, Effect.BLOCKS, D(120_001), D(120_000))
        assert found.detail == "ms since its price was told: nothing increases that settles in it until a source tells it again"
        story.feed(ev.SessionStarted(at=story.now, epoch="e2", config_hash="c", policy=story.policy))


def test_a_venue_that_owes_more_than_was_delegated_takes_no_increase() -> None:
    """63,000 of which 60,000 were delegated; custody holds those, the book owns 90,000 + 2 x 60,000 + 3,000."""
    story = funded(hedged("30"), okx="63000") >> delegated("okx", "60000")
    owned = holdings.net_asset_value(story.ledger, story.policy)
    assert owned == 213_000
    assert asked(bent(story, unsettled_profit_max=D("0.015"))) is None
    stands_in_the_way(bent(story, unsettled_profit_max=D("0.01")), Limit.UNSETTLED_PROFIT, "okx", D(3_000) / 213_000, D("0.01"))


def test_unrealised_profit_of_what_nobody_delegated_is_told_only() -> None:
    story = funded(hedged("30"))
    profit = replace(margin_report("63000", "10"), wallet_balance=D(58_000))
    story.margins["okx"] = profit
    story >> reading("okx")
    found = obstacles.unsettled_breach(story.ledger, story.policy, VENUE)
    assert found is not None
    assert (found.effect, found.observed) == (Effect.TELLS, D(5_000) / 273_000)
    assert asked(story) is None
    story << breach("unsettled_profit", "okx")


def with_margins(story: Story, *reports: MarginReport) -> Ledger:
    record = replace(story.ledger.venues[VENUE], margins={m.asset: m for m in reports})
    return replace(story.ledger, venues={**story.ledger.venues, VENUE: record})


def test_what_is_owed_in_coin_counts_at_its_mark_and_what_is_not_told_is_unknown() -> None:
    story = hedged("30")
    coin = replace(margin_report("3", "0"), asset=Asset("ETH"), wallet_balance=D(1))
    assert obstacles.unsettled_usd(with_margins(story, coin), story.policy, VENUE) == 6_000
    wide = replace(coin, is_account_wide=True)
    assert obstacles.unsettled_usd(with_margins(story, wide), story.policy, VENUE) is None
    assert obstacles.unsettled_usd(with_margins(story, replace(wide, equity=D("1.5"))), story.policy, VENUE) == 1_500
    assert obstacles.unsettled_usd(replace(story.ledger, venues={}), story.policy, VENUE) == 0


@pytest.mark.parametrize(("fund", "observed", "told"), [("0", None, True), ("1349", D(1_349) / 1_125, True), ("1350", None, False)])
def test_a_reserve_that_does_not_cover_a_days_unwind_is_told(fund: str, observed: Decimal | None, told: bool) -> None:
    """90,000 USD of short need 1,125; 1.2 times that are 1,350."""
    story = bent(hedged("30"), reserve_fund_usd=D(fund))
    found = obstacles.reserve_breach(story.ledger, story.policy)
    assert (found is not None) is told
    if found is not None:
        assert (found.limit, found.effect, found.allowed) == (Limit.RESERVE_COVERAGE, Effect.TELLS, D("1.2"))
        assert found.observed == observed or found.observed == pytest.approx(observed)
    assert asked(story) is None


def test_a_reserve_against_an_unknown_book_is_not_judged() -> None:
    story = bent(hedged("30"), reserve_fund_usd=D(1))
    assert obstacles.reserve_breach(replace(story.ledger, positions={}), story.policy) is None


@pytest.mark.parametrize(("rank", "grade"), [("0.79", Grade.PREFERRED), ("0.8", Grade.HOLD)])
def test_c27_an_instrument_near_the_front_of_the_queue_is_told_and_grows_last(rank: str, grade: Grade) -> None:
    story = hedged("30")
    record = replace(story.ledger.venues[VENUE], deleveraging_ranks={AT: D(rank)})
    story.ledger = replace(story.ledger, venues={**story.ledger.venues, VENUE: record})
    slot = slot_at(story.ledger, story.policy, story.now, AT)
    assert slot is not None
    assert slot.grade is grade
    found = obstacles.rank_breach(story.ledger, story.policy, AT)
    assert (None if found is None else (found.effect, found.observed, found.allowed)) == (
        None if grade is Grade.PREFERRED else (Effect.TELLS, D("0.8"), D("0.8"))
    )
    assert asked(story) is None
    assert obstacles.rank_breach(replace(story.ledger, venues={}), story.policy, AT) is None


def test_c27_a_reading_tells_the_rank_and_new_hedges_go_elsewhere() -> None:
    story = hedged("30") >> after(500) >> confirmed()
    feed = reading("okx")
    (told,) = feed.events(story)
    ranked = replace(told, positions=tuple(replace(p, deleveraging_rank=D("0.9")) for p in told.positions))  # type: ignore[attr-defined, type-var]  # a VenueReported
    story.feed(ranked)
    story << breach("deleveraging_rank", OKX) >> collateral("ETH", "36") >> decision_due() << place(BINANCE, "-6")
