"""Bybit's stream frames: `{topic, type, ts, data}`, taken apart into rows."""

from __future__ import annotations

from typing import Any

from bot.adapters.venue.profile import Heard

TOLD_AT = "frame_ts"
"""Where `hear` puts a frame's own time. Not `cts`: a book that is only told again keeps the time of its last match there."""


def hear(message: Any) -> Heard | None:
    """A frame `{topic, type, ts, data}`; acknowledgements and pongs have no topic. Market rows get the frame's time."""
    if not isinstance(message, dict) or not isinstance(message.get("topic"), str):
        return None
    told = message.get("data")
    topic = message["topic"].split(".", 1)[0]
    rows = tuple(told) if isinstance(told, list) else (told,)
    if topic == "orderbook":
        rows = tuple(_standing_first(row) for row in rows)
    if topic in ("orderbook", "tickers"):
        rows = tuple({**row, TOLD_AT: message.get("ts")} if isinstance(row, dict) else row for row in rows)
    return Heard(topic, rows, partial=message.get("type") == "delta")


def confirms(message: Any) -> int:
    """A frame `{op: "subscribe", success}`: one subscription stands, and which one is not said."""
    return int(isinstance(message, dict) and message.get("op") == "subscribe" and message.get("success") is True)


def _standing_first(row: Any) -> Any:
    """A delta of the one-level book lists the level that went away (quantity "0") and the one that stands now, in any order."""
    if not isinstance(row, dict):
        return row
    return {name: sorted(value, key=_is_gone) if name in ("b", "a") and isinstance(value, list) else value for name, value in row.items()}


def _is_gone(level: Any) -> bool:
    return isinstance(level, list) and len(level) == 2 and level[1] == "0"
