"""How long a lease may be relied on: instants in, milliseconds out."""

from __future__ import annotations

import pytest

from bot.core.tenure import Tenure


@pytest.mark.parametrize(
    ("ttl_ms", "asked_at", "now", "left_ms"),
    [
        (3_000, 100_000, 100_000, 2_850),  # from before the request left, less a twentieth
        (3_000, 100_000, 100_400, 2_450),  # the answer took 0.4 s: they are gone
        (3_000, 100_000, 102_849, 1),
        (3_000, 100_000, 102_850, 0),
        (3_000, 100_000, 160_000, 0),  # stopped for a minute
        (1_000, 100_000, 100_000, 900),  # the least margin
        (60_000, 100_000, 100_000, 57_000),
    ],
)
def test_the_end_is_counted_from_before_the_request_left(ttl_ms: int, asked_at: int, now: int, left_ms: int) -> None:
    assert Tenure(ttl_ms=ttl_ms).granted(asked_at).left_ms(now) == left_ms


def test_nothing_is_held_before_a_grant_and_after_a_loss() -> None:
    tenure = Tenure(ttl_ms=3_000)
    assert tenure.left_ms(100_000) == 0
    assert tenure.granted(100_000).lost().left_ms(100_001) == 0


def test_a_renewal_without_an_answer_extends_nothing() -> None:
    """The store may count to 104 s; we count to 102.85 s, for only `granted` moves the end and no answer came."""
    tenure = Tenure(ttl_ms=3_000).granted(100_000)
    assert tenure.left_ms(102_000) == 850
    assert tenure.granted(102_000).left_ms(102_500) == 2_350  # the next one was answered


def test_a_late_answer_takes_nothing_back() -> None:
    tenure = Tenure(ttl_ms=3_000).granted(102_000)
    assert tenure.granted(101_000) == tenure


def test_it_is_renewed_three_times_within_its_length() -> None:
    assert Tenure(ttl_ms=3_000).renew_every_ms == 1_000


def test_a_lease_as_short_as_the_margin_is_refused() -> None:
    with pytest.raises(ValueError, match="200 ms is as short"):
        Tenure(ttl_ms=200)
