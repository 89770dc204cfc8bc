"""What a source says of itself, and how often."""

from __future__ import annotations

from bot.adapters.collateral.voice import Voice
from bot.core.events import CollateralConfirmed, CollateralUnreadable
from tests.adapters.collateral.heard import Heard, RealClock


class StillClock(RealClock):
    at = 0.0

    def steady(self) -> float:
        return self.at


def test_a_confirmation_keeps_its_beat_and_comes_at_once_after_news_and_after_a_failure():
    clock, heard = StillClock(), Heard()
    voice = Voice("desk", clock, every_s=1.0)
    said = []
    for at, news in ((0.0, False), (0.5, False), (0.9, False), (1.0, True), (1.1, False), (2.0, False)):
        clock.at = at
        if news:
            voice.begin()
        voice.confirm(heard)
        said.append(len(heard.events))
    assert said == [1, 1, 2, 3, 3, 4]
    voice.fail(heard, "gone")
    assert voice.has_failed
    voice.confirm(heard)
    assert [type(e) for e in heard.events[-2:]] == [CollateralUnreadable, CollateralConfirmed]
    assert not voice.has_failed


def test_each_new_reason_is_told_once():
    heard = Heard()
    voice = Voice("desk", StillClock(), every_s=1.0)
    for reason in ("gone", "gone", "torn", "gone"):
        voice.fail(heard, reason)
    assert [e.reason for e in heard.of(CollateralUnreadable)] == ["gone", "torn", "gone"]
    voice.confirm(heard)
    voice.fail(heard, "gone")
    assert heard.events[-1].reason == "gone", "after it was well, the same reason is news"
