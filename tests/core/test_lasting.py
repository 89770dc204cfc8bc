"""Answers that outlive a ledger are those that a ledger without any would give, and follow from nothing but their ground."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any, ClassVar

import pytest
import structlog

from bot.core import lasting, margin_pool, margin_room, marks, staleness
from bot.core.commands import PlaceOrder
from bot.core.copying import replace
from bot.core.engine import Step, step
from bot.core.events import DecisionDue, Quote, VenueReported
from bot.core.policy import Policy
from bot.core.records import Holding, Ledger, Market, VenueRecord
from bot.core.units import Asset, InstrumentId, VenueId
from bot.drivers.chaos.command import timed
from bot.shell import loop
from tests.core.foreign import foreign
from tests.core.openings import OKX, hedged
from tests.core.story import T0, listed, margin_report, policy_for, quote_of
from tests.core.test_order import order

D = Decimal
ETH, BYBIT = Asset("ETH"), InstrumentId("bybit:ETH")
POLICY = policy_for("ETH", venues=("bybit", "okx"))
BOOK = Ledger(
    decided_at=T0,
    instruments={i.id: i for i in (listed("bybit", "ETH"), listed("okx", "ETH"))},
    quotes={i: quote_of(i, D(3_000), T0) for i in (BYBIT, InstrumentId(OKX))},
    venues={VenueId("okx"): VenueRecord(margins={Asset("USDT"): margin_report("5")})},
)
SEED, HOURS = 418, 0.1
ACCOUNT = {"margins", "margin_positions", "equity_told", "inverse_told", "margin_marks", "taken_orders"}

Taken = tuple[Ledger, Any, Policy, Step]


@pytest.fixture(scope="module")
def taken() -> Sequence[Taken]:
    """What the shell gave to the step in a seed of chaos, and what came of it: decisions and readings."""
    found: list[Taken] = []

    def seen(ledger: Ledger, event: Any, policy: Policy) -> Step:
        after = step(ledger, event, policy)
        if isinstance(event, DecisionDue | VenueReported):
            found.append((ledger, event, policy, after))
        return after

    before = structlog.get_config()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "step", seen)
        try:
            assert not timed(SEED, HOURS, "safety")[0].violations
        finally:
            structlog.configure(**before)
    return found


def in_words(after: Step) -> tuple[str, ...]:
    """What replays and people hold against each other, digit by digit."""
    return (str(after.commands), str(after.ledger.orders), str(after.ledger.notes), str(after.ledger.targets), str(after.ledger.allocated))


def test_a_ledger_that_remembers_nothing_decides_the_same(taken: Sequence[Taken]) -> None:
    decisions = [t for t in taken if isinstance(t[1], DecisionDue)]
    assert sum(bool(after.commands) for *_, after in decisions) > 20
    for ledger, event, policy, after in decisions:
        bare = dataclasses.replace(ledger)
        for kept in (margin_pool._first, margin_room._rates, margin_room._rooms):
            kept.cache_clear()
        assert "_answers_lately" not in bare.__dict__
        anew = step(bare, event, policy)
        assert anew == after
        assert in_words(anew) == in_words(after)


def test_a_reading_that_is_no_news_would_have_placed_nothing(taken: Sequence[Taken]) -> None:
    told = [t for t in taken if isinstance(t[1], VenueReported)]
    idle = [t for t in told if not t[3].decide_soon]
    assert 5 < len(idle) < len(told)
    for before, event, policy, after in idle:
        due = DecisionDue(at=event.at, quotes=tuple(before.quotes.values()))
        without, having = ([c for c in step(each, due, policy).commands if isinstance(c, PlaceOrder)] for each in (before, after.ledger))
        assert [(c.instrument, c.quantity) for c in without] == [(c.instrument, c.quantity) for c in having]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How often a question was really worked out."""
    found: list[str] = []
    monkeypatch.setattr(marks, "instruments_of", lambda _l, _p, asset: found.append(asset) or (BYBIT, InstrumentId(OKX)))
    return found


CHANGES: Mapping[str, tuple[dict[str, Any], bool]] = {
    "a stamp of a quote": ({"quotes": {i: replace(q, book_at=T0 + 5, mark_at=T0 + 5) for i, q in BOOK.quotes.items()}}, True),
    "a sentence": ({"notes": ("said",), "order_number": 7}, True),
    "when it was decided": ({"decided_at": T0 + 10}, True),
    "how large a market is": ({"markets": {BYBIT: Market(open_interest=D(5), volume_24h=None, observed_at=T0)}}, False),
    "a price": ({"quotes": {**BOOK.quotes, BYBIT: replace(BOOK.quotes[BYBIT], bid=D(2_998))}}, False),
    "a price written otherwise": ({"quotes": {**BOOK.quotes, BYBIT: replace(BOOK.quotes[BYBIT], mark=D("3000.0"))}}, False),
    "a mark that grew old": ({"decided_at": T0 + POLICY.quote_age_max_ms * lasting.VALUATION_AGE_FACTOR + 1}, False),
    "the same orders": ({"orders": dict(BOOK.orders)}, True),
    "an order": ({"orders": {o.client_order_id: o for o in (order(),)}}, False),
    "an account": ({"venues": {VenueId("okx"): replace(BOOK.venues[VenueId("okx")], margins={Asset("USDT"): margin_report()})}}, False),
    "an account that says it again": (
        {"venues": {v: replace(r, margins=dict(r.margins), reported_at=5) for v, r in BOOK.venues.items()}},
        True,
    ),
    "an order of others that somebody took over": (
        {"venues": {VenueId("okx"): replace(BOOK.venues[VenueId("okx")], taken_orders=(foreign("9"),))}},
        False,
    ),
    "a venue in quarantine": ({"quarantined": frozenset({VenueId("binance")})}, False),
    "a source has spoken": ({"sources_confirmed_at": {"custody": T0}}, False),
}


@pytest.mark.parametrize(("changes", "lasts"), CHANGES.values(), ids=CHANGES)
def test_what_an_answer_outlives(asked: list[str], changes: dict[str, Any], lasts: bool) -> None:
    first = dataclasses.replace(BOOK)
    assert marks.mark_of_asset(first, POLICY, ETH) == 3_000
    later = replace(replace(first, **changes), tallies=first.tallies)
    assert marks.mark_of_asset(later, POLICY, ETH) == 3_000
    assert len(asked) == (1 if lasts else 2)


def test_an_answer_outlives_time_but_not_a_silence_that_grows(asked: list[str]) -> None:
    policy = dataclasses.replace(POLICY, quote_age_max_ms=10**9)
    book = replace(BOOK, sources_confirmed_at={"custody": T0})
    for number, at in enumerate((0, 60_000, 61_000, 62_000)):
        book = replace(book, decided_at=T0 + at)
        marks.mark_of_asset(book, policy, ETH)
        assert len(asked) == max(number, 1)
    staked, source = Asset("wstETH"), "custody"
    rated = Holding(
        source=source, location="vault", asset=staked, quantity=D(1), redemption_rate=D("1.2"), observed_at=T0 + 1, rate_at=T0
    )  # told again since, without its rate
    book = replace(book, holdings={(source, "vault", staked): rated})
    for asks, at in ((4, 3_600_000), (5, 3_601_000), (6, 3_602_000)):
        book = replace(book, decided_at=T0 + at, sources_confirmed_at={source: T0 + at})
        marks.mark_of_asset(book, policy, ETH)
        assert len(asked) == asks


TOLD: Mapping[str, dict[str, Any]] = {
    "a quote": {"quotes": {**BOOK.quotes, BYBIT: replace(BOOK.quotes[BYBIT], bid=D(2_998))}},
    "a digit": {"quotes": {**BOOK.quotes, BYBIT: replace(BOOK.quotes[BYBIT], mark=D("3000.0"))}},
    "a market": {"markets": {BYBIT: Market(open_interest=D(5), volume_24h=None, observed_at=T0)}},
    "an instant": {"decided_at": T0 + POLICY.quote_age_max_ms * lasting.VALUATION_AGE_FACTOR + 1},
}


@pytest.mark.parametrize("changes", TOLD.values(), ids=TOLD)
def test_figures_are_taken_over_from_what_was_told_the_very_same_alone(changes: dict[str, Any]) -> None:
    first = lasting._Ground(BOOK, POLICY)
    relative = lasting._Ground(replace(BOOK, orders={}), POLICY, first)
    assert relative.figures is first.figures
    other = replace(BOOK, **changes)
    ground, bare = lasting._Ground(other, POLICY, first), lasting._Ground(other, POLICY)
    assert ground.words() == bare.words() != first.words()
    assert not ground.is_as(first)


def test_figures_of_another_policy_are_not_taken_over() -> None:
    book = replace(dataclasses.replace(BOOK), decided_at=T0 + POLICY.quote_age_max_ms * lasting.VALUATION_AGE_FACTOR)
    stricter = dataclasses.replace(POLICY, quote_age_max_ms=POLICY.quote_age_max_ms // 2)
    assert marks.valuation_mark(book, POLICY, BYBIT) is not None
    marks.valuation_mark(book, stricter, BYBIT)
    (_, strict, _), (_, lax, _) = book.__dict__["_answers_lately"]
    assert (strict.figures, lax.figures) == tuple(lasting._Ground(book, policy).figures for policy in (stricter, POLICY))
    assert strict.figures != lax.figures


def test_another_policy_is_asked_anew_and_a_full_room_is_emptied(asked: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    first = dataclasses.replace(BOOK)
    for policy in (POLICY, dataclasses.replace(POLICY), POLICY):
        marks.mark_of_asset(first, policy, ETH)
    assert len(asked) == 2
    monkeypatch.setattr(lasting, "ANSWERS_MAX", 1)
    marks.mark_of_asset(replace(first, decided_at=T0 + 1), POLICY, ETH)
    assert len(asked) == 3


class Seen:
    """Which fields lasting questions read, by class; `deep`: how many of them are being worked out."""

    deep = 0
    fields: ClassVar[set[tuple[type[Any], str]]] = set()


def watched(kind: type[Any]) -> type[Any]:
    """A class of records whose fields tell when a lasting question reads them."""
    names = {f.name for f in dataclasses.fields(kind)}

    def read(self: Any, name: str) -> Any:
        if Seen.deep and name in names:
            Seen.fields.add((kind, name))
        return object.__getattribute__(self, name)

    slots: dict[str, Any] = {"__slots__": ()} if hasattr(kind, "__slots__") else {}
    return type(kind.__name__, (kind,), {"__getattribute__": read, **slots})


class Answers(dict[Any, Any]):
    """Answers that tell when one is being worked out."""

    def __missing__(self, key: Any) -> Any:
        Seen.deep += 1
        raise KeyError(key)

    def __setitem__(self, key: Any, value: Any) -> None:
        Seen.deep -= 1
        super().__setitem__(key, value)


def test_a_lasting_question_reads_nothing_but_its_ground(monkeypatch: pytest.MonkeyPatch, taken: Sequence[Taken]) -> None:
    decisions = [t for t in taken if isinstance(t[1], DecisionDue)]

    def room(ledger: Ledger, policy: Policy) -> dict[Any, Any]:
        found = Answers()
        ledger.__dict__["_answers"] = (policy, None, found)
        return found

    def unwatched(question: Callable[..., Any]) -> Callable[..., Any]:
        def answered(*args: Any) -> Any:
            deep, Seen.deep = Seen.deep, 0
            found = question(*args)
            Seen.deep = deep
            return found

        return answered

    monkeypatch.setattr(lasting, "answers", room)
    monkeypatch.setattr(marks, "values_now", unwatched(lasting.values_now))
    for name in ("unheard", "rate_unheard", "unknown_sources", "partly_told"):  # their answers are ground
        monkeypatch.setattr(staleness, name, unwatched(getattr(staleness, name)))
    book, venue, quote, market = map(watched, (Ledger, VenueRecord, Quote, Market))
    Seen.deep, Seen.fields = 0, set()
    for ledger, event, policy, after in decisions[::5]:
        spied = book(**{f.name: getattr(ledger, f.name) for f in dataclasses.fields(ledger)})
        spied = replace(
            spied,
            venues={v: as_kind(venue, r) for v, r in ledger.venues.items()},
            markets={i: as_kind(market, m) for i, m in ledger.markets.items()},
        )
        due = replace(event, quotes=tuple(as_kind(quote, q) for q in event.quotes))
        assert step(spied, due, policy).commands == after.commands
        assert Seen.deep == 0
    read = {kind: {name for of, name in Seen.fields if of is kind} for kind in (Ledger, VenueRecord, Quote, Market)}
    ground = {"instruments", "holdings", "claims", "places", "positions", "orders", "markets", "flows", "delegations", "mirrored"}
    assert read[Ledger] <= ground | {"venues", "quotes", "quarantined", "foreign_moves", "unconfirmed"}
    assert read[VenueRecord] <= ACCOUNT
    assert read[Quote] <= {"instrument", "bid", "ask", "bid_quantity", "ask_quantity", "mark", "index"}
    assert read[Market] <= {"open_interest", "volume_24h"}
    assert len(read[Ledger]) > 8, "it saw something"


def as_kind(kind: type[Any], record: Any) -> Any:
    """The same record, of a class that is watched."""
    return kind(**{f.name: getattr(record, f.name) for f in dataclasses.fields(record)})


def test_a_hedged_book_is_decided_on_alike_with_and_without_memory() -> None:
    story = hedged("30")
    due = DecisionDue(at=story.now + 1_000, quotes=tuple(story.ledger.quotes.values()))
    assert step(story.ledger, due, story.policy) == step(dataclasses.replace(story.ledger), due, story.policy)
