"""The configuration read again while a bot runs on it: what may change then, and what needs a restart.

Limits and tastes (`policy`) may change. Whatever else is written otherwise (venues, keys, sources, places, addresses, the journal) is
opened once, when a run begins: then nothing of the new file is taken, and the sentence says what needs a restart. Neither is a file that
could not be started on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog

from bot.config import ConfigError, Settings, load
from bot.core.policy import Policy
from bot.operating import Reload, Reloaded

log = structlog.get_logger(__name__)


class ConfigurationFile:
    """Implements `bot.operating.Reload` for the file that a run was started with."""

    def __init__(self, path: Path, started_with: Settings) -> None:
        self._path, self._as_started = path, _beside_policy(started_with)

    def __call__(self, running: Policy) -> Reloaded | str:
        """See the port."""
        try:
            settings = load(self._path)
            policy = settings.to_policy()
        except ConfigError as error:
            return f"{error}; the configuration of before stays"
        now = _beside_policy(settings)
        fixed = sorted(name for name in now.keys() | self._as_started.keys() if now.get(name) != self._as_started.get(name))
        if fixed:
            return f"{', '.join(fixed)}: cannot change while the bot runs, restart it for that; nothing of the file is taken"
        changed = [
            f"{name} {getattr(running, name)} -> {value}"
            for name, value in settings.policy.values().items()
            if getattr(policy, name) != getattr(running, name)
        ]
        if not changed:
            return Reloaded(policy, settings.config_hash, f"configuration {settings.config_hash}: no limit is written otherwise")
        return Reloaded(policy, settings.config_hash, f"configuration {settings.config_hash} counts: {', '.join(changed)}")


def at_its_turn(settings: Settings, reload: Reload | None, last: Policy) -> tuple[Policy, str]:
    """The limits, and their configuration's hash, under which an instance begins that stood by: its file may have changed since it started.

    A file that cannot be taken as it is now leaves the limits of the start. That is an error in the log; so are limits that are other than
    in the run before, under `last`: either file may be the one that nobody meant.
    """
    policy, config_hash = settings.to_policy(), settings.config_hash
    found = None if reload is None else reload(policy)
    if isinstance(found, str):
        log.error("configuration_not_read_again", reason=found)
    elif found is not None:
        policy, config_hash = found.policy, found.config_hash
    names = settings.policy.values()
    others = [f"{name} {getattr(last, name)} -> {getattr(policy, name)}" for name in names if getattr(policy, name) != getattr(last, name)]
    if others:
        log.error("limits_differ_from_the_run_before", limits=others)
    return policy, config_hash


def _beside_policy(settings: Settings) -> dict[str, Any]:
    """Every section but the limits, in plain values; secrets by where they stand."""
    return {name: told for name, told in settings.masked_dump().items() if name != "policy"}
