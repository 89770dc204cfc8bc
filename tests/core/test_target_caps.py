"""Caps as bounds on hedges: what may be added, what stays within what prices may have done, and what moves away beyond it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import margin_room
from bot.core.allocation_terms import Bound, VenueRoom
from bot.core.allowances import Allowance
from bot.core.limits import Limit
from bot.core.records import Ledger
from bot.core.target_caps import GRAIN, Carried, bound_of, down, rooms, total_bounds
from bot.core.units import ONE, InstrumentId
from tests.core import margin_books
from tests.core.margin_books import BTC, ETH, ETH_INVERSE, OKX, SOL, account, sliced, told
from tests.core.openings import hedged
from tests.core.story import Story, policy_for

D = Decimal
POLICY = replace(policy_for("ETH"), venue_share_drift=D("0.02"), rebalance_notional_min=D(25))


def cap(used: str | None, allowed: str | None, kept: str | None = None) -> Allowance:
    used_usd, allowed_usd, kept_usd = (None if figure is None else D(figure) for figure in (used, allowed, kept))
    return Allowance(Limit.INSTRUMENT_NOTIONAL, "x", used_usd, allowed_usd, kept_usd)


def carried(short: str, *, recorded: str | None = None, weight: str = "1", use: str = "0.01") -> Carried:
    return Carried(short=D(short), recorded=D(short if recorded is None else recorded), weight=D(weight), use=D(use))


@pytest.mark.parametrize(
    ("allowance", "short", "most"),
    [
        # Nothing is known: what is carried stays, and nothing is added.
        (cap(None, "5000"), "1000", "1000"),
        (cap("1000", None), "1000", "1000"),
        (cap(None, None, "5000"), "0", "0"),
        # Without `kept`: what others use of it is not there, and nothing moves away.
        (cap("1000", "5000"), "1000", "5000"),
        (cap("3000", "5000"), "1000", "3000"),
        (cap("500", "5000"), "1000", "5000"),  # what is in flight lowers: used may be less than is carried
        (cap("5000", "5000"), "1000", "1000"),
        (cap("9000", "5000"), "1000", "1000"),
        (cap("9000", "5000"), "9000", "9000"),
        # With `kept`: what others use of it was judged with it.
        (cap("3000", "5000", "5000"), "1000", "5000"),
        (cap("5000", "5000", "5000"), "5000", "5000"),
        (cap("5100", "5000", "5000"), "5100", "5100"),  # a fiftieth beyond it is what prices did
        (cap("5100.01", "5000", "5000"), "5100.01", "5000"),
        (cap("5200", "5000", "5200"), "5200", "5200"),
        (cap("5200.01", "5000", "5200"), "5200.01", "5000"),
        (cap("1025", "1000", "1000"), "1025", "1025"),  # at least one rebalance
        (cap("1025.01", "1000", "1000"), "1025.01", "1000"),
        (cap("26", "0", "0"), "26", "0"),
        (cap("26", "-5", "-5"), "26", "0"),  # never negative
        # To the grain, down; what is carried stays to the last digit.
        (cap("0", "0.0000000019", "1"), "0", "0.000000001"),
        (cap("9", "9.0000000004", "9.0000000004"), "9.0000000001", "9.0000000001"),
    ],
)
def test_a_cap_leaves_what_it_allows_and_keeps_what_prices_did(allowance: Allowance, short: str, most: str) -> None:
    expected = Bound(limit=Limit.INSTRUMENT_NOTIONAL, most=D(most))
    assert bound_of(POLICY, allowance, carried(short)) == expected
    assert total_bounds(POLICY, [allowance], [carried(short)]) == (expected,)


def test_a_cap_on_notional_is_a_bound_on_hedge_at_the_instruments_own_weight() -> None:
    assert bound_of(POLICY, cap("0", "5000", "5000"), carried("1000", weight="1.25")).most == 4000
    assert bound_of(POLICY, cap("0", "1", "1"), carried("0", weight="3")).most == D("0.333333333")  # down
    assert bound_of(POLICY, cap("5100", "5000", "5000"), carried("4080", weight="1.25")).most == 4080  # 5,100 of notional
    assert bound_of(POLICY, cap("5200", "5000", "5000"), carried("4160", weight="1.25")).most == 4000
    third = D(1) / D(3)
    assert bound_of(POLICY, cap(None, None), replace(carried("1", weight="1.0003"), short=third)).most == third  # to the last digit


def test_caps_on_several_together_count_notional_or_hedge() -> None:
    legs = [carried("1000", weight="1.5"), carried("2000", weight="0.5"), carried("0")]
    both = [cap("2500", "4000"), cap(None, "1")]
    assert [b.most for b in total_bounds(POLICY, both, legs)] == [4000, 2500]
    assert [b.most for b in total_bounds(POLICY, both, legs, weighted=False)] == [4000, 3000]
    assert total_bounds(POLICY, [], legs) == ()
    assert total_bounds(POLICY, [cap("0", "7")], [])[0].most == 7


@pytest.mark.parametrize(("most", "left"), [("-1", "0"), ("0", "0"), ("1.9999999999", "1.999999999"), ("2", "2")])
def test_what_is_left_is_rounded_down_and_never_negative(most: str, left: str) -> None:
    assert down(D(most)) == D(left)


USD = st.decimals(0, 10**6, places=4)


@given(USD, st.none() | USD, st.none() | USD, st.none() | USD, st.decimals("0.5", 2, places=4))
def test_a_bound_adds_nothing_beyond_its_cap(
    short: Decimal, used: Decimal | None, allowed: Decimal | None, kept: Decimal | None, weight: Decimal
) -> None:
    own = Carried(short=short, recorded=short, weight=weight, use=ONE)
    found = bound_of(POLICY, Allowance(Limit.INSTRUMENT_NOTIONAL, "x", used, allowed, kept), own)
    assert found == bound_of(POLICY, Allowance(Limit.INSTRUMENT_NOTIONAL, "x", used, allowed, kept), own)
    if used is None or allowed is None:
        assert found.most == short
        return
    if found.most > short:  # something may be added: all of it under the cap
        beside = max(used - short * weight, D(0)) if kept is None else D(0)
        assert found.most * weight + beside <= allowed + D("1E-18")
    if found.most < short:  # something moves away: only beyond what prices may have done, and to the cap
        assert kept is not None
        assert short * weight > max(kept, allowed * D("1.02"), allowed + 25)
        assert allowed - GRAIN * 2 <= found.most * weight <= allowed


# A venue's rooms.


def shares(found: tuple[VenueRoom, ...]) -> tuple[Bound, ...]:
    (whole,) = (room for room in found if room.instruments == ())
    return tuple(b for b in whole.notional if b.limit in (Limit.VENUE_SHARE, Limit.COLLATERAL_UNKNOWN))


def share_at_okx(story: Story, **here: Carried) -> Decimal:
    (one,) = shares(rooms(story.ledger, story.policy, OKX, {InstrumentId(f"okx:{asset}"): own for asset, own in here.items()}))
    assert one.limit == Limit.VENUE_SHARE
    return one.most


def third_at_okx(share: str) -> Story:
    """Thirty ETH of 3,000 USD, ten at each of three venues, and then this share for one venue."""
    story = hedged("30")
    story.policy = replace(story.policy, venue_share_max=D(share))
    return story


@pytest.mark.parametrize(
    ("share", "short", "most"),
    [
        ("0.6", "30000", "54000"),
        ("0.3", "30000", "27000"),  # exceeded: what is above it moves away
        ("0.33", "30000", "30000"),  # 29,700, and prices may have done a fiftieth
        ("0.33", "30295", "29700"),
        ("0.33", "24000", "29700"),  # a reduction in flight counts as done
    ],
)
def test_a_venues_share_bounds_its_hedges(share: str, short: str, most: str) -> None:
    assert share_at_okx(third_at_okx(share), ETH=carried(short)) == D(most)


def test_what_is_no_hedge_takes_of_a_venues_share() -> None:
    story = third_at_okx("0.6")
    assert share_at_okx(story) == 24000  # an instrument that is not among them
    assert share_at_okx(story, ETH=carried("0")) == 24000  # and a long: 30,000 USD of position and nothing short
    assert share_at_okx(third_at_okx("0.3"), ETH=carried("0")) == 0  # never negative


def test_a_share_that_cannot_be_worked_out_adds_nothing() -> None:
    found = rooms(account(told("USDT", "85000", "1000"), positions={ETH: "-50"}), margin_books.POLICY, OKX, {ETH: carried("100000")})
    assert shares(found) == (Bound(limit=Limit.COLLATERAL_UNKNOWN, most=D(100_000)),)


PERCENT = sliced(("0", "0.01"))


def pool(ledger: Ledger, *instruments: InstrumentId, **here: Carried) -> dict[Limit, Decimal]:
    """The bounds of the room that counts just these instruments, notional and margin together; the share left out."""
    named = {InstrumentId(f"okx:{asset}"): own for asset, own in here.items()}
    (one,) = (r for r in rooms(ledger, margin_books.POLICY, OKX, named) if set(r.instruments) == set(instruments))
    return {Limit(b.limit): b.most for b in (*one.notional, *one.margin) if b.limit != Limit.COLLATERAL_UNKNOWN}


def test_a_pool_of_margin_bounds_what_it_counts_and_its_spare() -> None:
    """155,000, 100,000 and 41,500 USD are spare (see `test_margin_room`), whatever is carried here."""
    ledger = account(told("USDT", "85000", "1000"), positions={ETH: "-50"}, tiers=PERCENT)
    found = pool(ledger, ETH=carried("100000"))
    assert (found[Limit.LEVERAGE], found[Limit.MARGIN_BUFFER], found[Limit.MARGIN_RATIO]) == (255_000, 200_000, 42_500)
    reducing = pool(ledger, ETH=carried("80000", recorded="100000", weight="1.1", use="0.02"))  # no reduction in flight counts as done
    assert (reducing[Limit.MARGIN_BUFFER], reducing[Limit.MARGIN_RATIO]) == (210_000, 43_500)
    in_flight = pool(ledger, ETH=carried("120000", recorded="100000", weight="1.1", use="0.02"))  # a sale in flight does
    assert (in_flight[Limit.MARGIN_BUFFER], in_flight[Limit.MARGIN_RATIO]) == (232_000, 43_900)
    (whole,) = rooms(ledger, margin_books.POLICY, OKX, {ETH: carried("100000")})
    assert [b.limit for b in whole.margin] == [Limit.MARGIN_RATIO]


def test_what_must_leave_a_pool_lowers_its_bound_and_a_full_one_keeps_what_is_there() -> None:
    thin = pool(account(told("USDT", "22000", "1000"), positions={ETH: "-50"}, tiers=PERCENT), ETH=carried("100000"))
    assert (thin[Limit.MARGIN_BUFFER], thin[Limit.LEVERAGE]) == (80_000, 100_000)
    third = D(100_000) + D(1) / D(3)
    full = pool(account(told("USDT", "28000", "1000"), positions={ETH: "-50"}, tiers=PERCENT), ETH=replace(carried("1"), recorded=third))
    assert full[Limit.MARGIN_BUFFER] == third  # not rounded below what is there


def test_each_pool_bounds_its_own_instruments() -> None:
    both = account(told("USDT", "85000", "0"), told("ETH", "3", "0.05"), positions={ETH_INVERSE: "-10000"}, tiers=PERCENT)
    here = {"ETH": carried("0"), "BTC": carried("0"), "ETHUSD": carried("10000")}
    assert pool(both, ETH_INVERSE, **here)[Limit.MARGIN_BUFFER] == 20_000
    assert pool(both, ETH, BTC, **here)[Limit.MARGIN_BUFFER] == 200_000
    named = {room.instruments for room in rooms(both, margin_books.POLICY, OKX, {ETH: carried("0")})}
    assert named == {()}  # a pool with nothing that is asked about bounds nothing


def test_an_instrument_without_a_pool_and_a_pool_that_is_unknown_add_nothing() -> None:
    ledger = account(told("USDT", "85000", "0"), positions={ETH: "-50"}, tiers=PERCENT)
    found = rooms(ledger, margin_books.POLICY, OKX, {ETH: carried("100000"), ETH_INVERSE: carried("300", weight="1.1"), SOL: carried("0")})
    (own,) = (room for room in found if room.instruments == (ETH_INVERSE,))
    assert own == VenueRoom(venue=OKX, instruments=(ETH_INVERSE,), notional=(Bound(limit=Limit.MARGIN_UNKNOWN, most=D(330)),))
    unknown = account(told("USDT", None, "0"), positions={ETH: "-50"}, tiers=PERCENT)
    assert pool(unknown, ETH=carried("100000")) == {Limit.MARGIN_UNKNOWN: D(100_000)}
    strange = rooms(Ledger(), margin_books.POLICY, OKX, {})
    assert [room.instruments for room in strange] == [()]


@given(margin_books.books())
def test_a_pool_never_adds_beyond_its_spare_nor_keeps_what_must_leave(ledger: Ledger) -> None:
    marks = {i: margin_books.MARKS[i] for i in (ETH, BTC, SOL)}
    here = {i: carried(str(-ledger.positions[i].quantity * mark)) for i, mark in marks.items()}
    total = sum((own.recorded for own in here.values()), D(0))
    found = rooms(ledger, margin_books.POLICY, OKX, here)
    told_of = {room.limit: room for room in margin_books_rooms(ledger)}
    (whole,) = found
    for one in whole.notional:
        if one.limit in told_of:
            room = told_of[Limit(one.limit)]
            most = total + room.spare - room.leaving
            assert max(most, D(0)) - GRAIN <= one.most <= max(most, D(0))
            assert one.most >= total or room.leaving


def margin_books_rooms(ledger: Ledger) -> list[margin_room.Room]:
    return [room for room in margin_room.margin_rooms(ledger, margin_books.POLICY, OKX) if ETH in room.instruments]
