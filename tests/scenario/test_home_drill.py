"""A drill on real processes: the home relay is killed for good, and the circle goes on at another.

Three relays and three devices, each a process of its own; the move itself by the commands that
people type.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from cloister.client.inputs import FoundCircle, Invite, Join, OpenConversation, Vouch
from cloister.demo import relays
from cloister.demo.children import Child, LifeLine
from cloister.demo.folder import Folder
from cloister.demo.person import Person
from cloister.device.agent_client import RemoteDevice
from cloister.device.paths import socket_path
from cloister.device.vault.key_file import ShareKeyFile, parse_key_file
from cloister.roster.relay_card import RelayCard

pytestmark = [pytest.mark.process, pytest.mark.slow]

NAMES = ("Ada", "Ben", "Cyd")
NEW_HOME = "geyser"
PLACES = {
    "entry": ("entry", "PA", "Canal"),
    "home": ("home", "HK", "Harbour"),
    NEW_HOME: ("home", "IS", "Geyser"),
}
DESK = "Desk"
WITHIN_S = 25.0


class Drill:
    """The processes, and what a test asks of them."""

    def __init__(self, root: Path) -> None:
        self.folder = Folder(root)
        self.life = LifeLine()
        self.relays: dict[str, Child] = {}
        self.people: list[Person] = []

    async def set_up(self) -> None:
        """Make three relays, who know each other through the entry, and start everybody."""
        self.folder.make(len(NAMES))
        await asyncio.gather(*(self._init(name) for name in PLACES))
        entry = self.folder.relay("entry")
        cards = [str(self.card(name)) for name in ("home", NEW_HOME)]
        await asyncio.gather(
            self.command("relay", "peer", str(entry), *cards),
            *(
                self.command("relay", "peer", str(self.folder.relay(name)), str(self.card("entry")))
                for name in ("home", NEW_HOME)
            ),
        )
        for name in PLACES:
            self.relays[name] = relays.relay_child(name, self.folder, self.life)
        self.people = [self._person(number, name) for number, name in enumerate(NAMES)]
        await asyncio.gather(*(child.start() for child in self.relays.values()))
        await asyncio.gather(*(person.child.start() for person in self.people))
        for name in PLACES:
            await relays.ready(name, self.folder, self.relays[name])

    async def _init(self, name: str) -> None:
        role, jurisdiction, operator = PLACES[name]
        await self.command(
            "relay", "init", str(self.folder.relay(name)), "--role", role, "--host", "127.0.0.1",
            "--jurisdiction", jurisdiction, "--operator", operator,
        )  # fmt: skip

    def _person(self, number: int, name: str) -> Person:
        passphrase = b"a passphrase of person %d, long enough" % number
        profile = self.folder.profile(number)
        child = Child(
            f"device-{number}",
            ["agent", "run", "--json", "--profile", str(profile), "--passphrase-fd", "{fd}"],
            folder=self.folder,
            life=self.life,
            secret=passphrase,
        )
        return Person(number, name, RemoteDevice(socket_path(profile)), child)

    def card(self, name: str) -> Path:
        """Where a relay's card lies."""
        return self.folder.relay(name) / "relay.card"

    async def command(self, *arguments: str) -> str:
        """Run one of our commands to its end."""
        return await relays.command(self.folder, *arguments)

    async def code(self, name: str) -> str:
        """Have a relay's operator hand out an activation code."""
        said = await self.command("relay", "code", str(self.folder.relay(name)), "--json")
        return str(json.loads(said)["activation_code"])

    async def home(self, person: Person, *arguments: str) -> list[dict[str, Any]]:
        """Let a person type ``cloister home …``; return what it printed."""
        profile = str(self.folder.profile(person.number))
        said = await self.command("home", *arguments, "--profile", profile, "--json")
        return [json.loads(line) for line in said.splitlines()]

    async def found(self) -> None:
        """Ada founds the circle; Ben comes in as a steward, Cyd as a member."""
        await self.begin()
        ada, ben, cyd = self.people
        await self.let_in(ben, steward=True)
        await self.let_in(cyd)
        await ada.act(OpenConversation(ref=0, title=DESK, members=("Ben", "Cyd")))

    async def begin(self) -> None:
        """Ada founds the circle."""
        ada = self.people[0]
        await ada.ask(ada.device.status)
        await ada.act(
            FoundCircle(
                ref=0,
                name=ada.name,
                home_card=self.card("home").read_bytes(),
                entry_cards=(self.card("entry").read_bytes(),),
                activation_code=await self.code("home"),
                test_circle=True,
                change_delay_s=0,
            )
        )

    async def let_in(self, newcomer: Person, *, steward: bool = False) -> None:
        """Ada invites somebody and vouches for them."""
        ada = self.people[0]
        code = await ada.act(Invite(ref=0, steward=steward))
        digits = await newcomer.act(Join(ref=0, code=code, name=newcomer.name))
        await self._sees_request(ada)
        await ada.act(Vouch(ref=0, request=digits[:11], how=1))
        await self._is_member(newcomer)

    async def _sees_request(self, person: Person) -> None:
        async def seen() -> bool | None:
            return True if await person.device.requests() else None

        await person.until("a request", seen, within_s=WITHIN_S)

    async def _is_member(self, person: Person) -> None:
        async def inside() -> bool | None:
            return True if (await person.device.status())["phase"] == "member" else None

        await person.until(f"{person.name} inside", inside, within_s=WITHIN_S)

    def relay_id(self, name: str) -> bytes:
        """Return a relay's id."""
        return bytes(RelayCard.decode(self.card(name).read_bytes()).relay_id)

    async def is_kept_by(self, person: Person, relay_ids: set[bytes]) -> None:
        """Wait until a person's vault opens with the unlock shares of just these relays."""
        path = self.folder.profile(person.number) / "vault.key"

        async def wrapped() -> bool | None:
            file = parse_key_file(path.read_bytes())
            if not isinstance(file, ShareKeyFile):
                return None
            return True if {one.relay_id for one in file.references} == relay_ids else None

        await person.until(f"new shares of {person.name}", wrapped, within_s=WITHIN_S)

    async def channels(self, person: Person) -> dict[str, str]:
        """Return the ids of a person's conversations, with their titles."""
        views = await person.device.conversations()
        return {str(view["channel_id"]): str(view["title"]) for view in views}

    async def stop(self) -> None:
        """End all processes."""
        children = (*self.relays.values(), *(person.child for person in self.people))
        await asyncio.gather(*(child.stop(child.kill) for child in children))
        self.life.close()


async def play(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drill = Drill(root)
    try:
        await drill.set_up()
        await drill.found()
        ada, ben, cyd = drill.people
        for count, person in enumerate(drill.people, 1):
            await person.device.send(DESK, f"{person.name} before", 10)
            await asyncio.gather(*(one.wait_for_texts(DESK, count) for one in drill.people))
        before = [await drill.channels(person) for person in drill.people]

        home = drill.relays.pop("home")
        await home.stop(home.kill)
        for person in drill.people:
            await person.device.send(DESK, f"{person.name} meanwhile", 0)

        code = root / "code"
        code.write_text(await drill.code(NEW_HOME))
        monkeypatch.setenv("CLOISTER_ACTIVATION_CODE_FILE", str(code))
        notice = str(root / "notice.move")
        await drill.home(ada, "move", str(drill.card(NEW_HOME)), "--lost", notice, "--yes")
        await drill.home(ben, "follow", notice, "--approve", "--yes")
        await asyncio.gather(*(drill.home(one, "follow", notice) for one in (ada, cyd)))

        await asyncio.gather(*(one.wait_for_texts(DESK, 6, within_s=60) for one in drill.people))
        for person in drill.people:
            await person.device.send(DESK, f"{person.name} after", 10)
        await asyncio.gather(*(one.wait_for_texts(DESK, 9, within_s=60) for one in drill.people))
        said = sorted(
            f"{name} {when}" for name in NAMES for when in ("before", "meanwhile", "after")
        )
        for person in drill.people:
            rows = await person.rows(DESK, afresh=True)
            assert sorted(row.text for row in rows) == said
            shown = await drill.home(person, "show", "--offline")
            assert [row["role"] for row in shown] == ["home", "entry", "former home"]
            assert shown[0]["operator"] == "Geyser"
        assert [await drill.channels(person) for person in drill.people] == before
        wanted = {drill.relay_id(name) for name in ("entry", NEW_HOME)}
        for person in drill.people:
            await drill.is_kept_by(person, wanted)
    finally:
        await drill.stop()


def test_a_home_that_is_killed_for_good_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(play(tmp_path, monkeypatch))
