"""Looks at one account without changing it: reachability, clock, key, settings, instruments, dead-man switch.

The rule: nothing leaves but readings (`Doors.reading`), over connections of its own. Each question is asked by itself, so that one that
fails hides nothing else; after a venue that does not answer, or does not take the key, there is nothing more to ask.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_client import doors, make_client
from bot.adapters.venue.ccxt_mapping import Unreadable, figure, told
from bot.adapters.venue.doors import Doors
from bot.adapters.venue.feedback import Brake
from bot.adapters.venue.inspection import (
    Absent,
    Asking,
    Finding,
    Inspection,
    SettingsTold,
    Unknown,
    Verdict,
    of_clock,
    of_key,
    of_leverage,
    of_mode,
    unknown_key,
)
from bot.adapters.venue.listing import let_go, listing_apart
from bot.adapters.venue.opening import look_at
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.profiles.inspections import INSPECTIONS
from bot.adapters.venue.routing import RoutingSession
from bot.adapters.venue.settings import Environment, VenueSettings
from bot.adapters.venue.throttle import Gate, Lane
from bot.core.instrument import Instrument
from bot.core.units import Millis
from bot.ports import Clock, VenueNotReady

CLOCK_OFFSET_MAX_MS: Millis = 500
CLOCK_READINGS = 3
"""The quickest answer bounds the clock best."""
_MODES = ("position mode", "margin mode")


def reading_doors(settings: VenueSettings) -> Doors:
    """What may leave while an account is looked at: readings of a run, and of the key. Raises ValueError as `doors` does."""
    more = INSPECTIONS[settings.venue].key.openings.get(settings.environment, ())
    if settings.environment is Environment.SIMULATION:
        routed = {opening.host: settings.routes[opening.host] for opening in more if opening.host in settings.routes}
    else:
        routed = {opening.host: f"https://{opening.host}" for opening in more}
    return doors(PROFILES[settings.venue], settings).reading([opening for opening in more if opening.host in routed], routed)


async def inspect_account(
    settings: VenueSettings, clock: Clock, *, clock_offset_max_ms: Millis = CLOCK_OFFSET_MAX_MS, through: Doors | None = None
) -> tuple[Finding, ...]:
    """All that was found, in the order in which it was looked at. `through`: other doors than the settings' own, for tests.

    `clock_offset_max_ms`: how far the venue's clock may be from ours, as the policy has it.

    Raises ValueError when the settings cannot work.
    """
    profile, opened = PROFILES[settings.venue], reading_doors(settings) if through is None else through
    gate = Gate([limit.shared(settings.request_share) for limit in profile.limits])
    brake = Brake(settings.venue, profile.feedback, gate)

    def seen(path: str, status: int, headers: Mapping[str, str]) -> None:
        brake.answered(path, status, headers, clock.now())

    sessions = tuple(RoutingSession(each, headers_seen=seen, stay_away=lambda: gate.closed_for) for each in (opened, opened.public()))
    clients: list[Any] = []
    try:
        clients += [make_client(profile, settings, session, clock, keyless=number > 0) for number, session in enumerate(sessions)]
        listing = listing_apart(opened, profile, settings, clock, lambda: gate.closed_for, seen)
        asker = Asker(clients[0], profile, settings, gate, clock, public=clients[1], listing=listing, brake=brake)
        return tuple(await _Look(asker, profile, settings, opened, clock, clock_offset_max_ms).findings())
    finally:
        await let_go(clients, sessions)


class _Look:
    def __init__(
        self, asker: Asker, profile: Profile, settings: VenueSettings, through: Doors, clock: Clock, clock_offset_max_ms: Millis
    ) -> None:
        self._asker = asker
        self._profile = profile
        self._settings = settings
        self._inspection: Inspection = INSPECTIONS[settings.venue]
        self._hosts = through.allowed.hosts
        self._clock = clock
        self._clock_offset_max_ms = clock_offset_max_ms
        self._found: list[Finding] = []

    async def findings(self) -> list[Finding]:
        if not await self._reached() or not await self._key_taken():
            return self._found
        self._found += await self._key()
        try:
            instruments = (await look_at(self._asker, self._profile, self._settings)).instruments
        except (VenueNotReady, ConnectionError) as failure:
            self._found.append(Finding("account", "cannot be used", Verdict.REFUSED, _without_venue(str(failure), self._settings.venue)))
            return self._found
        self._found += await self._modes()
        self._found += [_of_instrument(symbol, instruments.get(symbol)) for symbol in self._settings.venue_symbols]
        self._found.append(await self._switch())
        return self._found

    async def _reached(self) -> bool:
        """Whether the venue answers, and what its clock says."""
        best: tuple[Millis, Millis] | None = None
        for number in range(CLOCK_READINGS):
            asked_at = self._clock.now()
            try:
                at = await self._asker.measure_clock(Lane.RECONCILE)
            except (NotAnswered, Unreadable) as failure:
                if number == 0:
                    self._found.append(Finding("reachable", "no", Verdict.REFUSED, f"The venue does not answer: {failure}"))
                    return False
                break
            answered_at = self._clock.now()
            took = answered_at - asked_at
            if best is None or took < best[1]:
                best = (at - (asked_at + answered_at) // 2, took)
        if best is not None:
            self._found += [
                Finding("reachable", f"in {best[1]} ms", Verdict.FINE),
                of_clock(best[0], (best[1] + 1) // 2, self._clock_offset_max_ms),
            ]
        return True

    async def _key_taken(self) -> bool:
        try:
            await self._asker.ask(self._profile.reads.margin, Lane.RECONCILE)
        except (NotAnswered, Unreadable) as failure:
            self._found.append(Finding("key", "not taken", Verdict.REFUSED, f"The venue refuses what the key signs: {failure}"))
            return False
        self._found.append(Finding("key", "taken", Verdict.FINE))
        return True

    async def _key(self) -> tuple[Finding, ...]:
        told_by, environment, now = self._inspection.key, self._settings.environment, self._asker.venue_now()
        if environment in told_by.absent:
            return unknown_key(Absent(told_by.absent[environment]), environment, now)
        needed = {opening.host for opening in told_by.openings.get(environment, ())}
        if missing := needed - set(self._hosts):
            return unknown_key(Unknown(f"routes names no place for {', '.join(sorted(missing))}"), environment, now)
        try:
            answer = await self._asker.ask(told_by.query, Lane.RECONCILE)
            facts = told_by.facts(answer, Asking(api_key=self._settings.api_key, signer=self._signer()))
        except NotAnswered as failure:
            why = "whoever answers has no such endpoint" if failure.is_unknown_here else str(failure)
            return unknown_key(Unknown(why), environment, now)
        except Unreadable as failure:
            return unknown_key(Unknown(str(failure)), environment, now)
        return of_key(facts, environment, now)

    def _signer(self) -> str | None:
        """The address that the secret signs for, where the account is an address."""
        if self._profile.setup is None or self._profile.setup.signer is None:
            return None
        try:
            return str(self._asker.client.eth_get_address_from_private_key(self._settings.secret))
        except Exception:  # whatever ccxt makes of what is no key
            return None

    async def _modes(self) -> list[Finding]:
        """Position mode, margin mode and leverage, each from whichever question tells it."""
        modes: dict[str, dict[str, str | None]] = {name: {} for name in _MODES}
        wanted: dict[str, frozenset[str]] = {name: frozenset() for name in _MODES}
        leverages: dict[str, Decimal | None] = {}
        failed: list[Finding] = []
        for each in self._inspection.settings:
            try:
                rows = await self._asker.rows(each.query, Lane.RECONCILE, symbols=self._asker.places)
                for row in rows:
                    self._take(each, row, modes, leverages)
            except (NotAnswered, Unreadable) as failure:
                failed.append(Finding("settings", "unknown", Verdict.UNKNOWN, str(failure)))
            for name, words in zip(_MODES, (each.one_way, each.cross), strict=True):
                wanted[name] |= words
        always = self._inspection.always
        found = [
            Finding(name, always[name], Verdict.FINE) if name in always else of_mode(name, modes[name], wanted[name]) for name in _MODES
        ]
        if "leverage" in always:
            found.append(Finding("leverage", always["leverage"], Verdict.FINE))
        else:
            found.append(of_leverage(leverages, self._settings.leverage))
        return found + failed

    def _take(
        self, each: SettingsTold, row: Mapping[str, Any], modes: Mapping[str, dict[str, str | None]], leverages: dict[str, Decimal | None]
    ) -> None:
        symbol = told(dict(row), each.symbol) if each.symbol else "account"
        if symbol is None or (each.symbol and symbol not in self._asker.places):
            return
        for name, where in zip(_MODES, (each.position_mode, each.margin_mode), strict=True):
            if where:
                modes[name][symbol] = told(dict(row), where)
        if each.leverage:
            leverages[symbol] = figure(dict(row), each.leverage)

    async def _switch(self) -> Finding:
        what, switch, told_by = "dead-man switch", self._profile.dead_man, self._inspection.switch
        if switch is None:
            return Finding(what, "none", Verdict.NOTED, self._inspection.no_switch)
        seconds = f"{switch.timeout_ms // 1_000} s"
        if told_by is None:
            return Finding(what, f"for {seconds}", Verdict.FINE)
        try:
            rows = await self._asker.rows(told_by.query, Lane.RECONCILE)
        except (NotAnswered, Unreadable) as failure:
            return Finding(what, "unknown", Verdict.UNKNOWN, str(failure))
        (product_at, product), (status_at, on) = told_by.product, told_by.status
        if any(told(row, product_at) == product and told(row, status_at) == on for row in rows):
            return Finding(what, f"for {seconds}", Verdict.FINE)
        return Finding(what, "not switched on", Verdict.WARNING, told_by.otherwise)


def _of_instrument(symbol: str, instrument: Instrument | None) -> Finding:
    """An instrument and its filters; a run goes on without one that the venue does not list or trade."""
    if instrument is None:
        return Finding(symbol, "not there", Verdict.WARNING, "The venue does not list or trade it at present; a run leaves it out.")
    size = "" if instrument.contract_size == 1 else f" of {instrument.contract_size.normalize():f}"
    least = "" if instrument.notional_min is None else f" and {instrument.notional_min.normalize():f} {instrument.quote}"
    hours = "" if instrument.funding_interval_ms is None else f", funding every {instrument.funding_interval_ms / 3_600_000:g} h"
    fee = "" if instrument.taker_fee is None else f", taker {(instrument.taker_fee * 10_000).normalize():f} bps"
    tiers = ", tiers unknown" if instrument.tiers is None else ""
    found = f"lots of {instrument.lot.normalize():f} contracts{size}, at least {instrument.contracts_min.normalize():f}{least}"
    verdict = Verdict.NOTED if instrument.tiers is None else Verdict.FINE
    why = "The margin of a larger position is estimated without leverage tiers." if instrument.tiers is None else ""
    return Finding(symbol, f"{found}, tick {instrument.tick.normalize():f}{fee}{hours}{tiers}", verdict, why)


def _without_venue(sentence: str, venue: str) -> str:
    """The table says which venue it is about."""
    return sentence.removeprefix(f"{venue}: ").removeprefix(f"{venue} ")
