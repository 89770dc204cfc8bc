"""The journal's keys in Redis, and what may be done with them; every call is one attempt that succeeds, refuses or fails.

    {hedgebot:NAME}:entries     stream, one entry each: id <seq>-0, fields link and payload
    {hedgebot:NAME}:facts       hash: identity, format, epoch; number and link of the last entry that was moved out (base_seq, base_link)
    {hedgebot:NAME}:snapshots   hash: number of an entry -> what all up to it fold to

Rule: an answer counts as durable only when the server proved it. From 7.2 on WAITAOF says how many servers have it on disk, and its number
is compared. Before that a server with `appendfsync always` answers after its own sync, and WAIT counts replicas that received it. A server
that proves neither is written to all the same, and `doubt` says in one sentence why it is not to be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.journal.chain import Row
from bot.adapters.journal.codec import first_link
from bot.adapters.journal.redis_link import RedisLink, Script, StoreDenies, StoreFailed, Word
from bot.adapters.journal.redis_scripts import APPEND, CUT, EPOCH, OPEN, SNAPSHOT, TRIM
from bot.ports import JournalRefused

FORMAT = 1
"""Version of the keys above. A higher one is from a newer hedgebot and is refused."""
PROOF_MS = 100
"""Longest wait for the disks and replicas in one call."""

_PAGE = 500
_WAITAOF_SINCE = (7, 2)
_NO_FILE = "appendonly is disabled"


@dataclass(frozen=True, slots=True)
class Fence:
    """A lease in the same Redis: `key` must hold exactly `value` (the holder's token and epoch) for anything to be written."""

    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What the journal says of itself."""

    epoch: int
    base_seq: int
    base_link: bytes


@dataclass(frozen=True, slots=True)
class Moved:
    """Nothing was written: the last entry is another one than was expected. `seq` None: it is not one of ours at all."""

    seq: int | None
    link: bytes


class Gone(StoreFailed):
    """Nothing was written: the journal is not there any more."""


class NotOurs(StoreFailed):
    """Nothing was written, and nothing will be: another bot's journal, or somebody else holds the lease."""


class Fenced(NotOurs):
    """The lease is not ours any more."""


class RedisStore:
    """One journal's keys over one link. Belongs to one thread."""

    def __init__(self, link: RedisLink, name: str, identity: str, *, fence: Fence | None = None, min_replicas: int = 0) -> None:
        self.identity = identity
        self.where = f"{link.server} journal {name}"
        self._link = link
        self._entries = f"{{hedgebot:{name}}}:entries"
        self._facts = f"{{hedgebot:{name}}}:facts"
        self._snapshots = f"{{hedgebot:{name}}}:snapshots"
        self._fence = fence
        self._min_replicas = min_replicas
        self._judged = 0
        self._can_wait_for_disk = self._waits_for_disk = self._lacks_file = False
        self.doubt: str | None = None
        """Why what the server acknowledges is not to be trusted, None: it is. Found out anew with each connection and by `check`."""

    # Opening

    def open(self) -> Facts:
        """Makes the journal when there is none; what it says of itself. Raises JournalRefused, and StoreFailed."""
        self.judge()
        made = self._link.run(OPEN, self._keys(), [self.identity, "", FORMAT, first_link(self.identity)])
        if made[0] != b"OK":
            raise JournalRefused(f"{self.where}: its facts are missing while its entries are there; restore both from a backup")
        return self._believed(*made[1:])

    def facts(self) -> Facts | None:
        """What the journal says of itself, None when there is none; nothing is made. Raises JournalRefused, and StoreFailed."""
        told = self._link.call("HMGET", self._facts, "identity", "format", "epoch", "base_seq", "base_link")
        return None if told[0] is None else self._believed(*(each or b"" for each in told))

    def _believed(self, owner: bytes, form: bytes, epoch: bytes, base_seq: bytes, base_link: bytes) -> Facts:
        if not form.isdigit() or int(form) != FORMAT:
            kind = "a newer" if form.isdigit() and int(form) > FORMAT else "an unknown"
            told = form.decode(errors="replace")
            raise JournalRefused(f"{self.where}: the journal has format {told} of {kind} hedgebot, and this one reads format {FORMAT}")
        if owner != self.identity.encode():
            told = owner.decode(errors="replace")
            raise JournalRefused(
                f"{self.where}: the journal belongs to another config ({told}), and this one is {self.identity}; name another journal"
            )
        if not (epoch.isdigit() and base_seq.isdigit() and len(base_link) == len(first_link(""))):
            raise JournalRefused(f"{self.where}: its facts cannot be read; restore them from a backup")
        return Facts(int(epoch), int(base_seq), bytes(base_link))

    # Reading

    def rows(self, after: int = 0) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
        """Id, link and payload of everything in the stream beyond number `after`, in order. Raises StoreFailed."""
        start: Word = f"({after}-{2**64 - 1}"
        while True:
            page = self._link.call("XRANGE", self._entries, start, "+", "COUNT", _PAGE)
            for entry_id, fields in page:
                named = _fields(fields)
                yield entry_id, named.get(b"link"), named.get(b"payload")
            if len(page) < _PAGE:
                return
            start = b"(" + page[-1][0]

    def link_of(self, seq: int) -> bytes | None:
        """The link of entry `seq`, None when it is not in the stream. Raises StoreFailed."""
        found = self._link.call("XRANGE", self._entries, f"{seq}-0", f"{seq}-0")
        return _fields(found[0][1]).get(b"link") if found else None

    def snapshots(self) -> Mapping[bytes, bytes]:
        """Every snapshot as it is stored, by its entry's number. Raises StoreFailed."""
        return _fields(self._link.call("HGETALL", self._snapshots))

    # Writing

    def append(self, last_seq: int, last_link: bytes, rows: Sequence[Row], epoch: int) -> Moved | None:
        """Writes `rows` behind the entry `last_seq`, or says which entry is the last instead; None when they are there and durable.

        Raises StoreFailed when nobody knows, Gone and NotOurs when nothing was written.
        """
        words: list[Word] = [epoch, last_seq, last_link]
        for row in rows:
            words += (row.seq, row.link, row.payload)
        moved = self._run(APPEND, words)
        if moved is None:
            self._prove()
        return moved

    def next_epoch(self, known: int) -> int:
        """A counter that is greater than `known` and than any that it gave before, durably. Raises StoreFailed."""
        answer = self._answer(EPOCH, [known])
        self._prove()
        return int(answer[1])

    def cut(self, last_id: bytes, keep: int) -> None:
        """Takes everything after entry `keep` up to `last_id`, the last one, out of the stream. Raises StoreFailed."""
        if self._run(CUT, [last_id, keep]) is not None:
            raise StoreFailed(f"{self.where}: somebody wrote while its tail was to be cut off")
        self._prove()

    def keep_snapshot(self, seq: int, blob: bytes, kept: int) -> None:
        """Stores a snapshot and lets go all but the newest `kept`. Raises StoreFailed."""
        self._answer(SNAPSHOT, [kept, seq, blob])

    def trim(self, base_seq: int, base_link: bytes) -> None:
        """Lets go every entry up to `base_seq`, which are kept elsewhere. Raises StoreFailed."""
        if self._run(TRIM, [base_seq, base_link]) is not None:
            raise StoreFailed(f"{self.where}: entry {base_seq} is not the one that was moved out")

    def let_go(self) -> None:
        """Ends the connection; the next call makes a new one."""
        self._link.drop()

    def _keys(self) -> Sequence[Word]:
        return (self._entries, self._facts, self._snapshots, self._facts if self._fence is None else self._fence.key)

    def _run(self, script: Script, words: Sequence[Word]) -> Moved | None:
        answer = self._answer(script, words)
        if answer[0] == b"OK":
            return None
        found = re.fullmatch(rb"(\d+)-0", answer[1])
        return Moved(None if found is None else int(found[1]), bytes(answer[2]))

    def _answer(self, script: Script, words: Sequence[Word]) -> Any:
        self.judge()
        answer = self._link.run(script, self._keys(), [self.identity, "" if self._fence is None else self._fence.value, *words])
        match bytes(answer[0]):
            case b"GONE":
                raise Gone(f"{self.where}: the journal is not there any more")
            case b"OTHER":
                raise NotOurs(f"{self.where}: the journal belongs to another config now ({answer[1].decode(errors='replace')})")
            case b"FENCED":
                raise Fenced(f"{self.where}: the lease is not ours any more")
            case _:
                return answer

    # Durability

    @property
    def is_judged(self) -> bool:
        """Whether `doubt` has been found out."""
        return self._judged > 0

    def judge(self) -> None:
        """Finds out what this connection's server can prove, once for each connection. Raises StoreFailed."""
        generation = self._link.connect()
        if generation == self._judged:
            return
        role = self._link.call("ROLE")
        if bytes(role[0]) != b"master":
            self._link.drop()
            raise StoreFailed(f"{self.where}: the server is a replica, and takes no writes")
        self._can_wait_for_disk = self._waits_for_disk = self._version() >= _WAITAOF_SINCE
        self.doubt = self._doubt()
        self._judged = self._link.connect()

    def check(self) -> None:
        """Finds out again what the server can prove: somebody may change its settings while it runs. Raises StoreFailed."""
        if self._link.connect() == self._judged:
            self.doubt = self._doubt()
        else:
            self.judge()

    def _version(self) -> tuple[int, ...]:
        told = re.search(rb"^redis_version:(\d+)\.(\d+)", self._link.call("INFO", "server"), re.MULTILINE)
        return (0,) if told is None else (int(told[1]), int(told[2]))

    def _doubt(self) -> str | None:
        try:
            told = {name: self._setting(name) for name in ("appendonly", "appendfsync")}
        except StoreDenies as error:
            if self._waits_for_disk:
                return None  # WAITAOF fails where there is no append-only file
            return self.doubt or f"{self.where}: whether it syncs every write cannot be found out ({error})"
        keeps_file = told["appendonly"] == "yes"
        self._waits_for_disk = keeps_file and self._can_wait_for_disk
        if not keeps_file:
            self._lacks_file = True
            return f"{self.where}: it keeps no append-only file (appendonly is {told['appendonly']}), so a restart of it may lose entries"
        if told["appendfsync"] != "always" and not self._waits_for_disk:
            return f"{self.where}: it does not sync every write (appendfsync is {told['appendfsync']}), so a power cut may lose entries"
        return self._file_doubt()

    def _file_doubt(self) -> str | None:
        """What the server says of the append-only file that it is to keep."""
        said = self._link.call("INFO", "persistence")
        if (status := _line(said, "aof_last_write_status")) == "err":
            return f"{self.where}: its newest write to the append-only file failed (aof_last_write_status is {status})"
        if self._lacks_file and "1" in (_line(said, "aof_rewrite_in_progress"), _line(said, "aof_rewrite_scheduled")):
            return f"{self.where}: its append-only file is not complete yet, so a restart of it may lose entries"
        self._lacks_file = False
        return None

    def _setting(self, name: str) -> str:
        answer = _fields(self._link.call("CONFIG", "GET", name))
        return answer.get(name.encode(), b"unknown").decode(errors="replace")

    def _prove(self) -> None:
        """Raises StoreFailed unless the server proves that everything written before is where it must be."""
        wanted = self._min_replicas
        if self._waits_for_disk:
            try:
                local, replicas = self._link.call("WAITAOF", 1, wanted, PROOF_MS)
            except StoreFailed as error:
                if _NO_FILE not in str(error):
                    raise
                self._waits_for_disk, self.doubt = False, f"{self.where}: it keeps no append-only file, so a restart of it may lose entries"
                return self._prove()
            if int(local) < 1 or int(replicas) < wanted:
                raise StoreFailed(f"{self.where}: on disk at {local} of 1 server and {replicas} of {wanted} replicas within {PROOF_MS} ms")
        elif wanted and (replicas := int(self._link.call("WAIT", wanted, PROOF_MS))) < wanted:
            raise StoreFailed(f"{self.where}: received by {replicas} of {wanted} replicas within {PROOF_MS} ms")
        return None


def _line(told: bytes, name: str) -> str:
    """One figure of INFO, empty when it is not told."""
    found = re.search(rf"^{name}:([^\r\n]*)".encode(), told, re.MULTILINE)
    return "" if found is None else found[1].decode(errors="replace")


def _fields(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
