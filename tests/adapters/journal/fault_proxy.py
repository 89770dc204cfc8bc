"""A wire between a client and a Redis server that can be cut at a chosen moment, also after a request arrived and before its answer."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress


class FaultProxy:
    """Forwards connections to `port`. `port` may be changed; what is open then stays where it was."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.refuses = False
        """Connections are cut as soon as they are made."""
        self.cut_answers_after: int | None = None
        """Cuts everything instead of passing on the answer number so and so from now on; the server has done what it was asked."""
        self.answer_bytes: int | None = None
        """How much of that answer still gets through."""
        self.answer_delay_s = 0.0
        """How long each answer is on its way."""
        self.cuts = 0
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def cut(self) -> None:
        """Ends every connection."""
        for end in self._open:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._open = []

    def close(self) -> None:
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            if self.refuses:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target), timeout=5)
            except OSError:
                near.close()
                continue
            far.settimeout(None)
            self._open += [near, far]
            for pump in (
                threading.Thread(target=self._requests, args=(near, far)),
                threading.Thread(target=self._answers, args=(far, near)),
            ):
                pump.daemon = True
                pump.start()
                self._threads.append(pump)

    def _requests(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while content := near.recv(65536):
                far.sendall(content)
        with suppress(OSError):
            far.shutdown(socket.SHUT_WR)

    def _answers(self, far: socket.socket, near: socket.socket) -> None:
        with suppress(OSError):
            while content := far.recv(65536):
                time.sleep(self.answer_delay_s)
                if self.cut_answers_after is not None:
                    self.cut_answers_after -= 1
                    if self.cut_answers_after < 0:
                        self.cut_answers_after = None
                        near.sendall(content[: self.answer_bytes or 0])
                        self.cuts += 1
                        self.cut()
                        return
                near.sendall(content)
        with suppress(OSError):
            near.shutdown(socket.SHUT_WR)
