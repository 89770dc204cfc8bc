"""`hedgebot check CONFIG`: which hosts ccxt will use for each configured venue, held against the list of what may leave, and which others a
run needs. Sends nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from bot.adapters.venue.ccxt_client import doors
from bot.adapters.venue.inspector import reading_doors
from bot.adapters.venue.profiles import PROFILES
from bot.adapters.venue.rehearsal import Rehearsed, rehearse
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.settings import VenueSettings as AccountSettings
from bot.config import Settings
from bot.core.units import VenueId
from bot.drivers.beside import TITLES, hosts_beside
from bot.ports import VenueNotReady
from bot.shell.clock import SystemClock

OF_THE_CHECK = "--connect alone"
"""What a host is for that no run asks."""
_TITLES = ("venue", "for", "host", "lives at", "allowed")
_OF_SOCKETS = {"http": "ws", "https": "wss"}


@dataclass(frozen=True, slots=True)
class HostUse:
    """One host that ccxt will use at one venue, what for, and whether every request to it may leave."""

    venue: VenueId
    environment: Environment
    purpose: str
    host: str
    lives_at: str
    allowed: str
    fits: bool

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of the titles."""
        return self.venue, self.purpose, self.host, self.lives_at, self.allowed


async def hosts_in_use(settings: Settings) -> list[HostUse]:
    """Every host of every configured venue, from the real client. Raises VenueNotReady where the settings cannot work."""
    found: list[HostUse] = []
    for name in settings.venues:
        account = account_of(settings, name)
        profile = PROFILES[account.venue]
        try:
            bases = doors(profile, account).bases
            told = await rehearse(profile, account, SystemClock())
        except ValueError as error:
            raise VenueNotReady(f"{name}: {error}") from None
        if told.untried:
            raise VenueNotReady(f"{name}: {told.untried[0]}")
        headers = {
            (opening.host, opening.socket, opening.private): opening.headers
            for opening in profile.openings_in(account.environment, wallets=account.reads_wallets)
        }
        for key in sorted({_key(each) for each in told.requests}):
            socket, private, host = key
            why = next((each.refusal for each in told.requests if _key(each) == key and each.refusal is not None), None)
            demanded = ", ".join(f"{name}: {value}" for name, value in headers.get((host, socket, private), {}).items())
            found.append(
                HostUse(
                    venue=account.venue,
                    environment=account.environment,
                    purpose=f"{'WebSocket' if socket else 'REST'} {'private' if private else 'public'}",
                    host=host,
                    lives_at=_home(host, bases.get(host), socket=socket),
                    allowed=f"no: {why}" if why is not None else f"with {demanded}" if demanded else "yes",
                    fits=why is None,
                )
            )
        found += _of_the_check(account, bases)
    return found


def _of_the_check(account: AccountSettings, of_a_run: Mapping[str, str]) -> list[HostUse]:
    """The hosts that `--connect` asks beside a run's: what tells of a key may live elsewhere."""
    return [
        HostUse(
            venue=account.venue,
            environment=account.environment,
            purpose=OF_THE_CHECK,
            host=host,
            lives_at=_home(host, base, socket=False),
            allowed="yes",
            fits=True,
        )
        for host, base in reading_doors(account).bases.items()
        if host not in of_a_run
    ]


def account_of(settings: Settings, name: str) -> AccountSettings:
    """What the adapter of one configured venue is told. The one line that picks the environment is here."""
    section = settings.venues[name]
    keys = {key: secret.reveal() for key, secret in section.credentials.named().items()}
    return AccountSettings(
        venue=VenueId(name),
        environment=Environment(settings.environment.value),
        api_key=keys["api_key"],
        secret=keys["secret"],
        passphrase=keys.get("passphrase"),
        venue_symbols=section.instruments,
        leverage=section.leverage,
        request_share=section.request_share,
        routes=dict(settings.routes),
        proxy=settings.proxy,
        reads_wallets=name in settings.collateral.venues_with_wallets(),
    )


def tables(settings: Settings, found: Iterable[HostUse]) -> Iterator[str]:
    """Lines for people: the hosts beside the venues', where there are any, and those of the venues."""
    beside = [each.cells() for each in hosts_beside(settings)]
    if beside:
        yield "\nHosts of custodians, chains and Redis:"
        yield from _table(TITLES, beside)
    yield f"\nHosts that ccxt will use in {settings.environment.value}:"
    yield from _table(_TITLES, [use.cells() for use in found])


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    rows = [titles, *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(titles))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def mismatch(found: Iterable[HostUse]) -> str | None:
    """One sentence about the first host that does not fit; None when all do."""
    for use in found:
        if not use.fits:
            return f"{use.venue}: ccxt would use {use.host} for {use.purpose} in {use.environment.value}, and may not ({use.allowed})"
    return None


def _home(host: str, base: str | None, *, socket: bool) -> str:
    """Where a host lives: `itself`, or the address on this machine that it is routed to."""
    if base is None:
        return "nowhere"
    scheme, _, address = base.partition("://")
    if address == host:
        return "itself"
    return f"{_OF_SOCKETS.get(scheme, scheme) if socket else scheme}://{address}"


def _key(request: Rehearsed) -> tuple[bool, bool, str]:
    return request.asked.socket, request.private, request.host
