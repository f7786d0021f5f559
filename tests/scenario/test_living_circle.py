"""``cloister.testing.circle``: what the tests of a bot can rely on; and the synchronous client."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from cloister import Bot, Context, sync
from cloister.client.inputs import OpenConversation
from cloister.device.agent import serve
from cloister.device.paths import socket_path
from cloister.errors import LockedError, NetworkError, NotFoundError, UsageError
from cloister.testing import circle


def counting() -> tuple[Bot, list[str]]:
    """A bot that answers with how often it was asked, and what it was asked."""
    bot, asked = Bot(), []

    @bot.command("count")
    async def count(context: Context) -> None:
        asked.append(context.rest)
        await context.reply(f"{context.sender} asks for the {len(asked)}. time")

    return bot, asked


def test_it_opens_soon_and_everybody_is_in_a_conversation() -> None:
    async def story() -> float:
        began = time.process_time()
        async with circle(3, bots=["Echo"]) as living:
            took = time.process_time() - began
            assert len(living.people) == 3
            for client in (*living.people, *living.bots):
                desk = await client.conversation("Desk")
                assert desk.members == ("Ada", "Ben", "Cleo", "Echo")
                assert desk.bots == ("Echo",)
                assert (await client.device.status())["link"] == "up"
            assert (await living["Echo"].device.status())["bot"] is True
            await (await living["Ada"].conversation("Desk")).send("hello", wait_s=5)
            await living.rest()
            texts = await (await living["Cleo"].conversation("Desk")).history()
            assert [(one.sender, one.text) for one in texts] == [("Ada", "hello")]
        return took

    assert asyncio.run(story()) < 2.0
    # The second copy of the same circle knows nothing of the first.
    asyncio.run(_is_empty())


async def _is_empty() -> None:
    async with circle(3, bots=["Echo"]) as living:
        assert await (await living["Ben"].conversation("Desk")).history() == []


def test_a_bot_is_asked_in_the_same_loop() -> None:
    async def story() -> None:
        bot, asked = counting()
        async with circle(2, bots=["Count"]) as living:
            ada, ben = living.people
            async with living.serving(bot, *living.bots):
                first = await living.ask(ada, "!count a  b")
                second = await living.ask(ben, "!count")
            assert (first.text, first.sender) == ("Ada asks for the 1. time", "Count")
            assert first.is_from_bot
            assert second.text == "Ben asks for the 2. time"
            assert asked == ["a  b", ""]
            with pytest.raises(NetworkError):
                await living.ask(ada, "!count", timeout_s=0.2)

    asyncio.run(story())


def test_what_was_asked_while_the_bot_was_away_is_answered_once() -> None:
    async def story() -> None:
        bot, asked = counting()
        async with circle(2, bots=["Count"]) as living:
            ada, count = living["Ada"], living["Count"]
            desk = await ada.conversation("Desk")
            await living.cut(count)
            for text in ("!count one", "no command", "!count two"):
                await desk.send(text, wait_s=5)
            await living.mend(count)
            for _ in range(2):
                async with living.serving(bot, count):
                    await living.ask(ada, "!count again")
            assert asked == ["one", "two", "again", "again"]

    asyncio.run(story())


def test_a_device_that_is_cut_off_queues_and_catches_up() -> None:
    async def story() -> None:
        async with circle(2) as living:
            ada, ben = living.people
            await living.cut(ben)
            assert await (await ben.conversation("Desk")).send("later", wait_s=0.1) == "queued"
            assert (await ben.device.status())["link"] == "down"
            await living.mend(ben)
            texts = await (await ada.conversation("Desk")).history()
            assert [one.text for one in texts] == ["later"]

    asyncio.run(story())


def test_the_clock_is_set_on_for_everybody() -> None:
    async def story() -> None:
        async with circle(2) as living:
            before = living.now
            await living.advance(40 * 86_400)
            assert 40 * 86_400 <= living.now - before < 40 * 86_400 + 60
            for client in living.people:
                status = await client.device.status()
                assert not status["log_stale"], "the relays have signed the head anew"
                assert abs(status["relay_ahead_s"]) < 60
            await (await living["Ada"].conversation("Desk")).send("a month later", wait_s=5)
            await living.rest()
            (text,) = await (await living["Ben"].conversation("Desk")).history()
            assert abs(text.row.at - living.now) < 60
            with pytest.raises(UsageError):
                await living.advance(-1)

    asyncio.run(story())


def test_a_conversation_that_is_opened_meanwhile_is_heard_too() -> None:
    async def story() -> None:
        async with circle(2) as living:
            ada, ben = living.people
            async with aclosing(ben.messages()) as messages:
                coming = asyncio.ensure_future(anext(messages))
                await asyncio.sleep(0)
                opening = OpenConversation(ref=0, title="Rota", members=("Ben",))
                await ada.device.act(opening)
                await (await ada.conversation("Rota")).send("you are on call")
                message = await asyncio.wait_for(coming, 60)
            assert (message.conversation.title, message.text) == ("Rota", "you are on call")
            with pytest.raises(NotFoundError):
                await ben.conversation("nowhere")

    asyncio.run(story())


@pytest.mark.parametrize(("n", "bots"), [(0, ["Echo"]), (11, []), (1, []), (2, ["Ada"])])
def test_a_circle_that_cannot_be_is_refused(n: int, bots: list[str]) -> None:
    async def story() -> None:
        async with circle(n, bots=bots):
            pass

    with pytest.raises(UsageError):
        asyncio.run(story())


def test_the_synchronous_client_asks_an_agent(tmp_path: Path) -> None:
    """A thread with a loop of its own stands for the script, which is another process."""
    got: list[object] = []

    def script() -> None:
        with sync.open(tmp_path) as me:
            got.append(sorted(me.conversations()))
            got.append(me.send("Desk", "hold until six", wait_s=5))
            messages = me.messages(unread=True)
            message = next(messages)
            got.append((message.conversation, message.sender, message.text))
            message.mark_read()
            got.append(message.reply("seen", wait_s=5))
            messages.close()
            got.append([one.text for one in me.history("Desk")])
            with pytest.raises(NotFoundError):
                me.send("nowhere", "lost")

    async def story() -> None:
        async with circle(2) as living:
            ada, ben = living.people
            await (await ada.conversation("Desk")).send("are you there?", wait_s=5)
            await living.rest()
            async with serve(living.device(ben), socket_path(tmp_path)):
                thread = threading.Thread(target=script)
                thread.start()
                await asyncio.to_thread(thread.join, 20)
            assert (await ben.device.status())["unread"] == 0

    asyncio.run(story())
    assert got == [
        ["Desk", "commons"],
        "sent",
        ("Desk", "Ada", "are you there?"),
        "sent",
        ["are you there?", "hold until six", "seen"],
    ]


def test_the_synchronous_client_needs_an_open_vault(tmp_path: Path) -> None:
    with pytest.raises(LockedError), sync.open(tmp_path):
        pass
