"""Hyperliquid for perpetuals: two paths, `/info` and `/exchange`, both POST with JSON, and one WebSocket.

An action is read, its signer recovered, its nonce used, its expiry looked at; then it is counted and done. An action whose `expiresAfter`
has passed changes nothing but costs five of the address's requests. Nothing of it waits or reads a clock.
Source: Hyperliquid docs, "Info endpoint", "Exchange endpoint", "Nonces and API wallets", "Rate limits and user limits".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from bot.core.units import Millis
from bot.simulator.dialects.day import Days
from bot.simulator.dialects.dialect import Answer, Credential, HttpReply, HttpRequest, Operation
from bot.simulator.dialects.hyperliquid import wire, words
from bot.simulator.dialects.hyperliquid.actions import Desk, Done, Taken
from bot.simulator.dialects.hyperliquid.channels import Venue
from bot.simulator.dialects.hyperliquid.info import Asked, Info
from bot.simulator.dialects.hyperliquid.signing import action_digest, signer_of
from bot.simulator.dialects.hyperliquid.stream import HyperliquidSocket
from bot.simulator.dialects.hyperliquid.troubles import TROUBLES
from bot.simulator.dialects.hyperliquid.wallets import EXPIRED_COUNTS, Wallets
from bot.simulator.dialects.hyperliquid.wire import ADDRESS, Misshapen
from bot.simulator.dialects.hyperliquid.words import Turned
from bot.simulator.dialects.trouble import Troubles
from bot.simulator.exchange import Exchange
from bot.simulator.model import Report

_ACTIONS = {
    "order": Operation.PLACE,
    "cancel": Operation.CANCEL,
    "cancelByCloid": Operation.CANCEL,
}


class HyperliquidDialect:
    """The simulated Hyperliquid as a client sees it. See `bot.simulator.dialects.dialect.Dialect`.

    Raises ValueError for credentials that are no address and private key.
    """

    hosts: tuple[str, ...] = ("api.hyperliquid.xyz",)
    troubles: Troubles = TROUBLES

    def __init__(self, exchange: Exchange, credentials: Sequence[Credential]) -> None:
        self._wallets = Wallets(credentials)
        self._days = Days()
        self._desk = Desk(exchange, self._wallets)
        self._info = Info(self._desk, self._days)

    def operation(self, request: HttpRequest) -> Operation:
        """What a request is about: on this venue only its body tells."""
        try:
            body = _object(request.body)
        except Misshapen:
            return Operation.UNKNOWN
        if request.path == "/info":
            return self._info.operation(body)
        action = body.get("action")
        if request.path != "/exchange" or not isinstance(action, dict):
            return Operation.UNKNOWN
        return _ACTIONS.get(str(action.get("type")), Operation.SETTINGS)

    def handle(self, request: HttpRequest, now: Millis) -> Answer:
        """Answers as the venue would. Never raises for a bad request."""
        overdue = self.elapsed(now)
        if request.path not in ("/info", "/exchange"):
            return Answer(wire.NOT_FOUND, overdue)
        if request.method != "POST":
            return Answer(wire.WRONG_METHOD, overdue)
        try:
            body = _object(request.body)
            if request.path == "/info":
                return Answer(wire.reply(self._info.answer(Asked(body, now))), overdue)
            told, reports = self._act(body, now)
        except Misshapen:
            return Answer(wire.UNREADABLE, overdue)
        return Answer(wire.reply(told), (*overdue, *reports))

    def open_socket(self, host: str, path: str, query_string: str, now: Millis) -> HyperliquidSocket | HttpReply:
        """A new connection to `/ws`; any other path is refused."""
        del host, query_string, now
        if path.rstrip("/") != "/ws":
            return wire.NOT_FOUND
        return HyperliquidSocket(Venue(self._desk, self._info), self._act)

    def elapsed(self, now: Millis) -> tuple[Report, ...]:
        """What time alone brings about: open orders canceled at a scheduled instant."""
        return self._desk.due(now)

    def heard(self, reports: Sequence[Report], now: Millis) -> None:
        """Counts what was traded: for the last 24 hours, and for each address's request limit."""
        del now
        self._days.heard(reports)
        self._wallets.heard(reports)

    def _act(self, body: Mapping[str, Any], now: Millis) -> Done:
        """One signed action. Raises Misshapen."""
        action, nonce, signature = body.get("action"), body.get("nonce"), body.get("signature")
        vault, expires_after = body.get("vaultAddress"), body.get("expiresAfter")
        if not isinstance(action, dict) or not isinstance(nonce, int) or not isinstance(signature, dict):
            raise Misshapen("no signed action")
        if not (expires_after is None or isinstance(expires_after, int)) or not (vault is None or ADDRESS.fullmatch(str(vault))):
            raise Misshapen("no expiry, or no vault")
        signer = signer_of(action_digest(action, nonce, vault, expires_after), signature)
        try:
            account = self._wallets.admit(signer, nonce, now)
            if vault is not None:
                raise Turned(words.stranger(str(vault)))
            if expires_after is not None and expires_after < now:
                self._wallets.usage[account].requests += EXPIRED_COUNTS
                raise Turned(words.EXPIRED)
            return self._desk.act(Taken(account, action, now))
        except Turned as turned:
            return wire.refused(str(turned)), ()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Misshapen("no JSON") from None
    if not isinstance(found, dict):
        raise Misshapen("no object")
    return found
