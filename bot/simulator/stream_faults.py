"""Faults on the frames of streams: what a socket says is lost, doubled, reordered, damaged or numbered wrongly on its way out.

They touch frames with a topic only (`dialects.trouble.Topic`): acknowledgements, pongs and what keeps a connection alive pass. A whole
socket that falls silent, pongs included, is the desk's `silence`; one that is closed is its `close_sockets`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.trouble import Topic, Troubles


class StreamKind(StrEnum):
    """What happens to a frame."""

    LOSE_FRAME = "lose_frame"
    """It is never sent. For ever, it is a topic that is silent on a living socket."""
    DOUBLE_FRAME = "double_frame"
    """It is sent twice."""
    REORDER_FRAME = "reorder_frame"
    """It is sent after the next frame of its topic on its socket."""
    CUT_FRAME = "cut_frame"
    """Its second half is missing."""
    HOLLOW_FRAME = "hollow_frame"
    """In its place comes one with a heading and nothing readable behind it."""
    WRONG_SEQUENCE = "wrong_sequence"
    """Its sequence numbers are off by `by`. Books only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFault:
    """One fault on frames, in waiting: lets `skip` fitting ones pass and happens to the next `times`, to all of them for None.

    `topic` None fits any. It begins `after_ms` after its arming, and ends `lasts_ms` later where that is told. Raises ValueError for
    figures that make no sense.
    """

    venue: str
    kind: StreamKind
    topic: Topic | None = None
    times: int | None = 1
    skip: int = 0
    after_ms: Millis = 0
    lasts_ms: Millis | None = None
    by: int = -1_000
    label: str = ""

    def __post_init__(self) -> None:
        if (self.times is not None and self.times < 1) or min(self.skip, self.after_ms) < 0:
            raise ValueError("times must be at least 1, skip and after_ms at least 0")
        if self.lasts_ms is not None and self.lasts_ms < 1:
            raise ValueError("lasts_ms must be at least 1")
        if self.kind is StreamKind.WRONG_SEQUENCE and self.topic is not Topic.BOOKS:
            raise ValueError("wrong_sequence needs the topic books: nothing else is numbered")


class FrameFaults(Protocol):
    """Where a frame's fault comes from."""

    def frame(self, venue: str, topic: Topic, now: Millis) -> StreamFault | None:
        """The fault that happens to the next frame of a topic."""

    @property
    def touches_frames(self) -> bool:
        """Whether any fault waits for frames."""


class Wire:
    """The way out of one venue's sockets. `held` of `pass_on` are a socket's frames that wait for the one to go before them."""

    def __init__(self, venue: str, troubles: Callable[[], Troubles], faults: FrameFaults, clock: Callable[[], Millis]) -> None:
        self._venue = venue
        self._troubles = troubles
        self._faults = faults
        self._clock = clock

    def pass_on(self, frames: Sequence[str], held: list[tuple[Topic, str]]) -> Sequence[str]:
        """What arrives of what was said."""
        if not held and not self._faults.touches_frames:
            return frames
        troubles, sent = self._troubles(), []
        for text in frames:
            topic = troubles.topic_of(_decoded(text))
            fault = None if topic is None else self._faults.frame(self._venue, topic, self._clock())
            if topic is None:
                sent.append(text)
            elif fault is None:
                sent += [text, *(waiting for of, waiting in held if of is topic)]
                held[:] = [(of, waiting) for of, waiting in held if of is not topic]
            elif fault.kind is StreamKind.REORDER_FRAME:
                held.append((topic, text))
            else:
                sent += _spoiled(text, fault, troubles)
        return sent


def _spoiled(text: str, fault: StreamFault, troubles: Troubles) -> list[str]:
    match fault.kind:
        case StreamKind.LOSE_FRAME:
            return []
        case StreamKind.DOUBLE_FRAME:
            return [text, text]
        case StreamKind.CUT_FRAME:
            return [text[: len(text) // 2]]
        case StreamKind.HOLLOW_FRAME:
            return [troubles.hollow]
        case _:
            frame = _decoded(text)
            for path in troubles.sequences:
                _shift(frame, path, fault.by)
            return [orjson.dumps(frame).decode()]


def _decoded(text: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _shift(frame: Any, path: tuple[str | int, ...], by: int) -> None:
    """Adds to the number at a path, in the form that it has; nothing where there is none."""
    *way, last = path
    for step in way:
        if isinstance(frame, dict):
            frame = frame.get(step)
        elif isinstance(frame, list) and isinstance(step, int) and step < len(frame):
            frame = frame[step]
        else:
            return
    if isinstance(frame, dict) and last in frame:
        value = frame[last]
        frame[last] = str(int(value) + by) if isinstance(value, str) else value + by
