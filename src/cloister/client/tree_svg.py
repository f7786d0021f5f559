"""The tree of vouches as a picture: plain SVG, no script, nothing fetched from elsewhere.

Time runs from left to right: the founder stands at the left, whoever came by a member's word
stands to the right of that member.  Branches that would make the picture too large are folded
into the card above them, which says how many they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from cloister.client.tree_view import Node

MAX_CARDS: Final = 120
"""Cards in one picture: more do not fit any screen; `--below` draws what is folded."""
MAX_CHILDREN: Final = 24
"""Cards below one member, so that one busy inviter leaves room for others."""
MAX_COLUMN: Final = 9
MAX_FURTHER_LINES: Final = 32
"""Further vouches that are drawn; more would hide the tree."""

CARD_WIDTH: Final = 184.0
CARD_HEIGHT: Final = 44.0
ROW: Final = 58.0
COLUMN: Final = 264.0
MARGIN: Final = 40.0
TOP: Final = 112.0
BOTTOM: Final = 84.0
NAME_WIDTH: Final = 150.0
"""Of 184, less the bar at the left and the space at the right."""
FOLDED_NAME_WIDTH: Final = 108.0
NAME_LETTER: Final = 8.0
WORD_LETTER: Final = 6.2
"""Width of a middling letter of names, at 14 px, and of the words below, at 11.5 px."""

COLOURS: Final = {"steward": "#00796b", "officer": "#b26a00", "member": "#5c6bc0"}
STYLE: Final = """
  text { font-family: system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; fill: #17262e }
  .name { font-size: 14px; font-weight: 600 }
  .word { font-size: 11.5px; fill: #5f7480 }
  .count { font-size: 12px; font-weight: 600; fill: #ffffff; text-anchor: middle }
  .title { font-size: 22px; font-weight: 600 }
  .card { fill: #ffffff; stroke: #cfd8dc }
  .out .card { fill: #fafafa; stroke-dasharray: 4 3 }
  .out .name { fill: #8a9ba5; font-weight: 400 }
  .pile { fill: #f3f6f7; stroke: #cfd8dc }
  .line { fill: none; stroke: #90a4ae; stroke-width: 1.6 }
  .further { fill: none; stroke: #b39ddb; stroke-width: 1.2; stroke-dasharray: 2 4 }
"""


@dataclass(slots=True)
class _Card:
    """A member in the picture, or (``node`` None) those for whom there was no room."""

    node: Node | None
    column: int
    folded: int = 0
    """Members who are not drawn below this one; of a card without a node, whom it stands for."""
    children: list[_Card] = field(default_factory=list)
    y: float = 0.0

    @property
    def x(self) -> float:
        return MARGIN + self.column * COLUMN

    def walk(self) -> Iterator[_Card]:
        yield self
        for child in self.children:
            yield from child.walk()


def draw(trees: Sequence[Node], *, subtitle: str, depth: int | None = None) -> str:
    """Return the picture of trees as an SVG document.

    ``depth``: how many columns there are beside the first; ``None``: as many as fit.
    """
    roots = _choose(trees, MAX_COLUMN if depth is None else depth)
    cards = [card for root in roots for card in root.walk()]
    bottom = _place(roots)
    width = max(MARGIN * 2 + max((card.x for card in cards), default=0) + CARD_WIDTH, 720.0)
    height = bottom + BOTTOM
    people = sum(1 + tree.below for tree in trees)
    drawn = sum(card.node is not None for card in cards)
    further = list(_further_lines(cards))
    size = f'width="{width:.0f}" height="{height:.0f}"'
    summary = escape(_summary(people, drawn, subtitle))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}"',
        f' {size} role="img" aria-labelledby="title about">',
        '<title id="title">Who vouched for whom</title>',
        f'<desc id="about">{summary}</desc>',
        f"<style>{STYLE}</style>",
        f'<rect {size} fill="#f7f9fa"/>',
        f'<text class="title" x="{MARGIN:.0f}" y="52">Who vouched for whom</text>',
        f'<text class="word" x="{MARGIN:.0f}" y="74">{summary}</text>',
        *(further if len(further) <= MAX_FURTHER_LINES else ()),
        *(line for card in cards for line in _lines(card)),
        *(text for card in cards for text in _card(card)),
        *_legend(height, has_further=0 < len(further) <= MAX_FURTHER_LINES),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _summary(people: int, drawn: int, subtitle: str) -> str:
    count = f"{people:,} members" if people != 1 else "1 member"
    folded = f", {people - drawn:,} of them folded" if drawn < people else ""
    return f"{count}{folded}.  {subtitle}".rstrip()


# --- what is drawn --------------------------------------------------------------------------------


def _choose(trees: Sequence[Node], depth: int) -> list[_Card]:
    """Open branches from the root on, the largest first within a column, while there is room."""
    roots = [_Card(node=tree, column=0, folded=tree.below) for tree in trees]
    room = MAX_CARDS - len(roots)
    column = list(roots)
    while column:
        following: list[_Card] = []
        for card in sorted(column, key=lambda one: -one.folded):
            node = card.node
            if node is None or not node.children or card.column >= depth:
                continue
            _open(card, node, min(room, MAX_CHILDREN))
            room -= len(card.children)
            following += card.children
        column = following
    return roots


def _open(card: _Card, node: Node, most: int) -> None:
    """Put the members below a card into the picture, or those with the largest branches."""
    shown = list(node.children)
    if len(shown) > most:
        if most < 2:
            return
        largest = sorted(shown, key=lambda one: -one.below)[: most - 1]
        kept = {one.member_id for one in largest}
        shown = [one for one in shown if one.member_id in kept]
    card.children = [_Card(node=one, column=card.column + 1, folded=one.below) for one in shown]
    rest = node.below - sum(1 + one.below for one in shown)
    if rest:
        card.children.append(_Card(node=None, column=card.column + 1, folded=rest))
    card.folded = 0


def _place(roots: Sequence[_Card]) -> float:
    """Give each card its row: leaves below each other, a parent in the middle of its children."""
    y = TOP
    for root in roots:
        for card in list(root.walk()):
            if not card.children:
                card.y = y
                y += ROW
        for card in reversed(list(root.walk())):
            if card.children:
                card.y = (card.children[0].y + card.children[-1].y) / 2
    return y


# --- how it is drawn ------------------------------------------------------------------------------


def _lines(card: _Card) -> Iterator[str]:
    for child in card.children:
        yield f'<path class="line" d="{_curve(card, child)}"/>'


def _curve(source: _Card, target: _Card) -> str:
    """From the right side of a card to the left side of another."""
    x1, y1 = source.x + CARD_WIDTH, source.y + CARD_HEIGHT / 2
    x2, y2 = target.x, target.y + CARD_HEIGHT / 2
    bend = max((x2 - x1) / 2, 40.0)
    return _path(x1, y1, x1 + bend, x2 - bend, x2, y2)


def _further_lines(cards: Sequence[_Card]) -> Iterator[str]:
    """Vouches beside the one that the tree shows, between cards that are drawn."""
    drawn = {card.node.member_id: card for card in cards if card.node}
    for card in cards:
        for who in card.node.others if card.node else ():
            if who in drawn:
                yield f'<path class="further" d="{_bow(drawn[who], card)}"/>'


def _bow(source: _Card, target: _Card) -> str:
    """From a card to another one anywhere, leaving and arriving where they face each other."""
    if source.column < target.column:
        return _curve(source, target)
    y1, y2 = source.y + CARD_HEIGHT * 0.7, target.y + CARD_HEIGHT * 0.7
    if source.column > target.column:
        x1, x2 = source.x, target.x + CARD_WIDTH
        bend = max((x1 - x2) / 2, 30.0)
        return _path(x1, y1, x1 - bend, x2 + bend, x2, y2)
    x = source.x + CARD_WIDTH
    return _path(x, y1, x + 34, x + 34, x, y2)


def _path(x1: float, y1: float, bend1: float, bend2: float, x2: float, y2: float) -> str:
    return f"M{x1:.1f},{y1:.1f} C{bend1:.1f},{y1:.1f} {bend2:.1f},{y2:.1f} {x2:.1f},{y2:.1f}"


def _card(card: _Card) -> Iterator[str]:
    node = card.node
    if node is None:
        yield f'<g transform="translate({card.x:.1f},{card.y:.1f})">'
        yield from _pile()
        yield f'<text class="name" x="18" y="27">and {card.folded:,} more</text></g>'
        return
    is_folded = card.folded > 0
    room = FOLDED_NAME_WIDTH if is_folded else NAME_WIDTH
    name, standing = _fit(node.name, room, NAME_LETTER), _fit(node.standing, room, WORD_LETTER)
    yield (
        f"<g class={quoteattr('out' if node.is_out else 'in')} "
        f'data-member="{escape(node.member_id)}" '
        f'transform="translate({card.x:.1f},{card.y:.1f})">'
    )
    yield f"<title>{escape(node.name)}: {escape(node.standing)}</title>"
    if is_folded:
        yield from _pile()
    yield f'<rect class="card" width="{CARD_WIDTH:.0f}" height="{CARD_HEIGHT:.0f}" rx="7"/>'
    colour = "#b0bec5" if node.is_out else COLOURS.get(node.role, COLOURS["member"])
    yield f'<rect x="0" y="0" width="6" height="{CARD_HEIGHT:.0f}" rx="3" fill="{colour}"/>'
    yield f'<text class="name" x="18" y="19">{escape(name)}</text>'
    yield f'<text class="word" x="18" y="35">{escape(standing)}</text>'
    if is_folded:
        yield f'<rect x="134" y="11" width="40" height="22" rx="11" fill="{colour}"/>'
        yield f'<text class="count" x="154" y="26">+{card.folded}</text>'
    yield "</g>"


def _pile() -> Iterator[str]:
    """Cards behind a card: there is more."""
    for offset in (8, 4):
        yield (
            f'<rect class="pile" x="{offset}" y="{offset}" width="{CARD_WIDTH:.0f}" '
            f'height="{CARD_HEIGHT:.0f}" rx="7"/>'
        )


def _legend(height: float, *, has_further: bool) -> Iterator[str]:
    y = height - 36
    x = MARGIN
    for role, colour in COLOURS.items():
        yield f'<rect x="{x:.0f}" y="{y - 10:.0f}" width="6" height="14" rx="3" fill="{colour}"/>'
        yield f'<text class="word" x="{x + 14:.0f}" y="{y:.0f}">{role}</text>'
        x += 84
    yield (
        f'<g class="out"><rect class="card" x="{x:.0f}" y="{y - 10:.0f}" width="22" height="14" '
        f'rx="3"/></g><text class="word" x="{x + 30:.0f}" y="{y:.0f}">out, or suspended</text>'
    )
    x += 156
    yield f'<path class="line" d="M{x:.0f},{y - 4:.0f} h26"/>'
    yield f'<text class="word" x="{x + 34:.0f}" y="{y:.0f}">came by this word</text>'
    if has_further:
        x += 160
        yield f'<path class="further" d="M{x:.0f},{y - 4:.0f} h26"/>'
        yield f'<text class="word" x="{x + 34:.0f}" y="{y:.0f}">vouched too</text>'


def _fit(text: str, width: float, letter: float) -> str:
    """Shorten a text to about ``width`` px; how wide its letters are, the reader's fonts decide."""
    used = 0.0
    for place, character in enumerate(text):
        if unicodedata.combining(character):
            continue
        used += letter * (1.75 if unicodedata.east_asian_width(character) in "WF" else 1.0)
        if used > width:
            return text[: max(place - 1, 1)].rstrip() + "…"
    return text
