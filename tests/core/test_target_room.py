"""Room under bounds: the least binds, what is exceeded leaves nothing, and what is taken where something is left breaks no bound."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.allocation_terms import Bound, Candidate, Problem, Requirement, VenueRoom
from bot.core.target_room import GRAIN, NOISE, UNLIMITED, Left, Room, in_base
from bot.core.units import ONE, Asset, InstrumentId, VenueId

D = Decimal
ETH, BTC = Asset("ETH"), Asset("BTC")
OKX, BYBIT = VenueId("okx"), VenueId("bybit")
ETH_OKX, BTC_OKX, ETH_BYBIT = InstrumentId("okx:ETH"), InstrumentId("okx:BTC"), InstrumentId("bybit:ETH")


def bound(limit: str, most: str) -> Bound:
    return Bound(limit=limit, most=D(most))


def candidate(instrument: InstrumentId, *bounds: Bound, weight: str = "1", use: str = "0.5") -> Candidate:
    venue, asset = instrument.split(":")
    return Candidate(
        instrument=instrument, asset=Asset(asset), venue=VenueId(venue), bounds=bounds, notional_weight=D(weight), margin_use=D(use)
    )


def problem(
    *own: Bound, asset: tuple[Bound, ...] = (), venues: tuple[VenueRoom, ...] = (), gross: tuple[Bound, ...] = (), **of_eth: str
) -> Problem:
    """Three instruments; `own` bounds and the words of `of_eth` are those of ETH at OKX."""
    return Problem(
        candidates=(candidate(ETH_OKX, *own, **of_eth), candidate(BTC_OKX), candidate(ETH_BYBIT)),
        requirements=(Requirement(asset=ETH, required=D(1000), bounds=asset),),
        venues=venues,
        gross=gross,
    )


def at(venue: VenueId, *instruments: InstrumentId, notional: str | None = None, margin: str | None = None) -> VenueRoom:
    return VenueRoom(
        venue=venue,
        instruments=instruments,
        notional=() if notional is None else (bound("share", notional),),
        margin=() if margin is None else (bound("ratio", margin),),
    )


SHORTS = {ETH_OKX: D(10), BTC_OKX: D(20), ETH_BYBIT: D(40)}


@pytest.mark.parametrize(
    ("asked", "usd", "limit"),
    [
        (problem(), str(UNLIMITED), None),
        (problem(bound("own", "100")), "90", "own"),
        (problem(bound("own", "100"), bound("less", "60")), "50", "less"),  # of several the least
        (problem(bound("own", "100"), bound("none", "-7")), "-10", "none"),  # below zero counts as zero
        (problem(bound("own", "10")), "0", "own"),
        (problem(bound("own", "4")), "-6", "own"),  # exceeded already
        (problem(bound("own", "100"), weight="2"), "90", "own"),  # a dollar of hedge, whatever notional it counts
        (problem(asset=(bound("asset", "100"),)), "50", "asset"),  # with the same asset elsewhere
        (problem(asset=(bound("asset", "100"),), weight="2"), "50", "asset"),
        (problem(gross=(bound("gross", "100"),)), "30", "gross"),
        (problem(gross=(bound("gross", "100"),), weight="2"), "10", "gross"),  # 100 - 2 x 10 - 20 - 40 = 20, a dollar counts two
        (problem(venues=(at(OKX, notional="100"),)), "70", "share"),  # nothing of what is elsewhere
        (problem(venues=(at(OKX, notional="100"),), weight="2"), "30", "share"),
        (problem(venues=(at(OKX, ETH_OKX, notional="100"),)), "90", "share"),  # a pool that counts one instrument
        (problem(venues=(at(OKX, BTC_OKX, notional="21"),)), str(UNLIMITED), None),
        (problem(venues=(at(BYBIT, notional="41"),)), str(UNLIMITED), None),
        (problem(venues=(at(OKX, margin="100"),)), "170", "ratio"),  # 100 - 5 - 10 over a half
        (problem(venues=(at(OKX, margin="1"),), use="0"), str(UNLIMITED), None),  # takes no margin
        (problem(venues=(at(OKX, notional="100"), at(OKX, ETH_OKX, notional="60", margin="100"))), "50", "share"),  # both count
        (problem(bound("own", "100"), asset=(bound("asset", "51"),), gross=(bound("gross", "100"),)), "1", "asset"),
    ],
)
def test_what_is_left_is_what_the_tightest_bound_leaves(asked: Problem, usd: str, limit: str | None) -> None:
    assert Room(asked, SHORTS).left(ETH_OKX) == Left(D(usd), limit)


def test_what_is_taken_counts_for_everything_that_shares_a_bound() -> None:
    room = Room(problem(asset=(bound("asset", "100"),), venues=(at(OKX, notional="60"),)), SHORTS)
    assert (room.left(ETH_OKX).usd, room.left(ETH_BYBIT).usd, room.left(BTC_OKX).usd) == (30, 50, 30)
    room.take(ETH_OKX, D(25))
    assert (room.left(ETH_OKX).usd, room.left(ETH_BYBIT).usd, room.left(BTC_OKX).usd) == (5, 25, 5)
    room.take(ETH_BYBIT, D(25))
    assert room.left(ETH_OKX) == Left(D(0), "asset")
    assert room.left(BTC_OKX) == Left(D(5), "share")
    room.take(ETH_OKX, D(-30))
    assert (room.left(ETH_OKX), room.left(BTC_OKX).usd) == (Left(D(30), "asset"), 35)


def test_counting_begins_from_nothing_where_nothing_is_told() -> None:
    assert Room(problem(bound("own", "100")), {}).left(ETH_OKX).usd == 100


@pytest.mark.parametrize(
    ("usd", "price", "base"),
    [
        ("0", "3000", "0"),
        ("30000", "3000", "10"),
        ("100", "3", "33.333333333333"),  # toward zero
        ("200", "3", "66.666666666666"),
        ("2.9999999999999999", "3", "0.999999999999"),  # a real gap of 3e-17 is not noise
        ("2.9999999999999999999999", "3", "1.000000000000"),  # what a division lost
        (str(UNLIMITED), "0.001", "1E15"),
    ],
)
def test_dollars_come_back_as_base_units(usd: str, price: str, base: str) -> None:
    assert in_base(D(usd), D(price)) == D(base)


PRICES = st.decimals("0.000001", "200000", places=6)
QUANTITIES = st.decimals(0, 10**6, places=12)


@given(QUANTITIES, PRICES)
def test_a_product_and_its_quotient_come_back_exactly(quantity: Decimal, price: Decimal) -> None:
    assert in_base(quantity * price, price) == quantity


@given(QUANTITIES, PRICES)
def test_a_quotient_comes_back_below_where_it_was_by_a_grain_at_most(usd: Decimal, price: Decimal) -> None:
    exact, found = Fraction(usd) / Fraction(price), Fraction(in_base(usd, price))
    assert -Fraction(GRAIN) < found - exact <= Fraction(NOISE)
    assert found % Fraction(GRAIN) == 0


MOST = st.decimals(-50, 500, places=2)
WEIGHTS = st.decimals("0.0001", 3, places=4)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    def bounds(limit: str) -> tuple[Bound, ...]:
        return tuple(Bound(limit=limit, most=most) for most in draw(st.lists(MOST, max_size=2)))

    found = [
        Candidate(
            instrument=i,
            asset=Asset(i.split(":")[1]),
            venue=VenueId(i.split(":")[0]),
            bounds=bounds("own"),
            notional_weight=draw(WEIGHTS),
            margin_use=draw(st.just(D(0)) | WEIGHTS),
        )
        for i in SHORTS
    ]
    return Problem(
        candidates=tuple(found),
        requirements=tuple(Requirement(asset=a, required=D(1000), bounds=bounds("asset")) for a in (ETH, BTC)),
        venues=(
            VenueRoom(venue=OKX, notional=bounds("share"), margin=bounds("ratio")),
            VenueRoom(venue=OKX, instruments=(BTC_OKX,), notional=bounds("leverage"), margin=bounds("ratio")),
            VenueRoom(venue=BYBIT, notional=bounds("share"), margin=bounds("ratio")),
        ),
        gross=bounds("gross"),
    )


def over(asked: Problem, shorts: dict[InstrumentId, Decimal]) -> dict[tuple[str, int], Fraction]:
    """By how much each bound is exceeded (below zero: what is left), told by nothing of the module."""
    found: dict[tuple[str, int], Fraction] = {}

    def judge(name: str, bounds: tuple[Bound, ...], members: list[tuple[InstrumentId, Decimal]]) -> None:
        used = sum((Fraction(shorts[i]) * Fraction(use) for i, use in members), Fraction(0))
        for number, one in enumerate(bounds):
            if any(use for _, use in members):
                found[name, number] = used - max(Fraction(one.most), Fraction(0))

    for c in asked.candidates:
        judge(c.instrument, c.bounds, [(c.instrument, ONE)])
    for r in asked.requirements:
        judge(r.asset, r.bounds, [(c.instrument, ONE) for c in asked.candidates if c.asset == r.asset])
    for n, v in enumerate(asked.venues):
        here = [c for c in asked.candidates if c.venue == v.venue and c.instrument in (v.instruments or SHORTS)]
        judge(f"notional {n}", v.notional, [(c.instrument, c.notional_weight) for c in here])
        judge(f"margin {n}", v.margin, [(c.instrument, c.margin_use) for c in here])
    judge("gross", asked.gross, [(c.instrument, c.notional_weight) for c in asked.candidates])
    return found


TAKES = st.lists(st.tuples(st.sampled_from(sorted(SHORTS)), st.decimals(0, 300, places=2)), max_size=6)
TOLERANCE = Fraction(1, 10**20)


@given(problems(), st.fixed_dictionaries(dict.fromkeys(SHORTS, st.decimals(0, 200, places=2))), TAKES)
def test_taking_what_is_left_breaks_no_bound_and_leaves_none_unused(
    asked: Problem, shorts: dict[InstrumentId, Decimal], takes: list[tuple[InstrumentId, Decimal]]
) -> None:
    room, carried = Room(asked, shorts), dict(shorts)
    before = over(asked, carried)
    for instrument, wish in takes:
        left = room.left(instrument).usd
        taken = min(wish, max(left, D(0)))
        room.take(instrument, taken)
        carried[instrument] += taken
        after = over(asked, carried)
        assert all(after[name] <= max(before[name], Fraction(0)) + TOLERANCE for name in after)
        if left < wish:  # something is full there, or was exceeded
            assert any(excess >= -TOLERANCE for excess in after.values())
