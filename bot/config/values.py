"""Values that configuration writes as text: addresses, loopback URLs and secrets.

A secret is a reference: `{env: NAME}` or `{file: path}`, the file readable by its owner alone; where NAME is not set, NAME_FILE may name
such a file. Written out it is accepted in a simulation only, where the keys open nothing. A secret never appears in `repr`, a dump, the
config hash or an error.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    PlainSerializer,
    PrivateAttr,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from bot.config.errors import VariableUnset

GROUP_OR_OTHERS = 0o077
FILE_SUFFIX = "_FILE"
_GROUP_WRITES_OR_OTHERS = 0o037

SECTION = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
"""How every section of the configuration is read."""

_ASSET = re.compile(r"[A-Za-z0-9]{1,20}")
ORDINARY_DIGITS = 40
"""Nothing that is configured has more digits than this before or behind its point."""


def is_ordinary(number: int | Decimal) -> bool:
    """Whether a number is of a size that anybody means. With 1e999999999 merely writing it out takes the memory of the machine."""
    value = Decimal(number)
    return not value.is_finite() or abs(value.adjusted()) <= ORDINARY_DIGITS


def ordinary(value: Any) -> Any:
    """Refuses a number, also one that is written as text, that nobody means (`is_ordinary`)."""
    try:
        number = Decimal(value) if isinstance(value, str | int | Decimal) else None
    except InvalidOperation:
        return value  # no number: what it should be says what reads it
    if number is not None and not is_ordinary(number):
        raise ValueError("a number of ordinary size is needed")
    return value


def _not_a_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("a number is needed, not yes or no")
    return ordinary(value)


def _asset(value: str) -> str:
    if not _ASSET.fullmatch(value):
        raise ValueError("an asset is letters and digits, for example BTC or wstETH")
    return value


AssetName = Annotated[str, AfterValidator(_asset)]
TellsOf = tuple[AssetName, ...]
WholeNumber = Annotated[int, BeforeValidator(_not_a_bool)]
ExactNumber = Annotated[Decimal, BeforeValidator(_not_a_bool)]


def fits_a_header(key: str) -> bool:
    """Whether a key can be sent as it is: what goes into a header is plain ASCII on one line."""
    return key.isascii() and key.isprintable() and key == key.strip()


def from_environment(value: Any) -> Any:
    """`{env: NAME}` stands for what that variable holds."""
    if not isinstance(value, dict):
        return value
    if set(value) != {"env"} or not isinstance(value["env"], str):
        raise ValueError("write the text itself, or {env: NAME}")
    held = os.environ.get(value["env"], "").strip()
    if not held:
        raise VariableUnset(value["env"])
    return held


def empty_is_default(value: Any) -> Any:
    """A section that is named with nothing below it (`policy:` with every line commented out) stands for its defaults."""
    return {} if value is None else value


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: an IP address or host name, and a port (0: any free one)."""

    host: str
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return is_loopback(self.host)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether a host name or IP address is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _address(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    advice = ValueError("write host:port, for example 127.0.0.1:9108 (port 0 takes any free one)")
    try:
        parts = urlsplit(f"//{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise advice from None
    if not host or port is None or parts.path or parts.query or parts.username is not None:
        raise advice
    return Address(host, port)


AddressText = Annotated[Address, BeforeValidator(_address), PlainSerializer(str, return_type=str)]


def resolved(path: Path, info: ValidationInfo) -> Path:
    """`path` below the folder of the configuration file, when the validation knows one; an absolute path stays."""
    folder = (info.context or {}).get("folder")
    return path.expanduser() if folder is None else Path(folder) / path.expanduser()


def _named(value: Any) -> Any:
    if isinstance(value, str) and (not value.strip() or "\0" in value):
        raise ValueError("write a path")
    return value


PathBesideConfig = Annotated[Path, BeforeValidator(_named), AfterValidator(resolved)]


def _loopback_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("this is not a URL; write http://127.0.0.1:PORT") from None
    if parts.scheme != "http" or parts.hostname is None or not port or parts.path not in {"", "/"} or parts.query or "@" in parts.netloc:
        raise ValueError("write http://127.0.0.1:PORT, without a path")
    if not is_loopback(parts.hostname):
        raise ValueError("a route may only lead to this machine (127.0.0.1, ::1 or localhost)")
    return value.rstrip("/")


LoopbackUrl = Annotated[str, AfterValidator(_loopback_url)]


def _proxy_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        raise ValueError("this is not a URL; write http://HOST:PORT") from None
    if parts.scheme != "http" or not parts.hostname or not port or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("write http://HOST:PORT, without a path")
    if "@" in parts.netloc:
        raise ValueError("write http://HOST:PORT, without user and password: who may use the proxy is decided by address")
    return value.rstrip("/")


ProxyUrl = Annotated[str, AfterValidator(_proxy_url)]


class Secret(BaseModel):
    """One secret: where it comes from, and its value, which only `reveal` tells."""

    model_config = SECTION

    env: str | None = None
    """Name of the environment variable that holds it; the same with `_FILE` at its end may name a file instead."""
    file: PathBesideConfig | None = None
    """Path of the file that holds it, readable by its owner alone."""
    text: SecretStr | None = None
    """The secret itself; only in a simulation."""
    _value: SecretStr = PrivateAttr(default=SecretStr(""))

    @model_validator(mode="before")
    @classmethod
    def _accept_plain_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"text": value}
        if isinstance(value, dict | cls):
            return value
        raise ValueError("write {env: NAME} or {file: path}")

    @model_validator(mode="after")
    def _must_be_there(self) -> Secret:
        if sum(source is not None for source in (self.env, self.file, self.text)) != 1:
            raise ValueError("name exactly one place: {env: NAME} or {file: path}")
        self._value = SecretStr(self._read())
        return self

    def reveal(self) -> str:
        """The secret, as it was when the configuration was read."""
        return self._value.get_secret_value()

    def _read(self) -> str:
        if self.env is not None:
            return _read_variable(self.env)
        if self.file is not None:
            return _read_secret_file(self.file)
        value = "" if self.text is None else self.text.get_secret_value()
        if not value:
            raise ValueError("the secret is empty")
        return value

    @property
    def source(self) -> str:
        """Where the secret comes from, for people."""
        if self.env is not None:
            elsewhere = not os.environ.get(self.env, "").strip() and os.environ.get(f"{self.env}{FILE_SUFFIX}")
            return f"file {elsewhere}, named by {self.env}{FILE_SUFFIX}" if elsewhere else f"environment variable {self.env}"
        return f"file {self.file}" if self.file is not None else "written in the config"


def _read_variable(name: str) -> str:
    """What the variable holds, or the file that its twin names. Raises VariableUnset, and ValueError where both are set."""
    value, file = os.environ.get(name, "").strip(), os.environ.get(f"{name}{FILE_SUFFIX}", "").strip()
    if value and file:
        raise ValueError(f"the environment variables {name} and {name}{FILE_SUFFIX} are both set; set one of them")
    if file:
        return _read_secret_file(Path(file).expanduser())
    if not value:
        raise VariableUnset(name)
    return value


def is_open_to_others(mode: int, owner: int, group: int, us: tuple[int, int] | None = None) -> bool:
    """Whether a secret's file can be read by others than its owner and us (`us`: user and group, left out: this process's).

    One that root owns may be readable by our own group as well, as with PostgreSQL's keys: an orchestrator writes secrets as root and
    gives them to a process by its group.
    """
    user, our_group = (os.geteuid(), os.getegid()) if us is None else us
    given_by_root = owner == 0 and user != 0 and group == our_group
    return bool(mode & (_GROUP_WRITES_OR_OTHERS if given_by_root else GROUP_OR_OTHERS))


def _read_secret_file(path: Path) -> str:
    try:
        told = path.stat()
        value = path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise ValueError(f"the file {path} cannot be read: {reason}") from None
    if stat.S_ISREG(told.st_mode) and is_open_to_others(told.st_mode, told.st_uid, told.st_gid):
        raise ValueError(f"the file {path} can be read by others than its owner; run chmod 400 on it")
    if not value:
        raise ValueError(f"the file {path} is empty")
    return value


ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")


class Credentials(BaseModel):
    """The key of one venue account."""

    model_config = SECTION

    api_key: Secret
    """The key's public half. Hyperliquid: the account's address, also where an API wallet signs for it."""
    secret: Secret
    """The key's secret half, which signs requests. Hyperliquid: the private key of an API wallet (or of the account)."""
    passphrase: Secret | None = None
    """OKX only: the passphrase chosen when the key was made."""

    def named(self) -> dict[str, Secret]:
        """The secrets that are there, by field."""
        found = {"api_key": self.api_key, "secret": self.secret, "passphrase": self.passphrase}
        return {name: secret for name, secret in found.items() if secret is not None}
