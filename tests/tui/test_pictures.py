"""The pictures in the README are what the program draws.

    .venv/bin/python -P -m pytest tests/tui/test_pictures.py --write-snapshots

writes them anew.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tui.pictures import PICTURES, Picture, svg_of
from tui.scenes import SCENES
from tui.stage import interface
from tui.test_snapshots import settled

FOLDER: Final = Path(__file__).parents[2] / "docs/pictures"

pytestmark = pytest.mark.usefixtures("always_the_same", "utc", "brisk")


async def drawn(picture: Picture) -> str:
    """Play the scene and draw it."""
    (scene,) = (one for one in SCENES if one.name == picture.scene)
    app = interface(scene.device(), scene.phase, colours=picture.colours)
    async with app.run_test(size=picture.size) as pilot:
        await settled(pilot)
        for key in scene.keys:
            await pilot.press(key)
            await settled(pilot)
        made = svg_of(app, picture)
    assert app.failure is None
    return made


@pytest.mark.parametrize("picture", PICTURES, ids=lambda one: one.file)
def test_a_picture_is_the_programs(picture: Picture, request: pytest.FixtureRequest) -> None:
    made, path = asyncio.run(drawn(picture)), FOLDER / picture.file
    if request.config.getoption("write_snapshots"):
        path.write_text(made, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == made
