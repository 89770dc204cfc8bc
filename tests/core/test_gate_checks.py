"""What one order must be by itself, and what a REDUCING book lets leave."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from bot.core import gate, gate_checks
from bot.core.execution import draft
from bot.core.limits import Breach, Limit
from bot.core.order import Order
from bot.core.units import InstrumentId
from tests.core.openings import OKX, hedged
from tests.core.playbook import after, collateral
from tests.core.story import Story

D = Decimal
AT = InstrumentId(OKX)


def order_at(story: Story, quantity: str = "-1", **changes: Any) -> Order:
    order, _ = draft(story.ledger, story.policy, AT, D(quantity), story.now, "test")
    assert order is not None
    return replace(order, **changes)


def breach(story: Story, order: Order) -> Breach | None:
    return gate.order_breach(story.ledger, story.policy, order, story.now)


@pytest.mark.parametrize("figure", ["NaN", "sNaN", "Infinity", "-Infinity", "0"])
@pytest.mark.parametrize(("field", "limit"), [("quantity", Limit.INSTRUMENT_FILTER), ("price", Limit.PRICE_COLLAR)])
@pytest.mark.parametrize("reduces", [False, True])
def test_c16_what_is_no_number_endless_or_nothing_is_refused(figure: str, field: str, limit: Limit, reduces: bool) -> None:
    story = hedged("30")
    found = breach(story, replace(order_at(story, "1" if reduces else "-1"), **{field: D(figure)}))
    assert found is not None
    assert (found.limit, found.subject) == (limit, OKX)


def test_c16_a_negative_price_and_an_unknown_instrument_are_refused() -> None:
    story = hedged("30")
    found = breach(story, order_at(story, price=D(-1)))
    assert found is not None
    assert found.limit is Limit.PRICE_COLLAR
    unknown = breach(story, order_at(story, instrument=InstrumentId("okx:DOGE")))
    assert unknown is not None
    assert (unknown.limit, unknown.subject, unknown.detail) == (Limit.NO_INSTRUMENT, "okx:DOGE", "not listed by its venue")


@pytest.mark.parametrize(
    ("quantity", "changes", "words"),
    [
        ("-1.0005", {}, "contracts, off the lot"),
        ("-1", {"contract_size": D("0.3")}, "contracts, off the lot"),  # the contract size that the order was made for is not this one
        ("-1", {"contracts_max": D(9)}, "contracts, more than the venue takes"),
        ("-1", {"contracts_min": D(11)}, "contracts, less than the venue takes"),
        ("-1", {"tick": D("0.05")}, "off the tick"),
    ],
)
def test_c16_a_quantity_or_price_that_the_venue_does_not_take_is_refused(quantity: str, changes: dict[str, Any], words: str) -> None:
    story = hedged("30")
    assert breach(story, order_at(story)) is None
    order = replace(order_at(story), quantity=D(quantity))
    listed = replace(story.ledger.instruments[AT], **changes)
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, AT: listed})
    found = gate.order_breach(ledger, story.policy, order, story.now)
    assert found is not None
    assert (found.limit, found.detail) == (Limit.INSTRUMENT_FILTER, words)


def test_c10_the_most_contracts_themselves_are_allowed() -> None:
    story = hedged("30")
    listed = replace(story.ledger.instruments[AT], contracts_max=D(10))
    ledger = replace(story.ledger, instruments={**story.ledger.instruments, AT: listed})
    assert gate.order_breach(ledger, story.policy, order_at(story), story.now) is None


def test_c08_a_price_is_held_against_the_second_source_on_its_worse_side_only() -> None:
    story = hedged("30")
    marks = {i: replace(q, mark=D(3_029)) for i, q in story.ledger.quotes.items() if i != OKX}
    ledger = replace(story.ledger, quotes={**story.ledger.quotes, **marks})
    policy = replace(story.policy, reference_deviation_max=D("0.05"))
    only = {AT: story.ledger.quotes[AT], **dict(list(marks.items())[:1])}
    two = replace(ledger, quotes=only)
    found = gate_checks.second_price_breach(two, policy, order_at(story), story.now)
    assert found is not None
    assert (found.limit, found.observed, found.allowed) == (Limit.PRICE_COLLAR, (D(3_029) - D("2995.41")) / 3_029, D("0.01"))
    dear = order_at(story, "1")
    assert gate_checks.second_price_breach(two, policy, dear, story.now) is None
    assert gate_checks.second_price_breach(two, policy, replace(dear, price=D(3_060)), story.now) is not None
    alone = replace(two, quotes={AT: replace(story.ledger.quotes[AT], index=None)})
    unknown = gate_checks.second_price_breach(alone, policy, dear, story.now)
    assert unknown is not None
    assert unknown.limit is Limit.REFERENCE_DEVIATION


def test_c08_without_a_mark_nothing_leaves() -> None:
    story = hedged("30")
    order = order_at(story)
    found = gate_checks.price_breach(replace(story.ledger, quotes={}), story.policy, order, story.now)
    assert found is not None
    assert (found.limit, found.observed) == (Limit.PRICE_COLLAR, order.price)
    assert gate_checks.value_at_mark(replace(story.ledger, quotes={}), order) == order.price


def reducing(collateral_eth: str) -> Story:
    """A book whose journal is not to be trusted, hedged for 30 ETH."""
    story = hedged("30") >> after(500) >> collateral("ETH", collateral_eth)
    story.ledger = replace(story.ledger, journal_doubt="not on disk")
    return story


@pytest.mark.parametrize(
    ("held", "quantity", "refused"),
    [
        ("33", "-3", None),  # three long
        ("33", "-5", None),  # two short is nearer than three long
        ("33", "-6", (D(3), D(3))),
        ("30", "-1", (D(1), D(0))),
        ("27", "-1", (D(4), D(3))),
    ],
)
def test_c18_a_reducing_book_lets_leave_only_what_brings_net_delta_nearer_to_zero(
    held: str, quantity: str, refused: tuple[Decimal, Decimal] | None
) -> None:
    story = reducing(held)
    found = breach(story, order_at(story, quantity))
    assert (None if found is None else (found.limit, found.observed, found.allowed)) == (
        None if refused is None else (Limit.TRADING_STATE, *refused)
    )
    assert breach(story, order_at(story, "1")) is None  # what reduces its position


def test_c18_a_reducing_book_that_does_not_know_its_net_delta_only_reduces_positions() -> None:
    story = reducing("33")
    positions = {i: p for i, p in story.ledger.positions.items() if i == OKX}
    found = gate.INCREASE_CHECKS[5](replace(story.ledger, positions=positions), story.policy, order_at(story), story.now)
    assert found is not None
    assert (found.limit, found.observed) == (Limit.TRADING_STATE, None)
