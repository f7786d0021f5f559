"""One shell in which the blocks of a guide are run, one after the other, as they are printed."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from docs.forked_program import ForkedProgram
from docs.shell_blocks import ROOT, Block, blocks_of
from docs.shell_lines_not_run import NOT_RUN

DRIVER: Final = """
trap 'jobs -p | xargs -r kill 2> /dev/null || true; wait' EXIT
while read -r piece <&60; do
    source "$piece" > "$piece.out" 2> "$piece.err" < "$piece.in" 60<&- 61>&-
    echo done >&61
done
"""


@dataclass(frozen=True, slots=True)
class Said:
    """What a piece has written; at a terminal all of it is ``out``."""

    out: str
    err: str


Answer = str | Callable[[re.Match[str]], str]
Answers = Sequence[tuple[str, Answer]]
"""What is typed at a terminal: after what (a pattern), and what, or what makes it of the match."""
Typed = str | Callable[[str], str]
"""What comes on standard input, or what makes it of what was said before in the same block."""


@dataclass(slots=True)
class Shell:
    """A bash with ``-euo pipefail``.  A piece that fails is a test that fails."""

    folder: Path
    """Where it is, and its person at home."""
    environment: dict[str, str]
    values: dict[str, str] = field(default_factory=dict)
    """What a reader puts in place of what is printed: addresses, references, places."""
    longest_s: float = 100.0
    """How long a piece may take."""
    _pieces: Path = field(init=False)
    _bash: subprocess.Popen[bytes] = field(init=False)
    _to: int = field(init=False)
    _from: int = field(init=False)
    _count: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self._pieces = Path(tempfile.mkdtemp(prefix="pieces-", dir=self.folder))
        their_end, self._to = os.pipe()
        self._from, their_answers = os.pipe()
        opened = f"exec 60<&{their_end} 61>&{their_answers} {their_end}<&- {their_answers}>&-"
        self._bash = subprocess.Popen(
            # The outer shell leads the session, so that no terminal becomes the inner one's own.
            ["bash", "-c", 'bash -euo pipefail -c "$1"; exit $?', "-", opened + DRIVER],
            start_new_session=True,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            pass_fds=(their_end, their_answers),
        )
        os.close(their_end)
        os.close(their_answers)

    def type(
        self,
        text: str,
        *,
        who: str = "",
        typed: str = "",
        answers: Answers = (),
        meanwhile: Callable[[], object] | None = None,
    ) -> Said:
        """Run a piece to its end; return what it has written.

        ``who``: whose profile the program uses where none is named.  ``typed``: what comes on
        standard input.  ``answers``: at a terminal, instead.  ``meanwhile`` is called while it
        runs.  Raises ``AssertionError`` when it fails, with all that it has written.
        """
        for printed, own in self.values.items():
            text = text.replace(printed, own)
        self._count += 1
        piece = self._pieces / str(self._count)
        be = f"export CLOISTER_PROFILE={shlex.quote(who)}\n" if who else ""
        piece.write_text(be + text)
        places = [Path(f"{piece}.{kind}") for kind in ("in", "out", "err")]
        terminal = None
        if answers:
            terminal, other = pty.openpty()
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
            for place in places:
                place.symlink_to(os.ttyname(other))
        else:
            places[0].write_text(typed)
        os.write(self._to, f"{piece}\n".encode())
        try:
            if meanwhile is not None:
                meanwhile()
            written = self._until_done(terminal, deque(answers))
        except BaseException:
            os.killpg(self._bash.pid, signal.SIGKILL)
            raise
        if terminal is not None:
            os.close(terminal)
            os.close(other)
            said = Said(written.replace("\r\n", "\n"), "")
        else:
            said = Said(*(place.read_text("utf-8", "replace") for place in places[1:]))
        assert self._bash.poll() is None, f"{self._bash.returncode}\n{text}\n{said.out}{said.err}"
        return said

    def _until_done(self, terminal: int | None, answers: deque[tuple[str, Answer]]) -> str:
        deadline = time.monotonic() + self.longest_s
        written, seen = "", 0
        watched = [self._from] if terminal is None else [self._from, terminal]
        while True:
            while answers and terminal is not None:
                asked = re.compile(answers[0][0]).search(written, seen)
                if asked is None:
                    break
                answer, seen = answers.popleft()[1], asked.end()
                os.write(terminal, (answer if isinstance(answer, str) else answer(asked)).encode())
            ready = select.select(watched, [], [], max(deadline - time.monotonic(), 0))[0]
            assert ready, f"it does not end: {written}"
            if terminal in ready and terminal is not None:
                written += os.read(terminal, 65536).decode("utf-8", "replace")
            if self._from in ready:
                if not os.read(self._from, 16):
                    self._bash.wait()
                    return written
                assert not answers, f"nobody asked {answers[0][0]!r}: {written}"
                return written

    def close(self) -> None:
        """End it, and what it has left running."""
        os.close(self._to)
        try:
            self._bash.wait(20)
        except subprocess.TimeoutExpired:
            self._bash.kill()
            self._bash.wait()
            raise
        finally:
            os.close(self._from)


class Guide:
    """A document; its parts are told by tests."""

    parts: Final[list[Part]] = []
    """Of all documents."""

    def __init__(self, document: str) -> None:
        self._blocks = blocks_of(ROOT / document)

    def part(self, *sections: str) -> Part:
        """Return the blocks under some headings, to be run by one test.

        Not those of which no line is run.
        """
        blocks = [
            block
            for block in self._blocks
            if block.section in sections
            and any((block.document, line) not in NOT_RUN for line in block.lines)
        ]
        assert {block.section for block in blocks} == set(sections)
        part = Part(blocks)
        self.parts.append(part)
        return part


@dataclass(slots=True)
class Part:
    """Blocks that belong together."""

    blocks: list[Block]

    @contextmanager
    def told(self, shell: Shell) -> Iterator[Telling]:
        """Run them; in the end all of them have been."""
        telling = Telling(shell, deque(self.blocks))
        yield telling
        assert not telling.left, f"not run: {telling.left[0].text}"


@dataclass(slots=True)
class Telling:
    """Where a test is in its part."""

    shell: Shell
    left: deque[Block]

    def block(
        self,
        beginning: str,
        *who: str | tuple[str, ...],
        typed: Typed = "",
        answers: Answers = (),
        meanwhile: Callable[[], object] | None = None,
        shell: Shell | None = None,
    ) -> Said:
        """Run the next block, whose first line begins so.

        ``who``: whose profile is used; with several, each comment that begins a line hands the
        keyboard to the next.  A tuple: each of them types the same.  ``answers`` are those of
        the first.  ``shell``: another one than
        the guide's, for what is typed beside a program that stays.
        """
        block = self.left.popleft()
        assert block.lines[0].startswith(beginning), block.text
        pieces = block.parts if len(who) > 1 else [block.text]
        assert len(pieces) == max(len(who), 1), block.text
        out, err = "", ""
        for piece, one in zip(pieces, who or ("",), strict=True):
            for name in (one,) if isinstance(one, str) else one:
                given = typed if isinstance(typed, str) else typed(out)
                said = (shell or self.shell).type(
                    block.without(NOT_RUN, piece),
                    who=name,
                    typed=given,
                    answers=answers,
                    meanwhile=meanwhile,
                )
                answers = ()
                out, err = out + said.out, err + said.err
        return Said(out, err)


def person_at(folder: Path, program: ForkedProgram | None) -> dict[str, str]:
    """Put the program into a folder; return the environment of a person whose home it is.

    ``program`` None: each call loads the program, as it is with people.
    """
    if program is not None:
        program.place(folder / "cloister")
    else:
        (folder / "cloister").write_text(
            f'#!/bin/sh\nexec "{sys.executable}" -P -m cloister "$@"\n'
        )
        (folder / "cloister").chmod(0o700)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    return {
        **kept,
        "HOME": str(folder),
        "TERM": "xterm-256color",
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        # What is waited against an observer of the network needs no waiting here.
        "CLOISTER_ERRAND_DELAY_S": "0",
    }


def lines_with(said: str, beginning: str) -> list[str]:
    """Return the lines that begin so."""
    return re.findall(rf"^{re.escape(beginning)}.*$", said, re.M)
