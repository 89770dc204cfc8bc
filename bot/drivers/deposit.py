"""`hedgebot deposit CONFIG`: one message on the stream that a running bot reads, for people and scripts."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

import typer

from bot.adapters.collateral.announcements import ClaimMessage, Poison, TotalMessage, message_of, written
from bot.adapters.journal.redis_link import RedisLink, StoreFailed
from bot.config import ConfigError, Settings
from bot.config.claims_section import RedisSourceSettings
from bot.config.errors import did_you_mean
from bot.drivers.sources import stream_of

ANSWER_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person wants to be told. `type`: deposit, redemption or total; `source` None: the only one of kind redis."""

    type: str
    asset: str
    quantity: str
    location: str
    depositor: str | None = None
    claim: str | None = None
    stage: str = "announced"
    rate: str | None = None
    source: str | None = None


def write_message(settings: Settings, told: Told) -> int:
    """Writes one message; the exit code. Raises ConfigError with one sentence for what cannot be written as asked."""
    source = _source(settings, told.source)
    if told.asset not in settings.collateral.assets:
        known = settings.collateral.assets
        raise ConfigError(f"--asset: {told.asset} is not one of collateral.assets{did_you_mean(told.asset, known)}")
    message = _message(settings, told)
    _check_place(settings, told)
    place = stream_of(settings, source)
    link = RedisLink(place.server, answer_s=ANSWER_S)
    words = [word for pair in written(message, place.key).items() for word in pair]
    try:
        entry = link.call("XADD", place.stream, "*", *words)
    except StoreFailed as error:
        typer.echo(f"hedgebot: not written, or nobody knows whether it was: {error}", err=True)
        if isinstance(message, ClaimMessage):
            typer.echo(f"hedgebot: write it again with --claim {message.claim}: the same claim counts once", err=True)
        return 1
    finally:
        link.drop()
    what = f"{message.type} of {message.quantity:f} {message.asset} at {message.location}"
    claim = f", claim {message.claim} ({message.stage})" if isinstance(message, ClaimMessage) else ""
    typer.echo(f"{what}{claim}: written to {place.stream} as {entry.decode()}")
    return 0


def _check_place(settings: Settings, told: Told) -> None:
    """Where sources are named for places of the asset, a place that none is named for is taken for a slip."""
    named = settings.collateral.claim_terms().authorities
    places = [where.partition("@")[2] for where in named if where.partition("@")[0] == told.asset]
    if places and told.location not in places:
        hint = did_you_mean(told.location, places)
        raise ConfigError(f"--location: no source is believed of {told.asset} at {told.location}{hint}")


def _source(settings: Settings, name: str | None) -> RedisSourceSettings:
    found = [s for s in settings.collateral.sources if isinstance(s, RedisSourceSettings) and name in (None, s.name)]
    if not found:
        raise ConfigError("collateral.sources: none of kind redis" + ("" if name is None else f" is called {name!r}"))
    if len(found) > 1:
        raise ConfigError(f"--source: say which of {', '.join(s.name for s in found)}")
    return found[0]


def _message(settings: Settings, told: Told) -> ClaimMessage | TotalMessage:
    now = time.time_ns() // 1_000_000
    keys: dict[str, object] = {"type": told.type, "asset": told.asset, "quantity": told.quantity, "location": told.location, "at": now}
    if told.type == "total":
        keys |= {"redemption_rate": told.rate}
    else:
        claim = told.claim or f"by-hand-{now}-{secrets.token_hex(4)}"
        keys |= {"claim": claim, "stage": told.stage, "depositor": told.depositor or _only_depositor(settings)}
    try:
        return message_of(keys)
    except Poison as poison:
        raise ConfigError(f"--{str(poison).replace('redemption_rate', 'rate')}") from None


def _only_depositor(settings: Settings) -> str:
    known = settings.collateral.claims.depositors
    if len(known) != 1:
        raise ConfigError(f"--depositor: say who: {', '.join(known) or 'collateral.claims.depositors names nobody, so none is believed'}")
    return known[0]
