"""What ``bench tui`` measures is what it says that it measures."""

from __future__ import annotations

import asyncio

import pytest

from cloister.bench.tui_stage import LAST, stage
from cloister.tui.session import PAGE
from cloister.tui.widgets.message_log import MessageLog
from tui.stage import grid
from tui.test_behaviour import press
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")


@pytest.mark.parametrize(("whole", "laid_out"), [(False, PAGE), (True, 2 * PAGE + 1)])
def test_a_page_is_laid_out_or_everything(whole: bool, laid_out: int) -> None:
    app = stage(2 * PAGE + 1, whole=whole)

    async def main() -> None:
        async with app.run_test(size=(100, 30)) as pilot:
            await settled(pilot)
            await press(pilot, "enter")
            log = app.screen.query_one(MessageLog)
            assert len(log.messages) == laid_out
            assert len(log.lines) > laid_out
            assert LAST in grid(app)

    asyncio.run(main())
    assert app.failure is None
