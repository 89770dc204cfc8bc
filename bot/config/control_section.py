"""Where people reach a running bot over TCP, beside its unix socket, and the token that every request there needs."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from bot.config.values import SECTION, Address, AddressText, Secret, fits_a_header

TOKEN_CHARACTERS_MIN = 32
"""`openssl rand -hex 32` writes 64. A token of this length is not found by trying."""


def _found_again(value: Address) -> Address:
    if value.port == 0:
        raise ValueError("the commands have to find it: write a port of its own, for example 127.0.0.1:9464")
    return value


class ControlSettings(BaseModel):
    """The control endpoint over TCP. It is plain HTTP: beyond this machine TLS is a reverse proxy's in front of it."""

    model_config = SECTION

    listen: Annotated[AddressText, AfterValidator(_found_again)] = Address("127.0.0.1", 9464)
    """Where it listens, and where the commands ask: an address and a port of its own. On every address (`0.0.0.0`) the commands ask on
    loopback."""
    token: Secret
    """What every request has to carry (`Authorization: Bearer TOKEN`), reading too: a secret of 32 characters or more, for example of
    `openssl rand -hex 32`."""
    hosts: tuple[Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")], ...] = ()
    """Other host names that a request may be addressed to, such as a reverse proxy's. A request to any other name is refused."""

    def check(self, public: Address, *, simulated: bool) -> None:
        """Raises ValueError with one sentence where the token is of no use, or the port is that of `listen` (`public`)."""
        token = self.token.reveal()
        if not fits_a_header(token) or " " in token:
            raise ValueError("control.token: holds a space, a line break or a letter that a header cannot carry; write the token alone")
        if len(token) < TOKEN_CHARACTERS_MIN:
            raise ValueError(
                f"control.token: has {len(token)} characters, at least {TOKEN_CHARACTERS_MIN} are needed; `openssl rand -hex 32` writes one"
            )
        if self.token.text is not None and not simulated:
            raise ValueError(
                "control.token: a secret may be written into the config only in a simulation; write {env: NAME} or {file: path}"
            )
        if self.listen.port == public.port:
            raise ValueError(f"control.listen: port {public.port} is that of `listen`, which needs no token; write another one")

    def asked_at(self) -> str:
        """The host that the commands ask: the one listened on, and for every address the loopback of its kind."""
        host = self.listen.host
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host
        if not address.is_unspecified:
            return host
        return "127.0.0.1" if address.version == 4 else "::1"

    def masked(self, row: dict[str, Any]) -> dict[str, Any]:
        """The dumped section, with the token's place instead of the token."""
        return row | {"token": f"(hidden; {self.token.source})"}
