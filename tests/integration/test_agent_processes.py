"""The agent's two processes: locking ends one, and with it everything that it had in memory."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from cloister.client.effects import PutMessage
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.keeper_client import KeeperClient, find_keeper
from cloister.device.vault import Cost, Vault
from unit.device.scripted import text_message

pytestmark = pytest.mark.process

SOURCE = Path(__file__).parents[2] / "src"
PIN, WRONG = b"271353", b"864209"
CANARY = "the ferry leaves at four, canary-90317"
WITHIN_S = 30.0


@dataclass
class Agent:
    """`cloister agent run` over a vault that holds one text."""

    folder: Path
    process: subprocess.Popen[str]
    vault_key: bytes

    def do(self, *arguments: str, pin: bytes | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of the same profile."""
        read_fd, write_fd = os.pipe()
        os.write(write_fd, pin or b"")
        os.close(write_fd)
        command = [sys.executable, "-m", "cloister", *arguments, "--profile", str(self.folder)]
        if pin is not None:
            command += ["--passphrase-fd", str(read_fd)]
        try:
            return subprocess.run(
                command, capture_output=True, text=True, check=False, pass_fds=[read_fd],
                stdin=subprocess.DEVNULL, env=environment(), timeout=60,
            )  # fmt: skip
        finally:
            os.close(read_fd)

    @property
    def keeper(self) -> KeeperClient:
        found = find_keeper(self.folder)
        assert found is not None
        return found

    @property
    def children(self) -> list[int]:
        """Processes that the keeper has started."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(number) for number in path.read_text().split()]


def environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CLOISTER_")}
    return {**kept, "PYTHONPATH": str(SOURCE)}


def start(folder: Path, pin: bytes = PIN) -> subprocess.Popen[str]:
    read_fd, write_fd = os.pipe()
    os.write(write_fd, pin)
    os.close(write_fd)
    command = [sys.executable, "-m", "cloister", "agent", "run", "--profile", str(folder)]
    try:
        return subprocess.Popen(
            [*command, "--passphrase-fd", str(read_fd)], pass_fds=[read_fd], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
            env=environment(),
        )  # fmt: skip
    finally:
        os.close(read_fd)


def make_profile(folder: Path) -> bytes:
    """Make a vault that holds one text; return its key."""
    vault = Vault.create(folder, Secret(PIN), entropy=SystemEntropy(), cost=Cost(64, 1, 1))
    vault.commit([PutMessage(message=text_message(1, CANARY))])
    vault_key = vault.key.vault_key.expose()
    vault.close()
    return vault_key


@contextmanager
def running(folder: Path) -> Iterator[Agent]:
    vault_key = make_profile(folder)
    process = start(folder)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        yield Agent(folder, process, vault_key)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    with running(tmp_path) as found:
        yield found


@pytest.fixture(scope="module")
def standing_agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """One agent for all tests that only look at it."""
    with running(tmp_path_factory.mktemp("standing")) as found:
        yield found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def memory_holds(pid: int, needle: bytes) -> bool:
    """Search everything that a process has mapped."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            match = re.match(r"([0-9a-f]+)-([0-9a-f]+) r", line)
            if match is None or line.endswith(("[vvar]", "[vsyscall]", "[vvar_vclock]")):
                continue
            begin, end = (int(number, 16) for number in match.groups())
            try:
                memory.seek(begin)
                if needle in memory.read(end - begin):
                    return True
            except (OSError, ValueError):
                continue  # a mapping that nobody may read
    return False


needs_linux = pytest.mark.skipif(
    not sys.platform.startswith("linux") or os.geteuid() != 0,
    reason="only root may look into the memory of a process that forbids it",
)


@needs_linux
def test_locking_ends_the_process_that_had_key_and_texts_and_no_other_ever_had_them(
    agent: Agent,
) -> None:
    (child,) = agent.children
    assert agent.do("status", "--offline").returncode == 0
    secrets = [CANARY.encode(), agent.vault_key, agent.vault_key.hex().encode(), PIN]
    assert memory_holds(child, CANARY.encode())
    assert memory_holds(child, agent.vault_key)
    assert memory_holds(agent.process.pid, str(agent.folder).encode())  # the search does find
    for secret in secrets:
        assert not memory_holds(agent.process.pid, secret)
    assert agent.do("lock").stdout == "locked\n"
    assert is_gone(child)
    assert agent.children == []
    for secret in secrets:
        assert not memory_holds(agent.process.pid, secret)
    # And once more after an unlock: the PIN goes past the keeper.
    assert agent.do("unlock", pin=PIN).stdout == "open\n"
    assert agent.do("status", "--offline").returncode == 0
    for secret in secrets:
        assert not memory_holds(agent.process.pid, secret)


@needs_linux
def test_neither_process_leaves_a_core_dump(standing_agent: Agent) -> None:
    for pid in (standing_agent.process.pid, *standing_agent.children):
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.M)


def test_while_it_is_locked_commands_say_so_and_open_nothing(agent: Agent) -> None:
    agent.do("lock")
    status = agent.do("status", "--json")
    assert (status.returncode, '"phase":"locked"' in status.stdout) == (0, True)
    refused = agent.do("members", pin=PIN)
    assert refused.returncode == 7
    assert "cloister unlock" in refused.stderr
    assert agent.keeper.state().phase == "locked"
    assert agent.do("lock").returncode == 0


def test_a_wrong_pin_leaves_it_locked_and_the_right_one_opens(agent: Agent) -> None:
    agent.do("lock")
    wrong = agent.do("unlock", pin=WRONG)
    assert wrong.returncode == 7
    assert "not right" in wrong.stderr
    assert agent.keeper.state().phase == "locked"
    assert agent.do("unlock", pin=PIN).returncode == 0
    assert agent.keeper.state().phase == "open"
    assert agent.do("unlock", pin=PIN).stdout == "open\n"


def test_the_pin_can_be_changed_while_the_agent_runs(agent: Agent, tmp_path: Path) -> None:
    new = tmp_path / "new"
    new.write_bytes(WRONG)
    with new.open("rb") as file:
        read_fd, write_fd = os.pipe()
        os.write(write_fd, PIN)
        os.close(write_fd)
        changed = subprocess.run(
            [sys.executable, "-m", "cloister", "pin", "--profile", str(agent.folder),
             "--passphrase-fd", str(read_fd), "--new-passphrase-fd", str(file.fileno())],
            pass_fds=[read_fd, file.fileno()], env=environment(), capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        os.close(read_fd)
    assert (changed.returncode, changed.stdout) == (0, "the PIN is changed\n"), changed.stderr
    agent.do("lock")
    assert agent.do("unlock", pin=PIN).returncode == 7
    assert agent.do("unlock", pin=WRONG).returncode == 0


def test_a_killed_keeper_takes_the_vault_with_it_and_the_next_one_opens(agent: Agent) -> None:
    (child,) = agent.children
    agent.process.send_signal(signal.SIGKILL)
    agent.process.wait()
    until(lambda: is_gone(child))
    again = start(agent.folder)
    try:
        assert again.stdout is not None
        assert again.stdout.readline() == "running\n"
    finally:
        again.kill()
        again.wait()


def test_a_vault_process_that_dies_by_itself_ends_the_agent_with_words(agent: Agent) -> None:
    (child,) = agent.children
    os.kill(child, signal.SIGKILL)
    _, err = agent.process.communicate(timeout=WITHIN_S)
    assert agent.process.returncode == 1
    assert "was killed" in err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_agent_ends_in_good_order_and_leaves_nothing_behind(
    agent: Agent, number: signal.Signals
) -> None:
    (child,) = agent.children
    agent.process.send_signal(number)
    assert agent.process.wait(WITHIN_S) == (0 if number is signal.SIGTERM else 130)
    assert is_gone(child)
    left = {path.name for path in agent.folder.iterdir()}
    assert left == {"vault.db", "vault.key", "vault.lock", "keeper.lock"}


def test_stop_ends_a_locked_agent_too(agent: Agent) -> None:
    agent.do("lock")
    assert agent.do("agent", "stop").returncode == 0
    assert agent.process.wait(WITHIN_S) == 0


def test_a_wrong_pin_at_the_start_ends_the_agent(tmp_path: Path) -> None:
    make_profile(tmp_path)
    process = start(tmp_path, WRONG)
    _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 7
    assert "not right" in err


def test_a_second_agent_is_refused(standing_agent: Agent) -> None:
    process = start(standing_agent.folder)
    _, err = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 1
    assert "runs already" in err


def test_no_argument_and_no_environment_of_any_process_holds_a_secret(
    standing_agent: Agent,
) -> None:
    for pid in (standing_agent.process.pid, *standing_agent.children):
        for name in ("cmdline", "environ"):
            content = Path(f"/proc/{pid}/{name}").read_bytes()
            assert PIN not in content
            assert standing_agent.vault_key.hex().encode() not in content
