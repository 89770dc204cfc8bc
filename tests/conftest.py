"""What holds for every test: properties are judged by what they find, never by how fast this machine drew their examples. Tests that share
processes stay together on one worker.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

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

    def remove_node(self, node: WorkerController) -> str | None:
        """What a worker that is gone has left goes to the others, but for the test that it died of, which is returned.

        xdist's own way hands that test out again, and files with nothing left to run beside it: whoever gets one of these waits for ever.
        """
        left = {scope: [n for n, done in unit.items() if not done] for scope, unit in self.assigned_work.pop(node).items()}
        died_of = next((nodeid for unit in left.values() for nodeid in unit), None)
        for scope, unit in left.items():
            if again := {nodeid: False for nodeid in unit if nodeid != died_of}:
                self.workqueue[scope] = again
        if died_of is not None:
            for other in self.assigned_work:
                self._reschedule(other)
        return died_of

    def _reschedule(self, node: WorkerController) -> None:
        """A worker that came in a dead one's stead gets work when it has said which tests it found: before, xdist's own way breaks off."""
        if node in self.registered_collections:
            super()._reschedule(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether | None:
    """In place of `--dist loadgroup`."""
    return FilesTogether(config, log) if config.getvalue("dist") == "loadgroup" else None
