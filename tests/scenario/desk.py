"""Three members in a conversation, every put of each device, and a clock that tests move."""

from __future__ import annotations

import asyncio
from typing import Any

from cloister.client.inputs import Act, OpenConversation, SendText, SetReceipts, Tick
from cloister.client.receipt_views import receipts_view
from cloister.client.state import Channel
from cloister.client.told import Told, told_of
from cloister.client.views import channel_named
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.wire.commands import Put
from scenario.built_once import built_once

TITLE = "Desk"


@built_once
async def _three(circle: SimulatedCircle) -> tuple[SimulatedDevice, ...]:
    ada = await circle.found("Ada")
    ben = await circle.admit("Ben", ada, [ada])
    cyd = await circle.admit("Cyd", ben, [ben])
    await circle.act(ada, OpenConversation(ref=circle.ref(), title=TITLE, members=("Ben", "Cyd")))
    # The first update of a newcomer comes within ten minutes.
    for _ in range(10):
        circle.now += 120
        await circle.settle()
    return ada, ben, cyd


class Desk:
    """Ada, who opened it, Ben and Cyd."""

    def __init__(self, seed: int = 0) -> None:
        self.circle = SimulatedCircle(seed)
        self.puts: dict[str, list[Put]] = {}

    async def open(self) -> tuple[SimulatedDevice, ...]:
        devices = await _three(self.circle)
        for device in devices:
            self._watch(device)
        return devices

    def _watch(self, device: SimulatedDevice) -> None:
        seen = self.puts.setdefault(device.name, [])

        def note(request: Any) -> tuple[Any, ...]:
            if isinstance(request, Put):
                seen.append(request)
            return (request,)

        device.hinder = note

    def counts(self) -> list[int]:
        """How many puts each device has made."""
        return [len(puts) for puts in self.puts.values()]

    def channel(self, device: SimulatedDevice) -> Channel:
        return channel_named(device.core.state, TITLE)

    async def do(self, device: SimulatedDevice, act: Act) -> str:
        device.feed(act)
        await self.rest()
        return self.circle.result(device, act)

    async def give(self, device: SimulatedDevice, level: int) -> None:
        act = SetReceipts(ref=self.circle.ref(), conversation=TITLE, level=level)
        await self.do(device, act)

    async def say(self, device: SimulatedDevice, *texts: str) -> None:
        for text in texts:
            device.feed(SendText(ref=self.circle.ref(), conversation=TITLE, text=text))
        await self.rest()

    async def rest(self) -> None:
        """Let everything happen that takes no time."""
        still = 0
        while still < 4:
            moved = sum(device.step() for device in self.circle.devices)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            still = 0 if moved else still + 1

    async def wait(self, seconds: int) -> None:
        """Let the clock go on, from one moment at which a device wants to be woken to the next."""
        circle = self.circle
        end = circle.now + seconds
        while circle.now < end:
            wanted = [device.wake_at for device in circle.devices if not device.is_offline]
            later = [at for at in wanted if at is not None and at > circle.now]
            circle.now = min([end, *later])
            for device in circle.devices:
                if not device.is_offline:
                    device.feed(Tick())
            await self.rest()

    def told(self, device: SimulatedDevice, text: str) -> Told | None:
        """What receipts say of one of the device's own texts."""
        row = next(one for one in device.messages.values() if one.text == text)
        return told_of(receipts_view(device.core.state, self.channel(device)), row.n)

    def alarms(self) -> list[str]:
        return [alarm.text for device in self.circle.devices for alarm in device.alarms]
