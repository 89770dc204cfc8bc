"""Mainnet's second switch. A configuration that says `environment: mainnet` is not enough: a file is copied, and edited in a hurry.

The rule: whoever starts a process on mainnet also names the book in the variable HEDGEBOT_MAINNET, beside the process and not in the file.
"""

from __future__ import annotations

import os

MAINNET_VARIABLE = "HEDGEBOT_MAINNET"


def check_second_switch(name: str) -> None:
    """Raises ValueError with one sentence unless the variable holds exactly the configured book's name."""
    told, refusal = os.environ.get(MAINNET_VARIABLE), "environment: mainnet needs its second switch as well:"
    if told is None:
        raise ValueError(f"{refusal} set the environment variable {MAINNET_VARIABLE} to {name}, the name of this book")
    if told != name:
        raise ValueError(f"{refusal} the environment variable {MAINNET_VARIABLE} holds the name of another book than {name}")
