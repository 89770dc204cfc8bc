"""The image's file system, put together in the build stage: an interpreter, the locked packages, the bot, and nothing else.

The base image brings a shell, a package manager and tools that a bot with keys has no use for. What it needs of it is copied: the
interpreter, its standard library without what only developers use, and the shared libraries that `ldd` names. No line of this runs in the
image itself.

    assemble.py packages ROOT --lock requirements.lock --project pyproject.toml --extras "evm"
    assemble.py program  ROOT --source FOLDER --user 10001
"""

from __future__ import annotations

import argparse
import compileall
import os
import py_compile
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

PACKAGES = Path(sysconfig.get_path("purelib"))
"""Where the image's interpreter looks for packages: the same path as in the build stage."""
STANDARD_LIBRARY = Path(sysconfig.get_path("stdlib"))
INTERPRETER = Path("/usr/local/bin/python3")

FOR_DEVELOPERS = ("test", "tests", "idlelib", "lib2to3", "ensurepip", "turtledemo", "pydoc_data", "__pycache__", "config-*", "*.a")
"""What of the standard library stays behind, by name: tests, an editor, what only builds extensions."""
UNUSED = ("tkinter", "_tkinter*", "turtle.py", "_curses*", "readline*", "nis*", "_test*", "_ctypes_test*", "_xxtestfuzz*", "xxlimited*")
"""More of it: screens, line editing and network information services, which pull in libraries of their own (the base image does not even
have those of the first), and the extensions of its tests."""
FOR_BUILDING = (".pyi", ".c", ".h", ".pyx", ".pxd", ".pxi", ".cpp", ".a")
"""Endings of files in packages that no running program reads."""
TESTS_OF_OTHERS = ("tests", "test", "SelfTest")
LOADED_BY_NAME = ("libgcc_s.so.1",)
"""Libraries that are opened while the program runs, which `ldd` cannot know: glibc opens this one when a thread ends early."""

LAUNCHER = f"""#!{INTERPRETER} -IB
import signal
import sys

# The kernel delivers to process 1 only what it handles: a stop that comes while the program is still loading would be lost.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

from bot.cli import main

sys.exit(main())
"""


def wanted(lock: str, project: str, extras: Iterable[str]) -> str:
    """The lines of the lock that a program with these extras needs, hashes included.

    Raises ValueError for an extra that the project does not have.
    """
    told = tomllib.loads(project)["project"]
    chosen, known = set(extras), told["optional-dependencies"]
    if unknown := sorted(chosen - set(known)):
        raise ValueError(f"extras: {unknown[0]!r} is none of {', '.join(sorted(known))}")
    roots = {_name(each) for each in told["dependencies"]} | {_name(each) for extra in chosen for each in known[extra]}
    blocks = dict(_blocks(lock))
    kept = roots & set(blocks)
    if missing := sorted(roots - kept):
        raise ValueError(f"the lock does not name {missing[0]}; run make lock")
    while more := {name for name, block in blocks.items() if name not in kept and _parents(block) & kept}:
        kept |= more
    return "".join(block for name, block in blocks.items() if name in kept)


def _blocks(lock: str) -> Iterator[tuple[str, str]]:
    for block in re.split(r"(?m)^(?=[A-Za-z0-9])", lock):
        if block and block[0].isalnum():
            yield _name(block), block


def _name(requirement: str) -> str:
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", requirement)
    return re.sub(r"[-_.]+", "-", found.group() if found else requirement).lower()


def _parents(block: str) -> set[str]:
    """Who asked for a package, by the comments that the resolver left below it."""
    comment = block[block.find("# via") :] if "# via" in block else ""
    return {_name(word) for word in re.findall(r"#\s+(?:via\s+)?([A-Za-z0-9][\w.-]*)", comment) if word != "via"}


def install_packages(root: Path, lock: str, project: str, extras: Iterable[str]) -> None:
    """Hash-checked wheels only, as everywhere in this project: nothing is built."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as requirements:
        requirements.write(wanted(lock, project, extras))
        requirements.flush()
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "--root-user-action=ignore"]
        subprocess.run(  # noqa: S603  our own arguments
            [
                *pip,
                "--quiet",
                "--no-cache-dir",
                "--no-compile",
                "--require-hashes",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--target",
                str(_in(root, PACKAGES)),
                "-r",
                requirements.name,
            ],
            check=True,
        )
    _leave_out(_in(root, PACKAGES))


def install_program(root: Path, source: Path, user: int) -> None:
    """The bot, the interpreter, its libraries, and the few files that a name service and a launcher need."""
    packages = _in(root, PACKAGES)
    shutil.copytree(source / "bot", packages / "bot", ignore=shutil.ignore_patterns("__pycache__"))
    _copy_interpreter(root)
    for folder in (packages, _in(root, STANDARD_LIBRARY)):
        compileall.compile_dir(
            folder,
            quiet=1,
            stripdir=str(root),
            force=True,
            workers=os.cpu_count() or 1,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )
    _copy_libraries(root)
    _write(root / "usr/local/bin/hedgebot", LAUNCHER, 0o755)
    _write(root / "etc/passwd", f"root:x:0:0:root:/:/nonexistent\nhedgebot:x:{user}:{user}:hedgebot:/var/lib/hedgebot:/nonexistent\n")
    _write(root / "etc/group", f"root:x:0:\nhedgebot:x:{user}:\n")
    _write(root / "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")
    authorities = Path("/etc/ssl/certs/ca-certificates.crt")
    if authorities.is_file():
        _write(root / authorities.relative_to("/"), authorities.read_text(encoding="utf-8"))
    for folder in ("etc/hedgebot", "run/secrets", "var/lib"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    _age(root, int(os.environ.get("SOURCE_DATE_EPOCH", "0")))


def _in(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _leave_out(packages: Path) -> None:
    for path in sorted(packages.rglob("*")):
        if path.is_dir() and path.name in TESTS_OF_OTHERS:
            shutil.rmtree(path)
        elif path.is_file() and path.suffix in FOR_BUILDING:
            path.unlink()
    shutil.rmtree(packages / "bin", ignore_errors=True)


def _copy_interpreter(root: Path) -> None:
    binary = _in(root, INTERPRETER)
    binary.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(Path(sys.executable).resolve(), binary)
    ignored = shutil.ignore_patterns(*FOR_DEVELOPERS, *UNUSED, "site-packages", "dist-packages")
    shutil.copytree(STANDARD_LIBRARY, _in(root, STANDARD_LIBRARY), ignore=ignored, dirs_exist_ok=True)


def _copy_libraries(root: Path) -> None:
    """All that the interpreter, its extensions and the packages' extensions are linked with, into the folder of the C library."""
    programs = [_in(root, INTERPRETER), *_in(root, STANDARD_LIBRARY).rglob("*.so"), *_in(root, STANDARD_LIBRARY).rglob("*.so.*")]
    found: dict[str, Path] = {}
    for program in programs:
        listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout  # noqa: S603, S607  our own
        if lacking := re.search(r"(\S+) => not found", listed):
            raise SystemExit(f"{program}: {lacking.group(1)} is nowhere in the build stage")
        found |= {Path(path).name: Path(path) for path in re.findall(r"(/\S+) \(0x", listed) if not path.startswith(str(root))}
    home = next(path.parent for name, path in found.items() if name == "libc.so.6")
    found |= {name: home / name for name in LOADED_BY_NAME}
    for name, path in found.items():
        target = _in(root, path if name.startswith("ld-linux") else home / name)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path.resolve(), target)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _age(root: Path, instant: int) -> None:
    """One instant for all files, so that the same inputs give the same layer."""
    for path in root.rglob("*"):
        os.utime(path, (instant, instant), follow_symlinks=False)


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=("packages", "program"))
    parser.add_argument("root", type=Path)
    parser.add_argument("--lock", type=Path)
    parser.add_argument("--project", type=Path)
    parser.add_argument("--extras", default="")
    parser.add_argument("--source", type=Path)
    parser.add_argument("--user", type=int)
    told = parser.parse_args()
    if told.step == "packages":
        lock, project = (path.read_text(encoding="utf-8") for path in (told.lock, told.project))
        install_packages(told.root, lock, project, told.extras.replace(",", " ").split())
    else:
        install_program(told.root, told.source, told.user)


if __name__ == "__main__":
    main()
