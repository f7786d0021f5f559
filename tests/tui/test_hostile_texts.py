"""No byte of anybody's text is obeyed by a terminal: in every widget, in lines, on a real pty."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any, Final

import pytest
from rich.cells import cell_len
from textual import events
from textual.worker import WorkerFailed

from cloister.client.effects import NEWS, Alarm, Changed
from cloister.errors import PolicyError
from cloister.testing.paper_device import PaperDevice
from cloister.tui import layout, line_input, lines, themes
from cloister.tui.actions.table import ACTIONS
from cloister.tui.app import Interface
from cloister.tui.folding import folded_block
from cloister.tui.screens.asking import AskScreen, ChooseScreen, ConfirmScreen, TellScreen
from cloister.tui.screens.change import ChangeScreen
from cloister.tui.screens.code import CodeScreen
from cloister.tui.talk import Choice
from cloister.tui.trust import label_of, trust_of_member
from cloister.tui.widgets.entry import Composer, Entry
from cloister.tui.widgets.painted import ordered
from counts import is_long
from tui.hostile import HOSTILE, concoction, of_segments, offences
from tui.stage import PaperAccess
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")
CONCOCTIONS: Final = 100_000 if is_long() else 500


def hostile_device(texts: list[str]) -> PaperDevice:
    """A circle in which every name, title, reason and text is hostile."""

    def take() -> str:
        return texts.pop(0) if texts else HOSTILE[0]

    device = PaperDevice(name="Jonas")
    names = [f"{n}{take()}" for n in range(4)]
    device.add_member("Jonas")
    for name in names:
        added = {"device": take(), "vouched_by": [take()], "told": True}
        device.add_member(name, state="active", role=take(), own_name=take(), shown=take())
        device.people[-1] |= {"trust": "changed", "vouched_by": [take()], "added_devices": [added]}
    device.people[1]["blocked"] = True
    channel = device.add_conversation(take(), tuple(names), reason=take())
    device.add_conversation(take(), tuple(names[:1]), state=take(), shown=take())
    while texts:
        device.write(channel, take(), take(), reason=take())
    device.begun[channel] = HOSTILE[1]
    device.asked.append(
        {
            "name": HOSTILE[0],
            "asks_as": HOSTILE[7],
            "fingerprint": "12345" * 12,
            "request_hash": "ab" * 32,
            "vouches": [],
            "needed": 2,
            "own_vouch": {"counts_from": 0, "why": ""},
            "state": "open",
        }
    )
    keys = ("reference", "kind", "text", "by", "waits_for")
    device.waiting.append({**dict.fromkeys(keys, HOSTILE[2]), "until": None})
    device.state |= {"name": "Jonas", "trouble": HOSTILE[3]}
    return device


def drawn(app: Interface) -> str:
    """Return the offences on the screen."""
    found = ""
    for strip in app.screen._compositor.render_strips():
        found += of_segments(list(strip))
    return found


def play(device: PaperDevice, story: Any) -> None:
    async def main() -> None:
        app = Interface(PaperAccess(device), colours="none")
        async with app.run_test(size=(60, 20)) as pilot:
            await settled(pilot)
            await story(app, pilot)
        assert app.failure is None

    asyncio.run(main())


def test_lists_titles_texts_drafts_and_state() -> None:
    async def story(app: Interface, pilot: Any) -> None:
        assert drawn(app) == ""
        for size in ((50, 15), (100, 30)):
            await pilot.resize_terminal(*size)
            app._check_resize()
            await pilot.press("enter")
            await settled(pilot)
            assert drawn(app) == ""
            for key in ("pageup", "pageup", "tab", "escape"):
                await pilot.press(key)
                assert drawn(app) == ""

    play(hostile_device(list(HOSTILE) * 4), story)


def test_what_changed_about_somebody() -> None:
    async def story(app: Interface, pilot: Any) -> None:
        for size in ((60, 20), (50, 15)):
            await pilot.resize_terminal(*size)
            app._check_resize()
            await settled(pilot)
            assert isinstance(app.screen, ChangeScreen)
            assert drawn(app) == ""

    for text in HOSTILE if is_long() else (HOSTILE[1], HOSTILE[9], "".join(HOSTILE)):
        device = hostile_device([text] * 40)
        for view in device.people[1:]:
            view["added_devices"] = [{"device": text, "vouched_by": [text, text], "told": False}]
        play(device, story)


def test_every_action_and_every_question(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each action is begun and its first screens are gone through, whatever they are."""
    monkeypatch.chdir(tmp_path)  # some of them write a file

    async def story(app: Interface, pilot: Any) -> None:
        for action in ACTIONS if is_long() else ACTIONS[::5]:
            if action.name in {"lock", "quit", "join", "join-own"}:
                continue
            home = app.home
            assert home is not None
            worker = app.run_worker(app._do(action))
            for _ in range(3):
                await pilot.pause()
                await pilot.pause()
                assert drawn(app) == "", action.name
                await pilot.press("x" if isinstance(app.screen, AskScreen) else "down", "enter")
            # Until it is over: what is under way would still tell something.
            for _ in range(60):
                await pilot.press("escape")
                await settled(pilot)
                if app.screen is home and worker.is_finished:
                    break
            assert app.screen is home, action.name

    play(hostile_device(list(HOSTILE) * 3), story)


def test_screens_that_ask_and_tell() -> None:
    async def story(app: Interface, pilot: Any) -> None:
        for text in HOSTILE if is_long() else ("".join(HOSTILE),):
            for screen in (
                TellScreen(text, text),
                AskScreen(text, about=text),
                ChooseScreen(text, [Choice(text, text, text)], about=text),
                ConfirmScreen(text, text),
                ChangeScreen(text, text, may_compare=True),
                CodeScreen(
                    {"name": text, "digits": text, "words": [text] * 12, "code": "CL1:A"}, "none"
                ),
            ):
                app.show_screen(screen)
                await pilot.pause()
                assert drawn(app) == ""
                await pilot.press("escape")
            app.report(PolicyError(text, hint=text))
            await pilot.pause()
            assert drawn(app) == ""
            await pilot.press("escape")
            assert app.session is not None
            for notice in (Alarm(code=text, text=text), Changed(what=NEWS, text=text)):
                app.session._hear(notice)
                await pilot.pause()
                assert drawn(app) == ""
                await pilot.press("escape")

    play(PaperDevice(), story)


def test_what_is_pasted_is_cleaned_before_it_is_drawn_or_sent() -> None:
    device = hostile_device(list(HOSTILE))

    async def story(app: Interface, pilot: Any) -> None:
        await pilot.press("enter")
        await settled(pilot)
        composer = app.screen.query_one(Composer)
        composer.fill("")
        for text in HOSTILE:
            composer.post_message(events.Paste(text))
        await settled(pilot)
        assert offences(composer.text.replace("\n", "").replace("\t", "")) == ""
        assert drawn(app) == ""
        await pilot.press("ctrl+k")
        await settled(pilot)
        entry = app.screen.query_one(Entry)
        for text in HOSTILE:
            entry.post_message(events.Paste(text))
        await settled(pilot)
        assert offences(entry.value) == ""
        assert drawn(app) == ""

    play(device, story)


def test_concoctions_in_every_kind_of_line() -> None:
    """A hundred thousand with ``--all``; each as a text, a name, a title, and a sentence."""
    styles = dict(themes.palette("none"))
    chance = random.Random(6)
    device = PaperDevice()
    channel = device.add_conversation("Desk", ())
    for _ in range(CONCOCTIONS):
        text = concoction(chance)
        row = device.write(channel, text, text, own=chance.random() < 0.3, reason=text)
        device.rows[channel].clear()
        view = {**device.titles[channel], "title": text, "unread": 1}
        drawn_lines = layout.message_block(row, None, 40)
        drawn_lines += layout.conversation_rows(view, row, text, text, 40, 0.0)
        drawn_lines += layout.conversation_rows({**view, "shown": text}, row, "", "", 40, 0.0, text)
        drawn_lines += folded_block([row], 0, {row.sender}, 40) or []
        member = {"name": text, "own_name": text, "trust": "vouched", "vouched_by": [text]}
        drawn_lines += lines.plain_lines(f"{label_of(member)} {trust_of_member(member)}", 40)
        drawn_lines += lines.plain_lines(text, 40, hang=2)
        drawn_lines.append(lines.with_note(text, text, 40))
        for line in drawn_lines:
            assert offences("".join(part for part, _ in line)) == "", repr(text)
            assert all(role in styles for _, role in line)
            cells = sum(cell_len(part) for part, _ in line)
            assert cells <= 40
            painted = ordered(line, 40)
            assert offences("".join(part for part, _ in painted)) == "", repr(text)
            assert sum(cell_len(part) for part, _ in painted) in {cells, 40}


def test_lines_that_are_written(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    for text in HOSTILE:
        line_input.PipedLines(None).show(text)  # type: ignore[arg-type]
        line_input.TypedLines().say(text)
    written = capsysbinary.readouterr().out.decode()
    assert offences(written.replace("\n", "").replace("\t", "")) == ""


def test_nothing_of_a_failure_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """A bug of ours, with a text in the frame that fails."""

    class Failing(PaperDevice):
        async def history(self, *arguments: Any, **options: Any) -> Any:
            secret = "canary-4471"
            raise ZeroDivisionError(secret)

    device = Failing()
    device.write(device.add_conversation("Desk", ("Amira",)), "Amira", "canary-4471")
    app = Interface(PaperAccess(device), colours="none")

    async def main() -> None:
        async with app.run_test(size=(60, 20)) as pilot:
            await settled(pilot)
            await pilot.press("enter")
            await settled(pilot)

    with pytest.raises(WorkerFailed):
        asyncio.run(main())
    assert isinstance(app.failure, ZeroDivisionError)
    captured = capfd.readouterr()
    assert "canary" not in captured.out + captured.err
