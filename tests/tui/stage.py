"""A device on paper with a circle in it, and the screens as grids of text."""

from __future__ import annotations

from typing import Any

from cloister.client.effects import MessageKind, MessageState
from cloister.errors import LockedError, UsageError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.access import Phase
from cloister.tui.app import Interface
from cloister.tui.setting import Setting, SettingRow

NOW = 1_795_881_600
"""Saturday 28 November 2026, 16:00 UTC."""


class PaperAccess:
    """A vault on paper, with a PIN on paper."""

    def __init__(self, device: PaperDevice, phase: Phase = Phase.OPEN, pin: str = "482913") -> None:
        self._device = device
        self._pin = pin
        self.state = phase

    def guess(self) -> Phase:
        return self.state

    async def phase(self) -> Phase:
        return self.state

    async def device(self) -> PaperDevice:
        return self._device

    async def unlock(self, pin: str, *, new: bool) -> PaperDevice:
        if self.state is not Phase.ABSENT and pin != self._pin:
            raise LockedError("The PIN is not right.", hint="9 more tries before it is sealed")
        self.state = Phase.OPEN
        return self._device

    async def lock(self) -> None:
        self.state = Phase.LOCKED


class PaperSettings:
    """Settings on paper."""

    def __init__(self) -> None:
        self.values = {"colours": "auto", "autolock_s": "900", "notify": "bell", "ui": "screen"}
        self.overridden: set[str] = set()

    def rows(self) -> list[SettingRow]:
        return [self._row(name) for name in self.values]

    def _row(self, name: str) -> SettingRow:
        return SettingRow(
            name=name,
            value=self.values[name],
            origin="CLOISTER_UI" if name in self.overridden else "default",
            meaning=f"What {name} is for.",
            effect="It holds from now on, here too.",
            choices=("bell", "osc9", "none") if name == "notify" else (),
            is_overridden=name in self.overridden,
        )

    def change(self, name: str, text: str) -> SettingRow:
        if name == "autolock_s" and not text.isdigit():
            raise UsageError("that is no value for autolock_s")
        if name not in self.overridden:
            self.values[name] = text
        return self._row(name)

    def present(self) -> Setting:
        return Setting(autolock_s=int(self.values["autolock_s"]), notify=self.values["notify"])


def newsroom() -> PaperDevice:
    """A newsroom of six people on a Saturday afternoon."""
    clock = [NOW - 90_000]
    device = PaperDevice(name="Jonas", now=lambda: clock[0])
    device.add_member("Amira", role="steward")
    device.add_member("Jonas", by=("Amira",))
    device.add_member("Lin", by=("Jonas",))
    device.add_member("Mei", by=("Amira", "Jonas"), state="suspended")
    device.add_member("Oskar", by=("Lin", "Amira"), needs_revouch=True)
    device.add_member("Zoë", by=("Mei", "Lin"))
    commons = device.add_conversation("commons", ("Amira", "Lin", "Mei", "Oskar", "Zoë"))
    desk = device.add_conversation("Front page", ("Amira", "Lin"))
    mei = device.add_conversation("Mei", ("Mei",))
    device.add_conversation("Rota, winter", ("Oskar", "Zoë"), state="stuck")

    def say(channel: str, name: str, text: str, after_s: int, **changes: Any) -> None:
        clock[0] += after_s
        device.write(channel, name, text, **changes)

    say(commons, "Amira", "Welcome, Zoë. Everybody reads this room.", 0)
    say(desk, "Amira", "The minister resigns at six. Two sources, both on paper.", 3_000)
    say(desk, "Jonas", "Then we hold until six.", 60)
    say(desk, "Amira", "Jonas and Mei are in this conversation.", 20, kind=MessageKind.NOTICE)
    say(
        desk,
        "Lin",
        "Photographs of the letter are with the lawyer.\n\nShe answers at five.",
        70_000,
    )
    say(mei, "Mei", "can you vouch for Jonas?", 4_000)
    say(desk, "Amira", "lead is confirmed", 4_000)
    say(desk, "Amira", "and the second source signs tonight", 30)
    say(desk, "Jonas", "good", 45)
    say(desk, "Jonas", "the headline is too long", 600, state=MessageState.FAILED,
        reason="this conversation is for announcements")  # fmt: skip
    say(desk, "Lin", "日本語 и кириллица, also here", 60)
    device.read = {commons: 1, desk: 4}
    device.asked.append(
        {
            "name": "Noor",
            "asks_as": "",
            "fingerprint": "".join(f"{n:05}" for n in range(20_417, 99_999, 7_001))[:60],
            "request_hash": "5e" * 32,
            "vouches": ["Lin"],
            "needed": 2,
            "own_vouch": {"counts_from": 0, "why": ""},
            "state": "open",
        }
    )
    device.waiting.append(
        {
            "reference": "3f2a91c0",
            "kind": "removal",
            "text": "removal of Oskar (departure)",
            "by": "Amira",
            "waits_for": "another steward",
            "until": NOW + 86_400,
        }
    )
    return device


def interface(device: PaperDevice, phase: Phase = Phase.OPEN, **options: Any) -> Interface:
    """Return the application over a device on paper."""
    options.setdefault("settings", PaperSettings())
    return Interface(PaperAccess(device, phase), clock=lambda: NOW, **options)


def grid(app: Interface) -> str:
    """Return what stands on the screen, row by row."""
    strips = app.screen._compositor.render_strips()
    return "\n".join(strip.text.rstrip() for strip in strips) + "\n"
