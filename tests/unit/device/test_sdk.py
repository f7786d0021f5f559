"""Client and Bot, over a device on paper and over a real agent's socket."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

import pytest

from cloister.device.local import Device
from cloister.device.sdk import Client
from cloister.errors import LockedError, NotFoundError
from cloister.testing.paper_device import PaperDevice
from unit.device.test_agent import with_agent

EXAMPLE = Path(__file__).parents[3] / "examples/echo_bot.py"


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


def test_the_example_bot_answers_its_command_and_nothing_else() -> None:
    specification = importlib.util.spec_from_file_location("echo_bot", EXAMPLE)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    device, channel = desk()
    device.write(channel, "Amira", "!echo one two")
    device.write(channel, "Amira", "echo not me")
    device.write(channel, "Amira", "!nope")

    async def story() -> None:
        serving = asyncio.ensure_future(module.bot.serve(Client(device)))
        async with asyncio.timeout(5):
            while device.read.get(channel, 0) < 3:  # noqa: ASYNC110 (a value on paper)
                await asyncio.sleep(0)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(story())
    assert [row.text for row in device.rows[channel] if row.own] == ["one two"]


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
