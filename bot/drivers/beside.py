"""The hosts that a configuration needs beside those of its venues: custodians, chains, and Redis. Nothing is opened or sent."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from bot.config import Settings
from bot.config.claims_section import RedisSourceSettings
from bot.config.journal_section import RedisAddress

DIRECTLY = "directly"
"""The way to what no proxy stands before."""
TITLES = ("who", "for", "host", "lives at", "way")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostBeside:
    """One host: whose it is (a source, or `journal`), what it is asked for, where it lives (`itself`, or by a route), and the way there."""

    who: str
    purpose: str
    host: str
    lives_at: str
    way: str
    is_outside: bool = True
    """Whether a proxy has to let it through, where there is one: Redis is reached directly."""

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `TITLES`."""
        return self.who, self.purpose, self.host, self.lives_at, self.way


def hosts_beside(settings: Settings) -> list[HostBeside]:
    """Every such host, in the order of the configuration, the journal's last. Of a secret URL the host alone is told."""
    return [*_custodians(settings), *_chains(settings), *_redis(settings)]


def _custodians(settings: Settings) -> Iterator[HostBeside]:
    for source in settings.collateral.custodians():
        home = settings.routes.get(source.host, "itself")
        yield HostBeside(who=source.name, purpose="custodian", host=source.host, lives_at=home, way=_way(settings))


def _chains(settings: Settings) -> Iterator[HostBeside]:
    for source in settings.collateral.chains():
        for which, endpoint in zip(("first", "second"), source.endpoints, strict=True):
            host = urlsplit(endpoint.reveal()).hostname or ""
            yield HostBeside(who=source.name, purpose=f"{which} endpoint", host=host, lives_at="itself", way=_way(settings))


def _redis(settings: Settings) -> Iterator[HostBeside]:
    for source in settings.collateral.sources:
        if isinstance(source, RedisSourceSettings):
            yield from _servers(source.name, source.address)
    if settings.journal.address is not None:
        yield from _servers("journal", settings.journal.address)


def _servers(who: str, address: RedisAddress) -> Iterator[HostBeside]:
    """A Sentinel names the master itself, which may be any host."""
    purpose = "Redis" if address.service is None else f"Sentinel of {address.service}"
    for host, port in address.hosts:
        yield HostBeside(who=who, purpose=purpose, host=f"{host}:{port}", lives_at="itself", way=DIRECTLY, is_outside=False)


def _way(settings: Settings) -> str:
    return DIRECTLY if settings.proxy is None else "through the proxy"
