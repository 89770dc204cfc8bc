"""What an account keeps: bounded archives, positions by cost, findable orders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.simulator.accounts import ARCHIVE_MAX, Account, Archive, Holding
from bot.simulator.margin import CASH_STEP, worth
from bot.simulator.model import Contract, Order, OrderState
from tests.simulator.floor import INVERSE, LINEAR, NOW, D, buy


@given(st.integers(1, 30), st.integers(0, 200))
def test_an_archive_keeps_the_newest_and_names_what_goes(capacity: int, added: int) -> None:
    archive: Archive[int] = Archive(lambda record: record, capacity)
    gone = [archive.add(number) for number in range(1, added + 1)]
    assert gone == [number - capacity if number > capacity else None for number in range(1, added + 1)]
    kept = tuple(range(max(1, added - capacity + 1), added + 1))
    assert archive.page(0, 1000, lambda _: True) == kept
    assert archive.page(1, 1000, lambda _: True) == kept, "what was forgotten does not come back in a page"
    assert len(archive._records) <= capacity + capacity // 10


def test_pages_filter_before_they_limit() -> None:
    archive: Archive[int] = Archive(lambda record: record)
    for number in range(1, 21):
        archive.add(number)
    assert archive.page(0, 3, lambda number: number % 2 == 0) == (16, 18, 20)
    assert archive.page(5, 3, lambda number: number % 2 == 0) == (6, 8, 10)
    assert archive.page(0, -1, lambda _: True) == ()


def test_orders_and_their_client_ids_are_forgotten_together() -> None:
    account = Account("ann")
    for number in range(ARCHIVE_MAX + 3):
        request = buy("0.01", client_id=f"c{max(number, 1)}")
        order = Order(order_id=number, request=request, state=OrderState.NEW, created_at=NOW, updated_at=NOW)
        account.remember(order)
        account.retire(order)
    assert account.find("BTCUSDT", 2, None) is account.find("BTCUSDT", None, "c2") is None
    oldest = account.find("BTCUSDT", None, "c3")
    assert oldest is not None
    assert oldest.order_id == 3
    assert len(account.known) == ARCHIVE_MAX
    assert len(account.newest_by_client_id) == ARCHIVE_MAX
    assert account.working == {}


def test_forgetting_an_old_order_keeps_the_id_of_the_newer_one() -> None:
    account = Account("ann", closed=Archive(lambda order: order.updated_at, 1))
    for number in (1, 2):
        order = Order(order_id=number, request=buy("0.01", client_id="c"), state=OrderState.NEW, created_at=NOW, updated_at=NOW)
        account.remember(order)
        account.retire(order)
    found = account.find("BTCUSDT", None, "c")
    assert found is not None
    assert found.order_id == 2


FILLS = st.lists(st.tuples(st.integers(-500, 500).filter(bool), st.integers(100_000, 1_000_000)), min_size=1, max_size=40)


@pytest.mark.parametrize("contract", [LINEAR, INVERSE], ids=["linear", "inverse"])
@given(fills=FILLS)
def test_realised_and_unrealised_are_all_that_was_made(contract: Contract, fills: list[tuple[int, int]]) -> None:
    """Whatever the order of fills: realised + unrealised = the sum of what each fill gained by now, to one rounding per fill."""
    holding, realised, gained, mark = Holding(contract), Decimal(0), Decimal(0), D(50_000)
    for lots, tenths in fills:
        contracts, price = lots * contract.lot, D(tenths) / 10
        realised += holding.fill(contracts, price, NOW)
        gained += worth(contract, contracts, mark) - worth(contract, contracts, price)
    assert abs(realised + holding.unrealised(mark) - gained) <= CASH_STEP * 2 * len(fills)
    assert realised == realised.quantize(CASH_STEP), "every cash flow has eight decimals"
    flat = holding.fill(-holding.contracts, mark, NOW) if holding.contracts else Decimal(0)
    assert (holding.contracts, holding.cost, holding.unrealised(mark)) == (D(0), D(0), D(0))
    assert abs(realised + flat - gained) <= CASH_STEP * 2 * (len(fills) + 1)
