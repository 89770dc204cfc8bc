"""What a named person may do to the book, and what the last word about an order may be."""

from __future__ import annotations

from decimal import Decimal

import pytest

from bot.core import events as ev
from bot.core.limits import Limit
from bot.core.operation import apply_act, why_not_resolved
from bot.core.order import OrderState
from bot.core.policy import Policy
from bot.core.records import Ledger, TradingState
from bot.core.trading import state_of
from bot.core.units import ClientOrderId, VenueId
from tests.core.openings import BYBIT, OKX, hedged, in_doubt_at_okx
from tests.core.operators import resolves
from tests.core.playbook import fill, holds, net_delta, order_is, says

D = Decimal
OKX_VENUE = VenueId("okx")
POLICY = Policy()
REDUCE, HALT, RESUME, RESOLVE, *_ = ev.OperatorAction


def acted(action: ev.OperatorAction, by: str = "alice", venue: VenueId | None = None, **order: object) -> ev.OperatorActed:
    return ev.OperatorActed(at=7, action=action, by=by, why="a drill", venue=venue, **order)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize("venue", [None, OKX_VENUE])
@pytest.mark.parametrize(("action", "state"), [(REDUCE, TradingState.REDUCING), (HALT, TradingState.HALTED)])
def test_c18_a_word_of_a_person_stands_until_a_person_resumes(
    action: ev.OperatorAction, state: TradingState, venue: VenueId | None
) -> None:
    ledger = apply_act(Ledger(), acted(action, venue=venue), POLICY)
    assert state_of(ledger, venue) is state
    (cause,) = ledger.states
    assert (cause.cause, cause.by, cause.why, cause.latched, cause.since) == (Limit.OPERATOR, "alice", "a drill", True, 7)
    assert ledger.notes[0].sentence == f"{action.value} of {venue or 'book'} by alice: a drill"
    other = OKX_VENUE if venue is None else None
    assert state_of(apply_act(ledger, acted(RESUME, venue=other), POLICY), venue) is state, "resumed by its own name only"
    assert apply_act(ledger, acted(RESUME, by="bob", venue=venue), POLICY).states == ()


@pytest.mark.parametrize("action", list(ev.OperatorAction))
@pytest.mark.parametrize("by", ["", "  "])
def test_nobody_does_nothing(action: ev.OperatorAction, by: str) -> None:
    halted = apply_act(Ledger(), acted(HALT), POLICY)
    ledger = apply_act(halted, acted(action, by=by), POLICY)
    assert ledger.states == halted.states
    assert ledger.notes[-1].sentence == f"{action.value} by nobody: nothing is changed"


def test_an_order_that_a_person_did_not_find_is_absent_and_its_venue_is_read_again() -> None:
    story = in_doubt_at_okx() >> resolves(OKX, None) << order_is(OKX, OrderState.ABSENT) << net_delta("ETH", "10")
    assert not story.ledger.venues[OKX_VENUE].reconciled
    story >> fill(OKX, "-10") << order_is(OKX, OrderState.FILLED) << holds(OKX, "-10")  # a person may be wrong: a fill always counts
    story.close()


@pytest.mark.parametrize(("filled", "state"), [("-10", OrderState.FILLED), ("-4", OrderState.CANCELED), ("0", OrderState.ABSENT)])
def test_an_order_that_a_person_found_ends_with_what_filled_of_it(filled: str, state: OrderState) -> None:
    story = in_doubt_at_okx() >> resolves(OKX, filled) << order_is(OKX, state) << holds(OKX, filled)
    story.close()


def test_what_filled_meanwhile_counts_once() -> None:
    story = in_doubt_at_okx() >> fill(OKX, "-3") >> resolves(OKX, "-4") << order_is(OKX, OrderState.CANCELED) << holds(OKX, "-4")
    (story >> fill(OKX, "-1") << holds(OKX, "-4")).close()


@pytest.mark.parametrize(
    ("instrument", "filled", "words"),
    [
        (BYBIT, "0", "is filled, not in doubt"),
        (OKX, "4", "an order of -10.000 cannot have filled +4"),
        (OKX, "-11", "an order of -10.000 cannot have filled -11"),
        (OKX, "-2", "-3 of it is known to have filled, more than -2"),
    ],
)
def test_a_word_that_cannot_be_true_is_refused_with_its_reason(instrument: str, filled: str, words: str) -> None:
    story = in_doubt_at_okx() >> fill(OKX, "-3")
    before = story.ledger
    story >> resolves(instrument, filled) << says(words)
    assert (story.ledger.orders, story.ledger.venues) == (before.orders, before.venues)
    story.close()


def test_an_order_that_nobody_knows_is_not_resolved() -> None:
    story = hedged("30")
    for order in (None, ClientOrderId("nobody")):
        ledger = apply_act(story.ledger, acted(RESOLVE, client_order_id=order), POLICY)
        assert ledger.orders == story.ledger.orders
        assert ledger.notes[-1].sentence == "not resolved: no such order is known"
    assert why_not_resolved(None, D(0)) == "no such order is known"
