"""Binance futures error codes: HTTP status, code and text for everything that this simulator refuses.

Source: the venues' public error-code pages for USD-M and COIN-M futures, cross-checked with the codes that ccxt 4.5.90 maps under `linear`
and `inverse`. The few codes that differ are each face's own (`Face.codes`). COIN-M's page names no code for a duplicate client order id,
nor one for a feature that is not available: those of USD-M stand in.
A refused request has changed nothing. Codes that mean "unknown outcome" (-1000, -1007 and 5xx) are never produced by a rule here; a fault
plan produces them.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.simulator.dialects.binance.face import Face
from bot.simulator.model import Contract, Refusal, Refused, Report, Side


class ApiError(Exception):
    """An answer other than success. `reports` is what happened at the venue all the same (usually nothing)."""

    def __init__(self, code: int, msg: str, *, status: int = 400, reports: Sequence[Report] = ()) -> None:
        super().__init__(f"{code} {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.reports = tuple(reports)


def mandatory(name: str) -> ApiError:
    """-1102: a parameter is missing."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def illegal(name: str, legal: str) -> ApiError:
    """-1100: a parameter has the wrong form."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def not_required(name: str) -> ApiError:
    """-1106: a parameter that this order type does not take."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def unavailable() -> ApiError:
    """-4402: the simulated accounts are one-way and cross-margined; other modes are refused as a restricted region refuses them."""
    text = (
        "Dear user, as per our Terms of Use and compliance with local regulations, this feature is currently not available in your region."
    )
    return ApiError(-4402, text)


_PLAIN: dict[Refusal, tuple[int, str]] = {
    Refusal.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Refusal.NOT_TRADING: (-4140, "Invalid symbol status for opening position."),
    Refusal.TICK: (-4014, "Price not increased by tick size."),
    Refusal.LOT: (-4023, "Qty not increased by step size."),
    Refusal.CONTRACTS_MIN: (-4004, "Quantity less than min quantity."),
    Refusal.CONTRACTS_MAX: (-4005, "Quantity greater than max quantity."),
    Refusal.PRICE_MISSING: (-1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
    Refusal.MARGIN: (-2019, "Margin is insufficient."),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.CLIENT_ID_FORM: (-4015, "Client order id is not valid."),
    Refusal.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Refusal.ORDER_CLOSED: (-2011, "Unknown order sent."),
    Refusal.UNKNOWN_ACCOUNT: (-2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.LEVERAGE: (-2027, "Exceeded the maximum allowable position at current leverage."),
}


def of_refusal(refused: Refused, face: Face) -> ApiError:
    """The venue's answer to a refusal, or its code with the text that needs no figures."""
    code, msg = face.codes.get(refused.refusal) or _PLAIN[refused.refusal]
    return ApiError(code, msg, status=401 if code == -2015 else 400)


def of_order_refusal(refused: Refused, face: Face, contract: Contract, side: Side, mark: Decimal) -> ApiError:
    """The venue's answer to a refused order, with the bound that was missed where the venue names it."""
    match refused.refusal:
        case Refusal.NOTIONAL_MIN:
            code, text = face.codes[Refusal.NOTIONAL_MIN]
            return ApiError(code, text.format(format(contract.notional_min.normalize(), "f")))
        case Refusal.PRICE_BAND if side is Side.BUY:
            return ApiError(-4016, f"Limit price can't be higher than {_bound(mark * (1 + contract.price_band), contract)}.")
        case Refusal.PRICE_BAND:
            return ApiError(-4024, f"Limit price can't be lower than {_bound(mark * (1 - contract.price_band), contract)}.")
        case _:
            return of_refusal(refused, face)


def _bound(price: Decimal, contract: Contract) -> str:
    return format(price.quantize(contract.tick), "f")
