"""A clock for every topic of every instrument: since when nothing was told of it. Pure: time is passed in, in seconds of a steady clock.

A socket that speaks says nothing about one topic of one instrument on it. What is silent is told once, and again after it has spoken; what
that means is for others to judge: a quiet market and a lost subscription look the same from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.adapters.venue.profile import Topic

SILENT_SECONDS: Mapping[Topic, float] = {Topic.BOOK: 15.0, Topic.MARK: 30.0}
"""How long each topic may say nothing. Venues tell marks every few seconds at the latest, OKX every ten."""


@dataclass(frozen=True, slots=True)
class Silent:
    """One topic of one instrument (the venue's symbol) that has said nothing for this long."""

    topic: Topic
    symbol: str
    seconds: float


class StreamClocks:
    """The clocks of the market topics of some instruments, all started at `now`."""

    def __init__(self, topics: Iterable[Topic], symbols: Iterable[str], now: float) -> None:
        kept = [topic for topic in SILENT_SECONDS if topic in set(topics)]
        self._told_at = {(topic, symbol): now for symbol in symbols for topic in kept}
        self._said: set[tuple[Topic, str]] = set()

    def told(self, topic: Topic, symbol: str, now: float) -> None:
        """Something was told."""
        if (topic, symbol) in self._told_at:
            self._told_at[topic, symbol] = now
            self._said.discard((topic, symbol))

    def restart(self, symbols: Iterable[str], now: float) -> None:
        """The subscriptions of these instruments are made anew."""
        for symbol in symbols:
            for topic in SILENT_SECONDS:
                self.told(topic, symbol, now)

    def age(self, topic: Topic, symbol: str, now: float) -> float:
        """Seconds since it was last told of, or since the clock was started. Raises KeyError for what has no clock."""
        return now - self._told_at[topic, symbol]

    def newly_silent(self, now: float) -> list[Silent]:
        """What has just been silent for too long; each is told once."""
        found = [Silent(*key, now - at) for key, at in self._told_at.items() if now - at > SILENT_SECONDS[key[0]] and key not in self._said]
        self._said |= {(each.topic, each.symbol) for each in found}
        return found

    def all_silent(self, topic: Topic, symbols: Iterable[str], now: float) -> bool:
        """Whether the topic has been silent for too long of all these instruments; False for a topic without clocks."""
        ages = [now - at for symbol in symbols if (at := self._told_at.get((topic, symbol))) is not None]
        return bool(ages) and min(ages) > SILENT_SECONDS[topic]
