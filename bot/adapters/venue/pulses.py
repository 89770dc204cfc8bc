"""Since when each socket stands, when it last spoke, and what the venue has confirmed on it. Time is the steady clock's, in seconds.

ccxt notes when a socket spoke by the wall clock, which may step: only that its notes changed is taken from it. A venue answers each
subscription; before it has, what the subscription is about may happen unheard on a socket that is up and answers every ping.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from bot.ports import Clock


@dataclass(slots=True)
class _Pulse:
    """When a socket was first felt, when it last spoke (pongs included), and ccxt's notes of that."""

    since: float
    spoke: float
    noted: tuple[Any, Any]


class Pulses:
    """The pulses of all sockets that are up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._of: dict[Any, _Pulse] = {}
        self._confirmed: dict[Any, int] = {}

    def feel(self, sockets: Iterable[Any]) -> None:
        """Notes which of the sockets that are up spoke since it was last called; forgets those that are gone."""
        felt = {socket: self._pulse(socket) for socket in sockets}
        for socket, pulse in felt.items():
            noted = (socket.last_message_at, socket.lastPong)
            if noted != pulse.noted:
                pulse.spoke, pulse.noted = self._clock.steady(), noted
        self._of = felt
        self._confirmed = {socket: count for socket, count in self._confirmed.items() if socket in felt}

    def confirm(self, socket: Any, subscriptions: int) -> None:
        """The venue has confirmed so many more subscriptions on a socket."""
        if subscriptions and socket is not None:
            self._confirmed[socket] = self.confirmed(socket) + subscriptions

    def confirmed(self, socket: Any) -> int:
        """How many subscriptions were confirmed on it."""
        return self._confirmed.get(socket, 0)

    def age(self, socket: Any) -> float:
        """Since when it stands, as far as was felt."""
        return self._clock.steady() - self._pulse(socket).since

    def silence(self, socket: Any) -> float:
        """For how long it has said nothing."""
        return self._clock.steady() - self._pulse(socket).spoke

    def __contains__(self, socket: Any) -> bool:
        return socket in self._of

    def _pulse(self, socket: Any) -> _Pulse:
        now = self._clock.steady()
        return self._of.setdefault(socket, _Pulse(now, now, (socket.last_message_at, socket.lastPong)))
