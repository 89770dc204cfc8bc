"""Delegations that are gone from a custodian's report: what was nothing is not missed."""

from __future__ import annotations

from tests.core.test_custody import T0, after, exactly, fresh, held, mirror, report


def test_a_row_of_nothing_that_is_gone_is_not_missed_and_one_with_something_still_due_is() -> None:
    before = after(fresh("0"), report("10", mirror("okx", "0"), mirror("bybit", "5")))
    told = after(before, report("11", mirror("bybit", "5"), at=T0 + 1))
    assert (told.sources_unreadable, held(told)) == ({}, exactly("11"))
    owed = after(before, report("10", mirror("okx", "0", due="0.5"), mirror("bybit", "5"), at=T0 + 1))
    told = after(owed, report("11", mirror("bybit", "5"), at=T0 + 2))
    assert told.sources_unreadable == {"custody": "ETH delegated to okx is gone from the report, and absence is not zero"}
