"""People as one wants them, in the interface: what rings, what is folded, what must be read."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from cloister.client.contact_acts import NameContact, NoteTold, NoteVerified
from cloister.testing.paper_device import PaperDevice
from cloister.tui.app import Interface
from cloister.tui.folding import folded_block
from cloister.tui.screens.change import ChangeScreen
from cloister.tui.widgets.message_log import MessageLog
from cloister.tui.widgets.qr_code import COLUMNS, QUIET, ROWS, QrCode, half_blocks, modules_of
from cloister.values import replace
from tui.scenes import SCENES
from tui.stage import grid, newsroom
from tui.test_behaviour import play, press
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk", "always_the_same")
CODE = "CL1:NFVW4LSOMFWHI23GOFRHK4LTNZSXA5DJ"


def scene(name: str) -> PaperDevice:
    return next(one for one in SCENES if one.name == name).device()


def rung(app: Interface, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What goes to the terminal past the toolkit from now on."""
    written: list[str] = []
    assert app._driver is not None
    monkeypatch.setattr(app._driver, "write", written.append)
    return written


# --- people as a list -----------------------------------------------------------------------------


def test_somebody_is_picked_from_the_tree_and_written_to() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"people", "enter", *"mei", "enter")
        assert "Suspended. Vouched for by Amira, Jonas." in " ".join(grid(app).split())
        await press(pilot, "enter")
        for _ in range(5):
            await settled(pilot)
        assert app.home is not None
        view = app.home.session.view(app.home.conversation)
        assert view is not None
        assert view["title"] == "Mei"
        await press(pilot, "escape", "ctrl+k", *"people", "enter", "escape")
        assert app.is_watched

    play(device, story)
    assert device.acts == []


# --- what rings, and what comes first -------------------------------------------------------------


@pytest.mark.parametrize(
    "quiet", ["", "muted", "blocked author", "blocked conversation", "own other device"]
)
def test_what_is_muted_or_blocked_does_not_ring(
    quiet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = newsroom()
    channel = device.add_conversation("Night", ("Zoë",), muted=quiet == "muted")
    device.titles[channel]["blocked"] = quiet == "blocked conversation"
    other = bytes(31) + b"\x07"
    next(one for one in device.people if one["name"] == "Jonas")["devices"].append(other.hex())
    if quiet == "blocked author":
        next(one for one in device.people if one["name"] == "Zoë")["blocked"] = True

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        written = rung(app, monkeypatch)
        changes = {"sender": other} if quiet == "own other device" else {}
        device.write(channel, "Zoë", "are you there?", **changes)
        await settled(pilot)
        assert ("\a" in written) is (not quiet)

    play(device, story)


def test_the_order_of_the_list() -> None:
    device = newsroom()
    first = device.add_conversation("Pinned", ("Zoë",), pinned=True)
    muted = device.add_conversation("Muted", ("Zoë",), muted=True)
    last = device.add_conversation("Blocked", ("Zoë",), blocked=True)
    for channel in (muted, last):
        device.write(channel, "Zoë", "new")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert app.home is not None
        titles = [str(view["title"]) for view in app.home.session.conversations]
        assert titles[:3] == ["Pinned", "Front page", "Mei"]
        assert titles[3] == "Muted", "unread there is counted, and does not come first"
        assert titles[-1] == "Blocked"
        assert "(1) Muted [muted" in grid(app)

    play(device, story)
    assert first in device.titles


# --- folding --------------------------------------------------------------------------------------


def test_a_blocked_text_is_folded_until_it_is_not() -> None:
    device = newsroom()
    desk = "2".zfill(32)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        assert "lead is confirmed" in grid(app)
        await press(pilot, "ctrl+k", *"block a", "enter", "enter", "down", "enter")
        await press(pilot, "enter")
        shown = grid(app)
        assert "lead is confirmed" not in shown
        assert "2 texts of Amira, who is blocked" in shown
        device.write(desk, "Amira", "one more")
        device.write(desk, "Amira", "and more")
        await settled(pilot)
        assert "* 2 texts of Amira, who is blocked" in grid(app).splitlines()[-2]
        assert "(2 " not in app.screen.query_one(MessageLog).lines[-1][0][0]
        await press(pilot, "escape")
        assert "Amira: " not in grid(app).split("commons")[0], "the preview is somebody else's"
        await press(pilot, "ctrl+k", *"unblock", "enter", "enter", "enter", "enter")
        assert "and more" in grid(app)

    play(device, story)


def test_rows_of_one_author_and_one_day_are_folded_into_one_line() -> None:
    device = newsroom()
    desk = "2".zfill(32)
    rows = [device.write(desk, "Amira", str(n)) for n in range(3)]
    rows.append(device.write(desk, "Lin", "between"))
    rows.append(replace(rows[0], at=rows[0].at + 86_400))
    blocked = {rows[0].sender}
    blocks = [folded_block(rows, n, blocked, 60) for n in range(5)]
    assert [block if block is None else len(block) for block in blocks] == [1, 0, 0, None, 1]
    assert blocks[0] is not None
    assert blocks[0][0][1][0] == "3 texts of Amira, who is blocked"


# --- what must be read ----------------------------------------------------------------------------


def test_a_changed_key_stays_until_it_was_read() -> None:
    device = scene("keys have changed")
    lin = next(one for one in device.people if one["name"] == "Lin")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert isinstance(app.screen, ChangeScreen)
        assert "Lin/2, vouched for by Oskar" in grid(app)
        await press(pilot, "enter")
        assert device.acts == []
        assert not isinstance(app.screen, ChangeScreen), "put off until it is started again"

    play(device, story)

    async def again(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "down", "enter")
        assert device.acts == [NoteTold(ref=0, member=str(lin["member_id"]))]
        assert not isinstance(app.screen, ChangeScreen)
        assert "new device, not compared" in grid(app)

    play(device, again)

    async def once_more(app: Interface, pilot: Pilot[str]) -> None:
        assert not isinstance(app.screen, ChangeScreen)

    play(device, once_more)


def test_a_key_that_changes_now_is_one_screen_and_not_two() -> None:
    device = newsroom()
    lin = next(one for one in device.people if one["name"] == "Lin")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        added = [{"device": "Lin/2", "vouched_by": ["Oskar"], "told": False}]
        lin.update(trust="changed", added_devices=added)
        device.alarm("new device", "Lin has another device")
        await settled(pilot)
        await settled(pilot)
        assert isinstance(app.screen, ChangeScreen)
        assert len(app.screen_stack) == 3
        await press(pilot, "down", "down", "enter")
        assert "How do you and Lin compare?" in grid(app)
        await press(pilot, "down", "down", "enter", *CODE.lower(), "enter")
        verified = NoteVerified(
            ref=0, member=str(lin["member_id"]), fingerprint=bytes.fromhex("5a" * 32)
        )
        assert device.acts == [verified]
        assert "Lin is verified." in grid(app)

    play(device, story)


def test_that_the_other_of_two_is_out_is_told_where_one_writes_to_them() -> None:
    device = scene("the other of two is gone")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert not isinstance(app.screen, ChangeScreen)
        await press(pilot, "ctrl+k", *"rota", "enter")
        assert not isinstance(app.screen, ChangeScreen), "of several, the list says it"
        await press(pilot, "ctrl+k", *"oskar", "enter")
        assert isinstance(app.screen, ChangeScreen)

    play(device, story)


def test_what_is_to_be_decided_is_an_alarm_and_the_rest_is_news() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        device.alarm("power", "Amira suspended Mei.")
        await settled(pilot)
        assert "ALARM (power)" in grid(app)
        await press(pilot, "enter")
        device.tell_news("Mei/1 is locked.")
        await settled(pilot)
        assert grid(app).splitlines()[:2] == [" News of the circle", "Mei/1 is locked."]

    play(device, story)


# --- comparing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["digits", "words"])
def test_two_parts_are_typed_and_a_wrong_one_notes_nothing(form: str) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        view = await device.comparison("Amira")
        parts = view["words"] if form == "words" else view["digits"].split()
        way = ["down"] if form == "words" else []
        for typed in (parts, parts[::-1]):
            await press(pilot, "ctrl+k", *"compare", "enter", "enter", *way, "enter")
            for _ in range(2):
                asked = grid(app).splitlines()[0]
                if "Not done" in asked:
                    break
                place = int(asked.split(" of 12")[0].split()[-1]) - 1
                assert parts[place] not in grid(app)
                await press(pilot, *typed[place].upper(), "enter")
            assert len(device.acts) == 1, "the second time was wrong"
            await press(pilot, "escape")
        assert isinstance(device.acts[0], NoteVerified)

    play(device, story)


def test_an_own_name_is_given() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"call", "enter", *"lin", "enter", *"Lina", "enter")
        lin = next(one for one in device.people if one["name"] == "Lin")
        assert device.acts == [NameContact(ref=0, member=str(lin["member_id"]), own_name="Lina")]

    play(device, story)


# --- the code -------------------------------------------------------------------------------------


def test_half_blocks_hold_every_module() -> None:
    modules = modules_of(CODE)
    assert len(modules) == len(modules[0]) == COLUMNS
    assert not any(one for row in (*modules[:QUIET], *modules[-QUIET:]) for one in row)
    for is_inverted in (False, True):
        rows = half_blocks(modules, is_inverted=is_inverted)
        assert len(rows) == ROWS
        for y, row in enumerate(modules):
            for x, is_dark in enumerate(row):
                has_ink = rows[y // 2][x] in ("█▀" if y % 2 == 0 else "█▄")
                assert has_ink is (is_dark is is_inverted)


@pytest.mark.parametrize(
    ("colours", "ink", "ground"),
    [("colour", "#ffffff", "#000000"), ("ansi", "bright_white", "black"), ("none", None, None)],
)
def test_black_and_white_are_said_where_there_are_colours(
    colours: Any, ink: str | None, ground: str | None
) -> None:
    style = QrCode(CODE, colours)._style
    assert (style.color.name if style.color else None) == ink
    assert (style.bgcolor.name if style.bgcolor else None) == ground


def test_i_inverts() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        keys = ("ctrl+k", *"compare", "enter", "enter", "down", "down", "down", "enter")
        await press(pilot, *keys)
        before = grid(app)
        assert before.splitlines()[0].startswith("█" * COLUMNS)
        await press(pilot, "i")
        assert grid(app).splitlines()[0].startswith(" " * COLUMNS)
        await press(pilot, "i")
        assert grid(app) == before
        await press(pilot, "escape")
        assert "How do you and Amira compare?" in grid(app)

    play(newsroom(), story)
