"""Configuration: one YAML file becomes frozen `Settings` and the core's `Policy`, or one sentence that says what is wrong with it.

The rule: nothing is guessed and nothing is switched off by leaving it out. An unknown key, a fraction written as a percentage, a
missing secret or a book that its own caps make impossible to hedge is a `ConfigError` before anything is opened or sent.
"""

from __future__ import annotations

from bot.config.document import CONTROL_SOCKET, HALT_FILE, state_dir_written_in
from bot.config.errors import ConfigError
from bot.config.sections import Environment, FileSourceSettings, LogFormat, LogLevel, SimulatorSettings, VenueSettings
from bot.config.settings import Settings, load, settings_from
from bot.config.values import Address, Credentials, Secret
from bot.config.words import policy_in_words

__all__ = [
    "CONTROL_SOCKET",
    "HALT_FILE",
    "Address",
    "ConfigError",
    "Credentials",
    "Environment",
    "FileSourceSettings",
    "LogFormat",
    "LogLevel",
    "Secret",
    "Settings",
    "SimulatorSettings",
    "VenueSettings",
    "load",
    "policy_in_words",
    "settings_from",
    "state_dir_written_in",
]
