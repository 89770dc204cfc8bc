"""Deribit perpetuals, as `public/get_instruments` lists them: inverse ones (margin in coins) and linear ones settled in USDC.

The venue counts *amounts*, not contracts: US dollars of an inverse perpetual, base units of a linear one; so does the engine here, with a
contract size of one. The `contract_size` that the venue publishes (10 USD of BTC-PERPETUAL) is the least amount, and multiplies nothing.

Margin grows with the position: BTC needs 2 % + 0.005 % per BTC to open and 1 % + 0.005 % per BTC to keep
(support.deribit.com, "Inverse perpetual", "Linear Perpetual"); the steps below are chords of that curve, exact at each cap.
ETH's slope is taken to be BTC's by value, at 20 ETH for a BTC, and a linear ladder to be the inverse one at 100,000 USDC for a BTC:
both unverified. The price band is that of the venue's published `min_price` and `max_price`, 1.5 %. Funding is capped at 0.5 % per 8 h.
"""

from __future__ import annotations

from bot.simulator.listings.listing import HOUR_MS, Ladder, Listing, Spec

_LADDER: tuple[tuple[int, str, str], ...] = (
    (25, "47.05", "0.01125"),
    (50, "44.44", "0.01375"),
    (100, "40", "0.0175"),
    (190, "33.89", "0.0245"),
    (400, "25", "0.0395"),
)
"""In BTC of position value."""


def _worth(one_btc: int) -> Ladder:
    return tuple((cap * one_btc, leverage, rate) for cap, leverage, rate in _LADDER)


_USDC = _worth(100_000)

LISTING = Listing(
    maker_fee="0",
    taker_fee="0.0005",
    continuous_tiers=True,
    client_id_scope="never",
    client_id_form=r"[\s\S]{1,64}",
    specs=(
        Spec("BTC", "BTC_USDC-PERPETUAL", "1", "0.1", "0.0001", "0.0001", "1000", "0", "0.000625", "0.015", _USDC, quote="USDC"),
        Spec("ETH", "ETH_USDC-PERPETUAL", "1", "0.01", "0.001", "0.001", "20000", "0", "0.000625", "0.015", _USDC, quote="USDC"),
        Spec("BTC", "BTC-PERPETUAL", "1", "0.5", "10", "10", "100000000", "0", "0.000625", "0.015", _worth(1), quote="USD", inverse=True),
        Spec("ETH", "ETH-PERPETUAL", "1", "0.05", "1", "1", "100000000", "0", "0.000625", "0.015", _worth(20), quote="USD", inverse=True),
    ),
    funding_interval_ms=HOUR_MS,
)
