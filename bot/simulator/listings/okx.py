"""OKX v5 perpetual swaps, as `public/instruments`, `position-tiers` and the published price-limit rules list them.

Linear swaps settle in USDT or USDC; inverse ones count contracts of 100 USD (BTC) or 10 USD (ETH) and settle in the coin. Tiers are bounded
by contracts, and a tier's rate holds for the whole position. The ladders of inverse swaps stand in for what is published by the endpoint
alone: the linear ones, in as many contracts as are worth about the same. A client id (`clOrdId`) stays taken for ever.
"""

from __future__ import annotations

from bot.simulator.listings.listing import Ladder, Listing, Spec

_BTC: Ladder = (
    (6_000, "100", "0.004"),
    (12_000, "75", "0.005"),
    (30_000, "50", "0.01"),
    (60_000, "40", "0.0125"),
    (120_000, "25", "0.02"),
    (240_000, "20", "0.025"),
    (480_000, "10", "0.05"),
    (1_000_000, "5", "0.1"),
)
_ETH: Ladder = (
    (6_000, "100", "0.004"),
    (12_000, "75", "0.005"),
    (32_000, "50", "0.01"),
    (60_000, "40", "0.0125"),
    (120_000, "25", "0.02"),
    (240_000, "20", "0.025"),
    (480_000, "10", "0.05"),
    (1_000_000, "5", "0.1"),
)
_SOL: Ladder = (
    (4_000, "50", "0.01"),
    (16_000, "33.33", "0.015"),
    (40_000, "25", "0.02"),
    (80_000, "20", "0.025"),
    (200_000, "10", "0.05"),
    (400_000, "5", "0.1"),
)


def _times(count: int, ladder: Ladder) -> Ladder:
    """The same tiers in contracts of which that many make one."""
    return tuple((int(cap) * count, leverage, rate) for cap, leverage, rate in ladder)


LISTING = Listing(
    maker_fee="0.0002",
    taker_fee="0.0005",
    continuous_tiers=False,
    client_id_scope="ever",
    client_id_form=r"[A-Za-z0-9]{1,32}",
    specs=(
        Spec("BTC", "BTC-USDT-SWAP", "0.01", "0.1", "0.01", "0.01", "100000000", "0", "0.00375", "0.05", _BTC),
        Spec("ETH", "ETH-USDT-SWAP", "0.1", "0.01", "0.01", "0.01", "100000000", "0", "0.00375", "0.05", _ETH),
        Spec("SOL", "SOL-USDT-SWAP", "1", "0.01", "0.01", "0.01", "100000000", "0", "0.015", "0.05", _SOL),
        Spec("BTC", "BTC-USDC-SWAP", "0.0001", "0.1", "1", "1", "100000000", "0", "0.00375", "0.05", _times(100, _BTC), quote="USDC"),
        Spec("ETH", "ETH-USDC-SWAP", "0.001", "0.01", "1", "1", "100000000", "0", "0.00375", "0.05", _times(100, _ETH), quote="USDC"),
        Spec(
            "BTC",
            "BTC-USD-SWAP",
            "100",
            "0.1",
            "0.1",
            "0.1",
            "100000000",
            "0",
            "0.00375",
            "0.05",
            _times(6, _BTC),
            quote="USD",
            inverse=True,
        ),
        Spec(
            "ETH",
            "ETH-USD-SWAP",
            "10",
            "0.01",
            "0.1",
            "0.1",
            "100000000",
            "0",
            "0.00375",
            "0.05",
            _times(30, _ETH),
            quote="USD",
            inverse=True,
        ),
    ),
)
