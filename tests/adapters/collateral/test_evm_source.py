"""The watcher against a real EVM node: totals, announcements, reorgs and gaps."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import permutations

import pytest

from bot.adapters.collateral.evm.terms import RateFunction, Token
from bot.core.claim_records import Claim
from bot.core.events import ClaimStage, CollateralAnnounced, CollateralConfirmed, CollateralObserved
from bot.core.units import Asset
from tests.adapters.collateral.anvil import CONTRACTS, Anvil, compiled, needs_anvil
from tests.adapters.collateral.evm_stand import NOTHING, UNIT, WSTETH, HeardBoth, Stand
from tests.adapters.collateral.heard import until

pytestmark = needs_anvil

FIVE_CONFIRMED = [("mint", "5", "provisional"), ("mint", "5", "confirmed")]


@pytest.fixture
def stand() -> Iterator[Stand]:
    anvil = Anvil()
    try:
        yield Stand(anvil)
    finally:
        anvil.end()


async def test_all_totals_are_told_before_the_first_confirmation_and_with_exact_rates(stand: Stand) -> None:
    async with stand.watched() as heard:
        await until(lambda: heard.confirmations)
    first = heard.events[:3]
    assert [type(event) for event in first] == [CollateralObserved, CollateralObserved, CollateralConfirmed]
    told = {
        (event.asset, event.location, event.quantity, event.redemption_rate) for event in first if isinstance(event, CollateralObserved)
    }
    rate = Decimal("1.203400000000000001")
    assert told == {(WSTETH, "copper", Decimal(0), rate), (WSTETH, "ceffu", Decimal(0), rate)}


async def test_what_is_confirmed_is_as_old_as_the_block_that_was_read_and_not_as_old_as_its_arrival(stand: Stand) -> None:
    def made_at() -> int:
        """The time of the newest block with its confirmations, in ms."""
        number = stand.terms.confirmed_at(stand.anvil.head)
        return 1_000 * int(stand.anvil.web3.eth.get_block(number)["timestamp"])

    await asyncio.sleep(1.1)  # the time of a block is told in seconds
    async with stand.watched() as heard:
        await until(lambda: heard.confirmations > 1)
        first = made_at()
        said = heard.of(CollateralConfirmed)
        assert {event.as_of for event in said} == {first}
        assert all(event.at > first for event in said)
        stand.mint(5)
        stand.anvil.mine(2)
        await until(lambda: heard.totals_at("copper") == [Decimal(0), Decimal(5)])
        await until(lambda: isinstance(heard.events[-1], CollateralConfirmed) and heard.events[-1].as_of == made_at())
        assert made_at() > first


async def test_a_deposit_counts_when_it_has_its_confirmations_and_not_a_block_sooner(stand: Stand) -> None:
    async with stand.watched() as heard:
        await until(lambda: heard.confirmations)
        stand.mint(5)
        stand.anvil.mine()
        await until(lambda: heard.standings == FIVE_CONFIRMED[:1])
        await asyncio.sleep(0.3)
        assert heard.totals_at("copper") == [Decimal(0)]
        stand.anvil.mine()
        await until(lambda: heard.totals_at("copper") == [Decimal(0), Decimal(5)])
        await until(lambda: heard.standings == FIVE_CONFIRMED)
        stand.redeem(2)
        stand.anvil.mine(2)
        await until(lambda: heard.totals_at("copper")[-1] == Decimal(3))
        await until(
            lambda: (
                heard.standings[2:] == [("redeem", "2", "provisional"), ("redeem", "2", "confirmed")]
                or heard.standings[2:] == [("redeem", "2", "confirmed")]
            )
        )
    assert heard.totals_at("ceffu") == [Decimal(0)]
    assert heard.claims[0] == ("deposit", "announced", Decimal(5), "copper")
    assert heard.claims[1:] in ([], [("redemption", "announced", Decimal(2), "copper")])  # none when it was first seen confirmed
    assert heard.failures == []
    assert {each.asset for each in heard.announcements} == {WSTETH}


async def test_a_deposit_that_a_reorg_takes_away_never_counts_and_its_announcement_is_taken_back(stand: Stand) -> None:
    async with stand.watched(lag_blocks_max=50) as heard:
        await until(lambda: heard.confirmations)
        before = stand.anvil.snapshot()
        stand.mint(5)
        await until(lambda: heard.standings == FIVE_CONFIRMED[:1])
        stand.anvil.revert(before)
        stand.anvil.mine(4)
        await until(lambda: len(heard.announcements) == 2)
        stand.anvil.mine(3)
        await asyncio.sleep(0.3)
        assert heard.standings == [("mint", "5", "provisional"), ("mint", "5", "taken back")]
        assert len({each.id for each in heard.announcements}) == 1
        five = (Decimal(5), "copper")
        assert heard.claims == [("deposit", "announced", *five), ("deposit", "canceled", *five)]
    assert heard.totals_at("copper") == [Decimal(0)]


async def test_a_deposit_that_a_reorg_took_away_while_nobody_watched_is_taken_back_and_one_that_stands_is_not(stand: Stand) -> None:
    async with stand.watched() as heard:
        await until(lambda: heard.confirmations)
        stand.mint(7)
        await until(lambda: len(heard.claims) == 1)
        snapshot = stand.anvil.snapshot()
        stand.mint(5)
        await until(lambda: len(heard.claims) == 2)
    known = [as_claim(event) for event in heard.of(CollateralAnnounced)]
    stand.anvil.revert(snapshot)
    stand.anvil.mine(1)
    async with stand.watched(announced=known, lag_blocks_max=50) as heard:
        await until(lambda: heard.confirmations)
        await until(lambda: bool(heard.announcements))
        assert not [claim for claim in heard.claims if claim[1] == "canceled"], "not before all that was seen first is certain"
        stand.anvil.mine(stand.terms.confirmations + 1)
        await until(lambda: [claim for claim in heard.claims if claim[1] == "canceled"] == [("deposit", "canceled", Decimal(5), "copper")])
        (word,) = [event for event in heard.of(CollateralAnnounced) if event.stage is ClaimStage.CANCELED]
        assert word.claim == known[1].id
        assert known[1].met(as_claim(word)).stage is ClaimStage.CANCELED
        assert not known[1].met(as_claim(word)).is_disputed


async def test_a_deposit_that_was_taken_back_and_is_on_the_chain_again_is_announced_anew_and_counts_once(stand: Stand) -> None:
    raw = stand.anvil.signed(stand.mints.functions.mint("RFQ-1", stand.token.address, 5 * UNIT, 5 * UNIT, stand.copper))
    five = (Decimal(5), "copper")
    async with stand.watched(lag_blocks_max=50) as heard:
        await until(lambda: heard.confirmations)
        before = stand.anvil.snapshot()
        stand.anvil.send_raw(raw)
        await until(lambda: len(heard.claims) == 1)
        stand.anvil.revert(before)
        stand.anvil.mine(4)
        await until(lambda: len(heard.claims) == 2)
        stand.anvil.send_raw(raw)
        await until(lambda: len(heard.claims) == 3)
        assert heard.claims == [("deposit", "announced", *five), ("deposit", "canceled", *five), ("deposit", "announced", *five)]
        first, gone, back = [as_claim(event) for event in heard.of(CollateralAnnounced)]
        assert first.met(gone).stage is ClaimStage.CANCELED
        for words in permutations((first, gone, back)):
            assert words[0].met(words[1]).met(words[2]).stage is ClaimStage.ANNOUNCED
        stand.anvil.mine(stand.terms.confirmations)
        await until(lambda: heard.totals_at("copper")[-1] == 5)


async def test_one_that_is_back_and_confirmed_when_the_next_run_looks_is_announced_anew_too(stand: Stand) -> None:
    async with stand.watched() as heard:
        await until(lambda: heard.confirmations)
        stand.mint(5)
        await until(lambda: heard.claims)
    (word,) = heard.of(CollateralAnnounced)
    stand.anvil.mine(stand.terms.confirmations + 1)
    async with stand.watched(taken_back=[word.claim], lag_blocks_max=50) as heard:
        await until(lambda: heard.claims)
        assert heard.claims == [("deposit", "announced", Decimal(5), "copper")]
    async with stand.watched(lag_blocks_max=50) as heard:
        await until(lambda: heard.standings)
        assert heard.claims == [], "what was never taken back needs no word"


def as_claim(word: CollateralAnnounced) -> Claim:
    """The claim that the ledger has of one word."""
    return Claim(
        id=word.claim,
        source=word.source,
        kind=word.kind,
        asset=word.asset,
        location=word.location,
        quantity=word.quantity,
        depositor=word.depositor,
        announced_at=word.announced_at,
        stage=word.stage,
        stage_at=word.announced_at,
        newest_at=word.announced_at,
    )


async def test_a_deposit_that_a_reorg_puts_into_another_block_is_the_same_one_and_counts_once(stand: Stand) -> None:
    raw = stand.anvil.signed(stand.mints.functions.mint("RFQ-1", stand.token.address, 5 * UNIT, 5 * UNIT, stand.copper))
    async with stand.watched(lag_blocks_max=50) as heard:
        await until(lambda: heard.confirmations)
        before = stand.anvil.snapshot()
        first = stand.anvil.send_raw(raw)
        await until(lambda: heard.standings == FIVE_CONFIRMED[:1])
        stand.anvil.revert(before)
        stand.anvil.pause_mining()
        assert stand.anvil.send_raw(raw, mined=False) == first
        stand.anvil.mine(3)
        await until(lambda: heard.standings == FIVE_CONFIRMED)
        await until(lambda: heard.totals_at("copper") == [Decimal(0), Decimal(5)])
    assert heard.standings == FIVE_CONFIRMED


async def test_a_reorg_deeper_than_the_confirmations_takes_back_what_was_confirmed(stand: Stand) -> None:
    async with stand.watched(lag_blocks_max=50, confirmations=2) as heard:
        await until(lambda: heard.confirmations)
        before = stand.anvil.snapshot()
        stand.mint(5)
        stand.anvil.mine()
        await until(lambda: heard.totals_at("copper")[-1] == Decimal(5) and heard.standings[-1:] == FIVE_CONFIRMED[1:])
        stand.anvil.revert(before)
        stand.anvil.mine(6)
        await until(lambda: heard.totals_at("copper")[-1] == Decimal(0))
        await until(lambda: heard.standings[-1] == ("mint", "5", "taken back"))
        await until(lambda: heard.unheard_of)
    assert "were replaced" in heard.unheard_of[0]


async def test_after_downtime_the_gap_is_read_in_pieces_and_everything_is_found_once(stand: Stand) -> None:
    stand.mint(5)
    stand.anvil.mine(40)
    stand.mint(6)
    stand.anvil.mine(40)
    stand.mint(7)
    stand.anvil.mine()
    heard = HeardBoth()
    async with stand.watched(heard=heard, range_blocks_max=7):
        await until(lambda: len(heard.announcements) == 3)
        stand.anvil.mine(2)
        await until(lambda: len(heard.announcements) == 4)
    assert heard.standings == [
        ("mint", "5", "confirmed"),
        ("mint", "6", "confirmed"),
        ("mint", "7", "provisional"),
        ("mint", "7", "confirmed"),
    ]
    assert heard.claims == [("deposit", "announced", Decimal(7), "copper")]  # the totals hold the others already
    async with stand.watched(heard=heard):
        await until(lambda: len(heard.announcements) == 7)
    ids = [each.id for each in heard.announcements]
    assert sorted(set(ids)) == sorted(ids[4:])


async def test_a_start_looks_no_further_back_than_it_is_told(stand: Stand) -> None:
    stand.mint(5)
    stand.anvil.mine(50)
    stand.mint(6)
    stand.anvil.mine(3)
    async with stand.watched(backfill_blocks=10) as heard:
        await until(lambda: heard.announcements)
        await asyncio.sleep(0.2)
    assert heard.standings == [("mint", "6", "confirmed")]


async def test_a_mint_of_a_token_that_is_not_configured_is_told_with_its_address(stand: Stand) -> None:
    other = stand.anvil.deploy("Token", 6, NOTHING)
    stand.anvil.send(stand.mints.functions.mint("RFQ-9", other.address, 5, 5, stand.copper))
    async with stand.watched() as heard:
        await until(lambda: heard.announcements)
    (announced,) = heard.announcements[:1]
    assert (announced.asset, announced.token, announced.quantity) == (None, other.address, None)


@pytest.mark.parametrize(
    ("function", "decimals", "answer", "rate"),
    [
        (RateFunction.ST_ETH_PER_TOKEN, 18, 1_203_400_000_000_000_001, "1.203400000000000001"),
        (RateFunction.EXCHANGE_RATE, 18, 1_060_000_000_000_000_000, "1.06"),
        (RateFunction.GET_EXCHANGE_RATE, 18, 1_130_000_000_000_000_000, "1.13"),
        (RateFunction.CONVERT_TO_ASSETS, 18, 1_250_000, "1.25"),  # the vault's asset has 6 decimals
    ],
)
async def test_rates(stand: Stand, function: RateFunction, decimals: int, answer: int, rate: str) -> None:
    asset = stand.anvil.deploy("Token", 6, NOTHING)
    token = stand.anvil.deploy("Token", decimals, asset.address)
    stand.anvil.send(token.functions.setRate(answer))
    stand.anvil.send(token.functions.give(stand.copper, 25 * 10**17))
    tokens = (Token(asset=Asset("LST"), contract=token.address, rate=function),)
    async with stand.watched(tokens=tokens, confirmations=1) as heard:
        await until(lambda: heard.confirmations)
    told = next(event for event in heard.events if isinstance(event, CollateralObserved) and event.location == "copper")
    assert (told.quantity, told.redemption_rate) == (Decimal("2.5"), Decimal(rate))


async def test_the_chains_own_coin_and_a_token_of_six_decimals(stand: Stand) -> None:
    stable = stand.anvil.deploy("Token", 6, NOTHING)
    stand.anvil.send(stable.functions.give(stand.copper, 1_234_567))
    tokens = (Token(asset=Asset("ETH"), contract=None), Token(asset=Asset("USDC"), contract=stable.address, decimals=6))
    async with stand.watched(tokens=tokens, confirmations=1) as heard:
        await until(lambda: heard.confirmations)
    assert heard.totals_at("copper", Asset("ETH")) == [Decimal(10_000)]
    assert heard.totals_at("copper", Asset("USDC")) == [Decimal("1.234567")]


def test_source_and_bytecode_of_the_contracts_agree() -> None:
    made = compiled()
    if made is None:
        pytest.skip("the compiler solc is not installed here; where there is npm: make servers")
    assert made == (CONTRACTS / "Collateral.json").read_text()
