"""From a breach to somebody's ear: the bot's real metrics, real Prometheus and Alertmanager as deployed, and a webhook."""

from __future__ import annotations

import copy
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from bot.adapters.telemetry.prometheus import CONTENT_TYPE, Metrics
from bot.core.statement import BookStatement
from tests.adapters.telemetry.books import EMPTY
from tests.deploy.rules import DEPLOY
from tests.deploy.stand import Webhook, alertmanager, needs_alertmanager, needs_prometheus, prometheus, until

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
    halted = next(body for _, body in webhook.told if body["alerts"][0]["labels"]["alertname"] == "HedgebotHalted")
    assert halted["path"] == "/wake"
    assert halted["alerts"][0]["annotations"] == {
        "summary": "The book is HALTED; no order leaves.",
        "runbook_url": "docs/runbook.md#hedgebothalted",
    }


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed here (Debian: prometheus-alertmanager)")
def test_alertmanager_reads_the_configuration(tmp_path: Path) -> None:
    """As it is by a version that knows `bot_token_file` and `url_file` (0.26 on); an older one reads it with these two written out."""
    config = tmp_path / "alertmanager.yml"
    config.write_text(ROUTES.read_text())
    told = subprocess.run(["amtool", "--version"], capture_output=True, text=True, check=True)
    version = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
    assert version is not None
    if (int(version[1]), int(version[2])) < (0, 26):
        text = re.sub(r"bot_token_file: .*", "bot_token: token", config.read_text())
        config.write_text(
            re.sub(r"url_file: /run.*", "url: http://127.0.0.1/", text.replace("api_url_file", "api_url_FILE")).replace("_FILE", "_file")
        )
    checked = subprocess.run(["amtool", "check-config", str(config)], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    for severity, receiver in (("critical", "wake"), ("warning", "tell"), ("heartbeat", "heartbeat")):
        route = ["amtool", "config", "routes", "test", f"--config.file={config}", f"severity={severity}", "alertname=HedgebotHalted"]
        assert subprocess.run(route, capture_output=True, text=True, check=True).stdout.strip() == receiver


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
