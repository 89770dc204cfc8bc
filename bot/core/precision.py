"""The precision in which formulas are worked out: 40 significant digits, halves to even, whatever the caller's context is.

The surrounding code counts in Decimal's usual 28 digits (`COUNTING`), also where somebody has changed the process's own context: ccxt
rounds all of it half up from its first order on, and the same journal would fold to other last digits in another process. A formula with
roots, logarithms or long quotients carries 12 more, so that what it returns is right to the last digit the caller keeps. Sums,
differences and products of figures that fit in 40 digits are exact. Division by zero, overflow and results that are not numbers raise, as
in the usual context.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from functools import wraps
from typing import ParamSpec, TypeVar

DIGITS = 40
HALF = Decimal("0.5")
LN_2 = Decimal("0.6931471805599453094172321214581765680755")
INFINITE = Decimal("Infinity")
"""A distance or a multiple without an end; compares above every limit. Never stored in the ledger."""

COUNTING = Context(prec=28, rounding=ROUND_HALF_EVEN)
"""How everything else is counted: by `engine.step` and by whoever works its figures out again."""

_NEGLIGIBLE = Decimal("1e-28")
_CONTEXT = Context(prec=DIGITS, rounding=ROUND_HALF_EVEN)

P = ParamSpec("P")
R = TypeVar("R")


def precisely(formula: Callable[P, R]) -> Callable[P, R]:
    """The same function, worked out in `DIGITS` digits; its caller's context is left as it was."""

    @wraps(formula)
    def with_forty_digits(*args: P.args, **kwargs: P.kwargs) -> R:
        with localcontext(_CONTEXT):
            return formula(*args, **kwargs)

    return with_forty_digits


@precisely
def root(value: Decimal, degree: int) -> Decimal:
    """The real root of a value >= 0, for example `root(x, 3)`; off by less than one part in 10^37.

    Raises ValueError for a negative value or a degree below 1.
    """
    if value < 0 or degree < 1:
        raise ValueError(f"a root needs a value >= 0 and a degree >= 1, got {value} and {degree}")
    return value if value == 0 else value ** (Decimal(1) / degree)


HALVED_AWAY = 1_000
"""Half-lives after which nothing is left: less than one part in 10^300, which no sum of money can hold."""


def halved(elapsed_ms: int, half_life_ms: int) -> Decimal:
    """What is left of 1 after so many milliseconds (below 0 counts as 0) with this half-life (> 0): 0.5 ** (elapsed / half-life).

    Off by less than one part in 10^24, and nothing after a thousand half-lives. It is asked for with every reading of a rate, mostly for a
    small part of the half-life, where the series of the exponential needs a few terms and `Decimal`'s own power of a fraction takes twenty
    times as long.
    """
    whole, rest = divmod(max(0, elapsed_ms), half_life_ms)
    if whole > HALVED_AWAY:
        return Decimal(0)
    exponent = rest * LN_2 / half_life_ms
    term = total = Decimal(1)
    number = 0
    while term > _NEGLIGIBLE or term < -_NEGLIGIBLE:
        number += 1
        term = -term * exponent / number
        total += term
    return total if whole == 0 else total * HALF**whole
