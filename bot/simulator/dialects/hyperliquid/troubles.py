"""What Hyperliquid says on its bad days.

Source: Hyperliquid docs, "Error responses" (orders), and answers to whole actions that the venue's users quote; "Rate limits and user
limits". There are no codes: a refusal is called here by its words up to the first figure. Books are whole every time, so that no frame
carries a sequence number.
"""

from __future__ import annotations

from typing import Any

from bot.simulator.dialects.dialect import HttpReply
from bot.simulator.dialects.hyperliquid import wire, words
from bot.simulator.dialects.trouble import (
    BANNED,
    DUPLICATE_ID,
    MAINTENANCE,
    NO_POSITIONS,
    RATE_LIMITED,
    UNHEARD_OF,
    MarginModes,
    Topic,
    Trouble,
    Troubles,
)

ORDER_REFUSALS: dict[str, str] = {
    "Price must be divisible by tick size": "Price must be divisible by tick size. asset=0",
    "Order must have minimum value of": "Order must have minimum value of $10. asset=0",
    "Insufficient margin to place order": "Insufficient margin to place order. asset=0",
    "Reduce only order would increase position": "Reduce only order would increase position. asset=0",
    "Post only order would have immediately matched, bbo was": (
        "Post only order would have immediately matched, bbo was 59999@60001. asset=0"
    ),
    "No liquidity available for market order": "No liquidity available for market order. asset=0",
    "Order would increase open interest while open interest is capped": (
        "Order would increase open interest while open interest is capped asset=0"
    ),
    "Order would increase open interest too quickly": "Order would increase open interest too quickly asset=0",
    "Order price too far from oracle": "Order price too far from oracle asset=0",
    "Price too far from oracle": "Price too far from oracle asset=0",
    "Order price cannot be more than": "Order price cannot be more than 80% away from the reference price. asset=0",
    "Order has invalid price": "Order has invalid price. asset=0",
    "Order has invalid size": "Order has invalid size. asset=0",
    "Order has zero size": "Order has zero size. asset=0",
}
"""Checks made before an order is taken: the words of its status."""

ACTION_REFUSALS: dict[str, str] = {
    "User or API Wallet": words.stranger(f"0x{1:040x}"),
    "Unable to recover signer": words.NO_SIGNER,
    "Too many cumulative requests sent": (
        "Too many cumulative requests sent (10601 > 10599) for cumulative volume traded $599.99."
        " Place taker orders to free up 1 request per USDC traded."
    ),
    "Invalid nonce: nonce too low": words.nonce_low(1, 2),
}
"""What an action is refused with as a whole, before any of its orders is looked at."""

UNPROVEN: dict[str, str] = {"Invalid nonce: duplicate nonce": words.nonce_used(1)}
"""A nonce that was used before: the action that used it was taken, and may be this very one."""

_TOPICS = {
    "l2Book": Topic.BOOKS,
    "bbo": Topic.BOOKS,
    "activeAssetCtx": Topic.PRICES,
    "allMids": Topic.PRICES,
    "orderUpdates": Topic.ORDERS,
    "userFills": Topic.ORDERS,
    "clearinghouseState": Topic.ACCOUNT,
    "userFundings": Topic.ACCOUNT,
    "user": Topic.ACCOUNT,
}


def order(code: str, text: str, *, not_done: bool = True) -> Trouble:
    """What a single order is answered with, in the answer to an action that was taken."""
    return Trouble(code=code, reply=wire.reply(wire.done("order", [{"error": text}])), not_done=not_done)


def action(code: str, text: str, *, not_done: bool = True) -> Trouble:
    """What a whole action is answered with."""
    return Trouble(code=code, reply=wire.reply(wire.refused(text)), not_done=not_done)


def topic_of(frame: Any) -> Topic | None:
    """By the frame's channel."""
    return _TOPICS.get(str(frame.get("channel"))) if isinstance(frame, dict) else None


def _no_positions() -> HttpReply:
    summary = dict.fromkeys(("accountValue", "totalNtlPos", "totalRawUsd", "totalMarginUsed"), "0.0")
    return wire.reply(
        {
            "marginSummary": summary,
            "crossMarginSummary": summary,
            "crossMaintenanceMarginUsed": "0.0",
            "withdrawable": "0.0",
            "assetPositions": [],
            "time": 1,
        }
    )


TROUBLES = Troubles(
    replies={
        UNHEARD_OF: order("Something new", "Something new. asset=0", not_done=False),
        DUPLICATE_ID: order("Duplicate cloid", "Duplicate cloid. asset=0", not_done=False),
        RATE_LIMITED: Trouble(code="", reply=HttpReply(status=429, body=b"null"), not_done=False),
        BANNED: Trouble(code="", reply=HttpReply(status=429, body=b"null"), not_done=False, tells_when=True),
        MAINTENANCE: Trouble(code="", reply=HttpReply(status=503, body=b"Service Unavailable", content_type="text/plain"), not_done=False),
        NO_POSITIONS: Trouble(code="", reply=_no_positions()),
        **{code: order(code, text) for code, text in ORDER_REFUSALS.items()},
        **{code: action(code, text) for code, text in ACTION_REFUSALS.items()},
        **{code: action(code, text, not_done=False) for code, text in UNPROVEN.items()},
    },
    topic_of=topic_of,
    sequences=(),
    margin_modes=MarginModes.CONTRACT,
    hollow='{"channel":"orderUpdates","data":[7]}',
)
