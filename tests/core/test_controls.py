"""The controls C03 to C18 and C22 to C29 of the reliability notes that the core owns: each as one story, and a list of all.

Beside these stories every control has tests where its rule is owned (`test_every_control_has_a_test_that_carries_its_number`). Those of
the shell: C01 and C02 in `tests/shell/test_journal.py` and `tests/shell/test_dispatch.py`, C19 and C20 in `tests/shell/test_control.py`
and `tests/cli/test_operate.py`, C21 with the alerts. C03's list of proofs is each connector's (`tests/adapters/venue/test_outcomes.py`).
"""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bot.core import events as ev
from bot.core import gate, standing
from bot.core.engine import step
from bot.core.execution import draft
from bot.core.limits import Breach, Effect, Limit
from bot.core.order import OrderState
from bot.core.units import Asset, InstrumentId, VenueId
from tests.core.market_words import narrow
from tests.core.openings import BINANCE, BYBIT, OKX, hedged, in_doubt_at_okx
from tests.core.playbook import (
    after,
    breach,
    collateral,
    confirmed,
    decision_due,
    ended,
    evenly,
    filled,
    link,
    net_delta,
    nothing,
    order_is,
    outcome_unknown,
    place,
    refused,
    venue_acts,
)
from tests.core.story import Story, quote_of

D = Decimal
HERE = Path(__file__).parent


def asked(story: Story, quantity: str = "-1", instrument: str = OKX) -> Breach | None:
    order, _ = draft(story.ledger, story.policy, InstrumentId(instrument), D(quantity), story.now, "test")
    assert order is not None
    return gate.order_breach(story.ledger, story.policy, order, story.now)


def test_c03_only_what_is_proven_ends_as_refused() -> None:
    story = hedged("30") >> after(500) >> evenly("36") >> decision_due()
    story << place(OKX, "-2") << place(BYBIT, "-2") << place(BINANCE, "-2") >> refused(OKX) << order_is(OKX, OrderState.REFUSED)
    story >> outcome_unknown(BYBIT) << order_is(BYBIT, OrderState.IN_DOUBT)
    story >> ended(BINANCE, None) << order_is(BINANCE, OrderState.IN_DOUBT)  # an end without a figure proves nothing


def test_c04_a_doubt_blocks_its_own_instrument_and_no_other() -> None:
    story = in_doubt_at_okx() >> narrow("39") >> collateral("ETH", "36") >> decision_due() << place(BYBIT, "-3") << place(BINANCE, "-3")
    found = gate.order_breach(story.ledger, story.policy, replace(story.order(OKX), quantity=D(-1)), story.now)
    assert found is not None
    assert (found.limit, found.subject) == (Limit.IN_DOUBT, OKX)


def test_c05_a_doubt_counts_in_full_for_its_own_side_and_as_nothing_for_the_other() -> None:
    story = in_doubt_at_okx() << net_delta("ETH", "0", "10") >> decision_due() << nothing()
    (story >> evenly("20") >> decision_due() << nothing() << net_delta("ETH", "-10", "0")).close()


def test_c06_every_order_that_reduces_a_position_is_reduce_only() -> None:
    story = hedged("30") >> evenly("24") >> decision_due()
    for instrument in (OKX, BYBIT, BINANCE):
        story << place(instrument, "2", reduce_only=True)


@pytest.mark.parametrize("limit", [Limit.ORDERS_IN_DOUBT, Limit.DOUBT_NOTIONAL])
def test_c04_too_much_in_doubt_makes_the_book_reducing(limit: Limit) -> None:
    """Ten ETH at 3,000 are in doubt."""
    story = in_doubt_at_okx()
    few = {"orders_in_doubt_max": 0} if limit is Limit.ORDERS_IN_DOUBT else {"doubt_notional_max": D(29_999)}
    assert asked(story, instrument=BYBIT) is None
    story.policy = replace(story.policy, **few)  # type: ignore[arg-type]  # one of the two
    found = next(b for b in standing.breaches(story.ledger, story.policy, story.now) if b.limit is limit)
    assert (found.effect, found.subject) == (Effect.REDUCING, "book")
    assert (found.observed, found.allowed) == ((D(1), D(0)) if limit is Limit.ORDERS_IN_DOUBT else (D(30_000), D(29_999)))
    assert story.statement().trading_state == "reducing"
    in_the_gate = asked(story, instrument=BYBIT)
    assert in_the_gate is not None
    assert in_the_gate.limit is limit


def test_c08_a_stale_or_missing_reference_refuses() -> None:
    story = hedged("30") >> evenly("33")
    for bent in (replace(quote_of(OKX, D(3_000), story.now), mark=None), quote_of(OKX, D(3_000), story.now - 3_001)):
        quotes = tuple(bent if q.instrument == OKX else q for q in story.quotes())
        result = step(story.ledger, ev.DecisionDue(at=story.now, quotes=quotes), story.policy)
        assert OKX not in {getattr(c, "instrument", None) for c in result.commands}


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("field", ["bid", "ask", "bid_quantity", "mark", "index"])
def test_c16_a_quote_of_no_numbers_is_none_and_nothing_is_priced_on_it(figure: str, field: str) -> None:
    story = hedged("30") >> evenly("33")
    bent = replace(quote_of(OKX, D(3_000), story.now), **{field: D(figure)})  # type: ignore[arg-type]  # a figure
    quotes = tuple(bent if q.instrument == OKX else q for q in story.quotes())
    result = step(story.ledger, ev.DecisionDue(at=story.now, quotes=quotes), story.policy)
    assert {getattr(c, "instrument", None) for c in result.commands} == {BYBIT, BINANCE}
    assert Limit.QUOTE_AGE in {b.limit for b in standing.breaches(result.ledger, story.policy, story.now)}


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-1"])
def test_c16_a_total_price_or_market_that_is_no_number_is_not_taken_over(figure: str) -> None:
    story = hedged("30")
    bad = D(figure)
    total = ev.CollateralObserved(at=story.now, source="custody", location="vault", asset=Asset("ETH"), quantity=bad, redemption_rate=D(1))
    after_total = step(story.ledger, total, story.policy).ledger
    assert (after_total.holdings, set(after_total.sources_unreadable)) == (story.ledger.holdings, {"custody"})
    rate = replace(total, quantity=D(1), redemption_rate=bad)
    assert step(story.ledger, rate, story.policy).ledger.holdings == story.ledger.holdings
    price = ev.ReferencePriceObserved(at=story.now, source="feed", asset=Asset("USDT"), price=bad)
    assert step(story.ledger, price, story.policy).ledger.references == {}
    size = ev.MarketObserved(at=story.now, instrument=InstrumentId(OKX), open_interest=bad)
    assert step(story.ledger, size, story.policy).ledger.markets[InstrumentId(OKX)].open_interest is None
    if not bad.is_finite():
        parted = ev.DelegationObserved(at=story.now, venue=VenueId("okx"), asset=Asset("USDT"), delegated=bad)
        assert step(story.ledger, parted, story.policy).ledger.delegations == {}


def test_c26_what_a_venue_takes_away_is_hedged_at_the_others() -> None:
    story = hedged("30") >> after(500) >> confirmed() >> venue_acts(OKX, "4") >> decision_due()
    story << place(BINANCE, "-4") >> filled(BINANCE) << net_delta("ETH", "0")


def test_c29_a_lost_venue_takes_nothing_and_its_short_is_not_hedged_twice() -> None:
    story = hedged("30") >> link("okx", "down") >> decision_due() << breach("venue_link", "okx")
    (story >> after(500) >> confirmed() >> collateral("ETH", "33") >> decision_due() << place(BINANCE, "-3"))
    (story >> filled(BINANCE) << net_delta("ETH", "0") >> link("okx", "up") >> decision_due() << nothing()).close()


def test_a_net_delta_breach_pages_and_halts_nothing() -> None:
    story = hedged("30") >> after(500) >> evenly("33")
    found = next(b for b in story.statement().breaches if b.limit is Limit.NET_DELTA)
    assert (found.effect, found.observed) == (Effect.PAGES, D(3))
    assert story.statement().trading_state == "active"


def _tests() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(HERE.glob("test_*.py")))


def test_every_control_has_a_test_that_carries_its_number() -> None:
    carried = {int(n) for name in re.findall(r"def (test_\w+)", _tests()) for n in re.findall(r"_c(\d\d)_", name)}
    assert set(range(3, 19)) | set(range(22, 30)) <= carried


def test_every_limit_is_shown_to_bite_somewhere() -> None:
    named = set(re.findall(r"Limit\.([A-Z_]+)", _tests())) | {w.upper() for w in re.findall(r'breach\("(\w+)"', _tests())}
    assert {limit.value for limit in Limit if limit.name not in named} == set()


def test_a_broken_invariant_halts_with_its_limit() -> None:
    story = hedged("30")
    story.ledger = replace(story.ledger, invariants_broken=("x",))
    assert (story.statement().trading_state, story.statement().trading.cause) == ("halted", Limit.INVARIANT.value)
    found = asked(story)
    assert found is not None
    assert (found.limit, found.detail) == (Limit.TRADING_STATE, "halted")
