"""The arrows of docs/architecture.md: who may import whom, and who may touch the world."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from architecture.conftest import package_of

if TYPE_CHECKING:
    from architecture.conftest import Source

BELOW_THE_PROGRAMS = {"client", "codec", "crypto", "mls", "roster", "transparency", "wire"}

# Modules through which code reaches a clock, a file, a socket, a thread, a log or chance.
THE_WORLD = {
    "asyncio", "concurrent", "ctypes", "datetime", "fcntl", "http", "io", "logging",
    "multiprocessing", "os", "pathlib", "picows", "platform", "platformdirs", "queue", "random",
    "secrets", "select", "selectors", "shutil", "signal", "socket", "sqlcipher3", "sqlite3", "ssl",
    "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid", "uvloop", "warnings",
}  # fmt: skip

# Where the world comes in on purpose, each with its reason.
MAY_TOUCH = {
    "cloister.crypto.entropy": {"os", "secrets"},  # the one source of chance
    "cloister.crypto.certificate": {"datetime"},  # the library's type of dates; no clock is read
    "cloister.crypto.sodium": {
        "os",
        "sys",
        "tempfile",
    },  # keeps rbcl from leaving its own in the world
    "cloister.mls.__main__": THE_WORLD,  # a program of its own, not part of the engine
}

PRIMITIVES = {"cryptography", "rbcl", "nacl", "Crypto", "argon2"}


def reached(start: set[str], sources: list[Source]) -> dict[str, str]:
    """Return every module reachable from `start`, each with the module that imports it."""
    by_name = {source.module: source for source in sources}
    why: dict[str, str] = dict.fromkeys(start, "")
    todo = list(start)
    while todo:
        source = by_name[todo.pop()]
        for name in source.imports:
            if name in by_name and name not in why:
                why[name] = source.module
                todo.append(name)
    return why


def test_import_contracts_hold(root: Path) -> None:
    program = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=root, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_relay_has_not_even_the_code_to_read_a_message(sources: list[Source]) -> None:
    relay = {source.module for source in sources if source.package == "relay"}
    forbidden = {"mls", "client", "device", "tui"}
    found = {
        f"{importer} imports {name}"
        for name, importer in reached(relay, sources).items()
        if package_of(name) in forbidden
    }
    assert not found


def test_an_indirect_import_is_seen(sources: list[Source]) -> None:
    """The search above follows chains: cli reaches errors although another module imports it."""
    start = {"cloister.__main__"}
    assert "cloister.errors" in reached(start, sources)


def test_nothing_below_the_programs_touches_the_world(sources: list[Source]) -> None:
    found = {
        f"{source.path}: {name}"
        for source in sources
        if source.package in BELOW_THE_PROGRAMS
        for name in source.imports
        if name.split(".")[0] in THE_WORLD - MAY_TOUCH.get(source.module, set())
    }
    assert not found


def test_only_crypto_imports_primitives(sources: list[Source]) -> None:
    found = {
        f"{source.path}: {name}"
        for source in sources
        if source.package != "crypto"
        for name in source.imports
        if name.split(".")[0] in PRIMITIVES
    }
    assert not found


def test_no_async_below_the_programs(sources: list[Source]) -> None:
    found = {
        str(source.path)
        for source in sources
        if source.package in BELOW_THE_PROGRAMS and "async def" in source.text
    }
    assert not found


def test_starting_the_command_line_loads_no_part_of_the_program(root: Path) -> None:
    program = (
        "import sys, cloister.cli.main\n"
        "print(*sorted(name for name in sys.modules if name.startswith('cloister.')))\n"
        "print('cryptography' in sys.modules, 'asyncio' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=root, capture_output=True, text=True, check=True
    )
    loaded, heavy = result.stdout.splitlines()
    assert {package_of(name) for name in loaded.split()} <= {"cli", "errors", "ids", "limits"}
    assert heavy == "False False"
