"""A server that answers as Redis 7.2 or a managed one would, before a real older one: every command goes through but those it is told to
answer by itself. It speaks RESP2, one command and one answer at a time.
"""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO

Command = tuple[bytes, ...]
Answer = bytes | None
"""An answer as it stands on the wire; None: the real server answers."""


def whole(number: int) -> bytes:
    return b":%d\r\n" % number


def pair(local: int, replicas: int) -> bytes:
    """What WAITAOF answers."""
    return b"*2\r\n" + whole(local) + whole(replicas)


def text(content: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(content), content)


def error(words: str) -> bytes:
    return f"-{words}\r\n".encode()


class NewerRedis:
    """Stands before the server at `port`. `version` is what it says it is; `waitaof` are its next answers, the last one for ever."""

    def __init__(self, port: int, *, version: str = "7.2.4", waitaof: list[Answer] | None = None) -> None:
        self.version = version
        self.waitaof: deque[Answer] = deque(waitaof or [pair(1, 0)])
        self.commands: list[Command] = []
        self.on: dict[bytes, Callable[[Command], Answer]] = {}
        """More commands that it answers by itself, by name."""
        self._target = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def asked(self, name: bytes) -> list[Command]:
        """The commands of that name so far."""
        return [command for command in self.commands if command[0] == name]

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self._target))
            self._ends += [near, far]
            thread = threading.Thread(target=self._serve, args=(near, far), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError, ValueError), near.makefile("rb") as asked, far.makefile("rb") as answers:
            while raw := one(asked):
                command = words_in(raw)
                self.commands.append(command)
                answer = self._answer(command)
                if answer is None:
                    far.sendall(raw)
                    answer = one(answers)
                near.sendall(answer)
        with suppress(OSError):
            near.shutdown(socket.SHUT_RDWR)

    def _answer(self, command: Command) -> Answer:
        if command[0] in self.on:
            return self.on[command[0]](command)
        if command[0] == b"INFO":
            return text(b"# Server\r\nredis_version:%b\r\n" % self.version.encode())
        if command[0] == b"WAITAOF":
            answer = self.waitaof[0] if len(self.waitaof) == 1 else self.waitaof.popleft()
            if answer is None:
                raise OSError("cut off before the answer")
            return answer
        return None


def one(stream: BinaryIO) -> bytes:
    """One whole value as it stands on the wire; empty at the end."""
    line = stream.readline()
    kind, rest = line[:1], line[1:].strip()
    if kind == b"$" and int(rest) >= 0:
        return line + stream.read(int(rest) + 2)
    if kind == b"*":
        return line + b"".join(one(stream) for _ in range(max(0, int(rest))))
    return line


def words_in(raw: bytes) -> Command:
    """The words of a command."""
    words, at = [], raw.index(b"\r\n") + 2
    while at < len(raw):
        end = raw.index(b"\r\n", at)
        length = int(raw[at + 1 : end])
        words.append(raw[end + 2 : end + 2 + length])
        at = end + 4 + length
    return tuple(words)
