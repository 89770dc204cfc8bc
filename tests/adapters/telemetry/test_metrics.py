"""Metrics say what the statement says, in Prometheus' own reading of the text."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.adapters.telemetry.book_metrics import BOOK_METRICS
from bot.adapters.telemetry.port import RecordedTelemetry
from bot.adapters.telemetry.prometheus import Metrics
from bot.adapters.telemetry.reference import page
from bot.core.commands import PlaceOrder
from bot.core.events import CollateralConfirmed, DecisionDue, OperatorActed, OperatorAction, OrderOutcomeUnknown
from bot.core.limits import Limit
from bot.core.policy import Policy
from bot.core.statement import BookStatement, StateStatement
from bot.core.units import ClientOrderId, InstrumentId
from bot.ports import DecisionMade
from tests.adapters.telemetry.books import BOOK, EMPTY

ROOT = Path(__file__).resolve().parents[3]
Key = tuple[str, frozenset[tuple[str, str]]]


def scraped(metrics: Metrics) -> dict[Key, float]:
    families = text_string_to_metric_families(metrics.render().decode())
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def shown(book: BookStatement) -> dict[Key, float]:
    metrics = Metrics()
    metrics.show(book)
    return scraped(metrics)


def key(name: str, **labels: str) -> Key:
    return f"hedgebot_{name}", frozenset(labels.items())


PERPETUAL = {"venue": "okx", "instrument": "okx:BTC-USDT-SWAP", "asset": "BTC"}

MIRRORED = {"custodian": "copper", "venue": "okx", "asset": "BTC"}
UNITS = {"units", "usd", "bps", "ratio", "rate", "seconds", "state", "info", "total", "created"}
"""The last word of a name that measures something. `units`: of the asset in its label."""
COUNTS_AND_FLAGS = {
    f"hedgebot_{name}"
    for name in (
        "breaches", "limit_warnings", "invariants_broken", "orders_in_doubt", "venue_orders_in_doubt", "venue_orders_working", "fills",
        "orders", "breaks", "events", "commands", "stay_away", "standby_entries", "funding_settlements", "loop_tasks",
        "journal_quarantined_tails", "journal_waiting_entries", "journal_rewritten_entries", "dead_man_switch_armed", "lease_held",
        "claims", "refused_messages", "lease_epoch", "filled_notional_usd", "request_budget_ratio",
    )
}  # fmt: skip
CLOSED_LABELS = {
    "venue", "instrument", "asset", "field", "location", "source", "bound", "state", "limit", "subject", "outcome", "cause", "kind",
    "budget", "member", "custodian", "issuer",
}  # fmt: skip
"""Configured names, the market's, and the core's enums. An order id, an account or an address is never a label."""

EXPECTED = [
    (key("net_delta_units", asset="BTC", bound="low"), -0.1),
    (key("net_delta_units", asset="BTC", bound="high"), 0.1),
    (key("net_delta_usd", asset="BTC", bound="high"), 6_000),
    (key("net_delta_bps", asset="BTC", bound="low"), -500),
    (key("in_band_state", asset="BTC"), 0),
    (key("hedge_ratio", asset="BTC"), 1),
    (key("collateral_units", asset="BTC", location="custody", source="desk"), 2),
    (key("collateral_age_seconds", asset="BTC", location="custody", source="desk"), 1.5),
    (key("position_units", **PERPETUAL, bound="low"), -0.7),
    (key("target_units", **PERPETUAL), -0.8),
    (key("notional_usd", **PERPETUAL), 42_000),
    (key("funding_annual_ratio", **PERPETUAL), 0.11),
    (key("quote_age_seconds", **PERPETUAL), 0.25),
    (key("venue_link_state", venue="okx", state="stale"), 1),
    (key("venue_link_state", venue="okx", state="up"), 0),
    (key("venue_trading_state", venue="okx", state="halted"), 1),
    (key("venue_trading_state", venue="okx", state="active"), 0),
    (key("venue_share_ratio", venue="okx"), 0.35),
    (key("venue_clock_offset_seconds", venue="okx"), -0.012),
    (key("venue_report_age_seconds", venue="okx"), 4),
    (key("margin_ratio", venue="okx"), 0.02),
    (key("funding_received_usd", venue="okx"), -3.25),
    (key("trading_state", state="reducing"), 1),
    (key("trading_state", state="active"), 0),
    (key("breaches", limit="quote_age"), 2),
    (key("breaches", limit="net_delta"), 1),
    (key("breaches", limit="venue_share"), 0),
    (key("orders_total", outcome="filled"), 7),
    (key("breaks_total", cause="late_fill"), 1),
    (key("fills_total"), 9),
    (key("fees_paid_usd"), 12.5),
    (key("orders_in_doubt"), 2),
    (key("oldest_doubt_seconds"), 1.25),
    (key("settle_exposure_usd", asset="USDT"), 1_000),
    (key("open_interest_share_ratio", **PERPETUAL), 0.0005),
    (key("limit_used_ratio", limit="venue_share", subject="okx"), 0.7),
    (key("slippage_paid_bps"), 2.5),
    (key("collateral_state_units", asset="BTC", location="custody", state="confirmed"), 2),
    (key("collateral_state_units", asset="BTC", location="custody", state="pending"), 0.5),
    (key("collateral_state_units", asset="BTC", location="custody", state="leaving"), 0.25),
    (key("collateral_state_units", asset="BTC", location="custody", state="held_back"), 7),
    (key("collateral_state_units", asset="BTC", location="custody", state="counted"), 1.75),
    (key("claims", state="held"), 1),
    (key("claims", state="pending"), 0),
    (key("delegated_units", **MIRRORED), 9),
    (key("settlement_state", **MIRRORED, state="frozen"), 1),
    (key("settlement_state", **MIRRORED, state="idle"), 0),
    (key("settlement_frozen_state", **MIRRORED), 1),
    (key("settlement_disputed_state", **MIRRORED), 0),
    (key("settlement_due_seconds", **MIRRORED), 90),
    (key("unsettled_profit_usd", venue="okx"), 1_250),
    (key("exposure_at_risk_usd", venue="okx"), 300),
    (key("stable_sleeve_usd", asset="USDT", issuer="Tether"), 5_000),
]


@pytest.mark.parametrize(("sample", "value"), EXPECTED, ids=lambda part: part[0] if isinstance(part, tuple) else "")
def test_the_statement_is_shown(sample: Key, value: float) -> None:
    assert shown(BOOK)[sample] == pytest.approx(value)


def test_unknown_figures_have_no_sample() -> None:
    samples = shown(BOOK)
    assert not [labels for name, labels in samples if ("asset", "ETH") in labels]
    assert key("margin_balance_usd", venue="okx") not in samples
    assert key("oldest_doubt_seconds") not in shown(EMPTY)
    assert key("orders_in_doubt") in shown(EMPTY)


def test_nothing_of_the_book_is_shown_before_the_first_statement() -> None:
    names = {name for name, _ in scraped(Metrics())}
    assert not names & {f"hedgebot_{metric.name}" for metric in BOOK_METRICS}
    assert "hedgebot_decision_seconds_count" in names


def test_every_limit_has_a_sample() -> None:
    assert {dict(labels)["limit"] for name, labels in shown(EMPTY) if name == "hedgebot_breaches"} == {limit.value for limit in Limit}


def test_every_metric_of_the_table_is_shown_by_a_full_book() -> None:
    full = replace(
        BOOK,
        gross_notional_usd=Decimal(1),
        required_notional_usd=Decimal(1),
        net_delta_usd=BOOK.assets[0].net_delta_usd,
        net_delta_bps=BOOK.assets[0].net_delta_bps,
        instruments=(replace(BOOK.instruments[0], liquidation_price=Decimal(9), liquidation_distance=Decimal(2)),),
        venues=(
            replace(
                BOOK.venues[0],
                margin_balance_usd=Decimal(1),
                maintenance_margin_usd=Decimal(1),
                margin_buffer=Decimal(1),
                liquidation_distance=Decimal(1),
            ),
        ),
        collateral=(replace(BOOK.collateral[0], redemption_rate=Decimal("1.2")),),
    )
    names = {name for name, _ in shown(full)}
    assert {f"hedgebot_{metric.name}" for metric in BOOK_METRICS} <= names


def test_every_metric_has_help_and_a_proper_name() -> None:
    metrics = Metrics()
    metrics.show(BOOK)
    metrics.describe_run(version="1", environment="simulation", book="b", config_hash="c", started_at_ms=1_000)
    families = list(text_string_to_metric_families(metrics.render().decode()))
    assert len(families) > 40
    for family in families:
        assert re.fullmatch(r"hedgebot_[a-z_]+", family.name)
        assert family.documentation.endswith("."), family.name
        assert not re.search(r"_(ms|milliseconds|percent|pct)(_|$)", family.name)
        assert family.name.rsplit("_", 1)[-1] in UNITS or family.name in COUNTS_AND_FLAGS, f"{family.name} tells no unit"
        for sample in family.samples:
            own = sample.labels.keys() - {"le", "version", "python", "environment", "book", "config_hash"}
            assert own <= CLOSED_LABELS, f"{family.name}: {own} is of no closed set"
    names = [metric.name for metric in BOOK_METRICS]
    assert len(names) == len(set(names))
    assert all(metric.name.endswith("_total") == metric.counts for metric in BOOK_METRICS)


WANTED = [
    "net_delta_units",
    "net_delta_usd",
    "net_delta_bps",
    "hedge_ratio",
    "collateral_units",
    "position_units",
    "notional_usd",
    "venue_share_ratio",
    "open_interest_share_ratio",
    "margin_ratio",
    "liquidation_distance_ratio",
    "funding_annual_ratio",
    "funding_received_usd",
    "fees_paid_usd",
    "slippage_paid_bps",
    "orders_total",
    "orders_in_doubt",
    "oldest_doubt_seconds",
    "breaches",
    "limit_used_ratio",
    "trading_state",
    "breaks_total",
    "quote_age_seconds",
    "stream_delay_seconds",
    "request_seconds",
    "request_budget_ratio",
    "decision_seconds",
    "loop_lag_seconds",
    "journal_append_seconds",
    "lease_held",
    "lease_epoch",
    "build_info",
    "config_info",
]
"""What the on-call engineer must be able to ask for, at least."""


@pytest.mark.parametrize("name", WANTED)
def test_what_is_asked_for_is_told(name: str) -> None:
    assert f"| `hedgebot_{name}` |" in page()


def test_a_run_that_ends_in_order_says_so() -> None:
    ends = StateStatement(state="halted", cause=Limit.TRADING_STATE.value, why="the run is to end")
    assert shown(replace(BOOK, trading=ends))[key("stopping_state")] == 1
    asked = StateStatement(state="halted", cause=Limit.OPERATOR.value, by="alice", why="drill")
    assert shown(replace(BOOK, trading=asked))[key("stopping_state")] == 0


def test_the_run_is_described() -> None:
    metrics = Metrics()
    metrics.describe_run(version="1.2", environment="simulation", book="demo", config_hash="abc", started_at_ms=1_500)
    samples = scraped(metrics)
    assert samples[key("config_info", environment="simulation", book="demo", config_hash="abc")] == 1
    assert samples[key("started_timestamp_seconds")] == 1.5
    loaded = OperatorActed(at=2, action=OperatorAction.RELOAD, by="a", why="b", policy=Policy(), config_hash="def")
    RecordedTelemetry(metrics).event_folded(loaded, is_news=True)
    told = [dict(labels) for name, labels in scraped(metrics) if name == "hedgebot_config_info"]
    assert told == [{"environment": "simulation", "book": "demo", "config_hash": "def"}]
    assert [labels for name, labels in samples if name == "hedgebot_build_info" and ("version", "1.2") in labels]


def test_events_and_commands_are_counted_by_kind() -> None:
    metrics = Metrics()
    telemetry = RecordedTelemetry(metrics)
    order = ClientOrderId("a1")
    for _ in range(3):
        telemetry.event_folded(DecisionDue(at=1, quotes=()), is_news=True)
    telemetry.event_folded(CollateralConfirmed(at=1, source="desk"), is_news=True)
    telemetry.event_folded(OrderOutcomeUnknown(at=1, client_order_id=order, reason="timeout"), is_news=True)
    telemetry.decided(DecisionMade(at=1, seconds=0.0004, entry=7, commands=()))
    telemetry.command_dispatched(
        PlaceOrder(
            client_order_id=order,
            instrument=InstrumentId("okx:BTC-USDT-SWAP"),
            quantity=Decimal("-0.1"),
            contracts=Decimal(10),
            price=Decimal(1),
            reduce_only=False,
            expires_at=1,
        ),
        7,
    )
    samples = scraped(metrics)
    assert samples[key("events_total", kind="DecisionDue")] == 3
    assert samples[key("events_total", kind="OrderOutcomeUnknown")] == 1
    assert samples[key("commands_total", kind="PlaceOrder")] == 1
    assert samples[key("decision_seconds_count")] == 1


def test_the_page_is_up_to_date() -> None:
    written = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
    assert written == page(), "run: python -m bot.adapters.telemetry.reference docs/metrics.md"
    for name, _ in shown(BOOK):
        assert f"`{re.sub('_(bucket|sum|count|created)$', '', name)}`" in written or name.endswith("_created"), name
