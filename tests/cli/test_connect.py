"""`hedgebot check CONFIG --connect` from end to end: the table, JSON and exit codes, against venues over real HTTP."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from bot.cli import app
from bot.simulator.desk import Desk, wall_ms
from bot.simulator.dialects.dialect import KeyRights
from bot.simulator.dialects.registry import DIALECTS
from bot.simulator.listings import exchange_of
from tests.adapters.venue.venue_stand import SYMBOLS
from tests.simulator.stand import KEY, key_of, serving, tick_of, wallets_of

BOUND = KeyRights(addresses=("192.0.2.1",))


@asynccontextmanager
async def configured(folder: Path, *venues: str, rights: KeyRights = BOUND, **changes) -> AsyncIterator[Path]:
    """Venues that are up, and a configuration that leads to them."""
    desks, sections = [], {}
    for venue in venues:
        exchange, key = exchange_of(venue, now=wall_ms()), replace(key_of(venue), rights=rights)
        exchange.open_account(KEY.account, wallets_of(exchange))
        desk = Desk(venue, exchange, DIALECTS[venue], [key])
        for contract in exchange.contracts.values():
            desk.tick(tick_of(contract))
        desks.append(desk)
        phrase = {"passphrase": key.passphrase} if venue == "okx" else {}
        sections[venue] = {"instruments": list(SYMBOLS[venue]), "credentials": {"api_key": key.api_key, "secret": key.secret, **phrase}}
    async with serving(*desks) as server:
        document = {
            "environment": "simulation",
            "state_dir": "state",
            "venues": sections,
            "routes": dict.fromkeys(server.hosts, server.url),
            "collateral": {"assets": {"BTC": {}, "ETH": {}}},
            "policy": {"venue_share_max": 1, "clock_offset_max_ms": 1_000},
        }
        path = folder / "book.yaml"
        path.write_text(yaml.safe_dump(document | changes), encoding="utf-8")
        yield path


async def check(path: Path, *options: str) -> Any:
    return await asyncio.to_thread(CliRunner().invoke, app, ["check", str(path), *options])


async def test_a_book_that_nothing_stands_against(tmp_path: Path) -> None:
    async with configured(tmp_path, "okx", "binanceusdm", "binancecoinm") as path:
        done = await check(path, "--connect")
    assert done.exit_code == 0, done.output
    table = done.output.split("Accounts as they are in simulation; nothing was changed:")[1]
    for words in ("okx", "binanceusdm", "may withdraw", "address list", "position mode", "leverage", "dead-man switch", "BTC-USDT-SWAP"):
        assert words in table
    assert table.strip().splitlines()[-1] == "Nothing stands against a run: 0 to look at, 0 unknown."
    assert max(map(len, table.splitlines())) <= 100
    assert KEY.secret not in done.output
    assert KEY.api_key not in done.output
    assert not (tmp_path / "state").exists(), "no journal, no socket"


async def test_two_venues_behind_one_spot_host_tell_of_their_own_keys(tmp_path: Path) -> None:
    async with configured(tmp_path, "binanceusdm", "binancecoinm", rights=KeyRights(withdraw=True)) as path:
        done = await check(path, "--connect", "--json")
    told = json.loads(done.output)
    for venue in ("binanceusdm", "binancecoinm"):
        assert {"what": "may withdraw", "found": "yes", "verdict": "warning"}.items() <= told["venues"][venue][4].items()


async def test_json_is_all_that_is_printed(tmp_path: Path) -> None:
    async with configured(tmp_path, "bybit") as path:
        done = await check(path, "--connect", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["environment"], told["ready"], list(told["venues"])) == ("simulation", True, ["bybit"])
    assert {"what": "key", "found": "taken", "verdict": "ok", "why": ""} in told["venues"]["bybit"]


async def test_one_bad_key_among_good_ones_is_exit_code_one_and_named_at_the_end(tmp_path: Path) -> None:
    async with configured(tmp_path, "okx", "deribit") as path:
        document = yaml.safe_load(path.read_text())
        document["venues"]["deribit"]["credentials"]["secret"] = "not-the-secret-of-it"
        path.write_text(yaml.safe_dump(document))
        done = await check(path, "--connect")
        assert done.exit_code == 1
        assert done.output.strip().splitlines()[-1].startswith("Not ready: deribit (key); ")
        assert "13004" in done.output
        assert "Nothing was sent" not in done.output
        told = json.loads((await check(path, "--connect", "--json")).stdout)
    assert told["ready"] is False
    assert told["venues"]["okx"][-1]["what"] == "dead-man switch", "the good one was looked at to the end"


async def test_bad_input_is_exit_code_two_before_anything_is_asked(tmp_path: Path) -> None:
    async with configured(tmp_path, "okx", environment="mainet") as path:
        done = await check(path, "--connect")
        assert (done.exit_code, done.stdout) == (2, "")
        assert "environment" in done.stderr
    async with configured(tmp_path, "okx") as path:
        done = await check(path, "--json")
        assert done.exit_code == 2
        assert done.stderr.strip() == "hedgebot: --json: is for --connect"


@pytest.mark.parametrize("options", [("--connect",), ("--connect", "--json")])
async def test_a_venue_that_is_not_there_is_exit_code_one(tmp_path: Path, options: tuple[str, ...]) -> None:
    async with configured(tmp_path, "okx") as path:
        pass
    done = await check(path, *options)
    assert done.exit_code == 1
    assert "The venue does not answer" in done.output
