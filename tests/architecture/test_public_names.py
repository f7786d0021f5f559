"""What `import cloister` offers, and what it does not load."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cloister
from cloister.cli.main import main


def stub(root: Path) -> dict[str, str]:
    """Each name that the stub exports, with the place it comes from."""
    tree = ast.parse((root / "src/cloister/__init__.pyi").read_text("utf-8"))
    return {
        str(alias.asname): f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_the_stub_says_what_is_there(root: Path) -> None:
    typed = stub(root)
    assert sorted(typed) == sorted(cloister.__all__)
    for name, place in typed.items():
        found = getattr(cloister, name)
        origin = getattr(found, "__module__", None)
        assert place == (f"{origin}.{found.__name__}" if origin else found.__name__)


def test_names_are_listed_and_others_are_refused() -> None:
    assert set(cloister.__all__) <= set(dir(cloister))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = cloister.nothing_of_the_kind  # type: ignore[attr-defined]


def test_importing_the_package_loads_nothing_of_it() -> None:
    program = (
        "import sys, cloister\n"
        "print([name for name in sys.modules if name.startswith('cloister.')])\n"
        "cloister.Bot\n"
        "print('cloister.device.bot' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert result.stdout.splitlines() == ["[]", "True"]


RELAY = """
import sys
from cloister.cli.main import main
try:
    main(["relay", "run", sys.argv[1]])
finally:
    print(*sys.modules)
"""


@pytest.mark.process
def test_a_relay_that_runs_has_not_loaded_what_could_read_a_message(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "home")
    who = ["--role", "home", "--host", "127.0.0.1", "--jurisdiction", "HK", "--operator", "North"]
    with pytest.raises(SystemExit) as made:
        main(["relay", "init", folder, *who])
    assert made.value.code == 0, capsys.readouterr().err
    said = tmp_path / "said"
    with said.open("wb") as stderr:
        relay = subprocess.Popen(
            [sys.executable, "-P", "-c", RELAY, folder],
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    until = time.monotonic() + 30
    while b'"ready"' not in said.read_bytes():
        assert relay.poll() is None, said.read_text()
        assert time.monotonic() < until, said.read_text()
        time.sleep(0.05)
    relay.send_signal(signal.SIGTERM)
    loaded, _ = relay.communicate(timeout=60)
    modules = set(loaded.split())
    assert "cloister.relay.protocol" in modules
    assert not {
        name
        for name in modules
        if name.startswith(
            ("cloister.client", "cloister.mls", "cloister.device", "cloister.testing")
        )
    }
