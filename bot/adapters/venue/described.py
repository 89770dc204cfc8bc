"""What docs/venues.md says of each venue beyond what its profile is made of: rules that no value in the code depends on, with their source.

And what ccxt itself says it can do there. Nothing below the page reads this.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import ccxt.pro

from bot.core.units import VenueId

FLAGS = (
    "fetchPositions",
    "fetchFundingRate",
    "fetchFundingRateHistory",
    "fetchFundingHistory",
    "fetchOpenInterest",
    "fetchLeverageTiers",
    "fetchMarketLeverageTiers",
    "setLeverage",
    "setMarginMode",
    "setPositionMode",
    "fetchTradingFee",
    "cancelAllOrders",
    "cancelAllOrdersAfter",
    "watchBidsAsks",
    "watchMarkPrices",
    "watchTickers",
    "watchOrders",
    "watchMyTrades",
    "watchPositions",
    "watchBalance",
    "createOrderWs",
    "unWatchOrders",
)
"""What ccxt says of itself and this adapter could use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """One venue in words. `source` is where the venue documents orders and their parameters."""

    source: str
    client_ids: str
    """How long a client order id stays taken, and what else is true of it."""
    post_only: str
    reduce_only: str
    self_trade: str
    """What happens when our order would meet our own, and what this adapter asks for."""
    quantity: str
    """What an order's quantity counts, as the venue takes and tells it."""
    timestamps: str
    """What the times in its rows are."""
    environments: str
    """What is peculiar about its environments for trying things out."""


def _binance(page: str, *, post_only: str, quantity: str) -> Described:
    """One of the venue's two markets: what differs, and what both have in common."""
    return Described(
        source=f"https://developers.binance.com/docs/derivatives/{page}/trade/rest-api/New-Order",
        client_ids="Taken while the order is open, free again after: a repeated id after that is a second order.",
        post_only=post_only,
        reduce_only="`reduceOnly=true`; refused with -2022 when there is nothing to reduce.",
        self_trade="Per order (`selfTradePreventionMode`), by the taker's mode. None is sent: the account's default counts. One order at"
        " a time per instrument leaves nothing to meet.",
        quantity=quantity,
        timestamps="Milliseconds. `updateTime` of a position moves with fills and transfers only, so a reading is dated by when it was"
        " asked for.",
        environments="Demo trading only: ccxt's sandbox mode for futures refuses every signed call. `testnet` and `demo` are the same"
        " accounts. `/sapi` does not exist there.",
    )


DESCRIBED: Mapping[VenueId, Described] = {
    VenueId("binanceusdm"): _binance(
        "usds-margined-futures",
        post_only="`timeInForce=GTX`; refused with -5022 when it would take.",
        quantity="Base units; a contract is one of them.",
    ),
    VenueId("binancecoinm"): _binance(
        "coin-margined-futures",
        post_only="`timeInForce=GTX`; taken, and EXPIRED at once when it would take.",
        quantity="Contracts of 100 USD (BTC) or 10 USD (others), settled in the coin.",
    ),
    VenueId("bybit"): Described(
        source="https://bybit-exchange.github.io/docs/v5/order/create-order",
        client_ids="Taken for ever: 110072 when one repeats.",
        post_only="`timeInForce=PostOnly`; accepted, then cancelled when it would take.",
        reduce_only="`reduceOnly=true`; refused with 110017 when there is nothing to reduce.",
        self_trade="Per order (`smpType`), by the taker's. None is sent: without one, own orders may meet.",
        quantity="Base units of linear contracts; USD of inverse ones, whatever ccxt tells as their contract size (their smallest order).",
        timestamps="Milliseconds as text. A position's `createdTime` is when it was first opened and is never used; a market frame's own"
        " `ts` counts, because `cts` stays at the last match.",
        environments="Testnet and demo are different accounts with different keys. The demo has no public WebSocket: market data come from"
        " mainnet's, without a key. ccxt keeps the order socket at mainnet's host in the demo; it is listed nowhere.",
    ),
    VenueId("okx"): Described(
        source="https://www.okx.com/docs-v5/en/#order-book-trading-trade-post-place-order",
        client_ids="Taken for ever: 51016 when one repeats. Letters and digits only.",
        post_only="`ordType=post_only`; accepted, then cancelled when it would take.",
        reduce_only="`reduceOnly=true`; refused with 51169 when there is nothing to reduce.",
        self_trade="Mandatory for all accounts of one master; the maker's order goes unless `stpMode` says otherwise, and none is sent.",
        quantity="Contracts: 0.01 BTC or 0.1 ETH of linear swaps, 100 USD or 10 USD of inverse ones.",
        timestamps="Milliseconds as text. A position's `cTime` is when it was first opened, and is never used.",
        environments="Demo trading lives on mainnet's REST host: the header `x-simulated-trading: 1` is all that tells the two apart, and"
        " no request leaves without it. WebSockets have a host of their own. `testnet` and `demo` are the same accounts.",
    ),
    VenueId("deribit"): Described(
        source="https://docs.deribit.com/api-reference/trading/private-sell",
        client_ids="A `label`, never taken: a repeated one is a second order.",
        post_only="`post_only=true` with `reject_post_only=true`; refused with 11054 when it would take.",
        reduce_only="`reduce_only=true`.",
        self_trade="By the account's own setting: the taker is rejected or the maker cancelled (`private/set_self_trading_config`).",
        quantity="USD of inverse perpetuals (a contract is 10 USD of BTC, 1 USD of ETH), base units of USDC-settled ones.",
        timestamps="Milliseconds. Positions have none: a reading is dated by when it was asked for.",
        environments="Its own test network with its own accounts and prices. There is no demo beside it.",
    ),
    VenueId("hyperliquid"): Described(
        source="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/exchange-endpoint",
        client_ids="128 bits in hexadecimal: ours is mapped to one and back.",
        post_only="`tif: Alo`; refused when it would take (`badAloPxRejected`).",
        reduce_only="`r: true`.",
        self_trade="The resting order is cancelled (`selfTradeCanceled`).",
        quantity="Base units; settled in USDC.",
        timestamps="Milliseconds. Positions have none.",
        environments="Its own test network; signatures carry which of the two is meant. There is no demo beside it.",
    ),
}


def ccxt_flags(venue: VenueId) -> Mapping[str, str]:
    """What ccxt says it can do at a venue: `yes`, `no`, or `emulated` by another of its calls."""
    has = getattr(ccxt.pro, venue)().has
    return {flag: "emulated" if has.get(flag) == "emulated" else "yes" if has.get(flag) else "no" for flag in FLAGS}
