"""The story of an order and of a decision, as the journal has it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.cli import app
from bot.core.commands import PlaceOrder
from bot.core.events import DecisionDue
from bot.core.limits import Limit
from bot.core.order import OrderState
from bot.core.units import ClientOrderId
from bot.shell.explain import NotTold, Story, story_of_decision, story_of_order
from bot.simulator.virtual_time import run_virtually
from tests.shell.bench import Bench
from tests.shell.recorded import eventful, placed


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bench]:
    path = tmp_path_factory.mktemp("told") / "journal.sqlite"

    async def story() -> Bench:
        bench = await eventful(path)
        await bench.stop()
        return bench

    return path, run_virtually(story())


def of_order(path: Path, order: str) -> Story:
    journal = SqliteReader(path)
    try:
        return story_of_order(journal, ClientOrderId(order))
    finally:
        journal.close()


def test_every_order_has_a_story_that_ends_as_the_ledger_has_it(told: tuple[Path, Bench]):
    path, bench = told
    orders = placed(bench)
    assert len(orders) >= 6
    for command in orders:
        story = of_order(path, command.client_order_id)
        (end,) = story.ends
        known = bench.ledger.orders[command.client_order_id]
        assert (end.order.state, end.order.filled, end.open) == (known.state, known.filled, False)
        assert story.lines[0].sentence == "the intent is recorded, then sent"
        assert [line.seq for line in story.lines] == sorted(line.seq for line in story.lines)
        assert story.lines[-1].filled == known.filled
        assert command in [numbers.command for numbers in story.decision.orders]
        assert not story.decision.differs


def test_a_lost_answer_is_told_with_the_question_and_what_was_found(told: tuple[Path, Bench]):
    path, bench = told
    lost = [o for o in bench.ledger.orders.values() if o.instrument.startswith("okx") and o.doubted_at is None]
    stories = [of_order(path, o.client_order_id) for o in lost]
    doubted = [s for s in stories if any(line.state == "in_doubt" for line in s.lines)]
    assert doubted, "no order was ever in doubt"
    words = [line.sentence for line in doubted[0].lines]
    assert any(w.startswith("no proof either way") for w in words)
    assert doubted[0].ends[0].order.state is OrderState.FILLED


def test_the_numbers_are_those_of_the_decision(told: tuple[Path, Bench]):
    path, bench = told
    command = placed(bench)[0]
    story = of_order(path, command.client_order_id)
    (eth,) = story.decision.assets
    assert eth.collateral is not None
    assert eth.collateral.low == eth.collateral.high == Decimal(80)
    assert eth.net_delta is not None
    assert eth.net_delta.low == Decimal(80)
    assert eth.gap == Decimal(80)
    targets = [leg.target for leg in story.decision.legs if leg.target is not None]
    assert abs(sum(targets, Decimal(0)) - 80) < Decimal("0.1")
    assert any(limit.startswith("venue_share") for leg in story.decision.legs for limit in leg.limits)
    leg = next(leg for leg in story.decision.legs if leg.instrument == command.instrument)
    assert leg.quote is not None
    assert leg.quote.bid < leg.quote.ask
    numbers = next(n for n in story.decision.orders if n.command == command)
    checks = {check.limit: check for check in numbers.checks}
    assert {Limit.PRICE_COLLAR, Limit.ORDER_NOTIONAL, Limit.VENUE_SHARE, Limit.GROSS_NOTIONAL, Limit.MARGIN_RATIO} <= checks.keys()
    for check in numbers.checks:
        assert check.observed is not None
        assert check.allowed is not None
        assert check.observed >= check.allowed if check.is_least else check.observed <= check.allowed, check


def test_fills_fees_and_the_position_after_are_those_of_the_venue(told: tuple[Path, Bench]):
    path, bench = told
    command = placed(bench)[0]
    (end,) = of_order(path, command.client_order_id).ends
    venue = bench.ledger.venue_of(command.instrument)
    exchange = bench.world.exchanges[venue]
    fills = [f for f in exchange.fills("hedge", None, 1, 100_000) if f.client_order_id == command.client_order_id]
    assert end.fills == len(fills) > 0
    assert sum(end.fees.values(), Decimal(0)) == sum((f.fee for f in fills), Decimal(0))
    assert end.position == command.quantity


def test_a_decision_is_told_with_all_its_orders_and_one_without_is_told_too(told: tuple[Path, Bench]):
    path, _ = told
    journal = SqliteReader(path)
    entries = [e for e in journal.entries() if any(isinstance(x, DecisionDue) for x in e.events)]
    for entry in entries[:12]:
        story = story_of_decision(journal, entry.seq)
        orders = [c.client_order_id for c in entry.commands if isinstance(c, PlaceOrder)]
        assert [end.order.client_order_id for end in story.ends] == orders
        assert (story.seq, story.decision.at) == (entry.seq, next(e.at for e in entry.events if isinstance(e, DecisionDue)))
    first = next(e.seq for e in journal.entries() if not any(isinstance(x, DecisionDue) for x in e.events))
    with pytest.raises(NotTold, match="holds no decision; the next one stands in entry"):
        story_of_decision(journal, first)
    with pytest.raises(NotTold, match="no decision stands in entry"):
        story_of_decision(journal, journal.length + 1)
    journal.close()


def test_an_order_that_nobody_placed_is_refused_in_one_sentence(told: tuple[Path, Bench]):
    path, _ = told
    done = CliRunner().invoke(app, ["explain", "h0001nothing", "--journal", str(path)])
    assert (done.exit_code, len(done.output.splitlines())) == (2, 1)
    assert "no order h0001nothing was ever placed" in done.output


def test_without_a_journal_and_without_one_configuration_here_it_says_what_to_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["explain", "12"])
    assert done.exit_code == 2
    assert "--journal: is not given" in done.output


def test_the_screen_holds_the_story_and_json_every_digit(told: tuple[Path, Bench]):
    path, bench = told
    command = placed(bench)[0]
    screen = CliRunner().invoke(app, ["explain", command.client_order_id, "--journal", str(path)]).output
    assert len(screen.splitlines()) <= 40
    for word in (command.client_order_id, "net delta", "the gate held it to", "venue_share", "the intent is recorded", "position after"):
        assert word in screen
    document = json.loads(CliRunner().invoke(app, ["explain", command.client_order_id, "--journal", str(path), "--json"]).output)
    assert document["decision"]["orders"][0]["command"]["price"] == f"{command.price:f}"
    assert document["ends"][0]["order"]["state"] == "filled"
