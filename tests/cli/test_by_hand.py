"""The whole main job by hand: two real relays, three people, every step a command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.crypto.secret import Secret
from cloister.device.agent_client import RemoteDevice, find_agent
from cloister.device.paths import socket_path
from cloister.device.vault import Vault, VaultNeedsShares
from cloister.errors import CloisterError
from cloister.roster.relay_card import RelayCard
from unit.device.relays import make_identity

Run = Callable[..., tuple[int, str, str]]
Start = Callable[..., "subprocess.Popen[str]"]
pytestmark = pytest.mark.process


class Relay:
    """A relay process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cloister", "relay", "run", str(self.folder)],
            stderr=subprocess.PIPE,
            text=True,
        )
        if self.process.stderr is None:
            raise AssertionError
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


class Circle:
    """Three people with a profile each, and their relays."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run = run
        self.folder = folder
        self.home = Relay(folder / "hk")
        self.entry = Relay(folder / "pa")

    def do(self, name: str, *arguments: str, expect: int = 0) -> str:
        """Run a command as somebody; return what it printed."""
        return self.told(name, *arguments, expect=expect)[0]

    def told(self, name: str, *arguments: str, expect: int = 0) -> tuple[str, str]:
        """The same with what was said beside it."""
        profile = ("--profile", str(self.folder / name))
        status, out, err = self.run(*arguments, *profile, "--timeout", "20")
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


@pytest.fixture
def circle(run: Run, world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Circle]:
    """Relays in two jurisdictions, and a founder."""
    monkeypatch.delenv("CLOISTER_PROFILE")
    circle = Circle(run, world)
    home, entry = str(circle.home.folder), str(circle.entry.folder)
    common = ("--host", "127.0.0.1", "--json")
    of_home = ("--role", "home", "--jurisdiction", "HK", "--operator", "North")
    of_entry = ("--role", "entry", "--jurisdiction", "PA", "--operator", "South")
    made = json.loads(run("relay", "init", home, *of_home, *common)[1])
    assert run("relay", "init", entry, *of_entry, *common)[0] == 0
    assert run("relay", "peer", home, f"{entry}/relay.card")[0] == 0
    assert run("relay", "peer", entry, f"{home}/relay.card")[0] == 0
    (world / "code").write_text(made["activation_code"] + "\n")
    monkeypatch.setenv("CLOISTER_ACTIVATION_CODE_FILE", str(world / "code"))
    try:
        circle.home.start()
        circle.entry.start()
        cards = ("--home", f"{home}/relay.card", "--entry", f"{entry}/relay.card")
        circle.do("Amira", "circle", "new", "--name", "Amira", *cards)
        yield circle
    finally:
        circle.home.kill()
        circle.entry.kill()


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command in a process of its own; what still runs at the end is killed."""
    started: list[subprocess.Popen[str]] = []

    def starting(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "cloister", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield starting
    for process in started:
        process.kill()
        process.communicate()


def test_three_people_talk_and_one_is_removed(circle: Circle) -> None:
    circle.join("Jonas", "Amira")
    circle.join("Mei", "Jonas")
    names = [(view["name"], view["state"]) for view in circle.lines("Mei", "members")]
    assert names == [("Amira", "active"), ("Jonas", "active"), ("Mei", "active")]

    circle.do("Amira", "conversation", "new", "Desk", "Jonas", "Mei")
    circle.do("Jonas", "conversation", "new", "Pair", "Mei")
    assert circle.do("Amira", "send", "Desk", "lead is confirmed \U0001f426") == "sent\n"
    circle.do("Mei", "send", "desk", "zwei\nZeilen")
    circle.do("Jonas", "send", "Pair", "only us")
    expected = [("Amira", "lead is confirmed \U0001f426"), ("Mei", "zwei\nZeilen")]
    for name in ("Amira", "Jonas", "Mei"):
        assert circle.texts(name, "Desk") == expected
    assert circle.texts("Mei", "Pair") == [("Jonas", "only us")]
    assert circle.do("Amira", "read", "Pair", expect=3) == ""

    circle.do("Amira", "send", "Desk", "x" * 12_001, expect=2)
    assert circle.texts("Jonas", "Desk") == expected

    assert circle.lines("Amira", "remove", "Mei")[0]["state"] == "proposed"
    assert circle.lines("Jonas", "remove", "Mei")[0]["state"] == "removed"
    circle.do("Amira", "send", "Desk", "without her")
    assert circle.texts("Jonas", "Desk") == [*expected, ("Amira", "without her")]
    assert circle.lines("Mei", "status")[0]["phase"] == "removed"
    assert circle.texts("Mei", "Desk") == expected


def test_what_is_sent_while_the_home_is_down_arrives_once_when_it_is_back(
    circle: Circle, start: Start
) -> None:
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    circle.do("Jonas", "status")
    # From cold both relays are needed; these vaults are open.
    circle.agent("Amira", start)
    circle.agent("Jonas", start)
    circle.home.kill()
    out, err = circle.told("Amira", "send", "Desk", "while it is down")
    assert out == "queued\n"
    assert "goes out when it can" in err
    _, err = circle.told("Amira", "invite", expect=4)
    assert "home relay" in err
    assert "this is what is here" in circle.told("Jonas", "read", "Desk")[1]
    circle.home.start()
    circle.do("Amira", "send", "Desk", "and after", "--wait")
    assert circle.texts("Jonas", "Desk") == [("Amira", "while it is down"), ("Amira", "and after")]


def test_a_home_with_another_certificate_is_a_trust_problem(circle: Circle, start: Start) -> None:
    circle.agent("Amira", start)
    circle.home.kill()
    other = make_identity(circle.folder, "other").pem.read_bytes()
    key, certificate = other.split(b"-----BEGIN CERTIFICATE-----")
    keys = circle.home.folder / "keys"
    (keys / "tls.key").write_bytes(key)
    (keys / "tls.crt").write_bytes(b"-----BEGIN CERTIFICATE-----" + certificate)
    circle.home.start()
    _, err = circle.told("Amira", "invite", expect=6)
    assert "not the pinned one" in err
    out, err = circle.told("Amira", "members", expect=6)
    assert "Amira: steward" in out
    assert "not the pinned one" in err
    # A vault that is shut stays shut: what answers there is not asked for a share.
    circle.do("Amira", "lock", "--drop-lease")
    _, err = circle.told("Amira", "unlock", expect=6)
    assert "not the pinned one" in err


def test_a_home_off_the_entrys_list_is_refused(circle: Circle) -> None:
    for card in (circle.entry.folder / "peers").iterdir():
        card.unlink()
    circle.entry.kill()
    circle.entry.start()
    _, err = circle.told("Amira", "invite", expect=5)
    assert "list of peers" in err


def test_wrong_and_used_codes_are_refused_with_words(circle: Circle) -> None:
    home, entry = circle.home.folder, circle.entry.folder
    cards = ("--home", f"{home}/relay.card", "--entry", f"{entry}/relay.card")
    _, err = circle.told("Zoe", "circle", "new", "--name", "Zoe", *cards, expect=5)
    assert "code" in err
    code = circle.do("Amira", "invite").strip()
    circle.do("Jonas", "join", code[:-3] + "000", "--name", "Jonas", expect=2)
    circle.do("Jonas", "join", code, "--name", "Jonas")
    circle.do("Amira", "vouch", "Jonas", "--met")
    circle.do("Jonas", "status")
    _, err = circle.told("Mei", "join", code, "--name", "Mei", expect=5)
    assert "invit" in err


def test_whoever_holds_the_vault_is_asked_and_the_next_takes_over(
    circle: Circle, start: Start
) -> None:
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    circle.do("Jonas", "status")
    follow = ("read", "Desk", "--follow", "--profile", str(circle.folder / "Jonas"))
    first = start(*follow)
    second = None
    try:
        circle.do("Amira", "send", "Desk", "one")
        assert read_line(first).endswith(": one\n")
        # The follower holds the vault: these ask it.
        second = start(*follow)
        assert read_line(second).endswith(": one\n")
        assert circle.do("Jonas", "send", "Desk", "two") == "sent\n"
        assert read_line(first).endswith(": two\n")
        assert read_line(second).endswith(": two\n")
        first.send_signal(signal.SIGINT)
        assert first.wait(15) == 130
        # The second now holds it, and goes on where it was.
        circle.do("Amira", "send", "Desk", "three")
        assert read_line(second).endswith(": three\n")
        circle.do("Jonas", "agent", "stop")
        _, err = second.communicate(timeout=15)
        assert second.returncode == 7
        assert "locked" in err
    finally:
        for process in (first, second):
            if process is not None:
                process.kill()
    assert [text for _, text in circle.texts("Jonas", "Desk")] == ["one", "two", "three"]


def test_commands_at_the_same_time_share_one_device(circle: Circle, start: Start) -> None:
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    profile = ("--profile", str(circle.folder / "Amira"))
    sending = [start("send", "Desk", f"text {n}", *profile) for n in range(4)]
    for process in sending:
        out, err = process.communicate(timeout=40)
        assert (process.returncode, out) == (0, "sent\n"), err
    texts = [text for _, text in circle.texts("Jonas", "Desk")]
    assert sorted(texts) == [f"text {n}" for n in range(4)]


def test_a_killed_agent_loses_and_repeats_nothing(circle: Circle, start: Start) -> None:
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    accepted: list[str] = []
    for turn in range(3):
        agent = start("agent", "run", "--profile", str(circle.folder / "Amira"))
        assert read_line(agent) == "running\n"
        accepted += asyncio.run(send_until_killed(circle.folder / "Amira", agent, turn))
    until_nobody_answers(circle.folder / "Amira")
    circle.do("Amira", "send", "Desk", "the end", "--wait")
    rows = circle.lines("Jonas", "read", "Desk", "--limit", "1000")
    texts = [row["text"] for row in rows]
    assert len(texts) == len(set(texts)), "shown once"
    assert set(accepted) <= set(texts), "what was accepted arrives"
    assert [row["counter"] for row in rows] == list(range(1, len(rows) + 1))
    own = circle.lines("Amira", "read", "Desk", "--limit", "1000")
    assert [row["text"] for row in own] == texts
    assert {row["state"] for row in own} == {"sent"}


async def send_until_killed(profile: Path, agent: subprocess.Popen[str], turn: int) -> list[str]:
    """Send as fast as the agent takes it; kill it after a while; return what it accepted."""
    accepted: list[str] = []
    remote = RemoteDevice(socket_path(profile))
    try:
        for number in range(1000):
            accepted.append((await remote.send("Desk", f"{turn}.{number}", 0)).text)
            if number == 7 + 13 * turn:
                agent.kill()
    except CloisterError:
        agent.wait()
    return accepted


def until_nobody_answers(profile: Path) -> None:
    """Wait for the vault's process: it ends a moment after the keeper that was killed."""
    deadline = time.monotonic() + 10
    while asyncio.run(find_agent(socket_path(profile))) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    if process.stdout is None:
        raise AssertionError
    return process.stdout.readline()


def test_a_founding_that_cannot_be_leaves_the_profile_free(circle: Circle, run: Run) -> None:
    home, entry = f"{circle.home.folder}/relay.card", f"{circle.entry.folder}/relay.card"
    found = ("circle", "new", "--name", "Zoe")
    assert (
        "--home takes" in circle.told("Zoe", *found, "--home", entry, "--entry", home, expect=2)[1]
    )
    for code in ("", "x" * 65):
        (circle.folder / "code").write_text(code)
        _, err = circle.told("Zoe", *found, "--home", home, "--entry", entry, expect=2)
        assert "not an activation code" in err
    (circle.folder / "code").write_text(run("relay", "code", str(circle.home.folder))[1])
    circle.do("Zoe", *found, "--home", home, "--entry", entry)
    assert circle.lines("Zoe", "status")[0]["phase"] == "member"


def test_who_is_no_member_is_told_so(circle: Circle) -> None:
    code = circle.do("Amira", "invite").strip()
    circle.do("Mei", "join", code, "--name", "Mei")
    assert "no member" in circle.told("Mei", "requests")[1]
    assert "only members" in circle.told("Mei", "vouch", "Mei", "--met", expect=5)[1]
    other = circle.do("Amira", "invite").strip()
    assert "the code was not used" in circle.told("Mei", "join", other, "--name", "Mei")[1]


def test_a_strangers_broken_handshakes_leave_no_word_in_the_log(circle: Circle) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        incoming, outgoing, server_hostname="stranger"
    )
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    for relay in (circle.home, circle.entry):
        port = RelayCard.decode((relay.folder / "relay.card").read_bytes()).port
        for said in (b"GET / HTTP/1.0\r\n\r\n", hello[:40], hello, hello + bytes(100)):
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
                with contextlib.suppress(ConnectionError):
                    while stranger.recv(65536):
                        pass
        process = relay.process
        assert process is not None
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=20)
        assert {"signal", "stopped"} <= {json.loads(line)["event"] for line in log.splitlines()}
        assert "stranger" not in log


# --- unlock shares --------------------------------------------------------------------------------


def test_from_cold_both_relays_are_needed_and_the_lease_needs_none(
    circle: Circle, start: Start
) -> None:
    (status,) = circle.lines("Amira", "status")
    assert status["vault_key"] == "PIN and unlock shares of 2 relays"
    with pytest.raises(VaultNeedsShares):
        Vault.open(circle.folder / "Amira", Secret(b"correct horse"))
    circle.agent("Amira", start)
    circle.home.kill()
    assert "PIN alone unlocks" in circle.do("Amira", "lock")
    assert circle.do("Amira", "unlock") == "open\n"
    circle.do("Amira", "lock", "--drop-lease")
    for _ in range(4):  # four tries would have to wait
        _, err = circle.told("Amira", "unlock", expect=4)
        assert "two relays are needed" in err
    assert circle.lines("Amira", "status")[0]["phase"] == "locked"
    circle.home.start()
    assert circle.do("Amira", "unlock") == "open\n"
    assert circle.lines("Amira", "status")[0]["phase"] == "member"


def test_a_wrong_pin_is_counted_and_the_pin_can_be_changed(circle: Circle, start: Start) -> None:
    right = circle.folder / "passphrase"
    new = circle.folder / "new"
    new.write_text("271353\n")
    right.write_text("wrong horse\n")
    _, err = circle.told("Amira", "status", expect=7)
    assert "9 tries are left" in err
    right.write_text("correct horse\n")
    circle.do("Amira", "status")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOISTER_NEW_PASSPHRASE_FILE", str(new))
        circle.do("Amira", "pin")
    _, err = circle.told("Amira", "status", expect=7)
    assert "9 tries are left" in err
    right.write_text("271353\n")
    circle.agent("Amira", start)
    circle.do("Amira", "lock")
    right.write_text("correct horse\n")
    _, err = circle.told("Amira", "unlock", expect=7)
    assert "no relay was asked" in err


def test_an_agent_that_starts_before_the_relays_waits_for_them(
    circle: Circle, start: Start
) -> None:
    circle.home.kill()
    agent = start("agent", "run", "--profile", str(circle.folder / "Amira"))
    assert agent.stderr is not None
    assert "waiting" in agent.stderr.readline()
    circle.home.start()
    assert read_line(agent) == "running\n"
