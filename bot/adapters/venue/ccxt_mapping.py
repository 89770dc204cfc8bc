"""A venue's own rows -> core words. Pure: dicts in, frozen reports out; no clock, no network, no ccxt object.

The rule: units, signs and times are made ours here, once. Contracts become contract units through `Instrument`; a short is
negative; a paid fee and received funding are positive; figures are exact strings from the venue's row (`Decimal(str(x))`, never a
float). What is absent is None, never zero. What cannot be read raises `Unreadable`, which the adapter turns into a fact
(`ReportUnreadable`, `VenueUnreadable`); nothing else gets out of here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.adapters.venue.shapes import FillShape, FundingShape, MarginShape, OrderShape, Path, Paths, PaymentShape, PositionShape, Row, Scope
from bot.core.events import (
    FillKind,
    FillReport,
    FundingPayment,
    MarginReport,
    OrderReport,
    PositionReport,
    VenueOrderStatus,
)
from bot.core.instrument import Instrument
from bot.core.units import ONE, ZERO, Asset, ClientOrderId, Millis

Instruments = Mapping[str, Instrument]
"""Ours, by the venue's symbol. Rows about anything else are not ours and map to None."""

WORTH_UNEXPLAINED = Decimal("0.001")
WORTH_UNEXPLAINED_USD = Decimal("0.01")
"""How far what the listed assets are worth may be from what the venue says that all are worth, as a fraction of it or in USD: it rounds.
An asset that is left out and not listed is worth less than that."""

_SIDES = {"buy": 1, "sell": -1, "b": 1, "a": -1}
"""Also as bid and ask."""


class Unreadable(Exception):
    """A venue said something that has no meaning here. The text names the figure, never a secret."""


def at_path(row: Any, path: Path) -> Any:
    """What stands at a path; None where the path leads nowhere."""
    for step in path:
        if isinstance(step, int):
            row = row[step] if isinstance(row, list) and len(row) > step else None
        else:
            row = row.get(step) if isinstance(row, Mapping) else None
        if row is None:
            return None
    return row


def told(row: Row, spelled: Paths) -> str | None:
    """The first thing told at any of the paths, as text; an empty string tells nothing."""
    for path in spelled:
        value = at_path(row, path)
        if value is not None and value != "":
            return str(value)
    return None


def figure(row: Row, spelled: Paths) -> Decimal | None:
    """A finite number, exactly as written; None when not told. Raises Unreadable for anything else."""
    text = told(row, spelled)
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unreadable(f"{_name(spelled)} is no number") from None
    if not value.is_finite():
        raise Unreadable(f"{_name(spelled)} is {text}")
    return value


def price(row: Row, spelled: Paths) -> Decimal | None:
    """A price, above zero; None when not told. A zero or negative price is a defect, not a price."""
    value = figure(row, spelled)
    if value is not None and value <= ZERO:
        raise Unreadable(f"{_name(spelled)} is {value}, a price must be above zero")
    return value


MILLIS_MIN, MILLIS_MAX = 10**12, 10**13  # the years 2001 to 2286: an instant in another unit lies outside (F48)


def instant(row: Row, spelled: Paths) -> Millis | None:
    """Unix milliseconds by the venue's clock; None when not told."""
    value = figure(row, spelled)
    if value is None:
        return None
    if value < ZERO or value != value.to_integral_value() or (value != ZERO and not MILLIS_MIN <= value < MILLIS_MAX):
        raise Unreadable(f"{_name(spelled)} is no instant in milliseconds: {value}")
    return int(value)


def order_report(row: Row, shape: OrderShape, instruments: Instruments) -> OrderReport | None:
    """One order; None when its instrument is not ours. `filled_quantity` is cumulative and signed, None when not told."""
    instrument = None if _is_elsewhere(row, shape.scope) else instruments.get(_required(row, shape.symbol))
    if instrument is None:
        return None
    status, contracts = _status(row, shape), _filled(row, shape)
    # Venues write an average of zero for an order that has no fill yet.
    average = price(row, shape.average) if contracts else None
    asked, limit, reduces = _above_zero(row, shape.asked), _above_zero(row, shape.price), told(row, shape.reduce_only)
    return OrderReport(
        instrument=instrument.id,
        client_order_id=_client_id(row, shape),
        venue_order_id=_required(row, shape.venue_id),
        status=status,
        filled_quantity=None if contracts is None else _signed(instrument, contracts, _sign(row, shape.side)),
        average_price=average,
        venue_at=instant(row, shape.at),
        quantity=None if asked is None else _signed(instrument, asked, _sign(row, shape.side)),
        price=limit,
        reduce_only=None if reduces is None else reduces.lower() == "true",
    )


def accepted(row: Row, shape: OrderShape, instrument: Instrument) -> OrderReport | None:
    """An acceptance that names ids only: the order exists, what became of it was not told. None without the venue's id."""
    venue_id = told(row, shape.venue_id)
    if venue_id is None:
        return None
    return OrderReport(
        instrument=instrument.id,
        client_order_id=_client_id(row, shape),
        venue_order_id=venue_id,
        status=VenueOrderStatus.ACCEPTED,
        filled_quantity=None,
        average_price=None,
        venue_at=None,
    )


def fill_report(row: Row, shape: FillShape, instruments: Instruments) -> FillReport | None:
    """One execution; None when the row is none, or its instrument is not ours. `fee` > 0 when paid."""
    if _is_elsewhere(row, shape.scope) or not _is_fill(row, shape):
        return None
    instrument = instruments.get(_required(row, shape.symbol))
    if instrument is None:
        return None
    paid = price(row, shape.price)
    contracts = figure(row, shape.contracts)
    at = instant(row, shape.at)
    if paid is None or contracts is None or contracts <= ZERO or at is None:
        raise Unreadable("a fill without a price, a positive quantity or a time")
    fee = figure(row, shape.fee)
    asset = told(row, shape.fee_asset)
    return FillReport(
        instrument=instrument.id,
        fill_id=_required(row, shape.fill_id),
        client_order_id=_client_id(row, shape),
        venue_order_id=told(row, shape.venue_id),
        quantity=_signed(instrument, contracts, _sign(row, shape.side)),
        price=paid,
        fee=None if fee is None else fee * shape.fee_paid_sign,
        fee_asset=None if asset is None else Asset(asset),
        kind=_fill_kind(row, shape),
        venue_at=at,
    )


def position_reports(rows: Iterable[Row], shape: PositionShape, instruments: Instruments) -> tuple[PositionReport, ...]:
    """Every instrument of ours, flat ones with zero. Call it only with the rows of a proven success: it reads absence as flat.

    Raises Unreadable for a hedge-mode row, or two rows about one instrument.
    """
    found: dict[str, PositionReport] = {}
    for row in rows:
        if _is_elsewhere(row, shape.scope):
            continue
        symbol = _required(row, shape.symbol)
        instrument = instruments.get(symbol)
        if instrument is None:
            continue
        mode = told(row, shape.mode)
        if mode is not None and mode not in shape.one_way:
            raise Unreadable(f"a position on {symbol} in hedge mode ({mode})")
        if symbol in found:
            raise Unreadable(f"two positions on {symbol}")
        contracts = figure(row, shape.contracts)
        if contracts is None:
            raise Unreadable(f"a position on {symbol} without a quantity")
        found[symbol] = _position(row, shape, instrument, contracts)
    flat = {
        symbol: PositionReport(instrument=each.id, quantity=ZERO, entry_price=None, mark_price=None) for symbol, each in instruments.items()
    }
    return tuple((flat | found).values())


def _position(row: Row, shape: PositionShape, instrument: Instrument, contracts: Decimal) -> PositionReport:
    if contracts == ZERO:
        return PositionReport(instrument=instrument.id, quantity=ZERO, entry_price=None, mark_price=None)
    mark, value = price(row, shape.mark), figure(row, shape.value)
    if mark is None and value:
        mark = abs(value / contracts)
    entry = price(row, shape.entry)
    direction = _sign(row, shape.side) if shape.side else 1
    quantity = _signed(instrument, contracts, direction)
    rank = _rank(row, shape)
    return PositionReport(instrument=instrument.id, quantity=quantity, entry_price=entry, mark_price=mark, deleveraging_rank=rank)


def _rank(row: Row, shape: PositionShape) -> Decimal | None:
    """The place in the queue of auto-deleveraging as a fraction. A figure that makes no sense is not told: no reading fails for it."""
    try:
        steps = figure(row, shape.rank)
    except Unreadable:
        return None
    return steps / shape.rank_max if steps is not None and ZERO <= steps <= shape.rank_max else None


def margin_reports(answer: Any, shape: MarginShape, assets: Iterable[Asset], *, complete: bool = True) -> tuple[MarginReport, ...]:
    """The account in each settle asset. Raises Unreadable when the answer has no list of assets, or, if `complete`, lacks one that the
    listed ones leave room for.

    Figures are all of the account's, and marked so, or all of the asset's: a ratio of the two would mean nothing. Beside those of the
    account stands the asset's own equity (Bybit's `equity` of a coin, OKX's `eq` of a currency), in its own units.
    """
    account = at_path(answer, shape.account_at)
    details = at_path(account, shape.details_at) if shape.only_asset is None else [account]
    if not isinstance(details, list) or (shape.only_asset is not None and figure(account, shape.margin_balance) is None):
        raise Unreadable("a margin answer without its assets")
    rows = {shape.only_asset or told(row, shape.asset): row for row in details}
    balance, maintenance = figure(account, shape.account_margin_balance), figure(account, shape.account_maintenance)
    account_wide = balance is not None and maintenance is not None
    reports = []
    for asset in assets:
        row = rows.get(asset)
        if row is None and complete and not _is_all_listed(account, details, shape):
            raise Unreadable(f"a margin answer without {asset}")
        if row is None and not complete:
            continue
        row = _nothing_of(shape) if row is None else row
        reports.append(
            MarginReport(
                asset=asset,
                margin_balance=balance if account_wide else figure(row, shape.margin_balance),
                wallet_balance=_wallet(row, shape),
                maintenance_margin=maintenance if account_wide else figure(row, shape.maintenance),
                initial_margin=figure(account, shape.account_initial) if account_wide else figure(row, shape.initial),
                is_account_wide=account_wide,
                equity=figure(row, shape.margin_balance) if account_wide else None,
            )
        )
    return tuple(reports)


def _wallet(row: Row, shape: MarginShape) -> Decimal | None:
    """What is in the wallet, as told or as it follows from the positions that stand in the same row."""
    balance, positions = figure(row, shape.margin_balance), at_path(row, shape.positions_at)
    if shape.wallet_balance or not shape.unrealised or balance is None:
        return figure(row, shape.wallet_balance)
    profits = [figure(each, shape.unrealised) for each in positions] if isinstance(positions, list) else [None]
    return None if None in profits else balance - sum((profit for profit in profits if profit is not None), ZERO)


def _is_all_listed(account: Any, details: Iterable[Row], shape: MarginShape) -> bool:
    """Whether the listed assets are proven to be all that the account has: they are worth what the venue says that all of it is worth."""
    whole = figure(account, shape.account_equity_usd) if shape.account_equity_usd else None
    if whole is None:
        return False
    listed = sum((figure(row, shape.equity_usd) or ZERO for row in details), ZERO)
    return abs(whole - listed) <= max(WORTH_UNEXPLAINED_USD, abs(whole) * WORTH_UNEXPLAINED)


def _nothing_of(shape: MarginShape) -> Row:
    """The row of an asset of which there is nothing."""
    row: dict[str, Any] = {}
    for spelled in (shape.margin_balance, shape.wallet_balance, shape.maintenance, shape.initial):
        if spelled:
            row[str(spelled[0][0])] = "0"
    return row


def base_units(row: Row, spelled: Paths, instrument: Instrument, at: Decimal | None = None) -> Decimal | None:
    """A count of contracts, >= 0, in base units, those of an inverse instrument at a price; None when not told."""
    contracts = figure(row, spelled)
    if contracts is not None and contracts < ZERO:
        raise Unreadable(f"{_name(spelled)} is negative")
    if not contracts:
        return contracts
    if instrument.is_inverse and at is None:
        raise Unreadable("contracts of an inverse instrument without a price")
    return instrument.to_base(contracts, ONE if at is None else at)


def funding_interval(row: Row, shape: FundingShape) -> Millis | None:
    """Length of one funding interval in milliseconds, where a row tells it: as a length, or as the distance of two settlements."""
    length = figure(row, shape.interval)
    if length is not None and length > ZERO:
        return int(length * shape.interval_unit_ms)
    following, after = instant(row, shape.next_at), instant(row, shape.after_next_at)
    if following and after and after > following:
        return after - following
    return None


def funding_payment(row: Row, shape: PaymentShape, instruments: Instruments) -> FundingPayment | None:
    """One settled payment, > 0 when received; None when its instrument is not ours, or the row tells of none."""
    symbol = told(row, shape.symbol)
    instrument = instruments.get(symbol) if symbol and not _is_elsewhere(row, shape.scope) else None
    if instrument is None:
        return None
    quantity, at = figure(row, shape.quantity), instant(row, shape.at)
    if shape.often_none and not quantity:
        return None
    if quantity is None or at is None:
        raise Unreadable("a funding payment without a quantity or a time")
    return FundingPayment(
        instrument=instrument.id,
        payment_id=_required(row, shape.payment_id),
        quantity=quantity * shape.received_sign,
        asset=Asset(told(row, shape.asset) or instrument.settle),
        venue_at=at,
    )


def _is_elsewhere(row: Row, scope: Scope | None) -> bool:
    """Whether a row tells that it is about another part of the venue, where our symbol means something else."""
    part = None if scope is None else told(row, (scope.path,))
    return scope is not None and part is not None and part not in scope.ours


def _is_fill(row: Row, shape: FillShape) -> bool:
    if shape.only is None:
        return True
    value = told(row, (shape.only,))
    if shape.only_values:
        return value in shape.only_values
    return bool(figure(row, (shape.only,)))


def _fill_kind(row: Row, shape: FillShape) -> FillKind:
    for mark in shape.marks:
        value = told(row, (mark.path,)) or ""
        if value.startswith(mark.value) if mark.prefix else value == mark.value:
            return mark.kind
    return FillKind.TRADE


def _signed(instrument: Instrument, contracts: Decimal, direction: int) -> Decimal:
    return ZERO if contracts == ZERO else instrument.units_of_contracts(contracts) * direction


def _sign(row: Row, spelled: Paths) -> int:
    side = _required(row, spelled).lower()
    if side not in _SIDES:
        raise Unreadable(f"side {side!r} is not known")
    return _SIDES[side]


def _client_id(row: Row, shape: OrderShape | FillShape) -> ClientOrderId | None:
    value = told(row, shape.client_id)
    return None if value is None else ClientOrderId(shape.client_id_of(value))


def _status(row: Row, shape: OrderShape) -> VenueOrderStatus:
    if shape.without_status is not None and told(row, shape.status) is None:
        return shape.without_status
    word = _required(row, shape.status)
    if word not in shape.statuses:
        raise Unreadable(f"order status {word!r} is not known")
    return shape.statuses[word]


def _above_zero(row: Row, spelled: Paths) -> Decimal | None:
    """How an order was placed, where it says so in a figure: a market or stop order may not. No reading fails for it."""
    try:
        value = figure(row, spelled)
    except Unreadable:
        return None
    return value if value is not None and value > ZERO else None


def _filled(row: Row, shape: OrderShape) -> Decimal | None:
    """Contracts that filled, unsigned; None when not told."""
    contracts = figure(row, shape.filled)
    if contracts is None:
        asked, left = figure(row, shape.asked), figure(row, shape.left)
        contracts = None if asked is None or left is None else asked - left
    if contracts is not None and contracts < ZERO:
        raise Unreadable(f"{_name(shape.filled or shape.left)} is negative")
    return contracts


def _required(row: Row, spelled: Paths) -> str:
    value = told(row, spelled)
    if value is None:
        raise Unreadable(f"no {_name(spelled)}")
    return value


def _name(spelled: Paths) -> str:
    return ".".join(str(step) for step in spelled[0]) if spelled else "figure"
