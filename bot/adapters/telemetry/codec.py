"""What goes over the control socket as JSON and back: the statement of the book, a person's request, and its answer.

Decimals are strings, so that no digit is lost; unknown figures are null. A request is taken only when it is complete and nothing more.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from bot.core.events import OperatorAction
from bot.core.statement import BookStatement
from bot.core.units import ClientOrderId, VenueId
from bot.ports import OperatorAnswer, OperatorRequest

_PRINTED = r"^[^\p{Cc}\p{Zl}\p{Zp}\p{Cf}]+$"
"""No control characters, line ends, or marks that turn the direction of what is read: it stays in logs, the journal and the halt file."""
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80, pattern=_PRINTED)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=400, pattern=_PRINTED)]


class RequestRefused(ValueError):
    """A person's request cannot be taken as it stands: one sentence."""


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: Name
    why: Reason
    venue: Name | None = None
    order: Name | None = None
    filled: Annotated[Decimal, Field(ge=0, max_digits=60, allow_inf_nan=False)] | None = None


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
    body = {"by": request.by, "why": request.why, "venue": request.venue, "order": request.order, "filled": request.filled}
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
    is_about_order = action is OperatorAction.RESOLVE
    if is_about_order and (body.order is None or body.venue is not None):
        raise RequestRefused("resolve is about one order: give `order`, and no `venue`")
    if not is_about_order and (body.order is not None or body.filled is not None):
        raise RequestRefused(f"{action.value} is about the book or a venue: give no `order` and no `filled`")
    return OperatorRequest(
        action=action,
        by=body.by,
        why=body.why,
        venue=None if body.venue is None else VenueId(body.venue),
        order=None if body.order is None else ClientOrderId(body.order),
        filled=body.filled,
    )


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
