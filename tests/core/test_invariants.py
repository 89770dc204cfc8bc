"""Each sentence that must be true of a ledger, broken on purpose."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from bot.core.engine import step
from bot.core.events import CollateralConfirmed, OperatorActed, OperatorAction, SessionStarted
from bot.core.invariants import broken
from bot.core.order import Order, OrderState, Trigger, advance
from bot.core.records import Holding, Ledger, Position
from bot.core.seen import Seen
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId
from tests.core.story import policy_for
from tests.core.test_order import order

D = Decimal
OKX_ETH = InstrumentId("okx:ETH")


def holding(*orders: Order) -> Ledger:
    return Ledger(orders={ClientOrderId(f"x{n}"): replace(o, client_order_id=ClientOrderId(f"x{n}")) for n, o in enumerate(orders)})


def test_all_hold_for_sound_orders() -> None:
    assert broken(holding(order(), order(OrderState.FILLED, fills_filled=D(-10)), order(OrderState.ABSENT))) == ()


def test_i01_an_order_filled_beyond_its_quantity_or_the_other_way() -> None:
    assert broken(holding(order(fills_filled=D(-11)))) == ("order x0 of -10 filled -11",)
    assert broken(holding(order(reported_filled=D(1)))) == ("order x0 of -10 filled 1",)


def test_an_end_without_an_instant() -> None:
    assert broken(holding(order(OrderState.REFUSED, closed_at=None))) == ("order x0 is refused without an end",)


def test_an_order_that_expires_before_it_is_placed() -> None:
    assert broken(holding(order(expires_at=0))) == ("order x0 expires before it is placed",)


def test_two_open_orders_of_one_instrument() -> None:
    assert broken(holding(order(), order(OrderState.IN_DOUBT))) == ("2 orders are open on okx:ETH, where one at a time is the rule",)


def test_an_order_that_the_venue_reopened_is_the_venues_contradiction_and_not_ours() -> None:
    assert broken(holding(order(), order(OrderState.IN_DOUBT, closed_at=500))) == ()


def test_an_order_beside_one_of_which_nothing_can_execute_any_more() -> None:
    over = order(OrderState.IN_DOUBT, doubted_at=100, spent_at=900)
    assert broken(holding(over, order())) == ()
    assert broken(holding(advance(over, Trigger.ACCEPTED, 950), order())) == ()  # the venue's contradiction, not ours
    assert broken(holding(over, order(), order())) == ("2 orders are open on okx:ETH, where one at a time is the rule",)


def test_negative_collateral() -> None:
    row = Holding(source="s", location="l", asset=Asset("ETH"), quantity=D(-1), redemption_rate=None, observed_at=0)
    assert broken(Ledger(holdings={("s", "l", Asset("ETH")): row})) == ("collateral ETH at l is negative: -1",)


def test_what_was_checked_is_not_looked_at_again_and_what_changed_is() -> None:
    sound = holding(order(), order(OrderState.REFUSED))
    worse = replace(sound, orders={**sound.orders, ClientOrderId("x1"): order(OrderState.REFUSED, expires_at=0)})
    assert broken(worse, sound) == ("order e1000001 expires before it is placed",)
    assert broken(worse, worse) == ()


def test_a_broken_invariant_halts_over_every_restart_is_told_once_and_ends_by_a_named_person() -> None:
    policy = policy_for("ETH")
    started = SessionStarted(at=4, epoch="e2", config_hash="c", policy=policy)
    ledger = step(holding(order(expires_at=0)), started, policy).ledger
    assert ledger.invariants_broken == ("order x0 expires before it is placed",)
    again = step(ledger, CollateralConfirmed(at=2, source="custody"), policy).ledger
    assert [n.sentence for n in again.notes] == ["HALTED: order x0 expires before it is placed"]
    healed = step(replace(again, orders={}), CollateralConfirmed(at=3, source="custody"), policy).ledger
    assert healed.invariants_broken, "what healed by itself is still a mistake of ours"
    assert step(healed, started, policy).ledger.invariants_broken == healed.invariants_broken, "a restart is nobody"
    for by, action in (("", RESUME), ("alice", REDUCE)):
        assert step(healed, acted(action, by), policy).ledger.invariants_broken == healed.invariants_broken
    of_a_venue = replace(acted(RESUME), venue=VenueId("okx"))
    assert step(healed, of_a_venue, policy).ledger.invariants_broken == healed.invariants_broken
    assert step(healed, acted(RESUME), policy).ledger.invariants_broken == ()
    assert step(again, acted(RESUME), policy).ledger.invariants_broken != (), "what is still broken breaks again at once"


REDUCE, RESUME = OperatorAction.REDUCE, OperatorAction.RESUME


def acted(action: OperatorAction, by: str = "alice") -> OperatorActed:
    return OperatorActed(at=5, action=action, by=by, why="looked at it")


def test_i07_a_position_that_moves_without_a_word_or_vanishes() -> None:
    known = Ledger(positions={OKX_ETH: Position(quantity=D(-3))})
    moved = replace(known, positions={OKX_ETH: Position(quantity=D(-2))})
    assert broken(moved, known) == ("the position of okx:ETH moved from -3 to -2, and nothing told why",)
    assert broken(replace(known, positions={}), known) == ("the position of okx:ETH vanished from the record",)
    assert broken(moved) == (), "without a ledger from before there is nothing to compare"


def test_i07_a_fill_an_order_or_a_reading_tells_why() -> None:
    known = Ledger(positions={OKX_ETH: Position(quantity=D(-3))}, orders={ClientOrderId("x"): order(OrderState.WORKING)})
    moved = replace(known, positions={OKX_ETH: Position(quantity=D(-4))})
    filled = replace(moved, orders={ClientOrderId("x"): order(OrderState.WORKING, fills_filled=D(-1))})
    assert broken(filled, known) == ()
    assert broken(replace(moved, orders={ClientOrderId("x"): order(OrderState.WORKING, fills_filled=D(-2))}), known) != ()
    assert broken(replace(moved, fill_ids={OKX_ETH: Seen.of(["f1"])}), known) == ()
    adopted = replace(moved, positions={OKX_ETH: Position(quantity=D(-4), adopted_here_at=5)})
    assert broken(adopted, known) == ()
