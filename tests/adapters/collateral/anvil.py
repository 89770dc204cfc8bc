"""A real EVM node of our own (Anvil): on a free port, with the contracts of `contracts/` on it, mining only when it is told to."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

CONTRACTS = Path(__file__).parent / "contracts"
MADE = json.loads((CONTRACTS / "Collateral.json").read_text())
PACKAGES = Path(sys.prefix) / "npm" / "node_modules"
CHAIN = 31337
OWNERS_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
"""The first account of every Anvil: its key stands in its documentation."""


def _binary() -> str | None:
    """The binary of the machine's own kind: the package's script only downloads it, and is never run."""
    found = sorted((PACKAGES / "@foundry-rs").glob("anvil-*/bin/anvil"))
    return str(found[0]) if found else shutil.which("anvil")


ANVIL = _binary()
needs_anvil = pytest.mark.skipif(ANVIL is None, reason="the EVM node Anvil is not installed here; where there is npm: make servers")


def compiled() -> str | None:
    """What the contracts' source compiles to, None where there is no compiler."""
    node = shutil.which("node")
    if node is None or not (PACKAGES / "solc").is_dir():
        return None
    run = [node, str(CONTRACTS / "compile.js")]
    return subprocess.run(run, env={"NODE_PATH": str(PACKAGES)}, check=True, capture_output=True, text=True, timeout=60).stdout


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Anvil:
    """One node. It mines a block when a transaction is sent, or `mine` is called; `words` are further flags."""

    def __init__(self, *words: str) -> None:
        assert ANVIL is not None
        self.port = free_port()
        flags = ["--host", "127.0.0.1", "--port", str(self.port), "--silent", "--accounts", "3", "--chain-id", str(CHAIN)]
        self.process = subprocess.Popen([ANVIL, *flags, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        from web3 import HTTPProvider, Web3

        import bot.adapters.collateral.evm  # noqa: F401  loads web3 without what one of its dependencies does to the process

        self.web3: Any = Web3(HTTPProvider(self.url, exception_retry_configuration=None))
        deadline = time.monotonic() + 20
        while not self.web3.is_connected():
            assert time.monotonic() < deadline, "anvil does not answer"
            time.sleep(0.05)
        self.account = self.web3.eth.accounts[0]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()

    def hang(self) -> None:
        """It keeps its connections and says nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """After `hang`."""
        self.process.send_signal(signal.SIGCONT)

    def ask(self, method: str, *words: Any) -> Any:
        answer = self.web3.provider.make_request(method, list(words))
        assert "error" not in answer, answer
        return answer["result"]

    @property
    def head(self) -> int:
        return int(self.web3.eth.block_number)

    def mine(self, blocks: int = 1) -> None:
        self.ask("anvil_mine", hex(blocks))

    def snapshot(self) -> str:
        return str(self.ask("evm_snapshot"))

    def revert(self, snapshot: str) -> None:
        """The chain is again as it was at the snapshot: what was mined since never happened."""
        assert self.ask("evm_revert", snapshot) is True

    def deploy(self, name: str, *words: Any) -> Any:
        made = MADE["contracts"][name]
        sent = self.web3.eth.contract(abi=made["abi"], bytecode=made["bytecode"]).constructor(*words).transact({"from": self.account})
        address = self.web3.eth.wait_for_transaction_receipt(sent)["contractAddress"]
        return self.web3.eth.contract(address=address, abi=made["abi"])

    def signed(self, call: Any) -> Any:
        """A contract's call as a transaction that may be sent again and is then the same one."""
        owner = self.web3.eth.account.from_key(OWNERS_KEY)
        terms = {"from": owner.address, "nonce": self.web3.eth.get_transaction_count(owner.address), "gas": 500_000, "gasPrice": 10**11}
        return owner.sign_transaction(call.build_transaction(terms | {"chainId": CHAIN})).raw_transaction

    def send_raw(self, raw: Any, *, mined: bool = True) -> str:
        """Sends a signed transaction; its hash."""
        sent = self.web3.eth.send_raw_transaction(raw)
        if mined:
            self.web3.eth.wait_for_transaction_receipt(sent)
        return str(sent.to_0x_hex())

    def pause_mining(self) -> None:
        """From now on only `mine` mines."""
        self.ask("evm_setAutomine", False)

    def send(self, call: Any) -> str:
        """Sends a contract's call and mines it; its transaction's hash."""
        sent = call.transact({"from": self.account})
        receipt = self.web3.eth.wait_for_transaction_receipt(sent)
        assert receipt["status"] == 1
        return str(receipt["transactionHash"].to_0x_hex())
