"""Client and Bot, over a device on paper and over a real agent's socket."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from pathlib import Path

import pytest

from cloister import Bot, Client, Context
from cloister.client.effects import Message, MessageState
from cloister.device import sdk
from cloister.device.errors import NotAnswered
from cloister.device.facade import View
from cloister.device.local import Device
from cloister.errors import LockedError, NotFoundError, PolicyError, UsageError
from cloister.testing.paper_device import PaperDevice
from unit.device.test_agent import with_agent


def desk() -> tuple[PaperDevice, str]:
    device = PaperDevice(name="Echo")
    return device, device.add_conversation("Desk", ("Amira",))


def test_what_waits_comes_first_and_each_comes_once() -> None:
    device, channel = desk()
    device.write(channel, "Amira", "read before")
    device.read[channel] = 1
    device.write(channel, "Amira", "waiting")
    device.write(channel, "Echo", "own")

    async def story() -> list[str]:
        got = []
        async with asyncio.timeout(5):
            async for message in Client(device).messages(unread=True):
                got.append(message.text)
                if len(got) == 1:
                    device.write(channel, "Amira", "new")
                if len(got) == 2:
                    await message.mark_read()
                    break
        return got

    assert asyncio.run(story()) == ["waiting", "new"]
    assert device.read[channel] == 4


def test_who_is_blocked_is_not_answered() -> None:
    device, channel = desk()
    device.add_member("Amira")
    device.add_member("Mallory", blocked=True)
    device.write(channel, "Mallory", "waiting")
    device.write(channel, "Amira", "waiting too")

    async def story() -> list[str]:
        got = []
        async with asyncio.timeout(5):
            async for message in Client(device).messages(unread=True):
                got.append(message.text)
                if len(got) == 2:
                    break
                device.write(channel, "Mallory", "new")
                device.write(channel, "Amira", "new too")
        return got

    assert asyncio.run(story()) == ["waiting too", "new too"]


def test_a_conversation_by_its_title() -> None:
    device, channel = desk()

    async def story() -> None:
        client = Client(device)
        found = await client.conversation("Desk")
        assert await found.send("hello") == "queued"
        assert [one.text for one in await found.history()] == ["hello"]
        with pytest.raises(NotFoundError):
            await client.conversation("nowhere")

    asyncio.run(story())
    assert device.rows[channel][0].own


def test_what_waits_is_read_by_pages_and_ends_where_the_marker_stands() -> None:
    device, channel = desk()
    for number in range(450):
        device.write(channel, "Amira" if number % 2 else "Echo", str(number))
    device.read[channel] = 11

    async def story() -> list[str]:
        got: list[str] = []
        async with asyncio.timeout(5):
            async for message in Client(device).messages(unread=True):
                got.append(message.text)
                if message.text == "449":
                    break
        return got

    assert asyncio.run(story()) == [str(number) for number in range(11, 450, 2)]


def test_a_device_that_does_not_answer_is_not_waited_for_for_ever() -> None:
    class Hangs(PaperDevice):
        async def conversations(self) -> list[dict[str, object]]:
            await asyncio.Event().wait()
            return []

    async def story() -> None:
        with pytest.raises(NotAnswered):
            await Client(Hangs(), timeout_s=0.01).conversations()

    asyncio.run(story())


def test_a_text_that_is_refused_raises() -> None:
    device, _ = desk()
    device.sent_as = MessageState.FAILED

    async def story() -> None:
        found = await Client(device).conversation("Desk")
        with pytest.raises(PolicyError):
            await found.send("hello")

    device.refusal = PolicyError("only admins post here")
    asyncio.run(story())


async def served(bot: Bot, device: PaperDevice, channel: str, until: int) -> None:
    """Serve a bot until it has read up to a position."""
    serving = asyncio.ensure_future(bot.serve(Client(device)))
    async with asyncio.timeout(5):
        while device.read.get(channel, 0) < until and not serving.done():  # noqa: ASYNC110
            await asyncio.sleep(0)
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)


def test_a_command_gets_its_arguments() -> None:
    device, channel = desk()
    bot = Bot()
    got: list[Context] = []

    @bot.command("say")
    async def say(context: Context) -> None:
        got.append(context)

    for text in ("!say  one\ttwo ", "!say", "!says no", "say no", "", "!"):
        device.write(channel, "Amira", text)
    asyncio.run(served(bot, device, channel, 6))
    assert [(one.rest, one.arguments) for one in got] == [("one\ttwo", ("one", "two")), ("", ())]
    assert {one.sender for one in got} == {"Amira"}


def test_a_handler_that_fails_or_hangs_is_logged_without_text_and_the_bot_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device, channel = desk()
    bot = Bot(handler_s=0.02)

    @bot.command("fail")
    async def fail(context: Context) -> None:
        raise ValueError(context.rest)

    @bot.command("hang")
    async def hang(context: Context) -> None:
        await asyncio.Event().wait()

    @bot.command("lost")
    async def lost(context: Context) -> None:
        raise NotFoundError(f"no conversation {context.rest}")

    @bot.command("go")
    async def go(context: Context) -> None:
        await context.reply("gone on")

    for text in ("!fail secret", "!hang secret", "!lost secret", "!go"):
        device.write(channel, "Amira", text)
    with caplog.at_level(logging.ERROR, "cloister.bot"):
        asyncio.run(served(bot, device, channel, 4))
    assert [row.text for row in device.rows[channel] if row.own] == ["gone on"]
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 3
    assert "fail failed: ValueError at test_sdk.py:" in said[0]
    assert "TimeoutError" in said[1]
    assert "NotFoundError" in said[2]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("answers", [False, True])
def test_other_bots_are_answered_only_by_a_bot_that_wants_to(answers: bool) -> None:
    device, channel = desk()
    bot = Bot(answers_bots=answers)

    @bot.command("go")
    async def go(context: Context) -> None:
        await context.reply(f"gone for {context.sender}")

    device.write(channel, "Alerts", "!go", bot=True)
    device.write(channel, "Amira", "!go")
    asyncio.run(served(bot, device, channel, 2))
    said = [row.text for row in device.rows[channel] if row.own]
    assert said == ["gone for Alerts"] * answers + ["gone for Amira"]


def test_one_question_is_enough_while_nothing_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "RECHECK_S", 0.01)
    asked: list[str] = []

    class Counts(PaperDevice):
        async def newest(self) -> list[Message]:
            asked.append("newest")
            return await super().newest()

        async def conversations(self) -> list[View]:
            asked.append("conversations")
            return await super().conversations()

    device = Counts(name="Echo")
    channel = device.add_conversation("Desk", ("Amira",))
    device.write(channel, "Amira", "before")

    async def story() -> None:
        async with aclosing(Client(device).messages()) as messages:
            coming = asyncio.ensure_future(anext(messages))
            while asked.count("newest") < 5:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            assert asked.count("conversations") == 1
            device.write(channel, "Amira", "now")
            assert (await asyncio.wait_for(coming, 60)).text == "now"

    asyncio.run(story())


def test_what_the_device_raises_ends_the_bot() -> None:
    class Closes(PaperDevice):
        async def mark_read(self, conversation: str, position: int) -> None:
            raise LockedError("another command has locked the vault")

    device = Closes(name="Echo")
    device.write(device.add_conversation("Desk", ("Amira",)), "Amira", "!nothing")
    with pytest.raises(LockedError):
        asyncio.run(Bot().serve(Client(device)))


@pytest.mark.parametrize("name", ["", "two words", " one", "taken"])
def test_a_command_that_cannot_be_used_is_refused(name: str) -> None:
    bot = Bot()
    bot.command("taken")(lambda _context: asyncio.sleep(0))
    with pytest.raises(UsageError):
        bot.command(name)(lambda _context: asyncio.sleep(0))


def test_over_an_agent(tmp_path: Path) -> None:
    async def story(device: Device, remote: object) -> None:
        async with Client.open(tmp_path) as client:
            assert [one.title for one in await client.conversations()] == ["desk"]

    with_agent(tmp_path, story)


def test_without_an_agent_it_is_locked(tmp_path: Path) -> None:
    async def story() -> None:
        async with Client.open(tmp_path):
            pass

    with pytest.raises(LockedError):
        asyncio.run(story())
