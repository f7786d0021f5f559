"""The documents exist, their links lead somewhere, and they speak of this version."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from cloister import __version__

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
# Every document somebody is sent to from the outside.
REQUIRED = (
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "LICENSE",
    "docs/architecture.md",
    "docs/glossary.md",
    "docs/guide/member.md",
    "docs/guide/operator.md",
    "docs/guide/quickstart.md",
    "docs/guide/steward.md",
    "docs/promises.md",
    "docs/rules/mls.md",
    "docs/rules/roster.md",
    "docs/security/keys.md",
    "docs/security/limitations.md",
    "docs/security/metadata.md",
    "docs/security/threat-model.md",
    "docs/spec/channel.md",
    "docs/spec/content.md",
    "docs/spec/invitation.md",
    "docs/spec/mls-profile.md",
    "docs/spec/roster.md",
    "docs/spec/transparency.md",
    "docs/spec/unlock.md",
    "docs/spec/vault.md",
    "docs/spec/wire.md",
)
LINK = re.compile(r"(?<!\!)\[[^\]\n]*\]\(([^)\s]+)\)|!\[[^\]\n]*\]\(([^)\s]+)\)")


def prose_of(text: str) -> str:
    """Leave out code: fenced blocks and spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))


def anchors_of(text: str) -> set[str]:
    """The anchors that the headings of a document get."""
    return {
        re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        for heading in re.findall(
            r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M
        )
    }


@pytest.mark.parametrize("name", REQUIRED)
def test_a_document_people_look_for_exists(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8").strip()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    broken = []
    for link in LINK.finditer(prose_of(text)):
        target = link.group(1) or link.group(2)
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if not file.exists() or (
            anchor and file.suffix == ".md" and anchor not in anchors_of(file.read_text("utf-8"))
        ):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_document_begins_with_its_title(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


def test_the_changelog_speaks_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(__version__)}\b", text, re.MULTILINE)


def test_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(name[:4]) for name in names]
    assert numbers == list(range(1, len(names) + 1))


def test_the_readme_says_that_nobody_has_audited_this() -> None:
    assert "not audited" in (ROOT / "README.md").read_text(encoding="utf-8").lower()


PICTURES = sorted((ROOT / "docs").rglob("*.svg"))


@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.name)
def test_a_picture_stands_alone_and_has_words_for_those_who_cannot_see_it(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    assert root.find("{http://www.w3.org/2000/svg}title") is not None
    assert root.find("{http://www.w3.org/2000/svg}desc") is not None
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?:|@import|url\((?!#)|href=|<image|<script|font-face", text) == []
