"""What may leave this process for one venue in one environment, as data, and whether one request fits it.

The rule: a request leaves only by an opening of the list: the host by its name, a path that is listed there for its kind (REST or
WebSocket), and every header that the opening demands. A private request (one that carries the account's key, a signature or a listen
key, in its URL, its headers, its body or a frame) leaves only by an opening for private ones. The secret itself leaves by none.
Who only reads (`Doors.reading`) opens no socket, and nothing leaves that could change something. Who watches (`Doors.watching`) may also
listen: open sockets, and say there nothing but who it is, what it wants to hear, and that it is alive.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from yarl import URL

_KEY_LENGTH_MIN = 8
"""Venues' keys are longer. A shorter text would be found in words that have nothing to do with it."""


class EgressRefused(Exception):
    """A request that fits no opening. Nothing was sent; the text names neither key nor path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One row of the list. A path that ends in `/` opens all below it, another one opens itself only.

    `private`: also to requests with a key or a signature. `socket`: as a WebSocket; otherwise over REST. `headers` must be there with
    exactly these values. Where one path serves many purposes, `saying` lists words (lower case, without blanks) one of which a private
    request's body, or a private frame, must have in it. `acts`: whatever is asked for there may change something, with any verb;
    `answers`: nothing that is asked for there does, with any verb. Elsewhere GET reads, and every other verb acts.
    """

    host: str
    paths: tuple[str, ...]
    private: bool = False
    socket: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    saying: tuple[str, ...] = ()
    acts: bool = False
    answers: bool = False

    def reads(self, verb: str) -> bool:
        """Whether a REST request with this verb changes nothing."""
        return not self.socket and not self.acts and (self.answers or verb == "GET")

    def leads_to(self, path: str) -> bool:
        """Whether the path is one of its own."""
        return any(path.startswith(each) if each.endswith("/") else path == each for each in self.paths)

    def is_for(self, said: str) -> bool:
        """Whether what a private request says is among what it is open for."""
        return self.private and (not self.saying or any(word in _closed_up(said) for word in self.saying))


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateMarks:
    """What makes a request of this venue a private one: header names, and words in a query, a body or a frame. Lower case."""

    headers: frozenset[str]
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, as far as it is judged."""

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    socket: bool = False
    verb: str = "GET"


NO_MARKS = PrivateMarks(headers=frozenset(), words=())


@dataclass(frozen=True, slots=True)
class AllowList:
    """All openings of one venue in one environment. `keys` and `secrets` are the account's: what carries one is seen to be private.

    `only_reading`: for who may change nothing; `listening` at these sockets' words and paths besides (`listen_paths` over REST).
    """

    openings: Sequence[Opening]
    marks: PrivateMarks = NO_MARKS
    keys: tuple[str, ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    only_reading: bool = False
    listening: bool = False
    listen_paths: tuple[str, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """Their names, each once."""
        return tuple(dict.fromkeys(opening.host for opening in self.openings))

    def is_private(self, asked: Asked) -> bool:
        """Whether it carries the account's key, a signature or a listen key."""
        if any(name.lower() in self.marks.headers for name in asked.headers):
            return True
        return self._is_marked(f"{asked.url.raw_query_string}\n{asked.body}") or _carries("\n".join(_texts(asked)), self.keys)

    def refusal(self, asked: Asked) -> str | None:
        """Why it may not leave; None when it fits."""
        host, path = asked.url.host or "", asked.url.raw_path
        if _carries("\n".join(_texts(asked)), self.secrets):
            return f"a request to {host} with the secret itself in it"
        there = [opening for opening in self.openings if opening.host == host]
        if not there:
            return f"host {host!r} is not listed for this environment"
        if ".." in path or "//" in path or "%" in path or "\\" in path:
            return f"a path at {host} that is not written plainly"
        there = [opening for opening in there if opening.socket == asked.socket and opening.leads_to(path)]
        if not there:
            return f"a path outside of what is open at {host}"
        sent = {name.lower(): value for name, value in asked.headers.items()}
        demanded = {name: value for opening in there for name, value in opening.headers.items() if sent.get(name.lower()) != value}
        if demanded:
            name, value = next(iter(demanded.items()))
            return f"{host} is open only to requests with the header {name}: {value}"
        if self.only_reading and not self._may_listen(asked) and not all(opening.reads(asked.verb) for opening in there):
            return f"a request to {host} that could change something, where only reading is allowed"
        if not self.is_private(asked) or any(opening.is_for(asked.body) for opening in there):
            return None
        if any(opening.private for opening in there):
            return f"a private request to {host} for something that is not listed"
        return f"a private request to a part of {host} that is open to public ones only"

    def _may_listen(self, asked: Asked) -> bool:
        return self.listening and (asked.socket or asked.url.raw_path in self.listen_paths)

    def frame_refusal(self, url: URL, frame: str) -> str | None:
        """Why a frame may not be sent over the socket that was opened at `url`; None when it fits."""
        host = url.host or ""
        if self.only_reading and not _only_listens(frame):
            return f"a frame to {host} that could change something, where only listening is allowed"
        if _carries(frame, self.secrets):
            return f"a frame to {host} with the secret itself in it"
        if not self._is_marked(frame) and not _carries(frame, self.keys):
            return None
        there = self._private_sockets(url)
        if there and not any(each.is_for(frame) for each in there):
            return f"a private frame to {host} for something that is not listed"
        return self.private_socket_refusal(url)

    def private_socket_refusal(self, url: URL) -> str | None:
        """Why a socket that was opened at `url` may carry nothing private; None when it may."""
        if self._private_sockets(url):
            return None
        return f"something private over a socket at {url.host} that is open to public messages only"

    def _private_sockets(self, url: URL) -> list[Opening]:
        return [each for each in self.openings if each.private and each.socket and each.host == url.host and each.leads_to(url.raw_path)]

    def _is_marked(self, text: str) -> bool:
        closed_up = _closed_up(text)
        return any(word in closed_up for word in self.marks.words)


@dataclass(frozen=True, slots=True)
class Doors:
    """An allow-list, and where each of its hosts lives: scheme and authority of a base URL.

    `proxy` (`http://host:port`) is a forward proxy on the way to all of them: it opens the way to https hosts by CONNECT, and passes on
    what goes over http.
    """

    allowed: AllowList
    bases: Mapping[str, str]
    proxy: str | None = None

    def public(self) -> Doors:
        """The same for a client without a key: nothing private leaves."""
        openings = [replace(opening, private=False) for opening in self.allowed.openings]
        return replace(self, allowed=replace(self.allowed, openings=openings))

    def reading(self, more: Sequence[Opening] = (), bases: Mapping[str, str] = MappingProxyType({})) -> Doors:
        """The same for who only looks; `more`: what else is open then, and `bases` where it lives."""
        allowed = replace(self.allowed, openings=(*self.allowed.openings, *more), only_reading=True)
        return replace(self, allowed=allowed, bases={**bases, **self.bases})

    def watching(self, listen_paths: tuple[str, ...]) -> Doors:
        """The same for who looks and listens, and changes nothing; `listen_paths` only make a socket's key."""
        return replace(self, allowed=replace(self.allowed, only_reading=True, listening=True, listen_paths=listen_paths))

    @classmethod
    def wide_open(cls, bases: Mapping[str, str], proxy: str | None = None) -> Doors:
        """Everything at these hosts, private or not, REST and WebSocket: for servers on this machine only."""
        openings = [Opening(host=host, paths=("/",), private=True, socket=socket) for host in bases for socket in (False, True)]
        return cls(AllowList(openings), bases, proxy)


_LISTENING = frozenset({"", "subscribe", "unsubscribe", "login", "auth", "ping", "pong", "private/subscribe", "private/unsubscribe"})
"""What a frame may ask for, as `op` or `method`, besides what a venue calls public."""
_WATCHES_US = "dcp"
"""A topic that makes a venue withdraw our orders when the socket ends: to subscribe to it changes something."""


def _only_listens(frame: str) -> bool:
    """Whether a frame says no more than who we are, what we want to hear, or that we are alive. An order is always a JSON object."""
    try:
        said = json.loads(frame)
    except ValueError:
        return "{" not in frame
    if not isinstance(said, dict):
        return not isinstance(said, list)
    verb = str(said.get("op") or said.get("method") or "").lower()
    topics = said.get("args") or ()
    if any(str(topic).lower().startswith(_WATCHES_US) for topic in topics):
        return False
    return verb in _LISTENING or verb.startswith("public/")


def _closed_up(text: str) -> str:
    return text.lower().replace(" ", "")


def _texts(asked: Asked) -> Iterator[str]:
    yield str(asked.url)
    yield asked.body
    yield from asked.headers.values()


def _carries(text: str, secrets: Sequence[str]) -> bool:
    folded = text.casefold()
    return any(len(secret) >= _KEY_LENGTH_MIN and secret.casefold() in folded for secret in secrets)
