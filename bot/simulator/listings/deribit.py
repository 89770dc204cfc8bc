"""Deribit perpetuals, as `public/get_instruments` lists them: inverse ones (margin in coins) and linear ones settled in USDC.

The venue counts *amounts*, not contracts: US dollars of an inverse perpetual, base units of a linear one; so does the engine here, with a
contract size of one. The `contract_size` that the venue publishes (10 USD of BTC-PERPETUAL) is the least amount, and multiplies nothing.

Margin grows with the position: BTC needs 2 % + 0.005 % per BTC to open and 1 % + 0.005 % per BTC to keep, ETH the same with 0.0004 % per
ETH (support.deribit.com, "Inverse perpetual", "Linear Perpetual", "11 January 2022"). The tiers here are chords of those curves, exact at
each cap and off by next to nothing between them; a linear ladder counts value, and takes a BTC for 100,000 USDC and an ETH for 5,000. The
venue lists no largest position of that kind; here the ladder ends. The price band is that of the venue's published `min_price` and
`max_price`, 1.5 %. Funding is capped at 0.5 % per 8 h.
"""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from bot.simulator.listings.listing import HOUR_MS, Ladder, Listing, Spec

_BTC_CAPS = (1, 2, 5, 10, 25, 50, 75, 100, 150, 190, 400)
_ETH_CAPS = (20, 40, 100, 200, 500, 1_000, 1_500, 2_000, 2_400, 8_000)


def _ladder(caps: tuple[int, ...], slope: str, *, usdc: int = 1) -> Ladder:
    """Tiers that end at coins of position value, or at USDC at that price of a coin; rates rise by `slope` with each coin.

    The chord from a to b keeps at a rate of 1 % + slope x (a + b) of what lies between: at both ends that comes to what the curve asks for,
    and between them to at most slope x ((b - a) / 2)^2 more.
    """
    per_coin, floor, tiers = Decimal(slope), 0, []
    for cap in caps:
        leverage = (1 / (Decimal("0.02") + per_coin * cap)).quantize(Decimal("0.01"), rounding=ROUND_DOWN)
        tiers.append((cap * usdc, str(leverage), str(Decimal("0.01") + per_coin * (floor + cap))))
        floor = cap
    return tuple(tiers)


_BTC, _BTC_USDC = _ladder(_BTC_CAPS, "0.00005"), _ladder(_BTC_CAPS, "0.00005", usdc=100_000)
_ETH, _ETH_USDC = _ladder(_ETH_CAPS, "0.000004"), _ladder(_ETH_CAPS, "0.000004", usdc=5_000)

LISTING = Listing(
    maker_fee="0",
    taker_fee="0.0005",
    continuous_tiers=True,
    client_id_scope="never",
    client_id_form=r"[\s\S]{1,64}",
    specs=(
        Spec("BTC", "BTC_USDC-PERPETUAL", "1", "0.1", "0.0001", "0.0001", "1000", "0", "0.000625", "0.015", _BTC_USDC, quote="USDC"),
        Spec("ETH", "ETH_USDC-PERPETUAL", "1", "0.01", "0.001", "0.001", "20000", "0", "0.000625", "0.015", _ETH_USDC, quote="USDC"),
        Spec("BTC", "BTC-PERPETUAL", "1", "0.5", "10", "10", "100000000", "0", "0.000625", "0.015", _BTC, quote="USD", inverse=True),
        Spec("ETH", "ETH-PERPETUAL", "1", "0.05", "1", "1", "100000000", "0", "0.000625", "0.015", _ETH, quote="USD", inverse=True),
    ),
    funding_interval_ms=HOUR_MS,
)
