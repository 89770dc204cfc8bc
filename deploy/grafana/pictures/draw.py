"""Pictures of the dashboards from a real run: `python -m deploy.grafana.pictures.draw [FOLDER]` (`make dashboards`).

A demo runs, a real Prometheus scrapes it, and Grafana's own components draw each panel in headless Chromium. It takes some minutes and half
a gigabyte of packages, and says in one sentence what is missing where it cannot be done: then nothing is drawn.
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
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
DASHBOARDS = HERE.parent / "dashboards"
PACKAGES = Path(sys.prefix) / "pictures"
SOURCES = ("package.json", "package-lock.json", "index.html", "main.jsx", "render.mjs")
NEEDED = ("prometheus", "node", "npm", "chromium")
DEMO_S = 80
PATIENCE_S = 120.0

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
        begin, end, url = _watched(Path(folder), into)
        _say(f"drawn from {end - begin:.0f} s of a demo, as {url} saw it")


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


def _watched(folder: Path, into: Path) -> tuple[float, float, str]:
    """Runs a demo under Prometheus and draws it while Prometheus still answers; from when to when, and who answered."""
    said = folder / "said"
    demo = (sys.executable, "-m", "bot", "demo", "--for", f"{DEMO_S}s", "--plain", "--seed", "7", "--folder", str(folder / "demo"))
    _say(f"a demo of {DEMO_S} s runs")
    with said.open("w") as out:
        playing = subprocess.Popen(demo, stdout=out, stderr=out, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"})  # noqa: S603  ours
    address = _until(lambda: re.search(r"metrics http://([\d.:]+)/metrics", said.read_text()), "the demo")[1]
    url = f"http://127.0.0.1:{_free_port()}"
    watching = subprocess.Popen(_prometheus(folder, address, url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603  ours
    try:
        ready = _until(lambda: _samples(url, "hedgebot_ready_state == 1", 60), "a bot that is ready")
        begin = float(ready[0]["values"][0][0])
        playing.wait(DEMO_S * 4)
        lasted = time.time() - begin
        end = max(float(at) for series in _samples(url, IN_PLAY, lasted) for at, _ in series["values"])
        render = ("node", "render.mjs", str(DASHBOARDS), url, str(begin), str(end), str(into.resolve()))
        chromium = {"CHROMIUM": str(shutil.which("chromium"))}
        subprocess.run(render, cwd=PACKAGES, check=True, env={**os.environ, **chromium})  # noqa: S603  our own command
        return begin, end, url
    finally:
        for process in (playing, watching):
            process.terminate()
            process.wait(30)


def _prometheus(folder: Path, bot: str, url: str) -> tuple[str, ...]:
    """The command of a Prometheus with the deployed configuration that scrapes `bot` and tells nobody."""
    told = yaml.safe_load((ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text())
    told["scrape_configs"][0]["static_configs"][0]["targets"] = [bot]
    del told["alerting"], told["rule_files"]
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(told))
    address = url.removeprefix("http://")
    return ("prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}")


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
