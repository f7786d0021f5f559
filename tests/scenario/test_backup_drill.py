"""Drills on real processes: the home's disk is lost, and a backup takes its place.

What members had said after the backup was made, and the relay had acknowledged, is put again by
their devices, also by one that was killed in between; everybody sees it once.  A device that came
in after it enrols again, and its vault opens from cold.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest

from cloister.demo import relays
from cloister.demo.person import Person
from scenario.test_home_drill import DESK, Drill

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.nightly]

BEFORE, AFTER, LATER = "before the backup", "after it", "when all is well"


def signal_all(person: Person, number: int) -> None:
    """Signal both processes of a person's agent."""
    assert person.child.pid is not None
    os.killpg(person.child.pid, number)


async def lose_and_restore_home(drill: Drill, backup: Path) -> None:
    """The disk is gone; the relay goes on from the backup."""
    process, home = drill.relays["home"], drill.folder.relay("home")
    await process.stop(process.kill)
    shutil.rmtree(home)
    await drill.command("relay", "restore", str(backup), str(home))
    await process.start()
    await relays.ready("home", drill.folder, process)


async def play(root: Path) -> None:
    drill = Drill(root)
    try:
        await drill.set_up()
        await drill.found()
        ada, ben, cyd = drill.people
        await ada.device.send(DESK, BEFORE, 10)
        await asyncio.gather(*(one.wait_for_texts(DESK, 1) for one in drill.people))

        home, backup = drill.folder.relay("home"), root / "backup"
        await drill.command("relay", "backup", str(home), str(backup))
        signal_all(cyd, signal.SIGSTOP)
        for number, person in enumerate((ada, ben)):
            await person.device.send(DESK, f"{person.name} {AFTER}", 10)
            await asyncio.gather(*(one.wait_for_texts(DESK, number + 2) for one in (ada, ben)))
        # Whoever said it need not have been running all the time; but its vault is open when the
        # home is lost, or with two share relays it would open no more (decision 0035).
        ada.child.kill()
        await asyncio.sleep(1)
        await ada.ask(ada.device.conversations)

        await lose_and_restore_home(drill, backup)
        signal_all(cyd, signal.SIGCONT)

        said = [BEFORE, f"Ada {AFTER}", f"Ben {AFTER}"]
        await asyncio.gather(*(one.wait_for_texts(DESK, 3, within_s=60) for one in drill.people))
        for count, person in enumerate(drill.people, 4):
            await person.device.send(DESK, f"{person.name} {LATER}", 10)
            await asyncio.gather(
                *(one.wait_for_texts(DESK, count, within_s=60) for one in drill.people)
            )
            said.append(f"{person.name} {LATER}")
        for person in drill.people:
            rows = await person.rows(DESK, afresh=True)
            assert sorted(row.text for row in rows) == sorted(said), person.name
    finally:
        await drill.stop()


def test_what_was_said_after_a_backup_comes_to_everybody_once(tmp_path: Path) -> None:
    asyncio.run(play(tmp_path))


async def come_in_late(root: Path) -> None:
    drill = Drill(root)
    try:
        await drill.set_up()
        await drill.begin()
        ada, ben, cyd = drill.people
        await drill.let_in(ben, steward=True)
        backup = root / "backup"
        await drill.command("relay", "backup", str(drill.folder.relay("home")), str(backup))
        await drill.let_in(cyd)
        shares = {drill.relay_id("home"), drill.relay_id("entry")}
        for person in drill.people:
            await drill.is_kept_by(person, shares)
        await lose_and_restore_home(drill, backup)

        for person in (ada, cyd):

            async def opens(person: Person = person) -> bool | None:
                await person.device.check_shares()  # as ``cloister doctor`` does
                return True if not (await person.device.status())["vault_trouble"] else None

            await person.until(f"new shares of {person.name}", opens)
            # No lease outlives both processes of the agent: it opens from cold, or not at all.
            await person.child.stop(person.child.kill)
            await person.child.start()
            assert (await person.ask(person.device.status))["phase"] == "member"
            assert not (await person.device.status())["vault_trouble"]
    finally:
        await drill.stop()


def test_a_device_that_came_in_after_the_backup_opens_from_cold_again(tmp_path: Path) -> None:
    asyncio.run(come_in_late(tmp_path))
