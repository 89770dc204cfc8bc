"""Pictures of the dashboards from a real run: `python -m deploy.grafana.pictures.draw [FOLDER]` (`make dashboards`).

A demo runs with its deposits on a Redis stream, a real Prometheus scrapes it, and Grafana's own components draw each panel in headless
Chromium; what `hedgebot watch` shows is drawn too. Then a run with a custodian, which the demo has none of, for the row of Book that is
about them. It takes some minutes and half a gigabyte of packages, and says in one sentence what is missing where it cannot be done: then
nothing is drawn.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import yaml

from deploy.grafana.pictures.live_view import photograph

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DASHBOARDS = HERE.parent / "dashboards"
PACKAGES = Path(sys.prefix) / "pictures"
SOURCES = ("package.json", "package-lock.json", "index.html", "main.jsx", "render.mjs")
NEEDED = ("prometheus", "redis-server", "node", "npm", "chromium")
DEMO_S = 80
LIVE_VIEW_AT = 0.55
"""Which part of the demo is over when its live view is drawn."""
CUSTODY_S = 80
SETTLES_MS, FREEZES_MS = 30_000, 6_000
"""How often the custodian of the second run settles, and for how long nothing can be moved then."""
CUSTODY_ROW = "Custodians"
PATIENCE_S = 120.0

STILL_S = 4
"""The market is held for this long before quotes count as old."""
IN_PLAY = 'hedgebot_trading_state{state="active"} == 1 and on () sum(hedgebot_breaches{limit="quote_age"}) == 0'
"""While the demo's market moves: at its end it is held, for the last look."""

Found = TypeVar("Found")


def main() -> None:
    """Draws into the folder that is named, or docs/images."""
    into = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images"
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        _say(f"nothing is drawn: {', '.join(missing)} is not installed (Debian has packages of these names)")
        return
    _packages()
    with tempfile.TemporaryDirectory() as folder:
        _draw_demo(Path(folder), into)
        _draw_custody(Path(folder), into)


def _say(sentence: str) -> None:
    print(f"[dashboards] {sentence}", flush=True)  # noqa: T201  a command line's output


def _packages() -> None:
    """What draws, in a folder of the virtual environment; hash-checked, and without any script of theirs."""
    PACKAGES.mkdir(exist_ok=True)
    fresh = (HERE / "package-lock.json").read_bytes()
    stamp = PACKAGES / "stamp"
    for name in SOURCES:
        shutil.copyfile(HERE / name, PACKAGES / name)
    if stamp.exists() and stamp.read_bytes() == fresh:
        return
    _say("installing what draws the pictures; this takes a minute or two")
    npm = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--legacy-peer-deps", "--loglevel=error")
    subprocess.run(npm, cwd=PACKAGES, check=True)  # noqa: S603  our own command
    stamp.write_bytes(fresh)


@contextmanager
def _program(command: tuple[str, ...], out: IO[str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A program as long as the context lasts."""
    told = subprocess.DEVNULL if out is None else out
    process = subprocess.Popen(command, stdout=told, stderr=told, cwd=ROOT, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"})  # noqa: S603  ours
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


def _draw_demo(folder: Path, into: Path) -> None:
    """Plays a demo under Prometheus, and draws every dashboard over the time in which its market moved."""
    store, said = _free_port(), folder / "said"
    redis = ("redis-server", "--port", str(store), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "yes", "--save", "")
    demo = (sys.executable, "-m", "bot", "demo", "--for", f"{DEMO_S}s", "--plain", "--seed", "7", "--folder", str(folder / "demo"))
    _say(f"a demo of {DEMO_S} s runs")
    with said.open("w") as out, _program(redis), _program((*demo, "--redis", f"redis://127.0.0.1:{store}/0"), out) as playing:
        address = _until(lambda: re.search(r"metrics http://([\d.:]+)/metrics", said.read_text()), "the demo")[1]
        with _prometheus(folder / "demo-seen", address) as url:
            begin = _ready(url)
            time.sleep(DEMO_S * LIVE_VIEW_AT)
            photograph(folder / "demo" / "hedgebot.yaml", str(shutil.which("chromium")), into.resolve() / "live-view.png")
            playing.wait(DEMO_S * 4)
            lasted = time.time() - begin
            end = max(float(at) for series in _samples(url, IN_PLAY, lasted) for at, _ in series["values"]) - STILL_S
            _draw(url, begin, end, into)
    _say(f"drawn from {end - begin:.0f} s of a demo")


def _draw_custody(folder: Path, into: Path) -> None:
    """Runs the example with a custodian under Prometheus, and draws what Book says of custodians."""
    told = yaml.safe_load((ROOT / "config" / "collateral-custodian.yaml").read_text())
    port, scraped = _free_port(), f"127.0.0.1:{_free_port()}"
    told |= {"state_dir": str(folder / "custody"), "listen": scraped}
    told["routes"] = dict.fromkeys(told["routes"], f"http://127.0.0.1:{port}")
    told["simulator"]["listen"] = f"127.0.0.1:{port}"
    told["simulator"]["custodian"] |= {"interval_ms": SETTLES_MS, "freeze_ms": FREEZES_MS}
    config = folder / "custody.yaml"
    config.write_text(yaml.safe_dump(told))
    hedgebot = (sys.executable, "-m", "bot")
    _say(f"a run of {CUSTODY_S} s with a custodian")
    with _program((*hedgebot, "simulate", str(config))), _program((*hedgebot, "run", str(config))):
        with _prometheus(folder / "custody-seen", scraped) as url:
            begin = _ready(url)
            time.sleep(CUSTODY_S)
            _draw(url, begin, begin + CUSTODY_S - 2, into, CUSTODY_ROW)
    _say(f"drawn from {CUSTODY_S} s of a run with a custodian")


def _ready(url: str) -> float:
    """Waits until Prometheus scrapes a bot that is ready; since when."""
    found = _until(lambda: _samples(url, "hedgebot_ready_state == 1", 5), "a bot that is ready")
    return float(found[0]["values"][0][0])


def _draw(url: str, begin: float, end: float, into: Path, row: str = "") -> None:
    render = ("node", "render.mjs", str(DASHBOARDS), url, str(begin), str(end), str(into.resolve()), row)
    chromium = {"CHROMIUM": str(shutil.which("chromium"))}
    subprocess.run(render, cwd=PACKAGES, check=True, env={**os.environ, **chromium})  # noqa: S603  our own command


@contextmanager
def _prometheus(folder: Path, bot: str) -> Iterator[str]:
    """A Prometheus with the deployed configuration that scrapes `bot` (host:port) and tells nobody; its address."""
    told = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    told["scrape_configs"][0]["static_configs"][0]["targets"] = [bot]
    del told["alerting"], told["rule_files"]
    folder.mkdir()
    config, address = folder / "prometheus.yml", f"127.0.0.1:{_free_port()}"
    config.write_text(yaml.safe_dump(told))
    flags = (f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")
    with _program(("prometheus", *flags)):
        yield f"http://{address}"


def _samples(url: str, expression: str, back_s: float) -> list[dict[str, Any]]:
    """Series of an expression over the newest seconds; none while Prometheus does not answer."""
    now = time.time()
    asked = urllib.parse.urlencode({"query": expression, "start": now - back_s, "end": now, "step": 1})
    try:
        with urllib.request.urlopen(f"{url}/api/v1/query_range?{asked}", timeout=20) as answer:  # noqa: S310  an address of this machine
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
            return found
    except OSError:
        return []


def _until(found: Callable[[], Found | None], what: str) -> Found:
    deadline = time.monotonic() + PATIENCE_S
    while not (result := found()):
        if time.monotonic() > deadline:
            raise SystemExit(f"[dashboards] waited in vain for {what}")
        time.sleep(0.2)
    return result


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
