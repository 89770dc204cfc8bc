"""Disconnect cancel all protection: an account's orders are canceled when its private connection stays away too long.

The window is set over REST (`order/disconnected-cancel-all`, 3 to 300 s). It only guards an account while one of its private connections
has subscribed to `dcp.future` (source: the v5 DCP page); a client that sets the window and never subscribes is not protected.
"""

from __future__ import annotations

from collections.abc import Sequence

from bot.core.units import Millis
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

WINDOW_SECONDS_MIN = 3
WINDOW_SECONDS_MAX = 300
WINDOW_SECONDS_DEFAULT = 10
TOPIC = "dcp.future"


class DisconnectProtection:
    """The windows of all accounts, and when each guarded account was last heard of."""

    def __init__(self) -> None:
        self.is_offered = True
        """Whether the venue has switched it on for its accounts; told, not enforced."""
        self._windows: dict[str, int] = {}
        self._seen_at: dict[str, Millis] = {}

    def set_window(self, account: str, seconds: int) -> None:
        """Sets an account's window."""
        self._windows[account] = seconds

    def window(self, account: str) -> int | None:
        """An account's window in seconds, None when it never set one."""
        return self._windows.get(account)

    def alive(self, account: str, now: Millis) -> None:
        """A connection of the account that subscribed to the topic is open."""
        self._seen_at[account] = now

    def stood_down(self, account: str) -> None:
        """A connection of the account has unsubscribed: it guards nobody from now on."""
        self._seen_at.pop(account, None)

    def elapsed(self, exchange: Exchange, now: Millis) -> Sequence[Report]:
        """Cancels the orders of every guarded account that has been away for longer than its window, once."""
        reports: list[Report] = []
        for account, seen_at in tuple(self._seen_at.items()):
            if now - seen_at > self._windows.get(account, WINDOW_SECONDS_DEFAULT) * 1000:
                del self._seen_at[account]
                reports.extend(exchange.cancel_all(account, None, now))
        return reports
