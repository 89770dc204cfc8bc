"""`python -m bot.health [URL]`: whether the bot in this container is alive, for a health check in an image without curl or a shell.

It asks the bot's own /healthz, which depends on nothing outside, or connects where `tcp://HOST:PORT` is given. Exit code 0: alive, 1: not,
with one sentence on the standard output. Standard library only: it runs every few seconds beside the bot.
"""

from __future__ import annotations

import http.client
import os
import socket
import sys
from urllib.parse import urlsplit

URL = "http://127.0.0.1:9108/healthz"
"""What is asked where neither an argument nor HEDGEBOT_HEALTH names something else."""
_PATIENCE_S = 4.0
_WORDS_MAX = 300


def why_dead(url: str) -> str | None:
    """None when what `url` names answers as a live bot does, else one sentence."""
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if host is None or port is None or parts.scheme not in {"http", "tcp"}:
        return f"{url}: write http://HOST:PORT/PATH or tcp://HOST:PORT"
    try:
        if parts.scheme == "tcp":
            socket.create_connection((host, port), _PATIENCE_S).close()
            return None
        connection = http.client.HTTPConnection(host, port, timeout=_PATIENCE_S)
        try:
            connection.request("GET", parts.path or "/")
            answer = connection.getresponse()
            said = answer.read(_WORDS_MAX).decode(errors="replace")
        finally:
            connection.close()
    except (OSError, http.client.HTTPException) as error:
        return f"{url}: no answer ({type(error).__name__})"
    return None if answer.status == 200 else f"{url}: {answer.status} {said}"


def main() -> int:
    """The exit code."""
    why = why_dead(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("HEDGEBOT_HEALTH", URL))
    if why is not None:
        sys.stdout.write(f"{why}\n")
    return 0 if why is None else 1


if __name__ == "__main__":
    sys.exit(main())
