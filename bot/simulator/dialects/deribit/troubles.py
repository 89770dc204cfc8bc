"""What Deribit says on its bad days.

Source: docs.deribit.com, "RPC Error Codes". All errors share one envelope; that a code stands for a check made before an order reaches the
book is the table's own description of it. A request beyond the credits is not carried out ("too_many_requests", "Rate Limits").
`matching_engine_queue_full`, `retry` and `settlement_in_progress` say what hindered the venue, not what became of the request.
"""

from __future__ import annotations

from typing import Any

from bot.simulator.dialects.deribit.errors import RpcError
from bot.simulator.dialects.deribit.rpc import answered, failed
from bot.simulator.dialects.dialect import HttpReply, as_json
from bot.simulator.dialects.trouble import (
    BANNED,
    DUPLICATE_ID,
    MAINTENANCE,
    NO_POSITIONS,
    RATE_LIMITED,
    UNHEARD_OF,
    Topic,
    Trouble,
    Troubles,
)

REFUSALS: dict[str, str] = {
    "9999": "api_not_enabled",
    "10000": "authorization_required",
    "10002": "qty_too_low",
    "10003": "order_overlap",
    "10005": "price_too_low 59100",
    "10006": "price_too_low4idx 59100",
    "10007": "price_too_high 60900",
    "10008": "price_too_high4idx 60900",
    "10009": "not_enough_funds",
    "10011": "price_not_allowed",
    "10012": "book_closed",
    "10013": "pme_max_total_open_orders 10000",
    "10014": "pme_max_future_open_orders 10000",
    "10016": "pme_max_future_open_orders_size 10000",
    "10018": "non_pme_max_future_position_size 10000",
    "10019": "locked_by_admin",
    "10020": "invalid_or_unsupported_instrument",
    "10021": "invalid_amount",
    "10022": "invalid_quantity",
    "10023": "invalid_price",
    "10024": "invalid_max_show",
    "10026": "price_precision_exceeded",
    "10027": "non_integer_contract_amount",
    "10031": "invalid_args_for_instrument",
    "10032": "whole_cost_too_low",
    "10033": "not_implemented",
    "10036": "invalid_max_show_amount",
    "10043": "price_wrong_tick",
    "11029": "invalid_arguments",
    "11030": "other_reject reduce_only",
    "11042": "permission_denied",
    "11043": "bad_argument",
    "11047": "unsupported_arg_combination",
    "11049": "bad_arguments",
    "11050": "bad_request",
    "11054": "post_only_reject",
    "13002": "account_blocked",
    "13004": "invalid_credentials",
    "13009": "unauthorized",
    "13010": "value_required",
    "13020": "not_found",
    "13021": "forbidden",
    "-32602": "Invalid params",
}
"""Checks made before an order is taken: words by code."""

UNPROVEN: dict[str, str] = {
    "10001": "error",
    "10010": "already_closed",
    "10040": "retry",
    "10041": "settlement_in_progress",
    "10047": "matching_engine_queue_full",
    "10048": "not_on_this_server",
    "10066": "too_many_concurrent_requests",
    "11008": "already_filled",
    "11031": "other_error",
    "11044": "not_open_order",
    "11094": "internal_server_error",
    "13028": "temporarily_unavailable",
    "13888": "timed_out",
}
"""Codes that do not say what became of the request, or speak of another order. `timed_out` is documented as "Server did not manage to
process request when it was valid (`valid_until`)": that nothing of it had begun is likely and not said."""

_HEADINGS = {"quote": Topic.BOOKS, "book": Topic.BOOKS, "ticker": Topic.PRICES, "perpetual": Topic.PRICES}
_OF_ACCOUNT = {"orders": Topic.ORDERS, "trades": Topic.ORDERS, "changes": Topic.ORDERS, "portfolio": Topic.ACCOUNT}


def said(code: str, words: str, status: int = 400, *, not_done: bool = True) -> Trouble:
    """An error in the venue's envelope."""
    body = as_json(failed(RpcError(int(code), words), 1))
    return Trouble(code=code, reply=HttpReply(status=status, body=body), not_done=not_done)


def topic_of(frame: Any) -> Topic | None:
    """By the channel of a notification; answers and heartbeats have none."""
    if not isinstance(frame, dict) or not isinstance(frame.get("params"), dict):
        return None
    heading, _, rest = str(frame["params"].get("channel")).partition(".")
    return _OF_ACCOUNT.get(rest.partition(".")[0]) if heading == "user" else _HEADINGS.get(heading)


TROUBLES = Troubles(
    replies={
        UNHEARD_OF: said("99999", "something_new", not_done=False),
        DUPLICATE_ID: said("11031", "other_error duplicate", not_done=False),
        RATE_LIMITED: said("10028", "too_many_requests", 429),
        BANNED: said("10028", "too_many_requests", 429),
        MAINTENANCE: said("11051", "system_maintenance", 503, not_done=False),
        NO_POSITIONS: Trouble(code="", reply=HttpReply(status=200, body=as_json(answered([], 1)))),
        **{code: said(code, words) for code, words in REFUSALS.items()},
        **{code: said(code, words, not_done=False) for code, words in UNPROVEN.items()},
    },
    topic_of=topic_of,
    sequences=(("params", "data", "change_id"), ("params", "data", "prev_change_id")),
    hollow='{"jsonrpc":"2.0","method":"subscription","params":{"channel":"user.orders.any.any.raw","data":7}}',
)
"""The venue has no code for a repeated label: labels may repeat. What stands for it here proves nothing."""
