"""A person at this machine: a home of their own, nobody at the keyboard."""

from __future__ import annotations

import functools
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.cli import main as cli_main
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device import app, hardening
from cloister.device.vault import Cost, Vault
from cloister.roster import invitation
from unit.device.scripted import VIEWS, core_class

Run = Callable[..., tuple[int, str, str]]


def create_cheap_vault(folder: Path, passphrase: Secret) -> Vault:
    """A vault whose passphrase costs nothing to try."""
    return Vault.create(folder, passphrase, entropy=SystemEntropy(), cost=Cost(64, 1, 1))


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, with a passphrase file, and nobody at the keyboard."""
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    for variable in [name for name in os.environ if name.startswith("CLOISTER_")]:
        monkeypatch.delenv(variable)
    (tmp_path / "passphrase").write_text("correct horse\n")
    monkeypatch.setenv("CLOISTER_PASSPHRASE_FILE", str(tmp_path / "passphrase"))
    monkeypatch.setenv("CLOISTER_PROFILE", str(tmp_path / "p"))
    # What is waited against an observer of the network needs no waiting here.
    monkeypatch.setenv("CLOISTER_ERRAND_DELAY_S", "0")
    monkeypatch.setattr(hardening, "harden_process", lambda: None)
    monkeypatch.setattr(app, "create_vault", create_cheap_vault)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    return tmp_path


@pytest.fixture
def run(world: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process; return status, standard output, standard error."""

    def running(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            cli_main.main(list(arguments))
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return running


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the commands run over a scripted core."""

    def use(**core: Any) -> None:
        run_device = functools.partial(app.run_device, core=core_class(**core), views=VIEWS)
        monkeypatch.setattr(app, "run_device", run_device)

    # Codes of these tests are for show: the scripted core does not read them.
    monkeypatch.setattr(invitation, "parse_invitation", lambda code, now: None)
    return use


@pytest.fixture
def profile(world: Path, run: Run, scripted: Callable[..., None]) -> Path:
    """A profile with a vault, made by a scripted join."""
    scripted()
    assert run("join", "CLOISTER1:X", "--name", "Jonas")[0] == 0
    return world / "p"
