"""What lies in a venue's wallets beside the account that carries positions: coins there are ours, and no margin of any position.

Each wallet is told as a whole or not at all. What a venue's list leaves out has no balance there (OKX v5 "Get balance" of the funding
account lists the currencies that have one, Binance's spot account is asked with `omitZeroBalances`), but a list is only as good as its
answer: who believes an absence, and when, is for the reader of this to say. Frozen and locked coins lie there too: they are still ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from bot.adapters.venue.asking import Asker, NotAnswered
from bot.adapters.venue.ccxt_mapping import Unreadable, figure, told
from bot.adapters.venue.profile import Profile
from bot.adapters.venue.questions import Wallet
from bot.adapters.venue.settings import VenueSettings
from bot.adapters.venue.throttle import Lane
from bot.core.units import ZERO, Asset


async def balances(asker: Asker, profile: Profile, settings: VenueSettings) -> Mapping[str, Mapping[Asset, Decimal]] | None:
    """Units of each asset in each wallet, by the wallet's name; None when not all of it could be read, or none of it is to be."""
    if not settings.reads_wallets:
        return None
    found = {}
    for wallet in profile.wallets_in(settings.environment):
        try:
            found[wallet.name] = _held(await asker.rows(wallet.query, Lane.MARKET_DATA), wallet)
        except (NotAnswered, Unreadable):
            return None
    return found


def _held(rows: Sequence[Mapping[str, object]], wallet: Wallet) -> Mapping[Asset, Decimal]:
    held: dict[Asset, Decimal] = {}
    for row in rows:
        asset, figures = told(row, wallet.asset), [figure(row, where) for where in (wallet.quantity, *wallet.also)]
        quantities = [each for each in figures if each is not None and each >= ZERO]
        if asset is None or len(quantities) < len(figures) or asset in held:
            raise Unreadable(f"a row of the {wallet.name} wallet makes no sense")
        held[Asset(asset)] = sum(quantities, ZERO)
    return held
