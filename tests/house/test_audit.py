"""`make audit`: clean only when everything was looked up and nothing is known. The two tools are stood in for; the real ones run there."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKED = len(re.findall(r"^[A-Za-z0-9].*==", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
LISTS = """#!{python}
import json, runpy, sys
if "cyclonedx_py" in sys.argv:
    with open(sys.argv[sys.argv.index("--output-file") + 1], "w") as file:
        json.dump({{"components": [{{}}] * {listed}}}, file)
else:
    sys.argv = sys.argv[sys.argv.index("-c"):]
    code = sys.argv.pop(1)
    exec(code)
"""
KNOWS = """#!{python}
import sys
told = {told!r}
if told is None:
    sys.exit("ERROR: no route to host")
with open(sys.argv[sys.argv.index("--output") + 1], "w") as file:
    file.write(told)
sys.exit({code})
"""
CLEAN = json.dumps({"dependencies": [{"name": "aiohttp", "version": "3.14.5", "vulns": []}]})
KNOWN = json.dumps({"dependencies": [{"name": "aiohttp", "version": "3.14.5", "vulns": [{"id": "PYSEC-0-1", "fix_versions": ["9.9"]}]}]})


@pytest.mark.parametrize(
    ("listed", "told", "code", "exit_code", "said"),
    [
        (LOCKED, CLEAN, 0, 0, f"nothing is known against any of the {LOCKED} packages"),
        (LOCKED, KNOWN, 1, 1, "aiohttp 3.14.5 PYSEC-0-1 mended in 9.9"),
        (LOCKED, None, 1, 1, "NOT audited: the service that knows advisories was not reached (ERROR: no route to host)"),
        (LOCKED - 1, CLEAN, 0, 1, "the bill of materials is not complete"),
    ],
    ids=["clean", "known", "not reached", "incomplete"],
)
def test_what_is_not_looked_up_is_not_clean(tmp_path: Path, listed: int, told: str | None, code: int, exit_code: int, said: str) -> None:
    tools = tmp_path / "venv" / "audit" / "bin"
    tools.mkdir(parents=True)
    for name, text in (
        ("python", LISTS.format(python=sys.executable, listed=listed)),
        ("pip-audit", KNOWS.format(python=sys.executable, told=told, code=code)),
    ):
        (tools / name).write_text(text, encoding="utf-8")
        (tools / name).chmod(0o755)
    stamp = tools.parent / ".stamp"
    stamp.touch()
    os.utime(stamp, (2**32, 2**32))  # newer than the lock
    done = subprocess.run(
        [ROOT / ".ci" / "audit", tmp_path / "venv"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "AUDIT_OUT": str(tmp_path / "out")},
    )
    assert done.returncode == exit_code, done.stderr
    assert said in re.sub(r"\s+", " ", done.stdout + done.stderr)


def test_the_auditors_are_locked_with_hashes_and_apart_from_the_bot() -> None:
    text = (ROOT / "requirements-audit.lock").read_text(encoding="utf-8")
    assert {"pip-audit", "cyclonedx-bom"} <= set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))
    assert text.count("--hash=sha256:") >= text.count("==")
    for lock in ("requirements.lock", "requirements-dev.lock"):
        assert "pip-audit==" not in (ROOT / lock).read_text(encoding="utf-8")
