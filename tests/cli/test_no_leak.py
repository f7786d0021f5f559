"""Nothing that is said or secret is in a log, a metric, a report of a bug, a file, or a core dump.

Two relays and the agents of two people, as talkative as Python can be made: there is no level at
which the program itself says more or less.  Two hundred random words are put where people write
and where secrets are; errors are provoked; then everything that was written anywhere is searched.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import re
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.by_hand import Circle, Relay, Relays, Run, command, found
from cloister.cli import person
from cloister.cli.failures import report_bug
from cloister.demo.check.secrecy import encodings, holds_any
from cloister.device.agent_client import RemoteDevice
from cloister.device.paths import crash_folder, socket_path
from cloister.relay.logsafe import Log

pytestmark = [pytest.mark.process, pytest.mark.slow]

WITHIN_S = 60.0
CANARIES = 200
LEAKY = Path(__file__).with_name("leaky_relay.py")
LOUD = {"PYTHONDEVMODE": "1", "PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "always"}
"""All that Python, asyncio and the libraries would say."""
TRACING = "-sys_ptrace"


class Canaries:
    """Random words that stand nowhere else."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()
        self.all: list[str] = []

    def word(self) -> str:
        """A new one: letters only, as a name may have them."""
        return self.add("".join(self._random.choices(string.ascii_lowercase, k=14)))

    def words(self, count: int) -> str:
        return " ".join(self.word() for _ in range(count))

    def add(self, secret: str) -> str:
        """Search for this one too."""
        self.all.append(secret)
        return secret

    def found_in(self, places: dict[str, bytes]) -> list[tuple[str, str]]:
        """By name of the place: what stands there, in any of some encodings."""
        forms = {one: frozenset(encodings(one.encode())) for one in self.all}
        every = frozenset().union(*forms.values())
        return [
            (name, one)
            for name, content in places.items()
            if holds_any(content, every)
            for one, of_it in forms.items()
            if holds_any(content, of_it)
        ]


def without_tracing() -> list[str]:
    """Begin a command line by which a process of root may look into others' no more than a user's
    into their own: nothing but a process's own consent then decides."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root without setpriv may look into everything")
    return [setpriv, f"--bounding-set={TRACING}", f"--inh-caps={TRACING}"]


class LoudRelay(Relay):
    """A relay whose standard error goes to a file beside its folder."""

    program: tuple[str, ...] = ("-m", "cloister")

    @property
    def journal(self) -> Path:
        return self.folder.with_name(self.folder.name + ".journal")

    def begin(self) -> None:
        self.journal.touch()
        self._said = self.journal.stat().st_size
        with self.journal.open("ab") as journal:
            self.process = subprocess.Popen(
                [
                    *without_tracing(),
                    *(sys.executable, *self.program, "relay", "run", str(self.folder)),
                ],
                stdout=journal,
                stderr=journal,
                env={**os.environ, **LOUD},
                text=True,
            )

    def wait(self) -> None:
        until(lambda: b'"ready"' in self.journal.read_bytes()[self._said :])


class LeakyRelay(LoudRelay):
    """The same with a planted fault."""

    program = (str(LEAKY),)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class Life:
    """The normal life of a circle, and some of the abnormal one."""

    def __init__(self, circle: Circle, canaries: Canaries, monkeypatch: pytest.MonkeyPatch) -> None:
        self.circle = circle
        self.canaries = canaries
        self.monkeypatch = monkeypatch
        self.agents: dict[str, subprocess.Popen[bytes]] = {}
        self.metrics: dict[str, bytes] = {}
        self.said: dict[str, bytes] = {}
        """By command: what it said beside its answer, where only secrets are searched for."""

    @property
    def secrets(self) -> Path:
        return self.circle.folder / "secrets"

    def secret(self, variable: str, value: str) -> None:
        """Give a secret to what is started from now on."""
        path = self.secrets / variable
        path.write_text(value + "\n")
        self.monkeypatch.setenv(variable, str(path))

    def agent(self, name: str) -> None:
        journal = self.circle.folder / f"{name}.journal"
        with journal.open("wb") as file:
            self.agents[name] = subprocess.Popen(
                [
                    *without_tracing(),
                    *(sys.executable, "-m", "cloister", "agent", "run"),
                    *("--profile", str(self.circle.folder / name)),
                ],
                stdout=file,
                stderr=file,
                env={**os.environ, **LOUD},
            )
        until(lambda: b"running\n" in journal.read_bytes())

    def enter(self) -> None:
        """Jonas comes in; both have agents."""
        circle, canaries = self.circle, self.canaries
        self.jonas = f"Jonas {canaries.word()}"
        code = canaries.add(circle.do("Amira", "invite").strip())
        circle.do("Jonas", "join", code, "--name", self.jonas)
        circle.do("Amira", "vouch", self.jonas, "--met")
        circle.do("Jonas", "status")
        for name in ("Amira", "Jonas"):
            self.agent(name)

    def talk(self) -> None:
        circle, canaries = self.circle, self.canaries
        title = f"Desk {canaries.word()}"
        circle.do("Amira", "conversation", "new", title, self.jonas)
        for name in ("Amira", "Jonas"):
            for _ in range(4):
                circle.do(name, "send", title, canaries.words(18), "--wait")
        circle.do("Amira", "message", "edit", title, "mine", canaries.words(10))
        circle.do("Jonas", "message", "react", title, "last", canaries.word())
        circle.do("Jonas", "message", "retract", title, "mine", "--yes")
        circle.do("Amira", "contact", "name", self.jonas, canaries.word())
        self.title = f"Desk {canaries.word()}"
        circle.do("Amira", "conversation", "rename", title, self.title)
        circle.do("Amira", "hold", "place", "--circle", "--note", canaries.words(6), "--yes")
        asyncio.run(self.draft())
        self.secret("CLOISTER_BACKUP_PASSPHRASE_FILE", canaries.words(4))
        circle.do("Amira", "backup", str(circle.folder / "kept.backup"))

    async def draft(self) -> None:
        """Begin a text and leave it."""
        device = RemoteDevice(socket_path(self.circle.folder / "Amira"))
        for view in await device.conversations():
            await device.keep_draft(str(view["channel_id"]), self.canaries.words(3))

    def err(self) -> None:
        """Wrong PINs, used and wrong codes, what is not there, a relay that is gone, a bug."""
        circle, canaries = self.circle, self.canaries
        right = (self.secrets / "CLOISTER_PASSPHRASE_FILE").read_text().strip()
        circle.do("Jonas", "lock")
        self.secret("CLOISTER_PASSPHRASE_FILE", canaries.words(2))
        self.said["wrong PIN"] = circle.told("Jonas", "unlock", expect=7)[1].encode()
        self.secret("CLOISTER_PASSPHRASE_FILE", right)
        circle.do("Jonas", "unlock")
        circle.do("Amira", "send", canaries.word(), canaries.words(4), expect=3)
        used = canaries.add(circle.do("Amira", "invite").strip())
        broken = canaries.add(used[:-4] + "AAAA")
        self.said["broken code"] = circle.told("Eve", "join", broken, "--name", "Eve", expect=2)[
            1
        ].encode()
        self.wrong_code()
        circle.home.kill()
        self.monkeypatch.setenv("CLOISTER_SEND_WAIT_S", "1")
        self.monkeypatch.setattr(person, "SETTLE_S", 1.0)
        assert circle.do("Amira", "send", self.title, canaries.words(9)) == "queued\n"
        circle.home.start()
        report_bug(_bug(canaries))

    def wrong_code(self) -> str:
        """Zoe tries to found a circle with a code that nobody was given."""
        circle, code = self.circle, self.canaries.word()
        self.secret("CLOISTER_ACTIVATION_CODE_FILE", code)
        name = f"Zoe {self.canaries.word()}"
        home, entry = circle.home.folder, circle.entry.folder
        cards = ("--home", f"{home}/relay.card", "--entry", f"{entry}/relay.card")
        said = circle.told("Zoe", "circle", "new", "--name", name, *cards, expect=5)[1]
        self.said["wrong activation code"] = said.encode()
        return code

    def measure(self) -> None:
        """What a relay says of itself."""
        for relay in (self.circle.home, self.circle.entry):
            folder = str(relay.folder)
            for words in (("status", "--json"), ("status", "--prometheus"), ("disclose", "--json")):
                name, *options = words
                said = command(name, folder, *options)
                assert said
                self.metrics[f"{relay.folder.name} {' '.join(words)}"] = said.encode()

    def break_keys(self) -> None:
        """A relay whose key file holds something else does not say what."""
        relay = self.circle.entry
        relay.kill()
        key = relay.folder / "keys" / "relay.key"
        kept = key.read_bytes()
        key.write_text(self.canaries.words(3))
        relay.begin()
        assert relay.process is not None
        assert relay.process.wait(WITHIN_S) != 0
        key.write_bytes(kept)

    def pids(self) -> list[int]:
        """Every process that holds keys."""
        found = []
        for process in (self.circle.home.process, self.circle.entry.process, *self.agents.values()):
            assert process is not None
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            found += [process.pid, *map(int, children.split())]
        return found

    def end(self) -> None:
        for process in self.agents.values():
            process.kill()
            process.wait()

    def places(self) -> dict[str, bytes]:
        """All that was written anywhere, but by the test itself."""
        folder = self.circle.folder
        files = [
            path
            for path in folder.rglob("*")
            if path.is_file() and not path.is_relative_to(self.secrets)
        ]
        return {str(path.relative_to(folder)): path.read_bytes() for path in files} | self.metrics


def _bug(canaries: Canaries) -> Exception:
    try:
        try:
            raise KeyError(canaries.word())
        except KeyError as error:
            raise ValueError(canaries.words(2)) from error
    except ValueError as error:
        return error


@pytest.fixture
def begin(
    run: Run, world: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Callable[[Path], Relay]], Life]]:
    """Found a circle at relays of a kind; the founder's name, PIN and code are canaries."""
    started: list[Life | Relays] = []

    def beginning(kind: Callable[[Path], Relay]) -> Life:
        canaries = Canaries()
        relays = Relays(world, kind)
        started.append(relays)
        relays.start()
        life = Life(Circle(run, world, relays), canaries, monkeypatch)
        started.append(life)
        life.secrets.mkdir()
        life.secret("CLOISTER_PASSPHRASE_FILE", canaries.words(2))
        found(life.circle, monkeypatch)
        code = world / "code"
        canaries.add(code.read_text().strip())
        code.unlink()
        return life

    yield beginning
    for one in reversed(started):
        if isinstance(one, Relays):
            one.kill()
        else:
            one.end()


@pytest.mark.nightly
def test_nothing_that_is_said_or_secret_is_written_anywhere(
    begin: Callable[[Callable[[Path], Relay]], Life],
) -> None:
    life = begin(LoudRelay)
    life.enter()
    life.talk()
    life.err()
    life.measure()
    pids = life.pids()
    assert len(pids) >= 6, "two relays, two agents of two processes each"
    for pid in pids:
        leaves_no_core(pid)
    life.break_keys()
    life.end()
    canaries = life.canaries
    assert len(canaries.all) >= CANARIES
    places = life.places()
    assert {"hk.journal", "pa.journal", "Amira.journal", "Jonas.journal"} <= set(places)
    assert sum(name.startswith("hk/") for name in places) >= 8
    assert any(Path(name).is_relative_to("xdg_state_home") for name in places), "the report"
    assert crash_folder().is_dir()
    assert canaries.found_in(places) == []
    # What people are told may name what they wrote, and never a PIN or a code.
    assert canaries.found_in(life.said) == []


def leaves_no_core(pid: int) -> None:
    """Demand that a process has both: no core file, and no look into it by its own user."""
    limits = Path(f"/proc/{pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M), pid
    if sys.platform == "linux":
        assert not may_look_into(pid), pid


def may_look_into(pid: int) -> bool:
    """Tell whether a process of the same user may read another's memory."""
    program = f"open('/proc/{pid}/mem', 'rb')"
    return not subprocess.run(
        [*without_tracing(), sys.executable, "-I", "-S", "-c", program],
        capture_output=True,
        check=False,
    ).returncode


def test_a_process_that_allows_it_is_looked_into() -> None:
    """The search for what is forbidden finds what is not."""
    with subprocess.Popen([*without_tracing(), "sleep", "60"]) as process:
        try:
            time.sleep(0.2)  # setpriv becomes it
            assert may_look_into(process.pid)
        finally:
            process.kill()


def test_a_planted_leak_is_found_and_nothing_beside_it(
    begin: Callable[[Callable[[Path], Relay]], Life],
) -> None:
    life = begin(LeakyRelay)
    right = life.canaries.all[-1]
    life.canaries.add(life.circle.do("Amira", "invite").strip())
    wrong = life.wrong_code()
    life.measure()
    for pid in life.pids():
        leaves_no_core(pid)
    leaks = life.canaries.found_in(life.places())
    assert leaks == [("hk.journal", right), ("hk.journal", wrong)]


def test_words_are_found_in_every_encoding_that_is_searched() -> None:
    canaries = Canaries()
    word = canaries.word()
    places = {str(n): b"x" * n + form + b"y" for n, form in enumerate(encodings(word.encode()))}
    assert len(places) >= 6
    assert {place for place, _ in canaries.found_in(places)} == set(places)


def test_a_relay_says_of_a_bug_only_its_class_and_place() -> None:
    canaries, said = Canaries(), io.StringIO()
    Log(lambda: 0, said).bug("planted", _bug(canaries))
    assert "ValueError" in said.getvalue()
    assert canaries.found_in({"log": said.getvalue().encode()}) == []
