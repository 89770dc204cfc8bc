"""What each venue's answer about a key means. Pure; an answer that says nothing of the key that asked raises Unreadable.

A right that a row does not name counts as unknown, never as one that is not there: venues add and rename rights. Deribit's list holds the
account's other keys too, and in the venue's own example their secrets: no row but ours is looked at, and none is kept.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from bot.adapters.venue.ccxt_mapping import Unreadable, at_path, instant
from bot.adapters.venue.inspection import Absent, Asking, KeyFacts, Unknown
from bot.adapters.venue.shapes import Row, paths
from bot.core.units import Millis

_ANYWHERE = frozenset({"*", "0.0.0.0", "0.0.0.0/0", "::/0"})  # noqa: S104  compared with, never listened on


def binance(answer: Any, asking: Asking) -> KeyFacts:
    """`apiRestrictions`. The list of addresses itself is not told, only whether there is one."""
    del asking
    row = _row(answer)
    reads, trades = _flag(row, "enableReading"), _flag(row, "enableFutures")
    restricted = _flag(row, "ipRestrict")
    moves = [_flag(row, "permitsUniversalTransfer"), _flag(row, "enableInternalTransfer")]
    ends_at = instant(row, paths("tradingAuthorityExpirationTime"))
    return KeyFacts(
        may_trade=_both(reads, trades),
        may_withdraw=_flag(row, "enableWithdrawals"),
        may_move=True if True in moves else next((each for each in moves if isinstance(each, Unknown)), False),
        addresses=restricted if isinstance(restricted, Unknown) else ("listed",) if restricted else (),
        ends_at=Absent("Binance tells an end only of keys whose trading rights it takes back by itself.") if ends_at is None else ends_at,
    )


def bybit(answer: Any, asking: Asking) -> KeyFacts:
    """`query-api`. `expiredAt` is told of keys without a list of addresses, or after a change of the password."""
    del asking
    row = _row(at_path(answer, ("result",)))
    rights = row.get("permissions")
    if not isinstance(rights, dict):
        raise Unreadable("key: an answer without permissions")
    contracts, wallet = _words(rights.get("ContractTrade")), _words(rights.get("Wallet"))
    writes = str(row.get("readOnly")) == "0"
    listed = _words(row.get("ips"))
    addresses = None if listed is None else _bound(listed)
    ends_at = _date(row.get("expiredAt"))
    if ends_at is None and addresses:
        ends: Millis | Unknown | Absent = Absent("A Bybit key with a list of addresses does not end by itself.")
    else:
        ends = Unknown("its answer names no end") if ends_at is None else ends_at
    return KeyFacts(
        may_trade=Unknown("its answer names no rights on contracts")
        if contracts is None
        else writes and {"order", "position"} <= set(contracts),
        may_withdraw=Unknown("its answer names no rights on the wallet") if wallet is None else writes and "withdraw" in wallet,
        may_move=Unknown("its answer names no rights on the wallet") if wallet is None else writes and any("transfer" in x for x in wallet),
        addresses=Unknown("its answer names no addresses") if addresses is None else addresses,
        ends_at=ends,
    )


def okx(answer: Any, asking: Asking) -> KeyFacts:
    """`account/config`: `perm` and `ip`, both separated by commas."""
    del asking
    row = _row(at_path(answer, ("data", 0)))
    rights, listed = row.get("perm"), row.get("ip")
    if not isinstance(rights, str) or not rights:
        raise Unreadable("key: an answer without its permissions")
    words = _words(rights.split(",")) or ()
    return KeyFacts(
        may_trade="trade" in words,
        may_withdraw="withdraw" in words,
        may_move=Absent("OKX has no right of its own for it."),
        addresses=_bound(_words(listed.split(",")) or ()) if isinstance(listed, str) else Unknown("its answer names no addresses"),
        ends_at=Absent("OKX keys carry no date; one without a list of addresses is deleted when it was not used for 14 days."),
    )


def deribit(answer: Any, asking: Asking) -> KeyFacts:
    """`list_api_keys`: the scopes of ours, `name:read` or `name:read_write`. Without `ip_whitelist` there is no list."""
    rows = at_path(answer, ("result",))
    ours = next((row for row in rows if isinstance(row, dict) and row.get("client_id") == asking.api_key), None) if _is_list(rows) else None
    if ours is None:
        raise Unreadable("key: not among the keys that the venue lists")
    scopes = dict(scope.partition(":")[::2] for scope in str(ours.get("max_scope", "")).split())
    wallet = scopes.get("wallet")
    withdraws: bool | Unknown = Unknown("its scopes do not name the wallet") if wallet is None else wallet == "read_write"
    return KeyFacts(
        may_trade=scopes.get("trade") == "read_write" and ours.get("enabled") is not False,
        may_withdraw=withdraws,
        may_move=withdraws,
        addresses=_bound(_words(ours.get("ip_whitelist")) or ()),
        ends_at=Absent("Deribit keys do not end by themselves."),
    )


def hyperliquid(answer: Any, asking: Asking) -> KeyFacts:
    """`extraAgents`: the named wallets that may sign for the account, and until when. That a wallet signs for it, `userRole` has proven.

    The account's own private key may do anything; an API wallet cannot withdraw.
    """
    if not _is_list(answer) or asking.signer is None:
        raise Unreadable("key: an answer without its wallets")
    owner = asking.signer.lower() == asking.api_key.lower()
    row = next((each for each in answer if isinstance(each, dict) and str(each.get("address", "")).lower() == asking.signer.lower()), None)
    until = None if row is None else instant(row, paths("validUntil"))
    ends: Millis | Unknown | Absent = Absent("The private key of an account does not end.")
    if not owner:
        ends = (
            Unknown("the venue lists no such named API wallet; approve a named one, of which it tells the end") if until is None else until
        )
    return KeyFacts(
        may_trade=True,
        may_withdraw=owner,
        may_move=owner or Absent("Hyperliquid has no right of its own for it: an API wallet may sign moves to sub-accounts and vaults."),
        addresses=Absent("Hyperliquid has no lists of addresses for keys."),
        ends_at=ends,
    )


def _row(row: Any) -> Row:
    if not isinstance(row, dict) or not row:
        raise Unreadable("key: an answer without its row")
    return row


def _is_list(rows: Any) -> bool:
    return isinstance(rows, list)


def _flag(row: Row, name: str) -> bool | Unknown:
    value = row.get(name)
    return value if isinstance(value, bool) else Unknown(f"its answer does not say {name}")


def _both(one: bool | Unknown, other: bool | Unknown) -> bool | Unknown:
    if one is False or other is False:
        return False
    return one if isinstance(one, Unknown) else other


def _words(listed: Any) -> tuple[str, ...] | None:
    """Each word in lower case; None for what is no list."""
    if not isinstance(listed, list | tuple):
        return None
    return tuple(str(word).strip().lower() for word in listed if str(word).strip())


def _bound(listed: Iterable[str]) -> tuple[str, ...]:
    """The addresses; none where one of them stands for all."""
    found = tuple(listed)
    return () if _ANYWHERE & set(found) else found


def _date(text: Any) -> Millis | None:
    """An ISO date in milliseconds; None for none, and for the year 1970, which stands for none."""
    if not isinstance(text, str) or not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable("key: its end is no date") from None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return None if moment.year <= 1970 else int(moment.timestamp() * 1_000)
