"""The statement of the book as JSON and back: what `GET /status` answers.

Decimals are strings, so that no digit is lost; unknown figures are null.
"""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter

from bot.core.statement import BookStatement


@cache
def _adapter() -> TypeAdapter[BookStatement]:
    return TypeAdapter(BookStatement)


def to_json(statement: BookStatement) -> bytes:
    """The statement as one JSON object."""
    return _adapter().dump_json(statement)


def from_json(document: bytes) -> BookStatement:
    """The statement in this JSON. Raises ValueError when it is none."""
    return _adapter().validate_json(document)
