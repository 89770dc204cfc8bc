"""What people ask of a bot that runs while the configuration on the disk cannot be read: the halt file, the socket, and what is said."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.config import load, state_dir_written_in
from bot.core.events import OperatorAction
from tests.adapters.telemetry.test_control import Bot, listening
from tests.cli.test_refusals import hedgebot, refused, written
from tests.core.openings import hedged

NAMED = ("--by", "alice", "--why", "a drill")
BROKEN = {
    "a key that nobody knows": ("state_dir: state\nenvironment: simulation\nspede: 3\n", "venues: is missing"),
    "half written": ("# ours\nstate_dir: 'state'  # beside this file\nvenues:\n  okx: {instruments: [ETH\n", "line"),
    "a tab": ("state_dir: state\n\tvenues: 3\n", "line"),
    "twice": ("state_dir: elsewhere\nstate_dir: state\n", "written twice"),
}


def broken(folder: Path, text: str) -> Path:
    path = folder / "config.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(("text", "why"), BROKEN.values(), ids=BROKEN)
def test_a_halt_writes_its_file_first_and_says_what_could_not_be_read(tmp_path: Path, text: str, why: str) -> None:
    config, file = broken(tmp_path, text), tmp_path / "state" / "HALT"
    file.parent.mkdir()
    done = hedgebot("halt", str(config), *NAMED, cwd=tmp_path)
    unread, outcome = done.stderr.strip().splitlines()
    assert done.returncode == 1
    assert why in unread
    assert unread.endswith(f"; the bot is asked on the socket in {tmp_path / 'state'} all the same")
    assert "no running hedgebot answers there" in outcome
    assert f"{file} is written" in outcome
    assert file.read_text() == "alice: a drill\n"


@pytest.mark.parametrize(
    "text", ["", "state_dir: [a, b]\n", "state_dir:\n", "venues: {okx: {state_dir: state}}\n", "\0", "state_dir: 'st", "state_dir: sta"]
)
def test_where_no_place_can_be_read_it_is_asked_for(tmp_path: Path, text: str) -> None:
    config = broken(tmp_path, text)
    assert state_dir_written_in(config) is None
    refused(hedgebot("halt", str(config), *NAMED, cwd=tmp_path), "and no state_dir can be read from it: say --state DIR")
    refused(hedgebot("status", str(config), cwd=tmp_path), "say --state DIR")
    (tmp_path / "s").mkdir()
    done = hedgebot("halt", str(config), *NAMED, "--state", str(tmp_path / "s"), cwd=tmp_path)
    assert done.returncode == 1
    assert (tmp_path / "s" / "HALT").read_text() == "alice: a drill\n"


@pytest.mark.parametrize("there", ["nothing", "a file"])
def test_a_folder_that_is_not_there_is_a_slip_and_is_not_made(tmp_path: Path, there: str) -> None:
    if there == "a file":
        (tmp_path / "sta").touch()
    config = broken(tmp_path, "state_dir: sta\nvenues: [\n")
    done = hedgebot("halt", str(config), *NAMED, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f"hedgebot: no such folder: {tmp_path / 'sta'}; nothing is halted\n")
    whole = written(tmp_path, state_dir=str(tmp_path / "state"))
    refused(hedgebot("halt", str(whole), *NAMED, "--state", "sta", cwd=tmp_path), "no such folder: sta; nothing is halted")
    assert not (tmp_path / "sta").is_dir()


def test_a_file_that_is_gone_or_no_text_is_no_obstacle_either(tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    done = hedgebot("halt", "nowhere.yaml", *NAMED, "--state", "s", cwd=tmp_path)
    assert (done.returncode, "nowhere.yaml: there is no such file; the bot is asked" in done.stderr) == (1, True)
    assert (tmp_path / "s" / "HALT").exists()
    config = tmp_path / "latin.yaml"
    config.write_bytes(b"# caf\xe9\nstate_dir: state\n")
    assert state_dir_written_in(config) == tmp_path / "state"


async def test_a_running_bot_is_looked_at_halted_and_closed_with_its_file_broken(tmp_path: Path) -> None:
    socket = load(written(tmp_path, state_dir=str(tmp_path / "s"))).control_path
    config = broken(tmp_path, f"state_dir: {tmp_path / 's'}\nvenues: [\n")
    bot, told = Bot(), hedged("30").statement()
    async with listening(bot, socket, statement=lambda: told):
        for words in (("halt", str(config), *NAMED), ("flatten", str(config), *NAMED, "--venue", "okx", "--yes")):
            done = await asyncio.to_thread(hedgebot, *words, cwd=tmp_path)
            assert done.returncode == 0, done.stderr
            assert done.stdout == "the book is HALTED\n"
            assert "the bot is asked on the socket" in done.stderr
        assert [(r.action, r.venue) for r in bot.asked] == [(OperatorAction.HALT, None), (OperatorAction.FLATTEN, "okx")]
        done = await asyncio.to_thread(hedgebot, "status", str(config), "--json", cwd=tmp_path)
        assert (done.returncode, done.stdout.startswith('{"at":')) == (0, True)
        refused(await asyncio.to_thread(hedgebot, "config", "reload", str(config), *NAMED, cwd=tmp_path), "config.yaml")
        assert len(bot.asked) == 2
    assert (tmp_path / "s" / "HALT").exists()


async def test_a_place_that_is_said_counts_before_the_one_that_is_written(tmp_path: Path) -> None:
    config = written(tmp_path, state_dir=str(tmp_path / "s"))
    bot = Bot()
    async with listening(bot, tmp_path / "other" / "control.sock", statement=lambda: None):
        done = await asyncio.to_thread(hedgebot, "reduce", str(config), *NAMED, "--state", str(tmp_path / "other"), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        refused(await asyncio.to_thread(hedgebot, "reduce", str(config), *NAMED, "--venue", "okxx", "--state", "x", cwd=tmp_path), "okxx")
    assert [r.action for r in bot.asked] == [OperatorAction.REDUCE]
