"""From a breach to somebody's ear: the bot's real metrics, real Prometheus and Alertmanager as deployed, and a webhook."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.telemetry.prometheus import CONTENT_TYPE, Metrics
from bot.core.statement import BookStatement
from tests.adapters.telemetry.books import EMPTY
from tests.deploy.rules import DEPLOY
from tests.deploy.stand import Webhook, alertmanager, needs_alertmanager, needs_prometheus, prometheus, readable_by, until, version_of

CALM = replace(EMPTY, trading_state="active", ready=True, breaches=())
ROUTES = DEPLOY / "alertmanager" / "alertmanager.yml"


class Exporter:
    """Serves a book's metrics as the bot does."""

    def __init__(self, port: int = 0) -> None:
        self.metrics = Metrics()
        metrics = self.metrics

        class Serving(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = metrics.render()
                self.send_response(200)
                self.send_header("Content-Type", CONTENT_TYPE)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing is written."""

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Serving)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def show(self, book: BookStatement) -> float:
        """Shows a book from now on; when that was (steady seconds)."""
        self.metrics.show(book)
        return time.monotonic()

    def close(self) -> float:
        """Is gone; since when."""
        self._server.shutdown()
        self._server.server_close()
        return time.monotonic()


@contextmanager
def exporting(book: BookStatement) -> Iterator[Exporter]:
    exporter = Exporter()
    exporter.show(book)
    try:
        yield exporter
    finally:
        exporter.close()


@needs_prometheus
@needs_alertmanager
@pytest.mark.e2e
@pytest.mark.timeout(400)
def test_a_breach_is_told_once_it_is_there_and_once_it_is_over_and_so_is_a_bot_that_is_gone(tmp_path: Path) -> None:
    """How long each took is printed, not judged: a busy machine proves nothing. What it must take at most follows from the
    configuration (see `test_rules`)."""
    webhook = Webhook()
    try:
        with (
            exporting(CALM) as exporter,
            alertmanager(tmp_path / "alertmanager", webhook.url) as told,
            prometheus(tmp_path / "prometheus", f"127.0.0.1:{exporter.port}", told) as server,
        ):
            until(lambda: server.query('hedgebot_trading_state{state="active"} == 1'), "the first scrape")
            until(lambda: server.ask("alertmanagers")["activeAlertmanagers"], "Alertmanager to be known")
            assert webhook.arrived("HedgebotHalted", "firing") is None

            began = exporter.show(replace(CALM, trading_state="halted"))
            told_at = until(lambda: webhook.arrived("HedgebotHalted", "firing"), "the alert")
            print(f"from breach to notification: {told_at - began:.2f} s")
            ended = exporter.show(CALM)
            until(lambda: webhook.arrived("HedgebotHalted", "resolved", after=ended), "its end")

            gone = exporter.close()
            told_at = until(lambda: webhook.arrived("HedgebotGone", "firing", after=gone), "the dead-man alert")
            print(f"from the bot's end to notification: {told_at - gone:.2f} s")
            again = Exporter(exporter.port)
            again.show(CALM)
            until(lambda: webhook.arrived("HedgebotGone", "resolved", after=told_at), "the bot's return")
            again.close()
    finally:
        webhook.close()
    halted = next(body for _, body in webhook.told if body["path"] == "/webhook" and body["groupLabels"] == {"alertname": "HedgebotHalted"})
    assert halted["receiver"] == "wake"
    assert halted["alerts"][0]["annotations"] == {
        "summary": "The book is HALTED; no order leaves.",
        "runbook_url": "docs/runbook.md#hedgebothalted",
    }


@needs_alertmanager
@pytest.mark.e2e
def test_a_breach_comes_by_every_channel_with_the_secret_of_its_file_and_words_to_act_on(tmp_path: Path) -> None:
    """The real program speaks to PagerDuty, Telegram, Slack and a webhook, each of them a server on loopback."""
    webhook = Webhook()
    alert = {
        "labels": {"alertname": "HedgebotHalted", "severity": "critical"},
        "annotations": {"summary": "The book is HALTED.", "runbook_url": "docs/runbook.md#hedgebothalted"},
    }

    def told() -> dict[str, dict[str, Any]]:
        return {body["path"]: body for _, body in list(webhook.told)}

    try:
        with alertmanager(tmp_path, webhook.url) as address:
            request = urllib.request.Request(
                f"http://{address}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"}
            )
            urllib.request.urlopen(request, timeout=10).close()  # noqa: S310  an address of this machine
            until(lambda: len(told()) >= 4, "all four channels")
    finally:
        webhook.close()
    assert told().keys() == {"/pagerduty", "/telegram/botbot-token/sendMessage", "/slack", "/webhook"}
    assert told()["/pagerduty"]["routing_key"] == "routing-key"
    assert told()["/pagerduty"]["payload"]["summary"] == "The book is HALTED."
    assert told()["/pagerduty"]["payload"]["custom_details"]["runbook"] == "docs/runbook.md#hedgebothalted"
    text = "FIRING critical HedgebotHalted: The book is HALTED.\ndocs/runbook.md#hedgebothalted"
    assert text in told()["/telegram/botbot-token/sendMessage"]["text"]
    assert text in told()["/slack"]["attachments"][0]["text"]
    assert told()["/webhook"]["alerts"][0]["annotations"] == alert["annotations"]


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed here (Debian: prometheus-alertmanager)")
def test_alertmanager_reads_the_configuration(tmp_path: Path) -> None:
    """As it is by a version that knows `bot_token_file` and `url_file` (0.26 on); an older one reads it with these two written out."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(readable_by(version_of("amtool"), ROUTES.read_text()))
    checked = subprocess.run(["amtool", "check-config", str(config)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for severity, receiver in (("critical", "wake"), ("warning", "tell"), ("heartbeat", "heartbeat")):
        route = ["amtool", "config", "routes", "test", f"--config.file={config}", f"severity={severity}", "alertname=HedgebotHalted"]
        assert subprocess.run(route, capture_output=True, text=True, check=True).stdout.strip() == receiver


def test_only_two_options_keep_an_older_version_from_reading_it() -> None:
    text = ROUTES.read_text()
    assert readable_by((0, 26), text) == text
    older = yaml.safe_load(readable_by((0, 25), text))
    changed = {
        (receiver["name"], channel, key)
        for receiver, before in zip(older["receivers"], yaml.safe_load(text)["receivers"], strict=True)
        for channel in receiver
        if channel != "name"
        for key in receiver[channel][0].keys() ^ before[channel][0].keys()
    }
    assert {key for _, _, key in changed} == {"bot_token", "bot_token_file", "url", "url_file"}
    assert {channel for _, channel, _ in changed} == {"telegram_configs", "webhook_configs"}


def test_every_channel_is_there_and_every_secret_is_a_file() -> None:
    told = yaml.safe_load(ROUTES.read_text())
    receivers = {receiver["name"]: receiver for receiver in told["receivers"]}
    assert receivers["wake"].keys() == {"name", "pagerduty_configs", "telegram_configs", "slack_configs", "webhook_configs"}
    assert receivers["tell"].keys() == {"name", "telegram_configs", "slack_configs", "webhook_configs"}
    for receiver in receivers.values():
        for channel, (one,) in ((name, each) for name, each in copy.deepcopy(receiver).items() if name != "name"):
            files = [value for key, value in one.items() if key.endswith("_file")]
            assert len(files) == 1, channel
            assert files[0].startswith("/run/secrets/")
            assert not {"bot_token", "api_url", "url", "routing_key", "service_key"} & one.keys()
