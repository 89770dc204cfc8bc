"""S8: each settlement once, whatever it is called and however often, late or scrambled it is told; bounded, and never twice."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.payments import PAYMENTS_REMEMBERED, REFUSED_REMEMBERED, Entry, FundingAccount, FundingTotal
from bot.core.reports import FundingPayment
from bot.core.units import Asset, InstrumentId

D = Decimal
HOUR = 3_600_000
USDT, BTC = Asset("USDT"), Asset("BTC")


def paid(name: str, quantity: str = "12.5", at: int = HOUR, asset: Asset = USDT) -> FundingPayment:
    return FundingPayment(instrument=InstrumentId("okx:ETH"), payment_id=name, quantity=D(quantity), asset=asset, venue_at=at)


def account(*payments: FundingPayment) -> FundingAccount:
    found = FundingAccount()
    for payment in payments:
        found, _ = found.enter(payment)
    return found


def list_read(found: FundingAccount, *payments: FundingPayment, from_at: int = 0, to_at: int = 10 * HOUR) -> FundingAccount:
    names = {p.payment_id for p in payments}
    for payment in payments:
        found, _ = found.enter(payment, names)
    found, _ = found.listed(from_at, to_at, payments)
    return found


def test_s8_received_and_paid_are_kept_apart_and_coins_from_dollars() -> None:
    found = account(paid("a"), paid("b", "-2", 2 * HOUR), paid("c", "0.001", 3 * HOUR, BTC), paid("a"))
    assert found.totals == {USDT: FundingTotal(received=D("12.5"), paid=D(2)), BTC: FundingTotal(received=D("0.001"))}
    assert (found.settlements, found.last_at, found.totals[USDT].net) == (3, 3 * HOUR, D("10.5"))
    assert found.assets == {USDT, BTC}


def test_s8_told_again_changes_nothing() -> None:
    once = account(paid("a"))
    assert once.enter(paid("a")) == (once, Entry.KNOWN)
    assert once.enter(paid("a", "99", 9 * HOUR)) == (once, Entry.KNOWN), "an id is an id, whatever else is said"


@pytest.mark.parametrize(
    ("other", "settlements"),
    [
        (paid("history-7", at=HOUR + 59_999), 1),  # the same minute, quantity and asset: one settlement, two names
        (paid("history-7", at=HOUR + 60_000), 2),  # another minute
        (paid("history-7", "12.6"), 2),  # another quantity
        (paid("history-7", asset=BTC), 2),  # another asset
    ],
)
def test_s8_a_settlement_told_by_stream_and_history_under_two_ids_counts_once(other: FundingPayment, settlements: int) -> None:
    assert account(paid("stream-1"), other, paid("stream-1"), other).settlements == settlements
    assert account(other, paid("stream-1")).settlements == settlements


def test_two_rows_of_one_list_are_two_payments_however_alike() -> None:
    assert list_read(FundingAccount(), paid("a"), paid("b")).settlements == 2
    streamed = account(paid("stream-1"))
    both = list_read(streamed, paid("a"), paid("b"))
    assert (both.settlements, sorted(both.settled), both.unlisted) == (2, ["a", "b"], ())
    healed = list_read(list_read(account(paid("a")), paid("b")), paid("a"), paid("b"))
    assert (healed.settlements, healed.difference(USDT)) == (2, 0)


def test_what_the_venue_does_not_list_is_told_once_and_until_it_is_listed() -> None:
    held = account(paid("a"), paid("b", "-3", 2 * HOUR), paid("c", "5", 20 * HOUR))
    found, missing = held.listed(0, 10 * HOUR, (paid("a"),))
    assert (missing, found.unlisted, found.difference(USDT), found.difference(BTC)) == (("b",), ("b",), D(-3), D(0))
    assert found.listed(0, 10 * HOUR, (paid("a"),)) == (found, ())
    later, missing = found.listed(5 * HOUR, 30 * HOUR, (paid("c", "5", 20 * HOUR),))
    assert (later.unlisted, missing) == (("b",), ()), "a list of another span says nothing of it"
    assert list_read(later, paid("a"), paid("b", "-3", 2 * HOUR)).unlisted == ()
    assert list_read(found, paid("a"), paid("b-again", "-3", 2 * HOUR)).unlisted == (), "listed under another name"


def test_what_is_older_than_all_that_is_remembered_is_refused_and_never_added() -> None:
    many = account(*(paid(f"p{n}", "1", n * HOUR) for n in range(PAYMENTS_REMEMBERED + 3)))
    assert (len(many.settled), many.known_to, many.settlements) == (PAYMENTS_REMEMBERED, 2 * HOUR, PAYMENTS_REMEMBERED + 3)
    again, entry = many.enter(paid("p1", "1", HOUR))
    assert (entry, again.totals, again.difference(USDT)) == (Entry.REFUSED, many.totals, D(-1))
    assert again.enter(paid("p1", "1", HOUR)) == (again, Entry.KNOWN)
    assert many.enter(paid("between", "1", 3 * HOUR + 90_000))[1] is Entry.ENTERED
    for n in range(REFUSED_REMEMBERED + 5):
        again, _ = again.enter(paid(f"old{n}", "1", n))
    assert len(again.refused) == REFUSED_REMEMBERED


def test_forgetting_one_that_is_not_listed_forgets_that_too() -> None:
    full = account(*(paid(f"p{n}", "1", n * HOUR) for n in range(PAYMENTS_REMEMBERED)))
    lacking, _ = full.listed(0, HOUR - 1, ())
    assert lacking.unlisted == ("p0",)
    assert lacking.enter(paid("new", "1", 9_999 * HOUR))[0].unlisted == ()
    older = replace(lacking, known_to=5 * HOUR)
    assert older.enter(paid("new", "1", 9_999 * HOUR))[0].known_to == 5 * HOUR, "a watermark never falls"


def test_what_was_recorded_within_a_span() -> None:
    found = account(paid("a"), paid("b", "2", HOUR + 5_000), paid("c", "7", asset=BTC))
    assert found.recorded(HOUR, HOUR + 5_000, USDT) == D("14.5")
    assert found.recorded(0, 9, USDT) is None


payments = st.lists(st.tuples(st.integers(0, 40), st.decimals("-50", "50", places=4)), max_size=30, unique_by=lambda told: told[0]).map(
    lambda told: [paid(f"p{hour}", f"{quantity}", hour * HOUR, USDT if hour % 3 else BTC) for hour, quantity in told]
)


@given(payments, st.data())
def test_any_order_any_repetition_and_any_partition_give_the_same_totals(told: list[FundingPayment], data: st.DataObject) -> None:
    scrambled = data.draw(st.permutations(told + data.draw(st.lists(st.sampled_from(told), max_size=20) if told else st.just([]))))
    plain, other = account(*told), FundingAccount()
    width = data.draw(st.integers(1, 10))
    for start in range(0, len(scrambled), width):
        other = list_read(other, *scrambled[start : start + width], from_at=0, to_at=-1)
    assert (other.totals, other.settlements, other.last_at) == (plain.totals, plain.settlements, plain.last_at)
    assert other.settled == plain.settled
    for asset in (USDT, BTC):
        exact = sum((p.quantity for p in told if p.asset == asset), D(0))
        assert other.totals.get(asset, FundingTotal()).net == exact
