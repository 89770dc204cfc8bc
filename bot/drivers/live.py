"""`hedgebot run CONFIG`: the bot on real clocks, real venues (or a simulation's), the journal that the configuration names.

The one line that differs between a simulation, a testnet, a demo and (one day) mainnet is which environment the venue adapters are told.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from bot import __version__
from bot.adapters.halt_file import HaltFile
from bot.adapters.journal.intents import IntentsFile
from bot.adapters.journal.opening import open_journal
from bot.adapters.journal.redis_streams import RedisJournal
from bot.adapters.journal.sqlite import SqliteJournal
from bot.adapters.telemetry.connections import allow_descriptors
from bot.adapters.telemetry.endpoints import Endpoints
from bot.adapters.telemetry.logs import configure_logging, logger
from bot.adapters.telemetry.port import RecordedTelemetry
from bot.adapters.telemetry.prometheus import Metrics
from bot.adapters.venue.ban_file import BanFile
from bot.adapters.venue.ccxt_venue import CcxtVenue
from bot.adapters.venue.observed import ObservedVenue
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.settings import Environment
from bot.config import ConfigError, Settings
from bot.config.policy_section import check_policy
from bot.core.events import VenueLink
from bot.core.policy import Policy
from bot.core.statement import BookStatement
from bot.core.units import VenueId
from bot.drivers.check import account_of
from bot.drivers.control_place import door_of
from bot.drivers.journals import place_of
from bot.drivers.members import Member, Turn
from bot.drivers.refusals import REFUSALS, in_one_sentence
from bot.drivers.reloading import ConfigurationFile, at_its_turn
from bot.drivers.sources import sources_of
from bot.operating import OperatorAnswer, OperatorRequest, Reload
from bot.ports import Clock, CollateralSource, Journal, JournalFenced, JournalUnavailable, LeaseLost, SendRight
from bot.shell.clock import SystemClock
from bot.shell.heard import Heard
from bot.shell.lifecycle import GONE_S, Run, Stoppable, World, stop_on_signals
from bot.shell.watchdog import Watchdog

FUNDING_POLL_S = dict.fromkeys(Environment, 30.0) | {Environment.SIMULATION: 6.0}
"""How often funding is asked for. A simulation's market time is compressed, and with it the time between settlements. Its venues' request
budgets are not: at Hyperliquid one round costs a thirtieth of what a minute allows.
"""

LEASE_LOST = 3
"""Exit code of a run that lost its lease: whoever supervises starts it again, and it stands by."""


class Stage:
    """What the process is at: the run, once there is one; before that, in a process that stands by, the member."""

    endpoints: Endpoints

    def __init__(self) -> None:
        self.run: Run | None = None
        self.member: Member | None = None
        self.reload: Reload | None = None
        self._watchdog = Watchdog()

    async def listen(self, settings: Settings) -> None:
        """Answers from now on. Raises EndpointUnavailable."""
        await self.endpoints.start()
        over_tcp = None if settings.control is None else str(settings.control.listen)
        logger().info("listening", port=self.endpoints.port, control=str(settings.control_path), control_tcp=over_tcp)

    def heed_signals(self, stoppable: Stoppable) -> None:
        """SIGTERM and SIGINT end this one from now on, and the process with it; also one that hangs while it stands by."""
        self._watchdog.start()  # not stopped: what hangs after the end must not keep the process either
        stop_on_signals(stoppable, on_stop=lambda: self._watchdog.end_within(GONE_S))

    async def until_stopped(self, run: Run) -> int:
        """Runs; the exit code of an orderly end."""
        gc.collect()
        gc.freeze()  # what start-up made stays; a full collection over it would hold up the loop for a tenth of a second
        await run.until_stopped()
        return 0


async def run_bot(settings: Settings, *, observe: bool = False, path: Path | None = None) -> int:
    """Runs until a signal; the exit code. Raises what `drivers.refusals` lists, before anything is sent.

    `observe`: venues are only watched (see `ObservedVenue`). Raises ConfigError where it could hinder a run that trades.
    `path` is the configuration's file, to be read again when a person asks; None: it cannot be.
    """
    if observe:
        _check_only_watching(settings)
    allow_descriptors()
    configure_logging(settings.logging.level.value, settings.logging.format.value, secrets=settings.secret_values())
    log, metrics, clock = logger(), Metrics(), SystemClock()
    metrics.describe_run(
        version=__version__,
        environment=settings.environment.value,
        book=settings.name,
        config_hash=settings.config_hash,
        started_at_ms=clock.now(),
    )
    stage = Stage()
    stage.reload = None if path is None else ConfigurationFile(path, settings)
    stage.endpoints = _endpoints(settings, metrics, stage)
    try:
        if settings.instance is None:
            return await _run_alone(settings, clock, metrics, stage, observe=observe)
        return await _run_in_turn(settings, clock, metrics, stage)
    except REFUSALS:
        raise
    except (LeaseLost, JournalFenced) as error:
        log.error("run_ended", error="LeaseLost", reason=in_one_sentence(error))
        return LEASE_LOST
    except JournalUnavailable as error:
        log.error("run_ended", error="JournalUnavailable", reason=in_one_sentence(error))
        return 1
    except Exception as error:
        log.error("run_ended", error=type(error).__name__, reason=in_one_sentence(error), exc_info=error)
        return 1
    finally:
        await stage.endpoints.stop()


def _check_only_watching(settings: Settings) -> None:
    """Raises ConfigError for what a run that trades may have elsewhere: a lease, or a journal that has but one writer."""
    if settings.instance is not None:
        raise ConfigError("instance: --observe is not allowed with it: who only watches must not hold the lease; remove it, or --observe")
    if settings.journal.address is not None:
        raise ConfigError(
            "journal.url: --observe is not allowed with a Redis server: a run that trades on the same book would end when somebody else"
            " writes there; leave journal out in a copy of this file, and it is a file in state_dir"
        )


async def _run_alone(settings: Settings, clock: Clock, metrics: Metrics, stage: Stage, *, observe: bool) -> int:
    """The only instance of its book."""
    journal = open_journal(place_of(settings), on_append_seconds=metrics.journal_append_seconds.observe)
    try:
        venues = await _proven(settings, clock, metrics, None, observe=observe)
        run = stage.run = _run_on(settings, journal, venues, clock, metrics, stage)
        _show_journal(metrics, journal)
        await stage.listen(settings)
        stage.heed_signals(run)
        return await stage.until_stopped(run)
    finally:
        journal.close()


async def _run_in_turn(settings: Settings, clock: Clock, metrics: Metrics, stage: Stage) -> int:
    """One of several instances: it stands by, and runs when its turn comes."""
    member = stage.member = Member(settings, settings.to_policy(), clock, metrics)
    turn: Turn | None = None
    try:
        venues = await _proven(settings, clock, metrics, member)  # what cannot work is said before it is needed
        await stage.listen(settings)
        stage.heed_signals(member.standby)
        turn = await member.turn()
        if turn is None:
            return 0
        run = stage.run = _run_on(settings, turn.journal, venues, clock, metrics, stage, turn)
        _show_journal(metrics, turn.journal)
        stage.heed_signals(run)
        if member.standby.stop_reason is not None:  # it came while the journal was read
            run.stop(member.standby.stop_reason)
        return await stage.until_stopped(run)
    finally:
        if turn is not None:
            turn.journal.close()
            await turn.mandate.end()
        await member.close()


def _show_journal(metrics: Metrics, journal: SqliteJournal | RedisJournal) -> None:
    metrics.journal_quarantined.set(len(journal.quarantined))
    metrics.journal_waiting.set_function(lambda: journal.pending)
    metrics.journal_rewritten.set_function(lambda: journal.rewritten)


async def _proven(
    settings: Settings, clock: Clock, metrics: Metrics, right: SendRight | None, *, observe: bool = False
) -> dict[VenueId, CcxtVenue]:
    venues = venues_of(settings, clock, metrics, right, ObservedVenue if observe else CcxtVenue)
    for venue in venues.values():
        await venue.prove()
    return venues


def _run_on(
    settings: Settings,
    journal: Journal,
    venues: Mapping[VenueId, CcxtVenue],
    clock: Clock,
    metrics: Metrics,
    stage: Stage,
    turn: Turn | None = None,
) -> Run:
    sources: list[CollateralSource] = []
    world = World(
        venues=venues,
        sources=sources,
        journal=journal,
        clock=clock,
        telemetry=RecordedTelemetry(metrics),
        funding_poll_s=FUNDING_POLL_S[Environment(settings.environment.value)],
        halt=HaltFile(settings.halt_path),
        intents=IntentsFile(settings.intents_path),
        reload=stage.reload,
        observing=any(isinstance(venue, ObservedVenue) for venue in venues.values()),
        contradiction=partial(_contradiction, len(settings.venues)),
        heard=Heard() if turn is None else turn.heard,
        mandate=None if turn is None else turn.mandate,
        watched={"endpoints": stage.endpoints.watch},
    )
    if turn is None:
        policy, config_hash, recovery = settings.to_policy(), settings.config_hash, None
    else:
        recovery = turn.recovery
        policy, config_hash = at_its_turn(settings, stage.reload, recovery[0].policy)
    run = Run(world, policy, config_hash, recovery=recovery)
    known = run.loop.ledger  # sources need to know what the journal remembers of them
    sources.extend(sources_of(settings, known, clock, venues, observe=world.observing, refused=counted_by(metrics)))
    return run


def counted_by(metrics: Metrics) -> Callable[[str], Callable[[], None]]:
    """What counts a source's messages that can never be taken, from its name on; one that has none yet shows zero."""
    return lambda source: metrics.refused_messages.labels(source).inc


def _contradiction(venues: int, policy: Policy) -> str | None:
    try:
        check_policy(policy, venues=venues)
    except ValueError as error:
        return str(error)
    return None


def venues_of(
    settings: Settings, clock: Clock, metrics: Metrics, right: SendRight | None = None, kind: type[CcxtVenue] = CcxtVenue
) -> dict[VenueId, CcxtVenue]:
    """The configured venues, all of one kind; `right` is asked before each order, None: nobody else may send.

    Raises VenueNotReady with one sentence for one that cannot be used as configured.
    """
    venues: dict[VenueId, CcxtVenue] = {}
    for name in settings.venues:
        account = account_of(settings, name)
        whole = {limit.name: limit.shared(account.request_share).units for limit in PROFILES[account.venue].limits}
        venues[account.venue] = kind(
            account,
            clock,
            budget_seen=partial(_budget_seen, metrics, account.venue, whole),
            stay_away=partial(_stay_away, metrics, account.venue),
            armed=partial(_armed, metrics, account.venue),
            answered=metrics.request_seconds.labels(account.venue).observe,
            delayed=metrics.stream_delay_seconds.labels(account.venue).observe,
            right=right,
            bans=BanFile(settings.state_dir / f"stay-away-{account.venue}"),
        )
    return venues


def _armed(metrics: Metrics, venue: VenueId, armed: bool) -> None:
    metrics.dead_man_switch.labels(venue).set(armed)


def _budget_seen(metrics: Metrics, venue: VenueId, whole: Mapping[str, int], budget: str, left: int) -> None:
    metrics.request_budget.labels(venue, budget).set(left / whole[budget])


def _stay_away(metrics: Metrics, venue: VenueId, seconds: float) -> None:
    metrics.stay_away.labels(venue).inc()
    metrics.stay_away_seconds.labels(venue).inc(seconds)


def _endpoints(settings: Settings, metrics: Metrics, stage: Stage) -> Endpoints:
    def statement() -> BookStatement | None:
        run = stage.run
        return run.loop.statement() if run is not None and run.loop.ledger.epoch else None

    def unready() -> str | None:
        if stage.run is None and stage.member is not None:
            return stage.member.unready()
        return why_unready(statement(), {} if stage.run is None else stage.run.not_ready)

    async def act(request: OperatorRequest) -> OperatorAnswer:
        if stage.run is not None:
            return await stage.run.control.act(request)
        if stage.member is not None:
            return stage.member.refuse(request)
        return OperatorAnswer(accepted=False, sentence="the run has not begun", trading_state="starting")

    return Endpoints(
        host=settings.listen.host,
        port=settings.listen.port,
        control=settings.control_path,
        metrics=metrics,
        statement=statement,
        unready=unready,
        act=act,
        door=door_of(settings),
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
