"""Who is asking: signed requests, tokens, and logins of a connection.

A signature is hex(HMAC-SHA256(secret, timestamp + "\\n" + nonce + "\\n" + what)) and is valid for 60 s from its timestamp. For an HTTP
request (`Authorization: deri-hmac-sha256 id=..,ts=..,sig=..,nonce=..`) `what` is METHOD, URI with its query, and body, each followed by a
line feed; for `public/auth` with `client_signature` it is the login's `data`. A token from `public/auth` (also `client_credentials` and
`refresh_token`) is the other way: `Authorization: Bearer ..`, or `access_token` among the arguments of a WebSocket request.
Source: docs.deribit.com, "Authentication", `public/auth`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence

from bot.core.units import Millis
from bot.simulator.dialects.deribit.errors import RpcError
from bot.simulator.dialects.deribit.params import Params
from bot.simulator.dialects.deribit.wire import Row
from bot.simulator.dialects.dialect import Credential, HttpRequest

SIGNATURE_LIFE_MS: Millis = 60_000
TOKEN_LIFE_S = 31_536_000
SCOPE = "account:read_write block_trade:read_write connection custody:read_write mainaccount trade:read_write wallet:read_write"

_SIGNED = re.compile(r"deri-hmac-sha256 (.*)")


class Keys:
    """The API keys that the simulated venue has given out, and the tokens that logins got."""

    def __init__(self, credentials: Sequence[Credential]) -> None:
        self._by_id = {credential.api_key: credential for credential in credentials}
        self._tokens: dict[str, tuple[str, Millis]] = {}
        self._refreshing: dict[str, str] = {}
        self._issued = 0

    @property
    def accounts(self) -> tuple[str, ...]:
        """Every account with a key."""
        return tuple(dict.fromkeys(credential.account for credential in self._by_id.values()))

    def of(self, account: str) -> tuple[Credential, ...]:
        """The keys of an account."""
        return tuple(credential for credential in self._by_id.values() if credential.account == account)

    def account_of(self, request: HttpRequest, uri: str, now: Millis) -> str | None:
        """The account behind an HTTP request, None when nobody is named. Raises RpcError 13004 or 13009."""
        told = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
        if told.lower().startswith("bearer "):
            return self.account_of_token(told[7:].strip(), now)
        signed = _SIGNED.fullmatch(told.strip())
        if signed is None:
            return None
        parts = dict(part.strip().partition("=")[::2] for part in signed[1].split(","))
        credential = self._credential(parts.get("id", ""))
        what = f"{request.method}\n{uri}\n".encode() + request.body + b"\n"
        self._check(credential, parts.get("ts", ""), parts.get("nonce", ""), what, parts.get("sig", ""), now)
        return credential.account

    def account_of_token(self, token: str, now: Millis) -> str:
        """The account that a token stands for. Raises RpcError 13009."""
        account, until = self._tokens.get(token, ("", 0))
        if until <= now:
            raise RpcError(13009, "unauthorized", reason="invalid_token")
        return account

    def login(self, params: Params, now: Millis) -> tuple[str, Row]:
        """`public/auth`: the account and the answer. Raises RpcError 13004 or -32602."""
        match params.choice("grant_type", {"client_credentials", "client_signature", "refresh_token"}):
            case "client_credentials":
                credential = self._credential(params.text("client_id"))
                if not hmac.compare_digest(params.text("client_secret"), credential.secret):
                    raise _wrong()
                account = credential.account
            case "client_signature":
                credential = self._credential(params.text("client_id"))
                what = params.text("data", "").encode()
                stamp, nonce = params.text("timestamp"), params.text("nonce", "")
                self._check(credential, stamp, nonce, what, params.text("signature"), now)
                account = credential.account
            case _:
                known = self._refreshing.pop(params.text("refresh_token"), None)
                if known is None:
                    raise _wrong()
                account = known
        return account, self._granted(account, now)

    def _granted(self, account: str, now: Millis) -> Row:
        self._issued += 1
        token, refresh = (f"{now}.{kind}.{self._issued:08x}" for kind in ("1", "2"))
        self._tokens[token] = (account, now + TOKEN_LIFE_S * 1000)
        self._refreshing[refresh] = account
        return {
            "access_token": token,
            "enabled_features": [],
            "expires_in": TOKEN_LIFE_S,
            "refresh_token": refresh,
            "scope": SCOPE,
            "token_type": "bearer",
        }

    def _credential(self, client_id: str) -> Credential:
        credential = self._by_id.get(client_id)
        if credential is None:
            raise _wrong()
        return credential

    def _check(self, credential: Credential, stamp: str, nonce: str, what: bytes, signature: str, now: Millis) -> None:
        if not stamp.isdigit() or abs(now - int(stamp)) > SIGNATURE_LIFE_MS:
            raise RpcError(13009, "unauthorized", reason="invalid timestamp")
        wanted = hmac.new(credential.secret.encode(), f"{stamp}\n{nonce}\n".encode() + what, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), wanted.encode()):
            raise _wrong()


def _wrong() -> RpcError:
    return RpcError(13004, "invalid_credentials")
