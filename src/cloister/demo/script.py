"""What the people of the demo say: lines of ``name: text``.

The first three names are the founder, the second and the third person (who is removed in the end);
further names are further members.  What is said before the third person is heard for the first
time is the 1:1 conversation of the first two; from that line on all is said in the group.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Final

from cloister.client.content import check_text
from cloister.errors import CloisterError, UsageError

MAX_LINES: Final = 1000
MAX_NAMES: Final = 8
"""Each name is a device of its own, a process of some 60 MB."""
MAX_SCRIPT_BYTES: Final = 16 * 1024 * 1024
"""A thousand lines of 12,000 bytes, with their names and comments."""
LEAST_NAMES: Final = 3
STAND_INS: Final = ("Amira", "Jonas", "Lin")
"""Who is there when the script has fewer than three names."""


class ScriptError(UsageError):
    """The script is not of the form it should have; the message names the line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One text and who says it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Script:
    """A script that may be played: three names at least, every text one that can be sent."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]

    @property
    def one_to_one(self) -> tuple[Line, ...]:
        """What the first two say before anybody else is heard."""
        return self.lines[: self._first_of_others()]

    @property
    def group(self) -> tuple[Line, ...]:
        """Everything from the third person's first line on."""
        return self.lines[self._first_of_others() :]

    def _first_of_others(self) -> int:
        two = self.names[:2]
        found = (number for number, line in enumerate(self.lines) if line.name not in two)
        return next(found, len(self.lines))


def parse_script(content: bytes) -> Script:
    """Read a script.  Raises ``ScriptError`` with the number of the line."""
    if len(content) > MAX_SCRIPT_BYTES:
        raise ScriptError(f"the script is larger than {MAX_SCRIPT_BYTES // 2**20} MiB")
    lines: list[Line] = []
    names: dict[str, None] = {}
    # Only the newline ends a line: a text may hold any other separator of Unicode.
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1):
        line = _line(raw.removesuffix(b"\r"), number)
        if line is None:
            continue
        lines.append(line)
        names[line.name] = None
        if len(lines) > MAX_LINES:
            raise ScriptError(f"line {number}: the script has more than {MAX_LINES} texts")
        if len(names) > MAX_NAMES:
            raise ScriptError(
                f"line {number}: {line.name[:64]!r} is one name too many",
                hint=f"every name is a device of its own; at most {MAX_NAMES} run here",
            )
    if not lines:
        raise ScriptError("the script holds no texts", hint="its lines are `name: text`")
    for stand_in in STAND_INS:
        if len(names) < LEAST_NAMES:
            names[stand_in] = None
    return Script(tuple(names), tuple(lines))


def shipped_script() -> bytes:
    """Return the script that comes with the program."""
    return resources.files("cloister.demo").joinpath("script.txt").read_bytes()


def _line(raw: bytes, number: int) -> Line | None:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ScriptError(f"line {number}: byte {error.start + 1} is not UTF-8") from None
    if not text.strip() or text.lstrip().startswith("#"):
        return None
    name, colon, said = text.partition(":")
    name, said = name.strip(), said.removeprefix(" ")
    if not colon or not name:
        raise ScriptError(f"line {number}: no name before a colon", hint="write `name: text`")
    try:
        check_text(said)
    except CloisterError as error:
        raise ScriptError(f"line {number}: {error}", hint=error.hint) from None
    return Line(name, said)
