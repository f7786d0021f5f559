"""Every screen in every size and in every kind of colour, as text that is read in review.

    .venv/bin/python -P -m pytest tests/tui/test_snapshots.py --write-snapshots

writes ``tests/tui/snapshots`` anew, and with them the pictures in the member's guide.
"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest
from rich.cells import cell_len
from rich.color import ColorType
from rich.style import Style
from textual.pilot import Pilot

from cloister.tui.app import Interface
from cloister.tui.themes import BACKGROUND, RGB, SELECTED, Colours
from counts import is_long
from tui.scenes import SCENES, SIZES, Scene
from tui.stage import grid, interface

SNAPSHOTS: Final = Path(__file__).parent / "snapshots"
GUIDE: Final = Path(__file__).parents[2] / "docs/guide/member.md"
PICTURE: Final = re.compile(r"<!-- screen: ([^\n]+), (\d+x\d+) -->\n```text\n.*?```\n", re.S)

pytestmark = [pytest.mark.usefixtures("always_the_same", "utc", "brisk"), pytest.mark.slow]
Grids = dict[tuple[int, int], str]


def styles_of(app: Interface) -> list[Style]:
    """Return every style on the screen, as the filters leave it."""
    found = []
    for strip in app.screen._compositor.render_strips():
        segments = list(strip)
        for line_filter in app.get_line_filters():
            segments = line_filter.apply(segments, app.screen.styles.background)
        found += [segment.style for segment in segments if segment.style is not None]
    return found


async def play(scene: Scene, colours: Colours, sizes: tuple[tuple[int, int], ...]) -> Grids:
    """Play a scene once and look at it in several sizes."""
    app = interface(scene.device(), scene.phase, colours=colours)
    grids: Grids = {}
    async with app.run_test(size=sizes[0]) as pilot:
        await settled(pilot)
        for key in scene.keys:
            await pilot.press(key)
            if key in {"enter", "ctrl+k", "ctrl+o"}:
                await settled(pilot)
        await settled(pilot)
        for size in sizes:
            await pilot.resize_terminal(*size)
            app._check_resize()  # which waits for a 120th of a second otherwise
            await pilot.pause()
            grids[size] = grid(app)
            check_colours(app, colours)
    assert app.failure is None
    return grids


async def settled(pilot: Pilot[str]) -> None:
    """Let everything that was begun be done."""
    # Keys that came before their screen are held: ten seconds for it, on a busy machine.
    for _ in range(5000):
        if pilot.app._held is None or not pilot.app.is_running:  # type: ignore[attr-defined]
            break
        await asyncio.sleep(0.002)
        await pilot.pause()
    for _ in range(4):
        await pilot.pause()
    # Screens look by the clock whether they are ready: let that be over, too.
    await asyncio.sleep(0.004)
    for _ in range(2):
        await pilot.pause()


def check_colours(app: Interface, colours: Colours) -> None:
    kinds = {
        color.type for style in styles_of(app) for color in (style.color, style.bgcolor) if color
    }
    if colours == "none":
        assert kinds == set()
    elif colours == "ansi":
        assert kinds <= {ColorType.DEFAULT, ColorType.STANDARD}
    else:
        assert ColorType.TRUECOLOR in kinds


def told(size: tuple[int, int], grids: dict[str, Grids]) -> str:
    """Return the file of a size: every scene in a frame."""
    width = size[0]
    parts = [framed(name, of_scene[size]) for name, of_scene in grids.items()]
    return f"# {width} columns, {size[1]} rows\n\n" + "\n".join(parts)


def framed(name: str, text: str) -> str:
    """Return a screen under its name, as Markdown shows it row by row."""
    return f"## {name}\n\n" + "".join(f"    |{row}\n" for row in text.splitlines())


def test_every_screen_is_as_reviewed(request: pytest.FixtureRequest) -> None:
    grids = {scene.name: asyncio.run(play(scene, "none", SIZES)) for scene in SCENES}
    for size in SIZES:
        path = SNAPSHOTS / f"{size[0]}x{size[1]}.md"
        text = told(size, grids)
        if request.config.getoption("write_snapshots"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text, f"look at {path.name}, then write it anew"


def test_the_pictures_of_the_guide_are_the_programs(request: pytest.FixtureRequest) -> None:
    """A picture stands below a line that names its screen and its size."""
    text = GUIDE.read_text(encoding="utf-8")

    def picture(found: re.Match[str]) -> str:
        name, size = found.group(1), found.group(2)
        reviewed = (SNAPSHOTS / f"{size}.md").read_text(encoding="utf-8")
        rows = reviewed.split(f"## {name}\n\n")[1].split("\n\n")[0].splitlines()
        width = int(size.split("x")[0])
        drawn = ["+" + "-" * width + "+", *(_framed(row[5:], width) for row in rows)]
        drawn.append(drawn[0])
        return f"<!-- screen: {name}, {size} -->\n```text\n" + "\n".join(drawn) + "\n```\n"

    made, count = PICTURE.subn(picture, text)
    assert count >= 4
    if request.config.getoption("write_snapshots"):
        GUIDE.write_text(made, encoding="utf-8")
    assert GUIDE.read_text(encoding="utf-8") == made


def _framed(row: str, width: int) -> str:
    return "|" + row + " " * (width - cell_len(row)) + "|"


@pytest.mark.parametrize("colours", ["colour", "ansi"])
def test_colours_change_nothing_that_is_written(colours: Colours) -> None:
    """The plain run looks at every fifth screen in one size."""
    sizes = SIZES if is_long() else SIZES[:1]
    scenes = SCENES if is_long() else SCENES[::5]
    for scene in scenes:
        grids = asyncio.run(play(scene, colours, sizes))
        for size in sizes:
            reviewed = (SNAPSHOTS / f"{size[0]}x{size[1]}.md").read_text(encoding="utf-8")
            assert framed(scene.name, grids[size]) in reviewed


def test_the_selected_row_is_seen_in_one_bit() -> None:
    async def looking() -> None:
        (scene,) = (one for one in SCENES if one.name == "conversations")
        app = interface(scene.device(), colours="none")
        async with app.run_test(size=(50, 15)) as pilot:
            await settled(pilot)
            for row in (1, 3):
                strip = app.screen._compositor.render_strips()[row]
                first = next(iter(strip))
                assert first.text.startswith(">")
                assert first.style is not None
                assert first.style.bold
                await pilot.press("down")
                await settled(pilot)

    asyncio.run(looking())


def _luminance(rgb: str) -> float:
    parts = [int(rgb[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("role", RGB)
@pytest.mark.parametrize("ground", [BACKGROUND, SELECTED])
def test_contrast_is_seven_to_one(role: str, ground: str) -> None:
    lighter, darker = _luminance(RGB[role]) + 0.05, _luminance(ground) + 0.05
    assert lighter / darker >= 7
