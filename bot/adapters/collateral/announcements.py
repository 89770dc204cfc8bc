"""Messages of the issuer's backend as facts: their schema, and the signature that proves who wrote them.

A message is an entry of the stream with the fields

    message     JSON, exactly these keys:
                {"type": "deposit" | "redemption", "claim", "asset", "quantity", "location", "depositor", "at", "stage"}
                {"type": "total", "asset", "location", "quantity", "redemption_rate", "at"}
    signature   HMAC-SHA256 over the bytes of `message` with the shared key, hexadecimal; needed where a key is configured

Quantities and rates are plain decimal numbers written as text, `at` is the backend's clock in Unix milliseconds; `stage` and
`redemption_rate` may be left out. A deposit's or redemption's `claim` is its idempotency key; a total needs none: it is one.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Any, Literal

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from bot.core.events import ClaimKind, ClaimStage, CollateralAnnounced, CollateralObserved
from bot.core.units import ONE, ZERO, Asset, Millis

MESSAGE, SIGNATURE = b"message", b"signature"
AHEAD_MAX_MS: Millis = 60_000
"""How far a message's clock may be ahead of ours: what is from the future would make everything after it late."""
BYTES_MAX = 4_096
"""Longest message."""
_NUMBER = re.compile(r"\d{1,30}(\.\d{1,30})?", re.ASCII)


def _plain_number(value: Any) -> Decimal:
    if not isinstance(value, str) or not _NUMBER.fullmatch(value):
        raise ValueError('a plain number written as text is needed, for example "12.5"')
    return Decimal(value)


def _positive(value: Decimal) -> Decimal:
    if value == ZERO:
        raise ValueError("it must be more than nothing")
    return value


Number = Annotated[Decimal, BeforeValidator(_plain_number)]
Positive = Annotated[Number, AfterValidator(_positive)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[ -~]+$")]
AssetName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,20}$")]
Instant = Annotated[int, Field(gt=0, lt=1 << 53)]
_EXACT = ConfigDict(extra="forbid", strict=True, frozen=True)


class ClaimMessage(BaseModel):
    """A deposit or redemption is announced, or comes to another stage."""

    model_config = _EXACT

    type: Literal["deposit", "redemption"]
    claim: Name
    asset: AssetName
    quantity: Positive
    location: Name
    depositor: Name
    at: Instant
    stage: Literal["announced", "priced", "settled", "canceled"] = "announced"


class TotalMessage(BaseModel):
    """The backend says how much of an asset is at a location."""

    model_config = _EXACT

    type: Literal["total"]
    asset: AssetName
    location: Name
    quantity: Number
    redemption_rate: Positive | None = None
    at: Instant


Message = Annotated[ClaimMessage | TotalMessage, Field(discriminator="type")]
_MESSAGES: TypeAdapter[ClaimMessage | TotalMessage] = TypeAdapter(Message)


class Poison(Exception):
    """A message that can never be taken, in one sentence. `forged`: the announcement in it, which its signature does not vouch for."""

    def __init__(self, reason: str, forged: CollateralAnnounced | None = None) -> None:
        super().__init__(reason)
        self.forged = forged


def written(message: ClaimMessage | TotalMessage, key: bytes | None) -> dict[bytes, bytes]:
    """The fields of a stream's entry that carries a message, signed when there is a key."""
    told = {name: str(v) if isinstance(v, Decimal) else v for name, v in message.model_dump(exclude_none=True).items()}
    payload = orjson.dumps(told)
    return {MESSAGE: payload} | ({} if key is None else {SIGNATURE: signature_of(payload, key)})


def signature_of(payload: bytes, key: bytes) -> bytes:
    """HMAC-SHA256 of a message, hexadecimal."""
    return hmac.new(key, payload, hashlib.sha256).hexdigest().encode()


def read(
    fields: Mapping[bytes, bytes], key: bytes | None, source: str, now: Millis, hedged_as: Mapping[Asset, Asset]
) -> CollateralAnnounced | CollateralObserved:
    """The fact in an entry's fields. Raises Poison with the reason."""
    payload = fields.get(MESSAGE)
    if payload is None or not fields.keys() <= {MESSAGE, SIGNATURE}:
        raise Poison("an entry has the field message, and beside it signature and no other")
    if len(payload) > BYTES_MAX:
        raise Poison(f"a message has at most {BYTES_MAX} bytes")
    message = _parsed(payload)
    if message.at - now > AHEAD_MAX_MS:
        raise Poison(f"at: {message.at} is {message.at - now} ms ahead of our clock")
    fact = _fact(message, source, now, hedged_as)
    if key is None or hmac.compare_digest(fields.get(SIGNATURE, b"").lower(), signature_of(payload, key)):
        return fact
    forged = replace(fact, is_authentic=False) if isinstance(fact, CollateralAnnounced) else None
    raise Poison("its signature is wrong" if SIGNATURE in fields else "it is not signed", forged)


def _parsed(payload: bytes) -> ClaimMessage | TotalMessage:
    try:
        told = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise Poison(f"this is not JSON: {error}") from None
    return message_of(told)


def message_of(told: Any) -> ClaimMessage | TotalMessage:
    """What these keys say. Raises Poison with the key and what is wrong with it."""
    try:
        return _MESSAGES.validate_python(told)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("deposit", "redemption", "total")) or "message"
        raise Poison(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None


def _fact(
    message: ClaimMessage | TotalMessage, source: str, now: Millis, hedged_as: Mapping[Asset, Asset]
) -> CollateralAnnounced | CollateralObserved:
    asset = Asset(message.asset)
    if isinstance(message, TotalMessage):
        rate = message.redemption_rate
        if rate is None and hedged_as.get(asset) == asset:
            rate = ONE
        return CollateralObserved(
            at=now,
            source=source,
            location=message.location,
            asset=asset,
            quantity=message.quantity,
            redemption_rate=rate,
            as_of=message.at,
        )
    return CollateralAnnounced(
        at=now,
        source=source,
        claim=message.claim,
        kind=ClaimKind(message.type),
        stage=ClaimStage(message.stage),
        asset=asset,
        quantity=message.quantity,
        location=message.location,
        depositor=message.depositor,
        announced_at=message.at,
    )
