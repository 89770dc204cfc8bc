"""What people may read of funding: never coins added to dollars, ages beside rates, and each difference with its numbers."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core import events as ev
from bot.core.funding_ledger import apply_payment, apply_records
from bot.core.funding_statement import annual_of_book, breaches, lines_of, runway_ms, usd_by_venue, usd_of
from bot.core.instrument import ContractKind
from bot.core.limits import Effect, Limit
from bot.core.payments import FundingAccount, Mismatch, Settled
from bot.core.records import FundingState, Holding, Ledger
from bot.core.units import Asset, InstrumentId, Range, VenueId
from tests.core.openings import hedged
from tests.core.story import T0, listed, policy_for, quote_of

D = Decimal
OKX, BYBIT = InstrumentId("okx:ETH"), InstrumentId("bybit:ETH")
POLICY = policy_for("ETH")
DAY = 86_400_000


def paid(ledger: Ledger, name: str, quantity: str, asset: str = "USDT", instrument: InstrumentId = OKX, at: int = T0) -> Ledger:
    payment = ev.FundingPayment(instrument=instrument, payment_id=name, quantity=D(quantity), asset=Asset(asset), venue_at=at)
    return apply_payment(ledger, ev.FundingPaid(at=T0, payment=payment))


def book() -> Ledger:
    inverse = listed("bybit", "ETH", kind=ContractKind.INVERSE, quote=Asset("USD"), settle=Asset("ETH"), contract_size=D(1))
    quotes = {i: quote_of(i, D(3_000), T0) for i in (OKX, BYBIT)}
    return Ledger(instruments={OKX: listed("okx", "ETH"), BYBIT: inverse}, quotes=quotes, decided_at=T0)


def rate(annual: str, at: int = T0) -> FundingState:
    return FundingState(rate=D("0.0001"), interval_ms=28_800_000, annual=D(annual), observed_at=at, next_settlement_at=T0 + 5)


def test_coins_are_valued_at_mark_and_never_added_to_dollars() -> None:
    ledger = paid(paid(paid(book(), "a", "12"), "b", "-2", at=T0 + 1), "c", "0.01", "ETH", BYBIT)
    assert usd_of(ledger, POLICY) == 40
    assert usd_by_venue(ledger, POLICY) == {VenueId("okx"): D(10), VenueId("bybit"): D(30)}
    told = {(line.venue, line.asset): (line.received, line.paid) for line in lines_of(ledger, POLICY, T0)}
    assert told == {("okx", "USDT"): (12, 2), ("bybit", "ETH"): (D("0.01"), 0)}


def test_what_has_no_value_in_usd_leaves_the_sum_unknown() -> None:
    ledger = paid(paid(book(), "a", "12"), "c", "0.01", "ETH", BYBIT)
    unmarked = replace(ledger, quotes={})
    assert (usd_of(unmarked, POLICY), usd_by_venue(unmarked, POLICY)) == (None, {VenueId("okx"): D(12)})
    odd = paid(paid(paid(book(), "a", "12"), "t", "3", "TOKEN"), "b", "1", at=T0 + DAY)
    assert (usd_of(odd, POLICY), usd_by_venue(odd, POLICY)) == (None, {})
    assert [line.asset for line in lines_of(odd, POLICY, T0) if line.venue == "okx"] == ["TOKEN", "USDT"]
    two = paid(paid(odd, "x", "1", instrument=InstrumentId("okx:SOL")), "y", "1", instrument=BYBIT)
    assert usd_by_venue(two, POLICY) == {VenueId("bybit"): D(1)}, "a venue of which a part is unknown has no sum"
    assert (usd_of(book(), POLICY), usd_by_venue(book(), POLICY)) == (0, {})
    waiting = replace(book(), payments={OKX: FundingAccount(expected_to=T0)})
    assert usd_by_venue(waiting, POLICY) == {}, "nothing was paid there yet"


def test_a_dollar_is_what_a_dollar_is_everywhere_else_and_a_staked_coin_counts_at_its_rate() -> None:
    """A quote that nothing is settled in is no dollar: it has no value in the statement of holdings either (see `marks.dollars`)."""
    ledger = book()
    odd = listed("okx", "ETH", quote=Asset("EUR"))
    assert usd_of(paid(replace(ledger, instruments={**ledger.instruments, OKX: odd}), "a", "12", "EUR"), POLICY) is None
    assert usd_of(paid(ledger, "a", "12", "USD"), POLICY) is None, "the inverse perpetual's quote is never paid in"
    staked = paid(ledger, "a", "0.01", "wstETH")
    assert usd_of(staked, POLICY) is None, "its rate was not told"
    told = Holding(source="custody", location="vault", asset=Asset("wstETH"), quantity=D(1), redemption_rate=D("1.2"), observed_at=T0)
    assert usd_of(replace(staked, holdings={("custody", "vault", Asset("wstETH")): told}), POLICY) == 36
    levelled = paid(paid(ledger, "a", "3", "TOKEN"), "b", "-3", "TOKEN", at=T0 + 1)
    assert usd_of(levelled, POLICY) is None, "what has no value has none because it was paid back either"


def test_a_line_tells_the_rate_its_age_and_when_it_settles() -> None:
    ledger = replace(book(), funding={OKX: rate("0.11", T0 - 9_000)})
    okx, bybit = sorted(lines_of(ledger, POLICY, T0), key=lambda line: line.venue, reverse=True)
    assert (okx.annual, okx.rate, okx.rate_age_ms, okx.next_settlement_at) == (D("0.11"), D("0.0001"), 9_000, T0 + 5)
    assert (okx.asset, okx.received, okx.settlements, okx.last_settled_at, okx.records_read_at, okx.difference) == (
        "USDT",
        0,
        0,
        None,
        None,
        0,
    )
    assert (bybit.annual, bybit.rate, bybit.rate_age_ms, bybit.flipped, bybit.interval_ms) == (None, None, None, False, None)
    (stale,) = (line for line in lines_of(ledger, POLICY, T0 + DAY) if line.venue == "okx")
    assert (stale.annual, stale.rate, stale.rate_age_ms) == (None, D("0.0001"), DAY + 9_000)
    (unlisted,) = lines_of(Ledger(funding={OKX: rate("0.1")}), POLICY, T0)
    assert (unlisted.asset, unlisted.difference) == (None, 0)


def test_difference_to_the_venues_records_is_zero_after_catching_up() -> None:
    ledger = paid(book(), "a", "12")
    empty = ev.FundingRecordsRead(at=T0 + 7, venue=VenueId("okx"), from_at=T0 - 1, to_at=T0 + 1, payments=())
    lacking = apply_records(ledger, empty, POLICY)
    (line,) = (found for found in lines_of(lacking, POLICY, T0) if found.venue == "okx")
    assert (line.difference, line.records_read_at, line.settlements, line.last_settled_at) == (12, T0 + 7, 1, T0)
    (breach,) = breaches(lacking)
    assert (breach.limit, breach.subject, breach.observed, breach.allowed, breach.effect) == (
        Limit.FUNDING_RECORD, OKX, 12, 0, Effect.TELLS,
    )  # fmt: skip
    assert breach.detail == "+12 USDT entered beyond the venue's records"
    payment = ev.FundingPayment(instrument=OKX, payment_id="a", quantity=D(12), asset=Asset("USDT"), venue_at=T0)
    caught_up = apply_records(lacking, replace(empty, payments=(payment,)), POLICY)
    assert (breaches(caught_up), [found.difference for found in lines_of(caught_up, POLICY, T0)]) == ((), [0, 0])


def test_a_refused_payment_and_a_mismatch_are_breaches() -> None:
    refused = FundingAccount(refused={"old": Settled(quantity=D(2), asset=Asset("USDT"), venue_at=1)})
    off = FundingAccount(mismatch=Mismatch(settles_at=T0, expected=Range.exactly(D(3)), recorded=D(-3)))
    none = FundingAccount(mismatch=Mismatch(settles_at=T0, expected=Range.exactly(D(3)), recorded=None))
    found = breaches(Ledger(payments={OKX: refused, BYBIT: off, InstrumentId("binance:ETH"): none}))
    assert [(b.subject, b.observed, b.allowed) for b in found] == [("binance:ETH", None, 3), (BYBIT, -3, 3), (OKX, -2, 0)]
    assert found[1].detail == "recorded -3, expected +3.00000000 to +3.00000000"


def test_f9_the_reserve_pays_the_books_funding_for_so_long() -> None:
    policy = replace(POLICY, reserve_fund_usd=D(9_000))
    ledger = replace(hedged("30").ledger, funding={OKX: rate("-0.365"), BYBIT: rate("-0.365")})
    assert annual_of_book(ledger, policy, T0) == D("-0.365")
    assert runway_ms(ledger, policy, T0) == 100 * DAY  # 90,000 USD x 36.5 % = 90 a day
    assert runway_ms(replace(ledger, funding={OKX: rate("0.1")}), policy, T0) is None
    assert runway_ms(replace(ledger, funding={}), policy, T0) is None
    assert runway_ms(Ledger(funding={OKX: rate("-1")}), policy, T0) is None
