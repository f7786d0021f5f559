"""`./cloister`: what it makes, what it says, and what it does when it cannot."""

from __future__ import annotations

import ast
import importlib.machinery
import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def script(root: Path, tmp_path: Path) -> Any:
    """The script as a module, working on an empty checkout."""
    loader = importlib.machinery.SourceFileLoader("set_up", str(root / "cloister"))
    spec = importlib.util.spec_from_loader("set_up", loader)
    assert spec is not None
    module: Any = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = before
    module.ROOT = str(tmp_path)
    module.VENV = str(tmp_path / ".venv")
    module.PYTHON = str(tmp_path / ".venv" / "bin" / "python")
    module.PROGRAM_LOCK = str(tmp_path / "requirements.lock")
    module.TEST_LOCK = str(tmp_path / "requirements-test.lock")
    module.FUZZ_LOCK = str(tmp_path / "requirements-fuzz.lock")
    (tmp_path / "requirements.lock").write_text("# nothing\n")
    (tmp_path / "requirements-test.lock").write_text("# nothing for tests\n")
    (tmp_path / "requirements-fuzz.lock").write_text("# nothing for fuzzing\n")
    return module


@pytest.fixture
def made(script: Any) -> Any:
    """The script after a finished set-up of which only the stamp and the interpreter are real."""
    python = Path(script.PYTHON)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    for lock in (script.PROGRAM_LOCK, script.TEST_LOCK):
        Path(script.stamp_of(lock)).write_text(script.fingerprint(lock))
    return script


def test_it_needs_only_the_standard_library(root: Path) -> None:
    tree = ast.parse((root / "cloister").read_text(encoding="utf-8"))
    names = {
        alias.name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }
    assert names - {"importlinter"} <= sys.stdlib_module_names


def test_its_syntax_is_old_enough_to_say_that_a_python_is_too_old(root: Path) -> None:
    ast.parse((root / "cloister").read_text(encoding="utf-8"), feature_version=(3, 7))


def test_an_environment_of_a_python_too_old_does_not_start_itself_for_ever(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    said: list[str] = []
    monkeypatch.setattr(made.os, "execv", lambda path, _arguments: started.append(path))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(made, "say", said.append)
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    with pytest.raises(SystemExit):
        made.require_python()
    assert not started
    assert "needs Python 3.11" in said[0]


def test_a_python_too_old_on_this_path_starts_the_environments_own(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    monkeypatch.setattr(made.os, "execv", lambda path, _arguments: started.append(path))
    monkeypatch.setattr("shutil.which", lambda _name: None)
    monkeypatch.setattr(sys, "version_info", (3, 9, 2, "final", 0))
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.9")
    with pytest.raises(SystemExit):  # as nothing was really started
        made.require_python()
    assert started == [made.PYTHON]


def test_a_finished_environment_is_used_as_it_is(made: Any) -> None:
    assert made.is_current(made.PROGRAM_LOCK)
    made.ensure([made.PROGRAM_LOCK, made.TEST_LOCK])


def test_a_changed_lock_makes_it_again(made: Any) -> None:
    Path(made.PROGRAM_LOCK).write_text("# something else\n")
    assert not made.is_current(made.PROGRAM_LOCK)
    assert made.is_current(made.TEST_LOCK)


def test_what_one_command_needs_is_added_without_touching_the_rest(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[list[str]] = []
    said: list[str] = []
    monkeypatch.setattr(made, "install", installed.append)
    monkeypatch.setattr(made, "say", said.append)
    made.ensure([made.PROGRAM_LOCK, made.FUZZ_LOCK])
    assert installed == [[made.FUZZ_LOCK]]
    assert "fuzzing needs" in said[0]
    made.ensure([made.PROGRAM_LOCK, made.FUZZ_LOCK])
    assert len(installed) == 1
    assert made.is_current(made.TEST_LOCK)


def test_a_moved_checkout_makes_it_again(made: Any, tmp_path: Path) -> None:
    made.ROOT = str(tmp_path / "elsewhere")
    assert not made.is_current(made.PROGRAM_LOCK)


def test_a_removed_interpreter_makes_it_again(made: Any) -> None:
    python = Path(made.PYTHON)
    python.unlink()
    python.symlink_to("/nonexistent/python")
    assert not made.is_current(made.PROGRAM_LOCK)


def test_another_python_on_the_path_takes_it_as_it_is(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job of cron, say: it must not make anew what a running relay was started from."""
    monkeypatch.setattr(sys, "version", "3.99.0 (another)")
    made.ensure([made.PROGRAM_LOCK, made.TEST_LOCK])


def test_what_is_added_under_another_python_is_of_the_environments_own(
    made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(made, "install", lambda _locks: None)
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(sys, "version", "3.99.0 (another)")
        made.ensure([made.PROGRAM_LOCK, made.FUZZ_LOCK])
    assert made.is_current(made.FUZZ_LOCK)


def test_an_upgraded_python_makes_it_again(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    upgraded = (b"3.99.0 (upgraded)", sys.base_prefix.encode())
    monkeypatch.setattr(sys, "version", "3.99.0 (upgraded)")
    monkeypatch.setattr(made, "python_of_venv", lambda: upgraded)
    assert not made.is_current(made.PROGRAM_LOCK)


def test_a_stamp_of_rubbish_makes_it_again(made: Any) -> None:
    Path(made.stamp_of(made.PROGRAM_LOCK)).write_bytes(b"\xff\xfe")
    assert not made.is_current(made.PROGRAM_LOCK)


def test_a_missing_ensurepip_is_one_line_to_type(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(script.SetupFailed, match=r"apt install python3\.\d+-venv"):
        script.ensure([script.PROGRAM_LOCK])


def test_a_failed_installation_leaves_no_stamp_and_says_why(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make_venv() -> None:
        python = Path(script.PYTHON)
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho 'Temporary failure in name resolution'; exit 1\n")
        python.chmod(0o755)

    monkeypatch.setattr(script, "make_venv", make_venv)
    with pytest.raises(script.SetupFailed, match="is there a network"):
        script.ensure([script.PROGRAM_LOCK])
    assert not script.is_current(script.PROGRAM_LOCK)


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE", "not the one the lock names"),
        ("OSError: [Errno 28] No space left on device", "disk is full"),
        ("[Errno 30] Read-only file system: 'x'", "cannot be written"),
        ("[Errno -2] Name or service not known", "is there a network"),
        ("ERROR: No matching distribution found for x==1", "no ready-made package"),
        ("something new", "could not be installed"),
    ],
)
def test_what_pip_says_becomes_a_cause(script: Any, output: str, reason: str) -> None:
    assert reason in script.reason_of(output)


def test_two_starts_at_once_make_one_environment(
    script: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second start waits for the lock, then finds the stamps and makes nothing."""
    import fcntl
    import os
    import threading

    made_by = []
    monkeypatch.setattr(script, "make_venv", lambda: made_by.append(1))
    waiting = threading.Event()
    monkeypatch.setattr(script, "say", lambda text: waiting.set() if "waiting" in text else None)
    first = os.open(Path(script.ROOT) / ".venv.lock", os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(first, fcntl.LOCK_EX)
    second = threading.Thread(target=script.ensure, args=([script.PROGRAM_LOCK],))
    second.start()
    assert waiting.wait(10)
    python = Path(script.PYTHON)
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    Path(script.stamp_of(script.PROGRAM_LOCK)).write_text(script.fingerprint(script.PROGRAM_LOCK))
    os.close(first)
    second.join(10)
    assert not second.is_alive()
    assert made_by == []


@pytest.mark.parametrize("argument", ["--version", "-V"])
def test_the_version_is_printed_without_loading_the_command_line(root: Path, argument: str) -> None:
    from cloister import __version__

    result = subprocess.run(
        [sys.executable, "-P", "-X", "importtime", "-m", "cloister", argument],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout == f"cloister {__version__}\n"
    assert "click" not in result.stderr
