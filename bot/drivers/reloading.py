"""The configuration read again while a bot runs on it: what may change then, and what needs a restart.

Limits and tastes (`policy`) may change. Whatever else is written otherwise (venues, keys, sources, places, addresses, the journal) is
opened once, when a run begins: then nothing of the new file is taken, and the sentence says what needs a restart. Neither is a file that
could not be started on.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bot.config import ConfigError, Settings, load
from bot.core.policy import Policy
from bot.operating import Reloaded


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


def _beside_policy(settings: Settings) -> dict[str, Any]:
    """Every section but the limits, in plain values; secrets by where they stand."""
    return {name: told for name, told in settings.masked_dump().items() if name != "policy"}
