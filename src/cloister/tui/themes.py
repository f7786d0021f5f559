"""Three ways to draw: colours, the terminal's sixteen, and none at all.

A role is what a text is; how that looks is decided here and nowhere else.  In one bit there are
only bold, underline and characters, so nothing may be said by colour alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter
from textual.theme import BUILTIN_THEMES, Theme

Colours = Literal["colour", "ansi", "none"]

# Contrast on the background is 7:1 or better, as a test computes.
BACKGROUND: Final = "#101418"
SELECTED: Final = "#1c2a38"
RGB: Final = {
    "text": "#e6e9ec",
    "own": "#d7ecd0",
    "name": "#8fd3ff",
    "own-name": "#a9e09a",
    "dim": "#b6c0ca",
    "title": "#e6e9ec",
    "unread": "#ffffff",
    "warn": "#ffd479",
    "fail": "#ffb4a8",
    "bar": "#dfe7ee",
}
_BOLD: Final = frozenset({"name", "own-name", "unread", "fail", "bar"})
_ANSI: Final = {
    "name": "cyan",
    "own-name": "green",
    "warn": "yellow",
    "fail": "red",
}


def palette(colours: Colours) -> Mapping[str, Style]:
    """Return the style of every role; ``ROLE:on`` is the same in the selected row."""
    styles: dict[str, Style] = {}
    for role, rgb in RGB.items():
        is_bold = role in _BOLD
        match colours:
            case "colour":
                style = Style(color=rgb, bgcolor=BACKGROUND, bold=is_bold)
                selected = Style(color=rgb, bgcolor=SELECTED, bold=True)
            case "ansi":
                style = Style(color=_ANSI.get(role), bold=is_bold)
                selected = Style(color=_ANSI.get(role), bold=True)
            case "none":
                style = Style(bold=is_bold)
                selected = Style(bold=True)
        styles[role], styles[f"{role}:on"] = style, selected
    return styles


def theme(colours: Colours) -> Theme:
    """Return the toolkit's theme for entry fields and scroll bars."""
    if colours == "colour":
        return Theme(
            name="cloister",
            primary="#8fd3ff",
            foreground=RGB["text"],
            background=BACKGROUND,
            surface=BACKGROUND,
            panel=BACKGROUND,
            dark=True,
        )
    variables = dict(BUILTIN_THEMES["ansi-dark"].variables)
    return Theme(
        name="cloister-ansi",
        ansi=True,
        primary="ansi_default",
        foreground="ansi_default",
        background="ansi_default",
        surface="ansi_default",
        panel="ansi_default",
        dark=True,
        variables=variables,
    )


class OneBit(LineFilter):
    """Take every colour out, also out of what the toolkit draws; keep bold, underline, reverse."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments without colour."""
        return [
            Segment(text, None if style is None else _one_bit(style), control)
            for text, style, control in segments
        ]


def _one_bit(style: Style) -> Style:
    return Style(bold=style.bold, underline=style.underline, reverse=style.reverse)


def colours_of(setting: str, environment: Mapping[str, str]) -> Colours:
    """Return which of the three fits the terminal, where the setting says "auto"."""
    if setting in {"colour", "ansi", "none"}:
        return setting  # type: ignore[return-value]
    term = environment.get("TERM", "")
    if "NO_COLOR" in environment or term.startswith("vt") or term.endswith("-m"):
        return "none"
    if environment.get("COLORTERM") in {"truecolor", "24bit"} or term.endswith("-256color"):
        return "colour"
    return "ansi"
