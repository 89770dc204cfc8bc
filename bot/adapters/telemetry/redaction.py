"""Secrets never reach a log line, wherever they hide: under a telling key, inside a text, a header, a URL or a traceback.

Two nets. Values under keys that name a secret are replaced whatever they are. Values of secrets that are known are replaced wherever
they occur, also as JSON, URL or `repr` would write them. A pattern catches `key=value` and header forms inside free text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "[hidden]"
SECRET_LENGTH_MIN = 6
"""Shorter values are not searched for in texts: they would hide ordinary words. Their keys still hide them."""

_NAMES = (
    "secret|api[-_]?key|api[-_]?secret|passphrase|password|signature|authorization|listen[-_]?key|private[-_]?key"
    "|x-mbx-apikey|x-bapi-api-key|x-bapi-sign|ok-access-key|ok-access-sign|ok-access-passphrase"
)
_KEY = re.compile(rf"(?:.*[-_.])?(?:{_NAMES}|sign|token)", re.IGNORECASE)
_IN_TEXT = re.compile(
    rf"""(?P<name>(?:{_NAMES})(?:\\?["'])?\s*(?:=|:|%3D)\s*)(?P<value>(?:Bearer\s+)?(?:\\?["'](?:[^"'\\]|\\.)*\\?["']|[^\s"'&,;)}}\]]+))""",
    re.IGNORECASE,
)
_DEPTH_MAX = 8


class Redaction:
    """Knows the secrets of this run and removes them from whatever is about to be written."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """`secrets` are values that must never be written."""
        self._forms: list[str] = []
        for secret in secrets:
            self.register(secret)

    def register(self, secret: str) -> None:
        """One more value that must never be written."""
        if len(secret) < SECRET_LENGTH_MIN:
            return
        forms = {secret, json.dumps(secret)[1:-1], repr(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)}
        self._forms = sorted({*self._forms, *forms}, key=len, reverse=True)

    def known(self, text: str) -> str:
        """`text` without the secrets that are known; its form stays what it is."""
        for form in self._forms:
            if form in text:
                text = text.replace(form, HIDDEN)
        return text

    def text(self, text: str) -> str:
        """Free `text` without secrets, known ones and those that a name in the text gives away."""
        text = self.known(text)
        return _IN_TEXT.sub(lambda found: found["name"] + HIDDEN, text)

    def value(self, value: Any, depth: int = 0) -> Any:
        """`value` without secrets, followed through mappings and sequences; anything else becomes its text when it must be read."""
        if isinstance(value, bool | int | float) or value is None:
            return value
        if isinstance(value, str):
            return self.text(value)
        if depth >= _DEPTH_MAX:
            return HIDDEN
        if isinstance(value, Mapping):
            return {self.text(str(key)): HIDDEN if is_secret_name(str(key)) else self.value(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self.value(item, depth + 1) for item in value]
        return self.text(str(value))


def is_secret_name(name: str) -> bool:
    """Whether a key of this name holds a secret."""
    return _KEY.fullmatch(name) is not None
