"""Logs: one line per thing that happened, JSON for machines and columns for people, on the standard error stream.

The rules: times are UTC with milliseconds; no secret is ever written, also not inside a traceback; libraries (ccxt, aiohttp, asyncio)
are heard from WARNING up and never below, because their DEBUG lines carry signed requests. Tracebacks never show local variables.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.adapters.telemetry.redaction import Redaction, is_secret_name

OURS = "bot"
"""Name of the logger below which all lines of our own are written."""


class _OursOrUrgent(logging.Filter):
    """Lets our own lines through at their level, and those of libraries from WARNING up whatever they were set to."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.WARNING or record.name == OURS or record.name.startswith(f"{OURS}.")


class _SafeFormatter(logging.Formatter):
    """structlog's formatter, and after it one last look for secrets; a line that cannot be formatted says so instead of failing."""

    def __init__(self, inner: logging.Formatter, redaction: Redaction) -> None:
        super().__init__()
        self._inner, self._redaction = inner, redaction

    def format(self, record: logging.LogRecord) -> str:
        try:
            return self._redaction.known(self._inner.format(record))
        except Exception as error:
            return f'{{"level":"error","event":"a log line of {record.name} could not be written","error":"{type(error).__name__}"}}'


def configure_logging(level: str = "info", form: str = "auto", *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> Redaction:
    """Sets up logging for the whole program and returns the redaction, to which later secrets can be added.

    `level` is the least urgent line of our own; `form` is json, console, or auto: console when `stream` is a terminal.
    """
    out = stream if stream is not None else sys.stderr
    redaction = Redaction(secrets)
    for_people = form == "console" or (form == "auto" and out.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _timestamp,
    ]
    target = logging.StreamHandler(out)
    target.addFilter(_OursOrUrgent())
    target.setFormatter(_SafeFormatter(_formatter(shared, redaction, for_people=for_people), redaction))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(target)
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level.upper())
    logging.captureWarnings(capture=True)
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return redaction


def logger(name: str = OURS) -> structlog.stdlib.BoundLogger:
    """A logger of our own: `logger("bot.venue")`."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def _formatter(shared: list[Processor], redaction: Redaction, *, for_people: bool) -> logging.Formatter:
    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: "[hidden]" if is_secret_name(key) else redaction.value(_plain(value)) for key, value in event.items()}

    renderer: Processor
    if for_people:
        renderer = structlog.dev.ConsoleRenderer(colors=True, exception_formatter=structlog.dev.plain_traceback)
    else:
        renderer = structlog.processors.JSONRenderer(serializer=_json)
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
    )


def _timestamp(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return event


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    return value.value if isinstance(value, Enum) else value


def _json(event: EventDict, **_: Any) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
