"""`hedgebot run CONFIG`: the bot on real clocks, real venues (or a simulation's), the journal that the configuration names.

The one line that differs between a simulation, a testnet, a demo and (one day) mainnet is which environment the venue adapters are told.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

from bot import __version__
from bot.adapters.collateral.file import FileSource
from bot.adapters.halt_file import HaltFile
from bot.adapters.journal.opening import open_journal
from bot.adapters.telemetry.endpoints import Endpoints
from bot.adapters.telemetry.logs import configure_logging, logger
from bot.adapters.telemetry.port import RecordedTelemetry
from bot.adapters.telemetry.prometheus import Metrics
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment
from bot.config import Settings
from bot.core.events import VenueLink
from bot.core.records import Ledger
from bot.core.statement import BookStatement
from bot.core.units import VenueId
from bot.drivers.check import account_of
from bot.drivers.journals import place_of
from bot.drivers.refusals import REFUSALS, in_one_sentence
from bot.ports import Clock, CollateralSource
from bot.shell.clock import SystemClock
from bot.shell.lifecycle import GONE_S, Run, World, stop_on_signals
from bot.shell.watchdog import Watchdog

FUNDING_POLL_S = dict.fromkeys(Environment, 30.0) | {Environment.SIMULATION: 6.0}
"""How often funding is asked for. A simulation's market time is compressed, and with it the time between settlements. Its venues' request
budgets are not: at Hyperliquid one round costs a thirtieth of what a minute allows.
"""


async def run_bot(settings: Settings) -> int:
    """Runs until a signal; the exit code. Raises what `drivers.refusals` lists, before anything is sent."""
    configure_logging(settings.logging.level.value, settings.logging.format.value, secrets=settings.secret_values())
    log, metrics, clock = logger(), Metrics(), SystemClock()
    journal = open_journal(place_of(settings), on_append_seconds=metrics.journal_append_seconds.observe)
    try:
        venues = venues_of(settings, clock, metrics)
        for venue in venues.values():
            await venue.prove()
        sources: list[CollateralSource] = []
        watched: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        world = World(
            venues=dict(venues),
            sources=sources,
            journal=journal,
            clock=clock,
            telemetry=RecordedTelemetry(metrics),
            funding_poll_s=FUNDING_POLL_S[Environment(settings.environment.value)],
            halt=HaltFile(settings.halt_path),
            watched=watched,
        )
        run = Run(world, settings.to_policy(), settings.config_hash)
        sources.extend(_sources(settings, run.loop.ledger, clock))  # they need to know what the journal remembers of them
    except BaseException:
        journal.close()
        raise
    metrics.journal_quarantined.set(len(journal.quarantined))
    metrics.journal_waiting.set_function(lambda: journal.pending)
    metrics.journal_rewritten.set_function(lambda: journal.rewritten)
    metrics.describe_run(
        version=__version__,
        environment=settings.environment.value,
        book=settings.name,
        config_hash=settings.config_hash,
        started_at_ms=clock.now(),
    )
    endpoints, watchdog = _endpoints(settings, metrics, run), Watchdog()
    watched["endpoints"] = endpoints.watch
    try:
        await endpoints.start()
        log.info("listening", port=endpoints.port, control=str(settings.control_path))
        stop_on_signals(run, on_stop=lambda: watchdog.end_within(GONE_S))
        watchdog.start()  # not stopped: what hangs after the run has ended must not keep the process either
        gc.collect()
        gc.freeze()  # what start-up made stays; a full collection over it would hold up the loop for a tenth of a second
        await run.until_stopped()
        return 0
    except REFUSALS:
        raise
    except Exception as error:
        log.error("run_ended", error=type(error).__name__, reason=in_one_sentence(error), exc_info=error)
        return 1
    finally:
        await endpoints.stop()
        journal.close()


def venues_of(settings: Settings, clock: Clock, metrics: Metrics) -> dict[VenueId, CcxtVenue]:
    """The configured venues. Raises VenueNotReady with one sentence for one that cannot be used as configured."""
    venues: dict[VenueId, CcxtVenue] = {}
    for name in settings.venues:
        account = account_of(settings, name)
        whole = {limit.name: limit.shared(account.request_share).units for limit in PROFILES[account.venue].limits}
        venues[account.venue] = CcxtVenue(
            account,
            clock,
            budget_seen=partial(_budget_seen, metrics, account.venue, whole),
            stay_away=partial(_stay_away, metrics, account.venue),
            armed=partial(_armed, metrics, account.venue),
        )
    return venues


def _armed(metrics: Metrics, venue: VenueId, armed: bool) -> None:
    metrics.dead_man_switch.labels(venue).set(armed)


def _sources(settings: Settings, ledger: Ledger, clock: Clock) -> list[CollateralSource]:
    hedged_as = settings.collateral.hedged_as()
    return [
        FileSource(
            told.name,
            told.path,
            clock,
            known=[(asset, location) for source, location, asset in ledger.holdings if source == told.name],
            hedged_as=hedged_as,
            age_max=told.max_age_ms,
        )
        for told in settings.collateral.sources
    ]


def _budget_seen(metrics: Metrics, venue: VenueId, whole: Mapping[str, int], budget: str, left: int) -> None:
    metrics.request_budget.labels(venue, budget).set(left / whole[budget])


def _stay_away(metrics: Metrics, venue: VenueId, seconds: float) -> None:
    metrics.stay_away.labels(venue).inc()
    metrics.stay_away_seconds.labels(venue).inc(seconds)


def _endpoints(settings: Settings, metrics: Metrics, run: Run) -> Endpoints:
    def statement() -> BookStatement | None:
        return run.loop.statement() if run.loop.ledger.epoch else None

    def unready() -> str | None:
        return why_unready(statement(), run.not_ready)

    return Endpoints(
        host=settings.listen.host,
        port=settings.listen.port,
        control=settings.control_path,
        metrics=metrics,
        statement=statement,
        unready=unready,
        act=run.control.act,
    )


def why_unready(told: BookStatement | None, not_ready: Mapping[VenueId, str]) -> str | None:
    """What the run waits for, None when it is ready; a venue that cannot be used as configured with its sentence from `not_ready`."""
    if told is None:
        return "the run has not begun"
    if told.ready:
        able = any(v.link is VenueLink.UP and v.reconciled for v in told.venues)
        return None if able else "no venue can take a hedge at present"
    waiting = [f"{v.venue} ({not_ready[v.venue]})" if v.venue in not_ready else v.venue for v in told.venues if not v.reconciled]
    return f"waiting for {', '.join(waiting)}" if waiting else "waiting for a collateral source"
