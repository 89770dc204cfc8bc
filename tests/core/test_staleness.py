"""When what a source told is known, and for how long it counts as silent."""

from __future__ import annotations

import pytest

from bot.core import staleness
from bot.core.policy import Policy
from bot.core.records import Ledger
from bot.core.units import Asset

T0 = 1_700_000_000_000
HOUR = 3_600_000
POLICY = Policy(
    collateral_assets={Asset("BTC"): Asset("BTC"), Asset("wstETH"): Asset("ETH"), Asset("ETH"): Asset("ETH")},
    collateral_sources=frozenset({"desk", "chain"}),
    source_assets={"chain": frozenset({Asset("wstETH"), Asset("USDT")})},
    stables=frozenset({Asset("USDT")}),
)


@pytest.mark.parametrize(
    ("confirmed", "heard", "since_start", "known", "silent"),
    [
        (None, None, 60_000, False, None),  # nothing is remembered
        (None, HOUR, 0, False, None),
        (None, HOUR, 59_999, False, None),  # it has a minute to be heard
        (None, HOUR, 60_000, True, HOUR + 60_000),
        (None, 1_000, 60_000, True, 61_000),  # of an earlier run, however short the pause was
        (None, HOUR, -120_000, True, HOUR - 120_000),  # our clock stepped back: nobody waits until it has caught up
        (0, HOUR, 0, True, None),
        (0, None, 60_000, True, None),
        (0, HOUR, 60_001, True, 60_001),  # heard in this run: what it told before counts no more
    ],
)
def test_what_is_remembered_counts_when_a_source_had_its_time_to_be_heard(
    confirmed: int | None, heard: int | None, since_start: int, known: bool, silent: int | None
) -> None:
    """Instants in ms: confirmed after the start, heard before it."""
    now = T0 + since_start
    ledger = Ledger(
        started_at=T0,
        decided_at=now,
        sources_confirmed_at={} if confirmed is None else {"desk": T0 + confirmed},
        sources_heard_at={} if heard is None else {"desk": T0 - heard},
    )
    assert staleness.is_known(ledger, "desk", now) is known
    assert staleness.silence(ledger, POLICY, "desk", now) == silent
    assert staleness.unheard(ledger, POLICY, "desk") == silent
    assert (staleness.unknown_sources(ledger, POLICY).get("desk") is None) is known
    assert not staleness.is_known(Ledger(sources_heard_at={"desk": T0}), "desk", None), "before the first decision of a run"


def test_a_source_may_tell_of_what_it_is_said_to_be_about_or_of_anything() -> None:
    about = {asset: (staleness.may_tell_of(POLICY, "chain", Asset(asset)), staleness.may_tell_of(POLICY, "desk", Asset(asset)))
             for asset in ("BTC", "ETH", "USDT")}  # fmt: skip
    assert about == {"BTC": (False, True), "ETH": (True, True), "USDT": (False, True)}
