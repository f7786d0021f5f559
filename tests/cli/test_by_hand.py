"""The whole main job by hand: two real relays, three people, every step a command."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.by_hand import Circle, Relays, Run, Start, command, found, read_line
from cloister.cli import person
from cloister.client import receipts
from cloister.clock import VARIABLE
from cloister.crypto.secret import Secret
from cloister.device.agent_client import RemoteDevice, find_agent
from cloister.device.paths import socket_path
from cloister.device.vault import Vault, VaultNeedsShares
from cloister.errors import CloisterError
from cloister.roster.relay_card import RelayCard
from unit.device.relays import make_identity

pytestmark = pytest.mark.process
WITHIN_S = 60.0


@pytest.fixture(scope="module")
def shared_relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relays]:
    """One pair for all circles whose story leaves the relays alone."""
    relays = Relays(tmp_path_factory.mktemp("relays"))
    try:
        relays.start()
        yield relays
    finally:
        relays.kill()


@pytest.fixture
def circle(shared_relays: Relays, run: Run, world: Path, monkeypatch: pytest.MonkeyPatch) -> Circle:
    """A founder, at relays that other circles use too."""
    return found(Circle(run, world, shared_relays), monkeypatch)


@pytest.fixture
def stopping(circle: Circle) -> Iterator[Circle]:
    """The same, where the story stops the home for a while."""
    yield circle
    if circle.home.process is None:
        circle.home.start()


@pytest.fixture
def own_circle(run: Run, world: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Circle]:
    """A founder, at relays that the story changes."""
    relays = Relays(world)
    try:
        relays.start()
        yield found(Circle(run, world, relays), monkeypatch)
    finally:
        relays.kill()


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


@pytest.mark.nightly
def test_three_people_talk_and_one_is_removed(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    circle.do("Jonas", "conversation", "receipts", "Desk", "read")
    circle.do("Amira", "send", "Desk", "has it come?")
    expected.append(("Amira", "has it come?"))
    assert circle.texts("Jonas", "Desk") == expected
    assert "delivered" not in circle.lines("Amira", "read", "Desk")[-1]
    with monkeypatch.context() as later:
        (circle.folder / "clock").write_text("100")
        later.setenv(VARIABLE, str(circle.folder / "clock"))
        circle.do("Jonas", "status")
    row = circle.lines("Amira", "read", "Desk")[-1]
    assert (row["delivered"], row["read"], row["others"]) == (1, 1, 2)

    assert circle.lines("Amira", "remove", "Mei")[0]["state"] == "proposed"
    assert circle.lines("Jonas", "remove", "Mei")[0]["state"] == "removed"
    circle.do("Amira", "send", "Desk", "without her")
    assert circle.texts("Jonas", "Desk") == [*expected, ("Amira", "without her")]
    assert circle.lines("Mei", "status")[0]["phase"] == "removed"
    assert circle.texts("Mei", "Desk") == expected


@pytest.mark.nightly
def test_what_is_sent_while_the_home_is_down_arrives_once_when_it_is_back(
    own_circle: Circle, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    own_circle.join("Jonas", "Amira")
    own_circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    own_circle.do("Jonas", "status")
    # From cold both relays are needed; these vaults are open.
    own_circle.agent("Amira", start)
    own_circle.agent("Jonas", start)
    own_circle.home.kill()
    # What is waited for is down, and stays so.
    monkeypatch.setenv("CLOISTER_SEND_WAIT_S", "1")
    monkeypatch.setattr(person, "SETTLE_S", 1.0)
    out, err = own_circle.told("Amira", "send", "Desk", "while it is down")
    assert out == "queued\n"
    assert "goes out when it can" in err
    _, err = own_circle.told("Amira", "invite", expect=4, timeout_s=2)
    assert "home relay" in err
    assert "this is what is here" in own_circle.told("Jonas", "read", "Desk")[1]
    own_circle.home.start()
    own_circle.do("Amira", "send", "Desk", "and after", "--wait")
    # Jonas's agent comes back in its own time.
    deadline = time.monotonic() + WITHIN_S
    while len(texts := own_circle.texts("Jonas", "Desk")) < 2:
        assert time.monotonic() < deadline
    assert texts == [("Amira", "while it is down"), ("Amira", "and after")]


def test_a_home_with_another_certificate_is_a_trust_problem(
    own_circle: Circle, start: Start
) -> None:
    own_circle.agent("Amira", start)
    own_circle.home.kill()
    other = make_identity(own_circle.folder, "other").pem.read_bytes()
    key, certificate = other.split(b"-----BEGIN CERTIFICATE-----")
    keys = own_circle.home.folder / "keys"
    (keys / "tls.key").write_bytes(key)
    (keys / "tls.crt").write_bytes(b"-----BEGIN CERTIFICATE-----" + certificate)
    own_circle.home.program = (str(Path(__file__).with_name("relay_of_another.py")),)
    own_circle.home.start()
    _, err = own_circle.told("Amira", "invite", expect=6)
    assert "not the pinned one" in err
    out, err = own_circle.told("Amira", "members", expect=6)
    assert "Amira: steward" in out
    assert "not the pinned one" in err
    # A vault that is shut stays shut: what answers there is not asked for a share.
    own_circle.do("Amira", "lock", "--drop-lease")
    _, err = own_circle.told("Amira", "unlock", expect=6)
    assert "not the pinned one" in err


def test_a_restored_home_has_a_share_again_once_doctor_was_there(
    own_circle: Circle, start: Start
) -> None:
    """A backup has no unlock share: who locks before others are made opens the vault no more."""
    own_circle.agent("Amira", start)
    home = own_circle.home
    backup = own_circle.folder / "backup"
    command("backup", str(home.folder), str(backup))
    home.kill()
    shutil.rmtree(home.folder)
    command("restore", str(backup), str(home.folder))
    home.start()
    own_circle.do("Amira", "doctor")
    own_circle.do("Amira", "lock", "--drop-lease")
    own_circle.do("Amira", "unlock")
    own_circle.do("Amira", "status")


def test_a_home_off_the_entrys_list_is_refused(own_circle: Circle) -> None:
    for card in (own_circle.entry.folder / "peers").iterdir():
        card.unlink()
    own_circle.entry.kill()
    own_circle.entry.start()
    _, err = own_circle.told("Amira", "invite", expect=5)
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
        assert first.wait(WITHIN_S) == 130
        # The second now holds it, and goes on where it was.
        circle.do("Amira", "send", "Desk", "three")
        assert read_line(second).endswith(": three\n")
        circle.do("Jonas", "agent", "stop")
        _, err = second.communicate(timeout=WITHIN_S)
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
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "sent\n"), err
    texts = [text for _, text in circle.texts("Jonas", "Desk")]
    assert sorted(texts) == [f"text {n}" for n in range(4)]


@pytest.mark.nightly
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
    deadline = time.monotonic() + 60
    while asyncio.run(find_agent(socket_path(profile))) is not None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_founding_that_cannot_be_leaves_the_profile_free(circle: Circle, run: Run) -> None:
    home, entry = f"{circle.home.folder}/relay.card", f"{circle.entry.folder}/relay.card"
    found = ("circle", "new", "--name", "Zoe")
    swapped = ("--home", entry, "--entry", home)
    assert "two cards swapped" in circle.told("Zoe", *found, *swapped, expect=2)[1]
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


def test_a_strangers_broken_handshakes_leave_no_word_in_the_log(own_circle: Circle) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).wrap_bio(
        incoming, outgoing, server_hostname="stranger"
    )
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    hello = outgoing.read()
    for relay in (own_circle.home, own_circle.entry):
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
        _, log = process.communicate(timeout=60)
        assert {"signal", "stopped"} <= {json.loads(line)["event"] for line in log.splitlines()}
        assert "stranger" not in log


# --- unlock shares --------------------------------------------------------------------------------


def test_from_cold_both_relays_are_needed_and_the_lease_needs_none(
    stopping: Circle, start: Start
) -> None:
    (status,) = stopping.lines("Amira", "status")
    assert status["vault_key"] == "PIN and unlock shares of 2 relays"
    with pytest.raises(VaultNeedsShares):
        Vault.open(stopping.folder / "Amira", Secret(b"correct horse"))
    stopping.agent("Amira", start)
    stopping.home.kill()
    assert "PIN alone unlocks" in stopping.do("Amira", "lock")
    assert stopping.do("Amira", "unlock") == "open\n"
    stopping.do("Amira", "lock", "--drop-lease")
    for _ in range(4):  # four tries would have to wait
        _, err = stopping.told("Amira", "unlock", expect=4)
        assert "two relays are needed" in err
    assert stopping.lines("Amira", "status")[0]["phase"] == "locked"
    stopping.home.start()
    assert stopping.do("Amira", "unlock") == "open\n"
    assert stopping.lines("Amira", "status")[0]["phase"] == "member"


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
    stopping: Circle, start: Start
) -> None:
    stopping.home.kill()
    agent = start("agent", "run", "--profile", str(stopping.folder / "Amira"))
    assert agent.stderr is not None
    assert "waiting" in agent.stderr.readline()
    stopping.home.start()
    assert read_line(agent) == "running\n"


@pytest.mark.nightly
@pytest.mark.slow
def test_what_is_read_on_one_device_is_read_on_the_other(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "LEAST_DELAY_S", 1)
    monkeypatch.setattr(receipts, "DELAY_SPREAD_S", 1)
    circle.join("Jonas", "Amira")
    code = circle.do("Amira", "device", "add").strip()
    circle.do("Amira-2", "join", code, "--own")
    circle.do("Jonas", "vouch", "new device", "--met")
    circle.do("Amira-2", "status")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    circle.do("Amira", "conversation", "receipts", "Desk", "read")

    def unread() -> int:
        views = circle.lines("Amira-2", "conversation", "list")
        return next(int(view["unread"]) for view in views if view["title"] == "Desk")

    circle.do("Jonas", "send", "Desk", "lead is confirmed")
    assert unread() == 1
    assert circle.texts("Amira", "Desk") == [("Jonas", "lead is confirmed")]
    until = time.monotonic() + 30
    while unread() and time.monotonic() < until:
        circle.do("Amira", "status")
    assert unread() == 0
    circle.do("Jonas", "send", "Desk", "hold it")
    assert unread() == 1


@pytest.mark.nightly
@pytest.mark.slow
def test_history_goes_to_a_second_device_and_nothing_is_sent_from_there(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The archive of one device, read by the other: history, and no more than that."""
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    circle.do("Amira", "send", "Desk", "lead is confirmed")
    circle.do("Jonas", "send", "Desk", "seen")
    said = [("Amira", "lead is confirmed"), ("Jonas", "seen")]
    assert circle.texts("Amira", "Desk") == said

    (circle.folder / "words").write_text("six random words are good\n")
    monkeypatch.setenv("CLOISTER_BACKUP_PASSPHRASE_FILE", str(circle.folder / "words"))
    file = str(circle.folder / "history.cloister")
    (made,) = circle.lines("Amira", "backup", file)
    assert (made["done"], made["entry"]) == (True, "")
    circle.do("Amira", "backup", file, expect=2)

    code = circle.do("Amira", "device", "add").strip()
    circle.do("Amira-2", "join", code, "--own")
    circle.do("Jonas", "vouch", "new device", "--met")
    assert circle.lines("Amira-2", "status")[0]["phase"] == "member"
    (read,) = circle.lines("Amira-2", "restore", file)
    assert (read["messages"], read["new"]) == (made["messages"], made["messages"])
    rows = circle.lines("Amira-2", "read", "Desk")
    kept = [row for row in rows if row["restored"] and row["kind"] == "text"]
    assert [(row["name"], row["text"]) for row in kept] == said
    assert ", restored: lead is confirmed" in circle.do("Amira-2", "read", "Desk")
    listed = {view["title"]: view for view in circle.lines("Amira-2", "conversation", "list")}
    assert listed["Desk"]["unread"] == 0
    assert circle.lines("Amira-2", "restore", file)[0]["new"] == 0

    # Nobody was sent anything by all that, and what is said goes on from the device's own keys.
    assert circle.texts("Jonas", "Desk") == said
    circle.do("Amira", "send", "Desk", "goes on")
    assert circle.texts("Jonas", "Desk")[-1] == ("Amira", "goes on")

    _, words = circle.told("Jonas", "restore", file, expect=5)
    assert "another member" in words
    (circle.folder / "words").write_text("six other words are not\n")
    _, words = circle.told("Amira", "restore", file, expect=7)
    assert "the passphrase of the backup is not right" in words
    (circle.folder / "words").write_text("short\n")
    _, words = circle.told("Amira", "backup", file + "2", expect=2)
    assert "at least 12 characters" in words


@pytest.mark.nightly
@pytest.mark.slow
def test_who_returns_reads_the_backup_and_goes_on_where_others_bring_them_in(
    circle: Circle, monkeypatch: pytest.MonkeyPatch
) -> None:
    circle.join("Jonas", "Amira")
    circle.do("Amira", "conversation", "new", "Desk", "Jonas")
    circle.do("Jonas", "send", "Desk", "before the loss")
    (circle.folder / "words").write_text("six random words are good\n")
    monkeypatch.setenv("CLOISTER_BACKUP_PASSPHRASE_FILE", str(circle.folder / "words"))
    file = str(circle.folder / "history.cloister")
    circle.do("Jonas", "backup", file)

    code = circle.do("Amira", "invite", "--return", "Jonas").strip()
    circle.do("Jonas-2", "join", code, "--name", "Jonas")
    circle.do("Jonas-2", "restore", file, expect=3)
    circle.do("Amira", "vouch", "Jonas", "--met")
    assert circle.lines("Jonas-2", "status")[0]["phase"] == "member"
    circle.do("Jonas-2", "restore", file)
    listed = {view["title"]: view for view in circle.lines("Jonas-2", "conversation", "list")}
    assert (listed["Desk"]["state"], listed["Desk"]["unread"]) == ("kept", 0)
    assert circle.texts("Jonas-2", "Desk") == [("Jonas", "before the loss")]
    circle.do("Jonas-2", "send", "Desk", "am I in?", expect=3)

    circle.do("Amira", "conversation", "add", "Desk", "Jonas")
    circle.do("Amira", "send", "Desk", "welcome back")
    expected = [("Jonas", "before the loss"), ("Amira", "welcome back")]
    assert circle.texts("Jonas-2", "Desk") == expected
    listed = {view["title"]: view for view in circle.lines("Jonas-2", "conversation", "list")}
    assert listed["Desk"]["state"] == "active"
    circle.do("Jonas-2", "send", "Desk", "thank you")
    assert circle.texts("Amira", "Desk")[-1] == ("Jonas", "thank you")
