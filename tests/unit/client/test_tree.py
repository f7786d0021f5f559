"""Who vouched for whom, drawn: in a terminal and as a picture, for five and for a thousand."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from cloister.client.tree_svg import CARD_HEIGHT, CARD_WIDTH, MAX_CARDS, draw
from cloister.client.tree_view import Node, branch_of, text_lines, trees_of
from cloister.errors import NotFoundError

SVG = "{http://www.w3.org/2000/svg}"


def member(number: int, name: str, *vouchers: int, **changes: Any) -> dict[str, Any]:
    """As ``views.members_view`` shows it; the first voucher invited."""
    ids = [f"{voucher:032x}" for voucher in vouchers]
    view = {
        "member_id": f"{number:032x}",
        "name": name,
        "role": "member" if number else "steward",
        "state": "active",
        "voucher_ids": ids,
        "inviter_id": ids[0] if ids else "",
        "needs_revouch": False,
    }
    return {**view, **changes}


FIVE = [
    member(0, "Amira"),
    member(1, "Jonas", 0),
    member(2, "Lin", 0, 1),
    member(3, "Mei", 2, 0, state="suspended"),
    member(4, "Dana", 1, 2, needs_revouch=True),
]


def grown(count: int, *, seed: int = 7) -> list[dict[str, Any]]:
    """A circle in which some bring many and most bring nobody."""
    rng = random.Random(seed)
    views = [member(0, "Amira")]
    for number in range(1, count):
        needed = min(1 if number < 3 else 2 if number < 11 else 3, number)
        vouchers = rng.sample(range(max(0, number - 60), number), needed)
        views.append(member(number, f"N{number}", *vouchers))
    return views


def pictured(trees: Sequence[Node], depth: int | None = None) -> ElementTree.Element:
    picture = ElementTree.fromstring(draw(trees, subtitle="", depth=depth))
    assert picture.tag == f"{SVG}svg"
    return picture


def cards(picture: ElementTree.Element) -> list[ElementTree.Element]:
    return [one for one in picture.iter(f"{SVG}g") if one.get("data-member")]


def count_of(picture: ElementTree.Element) -> int:
    """Everybody in a picture: cards, what is folded into them, and what had no room."""
    total = len(cards(picture))
    for text in picture.iter(f"{SVG}text"):
        words = (text.text or "").replace(",", "")
        if match := re.fullmatch(r"\+(\d+)|and (\d+) more", words):
            total += int(match.group(1) or match.group(2))
    return total


SEVEN = [
    member(0, "Amira"),
    member(1, "Jonas", 0, role="officer"),
    member(2, "Lin", 0, 1, role="steward"),
    member(3, "Mei", 1, 2),
    member(4, "Dana", 1, 2, state="suspended"),
    member(5, "Yusuf", 2, 0),
    member(6, "Oyelaran", 5, 1),
]
PICTURE = Path(__file__).resolve().parents[3] / "docs/pictures/vouches.svg"


# --- the tree -------------------------------------------------------------------------------------


def test_the_tree_in_a_terminal() -> None:
    assert list(text_lines(trees_of(FIVE))) == [
        "Amira  (steward)",
        "├─ Jonas  (member)",
        "│  └─ Dana  (member, needs vouches; also by Lin)",
        "└─ Lin  (member; also by Jonas)",
        "   └─ Mei  (member, suspended; also by Amira)",
    ]


def test_depth_folds_and_says_how_many() -> None:
    assert list(text_lines(trees_of(FIVE), depth=1)) == [
        "Amira  (steward)",
        "├─ Jonas  (member)  [1 below]",
        "└─ Lin  (member; also by Jonas)  [1 below]",
    ]
    assert list(text_lines(trees_of(FIVE), depth=0)) == ["Amira  (steward)  [4 below]"]


def test_whoever_invited_and_did_not_vouch_is_not_the_parent() -> None:
    views = [*FIVE[:3], member(3, "Mei", 1, inviter_id=f"{2:032x}")]
    (tree,) = trees_of(views)
    assert [child.name for child in tree.children[0].children] == ["Mei"]


def test_a_later_vouch_makes_no_circle() -> None:
    """Amira had to be vouched for again, by somebody whom she once let in."""
    views = [{**FIVE[0], "voucher_ids": [f"{1:032x}"]}, *FIVE[1:]]
    (tree,) = trees_of(views)
    assert (tree.name, tree.below) == ("Amira", 4)


def test_everybody_stands_in_the_tree_once() -> None:
    views = grown(1000)
    (tree,) = trees_of(views)
    ids = [node.member_id for node in tree.walk()]
    assert sorted(ids) == sorted(view["member_id"] for view in views)
    assert tree.below == 999
    assert len(list(text_lines((tree,)))) == 1000


def test_a_chain_of_a_thousand_is_drawn_too() -> None:
    views = [member(0, "A"), *(member(number, "A", number - 1) for number in range(1, 1000))]
    trees = trees_of(views)
    assert len(list(text_lines(trees))) == 1000
    assert count_of(pictured(trees)) == 1000


def test_a_branch() -> None:
    (branch,) = branch_of(trees_of(FIVE), " lin ")
    assert [node.name for node in branch.walk()] == ["Lin", "Mei"]
    with pytest.raises(NotFoundError):
        branch_of(trees_of(FIVE), "Nobody")


# --- the picture ----------------------------------------------------------------------------------


def test_the_picture_of_the_guide_is_what_the_code_draws() -> None:
    drawn = draw(trees_of(SEVEN), subtitle="Circle 5d0c3a7b, as of 41 entries of its log.")
    assert PICTURE.read_text(encoding="utf-8") == drawn


@pytest.mark.parametrize("count", [1, 2, 5, 60, 1000])
def test_every_member_is_in_the_picture_once(count: int) -> None:
    picture = pictured(trees_of(grown(count)))
    shown = [card.get("data-member") for card in cards(picture)]
    assert len(shown) == len(set(shown)) <= MAX_CARDS
    assert count_of(picture) == count
    if count <= 60:
        assert len(shown) == count


def test_one_busy_inviter_does_not_fill_the_picture() -> None:
    views = [member(0, "Amira"), *(member(number, f"N{number}", 0) for number in range(1, 500))]
    picture = pictured(trees_of(views))
    assert 10 < len(cards(picture)) < 30
    assert count_of(picture) == 500


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_depth_folds_the_picture(depth: int) -> None:
    picture = pictured(trees_of(grown(200)), depth)
    assert count_of(picture) == 200
    columns = {place(card)[0] for card in cards(picture)}
    assert len(columns) == depth + 1


def place(card: ElementTree.Element) -> tuple[float, float]:
    match = re.fullmatch(r"translate\(([\d.]+),([\d.]+)\)", card.get("transform") or "")
    assert match is not None
    return float(match.group(1)), float(match.group(2))


def test_cards_lie_in_the_picture_and_not_on_each_other() -> None:
    picture = pictured(trees_of(grown(1000)))
    width, height = float(picture.get("width") or 0), float(picture.get("height") or 0)
    taken: dict[float, list[float]] = {}
    for card in cards(picture):
        x, y = place(card)
        assert 0 <= x <= width - CARD_WIDTH
        assert 0 <= y <= height - CARD_HEIGHT
        taken.setdefault(x, []).append(y)
    for column in taken.values():
        for above, below in zip(sorted(column), sorted(column)[1:], strict=False):
            assert below - above >= CARD_HEIGHT


def test_no_name_is_markup_and_nothing_is_loaded_or_run() -> None:
    name = "</title><script>alert(1)</script><image href='http://x/'/>&\"\x07"
    views = [member(0, name), member(1, "\u202eJonas" + "x" * 64, 0)]
    text = draw(trees_of(views), subtitle="a < b")
    picture = ElementTree.fromstring(text)
    tags = {one.tag.removeprefix(SVG) for one in picture.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "text", "path", "g"}
    keys = {key for one in picture.iter() for key in one.attrib}
    assert not [key for key in keys if "href" in key or key.startswith("on")]
    titles = [one.text for one in picture.iter(f"{SVG}title")]
    assert any("<script>" in (title or "") for title in titles)
    assert "\x07" not in text
    assert "\u202e" not in text


def test_long_names_are_shortened_and_stand_whole_in_the_hint() -> None:
    long = "Wilhelmina-Alexandrowna von und zu Beispielhausen"
    picture = pictured(trees_of([member(0, long)]))
    (card,) = cards(picture)
    shown = [one.text or "" for one in card.iter(f"{SVG}text")]
    assert shown[0].endswith("…")
    assert len(shown[0]) < 22
    assert [one.text for one in card.iter(f"{SVG}title")] == [f"{long}: steward"]
