"""The scene: venues on loopback, a treasury that tells its holdings, and the bot as a process of its own.

Everything lives in one folder, so that a person can look at it and run the same bot again with `hedgebot run FOLDER/hedgebot.yaml`.
Keys are drawn for the run and open nothing but the simulated venues.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import secrets
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from bot.adapters.collateral.holdings import Row
from bot.config.sections import VENUES_WITH_PASSPHRASE, VENUES_WITH_WALLET
from bot.core.units import ZERO, Asset, Millis
from bot.drivers.demo.cast import HEDGED_AS, Part
from bot.drivers.demo.treasury import LOCATION, FileTreasury, Treasury
from bot.drivers.planned_faults import arm_plan, read_plan
from bot.drivers.simulated import SimulatedAccount, SimulatedVenues
from bot.simulator.desk import wall_ms
from bot.simulator.dialects.dialect import Credential
from bot.simulator.dialects.hyperliquid.signing import address_of
from bot.simulator.faults import Armed
from bot.simulator.market import MarketPath, redemption_rate
from bot.simulator.model import FundingRecord

POLICY: Mapping[str, Any] = {
    "venue_share_max": "0.55",
    "collateral_share_max": 1,
    "settle_exposure_max": 1,
    "rebalance_band": "0.0008",
    "order_notional_max": 150_000,
    "funding_half_life_ms": 1_000,
    "funding_dwell_ms": 1_000,
    "funding_flip_exit": "-0.15",
    "funding_flip_enter": "-0.05",
    "order_expiry_ms": 3_000,
    # As often as fits into Hyperliquid's minute beside what opening asks and what is polled.
    "report_interval_ms": 7_000,
    # The demo's market runs fast: what takes days there takes seconds here, and orders worked in it come to nothing more often.
    "deleveraging_rest_ms": 5_000,
    "switch_dwell_ms": 5_000,
    "reallocation_interval_ms": 2_000,
    "passive_deadline_ms": 3_000,
    "passive_reprice_ms": 1_000,
}
RESTARTS_MAX = 5
_EVERYTHING = 10**9
PR_SET_PDEATHSIG = 1


class BotEnded(Exception):
    """The bot's process ended by itself, and not by a kill: one sentence with what it said last."""


class Stage:
    """The scene of one demo. `open` first; `close` always."""

    def __init__(
        self, cast: Sequence[Part], folder: Path, path: MarketPath, begin_ms: Millis, speed: Decimal, treasury: Treasury | None = None
    ) -> None:
        """`treasury` tells the bot what is held, None: by a file in the folder."""
        self._treasury = treasury or FileTreasury(folder)
        self.cast = {part.venue: part for part in cast}
        self.folder = folder
        self.begin_ms = begin_ms
        self.holdings: dict[str, Decimal] = {}
        self.restarts = 0
        self.restarts_max = RESTARTS_MAX
        self._is_wanted = False
        self.exit_codes: list[int] = []
        self._keys = {venue: _credential(venue) for venue in self.cast}
        accounts = {v: SimulatedAccount(credential=c, balances=self.cast[v].balances) for v, c in self._keys.items()}
        self.market_label = path.label
        self.venues = SimulatedVenues(accounts, path, speed, begin_ms=begin_ms)
        self._planned: tuple[Path, Sequence[Armed]] | None = None
        self._bot: asyncio.subprocess.Process | None = None
        self._ending = False
        self._rates: dict[str, Decimal | None] = {}
        self.metrics_port = _free_port()

    @property
    def config_path(self) -> Path:
        """The bot's configuration."""
        return self.folder / "hedgebot.yaml"

    @property
    def status_socket(self) -> Path:
        """Where the bot tells its statement."""
        return self.folder / "state" / "control.sock"

    @property
    def log_path(self) -> Path:
        """What the bot writes."""
        return self.folder / "bot.log"

    @property
    def pid(self) -> int | None:
        """The bot's process id while it runs."""
        return self._bot.pid if self._bot is not None and self._bot.returncode is None else None

    def plan_faults(self, file: Path) -> None:
        """Takes the faults of a plan's file. Raises ConfigError, one sentence."""
        self._planned = (file, read_plan(file, self.venues))

    def arm_faults(self, now: Millis) -> None:
        """Lets the time of the planned faults begin."""
        if self._planned is not None:
            arm_plan(*self._planned, self.venues, now)

    async def open(self) -> None:
        """Starts venues, writes configuration and (empty) holdings, and starts the bot."""
        self.folder.mkdir(parents=True, exist_ok=True)
        await self.venues.start()
        self.write_treasury()
        self.config_path.write_text(yaml.safe_dump(self._config(), sort_keys=False), encoding="utf-8")
        self.config_path.chmod(0o600)
        await self.start_bot()

    def hold(self, asset: str, quantity: Decimal) -> None:
        """The treasury now holds `quantity` (a total, in the asset's own units) of an asset."""
        self.holdings[asset] = quantity
        self.write_treasury()

    def write_treasury(self) -> None:
        """Writes the whole of the holdings, redemption rates included, as the treasury's system would."""
        market = self.venues.market_ms
        self._rates = {asset: redemption_rate(asset, market) for asset in HEDGED_AS}
        rows = [
            Row(asset=Asset(a), location=LOCATION, quantity=self.holdings.get(a, ZERO), redemption_rate=self._rates[a]) for a in HEDGED_AS
        ]
        self._treasury.write(rows)

    def refresh_rates(self) -> bool:
        """Writes the holdings again when a redemption rate has moved; whether it has."""
        market = self.venues.market_ms
        if all(redemption_rate(asset, market) == rate for asset, rate in self._rates.items()):
            return False
        self.write_treasury()
        return True

    def collateral(self, asset: str) -> Decimal:
        """Base units of a hedged asset that the treasury holds, in every form."""
        return sum(
            (self.holdings.get(a, ZERO) * (self._rates.get(a) or Decimal(1)) for a, hedged in HEDGED_AS.items() if hedged == asset),
            ZERO,
        )

    def send_margin(self, venue: str, asset: str, quantity: Decimal) -> Millis:
        """Adds margin to a venue's account, in units of the asset; when."""
        self.venues.server.desks[venue].deposit(self.venues.accounts[venue].credential.account, asset, quantity)
        return now_ms()

    def funding_booked(self, venue: str) -> list[FundingRecord]:
        """What a venue has entered in its account's books: all that was paid, or only what came before an instrument's last trade."""
        exchange = self.venues.server.desks[venue].exchange
        account = self.venues.accounts[venue].credential.account
        payments = exchange.funding_payments(account)
        if not self.cast[venue].books_funding_later:
            return list(payments)
        last = {fill.symbol: fill.fill_id for fill in exchange.fills(account, None, 0, _EVERYTHING)}
        return [payment for payment in payments if payment.payment_id < last.get(payment.symbol, 0)]

    def end_bot(self, how: signal.Signals = signal.SIGKILL) -> bool:
        """Ends the bot, by default without a warning; `watch_bot` starts it again on the same journal. Whether there was one to end."""
        if self._bot is None or self._bot.returncode is not None:
            return False
        self._is_wanted = True
        self.restarts_max += 1
        self._bot.send_signal(how)
        return True

    async def watch_bot(self) -> None:
        """Keeps the bot running: one that was killed, or ended by `end_bot`, is started again. Raises BotEnded when it gave up."""
        while True:
            if self._bot is None:
                raise BotEnded("the bot was never started")
            code = await self._bot.wait()
            self.exit_codes.append(code)
            if self._ending:
                return
            wanted, self._is_wanted = self._is_wanted, False
            if (code > 0 or (code == 0 and not wanted)) or self.restarts >= self.restarts_max:
                raise BotEnded(f"the bot ended with exit code {code}: {_last_words(self.log_path)}")
            self.restarts += 1
            await self.start_bot()

    async def stop_bot(self, seconds: float) -> int | None:
        """Asks the bot to stop and waits; its exit code, or None when it had to be killed."""
        self._ending = True
        bot = self._bot
        if bot is None:
            return None
        if bot.returncode is not None:
            return bot.returncode
        bot.terminate()
        try:
            return await asyncio.wait_for(bot.wait(), seconds)
        except TimeoutError:
            bot.kill()
            await bot.wait()
            return None

    async def close(self) -> None:
        """Ends whatever still runs."""
        await self.stop_bot(10)
        await self.venues.stop()
        self._treasury.close()

    async def start_bot(self) -> None:
        """Starts the bot on the journal that is there; the one before must have ended."""
        self._ending = False
        with self.log_path.open("ab") as log:
            self._bot = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "bot",
                "run",
                str(self.config_path),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C is for the demo, which stops the bot in its own time
                preexec_fn=_end_with_parent,
            )

    def _config(self) -> dict[str, Any]:
        return {
            "environment": "simulation",
            "name": "demo",
            "state_dir": "state",
            "listen": f"127.0.0.1:{self.metrics_port}",
            "logging": {"format": "json"},
            "routes": dict.fromkeys(self.venues.server.hosts, self.venues.server.url),
            "venues": {
                venue: {"instruments": list(part.instruments), "leverage": 5, "credentials": _named(self._keys[venue])}
                for venue, part in self.cast.items()
            },
            "collateral": self._treasury.section(dict(HEDGED_AS)),
            "policy": dict(POLICY),
        }


def now_ms() -> Millis:
    """Wall clock of the venues, which is this machine's."""
    return wall_ms()


def _credential(venue: str) -> Credential:
    secret = secrets.token_hex(32)
    return Credential(
        api_key=address_of(secret) if venue in VENUES_WITH_WALLET else secrets.token_hex(16),
        secret=secret,
        account=f"{venue}-demo",
        passphrase=secrets.token_hex(8) if venue in VENUES_WITH_PASSPHRASE else None,
    )


def _end_with_parent() -> None:
    """Asks the system (Linux) to stop this process in order when the one that started it is gone: no bot outlives its demo."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _named(key: Credential) -> dict[str, str]:
    named = {"api_key": key.api_key, "secret": key.secret}
    return named if key.passphrase is None else {**named, "passphrase": key.passphrase}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "it said nothing"
