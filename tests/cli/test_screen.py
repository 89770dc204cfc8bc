"""What `hedgebot status` draws: nothing cut at 100 columns, what stands in the way first, and every cause with its reason."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from io import StringIO

import orjson
import pytest
from rich.console import Console

from bot.adapters.telemetry.codec import to_json
from bot.core.acts import Flattening
from bot.core.allocation_terms import Binding
from bot.core.collateral_statement import CollateralRecord
from bot.core.deployment import DeploymentState
from bot.core.events import VenueLink
from bot.core.limits import Breach, Effect, Limit
from bot.core.statement import BookStatement, DecisionStatement, StateStatement
from bot.core.transfers import Transfer
from bot.core.units import Asset, Range, VenueId
from bot.drivers.screen import book_line, book_screen, clock, page
from tests.adapters.telemetry.books import BOOK, BTC, NOW, OKX, REFUSED, UNKNOWN

D = Decimal
BILLIONS = replace(
    BTC,
    asset=Asset("ETH"),
    collateral=Range.exactly(D("623456.789")),
    coin_equity=D("1234.5678"),
    position=Range(D("-623456.7"), D("-613400.1")),
    net_delta=Range(D("-10234.12345"), D("12.5")),
    net_delta_usd=Range(D("-30702370.35"), D("37500")),
    net_delta_bps=Range(D("-163.21"), D("0.02")),
    hedge_ratio=D("0.9987"),
    dust=D("0.0012"),
)
REDUCING = StateStatement(state="reducing", cause="foreign_orders", since=NOW - 9_000, why="2 orders work that are not ours")
VENUES = (
    replace(OKX, venue=VenueId("binanceusdm"), notional_usd=D("1234567890.12"), trading=REDUCING, reconciled=False),
    replace(OKX, link=VenueLink.UP, margin_ratio=D("0.1234"), liquidation_distance=D("0.4567")),
    replace(OKX, venue=VenueId("bybit"), trading=StateStatement(state="active"), liquidation_distance=D("3174.52")),
)

WHOLE = (
    *("binanceusdm ", "reconciled", "collateral", "623,456.79", "-623,456.70", "-613,400.10", "-30,702,370"),
    *("1,234.5678", "0.0012", "1,234,567,890", "12.34 %"),
)


def drawn(book: BookStatement, width: int = 100, **more: bool) -> str:
    console = Console(width=width, file=StringIO(), color_system=None)
    with console.capture() as told:
        console.print(book_screen(orjson.loads(to_json(book)), **more))
    return told.get()


def full(**changes: object) -> BookStatement:
    sentence = "sell 10.000 at 2995.41 or better; ETH: net delta +30; take: at once, and every word of it to the very end"
    decision = DecisionStatement(at=NOW, kind="order", subject="binanceusdm:ETH-USDT", sentence=sentence)
    plain = replace(BOOK, assets=(BTC, BILLIONS, UNKNOWN), venues=VENUES, deployment=(REFUSED,), decisions=(decision,))
    return replace(plain, **changes)  # type: ignore[arg-type]  # fields by name


@pytest.mark.parametrize("width", [100, 140])
def test_no_figure_and_no_name_is_cut(width: int) -> None:
    text = drawn(full(), width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for whole in WHOLE:
        assert whole in text, whole
    assert "very end" in " ".join(text.replace("│", " ").split())


def test_a_state_is_told_with_its_cause_and_its_reason() -> None:
    text = drawn(full())
    assert "trading REDUCING (collateral_age): old" in text
    assert "binanceusdm reducing (foreign_orders since 15:06:31.0): 2 orders work that are not ours" in text
    assert "okx halted (operator since 15:06:31.0 by alice): drill" in text
    assert "bybit active" not in text, "what is active needs no line of its own"


def test_collateral_is_told_by_place_and_state_with_what_is_in_quarantine_and_why() -> None:
    text = " ".join(drawn(full()).split())
    assert "BTC at custody: 2 confirmed, 0.25 of it leaving, 0.5 pending, 7 held back; counted 1.75" in text
    assert "stable sleeve: 5,000 USDT of Tether, 6,000 with what venues hold" in text
    assert "held: deposit D-1 of 7 BTC at custody by nobody: nobody is not among the depositors" in text
    assert "claims: 1 held" in text
    assert "copper mirrors 9 BTC at okx: settlement 7 frozen, frozen, next at 15:08:10.0, unsettled 1,250 USD" in text
    assert "collateral: nothing was told" in drawn(full(record=CollateralRecord()))
    assert "mirrors" not in drawn(full(), wraps=False)


def test_what_holds_back_is_told_before_what_is_only_told_and_the_rest_is_counted() -> None:
    told = [Breach(Limit.RESERVE_COVERAGE, f"no {n}", None, None, "no reserve is told", Effect.TELLS) for n in range(3)]
    text = drawn(full(breaches=(*told, Breach(Limit.NET_DELTA, "BTC", D(500), D(5)), told[0])))
    limits = [line.strip() for line in text.splitlines() if line.startswith("  limit ")]
    assert limits == [
        "limit net_delta on BTC: 500 (allowed 5)",
        "limit reserve_coverage on no 0: no reserve is told",
        "limit reserve_coverage on no 1: no reserve is told",
    ]
    assert "and 2 more" in text
    assert "more limits" not in drawn(full(breaches=()))


def test_a_limit_is_told_with_what_was_found_and_what_it_allows() -> None:
    told = (
        Breach(Limit.VENUE_SHARE, "okx", D("150455.85090"), D("150454.30"), "USD of notional"),
        Breach(Limit.SETTLE_EXPOSURE, "USDT", D("0.9088335513055924936684"), D(1)),
        Breach(Limit.FUNDING_RECORD, "okx:BTC", D("-0.00001234567"), None, "recorded nothing"),
    )
    text = drawn(full(breaches=told))
    assert "limit venue_share on okx: 150,456 (allowed 150,454), USD of notional" in text
    assert "limit settle_exposure on USDT: 0.9088 (allowed 1)\n" in "\n".join(line.rstrip() for line in text.splitlines())
    assert "limit funding_record on okx:BTC: -0.00001235, recorded nothing" in text


@pytest.mark.parametrize(("environment", "columns"), [({}, 100), ({"COLUMNS": "72"}, 72)])
def test_a_page_is_as_wide_as_is_told(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], columns: int) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", StringIO())
    assert page().width == columns


def test_a_refused_deployment_is_told_with_its_reason_and_its_conversion() -> None:
    text = " ".join(drawn(full()).split())
    assert "BTC refused at -1.00 % a year: carry fell below 0.02 a year; in stables 120,000 USD would earn 6,000 more a year" in text
    welcome = replace(REFUSED, state=DeploymentState.WELCOME, conversion=None)
    assert "carry fell" not in drawn(full(deployment=(welcome,)))


def test_a_distance_beyond_all_that_happens_is_no_long_number() -> None:
    text = drawn(full())
    assert "+46 %" in text
    assert "> +999 %" in text
    assert "317" not in text


def test_decisions_may_be_kept_to_a_line_each() -> None:
    text = drawn(full(), wraps=False)
    assert "very end" not in text
    assert "nothing yet" in drawn(full(decisions=()))


def test_a_venue_that_carries_nothing_and_is_up_is_not_in_the_line() -> None:
    venues = (
        replace(OKX, venue=VenueId("a"), link=VenueLink.UP, venue_share=D(0)),
        replace(OKX, venue=VenueId("b"), link=VenueLink.UP, venue_share=D("0.254")),
        replace(OKX, venue=VenueId("c"), link=VenueLink.DOWN, venue_share=D(0)),
    )
    line = book_line(orjson.loads(to_json(full(venues=venues, orders_in_doubt=0))))
    assert line.endswith("| b 25 % | c down 0 %")


def test_the_book_in_one_line() -> None:
    assert book_line(None) == "waiting for the bot"
    line = book_line(orjson.loads(to_json(full())))
    assert line.startswith(
        "reducing | BTC net -0.1000 .. 0.1000 of 2.5000 (-500.00 .. 500.00 bps) | ETH net -10,234.12 .. 12.50 of 624,691.36"
    )
    assert "| ETH net ? of ? (? bps) |" in line
    assert line.endswith("in doubt 2")
    assert "in doubt" not in book_line(orjson.loads(to_json(full(orders_in_doubt=0))))


def test_a_share_that_a_limit_keeps_from_more_is_told_with_the_limit() -> None:
    bound = replace(BOOK.instruments[0], target_limits=(Binding("venue_share", "okx"), Binding("leverage", "okx")))
    assert f"kept from more by a limit: {bound.instrument} (leverage, venue_share)" in drawn(full(instruments=(bound,)))
    assert "nothing is kept from more by a limit" in drawn(full(instruments=(replace(bound, target_limits=()),)))


def test_what_a_person_wants_closed_is_told_once_for_each_wish() -> None:
    one = Flattening(venue=VenueId("okx"), asset=None, since=NOW, by="alice", why="a drill", of_venue=False)
    wishes = (one, replace(one, venue=VenueId("bybit")), replace(one, asset=Asset("BTC"), by="bob", of_venue=True))
    told = drawn(full(flattenings=wishes))
    assert "flattened: everything at okx, bybit, by alice since " in told
    assert "flattened: BTC at okx, by bob since " in told


def test_advice_on_margin_is_one_line_with_its_reason() -> None:
    why = "margin_buffer: 7000 USD of margin, 12750 are needed"
    advice = Transfer(venue=VenueId("okx"), asset=Asset("USDT"), usd=D("6387.5"), source="bybit", why=why)
    assert f"move 6,388 USD of USDT to okx from bybit: {why}" in drawn(full(transfers=(advice,)))


def test_in_the_live_view_a_long_reason_is_cut_and_never_the_hour_or_the_instrument() -> None:
    long = DecisionStatement(
        at=NOW, kind="place", subject="hyperliquid:BTC-USDT-PERPETUAL", sentence="Sell 0.1 BTC; " + "for a reason; " * 40
    )
    text = drawn(replace(full(), decisions=(long,)), wraps=False)
    (row,) = (line for line in text.splitlines() if "Sell 0.1 BTC" in line)
    assert "hyperliquid:BTC-USDT-PERPETUAL" in row
    assert row.split()[1] == clock(NOW)
    assert "…" in row
