"""What the shell logs is caught, so that a test can look at it and a thousand runs do not print."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import pytest
import structlog


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """Every log entry of the test so far."""
    with structlog.testing.capture_logs() as entries:
        yield entries
