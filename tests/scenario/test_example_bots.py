"""The bots in `examples`, in a circle in one process."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cloister.testing import circle

EXAMPLES = Path(__file__).parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))  # as Python does that is given one of them to run

if TYPE_CHECKING:
    import echo_bot
else:
    echo_bot = __import__("echo_bot")


def test_the_echo_bot_answers_its_command_and_nothing_else() -> None:
    async def story() -> None:
        async with circle(2, bots=["Echo"]) as living:
            async with living.serving(echo_bot.bot, living["Echo"]):
                desk = await living["Ada"].conversation("Desk")
                await desk.send("echo not me")
                answer = await living.ask(living["Ben"], "!echo one  two")
                assert (answer.sender, answer.text) == ("Echo", "one  two")
                assert (await living.ask(living["Ada"], "!echo")).text == "(nothing)"
            assert [one.text for one in await desk.history() if one.is_from_bot] == [
                "one  two",
                "(nothing)",
            ]

    asyncio.run(story())
