"""What holds for every test: properties are judged by what they find, never by how fast this machine drew their examples. Tests that share
processes stay together on one worker.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")

ON_ONE_WORKER = ("tests/failover/", "tests/chaos/")
"""Folders of which each file is run by one worker. The mark `xdist_group` says the same, but xdist 3.8 cannot tell it to pytest 9.2: it
writes the group into a field of the test that is not read any more."""


class FilesTogether(LoadScopeScheduling):
    """Test by test as they come, but for the files that are run as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return file if file.startswith(ON_ONE_WORKER) else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether | None:
    """In place of `--dist loadgroup`."""
    return FilesTogether(config, log) if config.getvalue("dist") == "loadgroup" else None
