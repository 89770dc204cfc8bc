"""A configuration that is right, for tests to spoil."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

HOSTS = ("fapi.binance.com", "fstream.binance.com", "api.bybit.com", "stream.bybit.com", "www.okx.com", "ws.okx.com")

SIMULATION: dict[str, Any] = {
    "environment": "simulation",
    "state_dir": "state",
    "routes": dict.fromkeys(HOSTS, "http://127.0.0.1:8700"),
    "venues": {
        "binanceusdm": {"instruments": ["BTCUSDT", "ETHUSDT"], "credentials": {"api_key": "key-one", "secret": "hush-hush-one"}},
        "bybit": {"instruments": ["BTCUSDT"], "credentials": {"api_key": "key-two", "secret": "hush-hush-two"}},
        "okx": {
            "instruments": ["BTC-USDT-SWAP"],
            "credentials": {"api_key": "key-three", "secret": "hush-hush-three", "passphrase": "open-sesame"},
        },
    },
    "collateral": {
        "assets": {"BTC": {}, "wstETH": {"hedged_as": "ETH"}},
        "sources": [{"kind": "file", "name": "desk", "path": "holdings.yaml"}],
    },
}

SECRETS = ("hush-hush-one", "hush-hush-two", "hush-hush-three", "open-sesame", "key-one", "key-two", "key-three")


def changed(path: str, value: Any) -> dict[str, Any]:
    """The right configuration with one value replaced; `...` takes the key away."""
    document = copy.deepcopy(SIMULATION)
    *folders, last = path.split("/")
    place: Any = document
    for folder in folders:
        place = place[int(folder)] if isinstance(place, list) else place.setdefault(folder, {})
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return document


def on_testnet(folder: Path) -> dict[str, Any]:
    """A testnet configuration whose secrets are files in `folder`."""
    document = copy.deepcopy(SIMULATION)
    document["environment"] = "testnet"
    del document["routes"]
    for venue, told in document["venues"].items():
        for name in told["credentials"]:
            path = folder / f"{venue}-{name}"
            path.write_text(f"{venue}-{name}-in-a-file\n")
            path.chmod(0o400)
            told["credentials"][name] = {"file": path.name}
    return document
