"""Which instruments count and at what price; and what is asked hundreds of times is worked out once."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core import lasting, marks
from bot.core.order import Order
from bot.core.policy import Policy
from bot.core.records import Ledger, Position
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.story import T0, inverse, listed, policy_for, quote_of

D = Decimal
BTC, ETH, USDT = Asset("BTC"), Asset("ETH"), Asset("USDT")
BYBIT, OKX, OKX_BTC = InstrumentId("bybit:ETH"), InstrumentId("okx:ETH"), InstrumentId("okx:BTC")
POLICY = policy_for("ETH", venues=("bybit", "okx"))
LISTED = {i.id: i for i in (listed("bybit", "ETH"), listed("okx", "ETH"), listed("okx", "BTC"))}
FLAT = Ledger(
    decided_at=T0,
    instruments=LISTED,
    positions={BYBIT: Position(quantity=D(0)), OKX: Position(quantity=D(-1))},
    quotes={BYBIT: quote_of(BYBIT, D(3_000), T0), OKX: quote_of(OKX, D(3_100), T0)},
)


def test_what_counts_is_what_the_policy_names_and_what_is_carried() -> None:
    assert marks.instruments_in_book(FLAT, POLICY) == (BYBIT, OKX)
    carried = replace(FLAT, positions={**FLAT.positions, OKX_BTC: Position(quantity=D(1))})
    assert marks.instruments_in_book(carried, POLICY) == (BYBIT, OKX_BTC, OKX)
    assert marks.instruments_of(carried, POLICY, BTC) == (OKX_BTC,)
    assert marks.instruments_of(carried, POLICY, ETH) == (BYBIT, OKX)
    assert marks.instruments_at(carried, POLICY, "okx") == (OKX_BTC, OKX)
    assert (marks.instruments_of(FLAT, POLICY, BTC), marks.instruments_at(FLAT, POLICY, "binance")) == ((), ())
    assert marks.venues_in_book(carried, POLICY) == (VenueId("bybit"), VenueId("okx"))
    assert (marks.assets_in_book(carried, POLICY), marks.assets_in_book(FLAT, POLICY)) == ((BTC, ETH), (ETH,))
    undescribed = replace(carried, instruments={})
    assert marks.instruments_of(undescribed, POLICY, ETH) == ()
    assert marks.assets_in_book(undescribed, POLICY) == (ETH,)


def test_what_an_asset_is_hedged_as() -> None:
    assert marks.hedged_assets(POLICY) == (ETH,)
    assert [marks.hedged_as(POLICY, Asset(a)) for a in ("wstETH", "ETH", "USDT")] == ["ETH", "ETH", "USDT"]


def test_the_mark_of_an_asset_and_of_each_instrument() -> None:
    assert (marks.mark_of(FLAT, OKX), marks.mark_of(FLAT, OKX_BTC)) == (3_100, None)
    assert marks.mark_of_asset(FLAT, POLICY, ETH) == 3_050
    assert marks.mark_of_asset(FLAT, POLICY, BTC) is None
    assert (marks.median([]), marks.median([D(3), D(1), D(2)]), marks.median([D(1), D(2)])) == (None, 2, D("1.5"))


def test_a_silent_instrument_is_worth_what_the_others_say() -> None:
    old = T0 - POLICY.quote_age_max_ms * lasting.VALUATION_AGE_FACTOR - 1
    silent = replace(FLAT, quotes={**FLAT.quotes, OKX: quote_of(OKX, D(9_000), old)})
    assert (marks.valuation_mark(FLAT, POLICY, OKX), marks.valuation_mark(silent, POLICY, OKX)) == (3_100, 3_000)
    undated = replace(FLAT, quotes={**FLAT.quotes, OKX: quote_of(OKX, D(9_000), T0, mark_at=None)})
    assert marks.valuation_mark(undated, POLICY, OKX) == 3_000
    never_decided = replace(FLAT, decided_at=None)
    assert marks.valuation_mark(never_decided, POLICY, OKX) == 3_050
    assert marks.valuation_mark(replace(FLAT, instruments={}, quotes={}), POLICY, OKX) is None


def test_a_venue_in_quarantine_is_asked_only_where_nobody_else_says_anything() -> None:
    off = replace(FLAT, quotes={**FLAT.quotes, OKX: quote_of(OKX, D(9_000), T0)}, quarantined=frozenset({VenueId("okx")}))
    assert (marks.mark_of_asset(off, POLICY, ETH), marks.valuation_mark(off, POLICY, OKX)) == (3_000, 9_000)
    old = T0 - POLICY.quote_age_max_ms * lasting.VALUATION_AGE_FACTOR - 1
    silent = replace(off, quotes={**off.quotes, BYBIT: quote_of(BYBIT, D(2_900), old)})
    assert marks.mark_of_asset(silent, POLICY, ETH) == 2_900, "old is better than not to be believed"
    alone = replace(off, quotes={OKX: off.quotes[OKX]})
    assert (marks.mark_of_asset(alone, POLICY, ETH), marks.valuation_mark(alone, POLICY, OKX)) == (9_000, 9_000)


def test_what_nobody_quotes_any_more_is_worth_its_entry_unless_it_is_configured() -> None:
    unquoted = replace(FLAT, quotes={}, positions={OKX: Position(quantity=D(-1), entry_price=D(2_900))})
    assert marks.valuation_mark(unquoted, POLICY, OKX) is None
    assert marks.valuation_mark(unquoted, replace(POLICY, instruments=frozenset({BYBIT})), OKX) == 2_900


def test_a_dollar_is_what_a_linear_perpetual_is_quoted_and_settled_in_and_no_coin() -> None:
    usdc, euro, dollar = Asset("USDC"), Asset("EURT"), Asset("USD")
    more = [
        listed("okx", "ETH", venue_symbol="ETH-USDC", quote=usdc, settle=usdc),
        listed("okx", "ETH", venue_symbol="ETH-BTC", quote=BTC, settle=BTC),
        listed("okx", "ETH", venue_symbol="ETH-EUR", quote=Asset("EUR"), settle=euro),
        inverse("okx", "ETH", quote=dollar),
    ]
    ledger = replace(FLAT, instruments={**LISTED, **{i.id: i for i in more}})
    assert marks.dollars(ledger, POLICY) == {USDT, usdc}
    assert marks.dollars(ledger, replace(POLICY, collateral_assets={usdc: ETH})) == {USDT}
    assert marks.dollars(ledger, replace(POLICY, collateral_assets={ETH: usdc})) == {USDT}
    assert marks.dollars(Ledger(), POLICY) == frozenset()


def test_a_question_is_worked_out_once_per_ledger_and_policy() -> None:
    asked = []

    @marks.once
    def question(ledger: Ledger, policy: Policy, asset: Asset, *, loud: bool = False) -> str | None:
        """What is asked."""
        asked.append((asset, loud))
        return None if asset == BTC else f"{asset}{loud}"

    ledger = replace(FLAT)
    assert [question(ledger, POLICY, ETH), question(ledger, POLICY, ETH), question(ledger, POLICY, ETH, loud=True)] == ["ETHFalse"] * 2 + [
        "ETHTrue"
    ]
    assert (question(ledger, POLICY, BTC), question(ledger, POLICY, BTC)) == (None, None)
    assert asked == [(ETH, False), (ETH, True), (BTC, False)]
    question(ledger, replace(POLICY), ETH)
    question(replace(ledger), POLICY, ETH)
    assert len(asked) == 5
    assert question.__doc__ == "What is asked."
    assert ledger == FLAT  # what was remembered is no part of the record


def test_an_order_that_is_working_keeps_its_instrument_in_the_book() -> None:
    order = Order(
        client_order_id="e1000001",  # type: ignore[arg-type]  # a plain string is an id
        instrument=OKX_BTC,
        quantity=D(-1),
        price=D(1),
        reduce_only=False,
        placed_at=T0,
        expires_at=T0 + 1,
        arrival_mid=None,
        reason="",
    )
    assert OKX_BTC in marks.instruments_in_book(replace(FLAT, orders={order.client_order_id: order}), POLICY)
