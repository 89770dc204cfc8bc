"""From the configuration to the record of collateral: a mint on a real node is a claim, then a total, and counts once."""

from __future__ import annotations

import asyncio
import copy
from contextlib import suppress
from decimal import Decimal

from bot.adapters.collateral.evm.source import EvmSource
from bot.config import settings_from
from bot.core.claims import place_records
from bot.core.engine import fold
from bot.core.records import Ledger
from bot.drivers.sources import sources_of
from tests.adapters.collateral.anvil import CHAIN, Anvil, needs_anvil
from tests.adapters.collateral.evm_stand import HeardBoth, ShiftedClock, Stand
from tests.adapters.collateral.heard import until
from tests.config.documents import SIMULATION

pytestmark = needs_anvil


async def test_a_mint_is_a_claim_then_a_total_and_counts_once() -> None:
    anvil = Anvil()
    try:
        stand, heard, ledger = Stand(anvil), HeardBoth(), Ledger()
        document = copy.deepcopy(SIMULATION)
        document["collateral"]["assets"]["wstETH"] |= {"claim_max": 50, "deposits_max": 50}
        document["collateral"]["claims"] = {"depositors": [anvil.account]}
        document["collateral"]["sources"] = [
            {
                "kind": "evm",
                "name": "ethereum",
                "chain_id": CHAIN,
                "endpoints": [anvil.url, anvil.socket_url],
                "confirmations": 3,
                "tokens": {"wstETH": {"contract": stand.token.address, "rate": "stEthPerToken"}},
                "wallets": {"copper": stand.copper, "ceffu": stand.ceffu},
                "mints": {stand.mints.address: {"location": "copper"}},
                "head_age_max_ms": 3_600_000,
                "poll_ms": 100,
            }
        ]
        settings = settings_from(document)
        (source,) = sources_of(settings, ledger, ShiftedClock(), {})
        task = asyncio.create_task(source.listen(heard))
        try:
            await until(lambda: heard.confirmations)
            stand.mint(5)
            await until(lambda: heard.claims)
            before = len(heard.events)
            anvil.mine(2)
            await until(lambda: heard.totals_at("copper")[-1] == 5)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    finally:
        anvil.end()
    policy = settings.to_policy()
    seen, awaited = [], []
    for number, event in enumerate(heard.events, 1):
        ledger = fold(ledger, event, policy)
        if number in {before, len(heard.events)}:
            (copper,) = [record for record in place_records(ledger, policy) if record.location == "copper"]
            (next_run,) = sources_of(settings, ledger, ShiftedClock(), {})
            assert isinstance(next_run, EvmSource)
            awaited.append(len(next_run._unseen))
            seen.append((copper.confirmed, copper.pending, copper.held_back, copper.counted))
    assert seen == [(Decimal(0), Decimal(5), Decimal(0), Decimal(0)), (Decimal(5), Decimal(0), Decimal(0), Decimal(5))]
    assert awaited == [1, 0], "what is pending must be seen again by the next run, and what was confirmed need not"
