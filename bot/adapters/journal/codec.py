"""One journal entry as bytes, and the link that ties each entry to all before it. Shared by every store.

The rule: what is written can be read back, exactly. An entry is read back before it is accepted, so a value that has no exact form (a
Decimal that is not a number, text that is not Unicode) is refused while its cause is still at hand, not after the next restart. An
unknown tag, field or format version is refused, never skipped: an event that is not folded as it was meant makes every later one wrong. So
a newer hedgebot may add fields with a default and leave the version as it is: this one then refuses what it would have to leave out.

    {"v":1,"events":[["CollateralObserved",{...}]],"commands":[["PlaceOrder",{...}]]}

Decimals are strings, instants are integer milliseconds. A snapshot is held to the same rule: it is read back before it is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from bot.core.commands import Command
from bot.core.events import Event
from bot.core.records import Delegation, Holding
from bot.core.units import Asset, VenueId
from bot.ports import Snapshot

FORMAT_VERSION = 1
"""Version of the form above. A higher one is from a newer hedgebot and is refused."""
_PARTS = frozenset({"v", "events", "commands"})
SNAPSHOT_VERSION = 8
"""To be raised whenever the same entries fold to another ledger than before: every older snapshot is then passed over."""


def _by_tag(root: type[Any]) -> Mapping[str, type[Any]]:
    return MappingProxyType({kind.__name__: kind for kind in root.__subclasses__()})


EVENTS: Mapping[str, type[Event]] = _by_tag(Event)
COMMANDS: Mapping[str, type[Command]] = _by_tag(Command)


@dataclass(frozen=True, slots=True)
class Entry:
    """What was recorded at once: facts, and the commands that they caused."""

    events: tuple[Event, ...]
    commands: tuple[Command, ...]

    def steps(self) -> Iterator[tuple[Event, tuple[Command, ...]]]:
        """Each event with the commands recorded with it: those of an entry belong to its last event."""
        for number, event in enumerate(self.events, 1):
            yield event, self.commands if number == len(self.events) else ()


class EntryUnreadable(ValueError):
    """These bytes are not an entry that this version can read: one sentence."""


class EntryUnwritable(ValueError):
    """This event or command has no exact form in the journal: our own mistake, said in one sentence."""


@cache
def _adapter(tag: str) -> TypeAdapter[Any]:
    return TypeAdapter(EVENTS[tag] if tag in EVENTS else COMMANDS[tag])  # built on first use: a start pays for what it reads


def encode(events: Sequence[Event], commands: Sequence[Command]) -> bytes:
    """An entry as bytes. Raises EntryUnwritable for what could not be read back equal."""
    if commands and not events:
        raise EntryUnwritable(f"{type(commands[0]).__name__} has no event that caused it")
    told, asked = b",".join(map(_tagged, events)), b",".join(map(_tagged, commands))
    payload = b'{"v":%d,"events":[%b],"commands":[%b]}' % (FORMAT_VERSION, told, asked)
    try:
        read_back = decode(payload)
    except EntryUnreadable as error:
        raise EntryUnwritable(f"an entry could not be read back: {error}") from None
    if read_back != Entry(tuple(events), tuple(commands)):
        raise EntryUnwritable(f"an entry reads back as something else: {payload.decode()}")
    return payload


def _tagged(item: Event | Command) -> bytes:
    tag = type(item).__name__
    if type(item) not in (EVENTS.get(tag), COMMANDS.get(tag)):
        raise EntryUnwritable(f"{tag} is neither an event nor a command")
    try:
        return b'["%b",%b]' % (tag.encode(), _adapter(tag).dump_json(item))
    except PydanticSerializationError as error:
        raise EntryUnwritable(f"{tag} cannot be written: {error}") from None


def decode(payload: bytes) -> Entry:
    """The entry in these bytes. Raises EntryUnreadable with one sentence."""
    try:
        document = orjson.loads(payload)
        version, events, commands = document["v"], document["events"], document["commands"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EntryUnreadable(f"this is not a journal entry ({error})") from None
    if version != FORMAT_VERSION:
        raise EntryUnreadable(f"the entry has format version {version}, and this hedgebot reads version {FORMAT_VERSION}")
    if added := document.keys() - _PARTS:
        raise _newer("the entry", min(added))
    return Entry(_untagged(events, EVENTS, "event"), _untagged(commands, COMMANDS, "command"))


def _untagged(items: Any, known: Mapping[str, type[Any]], what: str) -> tuple[Any, ...]:
    found = []
    try:
        for tag, fields in items:
            if tag not in known:
                raise EntryUnreadable(f"the {what} {tag!r} is unknown to this hedgebot")
            found.append(_adapter(tag).validate_python(fields, extra="forbid"))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        if first["type"] == "unexpected_keyword_argument":
            raise _newer(f"the {what} {error.title}", where) from None
        raise EntryUnreadable(f"the {what} {error.title} has no readable {where or 'fields'}: {first['msg']}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, EntryUnreadable):
            raise
        raise EntryUnreadable(f"the list of {what}s is malformed ({error})") from None
    return tuple(found)


def _newer(what: str, added: str) -> EntryUnreadable:
    return EntryUnreadable(f"{what} has {added!r}, which this hedgebot does not know: it is of a newer one")


def first_link(identity: str) -> bytes:
    """What the first entry of a journal is linked to: entries of one journal do not fit into another."""
    return hashlib.sha256(f"hedgebot journal of {identity}".encode()).digest()


def link(previous: bytes, payload: bytes) -> bytes:
    """The link of an entry: sha256 over the link before it and its own bytes."""
    return hashlib.sha256(previous + payload).digest()


@dataclass(frozen=True, slots=True)
class _Stored:
    """A snapshot whose holdings and mirrored delegations stand in lists: their keys have several parts, and JSON's keys have one."""

    snapshot: Snapshot
    holdings: tuple[Holding, ...]
    mirrored: tuple[tuple[tuple[str, VenueId, Asset], Delegation], ...]


@cache
def _stored() -> TypeAdapter[_Stored]:
    return TypeAdapter(_Stored)


@cache
def snapshot_form() -> str:
    """What a snapshot of this hedgebot looks like: the version, and a hash over every field of everything in it."""
    layout = orjson.dumps(_stored().json_schema(), option=orjson.OPT_SORT_KEYS)
    return f"{SNAPSHOT_VERSION}-{hashlib.sha256(layout).hexdigest()[:16]}"


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """A snapshot as bytes. Raises EntryUnwritable for one that could not be read back equal."""
    ledger = snapshot.ledger
    bare = replace(snapshot, ledger=replace(ledger, holdings={}, mirrored={}))
    try:
        payload = _stored().dump_json(_Stored(bare, tuple(ledger.holdings.values()), tuple(ledger.mirrored.items())))
        read_back = decode_snapshot(payload)
    except (PydanticSerializationError, EntryUnreadable) as error:
        raise EntryUnwritable(f"a snapshot could not be written and read back: {error}") from None
    if read_back != snapshot:
        raise EntryUnwritable("a snapshot reads back as something else")
    return payload


def decode_snapshot(payload: bytes) -> Snapshot:
    """The snapshot in these bytes. Raises EntryUnreadable with one sentence."""
    try:
        stored = _stored().validate_json(payload)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise EntryUnreadable(f"the snapshot has no readable {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    holdings = {(h.source, h.location, h.asset): h for h in stored.holdings}
    ledger = replace(stored.snapshot.ledger, holdings=holdings, mirrored=dict(stored.mirrored))
    return replace(stored.snapshot, ledger=ledger)
