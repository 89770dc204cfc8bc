"""The venues that this adapter speaks to, one page of data each.

Sources: the venues' own documentation of the endpoints named in each file, and what ccxt 4.5.90 sends and reads.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.adapters.venue.profile import Profile
from bot.adapters.venue.profiles.binancecoinm import BINANCECOINM
from bot.adapters.venue.profiles.binanceusdm import BINANCEUSDM
from bot.adapters.venue.profiles.bybit import BYBIT
from bot.adapters.venue.profiles.deribit import DERIBIT
from bot.adapters.venue.profiles.hyperliquid import HYPERLIQUID
from bot.adapters.venue.profiles.okx import OKX
from bot.core.units import VenueId

PROFILES: Mapping[VenueId, Profile] = {profile.venue: profile for profile in (BINANCEUSDM, BINANCECOINM, BYBIT, DERIBIT, OKX, HYPERLIQUID)}
