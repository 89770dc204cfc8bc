"""Every limit bites beyond its value and lets pass what is just inside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import collateral_limits, exposure, gate, risk
from bot.core.ceilings import CEILINGS
from bot.core.drafting import draft
from bot.core.events import Quote, VenueLink
from bot.core.limits import Breach, Effect, Limit
from bot.core.order import Order, OrderState
from bot.core.policy import Policy
from bot.core.records import Dispute, FundingState, Ledger
from bot.core.statement import breaches
from bot.core.target import Grade
from bot.core.units import Asset, ClientOrderId, InstrumentId, Millis, VenueId
from tests.core.foreign import foreign
from tests.core.market_words import wide
from tests.core.openings import slot_at
from tests.core.playbook import book, collateral, confirmed, decision_due, evenly, filled, place
from tests.core.story import Story, margin_report, policy_for

D = Decimal
ETH, OKX, BYBIT, VENUE = Asset("ETH"), InstrumentId("okx:ETH"), InstrumentId("bybit:ETH"), VenueId("okx")


SELL_ONE = D(-1)


@dataclass
class Desk:
    """A ledger, a policy and an instant, to be bent in one place; and an order of `quantity` at OKX that asks to leave."""

    ledger: Ledger
    policy: Policy
    now: Millis
    quantity: Decimal = SELL_ONE

    def breach(self) -> Breach | None:
        order, _ = draft(self.ledger, self.policy, OKX, self.quantity, self.now, "test")
        assert order is not None
        return gate.order_breach(self.ledger, self.policy, order, self.now)

    def limits(self, **changes: Any) -> Desk:
        return replace(self, policy=replace(self.policy, **changes))

    def venue(self, **changes: Any) -> Desk:
        record = replace(self.ledger.venues[VENUE], **changes)
        return replace(self, ledger=replace(self.ledger, venues={**self.ledger.venues, VENUE: record}))

    def quote(self, instrument: InstrumentId = OKX, **changes: Any) -> Desk:
        quote: Quote = replace(self.ledger.quotes[instrument], **changes)
        return replace(self, ledger=replace(self.ledger, quotes={**self.ledger.quotes, instrument: quote}))

    def at_position(self, **changes: Any) -> Desk:
        position = replace(self.ledger.positions[OKX], **changes)
        return replace(self, ledger=replace(self.ledger, positions={**self.ledger.positions, OKX: position}))

    def orders(self, *orders: Order) -> Desk:
        named = {ClientOrderId(f"x{n}"): replace(o, client_order_id=ClientOrderId(f"x{n}")) for n, o in enumerate(orders)}
        return replace(self, ledger=replace(self.ledger, orders=named))


def hedged_story() -> Story:
    """20 ETH, ten short at each of two venues, all fresh."""
    story = book(policy_for("ETH", venues=("bybit", "okx"))) >> evenly("20") >> decision_due()
    return story << place(BYBIT, "-10") << place(OKX, "-10") >> filled(BYBIT, OKX) >> wide() >> confirmed() >> decision_due()


def desk(**changes: Any) -> Desk:
    story = hedged_story()
    return replace(Desk(ledger=story.ledger, policy=story.policy, now=story.now), **changes)


def past_order(state: OrderState, instrument: str = OKX, filled_quantity: str = "0", ago_ms: int = 0) -> Order:
    story = hedged_story()
    closed_at = None if state.is_open else story.now - ago_ms
    return replace(
        story.order(OKX),
        instrument=InstrumentId(instrument),
        state=state,
        reported_filled=D(filled_quantity),
        fills_filled=D(0),
        closed_at=closed_at,
        placed_at=story.now - ago_ms,
    )


def doubts(count: int) -> Callable[[Desk], Desk]:
    return lambda d: d.orders(*[past_order(OrderState.IN_DOUBT, BYBIT) for _ in range(count)])


def sent(count: int, ago_ms: int) -> Callable[[Desk], Desk]:
    return lambda d: d.orders(*[past_order(OrderState.FILLED, filled_quantity="-1", ago_ms=ago_ms)] * count)


THIN = {"margin_buffer_target": D("0.1"), "liquidation_distance_target": D("0.05"), "liquidation_distance_min": D("0.03")}
CASES: list[tuple[Limit, Callable[[Desk], Desk], Callable[[Desk], Desk]]] = [
    # 11 ETH of 20 at OKX are 55 %; the cap is 60 %, 12 ETH.
    (Limit.VENUE_SHARE, lambda d: replace(d, quantity=D("-2.001")), lambda d: replace(d, quantity=D(-2))),
    (Limit.ORDER_RATE, sent(45, 9_999), sent(44, 9_999)),
    (Limit.ORDER_RATE, sent(60, 9_999), sent(60, 10_000)),
    (Limit.ORDERS_IN_DOUBT, doubts(4), doubts(3)),
    # 20 ETH held and one more at 3,000.
    (Limit.GROSS_NOTIONAL, lambda d: d.limits(gross_notional_max=D(62_999)), lambda d: d.limits(gross_notional_max=D(63_000))),
    (Limit.PRICE_COLLAR, lambda d: d.quote(bid=D(3_040), ask=D(3_041)), lambda d: d.quote(bid=D(3_030), ask=D(3_031))),
    (Limit.PRICE_COLLAR, lambda d: d.quote(bid=D(3_001), ask=D(3_001)), lambda d: d.quote(bid=D(3_001), ask=D("3_001.01"))),
    (Limit.REFERENCE_DEVIATION, lambda d: d.quote(BYBIT, mark=D(2_940)), lambda d: d.quote(BYBIT, mark=D(2_942))),
    (Limit.PRICE_COLLAR, lambda d: d.quote(BYBIT, mark=D(3_026)), lambda d: d.quote(BYBIT, mark=D(3_025))),
    (Limit.REFERENCE_DEVIATION, lambda d: d.quote(BYBIT, mark_at=None).quote(index=None), lambda d: d.quote(BYBIT, mark_at=None)),
    (Limit.QUOTE_AGE, lambda d: d.quote(book_at=d.now - 3_001), lambda d: d.quote(book_at=d.now - 3_000)),
    (Limit.QUOTE_AGE, lambda d: d.quote(mark_at=d.now - 3_001), lambda d: d.quote(mark_at=d.now - 3_000)),
    (Limit.QUOTE_AGE, lambda d: d.quote(mark_at=None), lambda d: d),
    # What lies ahead of our clock by more than a second is from before the clock stepped back, and of unknown age.
    (Limit.QUOTE_AGE, lambda d: d.quote(book_at=d.now + 1_001), lambda d: d.quote(book_at=d.now + 1_000)),
    (Limit.QUOTE_AGE, lambda d: d.quote(mark_at=d.now + 3_600_000), lambda d: d.quote(mark_at=d.now + 1_000)),
    (
        Limit.REFERENCE_DEVIATION,
        lambda d: d.quote(BYBIT, mark_at=d.now + 1_001).quote(index=None),
        lambda d: d.quote(BYBIT, mark_at=d.now + 1_000).quote(index=None),
    ),
    (Limit.UNRECONCILED, lambda d: d.venue(reported_at=d.now + 1_001), lambda d: d.venue(reported_at=d.now + 1_000)),
    (Limit.VENUE_LINK, lambda d: d.venue(link=VenueLink.STALE), lambda d: d.venue(link=VenueLink.UP)),
    (Limit.UNRECONCILED, lambda d: d.venue(reconciled=False), lambda d: d.venue(reconciled=True)),
    (Limit.UNRECONCILED, lambda d: d.venue(reported_at=None), lambda d: d),
    (Limit.UNRECONCILED, lambda d: d.venue(reported_at=d.now - 60_001), lambda d: d.venue(reported_at=d.now - 60_000)),
    (Limit.IN_DOUBT, lambda d: d.orders(past_order(OrderState.IN_DOUBT)), lambda d: d.orders(past_order(OrderState.IN_DOUBT, BYBIT))),
    (Limit.CLOCK_OFFSET, lambda d: d.venue(clock_offset_ms=-501), lambda d: d.venue(clock_offset_ms=-500)),
    (Limit.CLOCK_OFFSET, lambda d: d.venue(clock_offset_ms=None), lambda d: d.venue(clock_offset_ms=500)),
    (Limit.FOREIGN_ORDERS, lambda d: d.venue(foreign_orders=(foreign("77"),)), lambda d: d.venue(foreign_orders=())),
    (Limit.ACCOUNT_MODE, lambda d: d.venue(unfit=("BTC is in margin mode isolated, not in cross margin",)), lambda d: d.venue(unfit=())),
    # 11 ETH at 3,000 are 33,000 USD.
    (
        Limit.LEVERAGE,
        lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("10999")}),
        lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("11000", "10")}),
    ),
    (
        Limit.MARGIN_RATIO,
        lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("20000", "10001")}),
        lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("20000", "10000")}, margin_positions={OKX: D(-11)}),
    ),
    (
        Limit.MARGIN_BUFFER,
        lambda d: d.venue(margins={"USDT": margin_report("14024", "10")}),
        lambda d: d.venue(margins={"USDT": margin_report("14025", "10")}),
    ),
    # Charged 20 % of the notional: (balance - 6,600) / (1.2 x 33,000) reaches 35 % at 20,460 USD.
    (
        Limit.LIQUIDATION_DISTANCE,
        lambda d: d.venue(margins={"USDT": margin_report("20459", "6000")}, margin_positions={OKX: D(-10)}),
        lambda d: d.venue(margins={"USDT": margin_report("20460", "6000")}, margin_positions={OKX: D(-10)}),
    ),
    (Limit.MARGIN_UNKNOWN, lambda d: d.venue(margins={}), lambda d: d),
    (Limit.DISPUTED, lambda d: d.at_position(dispute=Dispute(observed=D(-9), readings=1, since=0)), lambda d: d.at_position(dispute=None)),
    (Limit.TRADING_STATE, lambda d: replace(d, ledger=replace(d.ledger, stopping=True)), lambda d: d),
    (Limit.TRADING_STATE, lambda d: replace(d, ledger=replace(d.ledger, invariants_broken=("x",))), lambda d: d),
    (
        Limit.REPEATED_ORDER,
        lambda d: d.orders(past_order(OrderState.REFUSED, ago_ms=999)),
        lambda d: d.orders(past_order(OrderState.REFUSED, ago_ms=1_000)),
    ),
    (
        Limit.REPEATED_ORDER,
        lambda d: d.orders(*[past_order(OrderState.CANCELED, ago_ms=3_999)] * 3),
        lambda d: d.orders(*[past_order(OrderState.CANCELED, ago_ms=4_000)] * 3),
    ),
    (
        Limit.REPEATED_ORDER,
        lambda d: d.orders(*[past_order(OrderState.ABSENT, ago_ms=29_999)] * 40),
        lambda d: d.orders(*[past_order(OrderState.ABSENT, ago_ms=30_000)] * 40),
    ),
    (
        Limit.COLLATERAL_UNKNOWN,
        lambda d: replace(d, ledger=replace(d.ledger, sources_confirmed_at={})),
        lambda d: d,
    ),
    (Limit.TRADING_STATE, lambda d: replace(d, ledger=replace(d.ledger, journal_doubt="not synced")), lambda d: d),
]
IDS = [f"{n}-{limit.value}" for n, (limit, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("limit", "beyond", "_"), CASES, ids=IDS)
def test_c14_a_limit_bites_beyond_its_value(limit: Limit, beyond: Callable[[Desk], Desk], _: object) -> None:
    breach = beyond(desk()).breach()
    assert breach is not None
    assert breach.limit is limit
    assert limit.value in breach.sentence()


@pytest.mark.parametrize(("_limit", "_", "inside"), CASES, ids=IDS)
def test_c14_what_is_just_inside_passes(_limit: Limit, _: object, inside: Callable[[Desk], Desk]) -> None:
    assert inside(desk()).breach() is None


def test_an_instrument_filter_refuses_nothing_and_what_reduces_more_than_is_there() -> None:
    one = desk()
    order, _ = draft(one.ledger, one.policy, OKX, D(1), one.now, "test")
    assert order is not None
    assert order.reduce_only
    for quantity in (D(0), D("10.001"), D(-1)):
        breach = gate.order_breach(one.ledger, one.policy, replace(order, quantity=quantity), one.now)
        assert breach is not None
        assert breach.limit is Limit.INSTRUMENT_FILTER
    assert gate.order_breach(one.ledger, one.policy, replace(order, quantity=D(10)), one.now) is None


def test_c09_the_last_gate_holds_the_value_of_an_order_whatever_slicing_did_before() -> None:
    one = desk(quantity=D(-2)).limits(order_notional_max=D(3_000))
    order, _ = draft(one.ledger, one.policy, OKX, one.quantity, one.now, "test")
    assert order is not None
    assert order.quantity == -1
    assert gate.order_breach(one.ledger, one.policy, order, one.now) is None
    breach = gate.order_breach(one.ledger, one.policy, replace(order, quantity=D("-1.001")), one.now)
    assert breach is not None
    assert (breach.limit, breach.observed, breach.allowed) == (Limit.ORDER_NOTIONAL, D(3_003), D(3_000))


def test_an_order_without_a_sane_price_is_refused() -> None:
    one = desk()
    order, _ = draft(one.ledger, one.policy, OKX, D(-1), one.now, "test")
    assert order is not None
    breach = gate.order_breach(one.ledger, one.policy, replace(order, price=D(0)), one.now)
    assert breach is not None
    assert breach.limit is Limit.PRICE_COLLAR


@pytest.mark.parametrize("bend", [beyond for limit, beyond, _ in CASES if limit in (
    Limit.VENUE_LINK, Limit.CLOCK_OFFSET, Limit.FOREIGN_ORDERS, Limit.LEVERAGE, Limit.MARGIN_RATIO, Limit.MARGIN_UNKNOWN,
    Limit.ACCOUNT_MODE, Limit.ORDERS_IN_DOUBT, Limit.GROSS_NOTIONAL, Limit.UNRECONCILED, Limit.COLLATERAL_UNKNOWN,
)])  # fmt: skip
def test_what_stops_increases_lets_reductions_pass(bend: Callable[[Desk], Desk]) -> None:
    assert replace(bend(desk()), quantity=D(1)).breach() is None


def test_book_wide_reasons_to_reduce() -> None:
    one = desk()
    assert risk.trading_state(one.ledger, one.policy) is risk.TradingState.ACTIVE
    aged = one.now + 60_001 - (one.now - one.ledger.sources_confirmed_at["custody"])
    assert [b.limit for b in collateral_limits.stale_breaches(one.ledger, one.policy, aged)] == [Limit.COLLATERAL_AGE]
    assert collateral_limits.stale_breaches(one.ledger, one.policy, aged - 1) == ()
    assert risk.state_breaches(one.ledger, one.policy) == (), "what the source would change waits, and nothing else"
    stepped_back = one.ledger.sources_confirmed_at["custody"] - 1_001
    assert [b.limit for b in collateral_limits.stale_breaches(one.ledger, one.policy, stepped_back)] == [Limit.COLLATERAL_AGE]
    assert collateral_limits.stale_breaches(one.ledger, one.policy, stepped_back + 1) == ()
    ten_days = one.now + 10 * 86_400_000
    lost = collateral_limits.stale_breaches(one.ledger, one.policy, ten_days)
    assert [(b.limit, b.effect) for b in lost] == [(Limit.COLLATERAL_AGE, Effect.BLOCKS), (Limit.COLLATERAL_UNKNOWN, Effect.PAGES)]
    assert [b.limit for b in risk.state_breaches(doubts(4)(one).ledger, one.policy)] == [Limit.ORDERS_IN_DOUBT]
    rateless = (hedged_story() >> collateral("wstETH", "1", rate=None)).ledger
    assert [b.subject for b in collateral_limits.unknown_breaches(rateless, one.policy, Asset("ETH"))] == ["wstETH"]
    assert risk.trading_state(rateless, one.policy) is risk.TradingState.ACTIVE, "its own asset waits, and no other"
    stopped = replace(one.ledger, stopping=True)
    assert risk.trading_state(stopped, one.policy) is risk.TradingState.HALTED


def test_a_venue_never_heard_of_takes_nothing() -> None:
    one = desk()
    (breach,) = risk.venue_breaches(replace(one.ledger, venues={}), one.policy, VENUE, one.now)
    assert (breach.limit, breach.detail) == (Limit.VENUE_LINK, "never heard of")


def test_an_instrument_whose_position_was_never_told_takes_nothing() -> None:
    one = desk()
    breach = risk.instrument_breach(replace(one.ledger, positions={}), one.policy, OKX, one.now)
    assert breach is not None
    assert breach.limit is Limit.UNRECONCILED


def test_f28_of_three_marks_only_the_one_far_off_is_distrusted() -> None:
    story = book(policy_for("ETH")) >> decision_due()
    far = replace(story.ledger.quotes[OKX], mark=D(1_950))
    ledger = replace(story.ledger, quotes={**story.ledger.quotes, OKX: far})
    found = {i: risk.quote_breach(ledger, story.policy, i, story.now) for i in ledger.quotes}
    assert [i for i, b in found.items() if b is not None] == [OKX]
    assert risk.second_source(ledger, story.policy, OKX, story.now) == 3_000


def test_a_net_delta_breach_pages_with_its_numbers_and_halts_nothing() -> None:
    one = desk()
    assert risk.delta_breach(one.ledger, one.policy, ETH) is None
    off = one.at_position(quantity=D("-9.95"))
    assert risk.delta_breach(off.ledger, off.policy, ETH) is None
    off = one.at_position(quantity=D("-9.94"))
    breach = risk.delta_breach(off.ledger, off.policy, ETH)
    assert breach is not None
    assert (breach.limit, breach.observed, breach.allowed) == (Limit.NET_DELTA, D("0.06"), D("0.05"))
    assert risk.trading_state(off.ledger, off.policy) is risk.TradingState.ACTIVE
    for ago_ms, allowed in ((12_000, None), (12_001, D("0.01")), (-1, D("0.01"))):  # two seconds for flow, ten for passive orders
        off = one.at_position(quantity=D("-9.98"))
        long = risk.delta_breach(replace(off.ledger, strayed_at={ETH: off.now - ago_ms}), off.policy, ETH)
        assert (None if long is None else long.allowed) == allowed
    unknown = risk.delta_breach(replace(one.ledger, positions={}), one.policy, ETH)
    assert unknown is not None
    assert (unknown.limit, unknown.observed) == (Limit.NET_DELTA, None)


def test_an_asset_that_nothing_listed_can_hedge_is_told() -> None:
    story = book(policy_for("ETH", collateral_assets={ETH: ETH, Asset("SOL"): Asset("SOL")})) >> collateral("SOL", "7") >> decision_due()
    breach = risk.delta_breach(story.ledger, story.policy, Asset("SOL"))
    assert breach is not None
    assert (breach.limit, breach.observed) == (Limit.NO_INSTRUMENT, 7)
    without = replace(story.ledger, instruments={})
    unlisted = risk.delta_breach(without, story.policy, ETH)
    assert unlisted is not None
    assert (unlisted.limit, unlisted.observed) == (Limit.NO_INSTRUMENT, None)


def test_a_flipped_funding_is_a_limit_that_is_told_and_grades_the_instrument() -> None:
    one = desk()
    slot = slot_at(one.ledger, one.policy, one.now, OKX)
    assert slot is not None
    assert slot.grade is Grade.PREFERRED
    flipped = FundingState(rate=D(0), interval_ms=1, annual=D("-0.3"), observed_at=0, flipped=True)
    bent = replace(one.ledger, funding={OKX: flipped})
    slot = slot_at(bent, one.policy, one.now, OKX)
    assert slot is not None
    assert slot.grade is Grade.AVOID
    assert Limit.FUNDING_FLIP in {b.limit for b in breaches(bent, one.policy, one.now)}
    assert Limit.FUNDING_FLIP not in {b.limit for b in breaches(one.ledger, one.policy, one.now)}


@pytest.mark.parametrize(("ago_ms", "grade"), [(59_999, Grade.HOLD), (60_000, Grade.PREFERRED)])
def test_f34_an_instrument_that_was_deleveraged_rests(ago_ms: int, grade: Grade) -> None:
    one = desk()
    slot = slot_at(one.at_position(deleveraged_at=one.now - ago_ms).ledger, one.policy, one.now, OKX)
    assert slot is not None
    assert slot.grade is grade


@pytest.mark.parametrize(
    ("times", "ago_ms", "grade"),
    [(1, 2_000, Grade.PREFERRED), (2, 59_999, Grade.HOLD), (2, 60_000, Grade.PREFERRED), (3, 119_999, Grade.HOLD)],
)
def test_f19_an_instrument_that_failed_twice_is_no_place_to_move_to(times: int, ago_ms: int, grade: Grade) -> None:
    one = desk().orders(*[past_order(OrderState.REFUSED, ago_ms=ago_ms)] * times)
    slot = slot_at(one.ledger, one.policy, one.now, OKX)
    assert slot is not None
    assert slot.grade is grade


def test_f46_a_clock_that_stepped_far_back_prolongs_no_rest() -> None:
    one = desk().orders(past_order(OrderState.REFUSED, ago_ms=-3_600_000))
    assert one.breach() is None


@pytest.mark.parametrize(
    ("bend", "most", "binding"),
    [
        (lambda d: d, "12", Limit.VENUE_SHARE),
        (lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("11000", "10")}), "11", Limit.LEVERAGE),
        (lambda d: d.limits(**THIN).venue(margins={"USDT": margin_report("30000", "19000")}), "10", Limit.MARGIN_RATIO),
        (lambda d: d.venue(margins={"USDT": margin_report("8250", "10")}), "10", Limit.LEVERAGE),  # thin, and not below the least
        (
            lambda d: d.venue(margins={"USDT": margin_report("6600", "10")}, margin_positions={OKX: D(-10)}),
            "8",
            Limit.MARGIN_BUFFER,
        ),  # 27.5 % of 24,000 USD
        (lambda d: d.venue(margins={}), "10", Limit.MARGIN_UNKNOWN),
        (lambda d: d.venue(link=VenueLink.DOWN), "10", Limit.VENUE_LINK),
        (lambda d: d.limits(venue_share_max=D("0.499")), "10", Limit.VENUE_SHARE),  # drifted over by less than a move is worth
        (lambda d: d.limits(venue_share_max=D("0.4")), "8", Limit.VENUE_SHARE),
    ],
)
def test_what_an_instrument_may_carry_and_what_binds(bend: Callable[[Desk], Desk], most: str, binding: Limit) -> None:
    one = bend(desk())
    slot = slot_at(one.ledger, one.policy, one.now, OKX)
    assert slot is not None
    assert (slot.short, slot.most, slot.binding) == (D(10), D(most), binding)


def test_an_unknown_position_elsewhere_at_the_venue_keeps_its_share_unknown() -> None:
    story = book(policy_for("BTC", "ETH", venues=("okx", "bybit"))) >> evenly("20") >> decision_due()
    story << place(BYBIT, "-10") << place(OKX, "-10") >> filled(BYBIT, OKX) >> wide() >> decision_due()
    positions = {i: p for i, p in story.ledger.positions.items() if i != "okx:BTC"}
    one = Desk(ledger=replace(story.ledger, positions=positions), policy=story.policy, now=story.now)
    breach = one.breach()
    assert breach is not None
    assert breach.limit is Limit.COLLATERAL_UNKNOWN
    assert exposure.gross_notional(one.ledger, one.policy) is None
    elsewhere = {i: p for i, p in story.ledger.positions.items() if i != "bybit:BTC"}
    other = replace(one, ledger=replace(story.ledger, positions=elsewhere)).breach()
    assert other is not None
    assert (other.limit, other.observed) == (Limit.GROSS_NOTIONAL, None)


def test_c17_every_default_is_inside_its_ceiling_and_every_ceiling_names_a_limit() -> None:
    policy = Policy()
    for name, ceiling in CEILINGS.items():
        assert ceiling.lowest <= Decimal(getattr(policy, name)) <= ceiling.highest, name
