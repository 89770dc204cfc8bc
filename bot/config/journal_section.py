"""Where the journal is kept: a file beside the bot, or a Redis server.

    journal: state/journal.sqlite                      a file; left out: journal.sqlite in state_dir
    journal: redis://127.0.0.1:6379/0                  a server, and a database of it
    journal: rediss://journal.example:6380             over TLS
    journal: redis+sentinel://a:26379,b:26379/main/0   the master that these Sentinels name `main`; rediss+sentinel:// over TLS
    journal: {url: {env: HEDGEBOT_JOURNAL}, min_replicas: 1}

`user:password@` before the hosts lets us in; Sentinels that want their own are told `?sentinel_username=...&sentinel_password=...`. What is
not a letter, a digit or one of `-._~` is percent-encoded in these parts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import BaseModel, Field, model_validator

from bot.config.values import SECTION, PathBesideConfig, Secret, WholeNumber

_SCHEMES = ("redis", "rediss", "redis+sentinel", "rediss+sentinel")
_PORTS = {False: 6379, True: 26379}
_QUERY = ("sentinel_username", "sentinel_password")
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisAddress:
    """What a URL of a Redis server says. `service`: the master's name at the Sentinels that `hosts` are; None: there are none."""

    tls: bool
    hosts: tuple[tuple[str, int], ...]
    service: str | None
    database: int
    username: str | None = field(repr=False)
    password: str | None = field(repr=False)
    sentinel_username: str | None = field(repr=False)
    sentinel_password: str | None = field(repr=False)

    def secrets(self) -> tuple[str, ...]:
        """What must not be seen of it."""
        return tuple(secret for secret in (self.password, self.sentinel_password) if secret)

    def masked(self) -> str:
        """The URL without whatever lets anybody in."""
        scheme = ("rediss" if self.tls else "redis") + ("" if self.service is None else "+sentinel")
        hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in self.hosts)
        access = "" if self.username is None and self.password is None else "***@"
        service = "" if self.service is None else f"/{self.service}"
        return f"{scheme}://{access}{hosts}{service}/{self.database}" + ("?***" if self.sentinel_password else "")


def redis_address(url: str) -> RedisAddress:
    """What `url` says. Raises ValueError with a sentence that repeats none of its secrets."""
    scheme, found, rest = url.partition("://")
    if not found or scheme not in _SCHEMES:
        raise ValueError("write a path, or a URL that begins with redis://, rediss://, redis+sentinel:// or rediss+sentinel://")
    named, _, query = rest.partition("?")
    authority, _, path = named.partition("/")
    access, at, places = authority.rpartition("@")
    sentinels = scheme.endswith("+sentinel")
    hosts = tuple(_host(place, _PORTS[sentinels]) for place in places.split(","))
    if len(hosts) > 1 and not sentinels:
        raise ValueError("several hosts are Sentinels: begin with redis+sentinel:// and name the master behind them, /NAME")
    parts = [part for part in path.split("/") if part]
    service = parts.pop(0) if sentinels and parts else None
    if sentinels and (service is None or not _SERVICE.fullmatch(service)):
        raise ValueError("name the master that the Sentinels watch: redis+sentinel://host:port,host:port/NAME")
    if len(parts) > 1 or not all(part.isdigit() for part in parts):
        raise ValueError("after the host only the number of a database may follow, for example /0")
    username, password = _access(access) if at else (None, None)
    told = _query(query, sentinels=sentinels)
    return RedisAddress(
        tls=scheme.startswith("rediss"),
        hosts=hosts,
        service=service,
        database=int(parts[0]) if parts else 0,
        username=username,
        password=password,
        sentinel_username=told.get("sentinel_username"),
        sentinel_password=told.get("sentinel_password"),
    )


def _host(text: str, usual_port: int) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise ValueError("each host is written host or host:port, an IPv6 address in brackets")
    return host, usual_port if port is None else port


def _access(text: str) -> tuple[str | None, str | None]:
    username, colon, password = text.partition(":")
    if not colon:
        raise ValueError("before the @ stands user:password or :password")
    return unquote(username) or None, unquote(password) or None


def _query(text: str, *, sentinels: bool) -> dict[str, str]:
    told = {name: values[-1] for name, values in parse_qs(text, keep_blank_values=True).items()}
    for name in told:
        if not sentinels or name not in _QUERY:
            raise ValueError(f"after the ? only {' and '.join(_QUERY)} may stand, and only where there are Sentinels")
    return told


class JournalSettings(BaseModel):
    """Where the journal is kept: a path or a URL, or these keys."""

    model_config = SECTION

    path: PathBesideConfig | None = None
    """File of the embedded journal (SQLite). Left out together with `url`: `journal.sqlite` in `state_dir`."""
    url: Secret | None = None
    """URL of a Redis server: `redis://[user:password@]host[:port][/database]`, `rediss://` over TLS, or
    `redis+sentinel://[user:password@]host[:port],.../NAME[/database]` for the master that Sentinels know as NAME. With a password in it
    it is a secret: `{env: NAME}` or `{file: path}`. Several books may share one server: each has keys of its own name."""
    ca_file: PathBesideConfig | None = None
    """Certificates (PEM) of who vouches for the server's, with `rediss`. Left out: the system's authorities."""
    min_replicas: Annotated[WholeNumber, Field(ge=0, le=5)] = 0
    """How many replicas of the Redis server must have an entry too before anything that depends on it is sent."""
    archive: bool | None = None
    """Whether entries that a start does not need any more are moved into compressed files, which `hedgebot replay` and `explain` still
    read. Left out: yes with Redis, whose memory they would fill, no with a file."""
    archive_dir: PathBesideConfig | None = None
    """Folder of these files. Left out: `journal-archive` in `state_dir`. Two instances of one book share it, or each keeps its part."""

    @model_validator(mode="before")
    @classmethod
    def _accept_a_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {"url": value} if "://" in value else {"path": value}

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> JournalSettings:
        if self.path is not None and self.url is not None:
            raise ValueError("write a path or a url, not both")
        address = self.address
        if address is None and self.min_replicas:
            raise ValueError("min_replicas belongs to a Redis server, and this is a file")
        if self.ca_file is not None:
            if address is None or not address.tls:
                raise ValueError("ca_file belongs to a URL that begins with rediss")
            if not self.ca_file.is_file():
                raise ValueError(f"ca_file: there is no file {self.ca_file}")
        return self

    @property
    def address(self) -> RedisAddress | None:
        """The server, None: the journal is a file. Raises ValueError with a sentence."""
        return None if self.url is None else redis_address(self.url.reveal())

    def secrets(self) -> tuple[str, ...]:
        """Every secret's value, for the log's redaction."""
        address = self.address
        return () if address is None or self.url is None else (*address.secrets(), *((self.url.reveal(),) if address.secrets() else ()))
