"""One WebSocket connection to `/ws/api/v2`: JSON-RPC requests in, answers and subscriptions out, public and private alike.

`public/auth` gives the connection its account for good. `public/subscribe` and `private/subscribe` answer with the channels that they
took: a channel that does not exist, or is not this caller's, is simply missing from the list. `public/set_heartbeat` has the venue send
`test_request` in each interval, to be answered with `public/test`; the real venue ends a connection that does not answer, which only the
server could do here.
Source: docs.deribit.com, "JSON-RPC over websocket", "Notifications", `public/set_heartbeat`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.deribit.budget import OTHER
from bot.simulator.dialects.deribit.channels import Channel, public_channel
from bot.simulator.dialects.deribit.errors import RpcError, invalid
from bot.simulator.dialects.deribit.params import Params
from bot.simulator.dialects.deribit.private_channels import private_channel
from bot.simulator.dialects.deribit.rpc import NOBODY, answered, failed, run
from bot.simulator.dialects.deribit.venue import Result, Venue
from bot.simulator.dialects.deribit.wire import Row
from bot.simulator.dialects.dialect import SocketAnswer
from bot.simulator.model import Report

HEARTBEAT_MIN_S = 10


class DeribitSocket:
    """See `bot.simulator.dialects.dialect.Socket`."""

    def __init__(self, venue: Venue, now: Millis) -> None:
        self._venue = venue
        self._number = venue.connections.open(now)
        self._account: str | None = None
        self._channels: dict[str, Channel] = {}
        self._heartbeat_ms: Millis = 0
        self._beaten_at: Millis = now
        self._own: dict[str, Callable[[Params, Millis], Any]] = {
            "public/auth": self._login,
            "public/set_heartbeat": self._set_heartbeat,
            "public/disable_heartbeat": self._no_heartbeat,
            "public/subscribe": self._subscribe,
            "private/subscribe": self._subscribe,
            "public/unsubscribe": self._unsubscribe,
            "private/unsubscribe": self._unsubscribe,
            "public/unsubscribe_all": self._unsubscribe_all,
            "private/unsubscribe_all": self._unsubscribe_all,
            "private/enable_cancel_on_disconnect": self._guard,
            "private/disable_cancel_on_disconnect": self._unguard,
            "private/get_cancel_on_disconnect": self._guarded,
        }

    def opened(self, now: Millis) -> Sequence[str]:
        """The venue says nothing on connect."""
        del now
        return ()

    def received(self, text: str, now: Millis) -> SocketAnswer:
        """Answers one request. A new subscription's first message follows its answer."""
        request_id: Any = None
        known = set(self._channels)
        try:
            request = _request(text)
            request_id = request.get("id")
            method, given = str(request.get("method", "")), request.get("params", {})
            if not isinstance(given, dict):
                raise RpcError(-32600, "Invalid Request")
            result = self._act(method, given, now)
        except RpcError as error:
            return SocketAnswer([_text(failed(error, now, request_id))])
        messages = [_text(answered(result.value, now, request_id))]
        for name, channel in self._channels.items():
            if name not in known:
                messages += [_notice(channel.name, data) for data in channel.opened(now)]
        return SocketAnswer(messages, result.reports)

    def published(self, reports: Sequence[Report], now: Millis) -> Sequence[str]:
        """What this connection's subscriptions have to say about it."""
        return [_notice(channel.name, data) for channel in self._channels.values() for data in channel.published(reports, now)]

    def beat(self, now: Millis) -> Sequence[str]:
        """Heartbeats and periodic pushes; tells the guard that the connection is there."""
        self._venue.connections.seen(self._number, now)
        messages = [_notice(channel.name, data) for channel in self._channels.values() for data in channel.beat(now)]
        if self._heartbeat_ms and now - self._beaten_at >= self._heartbeat_ms:
            self._beaten_at = now
            messages.append(_text({"jsonrpc": "2.0", "method": "heartbeat", "params": {"type": "test_request"}}))
        return messages

    def _act(self, method: str, given: Mapping[str, Any], now: Millis) -> Result:
        params = Params(given)
        if self._account is None and given.get("access_token"):
            self._become(self._venue.keys.account_of_token(params.text("access_token"), now))
        own = self._own.get(method)
        if own is None:
            return run(self._venue, method, given, self._account, now, connection=self._number)
        if method.startswith("private/") and self._account is None:
            raise RpcError(13009, "unauthorized", reason="missing_token")
        self._venue.credits.spend(self._account or NOBODY, OTHER, now)
        return Result(own(params, now))

    def _login(self, params: Params, now: Millis) -> Row:
        account, granted = self._venue.keys.login(params, now)
        self._become(account)
        return granted

    def _become(self, account: str) -> None:
        self._account = account
        self._venue.connections.logged_in(self._number, account)

    def _set_heartbeat(self, params: Params, now: Millis) -> str:
        seconds = params.whole("interval")
        if seconds < HEARTBEAT_MIN_S:
            raise invalid("interval", f"must be at least {HEARTBEAT_MIN_S}")
        self._heartbeat_ms, self._beaten_at = seconds * 1000, now
        return "ok"

    def _no_heartbeat(self, _params: Params, _now: Millis) -> str:
        self._heartbeat_ms = 0
        return "ok"

    def _subscribe(self, params: Params, now: Millis) -> list[str]:
        taken = []
        for name in params.texts("channels"):
            if name not in self._channels:
                channel = self._channel(name, now)
                if channel is None:
                    continue
                self._channels[name] = channel
            taken.append(self._channels[name].name)
        return taken

    def _channel(self, name: str, now: Millis) -> Channel | None:
        if name.startswith("user."):
            return None if self._account is None else private_channel(self._venue, self._account, name, now)
        return public_channel(self._venue, name, is_known=self._account is not None)

    def _unsubscribe(self, params: Params, _now: Millis) -> list[str]:
        names = params.texts("channels")
        return [name for name in names if self._channels.pop(name, None) is not None]

    def _unsubscribe_all(self, _params: Params, _now: Millis) -> str:
        self._channels.clear()
        return "ok"

    def _guard(self, params: Params, _now: Millis) -> str:
        self._venue.connections.guard(self._number, self._account or "", _scope(params), on=True)
        return "ok"

    def _unguard(self, params: Params, _now: Millis) -> str:
        self._venue.connections.guard(self._number, self._account or "", _scope(params), on=False)
        return "ok"

    def _guarded(self, params: Params, _now: Millis) -> Row:
        scope = _scope(params)
        return {"scope": scope, "enabled": self._venue.connections.is_guarded(self._number, self._account or "", scope)}


def _scope(params: Params) -> str:
    return params.choice("scope", {"connection", "account"}, "connection")


def _request(text: str) -> dict[str, Any]:
    try:
        request: Any = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise RpcError(-32700, "Parse error") from None
    if not isinstance(request, dict):
        raise RpcError(-32600, "Invalid Request")
    return request


def _notice(channel: str, data: Any) -> str:
    return _text({"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}})


def _text(row: Row) -> str:
    return orjson.dumps(row).decode()
