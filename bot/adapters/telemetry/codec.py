"""What goes over the control socket as JSON and back: the statement of the book, a person's request, and its answer.

Decimals are strings, so that no digit is lost; unknown figures are null. A request is taken only when it is complete and nothing more.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from bot.core.acts import Adopted
from bot.core.events import OperatorAction
from bot.core.statement import BookStatement
from bot.core.units import Asset, ClientOrderId, InstrumentId, VenueId
from bot.operating import OperatorAnswer, OperatorRequest

_PRINTED = r"^[^\p{Cc}\p{Zl}\p{Zp}\p{Cf}]+$"
"""No control characters, line ends, or marks that turn the direction of what is read: it stays in logs, the journal and the halt file."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTED)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=_PRINTED)]


ADOPTED_MAX = 1_000
"""How much a person can take over at once."""


class RequestRefused(ValueError):
    """A person's request cannot be taken as it stands: one sentence."""


class _Adopted(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)

    instrument: Name
    quantity: Annotated[Decimal, Field(max_digits=60, allow_inf_nan=False)] | None = None
    order: Name | None = None


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: Name
    why: Reason
    venue: Name | None = None
    order: Name | None = None
    filled: Annotated[Decimal, Field(ge=0, max_digits=60, allow_inf_nan=False)] | None = None
    asset: Name | None = None
    setting: Name | None = None
    value: Annotated[Decimal, Field(max_digits=60, allow_inf_nan=False)] | None = None
    lasts_ms: Annotated[int, Field(ge=0, le=10**12)] | None = None
    adopting: Annotated[tuple[_Adopted, ...], Field(max_length=ADOPTED_MAX)] | None = None


_ABOUT: Mapping[OperatorAction, tuple[str, frozenset[str]]] = {
    OperatorAction.REDUCE: ("the book or a venue", frozenset({"venue"})),
    OperatorAction.HALT: ("the book or a venue", frozenset({"venue"})),
    OperatorAction.RESUME: ("the book or a venue", frozenset({"venue"})),
    OperatorAction.RESOLVE: ("one order", frozenset({"order", "filled"})),
    OperatorAction.RELOAD: ("the configuration", frozenset()),
    OperatorAction.ADOPT: ("what was shown", frozenset({"venue", "adopting"})),
    OperatorAction.QUARANTINE: ("a venue", frozenset({"venue"})),
    OperatorAction.OVERRIDE: ("one setting", frozenset({"setting", "value", "lasts_ms"})),
    OperatorAction.FLATTEN: ("the book, a venue or an asset", frozenset({"venue", "asset"})),
}
"""What each action is about, in words, and the fields that it takes beside `by` and `why`."""
_NEEDED: Mapping[OperatorAction, tuple[str, ...]] = {
    OperatorAction.RESOLVE: ("order",),
    OperatorAction.QUARANTINE: ("venue",),
    OperatorAction.ADOPT: ("adopting",),
    OperatorAction.OVERRIDE: ("setting", "value", "lasts_ms"),
}


@cache
def _statements() -> TypeAdapter[BookStatement]:
    return TypeAdapter(BookStatement)


@cache
def _answers() -> TypeAdapter[OperatorAnswer]:
    return TypeAdapter(OperatorAnswer)


def to_json(statement: BookStatement) -> bytes:
    """The statement as one JSON object."""
    return _statements().dump_json(statement)


def from_json(document: bytes) -> BookStatement:
    """The statement in this JSON. Raises ValueError when it is none."""
    return _statements().validate_json(document)


def request_to_json(request: OperatorRequest) -> bytes:
    """The body of a request; what it asks for is the path that it is posted to. Raises RequestRefused."""
    body = {name: getattr(request, name) for name in _Body.model_fields}
    try:
        return _Body.model_validate(body).model_dump_json(exclude_none=True).encode()
    except ValidationError as error:
        raise RequestRefused(_in_one_sentence(error)) from None


def request_from_json(action: OperatorAction, document: bytes) -> OperatorRequest:
    """The request in this body. Raises RequestRefused with one sentence."""
    try:
        body = _Body.model_validate_json(document)
    except ValidationError as error:
        raise RequestRefused(_in_one_sentence(error)) from None
    about, fields = _ABOUT[action]
    told = sorted(name for name in body.model_fields_set - {"by", "why"} if getattr(body, name) is not None)
    needed, strange = [n for n in _NEEDED.get(action, ()) if n not in told], [n for n in told if n not in fields]
    if needed or strange:
        wanted = [f"give `{n}`" for n in needed] + [f"give no `{n}`" for n in strange]
        raise RequestRefused(f"{action.value} is about {about}: {', and '.join(wanted)}")
    if action is OperatorAction.FLATTEN and body.venue is not None and body.asset is not None:
        raise RequestRefused("flatten is about the book, a venue or an asset: give `venue` or `asset`, not both")
    return OperatorRequest(
        action=action,
        by=body.by,
        why=body.why,
        venue=None if body.venue is None else VenueId(body.venue),
        order=None if body.order is None else ClientOrderId(body.order),
        filled=body.filled,
        asset=None if body.asset is None else Asset(body.asset),
        setting=body.setting,
        value=body.value,
        lasts_ms=body.lasts_ms,
        adopting=None if body.adopting is None else tuple(_adopted(each) for each in body.adopting),
    )


def _adopted(told: _Adopted) -> Adopted:
    return Adopted(instrument=InstrumentId(told.instrument), quantity=told.quantity, order=told.order)


def _in_one_sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "the request"
    return f"{where}: {first['msg'][:1].lower()}{first['msg'][1:]}"


def answer_to_json(answer: OperatorAnswer) -> bytes:
    """The answer as one JSON object."""
    return _answers().dump_json(answer)


def answer_from_json(document: bytes) -> OperatorAnswer:
    """The answer in this JSON. Raises ValueError when it is none."""
    return _answers().validate_json(document)
