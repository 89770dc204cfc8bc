"""Log lines are whole, in order of urgency, and never carry a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.telemetry.logs import configure_logging, logger
from bot.adapters.telemetry.port import RecordedTelemetry
from bot.adapters.telemetry.prometheus import Metrics
from bot.adapters.telemetry.redaction import HIDDEN, Redaction
from bot.core.commands import PlaceOrder, ReadVenue
from bot.core.events import FundingRecordsRead, OrderOutcomeUnknown, VenueLink, VenueLinkChanged
from bot.core.records import Note
from bot.core.units import ClientOrderId, InstrumentId, VenueId
from bot.ports import DecisionMade

CANARY = "k3y-w1th/odd+chars=\"'é"


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("bot")
    targets, levels = list(root.handlers), (root.level, ours.level)
    yield
    root.handlers[:] = targets
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_with_utc_milliseconds() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    logger("bot.venue").info("order placed", quantity=Decimal("-0.10"), link=VenueLink.UP, at=5, nothing=None)
    (line,) = lines(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("timestamp"))
    assert line == {
        "event": "order placed",
        "level": "info",
        "logger": "bot.venue",
        "quantity": "-0.10",
        "link": "up",
        "at": 5,
        "nothing": None,
    }


def test_console_lines_are_for_people() -> None:
    stream = io.StringIO()
    configure_logging(form="console", stream=stream)
    logger().warning("order in doubt", order="a1")
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert "order in doubt" in text
    assert "order=a1" in text
    assert "{" not in text


def test_auto_asks_the_stream() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    configure_logging(stream=stream)
    logger().info("hello")
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue())


def test_level_is_ours_and_libraries_speak_from_warning_up() -> None:
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    logger().debug("ours")
    for name in ("ccxt.base.exchange", "aiohttp.client", "asyncio", "botany"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).debug("request signed with %s", CANARY)
        logging.getLogger(name).info("connected")
        logging.getLogger(name).warning("reconnecting to %s", name)
    said = [(line["logger"], line["event"]) for line in lines(stream)]
    assert said[0] == ("bot", "ours")
    assert said[1:] == [(name, f"reconnecting to {name}") for name in ("ccxt.base.exchange", "aiohttp.client", "asyncio", "botany")]
    stream.truncate(0)
    configure_logging("warning", stream=stream)
    logger().info("quiet")
    assert stream.getvalue().strip("\x00") == ""


def speak(secret: str) -> None:
    """Every way in which a secret might reach the log."""
    log = logger("bot.canary")
    log.debug("plain", secret=secret, apiKey=secret, nested={"headers": {"X-BAPI-SIGN": secret, "deep": [{"passphrase": secret}]}})
    log.info(f"in the text {secret} and signature={secret}", url=f"https://x/?apiKey={secret}&listenKey={secret}", value=[secret])
    logging.getLogger("ccxt").error("refused %s %r", secret, {"secret": secret})
    logging.getLogger("aiohttp").warning("extra", extra={"authorization": f"Bearer {secret}"})
    try:
        credentials = {"secret": secret}
        raise ValueError(f"bad request signed with {credentials['secret']} {credentials}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("asyncio").exception("task died")
    warnings.warn(f"careless {secret}", stacklevel=1)


@pytest.mark.parametrize("form", ["json", "console"])
def test_canary_never_comes_out(form: str) -> None:
    stream = io.StringIO()
    configure_logging("debug", form, secrets=[CANARY], stream=stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        speak(CANARY)
    text = stream.getvalue()
    if form == "json":
        assert len(lines(stream)) == 7
    assert "Traceback" in text
    assert "careless" in text
    assert text.count(HIDDEN) > 10
    for form_of_it in (CANARY, json.dumps(CANARY)[1:-1], repr(CANARY)[1:-1], "k3y-w1th"):
        assert form_of_it not in text


def test_secrets_that_nobody_registered_are_hidden_by_name() -> None:
    stream = io.StringIO()
    configure_logging("debug", stream=stream)
    log = logger()
    log.info("a", secret="unknown-value", api_key="unknown-value", okx={"OK-ACCESS-PASSPHRASE": "unknown-value"})
    log.info("sent timestamp=1&recvWindow=5000&signature=unknown-value&x=1")
    log.info("headers {'X-MBX-APIKEY': 'unknown-value', 'Content-Type': 'json'}")
    log.info("Authorization: Bearer unknown-value")
    text = stream.getvalue()
    assert lines(stream)[0]["okx"] == {"OK-ACCESS-PASSPHRASE": HIDDEN}
    assert "unknown-value" not in text
    assert "recvWindow=5000" in text
    assert "Content-Type" in text


def test_later_secrets_can_be_added() -> None:
    stream = io.StringIO()
    redaction = configure_logging(stream=stream)
    redaction.register("rotated-key-value")
    logger().info("now rotated-key-value is live")
    assert "rotated-key-value" not in stream.getvalue()


def test_ordinary_words_stay() -> None:
    redaction = Redaction(["ab", ""])
    text = "tabular: signed 3 orders; key figures, tokens=7, assigned: yes; hedge_ratio=0.99 client_order_id=a1"
    assert redaction.text(text) == text
    assert redaction.value({"client_order_id": "a1", "monkey": "b", "design": "c"}) == {
        "client_order_id": "a1",
        "monkey": "b",
        "design": "c",
    }


@given(st.text(min_size=6, max_size=30), st.text(max_size=10), st.text(max_size=10))
def test_a_known_secret_is_hidden_wherever_it_stands(secret: str, before: str, after: str) -> None:
    hidden = Redaction([secret]).text(before + secret + after)
    if secret not in HIDDEN:
        assert secret not in hidden.replace(HIDDEN, "\x00")


def test_a_line_that_cannot_be_formatted_does_not_raise() -> None:
    class Spiteful:
        def __str__(self) -> str:
            raise RuntimeError("no")

        __repr__ = __str__

    stream = io.StringIO()
    configure_logging(stream=stream)
    logger().info("careful", value=Spiteful())
    logging.getLogger("ccxt").error("wrong %d", "text")
    logger().info("still here")
    said = lines(stream)
    assert len(said) == 3
    assert "could not be written" in said[0]["event"]
    assert said[2]["event"] == "still here"


def test_the_default_stream_is_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(stream=sys.stderr)
    logger().info("there")
    captured = capsys.readouterr()
    assert "there" in captured.err
    assert captured.out == ""


def test_what_was_known_already_is_not_worth_a_line() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    telemetry = RecordedTelemetry(Metrics())
    doubt = OrderOutcomeUnknown(at=1, client_order_id=ClientOrderId("a1"), reason="no answer")
    telemetry.event_folded(doubt, is_news=False)
    assert lines(stream) == []
    telemetry.event_folded(doubt, is_news=True)
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("OrderOutcomeUnknown", "warning")


PLACE = PlaceOrder(
    client_order_id=ClientOrderId("a1"),
    instrument=InstrumentId("okx:BTC-USDT-SWAP"),
    quantity=Decimal("-0.1"),
    contracts=Decimal(10),
    price=Decimal(1),
    reduce_only=False,
    expires_at=1,
)


def test_a_decision_is_one_line_and_each_of_its_commands_names_its_entry() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    telemetry = RecordedTelemetry(Metrics())
    read = ReadVenue(venue=VenueId("okx"), fills_since=0, reason="beat")
    telemetry.decided(DecisionMade(at=5, seconds=0.0025, entry=42, commands=(PLACE, read), withheld=1))
    telemetry.command_dispatched(PLACE, 42)
    telemetry.command_dispatched(read, 42)
    decision, command = lines(stream)
    kept = {"event": "decided", "level": "info", "at": 5, "entry": 42, "seconds": 0.0025, "withheld": 1, "orders": 1, "cancels": 0}
    assert decision.items() >= (kept | {"questions": 0, "readings": 1}).items()
    assert (command["event"], command["entry"], command["client_order_id"]) == ("PlaceOrder", 42, "a1")


def test_a_decision_that_does_nothing_is_a_line_on_debug_alone() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    telemetry = RecordedTelemetry(Metrics())
    nothing = DecisionMade(at=5, seconds=0.001, entry=None, commands=())
    telemetry.decided(nothing)
    assert lines(stream) == []
    configure_logging("debug", stream=stream)
    telemetry.decided(nothing)
    assert [line["event"] for line in lines(stream)] == ["decided"]


def test_a_break_is_a_warning_with_both_figures() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    said = "unexplained: record -2, venue -1"
    RecordedTelemetry(Metrics()).noted(Note(at=1, kind="break", subject="okx:BTC-USDT-SWAP", sentence=said))
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["said"]) == ("break", "warning", said)


def test_a_venue_that_falls_silent_is_a_warning() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    telemetry = RecordedTelemetry(Metrics())
    for link in (VenueLink.DOWN, VenueLink.UP):
        telemetry.event_folded(VenueLinkChanged(at=1, venue=VenueId("okx"), link=link, reason="told so"), is_news=True)
    assert [line["level"] for line in lines(stream)] == ["warning", "info"]


def test_a_list_of_payments_that_is_read_every_beat_is_not_worth_a_line() -> None:
    stream = io.StringIO()
    configure_logging(stream=stream)
    telemetry = RecordedTelemetry(Metrics())
    telemetry.event_folded(FundingRecordsRead(at=3, venue=VenueId("okx"), from_at=1, to_at=2, payments=()), is_news=True)
    assert lines(stream) == []
