"""Real Prometheus and Alertmanager on loopback, with the configuration that is deployed and only its addresses changed."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.rules import DEPLOY

PROMETHEUS = shutil.which("prometheus")
ALERTMANAGER = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
PATIENCE_S = 90.0
"""Longer than anything here takes on a machine that is busy; nothing is proven by how long it took."""

needs_prometheus = pytest.mark.skipif(PROMETHEUS is None, reason="Prometheus is not installed here (Debian: prometheus)")
needs_alertmanager = pytest.mark.skipif(ALERTMANAGER is None, reason="Alertmanager is not installed here (Debian: prometheus-alertmanager)")


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(found: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Waits until something is found; fails the test, saying what was waited for."""
    deadline = time.monotonic() + patience_s
    while not (result := found()):
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)
    return result


class Prometheus:
    """A running Prometheus, asked over its API."""

    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, path: str, **parameters: str) -> Any:
        """The data of an answer; None while it cannot be had. Fails the test when the question is wrong."""
        try:
            question = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
            with urllib.request.urlopen(question, timeout=30) as answer:  # noqa: S310  an address of this machine
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            if error.code in {400, 422}:
                pytest.fail(f"{parameters}: {json.load(error)['error']}")
            return None
        except OSError:
            return None

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an expression now."""
        told = self.ask("query", query=expression)
        return [] if told is None else told["result"]

    def query_range(self, expression: str, begin: float, end: float) -> list[dict[str, Any]]:
        """The series of an expression over a span, second by second."""
        told = self.ask("query_range", query=expression, start=str(begin), end=str(end), step="1")
        return [] if told is None else told["result"]


TAKEN = b'{"ok": true, "result": {"message_id": 1, "date": 1, "chat": {"id": 1}}}'
"""An answer in the form that Telegram gives; the other channels look at the status alone."""


class Webhook:
    """Takes what Alertmanager sends, with the instant of its arrival (steady seconds)."""

    def __init__(self) -> None:
        self.told: list[tuple[float, dict[str, Any]]] = []
        told = self.told

        class Taking(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                told.append((time.monotonic(), body | {"path": self.path}))
                self.send_response(200)
                self.end_headers()
                self.wfile.write(TAKEN)

            def log_message(self, *_: object) -> None:
                """Nothing is written."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends listening."""
        self._server.shutdown()
        self._server.server_close()

    def arrived(self, name: str, status: str, after: float = 0.0) -> float | None:
        """When an alert of this name was first told in this status after an instant."""
        for at, body in list(self.told):
            if at > after and any(a["labels"]["alertname"] == name and a["status"] == status for a in body.get("alerts", ())):
                return at
        return None


@contextmanager
def running(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program as long as the context lasts."""
    with log.open("wb") as out, subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def prometheus(folder: Path, bot: str, alertmanager: str | None = None) -> Iterator[Prometheus]:
    """Prometheus with the deployed configuration, scraping `bot` (host:port) and telling `alertmanager`."""
    told = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    told["rule_files"] = [str(DEPLOY / "prometheus" / "rules" / "*.yml")]
    told["scrape_configs"][0]["static_configs"][0]["targets"] = [bot]
    if alertmanager is None:
        del told["alerting"]
    else:
        told["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [alertmanager]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(yaml.safe_dump(told))
    port = free_port()
    arguments = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address=127.0.0.1:{port}")
    with running(str(PROMETHEUS), *arguments, log=folder / "log"):
        server = Prometheus(port)
        until(lambda: server.ask("status/buildinfo"), "Prometheus")
        yield server


def version_of(program: str) -> tuple[int, int]:
    """The version of an installed program of Alertmanager's: major and minor."""
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\d+)\.(\d+)", told.stdout + told.stderr)
    assert found is not None, told
    return int(found[1]), int(found[2])


def readable_by(version: tuple[int, int], text: str, secrets: str = "/run/secrets") -> str:
    """The deployed configuration with its secrets in another folder, for an Alertmanager of this version.

    From 0.26 on it is read as it is. An older one does not know two of its options, and is given what their files hold: `bot_token` for
    `bot_token_file`, and `url` for `url_file`.
    """
    text = text.replace("/run/secrets", secrets)
    if version >= (0, 26):
        return text
    text = re.sub(r"\bbot_token_file: (\S+)", lambda told: f"bot_token: {_held_in(told[1])}", text)
    return re.sub(r"(?<!api_)\burl_file: (\S+)", lambda told: f"url: {_held_in(told[1])}", text)


def _held_in(file: str) -> str:
    path = Path(file)
    return path.read_text() if path.is_file() else "http://127.0.0.1/"


SECRETS = {
    "pagerduty_routing_key": "routing-key",
    "slack_api_url": "{url}/slack",
    "telegram_bot_token": "bot-token",
    "alert_webhook_url": "{url}/webhook",
    "heartbeat_url": "{url}/heartbeat",
}
"""What stands in each file that the configuration names, so that all of it comes to a server here."""


@contextmanager
def alertmanager(folder: Path, listener: str) -> Iterator[str]:
    """Alertmanager as deployed, every channel of it led to a server of this machine (`listener`, a URL); yields its host:port."""
    assert ALERTMANAGER is not None
    secrets = folder / "secrets"
    secrets.mkdir(parents=True, exist_ok=True)
    for name, value in SECRETS.items():
        (secrets / name).write_text(value.format(url=listener))
    text = readable_by(version_of(ALERTMANAGER), (DEPLOY / "alertmanager" / "alertmanager.yml").read_text(), str(secrets))
    venues = {"pagerduty_url": f"{listener}/pagerduty", "telegram_api_url": f"{listener}/telegram"}
    (folder / "alertmanager.yml").write_text(yaml.safe_dump({"global": venues}) + text)
    address = f"127.0.0.1:{free_port()}"
    arguments = (f"--config.file={folder}/alertmanager.yml", f"--storage.path={folder}/data", f"--web.listen-address={address}")
    with running(ALERTMANAGER, *arguments, "--cluster.listen-address=", log=folder / "log"):
        until(lambda: _answers(f"http://{address}/-/ready"), "Alertmanager")
        yield address


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):  # noqa: S310  an address of this machine
            return True
    except OSError:
        return False
