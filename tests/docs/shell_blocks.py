"""The shell blocks of the documents, in their order, and the lines of them that no test runs."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Container, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
DOCUMENTS: Final = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs/guide").glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
)
"""Where a shell block is something to type, and so has to be run."""

_FENCED: Final = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", re.M | re.S)
_HEADING: Final = re.compile(r"^#+ (.+)$", re.M)


@dataclass(frozen=True, slots=True)
class Block:
    """What stands between two fences: some lines for a shell."""

    document: str
    """Its path from the root of the checkout."""
    section: str
    """The nearest heading above."""
    text: str

    @property
    def lines(self) -> list[str]:
        """What is to be run, continued lines joined, without comments."""
        return [line for one in _joined(self.text) if (line := _without_comment(one))]

    def without(self, lines: Container[tuple[str, str]], piece: str) -> str:
        """Return a piece of the text without those lines that are named, with the document."""
        kept = [
            one for one in _joined(piece) if (self.document, _without_comment(one)) not in lines
        ]
        return "\n".join(kept) + "\n"

    @property
    def parts(self) -> list[str]:
        """Its pieces, divided before each comment that begins a line and says who types on."""
        return [part for part in re.split(r"^(?=# )", self.text, flags=re.M) if part.strip()]


def _joined(text: str) -> list[str]:
    return re.sub(r"\\\n *", "", text).splitlines()


def _without_comment(line: str) -> str:
    return re.sub(r"(^|\s+)# .*$", "", line).strip()


def blocks_of(path: Path) -> list[Block]:
    """Return the shell blocks of a document, those within lists too."""
    text = path.read_text(encoding="utf-8")
    document = str(path.relative_to(ROOT))
    headings = [
        (match.start(), match.group(1))
        for match in _HEADING.finditer(text)
        if not any(one.start() < match.start() < one.end() for one in _FENCED.finditer(text))
    ]
    return [
        Block(
            document,
            [heading for place, heading in headings if place < match.start()][-1],
            textwrap.dedent(match.group(3)),
        )
        for match in _FENCED.finditer(text)
        if match.group(2) == "sh"
    ]


def all_blocks() -> Iterator[Block]:
    """Every shell block of every document."""
    for path in DOCUMENTS:
        yield from blocks_of(path)
