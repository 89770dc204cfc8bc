"""Every event and command survives the journal exactly, and what cannot is refused when it is written."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.journal import codec
from bot.adapters.journal.codec import EntryUnreadable, EntryUnwritable, decode, encode
from bot.core import commands, events
from bot.core.commands import Command
from bot.core.events import CollateralConfirmed, Event
from bot.core.policy import Policy
from bot.core.units import Asset, InstrumentId, VenueId
from tests.adapters.journal.facts import any_command, any_event, confirmed, drawn, order, seen, shown


def test_every_event_and_command_has_a_tag() -> None:
    def defined_in(module: Any, root: type) -> set[type]:
        return {kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, root) and kind is not root}

    assert set(codec.EVENTS.values()) == defined_in(events, Event)
    assert set(codec.COMMANDS.values()) == defined_in(commands, Command)
    assert len(codec.EVENTS) > 20
    assert len(codec.COMMANDS) >= 4


@pytest.mark.parametrize("kind", [*codec.EVENTS.values(), *codec.COMMANDS.values()], ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_round_trip_of_each_kind(kind: type[Any], data: st.DataObject) -> None:
    item = data.draw(drawn(kind))
    told, asked = ((item,), ()) if isinstance(item, Event) else ((confirmed(1),), (item,))
    entry = decode(encode(told, asked))
    assert (entry.events, entry.commands) == (told, asked)
    assert shown(entry.events + entry.commands) == shown(told + asked)


@given(st.lists(any_event, min_size=1, max_size=4), st.lists(any_command, max_size=4))
@settings(max_examples=50, deadline=None)
def test_entries_keep_order_and_parts(told: list[Event], asked: list[Command]) -> None:
    entry = decode(encode(told, asked))
    assert entry.events == tuple(told)
    assert entry.commands == tuple(asked)
    steps = list(entry.steps())
    assert [event for event, _ in steps] == told
    assert steps[-1][1] == tuple(asked)
    assert not any(caused for _, caused in steps[:-1])


def test_a_command_without_the_event_that_caused_it_is_refused() -> None:
    with pytest.raises(EntryUnwritable, match="PlaceOrder has no event that caused it"):
        encode([], [order(1)])


def test_decimals_keep_every_digit() -> None:
    for text in ("1", "1.0", "1.10", "1E+5", "0E-8", "-0", "0.1", "123456789012345678901234567890.123456789012345678901234567890"):
        (event,) = decode(encode([seen(1, text)], [])).events
        assert isinstance(event, events.CollateralObserved)
        assert str(event.quantity) == text


@pytest.mark.parametrize("quantity", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_refused_when_it_is_written(quantity: str) -> None:
    with pytest.raises(EntryUnwritable):
        encode([seen(1, quantity)], [])


def test_text_that_is_not_unicode_is_refused_when_it_is_written() -> None:
    with pytest.raises(EntryUnwritable, match="CollateralConfirmed cannot be written"):
        encode([CollateralConfirmed(at=1, source="\ud800")], [])


def test_values_of_the_wrong_type_are_refused_when_they_are_written() -> None:
    with pytest.raises(EntryUnwritable), pytest.warns(UserWarning, match="serialized value"):
        encode([CollateralConfirmed(at="soon", source="desk")], [])  # type: ignore[arg-type]  # that it is wrong is the point


def test_a_class_of_the_same_name_is_not_an_event() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True)
    class CollateralConfirmed:
        at: int
        source: str

    with pytest.raises(EntryUnwritable, match="neither an event nor a command"):
        encode([CollateralConfirmed(at=1, source="desk")], [])  # type: ignore[list-item]  # that it is wrong is the point


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b'{"v":1,"events":[["Rumour",{}]],"commands":[]}', "the event 'Rumour' is unknown"),
        (b'{"v":1,"events":[],"commands":[["Panic",{}]]}', "the command 'Panic' is unknown"),
        (b'{"v":1,"events":[["PlaceOrder",{}]],"commands":[]}', "the event 'PlaceOrder' is unknown"),
        (b'{"v":2,"events":[],"commands":[]}', "format version 2"),
        (b'{"v":1,"events":[["CollateralConfirmed",{"at":1}]],"commands":[]}', "has no readable source"),
        (b'{"v":1,"events":[["CollateralConfirmed"]],"commands":[]}', "malformed"),
        (b'{"v":1,"events":7,"commands":[]}', "malformed"),
        (
            b'{"v":1,"events":[],"commands":[],"causes":[]}',
            "the entry has 'causes', which this hedgebot does not know: it is of a newer one",
        ),
        (b'{"v":1,"events":[]}', "not a journal entry"),
        (b"[]", "not a journal entry"),
        (b"\x00\xff", "not a journal entry"),
    ],
)
def test_what_cannot_be_understood_is_refused(payload: bytes, sentence: str) -> None:
    with pytest.raises(EntryUnreadable, match=sentence):
        decode(payload)


@pytest.mark.parametrize(
    ("place", "name"), [('"at":1,', "tomorrow"), ('"policy":{', "policy.tomorrow"), ('"client_order_id":"a1",', "tomorrow")]
)
def test_what_a_newer_version_adds_is_refused_in_one_sentence(place: str, name: str) -> None:
    begun = events.SessionStarted(at=1, epoch="h0", config_hash="x", policy=Policy(), is_fresh=True, silent_ms=5000)
    known = encode([begun], [order(1)]).decode()
    assert place in known
    newer = known.replace(place, f'{place}"tomorrow":"1",', 1)
    kind = "command PlaceOrder" if "client" in place else "event SessionStarted"
    with pytest.raises(EntryUnreadable, match=f"the {kind} has '{name}', which this hedgebot does not know: it is of a newer one"):
        decode(newer.encode())


@pytest.mark.parametrize("kind", [*codec.EVENTS.values(), *codec.COMMANDS.values()], ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=5, deadline=None)
def test_nothing_in_an_entry_is_left_out_in_silence(kind: type[Any], data: st.DataObject) -> None:
    item = data.draw(drawn(kind))
    document = json.loads(encode((item,), ()) if isinstance(item, Event) else encode((confirmed(1),), (item,)))
    for each in objects_in(document):
        each["tomorrow"] = "1"
        newer = json.dumps(document)
        with suppress(EntryUnreadable):
            entry = decode(newer.encode())
            assert encode(entry.events, entry.commands).count(b'"tomorrow"') == 1, "it is one of a mapping, and kept"
        del each["tomorrow"]


def objects_in(document: Any) -> Iterator[dict[str, Any]]:
    """Every object of a JSON document, at every depth."""
    if isinstance(document, dict):
        yield document
    if isinstance(document, dict | list):
        for each in list(document.values()) if isinstance(document, dict) else document:
            yield from objects_in(each)


def test_links_bind_entries_to_all_before_them_and_to_their_journal() -> None:
    first, second = encode([seen(1)], []), encode([confirmed(2)], [order(1)])
    start = codec.first_link("one")
    assert start != codec.first_link("two")
    assert codec.link(start, first) == hashlib.sha256(start + first).digest()
    assert codec.link(codec.link(start, first), second) != codec.link(codec.link(start, second), first)


def test_sizes_stay_small() -> None:
    assert len(encode([seen(1, "1.5")], [order(1)])) < 450
    assert Decimal("1.5") == decode(encode([seen(1, "1.5")], [])).events[0].quantity  # type: ignore[attr-defined]  # it is a CollateralObserved


def test_margin_told_before_marks_were_kept_beside_it_is_read_with_none() -> None:
    report = events.MarginReport(
        asset=Asset("USDT"), margin_balance=Decimal(5), wallet_balance=None, maintenance_margin=Decimal(1), initial_margin=None
    )
    told = events.MarginObserved(at=1, venue=VenueId("okx"), margin=report, marks={InstrumentId("okx:ETH"): Decimal("2990.10")})
    assert decode(encode([told], [])).events == (told,)
    older = encode([replace(told, marks={})], []).replace(b',"marks":{}', b"")
    assert b"marks" not in older
    assert decode(older).events == (replace(told, marks={}),)
