"""Hyperliquid's answers and frames taken apart into rows, where they do not come as such."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

from bot.adapters.venue.profile import Heard
from bot.adapters.venue.shapes import Row
from bot.core.tiers import maintenance_rate_of


def hear(message: Any) -> Heard | None:
    """A frame `{channel, data}`: the order updates of one block, fills together, else one row. Confirmations and pongs tell nothing."""
    if not isinstance(message, dict) or message.get("data") is None:
        return None
    channel, data = str(message.get("channel")), message["data"]
    if channel == "userFills":
        fills = data.get("fills") if isinstance(data, dict) else None
        return Heard(channel, () if isinstance(data, dict) and data.get("isSnapshot") else tuple(fills or (data,)))
    if channel == "clearinghouseState":
        return Heard(channel, (data.get("clearinghouseState", {}),))
    return Heard(channel, tuple(data) if isinstance(data, list) else (data,))


CONFIRMED = ("orderUpdates", "userFills")


def confirms(message: Any) -> int:
    """A frame `subscriptionResponse` about our orders or fills."""
    if not isinstance(message, dict) or message.get("channel") != "subscriptionResponse":
        return 0
    told = message.get("data") or {}
    return int(told.get("method") == "subscribe" and (told.get("subscription") or {}).get("type") in CONFIRMED)


def contexts(answer: Any) -> list[Row] | None:
    """`metaAndAssetCtxs`: two lists in the same order, what an asset is and how it stands."""
    if not isinstance(answer, list) or len(answer) != 2 or not isinstance(answer[0], dict):
        return None
    universe, figures = answer[0].get("universe"), answer[1]
    if not isinstance(universe, list) or not isinstance(figures, list) or len(universe) != len(figures):
        return None
    return [{**asset, **context} for asset, context in zip(universe, figures, strict=True)]


def tiers(answer: Any) -> list[Row] | None:
    """`meta`: each asset with the tiers of its margin table. A plain table (its id is its leverage) has one tier; the last has no end.

    Maintenance is half of the initial rate at a tier's highest leverage.
    """
    if not isinstance(answer, dict) or not isinstance(answer.get("universe"), list) or not isinstance(answer.get("marginTables"), list):
        return None
    tables = {str(number): table.get("marginTiers") for number, table in answer["marginTables"]}
    rows: list[Row] = []
    for asset in answer["universe"]:
        plain = [{"lowerBound": "0.0", "maxLeverage": asset.get("maxLeverage")}]
        listed = tables.get(str(asset.get("marginTableId"))) or plain
        bounds = [*(tier["lowerBound"] for tier in listed), ""]
        rows.append(
            {
                "coin": asset.get("name"),
                "tiers": [
                    {**tier, "cap": cap, "maintenance": str(maintenance_rate_of(Decimal(str(tier["maxLeverage"]))))}
                    for tier, (_, cap) in zip(listed, pairwise(bounds), strict=True)
                ],
            }
        )
    return rows


def predicted(answer: Any) -> list[Row] | None:
    """`predictedFundings`: by coin and venue; the venue's own are called `HlPerp`."""
    if not isinstance(answer, list):
        return None
    found = [(coin, dict(venues).get("HlPerp")) for coin, venues in answer]
    return [{"coin": coin, **told} for coin, told in found if isinstance(told, dict)]
