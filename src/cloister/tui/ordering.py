"""From logical order to the order on the screen (UAX #9): the last step before a text is painted.

Everything else, the laying out of lines included, works on logical order.  Each text is ordered by
itself, so nothing moves what stands outside of it; what is moved is grapheme clusters, so marks
stay behind their base and no width changes.  Arabic letters are not joined here: terminals do that.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import Final, Self

from rich.cells import cell_len, split_graphemes

_RIGHT_TO_LEFT: Final = re.compile(
    "[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]"
)
"""The blocks in which every letter of a right-to-left script lies."""
_STRONG_RTL: Final = frozenset({"R", "AL"})
_BETWEEN_WORDS: Final = frozenset(" -'\u2019\u05be\u05f3\u05f4")
"""What may stand between the words of one name: space, hyphens, apostrophes."""
_PASSED_OVER: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What the algorithm obeys or passes over.  Of these a safe text holds joiners alone."""
_JOINING: Final = re.compile("[\u200d\ufe0f]")
"""What changes how wide its neighbours are."""
_FIRST_TAG: Final = "\U000e0020"
_LAST_TAG: Final = "\U000e005f"
_HIGH: Final = [chr(0xE0020 + number) for number in range(32)]
_LOW: Final = [chr(0xE0040 + number) for number in range(32)]
_TAGS_OF: Final = [high + low for high in _HIGH for low in _LOW]
_NUMBER_OF: Final = {
    written: number for number, tags in enumerate(_TAGS_OF) for written in (tags, tags[::-1])
}
"""Tags and their numbers, as they come out of text that runs this way or that."""
MOST_CLUSTERS: Final = len(_TAGS_OF)
"""A line that is longer than any terminal is wide is left as it is."""


class Written(str):
    """A text of a person that stands alone, in logical order: a paragraph, or a line of one.

    What is made of it and other words is a sentence of the interface, and a plain ``str``.
    """

    __slots__ = ("is_aligned", "is_rtl", "shown")

    is_rtl: bool
    """Whether its paragraph runs from right to left."""
    shown: str | None
    """The same in display order, once it was asked for."""
    is_aligned: bool
    """Whether it stands at the side where its paragraph begins."""

    def __new__(cls, text: str, *, is_rtl: bool | None = None, is_aligned: bool = False) -> Self:
        """``is_rtl``: if nothing is said, the first strong character decides (rules P2 and P3)."""
        made = super().__new__(cls, text)
        made.is_rtl = begins_rtl(text) if is_rtl is None else is_rtl
        made.is_aligned = is_aligned
        made.shown = None
        return made

    def part(self, text: str) -> Written:
        """Return a part of the same paragraph."""
        return Written(text, is_rtl=self.is_rtl, is_aligned=self.is_aligned)


def has_rtl(text: str) -> bool:
    """Tell whether a text may have to be ordered; most are answered by their being ASCII."""
    return not text.isascii() and _RIGHT_TO_LEFT.search(text) is not None


def begins_rtl(text: str) -> bool:
    """Tell whether the first strong character of a text is a right-to-left one."""
    if not has_rtl(text):
        return False
    classes = map(unicodedata.bidirectional, text)
    return next((one != "L" for one in classes if one == "L" or one in _STRONG_RTL), False)


def in_display_order(text: str) -> str:
    """Return a text as it is painted; its letters, and how wide it is, stay the same.

    Brackets that are read from right to left become their mirror images (rule L4).
    """
    if not isinstance(text, Written):
        return _kept_wide(text, _sentence(text)) if has_rtl(text) else text
    if not (text.is_rtl or has_rtl(text)):
        return text
    if text.shown is None:
        text.shown = _kept_wide(text, _paragraph(text, is_rtl=text.is_rtl))
    return text.shown


def display_places(clusters: list[str], *, is_rtl: bool) -> list[tuple[int, bool]]:
    """Return for every place on the screen which cluster stands there, and whether it is mirrored.

    The library returns a text and not which character went where.  So each cluster goes in as its
    first character and two tag characters that number it: those are boundary neutrals, which the
    algorithm passes over (rule X9) and which stay with the character before them.  At the end of
    a line they would not (rule L1), so a letter of the paragraph's direction is put there, which
    changes no other; and the spaces there, for which that rule is made, are placed here.
    """
    from bidi import get_display

    end = len(clusters)
    while end and clusters[end - 1] == " ":
        end -= 1
    if end > MOST_CLUSTERS:
        return [(number, False) for number in range(len(clusters))]
    firsts = "".join([cluster[0] for cluster in clusters[:end]])
    firsts = _PASSED_OVER.sub("\N{REPLACEMENT CHARACTER}", firsts)
    numbered = "".join([first + tags for first, tags in zip(firsts, _TAGS_OF, strict=False)])
    if is_rtl:
        shown = get_display(numbered + "\N{HEBREW LETTER ALEF}", base_dir="R")[1:]
    else:
        shown = get_display(numbered + "x", base_dir="L")[:-1]
    places = [
        (_NUMBER_OF[shown[at : at + 2]], True)
        if _FIRST_TAG <= shown[at] <= _LAST_TAG
        else (_NUMBER_OF[shown[at + 1 : at + 3]], False)
        for at in range(0, len(shown), 3)
    ]
    spaces = [(number, is_rtl) for number in range(end, len(clusters))]
    return [*reversed(spaces), *places] if is_rtl else [*places, *spaces]


def clusters_of(text: str) -> list[str]:
    """Return what takes cells of its own, each with the marks and joiners behind it."""
    return [text[start:end] for start, end, _ in split_graphemes(text)[0]]


def mirrored(cluster: str) -> str:
    """Return a cluster as it looks in text that is read from right to left."""
    return _mirrors().get(cluster[0], cluster[0]) + cluster[1:]


@functools.cache
def _mirrors() -> dict[str, str]:
    from bidi.mirror import MIRRORED

    return dict(MIRRORED)


def _kept_wide(text: str, ordered: str) -> str:
    """Return it in order; as it was where joiners would measure differently in other company."""
    is_other = _JOINING.search(text) and cell_len(ordered) != cell_len(text)
    return str(text) if is_other else ordered


def _paragraph(text: str, *, is_rtl: bool) -> str:
    clusters = clusters_of(text)
    return "".join(
        mirrored(clusters[number]) if is_turned else clusters[number]
        for number, is_turned in display_places(clusters, is_rtl=is_rtl)
    )


def _sentence(text: str) -> str:
    """Order a sentence of the interface, in which names of people stand between its own words.

    It runs from left to right, and each stretch of right-to-left words is turned where it stands.
    Digits and punctuation beside a stretch stay in their places, which by the algorithm they would
    not: a name must not take a number, or the bracket around what is said of somebody, with it.
    """
    ordered: list[str] = []
    stretch: list[str] = []
    for cluster in clusters_of(text):
        if unicodedata.bidirectional(cluster[0]) in _STRONG_RTL or (
            stretch and cluster[0] in _BETWEEN_WORDS
        ):
            stretch.append(cluster)
        else:
            ordered += _turned(stretch)
            ordered.append(cluster)
            stretch = []
    return "".join([*ordered, *_turned(stretch)])


def _turned(stretch: list[str]) -> list[str]:
    """Return a stretch in reverse, but what follows its last word at the end."""
    end = len(stretch)
    while end and stretch[end - 1][0] in _BETWEEN_WORDS:
        end -= 1
    return [*reversed(stretch[:end]), *stretch[end:]]
