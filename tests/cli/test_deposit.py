"""`hedgebot deposit` writes one message on a real server, signed as configured, or says in one sentence why not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.adapters.collateral.announcements import read
from bot.core.events import ClaimKind, ClaimStage, CollateralAnnounced, CollateralObserved
from bot.core.units import Asset
from tests.adapters.journal.redis_process import SERVER, RedisProcess, free_port
from tests.cli.test_refusals import hedgebot, refused, written

KEY = "a shared key of the desk"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisProcess]:
    if SERVER is None:
        pytest.skip("redis-server is not installed here (Debian: apt-get install redis-server)")
    process = RedisProcess(tmp_path / "redis").start()
    yield process
    process.kill()


def config_for(folder: Path, port: int, *depositors: str) -> Path:
    """A configuration that reads a stream of signed messages."""
    source = {"kind": "redis", "name": "backend", "url": f"redis://127.0.0.1:{port}", "signed_with": KEY, "believed_of": ["BTC@vault"]}
    return written(folder, collateral={"assets": {"BTC": {}}, "claims": {"depositors": list(depositors)}, "sources": [source]})


def on_stream(server: RedisProcess, now: int = 1 << 45) -> list[CollateralAnnounced | CollateralObserved]:
    with server.client as client:
        entries = client.xrange("hedgebot:collateral")
    return [read(fields, KEY.encode(), "backend", now, {Asset("BTC"): Asset("BTC")}) for _, fields in entries]


def test_a_deposit_a_redemption_and_a_total_are_written_and_signed(tmp_path: Path, server: RedisProcess) -> None:
    config = str(config_for(tmp_path, server.port, "acme"))
    what = ("--asset", "BTC", "--location", "vault", "--quantity")
    done = hedgebot("deposit", config, *what, "2.50", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "deposit of 2.50 BTC at vault, claim by-hand-" in done.stdout
    assert hedgebot("deposit", config, *what, "1", "--redeem", "--claim", "r1", "--stage", "priced", cwd=tmp_path).returncode == 0
    assert hedgebot("deposit", config, *what, "7", "--total", cwd=tmp_path).returncode == 0
    first, second, third = on_stream(server)
    assert isinstance(first, CollateralAnnounced)
    assert (first.kind, str(first.quantity), first.depositor, first.location) == (ClaimKind.DEPOSIT, "2.50", "acme", "vault")
    assert isinstance(second, CollateralAnnounced)
    assert (second.kind, second.claim, second.stage) == (ClaimKind.REDEMPTION, "r1", ClaimStage.PRICED)
    assert isinstance(third, CollateralObserved)
    assert (third.quantity, third.redemption_rate) == (7, 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--asset", "DOGE", "--quantity", "1", "--location", "vault"), "--asset: DOGE is not one of collateral.assets"),
        (("--asset", "BTC", "--quantity", "1e3", "--location", "vault"), "--quantity: a plain number written as text is needed"),
        (("--asset", "BTC", "--quantity", "\u0661", "--location", "vault"), "--quantity: a plain number written as text is needed"),
        (("--asset", "BTC", "--quantity", "0", "--location", "vault"), "--quantity: it must be more than nothing"),
        (("--asset", "BTC", "--quantity", "1", "--location", ""), "--location: String should have at least 1 character"),
        (
            ("--asset", "BTC", "--quantity", "1", "--location", "vualt", "--total"),
            "--location: no source is believed of BTC at vualt, did you mean 'vault'?",
        ),
        (("--asset", "BTC", "--quantity", "1", "--location", "cold"), "--location: no source is believed of BTC at cold"),
        (("--asset", "BTC", "--quantity", "1", "--location", "vault", "--stage", "soon"), "--stage: Input should be"),
        (("--asset", "BTC", "--quantity", "1", "--location", "vault", "--source", "other"), "none of kind redis is called 'other'"),
        (("--asset", "BTC", "--quantity", "1", "--location", "vault", "--redeem", "--total"), "--total: a total neither arrives nor"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    config = config_for(tmp_path, free_port(), "acme")
    refused(hedgebot("deposit", str(config), *words, cwd=tmp_path), said)


def test_whose_it_is_must_be_said_unless_there_is_only_one(tmp_path: Path) -> None:
    what = ("--asset", "BTC", "--quantity", "1", "--location", "vault")
    refused(hedgebot("deposit", str(config_for(tmp_path, free_port(), "a", "b")), *what, cwd=tmp_path), "--depositor: say who: a, b")


def test_without_a_stream_or_a_server_nothing_is_written(tmp_path: Path) -> None:
    what = ("--asset", "BTC", "--quantity", "1", "--location", "vault")
    refused(hedgebot("deposit", str(written(tmp_path)), *what, cwd=tmp_path), "collateral.sources: none of kind redis")
    done = hedgebot("deposit", str(config_for(tmp_path, free_port(), "acme")), *what, cwd=tmp_path)
    assert done.returncode == 1
    assert "not written, or nobody knows whether it was" in done.stderr
    assert "--claim by-hand-" in done.stderr
