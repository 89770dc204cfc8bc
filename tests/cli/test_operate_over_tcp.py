"""The commands over TCP, where the configuration has `control`; and what they bring about is in the journal."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from bot.adapters.journal.sqlite_reader import SqliteReader
from bot.adapters.telemetry.door import Door
from bot.adapters.telemetry.endpoints import Endpoints
from bot.adapters.telemetry.prometheus import Metrics
from bot.config import Settings, load
from bot.core.events import OperatorActed, OperatorAction
from bot.drivers.control_place import door_of, place_of
from bot.drivers.operate import operate
from bot.operating import OperatorRequest
from tests.adapters.telemetry.books import BOOK
from tests.adapters.telemetry.test_control import Bot
from tests.cli.test_refusals import hedgebot, refused, written

TOKEN = "canary-0123456789abcdef0123456789abcdef"
NAMED = ("--by", "alice", "--why", "a drill")


def configured(tmp_path: Path, token: str = TOKEN) -> tuple[Path, Settings]:
    """A configuration with `control` on a port that was free a moment ago, and no socket below its folder."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (tmp_path / "token").write_text(token)
    (tmp_path / "token").chmod(0o400)
    control = {"listen": f"127.0.0.1:{port}", "token": {"file": "token"}}
    config = written(tmp_path, state_dir=str(tmp_path / "s"), control=control)
    return config, load(config)


def until(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.3)


def endpoints(settings: Settings, bot: Bot, door: Door | None = None) -> Endpoints:
    return Endpoints(
        host="127.0.0.1",
        port=0,
        control=None,
        metrics=Metrics(),
        statement=lambda: BOOK,
        unready=lambda: None,
        act=bot.act,
        door=door or door_of(settings),
    )


async def test_the_commands_take_the_endpoint_and_the_token_from_the_configuration(tmp_path: Path) -> None:
    config, settings = configured(tmp_path)
    bot = Bot()
    served = endpoints(settings, bot)
    await served.start()
    try:
        shown = await asyncio.to_thread(hedgebot, "status", str(config), "--json", cwd=tmp_path)
        assert shown.returncode == 0, shown.stderr
        done = await asyncio.to_thread(hedgebot, "reduce", str(config), *NAMED, cwd=tmp_path)
        assert (done.returncode, done.stdout) == (0, "the book is HALTED\n"), done.stderr
        watched = await asyncio.to_thread(hedgebot, "watch", str(config), "--plain", "--for", "1s", cwd=tmp_path)
        assert watched.returncode == 0, watched.stderr
        assert not [text for text in (shown.stdout, done.stdout, watched.stdout) if TOKEN in text]
    finally:
        await served.stop()
    assert [(r.action, r.by, r.why) for r in bot.asked] == [(OperatorAction.REDUCE, "alice", "a drill")]
    assert not settings.control_path.exists(), "it was not the socket that answered"


async def test_a_halt_with_another_token_is_told_and_stands_by_its_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, settings = configured(tmp_path)
    bot, mine = Bot(), door_of(settings)
    assert mine is not None
    served = endpoints(settings, bot, Door(mine.host, mine.port, TOKEN[::-1]))
    await served.start()
    try:
        assert await operate(place_of(settings), OperatorRequest(action=OperatorAction.HALT, by="alice", why="a drill")) == 1
    finally:
        await served.stop()
    said = capsys.readouterr().err
    assert f"{mine}: what answers there does not take this token" in said
    assert f"{settings.halt_path} is written" in said
    assert TOKEN not in said
    assert bot.asked == []


@pytest.mark.timeout(240)
def test_what_is_asked_over_tcp_is_in_the_journal_with_who_and_why_and_the_token_in_no_log(tmp_path: Path) -> None:
    config, settings = configured(tmp_path)
    document = yaml.safe_load(config.read_text())
    with socket.socket() as nobody:  # bound and not listening: no venue answers there
        nobody.bind(("127.0.0.1", 0))
        document["routes"] = dict.fromkeys(document["routes"], f"http://127.0.0.1:{nobody.getsockname()[1]}")
        document |= {"listen": "127.0.0.1:0", "logging": {"level": "debug"}}
        config.write_text(yaml.safe_dump(document))
        log = tmp_path / "bot.log"
        with log.open("wb") as out:
            bot = subprocess.Popen([sys.executable, "-m", "bot", "run", str(config)], stdin=subprocess.DEVNULL, stdout=out, stderr=out)
            try:
                until(lambda: hedgebot("reduce", str(config), *NAMED, cwd=tmp_path).returncode == 0, 150)
            finally:
                bot.kill()
                bot.wait()
    reader = SqliteReader(settings.journal_path)
    acts = [event for entry in reader.entries() for event in entry.events if isinstance(event, OperatorActed)]
    reader.close()
    assert {(e.action, e.by, e.why) for e in acts} == {(OperatorAction.REDUCE, "alice", "a drill")}
    assert "control_tcp" in log.read_text()
    assert TOKEN not in log.read_text()


def test_a_check_shows_where_the_token_is_and_not_what_it_is(tmp_path: Path) -> None:
    config, _ = configured(tmp_path)
    done = hedgebot("check", str(config), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout.partition("\nIn words:")[0])["control"]["token"] == f"(hidden; file {tmp_path / 'token'})"
    assert TOKEN not in done.stdout + done.stderr


def test_a_short_token_is_one_sentence(tmp_path: Path) -> None:
    config = written(tmp_path, control={"token": "short"})
    refused(hedgebot("check", str(config), cwd=tmp_path), "control.token: has 5 characters, at least 32 are needed")
