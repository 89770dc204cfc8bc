"""Logs decoded: topics as they are known of the deployed contracts, layouts, identities, exact amounts."""

from __future__ import annotations

from decimal import Decimal, localcontext
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.collateral.evm.logs import TOPICS, LogMalformed, MintKind, RawLog, decoded, exactly, topics_of
from bot.adapters.collateral.evm.terms import MintLayout
from tests.adapters.collateral.evm_facts import address, block_hash

CONTRACT, TOKEN, MINTER, BENEFACTOR, BENEFICIARY = (address(number) for number in (0x10, 0x20, 0x30, 0x40, 0x50))
AMOUNT, STABLE = 3 * 10**18 + 1, 10**30 + 7
ORDER = keccak(text="RFQ-7")


def word(kind: str, value: Any) -> bytes:
    return encode([kind], [value])


def topic(layout: MintLayout, kind: MintKind) -> bytes:
    return next(found for found, of in TOPICS[layout].items() if of is kind)


def raw(layout: MintLayout = MintLayout.ETHENA_V2, kind: MintKind = MintKind.MINT, **told: Any) -> RawLog:
    if layout is MintLayout.ETHENA_V1:
        topics = [word("address", TOKEN), word("uint256", AMOUNT), word("uint256", STABLE)]
        data = encode(["address"] * 3, [MINTER, BENEFACTOR, BENEFICIARY])
    else:
        topics = [ORDER, word("address", BENEFACTOR), word("address", BENEFICIARY)]
        data = encode(["address", "address", "uint256", "uint256"], [MINTER, TOKEN, AMOUNT, STABLE])
    fixed: dict[str, Any] = {"address": CONTRACT, "topics": (topic(layout, kind), *topics), "data": data, "block": 9, "index": 0}
    return RawLog(**(fixed | {"block_hash": block_hash(9), "transaction": "0xaa"} | told))


@pytest.mark.parametrize(
    ("layout", "kind", "known"),
    [
        (MintLayout.ETHENA_V2, MintKind.MINT, "0x7ec0d5374dad568091637662888564fd797c9f7b5e4296d6a9d8ef27d6dcb973"),
        (MintLayout.ETHENA_V2, MintKind.REDEEM, "0xb15a422f244aaa6fee8671718d386a234dc4c169c71a290a64d49b7fb56e8817"),
        (MintLayout.ETHENA_V1, MintKind.MINT, "0xf114ca9eb82947af39f957fa726280fd3d5d81c3d7635a4aeb5c302962856eba"),
        (MintLayout.ETHENA_V1, MintKind.REDEEM, "0x18fd144d7dbcbaa6f00fd47a84adc7dc3cc64a326ffa2dc7691a25e3837dba03"),
        (MintLayout.USTB, MintKind.MINT, "0x29ee92e51cda311463f5c9ef98c54824a4bebe45e689c37da35edc774585d437"),
    ],
)
def test_topics_are_those_of_the_deployed_contracts(layout: MintLayout, kind: MintKind, known: str) -> None:
    assert "0x" + topic(layout, kind).hex() == known
    assert known in topics_of([layout])


@pytest.mark.parametrize("layout", MintLayout)
@pytest.mark.parametrize("kind", MintKind)
def test_every_layout_says_who_how_much_and_of_what(layout: MintLayout, kind: MintKind) -> None:
    if layout is MintLayout.USTB:  # the minter's place among the arguments differs from V2, their order in the data does not
        assert topic(layout, kind) != topic(MintLayout.ETHENA_V2, kind)
    (log,) = decoded([raw(layout, kind)], {CONTRACT: layout})
    assert (log.kind, log.collateral, log.collateral_amount, log.stable_amount) == (kind, TOKEN, AMOUNT, STABLE)
    assert (log.benefactor, log.beneficiary) == (BENEFACTOR, BENEFICIARY)
    assert log.order == (None if layout is MintLayout.ETHENA_V1 else "0x" + ORDER.hex())
    assert (log.block, log.block_hash, log.transaction, log.contract) == (9, block_hash(9), "0xaa", CONTRACT)


def test_logs_of_others_are_none_of_ours() -> None:
    foreign = raw(address=address(0x99))
    other_event = raw(topics=(keccak(text="AssetAdded(address)"), word("address", TOKEN)))
    other_layout = raw(MintLayout.ETHENA_V1)
    nameless = raw(topics=())
    assert decoded([foreign, other_event, other_layout, nameless], {CONTRACT: MintLayout.ETHENA_V2}) == []


def test_logs_of_one_transaction_are_told_apart_by_their_order_and_not_by_their_place_in_the_block() -> None:
    before = [raw(index=4), raw(index=2, kind=MintKind.REDEEM), raw(index=3, transaction="0xbb")]
    after = [raw(index=41), raw(index=40, kind=MintKind.REDEEM), raw(index=7, transaction="0xbb")]
    keys = [[(log.key, log.kind) for log in decoded(logs, {CONTRACT: MintLayout.ETHENA_V2})] for logs in (before, after)]
    assert set(keys[0]) == set(keys[1]) == {(("0xaa", 0), MintKind.REDEEM), (("0xaa", 1), MintKind.MINT), (("0xbb", 0), MintKind.MINT)}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"data": b""},
        {"data": raw().data[:-1]},
        {"data": raw().data + bytes(32)},
        {"data": b"\xff" * len(raw().data)},
        {"topics": raw().topics[:3]},
        {"topics": (*raw().topics, bytes(32))},
        {"topics": (*raw().topics[:3], b"\x01")},
        {"topics": (*raw().topics[:3], b"\xff" * 32)},
    ],
)
def test_a_log_that_its_layout_does_not_fit_is_refused(spoiled: dict[str, Any]) -> None:
    with pytest.raises(LogMalformed):
        decoded([raw(**spoiled)], {CONTRACT: MintLayout.ETHENA_V2})


@pytest.mark.parametrize(
    ("amount", "decimals", "exact"),
    [
        (0, 18, "0"),
        (1, 18, "0.000000000000000001"),
        (1_234_567, 6, "1.234567"),
        (5, 0, "5"),
        (10**60 + 1, 18, "1000000000000000000000000000000000000000000.000000000000000001"),
    ],
)
def test_amounts_are_exact(amount: int, decimals: int, exact: str) -> None:
    assert exactly(amount, decimals) == Decimal(exact)


@given(st.integers(0, 2**256 - 1), st.integers(0, 40))
def test_no_amount_is_rounded(amount: int, decimals: int) -> None:
    with localcontext() as context:
        context.prec = 120
        assert exactly(amount, decimals) * 10**decimals == amount
