"""What people may read of the book, computed in one place: figures with units, and None where nobody told."""

from __future__ import annotations

from dataclasses import replace
from decimal import ROUND_HALF_UP, Context, Decimal, localcontext

from bot.core.engine import step
from bot.core.events import MarginObserved, MarginReport, VenueLink
from bot.core.holdings import balance_usd
from bot.core.limits import Effect, Limit
from bot.core.precision import COUNTING
from bot.core.records import FundingState, Ledger
from bot.core.statement import StateStatement, is_ready, statement_of
from bot.core.units import Asset, InstrumentId, Range, VenueId
from tests.core import coin_accounts as coins
from tests.core.openings import BINANCE, BYBIT, ETH, OKX, hedged, in_doubt_at_okx
from tests.core.operators import halts, reduces
from tests.core.playbook import after, book, collateral, decision_due, evenly, link, reading, started, stop_requested, venue_acts
from tests.core.story import margin_report, policy_for

D = Decimal


def test_a_hedged_book() -> None:
    story = hedged("30")
    told = story.statement()
    (asset,) = told.assets
    assert (asset.collateral, asset.position, asset.net_delta) == (Range.exactly(D(30)), Range.exactly(D(-30)), Range.exactly(D(0)))
    assert (asset.hedge_ratio, asset.in_band, asset.collateral_usd, asset.mark) == (1, True, 90_000, 3_000)
    assert (asset.coin_equity, asset.held_usd, asset.dust) == (0, 90_000, 0)
    assert (told.trading_state, told.ready, told.orders_in_doubt, told.oldest_doubt_ms) == ("active", True, 0, None)
    assert (told.gross_notional_usd, told.required_notional_usd, told.net_delta_bps) == (90_000, 90_000, Range.exactly(D(0)))
    assert (told.fills, told.orders_by_outcome, told.filled_notional_usd) == (3, {"filled": 3}, 90_000)
    assert told.settle_exposure_usd == {Asset("USDT"): 300_000_000}
    assert [v.venue_share.quantize(D("0.01")) for v in told.venues if v.venue_share is not None] == [D("0.33")] * 3
    assert [(i.instrument, i.target) for i in told.instruments] == [(BINANCE, -10), (BYBIT, -10), (OKX, -10)]
    assert [b for b in told.breaches if b.effect is not Effect.TELLS] == []
    assert (told.collateral[0].quantity, told.collateral[0].location) == (30, "vault")
    assert told.decisions[-1].sentence.startswith("sell 10")


def test_a_doubt_shows_in_both_ends_and_in_its_age() -> None:
    story = in_doubt_at_okx() >> after(700)
    told = story.statement()
    (asset,) = told.assets
    assert asset.net_delta_bps is not None
    assert (asset.net_delta_bps.low, round(asset.net_delta_bps.high)) == (0, 3_333)
    assert asset.net_delta_usd == Range(D(0), D(30_000))
    assert (asset.in_band, asset.hedge_ratio) == (False, D(25) / 30)
    assert (told.orders_in_doubt, told.oldest_doubt_ms) == (1, 700)
    okx = told.venues[2]
    assert (okx.orders_in_doubt, okx.orders_working, okx.notional_usd) == (1, 0, 30_000)
    assert {Limit.IN_DOUBT, Limit.NET_DELTA} <= {b.limit for b in told.breaches}


def test_coins_in_accounts_are_held_and_are_no_collateral() -> None:
    told = statement_of(coins.ledger_with(coins.account("ETH", "10"), position=coins.told("-30000")), coins.POLICY, coins.T0)
    (asset,) = told.assets
    assert (asset.collateral, asset.coin_equity, asset.position) == (Range.exactly(D(0)), 10, Range.exactly(D(-10)))
    assert (asset.collateral_usd, asset.held_usd, asset.hedge_ratio, told.net_delta_bps) == (0, 30_000, 1, Range.exactly(D(0)))
    assert (told.instruments[0].position, told.instruments[0].notional_usd) == (Range.exactly(D(-10)), 30_000)
    assert told.venues[0].margin_balance_usd == 30_000


def test_what_nobody_told_is_none_and_never_zero() -> None:
    told = statement_of(Ledger(), ETH, 5)
    (asset,) = told.assets
    assert (asset.collateral, asset.position, asset.net_delta, asset.net_delta_usd, asset.hedge_ratio) == (None,) * 5
    assert (asset.in_band, asset.net_delta_bps, asset.collateral_usd, asset.mark, asset.held_usd, asset.dust) == (None,) * 6
    assert (told.gross_notional_usd, told.required_notional_usd, told.net_delta_usd, told.net_delta_bps) == (None,) * 4
    assert [(v.link, v.notional_usd, v.margin_ratio, v.funding_annual, v.venue_share) for v in told.venues] == [
        (VenueLink.DOWN, None, None, None, None)
    ] * 3
    assert (told.ready, told.instruments, told.settle_exposure_usd) == (False, (), {})


def test_an_empty_book_has_no_ratios() -> None:
    told = (book(ETH) >> decision_due()).statement()
    assert (told.assets[0].hedge_ratio, told.assets[0].net_delta_bps, told.net_delta_bps) == (None, None, None)
    assert told.net_delta_usd == Range.exactly(D(0))
    assert told.venues[0].venue_share is None


def test_c22_ready_only_when_all_sources_spoke_and_every_venue_was_read_in_this_run() -> None:
    story = hedged("30") >> after(1_000) >> started()
    assert not story.statement().ready
    story >> evenly("30")
    for venue in ("binance", "bybit", "okx"):
        assert not is_ready(story.ledger, story.policy, story.now)
        story >> link(venue, "up") >> reading(venue)
    assert is_ready(story.ledger, story.policy, story.now)


def test_states_and_limits_are_told_once_each() -> None:
    story = hedged("30") >> stop_requested() >> link("okx", "down")
    told = story.statement()
    assert told.trading_state == told.trading.state == "halted"
    assert (told.trading.cause, told.trading.since) == ("trading_state", None)
    assert [b.subject for b in told.breaches if b.limit is Limit.VENUE_LINK] == ["okx"]
    assert len({(b.limit, b.subject) for b in told.breaches}) == len(told.breaches)


def test_what_fits_nowhere_is_told_with_its_limit() -> None:
    story = hedged("30", venue_share_max=D("0.34")) >> venue_acts(OKX, "9") >> link("okx", "down")
    limits = {(b.limit, b.subject) for b in story.statement().breaches}
    assert {(Limit.NET_DELTA, "ETH"), (Limit.VENUE_SHARE, "ETH")} <= limits


def test_a_venues_funding_is_weighted_by_what_we_are_short_there() -> None:
    story = book(policy_for("BTC", "ETH")) >> evenly("30") >> decision_due()
    rates = {
        InstrumentId("okx:ETH"): FundingState(rate=D("0.0001"), interval_ms=8, annual=D("0.1"), observed_at=story.now),
        InstrumentId("okx:BTC"): FundingState(rate=D("0.0003"), interval_ms=8, annual=D("0.3"), observed_at=story.now),
        InstrumentId("bybit:ETH"): FundingState(rate=None, interval_ms=None, annual=None, observed_at=story.now),
    }
    ledger = replace(story.ledger, funding=rates)
    venues = {v.venue: v.funding_annual for v in statement_of(ledger, story.policy, story.now).venues}
    assert venues == {VenueId("binance"): None, VenueId("bybit"): None, VenueId("okx"): D("0.1")}
    flat = replace(ledger, orders={})
    assert statement_of(flat, story.policy, story.now).venues[2].funding_annual == D("0.2")


def test_an_untold_margin_is_left_out_of_what_the_book_is_long_of() -> None:
    story = hedged("30")
    record = replace(story.ledger.venues[VenueId("okx")], margins={Asset("USDT"): margin_report(None, None)})
    ledger = replace(story.ledger, venues={**story.ledger.venues, VenueId("okx"): record})
    told = statement_of(ledger, story.policy, story.now)
    assert told.settle_exposure_usd == {Asset("USDT"): 200_000_000}
    assert told.venues[2].margin_balance_usd is None


def test_a_state_is_told_with_its_cause_since_when_and_by_whom() -> None:
    story = hedged("30") >> halts("alice", venue="okx") >> after(1_000) >> reduces("bob")
    told = story.statement()
    assert told.trading == StateStatement(state="reducing", cause="operator", since=story.now, by="bob", why="a drill")
    assert [v.trading.state for v in told.venues] == ["active", "active", "halted"]
    assert told.venues[2].trading == StateStatement(state="halted", cause="operator", since=story.now - 1_000, by="alice", why="a drill")
    assert {(b.limit, b.subject) for b in told.breaches} >= {(Limit.OPERATOR, "book"), (Limit.OPERATOR, "okx")}


def test_what_merely_lasts_and_what_is_broken_is_told_as_the_books_cause() -> None:
    story = hedged("30") >> after(61_000)
    assert story.statement().trading.state == "active", "a silent source holds back what it would change alone"
    doubted = statement_of(replace(story.ledger, journal_doubt="not synced"), story.policy, story.now)
    assert (doubted.trading.cause, doubted.trading.since) == ("journal_doubt", None)
    broken = replace(story.ledger, invariants_broken=("one is not one",))
    assert statement_of(broken, story.policy, story.now).trading == StateStatement(state="halted", cause="invariant", why="one is not one")


def test_margin_is_told_as_far_as_it_is_known_and_has_an_end() -> None:
    story = hedged("30")
    ledger = with_margin(story.ledger, margin_report("15000", "300"))
    told = statement_of(ledger, story.policy, story.now)
    okx = told.venues[2]
    assert (okx.maintenance_margin_usd, okx.margin_buffer) == (1_800, D("0.5"))  # 300 told, and 5 % of what was sold since
    assert okx.liquidation_distance is not None
    assert round(okx.liquidation_distance, 9) == round(D(13_200) / D(31_500), 9)
    leg = told.instruments[2]
    assert leg.liquidation_price is not None
    assert leg.liquidation_distance is not None
    assert abs(leg.liquidation_price - 3_000 * (1 + leg.liquidation_distance)) < D("1e-20")
    silent = statement_of(with_margin(ledger, margin_report(None, None)), story.policy, story.now)
    seen, leg = silent.venues[2], silent.instruments[2]
    assert (seen.maintenance_margin_usd, seen.margin_buffer, seen.liquidation_distance) == (None,) * 3
    assert (leg.liquidation_price, leg.liquidation_distance) == (None, None)
    flat = statement_of(
        replace(ledger, positions={i: replace(p, quantity=D(0)) for i, p in ledger.positions.items()}), story.policy, story.now
    )
    assert (flat.venues[2].margin_buffer, flat.venues[2].liquidation_distance, flat.instruments[2].liquidation_price) == (None,) * 3


def with_margin(ledger: Ledger, report: MarginReport) -> Ledger:
    record = replace(ledger.venues[VenueId("okx")], margins={Asset("USDT"): report})
    return replace(ledger, venues={**ledger.venues, VenueId("okx"): record})


def test_each_target_is_told_with_the_limits_that_keep_it_from_more() -> None:
    story = book(policy_for("ETH", venue_share_max=D("0.4"))) >> collateral("ETH", "30") >> decision_due()
    told = story.statement().instruments
    assert sorted(i.target for i in told if i.target is not None) == [-12, -12, -6]
    assert {i.target: [(b.limit, b.subject) for b in i.target_limits] for i in told if i.target == -6} == {D(-6): []}
    assert all([(b.limit, b.subject) for b in i.target_limits] == [("venue_share", i.venue)] for i in told if i.target == -12)


def test_a_statement_made_in_a_context_of_its_own_leaves_the_answers_as_a_decision_would_work_them_out() -> None:
    story = hedged("30")
    odd = margin_report("300000.12345678901234567890125")
    told = step(story.ledger, MarginObserved(at=story.now, venue=VenueId("okx"), margin=odd, marks={}), story.policy).ledger
    found = []
    for ledger, stated in ((replace(told), True), (replace(told), False)):
        with localcontext(Context(prec=28, rounding=ROUND_HALF_UP)):  # as ccxt leaves the process
            if stated:
                statement_of(ledger, story.policy, story.now)
        with localcontext(COUNTING):
            found.append(balance_usd(ledger, story.policy, VenueId("okx")))
    assert found[0] == found[1]
