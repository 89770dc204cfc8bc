"""What a ledger has worked out of its orders is right through any changes, however they came about."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from functools import cached_property
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bot.core import working
from bot.core.copying import replace
from bot.core.lookups import Lookups
from bot.core.order import OrderState
from bot.core.records import Ledger, Position
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from tests.core.test_order import order


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(list(OrderState))), max_size=12), st.booleans())
def test_a_ledger_knows_its_open_orders_through_any_changes(changes: list[tuple[int, OrderState]], asked: bool) -> None:
    ledger = Ledger()
    for number, state in changes:
        if asked:
            _ = ledger.open_orders(), ledger.occupied
        order_id = ClientOrderId(f"x{number}")
        changed = dataclasses.replace(order(state), client_order_id=order_id, instrument=InstrumentId(f"okx:{number}"))
        before = ledger.orders
        ledger = ledger.with_order({**before, order_id: changed}, changed)
        assert ledger.orders_changed_since(before) == (changed,)
        assert ledger.orders_changed_since(ledger.orders) == ()
        ledger = replace(ledger, stopping=not ledger.stopping)
        plain = Ledger(orders=ledger.orders)
        assert ledger.open_orders() == plain.open_orders()
        assert ledger.occupied == plain.occupied
        for instrument in {o.instrument for o in ledger.orders.values()} | {InstrumentId("okx:none")}:
            assert ledger.orders_of(instrument) == tuple(o for o in ledger.orders.values() if o.instrument == instrument)
            assert ledger.open_orders(instrument) == tuple(o for o in plain.open_orders() if o.instrument == instrument)


NAMES = st.integers(0, 5).map(lambda number: ClientOrderId(f"x{number}"))
PLACES = st.integers(0, 2).map(lambda number: InstrumentId(f"okx:{number}"))
ORDERS = st.builds(
    lambda name, where, state: dataclasses.replace(order(state), client_order_id=name, instrument=where),
    NAMES,
    PLACES,
    st.sampled_from(list(OrderState)),
)
POSITIONS = st.dictionaries(PLACES, st.builds(lambda units: Position(quantity=Decimal(units)), st.integers(-1, 1)), max_size=3)
ACTS = st.one_of(
    ORDERS.map(lambda it: ("one order", it)),
    st.lists(ORDERS, max_size=4).map(lambda them: ("orders", {o.client_order_id: o for o in them})),
    POSITIONS.map(lambda them: ("positions", them)),
    st.tuples(ORDERS, POSITIONS).map(lambda both: ("one order and positions", both)),
    st.sampled_from(sorted(f.name for f in dataclasses.fields(Ledger) if f.name not in ("orders", "positions"))).map(lambda n: ("same", n)),
)


def worked_out(ledger: Ledger) -> dict[str, object]:
    """Everything that a ledger looks up and keeps, as it answers now."""
    kept = {name: getattr(ledger, name) for name, what in vars(Lookups).items() if isinstance(what, cached_property)}
    del kept["_memos"]  # asked by itself
    places = {o.instrument for o in ledger.orders.values()} | set(ledger.positions)
    return kept | {f"{i}": (ledger.open_orders(i), ledger.orders_of(i)) for i in places}


def changed(ledger: Ledger, act: tuple[str, Any]) -> Ledger:
    """The ledger after a change, by each of the ways in which one is changed."""
    kind, what = act
    if kind == "same":
        return replace(ledger, **{what: getattr(ledger, what)})
    if kind in ("orders", "positions"):
        return replace(ledger, **{kind: what})
    one, others = (what, {}) if kind == "one order" else (what[0], {"positions": what[1]})
    return ledger.with_order({**ledger.orders, one.client_order_id: one}, one, **others)


@given(st.lists(st.tuples(ACTS, st.booleans(), st.booleans()), max_size=12))
def test_whatever_is_changed_what_is_kept_equals_what_is_worked_out_anew(acts: list[tuple[tuple[str, Any], bool, bool]]) -> None:
    """A copy takes over what its fields still say and nothing else: no answer of the ledger before, nor of a branch of it."""
    ledger = Ledger()
    for act, asks, branches in acts:
        before = ledger
        if asks:
            worked_out(before)
            before.memo(act)["question"] = "answer of the ledger before"
        if branches:  # what is decided as if something were not there leaves no trace in what is
            worked_out(working.as_if_withdrawn(before, [InstrumentId("okx:0")]))
        ledger = changed(before, act)
        fresh = Ledger(**{f.name: getattr(ledger, f.name) for f in dataclasses.fields(Ledger)})
        told = {o.client_order_id: o for o in ledger.orders_changed_since(before.orders)}
        assert told == {i: o for i, o in ledger.orders.items() if before.orders.get(i) is not o}
        assert worked_out(ledger) == worked_out(fresh)
        assert ledger.memo(act) == {}
        plain = Ledger(**{f.name: getattr(before, f.name) for f in dataclasses.fields(Ledger)})
        assert worked_out(before) == worked_out(plain), "the ledger before is left as it was"


def test_orders_that_changed_are_told_after_several_changes_and_dropped_ones_are_not() -> None:
    one, two = (dataclasses.replace(order(), client_order_id=ClientOrderId(name)) for name in ("a", "b"))
    first = Ledger().with_order({one.client_order_id: one}, one)
    second = first.with_order({**first.orders, two.client_order_id: two}, two)
    assert second.orders_changed_since({}) == (one, two)
    assert replace(second, stopping=True).orders_changed_since(first.orders) == (two,)
    assert replace(second, orders={two.client_order_id: two}).orders_changed_since(first.orders) == (two,)
    closed = dataclasses.replace(one, state=OrderState.FILLED, closed_at=3)
    forgotten = second.with_order({two.client_order_id: two}, closed)
    assert forgotten.orders_changed_since(second.orders) == (), "closed and forgotten at once"
    assert forgotten.open_orders() == (two,)


def test_answers_are_kept_per_policy_and_not_by_a_changed_ledger() -> None:
    ledger, one, other = Ledger(), object(), object()
    ledger.memo(one)["question"] = 1
    assert ledger.memo(one) == {"question": 1}
    assert ledger.memo(other) == {}
    assert replace(ledger, stopping=True).memo(one) == {}
    assert ledger.venue_of(InstrumentId("okx:ETH-USDT-SWAP")) == VenueId("okx")
