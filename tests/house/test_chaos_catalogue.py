"""Each fault has one owner, and what is said of it is true: tests are there, and faults of chaos have their strikes."""

from __future__ import annotations

import ast
from pathlib import Path

from bot.drivers.chaos.catalogue import FAULTS, Fault, Owner
from bot.ports import Venue

ROOT = Path(__file__).resolve().parents[2]


def every_test() -> set[str]:
    """The name of every test."""
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                found.add(node.name)
    return found


def untrue(number: int, fault: Fault, tests: set[str]) -> list[str]:
    """What of one line of the catalogue is not true."""
    if fault.owner is Owner.TEST:
        return [] if fault.by in tests else [f"F{number:02d}: no test is called {fault.by}"]
    if fault.owner is Owner.LATER:
        return [] if fault.by else [f"F{number:02d}: no issue is named"]
    return [f"F{number:02d}: chaos names no test"] if fault.by else []


def test_every_fault_has_one_owner_that_is_there() -> None:
    assert sorted(FAULTS) == list(range(1, 76))  # F01-F70 of the notes on reliability, and what two instances can meet
    tests = every_test()
    assert [line for number, fault in FAULTS.items() for line in untrue(number, fault, tests)] == []


def test_a_missing_test_and_a_missing_issue_are_found() -> None:
    assert untrue(5, Fault("x", Owner.TEST, "test_that_never_was"), {"test_other"}) == ["F05: no test is called test_that_never_was"]
    assert untrue(6, Fault("x", Owner.LATER), set()) == ["F06: no issue is named"]
    assert untrue(7, Fault("x", Owner.CHAOS, "test_other"), {"test_other"}) == ["F07: chaos names no test"]


def test_f12_no_port_sends_orders_in_batches() -> None:
    """There is no call that takes more than one order: nothing can fail in part."""
    calls = {name for name in vars(Venue) if not name.startswith("_")}
    assert {"place", "cancel", "look_up", "read"} <= calls
    assert not [name for name in calls if "batch" in name or "orders" in name]
    assert list(Venue.place.__annotations__) == ["command", "return"]
