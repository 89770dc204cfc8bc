"""What Hyperliquid says when it says no. There are no codes: the words are all there is, and an order's end in ` asset=<index>`.

A whole action is refused by `{"status": "err", "response": <words>}`, an order in it by `{"error": <words>}` in its place. Both come
with HTTP 200. Source: Hyperliquid docs, "Error responses", and answers that the venue's users quote; words marked as ours stand where
neither tells any.
"""

from __future__ import annotations

from decimal import Decimal

from bot.simulator.exchange import Exchange
from bot.simulator.model import OrderRequest, Refusal, Refused

NO_SIGNER = "Unable to recover signer."
INVALID_PRICE = "Order has invalid price."
INVALID_SIZE = "Order has invalid size."
ZERO_SIZE = "Order has zero size."
NO_SUCH_ORDER = "Order was never placed, already canceled, or filled."
NO_MATCH = "Order could not immediately match against any resting orders."
LEVERAGE = "Invalid leverage value"
LEVERAGE_TYPE = "Cannot switch leverage type with open position."
BUILDER = "Builder fee has not been approved."
EXPIRED = "Action expired."  # ours
ASSET = "Unknown asset."  # ours
TRIGGER = "Trigger orders are not simulated."  # ours
ISOLATED = "Isolated margin is not simulated."  # ours
SCHEDULE_TOO_SOON = "Scheduled cancel time must be at least 5 seconds from now."  # ours

_ORDERS = {
    Refusal.NOT_TRADING: "Trading is halted.",  # ours
    Refusal.TICK: "Price must be divisible by tick size.",
    Refusal.LOT: INVALID_SIZE,
    Refusal.CONTRACTS_MIN: INVALID_SIZE,
    Refusal.CONTRACTS_MAX: INVALID_SIZE,
    Refusal.NOTIONAL_MIN: "Order must have minimum value of $10.",
    Refusal.PRICE_MISSING: INVALID_PRICE,
    Refusal.PRICE_BAND: "Order price cannot be more than 80% away from the reference price.",
    Refusal.MARGIN: "Insufficient margin to place order.",
    Refusal.LEVERAGE: "Order would exceed the margin tier limit at current leverage.",  # ours
    Refusal.REDUCE_ONLY: "Reduce only order would increase position.",
    Refusal.DUPLICATE_CLIENT_ID: "Duplicate cloid.",  # ours
    Refusal.UNKNOWN_SYMBOL: ASSET,
    Refusal.UNKNOWN_ORDER: NO_SUCH_ORDER,
    Refusal.ORDER_CLOSED: NO_SUCH_ORDER,
    Refusal.NO_LIQUIDITY: "No liquidity available for market order.",
}


class Turned(Exception):
    """An action, or an order in it, that the venue refuses: the exception's text is the venue's."""


def order_error(words: str, asset: int) -> dict[str, str]:
    """The status of a refused order or cancel."""
    return {"error": f"{words} asset={asset}"}


def words_for(refused: Refused) -> str:
    """An order's or a cancel's refusal in the venue's words."""
    return _ORDERS.get(refused.refusal, INVALID_PRICE)


def post_only(request: OrderRequest, exchange: Exchange) -> str:
    """A post-only order that would have taken; the touch is quoted as it stands."""
    book = exchange.book(request.symbol, 1)
    bid, ask = (format(side[0].price.normalize(), "f") if side else "" for side in (book.bids, book.asks))
    return f"Post only order would have immediately matched, bbo was {bid}@{ask}."


def stranger(address: str) -> str:
    """A signer that belongs to no account: also what a changed or wrongly hashed action comes to."""
    return f"User or API Wallet {address} does not exist."


def nonce_used(nonce: int) -> str:
    """A nonce that was used before."""
    return f"Invalid nonce: duplicate nonce {nonce}"


def nonce_low(nonce: int, least: int) -> str:
    """A nonce that is older than what the venue still takes."""
    return f"Invalid nonce: nonce too low {nonce} < {least}"


def nonce_high(nonce: int, most: int) -> str:
    """A nonce too far ahead of the venue's clock (the counterpart of the words above, ours)."""
    return f"Invalid nonce: nonce too high {nonce} > {most}"


def too_many(used: int, cap: int, volume: Decimal) -> str:
    """The address's own request limit."""
    return (
        f"Too many cumulative requests sent ({used} > {cap}) for cumulative volume traded ${volume:.2f}."
        " Place taker orders to free up 1 request per USDC traded."
    )


def schedule_untraded(required: Decimal, traded: Decimal) -> str:
    """A dead-man switch that the account has not traded enough for."""
    return f"Cannot set scheduled cancel time until enough volume traded. Required: ${required}. Traded: ${traded:.2f}."
