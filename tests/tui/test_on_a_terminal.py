"""The program on a real pty: what its bytes are, how it locks, what a terminal shows of it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from cloister.testing.terminal import WITHIN_S, Terminal
from counts import is_long, seeds
from tui.hostile import offences
from tui.scenes import SIZES
from tui.test_snapshots import SNAPSHOTS

pytestmark = [pytest.mark.process, pytest.mark.slow]
STAGE: Final = Path(__file__).with_name("on_a_terminal.py")
COUNT: Final = 10_000 if is_long() else 400

SEQUENCES: Final = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>78]|\x1b\([0B]|\x1b\]22;[a-z]*\x07")
"""What we send a terminal: control sequences, and the pointer's shape; no title, no clipboard."""
MOVING: Final = re.compile("[\r\n\x0f]")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize("seed", seeds(1, 10))
def test_no_byte_of_a_text_is_obeyed(terminals: list[Terminal], seed: int) -> None:
    """Conversations of two hundred hostile texts are paged through; with --all 100,000 texts."""
    terminal = Terminal([str(STAGE), "none", str(7 + seed), str(COUNT)], (160, 50))
    terminals.append(terminal)
    terminal.until("relay in reach")
    for _ in range(max(COUNT // 200, 1)):
        terminal.type("\t")  # the next conversation
        terminal.read(0.15)
        for _ in range(12):
            terminal.type("\x1b[5~")
            terminal.read(0.02)
    terminal.type("\x0bquit\r")
    terminal.until("ended: left")
    assert terminal.end() == 0
    screen = SEQUENCES.sub("", terminal.written.decode("utf-8"))
    assert offences(MOVING.sub("", screen)) == ""
    # Without colours nothing sets one, so a text that does would stand out.
    set_by = b";".join(re.findall(rb"\x1b\[([\d;]*)m", terminal.written)).split(b";")
    assert set(set_by) <= {b"", b"0", b"1", b"4", b"7"}


def test_idle_writes_nothing_and_colours_are_asked_for(terminals: list[Terminal]) -> None:
    terminal = Terminal([str(STAGE), "colour"], (50, 15), COLORTERM="truecolor")
    terminals.append(terminal)
    terminal.until("commons")
    terminal.read(1.0)
    assert terminal.read(1.5) == b""
    assert b"\x1b[38;2;" in terminal.written or b";38;2;" in terminal.written
    terminal.type("\x0bquit\r")
    assert terminal.end() == 0


def test_the_terminals_own_ordering_is_off_while_it_runs(terminals: list[Terminal]) -> None:
    """Explicit mode before anything is painted, implicit mode again before it ends."""
    terminal = Terminal([str(STAGE), "none"], (50, 15))
    terminals.append(terminal)
    terminal.until("commons")
    terminal.type("\x0bquit\r")
    terminal.until("ended: left")
    assert terminal.end() == 0
    written = terminal.written
    assert written.count(b"\x1b[8l") == written.count(b"\x1b[8h") == 1
    assert written.index(b"\x1b[8l") < written.index(b"commons")
    assert written.index(b"commons") < written.index(b"\x1b[8h") < written.index(b"ended: left")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_end_leaves_no_text_on_the_screen(
    terminals: list[Terminal], number: int
) -> None:
    """The alternate screen is left, and the terminal obeys keys again."""
    terminal = Terminal([str(STAGE), "none"], (50, 15))
    terminals.append(terminal)
    begun = terminal.until("commons")
    terminal.type("\r")
    shown = terminal.until("lead is confirmed", since=begun)
    os.kill(terminal.pid, number)
    terminal.until("\x1b[?1049l", since=shown)
    terminal.until("ended: left", since=shown)
    assert terminal.end() == 0


@pytest.mark.parametrize("times", [1, 3])
def test_a_program_that_was_stopped_ends_and_gives_the_terminal_back(
    terminals: list[Terminal], times: int
) -> None:
    """It is painted anew, and one thread reads the keys: two would wait for each other."""
    terminal = Terminal([str(STAGE), "none"], (50, 15))
    terminals.append(terminal)
    terminal.until("commons")
    terminal.read(0.5)
    for _ in range(times):
        os.kill(terminal.pid, signal.SIGSTOP)
        os.kill(terminal.pid, signal.SIGCONT)
        terminal.until("commons", since=len(terminal.written))
        terminal.read(0.3)
    terminal.type("\x0c")
    terminal.until("ended: locked")
    assert terminal.end() == 0
    assert termios.tcgetattr(terminal.fd)[3] & termios.ECHO


def test_a_terminal_that_is_closed_ends_it(terminals: list[Terminal]) -> None:
    terminal = Terminal([str(STAGE), "none"], (50, 15))
    terminals.append(terminal)
    terminal.until("commons")
    terminal.read(0.3)
    os.close(terminal.fd)
    terminal.fd = os.open(os.devnull, os.O_RDONLY)
    terminal.end()


def test_keys_that_a_program_finds_when_it_goes_on_are_each_for_their_conversation(
    terminals: list[Terminal],
) -> None:
    terminal = Terminal([str(STAGE), "none"], (50, 15))
    terminals.append(terminal)
    begun = terminal.until("commons")
    terminal.type("\r")
    shown = terminal.until("lead is confirmed", since=begun)
    terminal.read(0.3)
    os.kill(terminal.pid, signal.SIGSTOP)
    terminal.type("a canary\r\t")
    os.kill(terminal.pid, signal.SIGCONT)
    other = terminal.until("Everybody reads", since=shown)
    terminal.read(0.5)
    terminal.type("\x1b")
    terminal.until("You: a canary", since=other)
    assert terminal.written[other:].count(b"commons") >= 1
    assert b"commons" in terminal.written[terminal.written.rindex(b"You: a canary") :]
    terminal.type("\x0bquit\r")
    assert terminal.end() == 0


def test_lock_clears_the_screen_and_is_the_end_of_a_program(
    terminals: list[Terminal], tmp_path: Path
) -> None:
    """From nothing: a PIN is chosen, the vault made, locked, and opened by a fresh program.

    That of the screens has not even loaded what opens a vault: the agent's process does it.
    """
    profile, pin = tmp_path / "p", "93-kestrel"
    terminal = Terminal(
        ["-m", "cloister", "--profile", str(profile)],
        (60, 20),
        XDG_CONFIG_HOME=str(tmp_path),
        XDG_STATE_HOME=str(tmp_path),
    )
    terminals.append(terminal)
    first = terminal.until("There is no vault")
    terminal.type(f"{pin}\r")
    again = terminal.until("The same again", since=first)
    terminal.type(f"{pin}\r")
    begun = terminal.until("I have an invitation", since=again)
    terminal.type("\r")
    asked = terminal.until("The invitation's code", since=begun)
    mapped = Path(f"/proc/{terminal.pid}/maps").read_text(encoding="utf-8")
    assert "msgspec" in mapped
    assert not [one for one in ("cryptography", "sqlcipher3", "libsodium") if one in mapped]
    terminal.type("CLOISTER1:CANARY")
    shown = terminal.until("CANARY", since=asked)
    terminal.type("\x0c")
    cleared = terminal.until("\x1b[H\x1b[2J\x1b[3J", since=shown)
    locked = terminal.until("The vault is locked", since=cleared)
    assert b"CANARY" not in terminal.written[cleared:]
    terminal.type("93-kestrex\r")
    missed = terminal.until("not right", since=locked)
    terminal.type(f"{pin}\r")
    terminal.until("I have an invitation", since=missed)
    terminal.type("\x1b")
    terminal.read(0.5)
    terminal.type("\x0bquit\r")
    assert terminal.end() == 0
    assert pin.encode() not in terminal.written
    deadline = time.monotonic() + WITHIN_S
    while (profile / "keeper.sock").exists():
        assert time.monotonic() < deadline, "the agent outlives the interface that started it"
        time.sleep(0.05)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not here")
def test_a_terminal_shows_what_the_snapshots_say(tmp_path: Path) -> None:
    """tmux is a terminal of its own: it draws, and says what stands in its cells."""
    width, height = SIZES[0]
    tmux = ["tmux", "-S", str(tmp_path / "t"), "-f", "/dev/null"]
    command = f"TZ=UTC exec {sys.executable} -P {STAGE} none"
    size = ["-x", str(width), "-y", str(height)]
    subprocess.run([*tmux, "new-session", "-d", *size, command], check=True)
    try:
        subprocess.run([*tmux, "set-option", "status", "off"], check=True)
        wanted = (SNAPSHOTS / f"{width}x{height}.md").read_text(encoding="utf-8")
        for keys, name in (((), "conversations"), (("Enter",), "a conversation")):
            if keys:
                subprocess.run([*tmux, "send-keys", *keys], check=True)
            deadline = time.monotonic() + WITHIN_S
            while True:
                shown = subprocess.run(
                    [*tmux, "capture-pane", "-p"], check=True, capture_output=True, text=True
                ).stdout
                rows = "".join(f"    |{row.rstrip()}\n" for row in shown.splitlines())
                if f"## {name}\n\n{rows.rstrip()}" in wanted:
                    break
                assert time.monotonic() < deadline, shown
                time.sleep(0.1)
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
