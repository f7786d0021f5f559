"""A circle that is made by commands: relays in processes of their own, people in this one."""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.cli import main as cli_main

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]


class Relay:
    """A relay process of its own."""

    program: tuple[str, ...] = ("-m", "cloister")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.begin()
        self.wait()

    def begin(self) -> None:
        """Start; ``wait`` says when it is ready."""
        self.process = subprocess.Popen(
            [sys.executable, *self.program, "relay", "run", str(self.folder)],
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait(self) -> None:
        if self.process is None or self.process.stderr is None:
            raise AssertionError
        line = self.process.stderr.readline()
        while '"restored-' in line:
            line = self.process.stderr.readline()
        if '"ready"' not in line:
            raise AssertionError(line + self.process.stderr.read())

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            if self.process.stderr is not None:
                self.process.stderr.close()
            self.process = None


class Relays:
    """A home and an entry relay in two jurisdictions."""

    def __init__(self, folder: Path, relay: Callable[[Path], Relay] = Relay) -> None:
        self.home = relay(folder / "hk")
        self.entry = relay(folder / "pa")
        home, entry = str(self.home.folder), str(self.entry.folder)
        common = ("--host", "127.0.0.1")
        command("init", home, "--role", "home", "--jurisdiction", "HK", "--operator", "N", *common)
        command(
            "init", entry, "--role", "entry", "--jurisdiction", "PA", "--operator", "S", *common
        )
        command("peer", home, f"{entry}/relay.card")
        command("peer", entry, f"{home}/relay.card")

    def start(self) -> None:
        self.home.begin()
        self.entry.begin()
        self.home.wait()
        self.entry.wait()

    def kill(self) -> None:
        self.home.kill()
        self.entry.kill()


def command(*arguments: str) -> str:
    """Run a command of ``cloister relay`` in this process; return what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as ended:
        cli_main.main(["relay", *arguments])
    assert ended.value.code == 0
    return said.getvalue()


class Circle:
    """Three people with a profile each, and their relays."""

    def __init__(self, run: Run, folder: Path, relays: Relays) -> None:
        self.run = run
        self.folder = folder
        self.home = relays.home
        self.entry = relays.entry

    def do(self, name: str, *arguments: str, expect: int = 0) -> str:
        """Run a command as somebody; return what it printed."""
        return self.told(name, *arguments, expect=expect)[0]

    def told(
        self, name: str, *arguments: str, expect: int = 0, timeout_s: int = 20
    ) -> tuple[str, str]:
        """The same with what was said beside it."""
        profile = ("--profile", str(self.folder / name))
        status, out, err = self.run(*arguments, *profile, "--timeout", str(timeout_s))
        assert status == expect, (arguments, out, err)
        return out, err

    def lines(self, name: str, *arguments: str) -> list[dict[str, Any]]:
        """Run a command with --json; return its objects."""
        return [json.loads(line) for line in self.do(name, *arguments, "--json").splitlines()]

    def texts(self, name: str, conversation: str) -> list[tuple[str, str]]:
        """What somebody reads there: names and texts."""
        rows = self.lines(name, "read", conversation)
        return [(row["name"], row["text"]) for row in rows if row["kind"] == "text"]

    def agent(self, name: str, start: Start) -> subprocess.Popen[str]:
        """Have somebody's agent run."""
        agent = start("agent", "run", "--profile", str(self.folder / name))
        assert read_line(agent) == "running\n"
        return agent

    def join(self, name: str, inviter: str) -> None:
        """Invite, ask, compare the digits, vouch."""
        code = self.do(inviter, "invite").strip()
        (asked,) = self.lines(name, "join", code, "--name", name)
        (request,) = self.lines(inviter, "requests")
        assert request["fingerprint"] == asked["fingerprint"]
        assert request["name"] == name
        self.do(inviter, "vouch", name, "--met")
        (status,) = self.lines(name, "status")
        assert status["phase"] == "member"


def found(circle: Circle, monkeypatch: pytest.MonkeyPatch) -> Circle:
    monkeypatch.delenv("CLOISTER_PROFILE")
    home, entry = circle.home.folder, circle.entry.folder
    (circle.folder / "code").write_text(command("code", str(home)))
    monkeypatch.setenv("CLOISTER_ACTIVATION_CODE_FILE", str(circle.folder / "code"))
    cards = ("--home", f"{home}/relay.card", "--entry", f"{entry}/relay.card")
    circle.do("Amira", "circle", "new", "--name", "Amira", *cards)
    return circle


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    if process.stdout is None:
        raise AssertionError
    return process.stdout.readline()
