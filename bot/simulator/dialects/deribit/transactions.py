"""`private/get_transaction_log`: trades and settlements of one currency, newest first.

`interest_pl` is the funding on the position since the row before of the same instrument, > 0 when received; `change` is what the row did to
the cash balance: a trade takes its fee, a settlement books profit and funding of the session. The venue's rows also tell balance and
equity after each; they are left out here, not invented. Deposits have no rows here.
Source: docs.deribit.com, `private/get_transaction_log`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from decimal import Decimal

from bot.core.units import ZERO
from bot.simulator.dialects.deribit.errors import invalid
from bot.simulator.dialects.deribit.session import Settled
from bot.simulator.dialects.deribit.venue import CURRENCIES, Call, Result, Venue
from bot.simulator.dialects.deribit.wire import Row, contract_size, named, number
from bot.simulator.model import Contract, Fill, FillKind, FundingRecord, Side

COUNT_MAX = 250
_ALL = 1_000_000


def log(call: Call) -> Result:
    """The rows of a span of time. `continuation` is a row's `user_seq`, from which the next page goes on; null on the last."""
    params = call.params
    currency = params.choice("currency", set(CURRENCIES))
    start, end = params.instant("start_timestamp"), params.instant("end_timestamp")
    if end < start:
        raise invalid("end_timestamp", "must be greater than start_timestamp")
    wanted, count = params.text("query", ""), params.whole("count", 100, COUNT_MAX)
    newest = params.whole("continuation", 0)
    rows = [row for contract in call.venue.settling_in(currency) for row in _rows(call.venue, call.account, contract)]
    rows.sort(key=lambda row: (int(row["timestamp"]), int(row["user_seq"])), reverse=True)
    if newest:
        rows = rows[next((i for i, row in enumerate(rows) if row["user_seq"] == newest), len(rows)) :]
    rows = [row for row in rows if start <= row["timestamp"] <= end and wanted in ("", row["type"], row["instrument_name"])]
    following = rows[count]["user_seq"] if len(rows) > count else None
    return Result({"logs": rows[:count], "continuation": following})


def _rows(venue: Venue, account: str, contract: Contract) -> list[Row]:
    fills = venue.exchange.fills(account, contract.symbol, 0, _ALL)
    settled = [row for row in venue.sessions.of(account).log if row.symbol == contract.symbol]
    events: list[tuple[int, Fill | Settled]] = [(fill.fill_id, fill) for fill in fills]
    events += [(row.after_id, row) for row in settled]
    events.sort(key=lambda event: (event[0], isinstance(event[1], Settled)))
    interest = _interest([event[0] for event in events], venue.exchange.funding_payments(account, contract.symbol))
    rows, held = [], ZERO
    for (_, event), funding in zip(events, interest, strict=True):
        if isinstance(event, Fill):
            before, held = held, held + event.side.sign * event.contracts
            rows.append(_trade(contract, event, before, held, funding))
        else:
            rows.append(_settlement(contract, event, funding, list(venue.exchange.contracts).index(contract.symbol)))
    return rows


def _interest(ids: Sequence[int], payments: Sequence[FundingRecord]) -> list[Decimal]:
    """The funding that each event books: what was paid since the event before. What came after the last is not booked yet."""
    booked = [ZERO] * len(ids)
    for record in payments:
        at = bisect_left(ids, record.payment_id)
        if at < len(ids):
            booked[at] += record.amount
    return booked


def _trade(contract: Contract, fill: Fill, before: Decimal, after: Decimal, funding: Decimal) -> Row:
    opening = before == ZERO or (before > ZERO) == (fill.side is Side.BUY)
    return {
        **_common(contract, fill.fill_id, fill.at),
        "type": "trade" if fill.kind is FillKind.TRADE else "liquidation",
        "side": f"{'open' if opening else 'close'} {fill.side.value}",
        "amount": number(fill.contracts),
        "contracts": number(fill.contracts / contract_size(contract)),
        "price": number(fill.price),
        "price_currency": contract.quote,
        "position": number(after),
        "commission": number(fill.fee),
        "change": number(-fill.fee),
        "cashflow": number(ZERO),
        "interest_pl": number(funding),
        "trade_id": named(contract, fill.fill_id),
        "order_id": None if fill.order_id is None else named(contract, fill.order_id),
        "user_role": "maker" if fill.is_maker else "taker",
        "fee_role": "maker" if fill.is_maker else "taker",
        "profit_as_cashflow": False,
    }


def _settlement(contract: Contract, row: Settled, funding: Decimal, place: int) -> Row:
    cashflow = row.realised + row.unrealised
    return {
        **_common(contract, row.at * 100 + place, row.at),
        "type": "settlement",
        "side": "short" if row.position < ZERO else "long",
        "amount": number(abs(row.position)),
        "contracts": number(abs(row.position) / contract_size(contract)),
        "price": number(row.mark),
        "mark_price": number(row.mark),
        "index_price": number(row.index),
        "price_currency": contract.quote,
        "position": number(row.position),
        "commission": number(ZERO),
        "change": number(cashflow + row.funding),
        "cashflow": number(cashflow),
        "interest_pl": number(funding),
        "total_interest_pl": number(row.funding),
        "session_rpl": number(row.realised + row.funding),
        "session_upl": number(row.unrealised),
        "trade_id": None,
        "order_id": None,
        "profit_as_cashflow": False,
    }


def _common(contract: Contract, sequence: int, at: int) -> Row:
    return {
        "id": sequence,
        "user_seq": sequence,
        "timestamp": at,
        "currency": contract.settle,
        "instrument_name": contract.symbol,
        "username": "simulated",
        "user_id": 1,
        "info": None,
    }
