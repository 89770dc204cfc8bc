"""How our client order ids travel where a venue does not take them as they are.

The rule: what goes out comes back exactly, on any machine and after any restart, because nothing is kept: the id *is* the number. Our ids
are letters and digits, read as a number to the base of 36. They begin with a letter, so that no digit of it is lost in front, and 24 of
them fit into 128 bits (36^24 < 2^125). What a stranger sent and is no id of ours stays as the venue wrote it, which begins with a digit
and therefore is never taken for one.
"""

from __future__ import annotations

import re

HEX_LENGTH = 32
OURS_LENGTH_MAX = 24

_OURS = re.compile(r"[a-z][a-z0-9]{0,23}")
_HEX = re.compile(r"0x[0-9a-fA-F]{32}")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def as_hex128(ours: str) -> str:
    """One of our ids as `0x` and 32 hexadecimal digits. Raises ValueError for one that does not fit, or is none of ours."""
    if not _OURS.fullmatch(ours):
        raise ValueError(f"a client order id of at most {OURS_LENGTH_MAX} letters and digits is needed, not {ours!r}")
    return f"0x{int(ours, len(_DIGITS)):0{HEX_LENGTH}x}"


def from_hex128(told: str) -> str:
    """The id that `as_hex128` made this of; the text as it stands when it made it of none."""
    if not _HEX.fullmatch(told):
        return told
    number, ours = int(told, 16), ""
    while number:
        number, digit = divmod(number, len(_DIGITS))
        ours = _DIGITS[digit] + ours
    return ours if _OURS.fullmatch(ours) else told
