"""`hedgebot simulate CONFIG`: the venues alone, in real time, for any ccxt program."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from bot.config import ConfigError, Settings, SimulatorSettings
from bot.core.units import Asset
from bot.drivers.planned_faults import arm_plan, read_plan
from bot.drivers.refusals import port_taken
from bot.drivers.simulated import SimulatedAccount, SimulatedVenues
from bot.simulator.custodian import CustodianTerms
from bot.simulator.desk import wall_ms
from bot.simulator.dialects.dialect import Credential
from bot.simulator.generator import GeneratedPath
from bot.simulator.history import HistoryPath, parse_window
from bot.simulator.listings import contracts_of
from bot.simulator.market import MarketPath


async def run_simulator(settings: Settings, faults: Path | None = None) -> int:
    """Serves until SIGINT or SIGTERM, with the faults of a plan's file, whose times count from the start.

    Raises ConfigError, HistoryUnreadable or OSError (port in use) before anything is served.
    """
    told = settings.simulator
    if told is None:
        raise ConfigError("simulator: is missing; `hedgebot simulate` needs this section (an empty one, `simulator: {}`, is enough)")
    if not told.listen.is_loopback:
        raise ConfigError(f"simulator.listen: {told.listen} is not allowed: the venues are served on loopback only")
    accounts, path, custody = _accounts(settings, told), _path(settings, told), _custody(settings, told)
    try:
        venues = SimulatedVenues(accounts, path, told.speed, tick_s=told.tick_ms / 1000, custody=custody)
    except ValueError as error:
        raise ConfigError(f"simulator.custodian: {error}") from None
    planned = None if faults is None else (faults, read_plan(faults, venues))
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    try:
        await venues.start(told.listen.port)
    except OSError as error:
        raise port_taken("simulator.listen", told.listen, error) from None
    playing = asyncio.create_task(venues.play())
    sys.stdout.write(_greeting(venues))
    sys.stdout.flush()
    try:
        if planned is not None:
            arm_plan(*planned, venues, wall_ms())
        waiting = asyncio.create_task(stopped.wait())
        await asyncio.wait({playing, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if playing.done():
            playing.result()
        return 0
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await venues.stop()


def _greeting(venues: SimulatedVenues) -> str:
    hosts = "\n".join(f"  {host}: {venues.server.url}" for host in venues.server.hosts)
    return f"venues on {venues.server.url}, {venues.path.label}; routes for a client:\n{hosts}\nstop with Ctrl-C\n"


def _accounts(settings: Settings, told: SimulatorSettings) -> dict[str, SimulatedAccount]:
    accounts = {}
    for venue, section in settings.venues.items():
        keys = {name: secret.reveal() for name, secret in section.credentials.named().items()}
        credential = Credential(
            api_key=keys["api_key"], secret=keys["secret"], passphrase=keys.get("passphrase"), account=f"{venue}-{settings.name}"
        )
        accounts[venue] = SimulatedAccount(
            credential=credential,
            balances={str(a): held for a, held in told.balances_of(venue).items()},
            wallets=told.wallets.get(venue, {}),
        )
    return accounts


def _custody(settings: Settings, told: SimulatorSettings) -> CustodianTerms | None:
    if told.custodian is None:
        return None
    (source,) = settings.collateral.custodians()  # the configuration has seen to it that there is exactly one
    return CustodianTerms(
        host=source.host,
        api_key=source.api_key.reveal(),
        totals=told.custodian.totals,
        delegations=told.custodian.delegations,
        posted=told.custodian.posted,
        interval_ms=told.custodian.interval_ms,
        freeze_ms=told.custodian.freeze_ms,
        step_ms=told.custodian.step_ms,
    )


def _path(settings: Settings, told: SimulatorSettings) -> MarketPath:
    venues = tuple(settings.venues)
    assets = sorted({Asset(c.base) for v, s in settings.venues.items() for c in contracts_of(v) if c.symbol in s.instruments})
    if not assets:
        raise ConfigError("venues: none of the instruments is listed by the simulated venues; they list BTC, ETH and SOL perpetuals")
    if told.history is None:
        return GeneratedPath(told.seed, wall_ms(), venues, assets)
    return HistoryPath(told.history, parse_window(told.window) if told.window else None, venues, assets, seed=told.seed)
