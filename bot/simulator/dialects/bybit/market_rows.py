"""The shapes of what everybody may see: instruments, tickers, order books, risk tiers (source: v5 market endpoints).

Of an inverse contract, open interest and volume are USD, and their values (`openInterestValue`, `turnover24h`) coins.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from bot.core.units import ONE, Millis
from bot.simulator.dialects.bybit.wire import Json, text
from bot.simulator.dialects.day import DayView
from bot.simulator.listed import Listing
from bot.simulator.model import BookView, Contract, Level, MarketView

MINUTE_MS: Millis = 60_000
LAUNCHED_AT: Millis = 1_585_526_400_000
"""When the venue listed its first linear perpetual; what every simulated contract claims as `launchTime`."""


def instrument(contract: Contract) -> Json:
    """One row of `instruments-info`. `fundingInterval` is minutes, a JSON number."""
    scale = -int(contract.tick.normalize().as_tuple().exponent)
    leverage_max = contract.tiers[0].leverage_max
    return {
        "symbol": contract.symbol,
        "contractType": "InversePerpetual" if contract.inverse else "LinearPerpetual",
        "status": "Trading" if contract.listing is Listing.TRADING else "PreLaunch",
        "baseCoin": contract.base,
        "quoteCoin": contract.quote,
        "launchTime": str(LAUNCHED_AT),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(max(0, scale)),
        "leverageFilter": {"minLeverage": "1", "maxLeverage": f"{leverage_max:.2f}", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": text(contract.tick), "maxPrice": text(contract.tick * 19_999_998), "tickSize": text(contract.tick)},
        "lotSizeFilter": {
            "maxOrderQty": text(contract.contracts_max),
            "minOrderQty": text(contract.contracts_min),
            "qtyStep": text(contract.lot),
            "postOnlyMaxOrderQty": text(contract.contracts_max),
            "maxMktOrderQty": text(contract.contracts_max),
            "minNotionalValue": text(contract.notional_min) if contract.notional_min else "",
        },
        "unifiedMarginTrade": True,
        "fundingInterval": contract.funding_interval_ms // MINUTE_MS,
        "settleCoin": contract.settle,
        "copyTrading": "none",
        "upperFundingRate": text(contract.funding_cap),
        "lowerFundingRate": text(-contract.funding_cap),
        "isPreListing": False,
        "preListingInfo": None,
        "riskParameters": {"priceLimitRatioX": text(contract.price_band), "priceLimitRatioY": text(contract.price_band)},
        "displayName": "",
        "forbidUplWithdrawal": False,
        "symbolType": "",
    }


def ticker(market: MarketView, touch: BookView, day: DayView | None) -> Json:
    """One row of `tickers`, and the snapshot of the ticker stream. Rates are fractions of one interval; empty means not known."""
    contract = market.contract
    bid, ask = _first(touch.bids), _first(touch.asks)
    return {
        "symbol": contract.symbol,
        "lastPrice": text(market.last),
        "indexPrice": text(market.index),
        "markPrice": text(market.mark),
        "prevPrice24h": text(day.first) if day else "",
        "price24hPcnt": f"{market.last / day.first - ONE:.6f}" if day else "",
        "highPrice24h": text(day.highest) if day else "",
        "lowPrice24h": text(day.lowest) if day else "",
        "prevPrice1h": text(day.hour_ago) if day else "",
        "openInterest": text(counted(contract, market.open_interest, market.mark)),
        "openInterestValue": f"{market.open_interest if contract.inverse else market.open_interest * market.mark:.2f}",
        "turnover24h": f"{day.coins if contract.inverse else day.turnover:.4f}" if day else "",
        "volume24h": f"{day.volume:.4f}" if day else "",
        "fundingRate": text(market.funding_rate),
        "nextFundingTime": str(market.next_funding_at),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "ask1Size": ask[1],
        "bid1Price": bid[0],
        "ask1Price": ask[0],
        "bid1Size": bid[1],
        "basis": "",
        "preOpenPrice": "",
        "preQty": "",
        "curPreListingPhase": "",
        "fundingIntervalHour": str(contract.funding_interval_ms // (60 * MINUTE_MS)),
        "fundingCap": text(contract.funding_cap),
        "basisRateYear": "",
    }


def counted(contract: Contract, base: Decimal, mark: Decimal) -> Decimal:
    """Base units as the venue counts them: as they are, or in whole USD of an inverse contract."""
    return (base * mark).to_integral_value() if contract.inverse else base


def _first(levels: Sequence[Level]) -> tuple[str, str]:
    return (text(levels[0].price), text(levels[0].contracts)) if levels else ("", "")


def book_side(levels: Sequence[Level]) -> list[list[str]]:
    """One side of a book, best first: pairs of price and quantity."""
    return [[text(level.price), text(level.contracts)] for level in levels]


def risk_tiers(contract: Contract, first_id: int) -> list[Json]:
    """The rows of `risk-limit` for one contract. `maintenanceMargin` and `initialMargin` are fractions; `isLowestRisk` a JSON number."""
    return [
        {
            "id": first_id + index,
            "symbol": contract.symbol,
            "riskLimitValue": text(tier.cap),
            "maintenanceMargin": text(tier.rate),
            "initialMargin": text((ONE / tier.leverage_max).quantize(Decimal("0.0001"))),
            "isLowestRisk": 1 if index == 0 else 0,
            "maxLeverage": f"{tier.leverage_max:.2f}",
            "mmDeduction": text(tier.deduction) if tier.deduction else "",
        }
        for index, tier in enumerate(contract.tiers)
    ]
