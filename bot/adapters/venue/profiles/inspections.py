"""How each venue's account is looked at by `hedgebot check --connect`: what tells of the key, of the settings, of the dead-man switch.

What a run reads as well is taken from the profiles. Everything here is asked with the list of what may leave narrowed to reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bot.adapters.venue.doors import Opening
from bot.adapters.venue.inspection import Inspection, KeyTold, SettingsTold, SwitchTold
from bot.adapters.venue.profile import MarginModes, Profile
from bot.adapters.venue.profiles import key_rows
from bot.adapters.venue.profiles.binancecoinm import BINANCECOINM
from bot.adapters.venue.profiles.binanceusdm import BINANCEUSDM
from bot.adapters.venue.profiles.bybit import BYBIT
from bot.adapters.venue.profiles.deribit import DERIBIT
from bot.adapters.venue.profiles.hyperliquid import HYPERLIQUID
from bot.adapters.venue.profiles.okx import OKX
from bot.adapters.venue.questions import Ask, Query
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import paths
from bot.core.units import VenueId

_SPOT = (Opening(host="api.binance.com", paths=("/sapi/v1/account/apiRestrictions",), private=True),)
_ONE_WAY = "all there is"
_NO_DEMO_KEYS = "Binance's demo trading has no endpoint that tells what a key may do, and nothing to withdraw."

_BINANCE_KEY = KeyTold(
    query=Query(ask=Ask.SETTINGS, call="sapiGetAccountApiRestrictions"),
    facts=key_rows.binance,
    source="https://developers.binance.com/docs/wallet/account/api-key-permission",
    openings={Environment.MAINNET: _SPOT, Environment.SIMULATION: _SPOT},
    absent={Environment.TESTNET: _NO_DEMO_KEYS, Environment.DEMO: _NO_DEMO_KEYS},
)
"""The spot host, for one path alone, and for the check alone: a run does not open it."""

_DERIBIT_KEYS = {
    environment: (Opening(host=hosts.names[0], paths=("/api/v2/private/list_api_keys",), private=True),)
    for environment, hosts in {**DERIBIT.hosts, Environment.SIMULATION: DERIBIT.hosts[Environment.MAINNET]}.items()
}


def _modes(profile: Profile) -> MarginModes:
    """What tells margin modes apart from positions. Raises ValueError at import when a profile has none: then it is inspected otherwise."""
    if profile.reads.margin_modes is None:
        raise ValueError(f"{profile.venue}: positions tell their margin mode, and nothing else does")
    return profile.reads.margin_modes


_USDM_MODES, _BYBIT_MODES, _DERIBIT_MODES = _modes(BINANCEUSDM), _modes(BYBIT), _modes(DERIBIT)

INSPECTIONS: Mapping[VenueId, Inspection] = {
    BINANCEUSDM.venue: Inspection(
        key=_BINANCE_KEY,
        settings=(
            SettingsTold(
                query=Query(ask=Ask.SETTINGS, call="fapiPrivateGetPositionSideDual"),
                position_mode=paths("dualSidePosition"),
                one_way=frozenset({"False", "false"}),
            ),
            SettingsTold(
                query=_USDM_MODES.query,
                symbol=_USDM_MODES.symbol,
                margin_mode=_USDM_MODES.mode,
                cross=_USDM_MODES.cross,
                leverage=_USDM_MODES.leverage,
            ),
        ),
    ),
    BINANCECOINM.venue: Inspection(
        key=_BINANCE_KEY,
        settings=(
            SettingsTold(
                query=Query(ask=Ask.SETTINGS, call="dapiPrivateGetPositionSideDual"),
                position_mode=paths("dualSidePosition"),
                one_way=frozenset({"False", "false"}),
            ),
            SettingsTold(
                query=BINANCECOINM.reads.position,
                symbol=BINANCECOINM.reads.position_shape.symbol,
                margin_mode=BINANCECOINM.reads.position_shape.margin_mode,
                cross=BINANCECOINM.reads.position_shape.cross,
                leverage=BINANCECOINM.reads.position_shape.leverage,
            ),
        ),
    ),
    BYBIT.venue: Inspection(
        key=KeyTold(
            query=Query(ask=Ask.SETTINGS, call="privateGetV5UserQueryApi", success=("retCode", "0")),
            facts=key_rows.bybit,
            source="https://bybit-exchange.github.io/docs/v5/user/apikey-info",
        ),
        settings=(
            SettingsTold(
                query=BYBIT.reads.position,
                symbol=BYBIT.reads.position_shape.symbol,
                position_mode=BYBIT.reads.position_shape.mode,
                one_way=BYBIT.reads.position_shape.one_way,
                leverage=BYBIT.reads.position_shape.leverage,
            ),
            SettingsTold(query=_BYBIT_MODES.query, margin_mode=_BYBIT_MODES.mode, cross=_BYBIT_MODES.cross),
        ),
        switch=SwitchTold(
            query=Query(ask=Ask.SETTINGS, call="privateGetV5AccountQueryDcpInfo", rows_at=("result", "dcpInfos"), success=("retCode", "0")),
            product=(paths("product"), "DERIVATIVES"),
            status=(paths("dcpStatus"), "ON"),
            otherwise="Bybit switches it on for an account on request (disconnect cancel all, DERIVATIVES): what rests stays until then.",
        ),
    ),
    DERIBIT.venue: Inspection(
        key=KeyTold(
            query=Query(ask=Ask.SETTINGS, call="privateGetListApiKeys"),
            facts=key_rows.deribit,
            source="https://docs.deribit.com/api-reference/account-management/private-list_api_keys",
            openings=_DERIBIT_KEYS,
        ),
        settings=(SettingsTold(query=_DERIBIT_MODES.query, margin_mode=_DERIBIT_MODES.mode, cross=_DERIBIT_MODES.cross),),
        always={"position mode": f"one-way is {_ONE_WAY}", "leverage": "there is none to set"},
        no_switch="Cancel on disconnect covers only orders of the same WebSocket, and ours go over REST: what rests stays.",
    ),
    OKX.venue: Inspection(
        key=KeyTold(
            query=Query(ask=Ask.SETTINGS, call="privateGetAccountConfig", success=("code", "0")),
            facts=key_rows.okx,
            source="https://www.okx.com/docs-v5/en/#trading-account-rest-api-get-account-configuration",
        ),
        settings=(
            SettingsTold(
                query=Query(ask=Ask.SETTINGS, call="privateGetAccountConfig", rows_at=("data",), success=("code", "0")),
                position_mode=paths("posMode"),
                one_way=frozenset({"net_mode"}),
            ),
            SettingsTold(
                query=Query(
                    ask=Ask.SETTINGS,
                    call="privateGetAccountLeverageInfo",
                    fixed={"mgnMode": "cross"},
                    rows_at=("data",),
                    success=("code", "0"),
                    symbol_as="instId",
                ),
                symbol=paths("instId"),
                leverage=paths("lever"),
            ),
        ),
        always={"margin mode": "cross, told in each order"},
    ),
    HYPERLIQUID.venue: Inspection(
        key=KeyTold(
            query=replace(HYPERLIQUID.reads.margin, ask=Ask.SETTINGS, fixed={"type": "extraAgents"}),
            facts=key_rows.hyperliquid,
            source="https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api/nonces-and-api-wallets",
        ),
        settings=(
            SettingsTold(
                query=replace(HYPERLIQUID.reads.margin, ask=Ask.SETTINGS, fixed={"type": "activeAssetData"}, symbol_as="coin", is_one=True),
                symbol=paths("coin"),
                margin_mode=paths("leverage.type"),
                cross=frozenset({"cross"}),
                leverage=paths("leverage.value"),
            ),
        ),
        always={"position mode": f"one-way is {_ONE_WAY}"},
        no_switch="Its switch (`scheduleCancel`) is open only to accounts that traded 1,000,000 USD, and is not used: what rests stays.",
    ),
}
"""By venue, as `PROFILES`."""
