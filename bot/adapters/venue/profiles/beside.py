"""The wallets beside the accounts that carry positions: what each venue is asked for them, and what must be open for that. Read-only.

    binanceusdm  spot     GET  api/v3/account                     weight 20 of 6,000 a minute; `free` and `locked`
                 funding  POST sapi/v1/asset/get-funding-asset    `free`, `locked`, `freeze` and `withdrawing`
    bybit        funding  GET  v5/asset/transfer/query-account-coins-balance, `accountType` FUND: `walletBalance`
    okx          funding  GET  api/v5/asset/balances: `bal`

Both of Binance's belong to the whole account and are read with its USD-M key; the demo has no `/sapi`. Bybit's demo lists no such endpoint.
A unified account's spot coins (Bybit, OKX) are its margin: its equity tells them. Deribit and Hyperliquid are asked for no such wallet.

Sources: Binance, "Account information" (spot) and "Funding Wallet" (wallet); Bybit v5, "Get All Coins Balance" and "Demo Trading Service";
OKX v5, "Get balance" (funding account).
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.adapters.venue.doors import Opening
from bot.adapters.venue.questions import Ask, Query, Wallet
from bot.adapters.venue.settings import Environment
from bot.adapters.venue.shapes import paths


def _opened(host: str, path: str, headers: Mapping[str, str] | None = None, *, answers: bool = False) -> tuple[Opening, ...]:
    """`answers`: a question that the venue wants as a POST; a bot that only watches asks it too."""
    return (Opening(host=host, paths=(path,), headers=headers or {}, private=True, answers=answers),)


_SPOT, _FUNDING = "/api/v3/account", "/sapi/v1/asset/get-funding-asset"
_DEMO_SPOT = _opened("demo-api.binance.com", _SPOT)

OF_BINANCE = (
    Wallet(
        name="spot",
        query=Query(ask=Ask.WALLETS, call="privateGetAccount", fixed={"omitZeroBalances": "true"}, rows_at=("balances",)),
        asset=paths("asset"),
        quantity=paths("free"),
        also=(paths("locked"),),
        openings={
            Environment.MAINNET: _opened("api.binance.com", _SPOT),
            Environment.TESTNET: _DEMO_SPOT,
            Environment.DEMO: _DEMO_SPOT,
        },
    ),
    Wallet(
        name="funding",
        query=Query(ask=Ask.WALLETS, call="sapiPostAssetGetFundingAsset"),
        asset=paths("asset"),
        quantity=paths("free"),
        also=(paths("locked"), paths("freeze"), paths("withdrawing")),
        openings={Environment.MAINNET: _opened("api.binance.com", _FUNDING, answers=True)},
    ),
)

_COINS = "/v5/asset/transfer/query-account-coins-balance"

OF_BYBIT = (
    Wallet(
        name="funding",
        query=Query(
            ask=Ask.WALLETS,
            call="privateGetV5AssetTransferQueryAccountCoinsBalance",
            fixed={"accountType": "FUND"},
            rows_at=("result", "balance"),
            success=("retCode", "0"),
        ),
        asset=paths("coin"),
        quantity=paths("walletBalance"),
        openings={
            Environment.MAINNET: _opened("api.bybit.com", _COINS),
            Environment.TESTNET: _opened("api-testnet.bybit.com", _COINS),
        },
    ),
)

_BALANCES, _TRYING_OUT = "/api/v5/asset/balances", {"x-simulated-trading": "1"}

OF_OKX = (
    Wallet(
        name="funding",
        query=Query(ask=Ask.WALLETS, call="privateGetAssetBalances", rows_at=("data",), success=("code", "0")),
        asset=paths("ccy"),
        quantity=paths("bal"),
        openings={
            Environment.MAINNET: _opened("www.okx.com", _BALANCES),
            Environment.TESTNET: _opened("www.okx.com", _BALANCES, _TRYING_OUT),
            Environment.DEMO: _opened("www.okx.com", _BALANCES, _TRYING_OUT),
        },
    ),
)
