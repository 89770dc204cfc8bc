"""The wallets beside the futures account, as the venue's spot host tells them. What is locked lies in a wallet of its own here.

Sources: the venue's pages "Account information" (spot, `omitZeroBalances`) and "Funding Wallet" (wallet endpoints).
"""

from __future__ import annotations

from bot.core.units import ZERO
from bot.simulator.dialects.binance.face import Row
from bot.simulator.dialects.binance.state import Call, Outcome
from bot.simulator.dialects.binance.wire import text


def account(call: Call) -> Outcome:
    """GET api/v3/account: rights, commissions and balances."""
    skips = call.parameters.get("omitZeroBalances") == "true"
    rows = [{"asset": asset, "free": free, "locked": locked} for asset, free, locked in _held(call, "spot", skips=skips)]
    told = {"makerCommission": 10, "takerCommission": 10, "canTrade": True, "accountType": "SPOT", "updateTime": call.now, "uid": 1}
    return Outcome(told | {"balances": rows, "permissions": ["SPOT"]})


def funding(call: Call) -> Outcome:
    """POST sapi/v1/asset/get-funding-asset: the funding wallet, what is not nothing."""
    wanted = call.parameters.get("asset")
    rows: list[Row] = [
        {"asset": asset, "free": free, "locked": "0", "freeze": locked, "withdrawing": "0", "btcValuation": "0"}
        for asset, free, locked in _held(call, "funding", skips=True)
        if wanted in {None, asset}
    ]
    return Outcome(rows)


def _held(call: Call, wallet: str, *, skips: bool) -> list[tuple[str, str, str]]:
    free, locked = (call.exchange.wallet(call.account, name) for name in (wallet, f"{wallet}:locked"))
    assets = sorted({*free, *locked})
    found = [(asset, free.get(asset, ZERO), locked.get(asset, ZERO)) for asset in assets]
    return [(asset, text(one), text(other)) for asset, one, other in found if one or other or not skips]
