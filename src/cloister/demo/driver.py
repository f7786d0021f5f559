"""Runs the demo: sets up, supervises, tells the story, and has the result judged."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cloister.demo import relays
from cloister.demo.chapters import Chapters, Thief
from cloister.demo.children import Child, DemoFailed, LifeLine
from cloister.demo.folder import AFTER, FOUNDER, GROUP, LEDGER, ONE_TO_ONE, SECOND, THIRD, Folder
from cloister.demo.lost import LostDevice
from cloister.demo.names import circle_names
from cloister.demo.person import Person
from cloister.demo.script import Script, parse_script
from cloister.demo.story import Story, make_cast
from cloister.demo.term import TermEnds
from cloister.device.agent_client import RemoteDevice
from cloister.device.paths import socket_path
from cloister.errors import CloisterError, UsageError

PROBE_S: Final = 60.0
PROBE_AGAIN_S: Final = 0.3
JUDGE_TRIES: Final = 5
Typing = Callable[[Story], Any]


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    script: bytes
    keep: Path | None = None
    tell: Callable[[str], None] = lambda _line: None
    typing: Typing | None = None
    """A coroutine function that lets the person speak as the founder; ``None``: nobody types."""


def make_folder(keep: Path | None) -> Path:
    """Return an empty folder: the one asked for, or a temporary one.  Raises ``UsageError``."""
    if keep is None:
        return Path(tempfile.mkdtemp(prefix="cloister-demo-"))
    try:
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(keep.iterdir()):
            raise UsageError(f"{keep} is not empty", hint="--keep takes a new or empty folder")
    except OSError as error:
        raise UsageError(f"{keep} cannot be used: {error.strerror}") from None
    return keep.resolve()


async def run_demo(options: Options) -> dict[str, Any]:
    """Run the whole demo and return its summary; ``"ok"`` is the checker's word.

    Raises ``UsageError`` for a script or folder that cannot be used.
    """
    script = parse_script(options.script)
    began = time.monotonic()
    root = make_folder(options.keep)
    try:
        summary = await _run(Folder(root), script, options)
    except (DemoFailed, CloisterError) as error:
        if isinstance(error, UsageError):
            raise
        options.tell(f"The demo stopped: {error}")
        # The story is not whole, whatever the files say; they may tell where it stopped.
        summary = {"v": 1, "ok": False, "error": str(error), "checks": await _checks_of(root)}
    finally:
        if options.keep is None:
            shutil.rmtree(root, ignore_errors=True)
    summary["seconds"] = round(time.monotonic() - began, 1)
    if options.keep is not None:
        summary["folder"] = str(root)
    return summary


async def _run(folder: Folder, script: Script, options: Options) -> dict[str, Any]:
    names = circle_names(script.names)
    cast = make_cast(script, names)
    folder.make(len(names) + len(cast.extras))
    folder.script.write_bytes(options.script)
    folder.cast.write_bytes(cast.encode())
    life = LifeLine()
    children: list[Child] = []
    try:
        activation_code = await relays.set_up(folder)
        entry = relays.relay_child(relays.ENTRY, folder, life)
        home = relays.relay_child(relays.HOME, folder, life)
        cast_names = (*names, *cast.extras)
        everybody = [_person(folder, life, number, name) for number, name in enumerate(cast_names)]
        people, extras = everybody[: len(names)], everybody[len(names) :]
        children += [entry, home, *(person.child for person in everybody)]
        await asyncio.gather(
            entry.start(), home.start(), *(person.child.start() for person in people)
        )
        await relays.ready(relays.ENTRY, folder, entry)
        await relays.ready(relays.HOME, folder, home)
        options.tell("Two relays run: the entry in Panama, the home in Hong Kong.")
        story = Story(folder, cast, people, home, options.tell)
        await asyncio.gather(*(person.ask(person.device.status) for person in people))
        await _tell_story(story, script, activation_code, options)
        await _tell_chapters(story, extras, (entry, home), life)
        await _stop_devices(story.people)
        await _probe(folder, life, options.tell)
        seen = {
            role: await relays.ready(role, folder, child)
            for role, child in ((relays.ENTRY, entry), (relays.HOME, home))
        }
        restarts = {child.name: child.starts - 1 for child in children}
        await asyncio.gather(entry.stop(), home.stop())
        verdict = await _judge(folder.root)
        return _summary(story, verdict, seen, restarts)
    finally:
        await asyncio.gather(*(child.stop(child.kill) for child in children))
        life.close()


def _person(folder: Folder, life: LifeLine, number: int, name: str) -> Person:
    passphrase = secrets.token_urlsafe(24).encode("ascii")
    folder.passphrase(number).write_bytes(passphrase)
    folder.passphrase(number).chmod(0o600)
    profile = folder.profile(number)
    child = Child(
        f"device-{number}",
        ["agent", "run", "--json", "--profile", str(profile), "--passphrase-fd", "{fd}"],
        folder=folder,
        life=life,
        secret=passphrase,
        trace=folder.trace(number),
    )
    return Person(number, name, RemoteDevice(socket_path(profile)), child)


async def _tell_story(story: Story, script: Script, activation_code: str, options: Options) -> None:
    folder, people = story.folder, story.people
    cards = [(folder.relay(role) / "relay.card").read_bytes() for role in ("home", "entry")]
    await story.found(cards[0], cards[1], activation_code)
    await story.let_in(SECOND, FOUNDER, [FOUNDER])
    await story.open(ONE_TO_ONE, [FOUNDER, SECOND])
    await story.play(script, ONE_TO_ONE)
    await story.everybody_has_everything(ONE_TO_ONE, [FOUNDER, SECOND])
    await story.show(ONE_TO_ONE, SECOND)
    await story.let_in(THIRD, FOUNDER, [SECOND])
    for number in range(THIRD + 1, len(people)):
        await story.let_in(number, SECOND, [FOUNDER, SECOND])
    await story.open(GROUP, range(len(people)))
    await story.play(script, GROUP)
    await story.everybody_has_everything(GROUP, range(len(people)))
    await story.show(GROUP, THIRD)
    said = sum(story.shown.values())
    options.tell(f"{said} texts said and shown: 1:1, and in a group of {len(people)}.")
    if options.typing is not None:
        await options.typing(story)
    options.tell("A burst of 200 texts follows, with two processes killed in it.")
    await story.burst()
    options.tell("Everybody has every text once, in each author's order.")
    await story.remove_third()
    await story.speak_without_third()
    await story.everybody_is_caught_up()


async def _tell_chapters(
    story: Story, extras: list[Person], relays_run: Sequence[Child], life: LifeLine
) -> None:
    lost, clerk = extras
    chapters = Chapters(story.folder)
    thief = Thief(story.folder, life, story.folder.passphrase(lost.number).read_bytes())
    began = time.monotonic()
    await LostDevice(story, chapters, thief, lost, clerk, relays_run).play()
    await TermEnds(story, chapters, clerk).play()
    chapters.note("seconds", round(time.monotonic() - began, 1))
    staying = [person for person in story.people if person not in {lost}]
    await story.everybody_is_caught_up(staying)


async def _stop_devices(people: list[Person]) -> None:
    """End the agents in good order, so that their vaults are closed."""
    await asyncio.gather(*(person.child.stop() for person in people))


async def _probe(folder: Folder, life: LifeLine, tell: Callable[[str], None]) -> None:
    """Let the removed device ask the home relay."""
    arguments = ["--probe", str(folder.profile(THIRD)), "{fd}", str(folder.refusals)]
    deadline = time.monotonic() + PROBE_S
    while time.monotonic() < deadline:
        child = Child(
            "probe",
            arguments,
            folder=folder,
            life=life,
            secret=folder.passphrase(THIRD).read_bytes(),
            trace=folder.trace(THIRD),
        )
        if await child.run_to_end() == 0:
            tell("The removed device asks the home relay once more, and is refused.")
            return
        await asyncio.sleep(PROBE_AGAIN_S)
    raise DemoFailed(f"the removed device could not ask: {child.last_words()}")


async def _judge(root: Path) -> dict[str, Any]:
    """Run the checker as a process of its own; its word is the demo's."""
    for _ in range(JUDGE_TRIES):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-m", "cloister.demo.check", "--json", str(root),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, _ = await process.communicate()
        if process.returncode in (0, 1):
            try:
                verdict: dict[str, Any] = json.loads(out)
            except ValueError:
                continue
            verdict["ok"] = bool(verdict["ok"]) and process.returncode == 0
            return verdict
    raise DemoFailed("the checker gave no verdict")


async def _checks_of(root: Path) -> list[dict[str, Any]]:
    try:
        checks: list[dict[str, Any]] = (await _judge(root))["checks"]
    except DemoFailed:
        return []
    return checks


def _state_of(person: Person, story: Story) -> str:
    if person.number == THIRD:
        return "removed"
    return "erased" if person.number == len(story.cast.names) else "active"


def _summary(
    story: Story, verdict: dict[str, Any], seen: dict[str, Any], restarts: dict[str, int]
) -> dict[str, Any]:
    said = sum(story.shown.values())
    people = len(story.cast.names)
    after = sum(
        one.phase == AFTER and one.conversation == GROUP for one in story.folder.read_said()
    )
    in_group = story.shown[GROUP]
    in_ledger = story.shown[LEDGER]
    shown = (
        story.shown[ONE_TO_ONE]
        + 2 * in_ledger
        + (in_group - after) * (people - 1)
        + after * (people - 2)
    )
    stored = {
        role: sum(
            path.stat().st_size for path in story.folder.relay(role).rglob("*") if path.is_file()
        )
        for role in ("entry", "home")
    }
    return {
        "v": 1,
        "ok": verdict["ok"],
        "members": [
            {"name": person.name, "state": _state_of(person, story)} for person in story.people
        ],
        "sent": said,
        "shown": shown,
        "restarts": restarts,
        "relays": {
            role: {
                "jurisdiction": relays.PLACES[role][0],
                "operator": relays.PLACES[role][1],
                "stored_bytes": stored[role],
                "status": seen[role],
            }
            for role in ("entry", "home")
        },
        "checks": verdict["checks"],
        "cpus": os.cpu_count(),
    }
