"""Right-to-left names and texts in every widget: what stands around them keeps its cells."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from rich.cells import cell_len
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import Input

from cloister.client.effects import Quote, Since
from cloister.testing.paper_device import PaperDevice
from cloister.tui.app import Interface
from cloister.tui.driver import GoingOn
from cloister.tui.explicit_mode import ExplicitMode
from cloister.tui.line_input import PipedLines, TypedLines
from cloister.tui.ordering import Written, has_rtl, in_display_order
from cloister.tui.screens.asking import AskScreen, ChooseScreen, ConfirmScreen, TellScreen
from cloister.tui.screens.change import ChangeScreen
from cloister.tui.screens.code import CodeScreen
from cloister.tui.setting import Setting
from cloister.tui.talk import Choice
from cloister.tui.widgets.entry import Composer, Entry
from counts import is_long
from tui.hostile import offences
from tui.scenes import SCENES, Scene, action
from tui.stage import NOW, grid, interface, newsroom
from tui.test_snapshots import settled

pytestmark = [pytest.mark.usefixtures("always_the_same", "utc", "brisk")]

NAMES: Final = (
    "אבג",
    "אבג 12",
    "12 אבג",
    "אבג (",
    "(אבג",
    "אבג) [12",
    "ابج ٣٤-",
    "א [verified] ב",
)
LOOKED_AT: Final = NAMES if is_long() else NAMES[1::3]
WORD: Final = re.compile("[א-תء-ي]{2}")
"""Names that by the algorithm take digits and brackets beside them along, or pair with them."""


def circle(name: str) -> PaperDevice:
    """Return a newsroom with somebody of this name wherever names are shown."""
    device = newsroom()
    other = f"{name} ב"
    device.add_member(name, by=("Amira", "Lin"), needs_revouch=True)
    device.add_member(other, by=(name, "Amira"), state="suspended")
    device.people[-2] |= {"trust": "verified", "verified_at": NOW}
    room = device.add_conversation(name, (name, other, "Amira"))
    device.add_conversation(other, (other,), partner=device.people[-1]["member_id"])
    for text in ("first", f"to {name} 34 and on"):
        device.write(room, name, text, at=NOW - 60)
    quote = Quote(name=name, text="said 12 (so)")
    device.write(room, other, "then", at=NOW - 30, reply_to=b"q" * 16, since=Since(quote=quote))
    device.asked[0] |= {"name": name, "vouches": [other]}
    device.waiting[0] |= {"text": f"removal of {name} (departure)", "by": other}
    return device


def cells_of(row: str) -> list[str]:
    """Return what stands in each cell of a row; the second cell of a wide character is empty."""
    cells: list[str] = []
    for character in row:
        if cell_len(character):
            cells += [character, *[""] * (cell_len(character) - 1)]
        elif cells:
            cells[-1] += character
    return cells


def taken(row: str, names: tuple[str, ...]) -> set[int]:
    """Return the cells of a row, in logical order, in which a name or a part of one stands.

    Parts are its words, between which lines are broken, and what is left of it before two dots.
    """
    found: set[int] = set()
    words = {word for name in names for word in name.split() if has_rtl(word)}
    for name in (*names, *words):
        for length in range(len(name), 1, -1):
            pattern = re.escape(name[:length]) + ("" if length == len(name) else r"\.\.")
            for match in re.finditer(pattern, row):
                found |= set(range(cell_len(row[: match.start()]), cell_len(row[: match.end()])))
    return found


def moved(logical: str, display: str, names: tuple[str, ...]) -> list[str]:
    """Return the rows in which a cell outside of every name holds something else."""
    return [
        f"{before!r} {after!r}"
        for before, after in zip(logical.splitlines(), display.splitlines(), strict=True)
        for allowed in [taken(before, names)]
        if any(
            one != other
            for place, (one, other) in enumerate(
                zip(cells_of(before.ljust(160)), cells_of(after.ljust(160)), strict=False)
            )
            if place not in allowed
        )
    ]


async def ready(app: Interface, pilot: Pilot[str]) -> None:
    """Wait until there is something to press keys on, however busy the machine is."""
    while app.session is None or not app.session.conversations:
        await pilot.pause(0.01)
    await settled(pilot)


async def grids(name: str, keys: tuple[str, ...], bidi: str, size: tuple[int, int]) -> str:
    app = interface(circle(name), colours="none", setting=Setting(bidi=bidi))
    async with app.run_test(size=size) as pilot:
        await ready(app, pilot)
        for key in keys:
            await pilot.press(key)
            if key in {"enter", "ctrl+k", "ctrl+o"}:
                await settled(pilot)
        await settled(pilot)
        shown = grid(app)
    assert app.failure is None
    return shown


WAYS: Final = {
    "the list": (),
    "a conversation": ("enter",),
    "a message to pick": ("enter", "ctrl+o"),
    "the palette": ("ctrl+k",),
    "people": action("people"),
    "who is here": ("enter", *action("who")),
    "whom to verify": action("compare"),
    "requests": action("requests"),
    "what waits": action("pending"),
    "consequences": action("suspend", "enter", "enter"),
    "search": action("search", *"first", "enter"),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_name_moves_nothing_around_it(way: str) -> None:
    """Beside it stand trust words, clocks, counts, brackets and other names."""
    for number, name in enumerate(LOOKED_AT):
        size = ((100, 30), (50, 15))[number % 2]
        logical = asyncio.run(grids(name, WAYS[way], "terminal", size))
        display = asyncio.run(grids(name, WAYS[way], "interface", size))
        assert moved(logical, display, (name, f"{name} ב", f"{name} 34")) == [], name
        assert logical != display or not WORD.search(logical), name
        assert offences(display.replace("\n", "")) == ""


def screens(name: str) -> Iterator[Any]:
    sentence = f"{name} 12 (verified), then {name}: [3] of {name}"
    yield TellScreen(sentence, sentence, "end")
    yield AskScreen(sentence, about=sentence)
    yield ChooseScreen(sentence, [Choice("1", sentence, sentence)], about=sentence)
    yield ConfirmScreen(sentence, sentence)
    yield ChangeScreen(sentence, sentence, may_compare=True)
    view = {"name": name, "digits": "12345" * 12, "words": ["abandon"] * 12, "code": "CL1:A"}
    yield CodeScreen(view, "none")


@pytest.mark.slow
def test_nor_in_a_sentence_on_any_screen() -> None:
    async def looks(bidi: str) -> list[str]:
        app, seen = interface(newsroom(), colours="none", setting=Setting(bidi=bidi)), []
        async with app.run_test(size=(160, 24)) as pilot:
            await ready(app, pilot)
            for name in LOOKED_AT:
                for screen in screens(name):
                    app.show_screen(screen)
                    await settled(pilot)
                    seen.append(grid(app))
                    await pilot.press("escape")
                    await settled(pilot)
        return seen

    logical, display = asyncio.run(looks("terminal")), asyncio.run(looks("interface"))
    assert len(logical) == 6 * len(LOOKED_AT)
    for before, after in zip(logical, display, strict=True):
        assert moved(before, after, NAMES) == []
        assert before != after or not WORD.search(before)


def test_what_somebody_wrote_is_a_paragraph_by_itself_on_a_screen_too() -> None:
    async def look() -> str:
        app = interface(newsroom(), colours="none")
        async with app.run_test(size=(50, 15)) as pilot:
            await ready(app, pilot)
            app.show_screen(TellScreen("Told", "1. Friday:", Written("אבג 12, ok?\nand 3"), "end"))
            await settled(pilot)
            return grid(app)

    rows = asyncio.run(look()).splitlines()
    assert rows[1:5] == ["1. Friday:", " " * 38 + "?ok ,12 גבא", "    and 3", "end"]


# --- writing --------------------------------------------------------------------------------------


def drawn(widget: Composer | Entry) -> tuple[str, str]:
    """Return what a field shows, and what stands under its cursor."""
    strip = widget.render_line(0)
    cursor = "".join(one.text for one in strip if one.style is not None and one.style.reverse)
    return strip.text.strip(), cursor


def styled(strip: Strip) -> list[tuple[str, str]]:
    return [(character, str(one.style)) for one in strip for character in one.text]


def test_what_is_written_is_drawn_in_order_and_stays_as_it_was_typed() -> None:
    async def main() -> None:
        device = newsroom()
        app = interface(device, colours="none")
        async with app.run_test(size=(60, 20)) as pilot:
            await ready(app, pilot)
            await pilot.press("enter")
            await settled(pilot)
            composer = app.screen.query_one(Composer)
            await pilot.press(*"אב 12 (c)")
            await settled(pilot)
            assert composer.text == "אב 12 (c)"
            assert drawn(composer) == ("(c) 12 בא", " ")
            await pilot.press("home", "right")
            await settled(pilot)
            assert drawn(composer) == ("(c) 12 בא", "ב")
            await pilot.press("end", "enter")
            await settled(pilot)
            assert any(row.text == "אב 12 (c)" for rows in device.rows.values() for row in rows)
            await pilot.press("ctrl+k")
            await settled(pilot)
            entry = app.screen.query_one(Entry)
            entry.fill("אב 12")
            await settled(pilot)
            assert entry.render_line(0).text == "12 בא".rjust(entry.size.width)
            entry.fill("see אב 12")
            await settled(pilot)
            assert drawn(entry)[0] == "see 12 בא"
            # The cursor and the colours go with their characters.
            plain = Input.render_line(entry, 0).crop(0, entry.size.width)
            assert sorted(styled(entry.render_line(0))) == sorted(styled(plain))
            assert entry.value == "see אב 12"
        assert app.failure is None

    asyncio.run(main())


# --- the setting, and the line mode ---------------------------------------------------------------


def test_where_the_terminal_orders_everything_stays_in_logical_order() -> None:
    (scene,) = (one for one in SCENES if one.name == "from right to left, writing")

    async def look(scene: Scene) -> str:
        app = interface(scene.device(), colours="none", setting=Setting(bidi="terminal"))
        assert app.driver_class is GoingOn
        async with app.run_test(size=(60, 20)) as pilot:
            await ready(app, pilot)
            for key in scene.keys:
                await pilot.press(key)
                await settled(pilot)
            return grid(app)

    shown = asyncio.run(look(scene))
    for text in ("  שלום לכולם, הפגישה ב-12:30 (חדר 7).", "חדר 12 (דחוף)", "> שלום abc (1)"):
        assert text in shown


def test_the_terminals_own_ordering_is_off_by_default() -> None:
    assert interface(newsroom()).driver_class is ExplicitMode
    assert Setting().bidi == "interface"


def test_lines_are_written_in_logical_order(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    text = "שירה, 09:41: שלום (12)"
    assert in_display_order(Written(text)) != text
    PipedLines(None).show(text)  # type: ignore[arg-type]
    TypedLines().say(text)
    assert capsysbinary.readouterr().out.decode().count(text) == 2
