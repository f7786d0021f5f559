"""What is painted anew: the same as the toolkit would paint, and not more than was changed."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Awaitable, Callable
from typing import Final

import pytest
from textual._compositor import ChopsUpdate, Compositor
from textual.geometry import Region
from textual.pilot import Pilot
from textual.strip import Strip
from textual.widgets import TextArea

from cloister.tui.app import Interface
from cloister.tui.repainting import FrugalCompositor
from cloister.tui.widgets.choice_list import ChoiceList
from cloister.tui.widgets.entry import Composer
from counts import seeds
from tui.scenes import SIZES
from tui.stage import interface, newsroom
from tui.test_behaviour import press
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")


IDLE_MOVE: Final = re.compile(r"\x1b\[\d+;\d+H(?=\x1b\[\d+;\d+H|\n|$)")
"""The toolkit goes to the cell behind a region, to write nothing there."""


def update_of(app: Interface, regions: list[Region]) -> str:
    """Return what goes to the terminal when these regions have changed."""
    compositor = app.screen._compositor
    compositor._dirty_regions = set(regions)
    update = compositor.render_partial_update()
    assert isinstance(update, ChopsUpdate)
    return IDLE_MOVE.sub("", update.render_segments(app.console))


def play(
    story: Callable[[Interface, Pilot[str]], Awaitable[None]], size: tuple[int, int] = (100, 30)
) -> None:
    app = interface(newsroom(), colours="colour")

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await story(app, pilot)

    asyncio.run(main())
    assert app.failure is None


def some_regions(chance: random.Random, width: int, height: int) -> list[Region]:
    regions = []
    for _ in range(chance.randint(1, 3)):
        x, y = chance.randrange(width), chance.randrange(height)
        regions.append(Region(x, y, chance.randint(1, width - x), chance.randint(1, height - y)))
    return regions


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [(), ("enter", *"half a text")])
@pytest.mark.parametrize("seed", seeds(1, 20))
def test_it_paints_what_the_toolkit_paints(
    size: tuple[int, int], keys: tuple[str, ...], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, *keys)
        widgets = [one.region for one in app.screen._compositor.visible_widgets]
        for number in range(60):
            regions = (
                some_regions(chance, *size)
                if number % 2
                else chance.sample(widgets, chance.randint(1, 2))
            )
            frugal = update_of(app, regions)
            with monkeypatch.context() as patched:
                patched.setattr(FrugalCompositor, "_get_renders", Compositor._get_renders)
                assert frugal == update_of(app, regions), regions

    play(story, size)


def test_a_key_in_the_composer_paints_the_composer_alone() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", "h")
        composer = app.screen.query_one(Composer)
        painted = app.screen._compositor._get_renders(composer.region)
        assert [region for region, _, _ in painted] == [composer.region]

    play(story)


def test_the_composer_is_styled_as_the_toolkit_styles_it() -> None:
    """It looks the styles up only when they may have changed; so they must be right after that."""

    def lines(composer: Composer, draw: type[TextArea]) -> list[Strip]:
        composer._line_cache.clear()
        composer._styles_cache.clear()
        return draw.render_lines(composer, composer.size.region)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        composer = app.screen.query_one(Composer)
        seen = [lines(composer, Composer)]

        async def look() -> None:
            await settled(pilot)
            seen.append(lines(composer, Composer))
            assert seen[-1] == lines(composer, TextArea)
            assert seen[-1] != seen[-2]

        app.screen.query_one(ChoiceList).focus()
        await look()
        composer.focus()
        await look()
        app.theme = "textual-light"
        await look()
        app.stylesheet.add_source("Composer { color: #123456; }", is_default_css=False)
        app.refresh_css(animate=False)
        await look()

    play(story)
