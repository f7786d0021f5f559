"""What lies where in the demo's folder: the format that the checker reads.

demo.json          who, titles of the conversations, canaries
script.txt         the script as given
chapters.json      what was measured and answered in the second and third chapter
clock              seconds by which every program here is ahead of the machine
stolen/            what a thief copied of the lost device: vault.key and vault.db
said.jsonl         every text, written down before it is said
refusals.jsonl     what the home relay answered to the removed device
people/N/          profile of person N (0 is the founder)
passphrases/N      passphrase of that profile
relays/entry|home  folder of each relay
logs/CHILD.log     standard output and error of each process, over all its starts
trace/N.jsonl      connections and name look-ups of device N
pids/CHILD         number of each running process
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloister.clock import VARIABLE as CLOCK_VARIABLE

FORMAT: Final = 2
ONE_TO_ONE: Final = "one"
GROUP: Final = "group"
LEDGER: Final = "ledger"
"""The conversation of the second and third chapter: the two stewards and the two extras."""
BEFORE: Final = "before"
AFTER: Final = "after"
"""Phases of ``said.jsonl``: before and after the third person's removal."""
FOUNDER, SECOND, THIRD = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Cast:
    """``demo.json``: who takes part, under which names, in which conversations."""

    script_names: tuple[str, ...]
    names: tuple[str, ...]
    """The same people's names in the circle, where a name has 64 bytes and no hidden characters."""
    extras: tuple[str, ...]
    """Who comes in the second chapter: whose device is lost, and whose seat lapses."""
    titles: dict[str, str]
    canaries: tuple[str, ...]

    def encode(self) -> bytes:
        """Return the file's content."""
        return json.dumps(
            {
                "v": FORMAT,
                "script_names": self.script_names,
                "names": self.names,
                "extras": self.extras,
                "titles": self.titles,
                "canaries": self.canaries,
            },
            indent=1,
        ).encode()

    @classmethod
    def decode(cls, content: bytes) -> Cast:
        """Read the file's content.  Raises ``ValueError`` or ``KeyError``."""
        body = json.loads(content)
        if body["v"] != FORMAT:
            raise ValueError("the folder is of another version of the demo")
        return cls(
            tuple(body["script_names"]),
            tuple(body["names"]),
            tuple(body["extras"]),
            dict(body["titles"]),
            tuple(body["canaries"]),
        )


@dataclass(frozen=True, slots=True)
class Said:
    """One line of ``said.jsonl``."""

    person: int
    conversation: str
    phase: str
    text: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The paths below a demo's folder."""

    root: Path

    @property
    def cast(self) -> Path:
        """Who takes part."""
        return self.root / "demo.json"

    @property
    def script(self) -> Path:
        """The script as given."""
        return self.root / "script.txt"

    @property
    def said(self) -> Path:
        """Every text, before it is said."""
        return self.root / "said.jsonl"

    @property
    def chapters(self) -> Path:
        """What was measured and answered in the later chapters."""
        return self.root / "chapters.json"

    @property
    def clock(self) -> Path:
        """Seconds by which every program of the demo is ahead of the machine."""
        return self.root / "clock"

    @property
    def stolen(self) -> Path:
        """What a thief copied of the lost device."""
        return self.root / "stolen"

    @property
    def refusals(self) -> Path:
        """What the home relay answered to the removed device."""
        return self.root / "refusals.jsonl"

    def profile(self, person: int) -> Path:
        """Profile folder of a person."""
        return self.root / "people" / str(person)

    def passphrase(self, person: int) -> Path:
        """File with the passphrase of that profile."""
        return self.root / "passphrases" / str(person)

    def relay(self, role: str) -> Path:
        """Folder of the ``entry`` or the ``home`` relay."""
        return self.root / "relays" / role

    def log(self, child: str) -> Path:
        """What a process said, over all its starts."""
        return self.root / "logs" / f"{child}.log"

    def trace(self, person: int) -> Path:
        """Connections and look-ups of a device."""
        return self.root / "trace" / f"{person}.jsonl"

    def pid(self, child: str) -> Path:
        """Number of a running process."""
        return self.root / "pids" / child

    def environment(self) -> dict[str, str]:
        """The environment of every process of the demo: they share its clock, and enrol without
        the delays that hide from an observer of the network what belongs together."""
        return {**os.environ, CLOCK_VARIABLE: str(self.clock), "CLOISTER_ERRAND_DELAY_S": "0"}

    def make(self, people: int) -> None:
        """Make the folders, for the owner alone."""
        for path in (
            self.root,
            *(self.root / name for name in ("people", "passphrases", "relays")),
            *(self.root / name for name in ("logs", "trace", "pids")),
            *(self.profile(person) for person in range(people)),
        ):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self.clock.exists():
            self.clock.write_text("0", encoding="ascii")

    def add_said(self, said: Said) -> None:
        """Write a text down; it is on disk before it is said."""
        line = json.dumps([said.person, said.conversation, said.phase, said.text])
        append_line(self.said, line)

    def read_said(self) -> list[Said]:
        """Return all texts in order.  Raises ``ValueError`` on a damaged file."""
        found = []
        for body in read_json_lines(self.said):
            person, conversation, phase, text = body
            found.append(Said(int(person), str(conversation), str(phase), str(text)))
        return found


def append_line(path: Path, line: str) -> None:
    """Append one line; a line is one write, so that two writers cannot mix theirs."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, line.encode() + b"\n")
    finally:
        os.close(descriptor)


def read_json_lines(path: Path) -> Iterator[Any]:
    """Yield the values of a file of JSON lines.  Raises ``ValueError``; a missing file is empty."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content.split(b"\n"):
        if line.strip():
            yield json.loads(line)
