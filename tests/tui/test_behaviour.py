"""What the interface does when a person types, waits, or thinks better of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from textual.pilot import Pilot

from cloister.client.effects import MessageState
from cloister.client.inputs import OpenConversation
from cloister.device.facade import View
from cloister.errors import PolicyError, UsageError
from cloister.testing.paper_device import PaperDevice
from cloister.tui.actions.table import ACTIONS
from cloister.tui.app import Interface
from cloister.tui.keys import KEYS, help_lines, load_keys
from cloister.tui.session import PAGE
from cloister.tui.setting import Setting
from cloister.tui.widgets.entry import PAUSE_S, Composer, Entry
from cloister.tui.widgets.message_log import MessageLog
from cloister.tui.words import STATES
from tui.stage import PaperSettings, grid, interface, newsroom
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")
Story = Callable[[Interface, "Pilot[str]"], Awaitable[None]]


def play(
    device: PaperDevice, story: Story, size: tuple[int, int] = (50, 15), **options: Any
) -> Any:
    app = interface(device, colours="none", **options)

    async def main() -> None:
        async with app.run_test(size=size) as pilot:
            await settled(pilot)
            await story(app, pilot)
            await settled(pilot)

    asyncio.run(main())
    assert app.failure is None
    return app.return_value


async def press(pilot: Pilot[str], *keys: str) -> None:
    await pilot.press(*keys)
    await settled(pilot)


def texts(device: PaperDevice, title: str) -> list[str]:
    channel = next(one for one, view in device.titles.items() if view["title"] == title)
    return [row.text for row in device.rows[channel]]


def test_what_is_sent_and_what_is_refused() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"one", "ctrl+j", *"two", "enter")
        assert texts(device, "Front page")[-1] == "one\ntwo"
        assert app.screen.query_one(Composer).text == ""
        device.refusal = PolicyError("you are suspended")
        await press(pilot, *"kept", "enter")
        assert "You are suspended." in grid(app)
        await press(pilot, "escape")
        assert app.screen.query_one(Composer).text == "kept"

    play(device, story)


def test_a_draft_is_kept_for_its_conversation() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        await press(pilot, "tab")
        assert app.screen.query_one(Composer).text == ""
        assert list(device.begun.values()) == ["half"]
        await press(pilot, "shift+tab")
        assert app.screen.query_one(Composer).text == "half"
        await press(pilot, "escape")
        assert "draft: half" in grid(app)

    play(device, story)


def test_a_draft_is_kept_when_the_person_pauses() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        composer = app.screen.query_one(Composer)
        composer._look()  # too early
        await settled(pilot)
        assert device.begun == {}
        composer._last_change -= PAUSE_S
        composer._look()
        await settled(pilot)
        assert list(device.begun.values()) == ["half"]

    play(device, story)


def test_what_is_typed_ahead_of_a_screen_is_for_that_screen() -> None:
    """Keys without a pause: nothing of them may be sent to the conversation behind."""
    device = newsroom()
    before = {title: texts(device, title) for title in ("Front page", "Mei", "commons")}

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        for key in ("ctrl+k", *"new conv", "enter", *"ami", "enter", "ctrl+d", *"Plan", "enter"):
            app._driver.send_message(_key(app, key))  # type: ignore[union-attr]
        for _ in range(40):
            await settled(pilot)

    play(device, story)
    assert device.acts == [OpenConversation(ref=0, title="Plan", members=("Amira",))]
    assert before == {title: texts(device, title) for title in before}


def test_what_is_typed_ahead_of_a_conversation_is_for_it() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        for key in ("ctrl+k", *"commons", "enter", *"at once", "enter"):
            app._driver.send_message(_key(app, key))  # type: ignore[union-attr]
        for _ in range(100):
            await asyncio.sleep(0.02)
            if texts(device, "commons")[-1] == "at once":
                break
        assert texts(device, "commons")[-1] == "at once"

    play(device, story)


def _key(app: Interface, name: str) -> Any:
    from textual import events

    key = events.Key("space" if name == " " else name, name if len(name) == 1 else None)
    key.set_sender(app)
    return key


def test_next_unread_and_tab_go_round() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        home = app.home
        assert home is not None
        seen = []
        for key in ("ctrl+n", "ctrl+n", "ctrl+n", "tab", "tab", "tab", "tab"):
            await press(pilot, key)
            view = home.session.view(home.conversation)
            assert view is not None
            seen.append(view["title"])
        assert seen[:3] == ["Front page", "Mei", "Mei"]
        assert sorted(seen[3:]) == ["Front page", "Mei", "Rota, winter", "commons"]

    play(device, story)


def test_reading_moves_the_marker_only_where_one_looks() -> None:
    device = newsroom()
    desk = "2".zfill(32)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        last = device.rows[desk][-1].position
        assert device.read[desk] == last
        await press(pilot, "ctrl+k")
        device.write(desk, "Lin", "behind the palette")
        await settled(pilot)
        assert device.read[desk] == last

    play(device, story)


def test_what_becomes_of_a_text_is_shown_where_it_stands() -> None:
    device = newsroom()
    device.state["link"] = "down"

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"hold", "enter")
        assert "queued, no relay in reach" in grid(app)
        device.connect("up")
        await settled(pilot)
        assert "sending" in grid(app)
        device.become(device.rows["2".zfill(32)][-1], MessageState.SENT)
        await settled(pilot)
        assert "sending" not in grid(app)
        assert ": hold" in grid(app)

    play(device, story)


def test_older_messages_come_when_the_top_is_reached() -> None:
    device = PaperDevice()
    channel = device.add_conversation("Desk", ("Amira",))
    for number in range(PAGE + 50):
        device.write(channel, "Amira", f"text {number}")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        log = app.screen.query_one(MessageLog)
        assert len(log.messages) == PAGE
        log.action_turn(-100_000)
        await settled(pilot)
        assert len(log.messages) == PAGE + 50
        log.action_turn(-100_000)
        await settled(pilot)
        assert "text 0" in grid(app)

    play(device, story)


def test_consequences_stand_before_what_cannot_be_taken_back() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"leave the circle", "enter")
        assert "new invitation" in grid(app)
        await press(pilot, "enter")
        assert device.acts == []
        await press(pilot, "ctrl+k", *"leave the circle", "enter", "down", "enter")
        assert len(device.acts) == 1

    play(device, story)


def test_the_palette_reaches_every_action() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        from cloister.tui.screens.palette import PaletteScreen

        await press(pilot, "ctrl+k")
        screen = app.screen
        assert isinstance(screen, PaletteScreen)
        values = {value for _, value, _ in screen._entries}
        assert {f"do {action.name}" for action in ACTIONS} <= values

    play(newsroom(), story)


@pytest.mark.parametrize("keys", [("ctrl+l",), ("ctrl+k", "ctrl+l"), ("enter", "h", "ctrl+l")])
def test_locking_is_one_key_from_everywhere(keys: tuple[str, ...]) -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, *keys)

    assert play(newsroom(), story) == "locked"


def test_it_locks_by_itself_when_nobody_is_there() -> None:
    async def story(app: Interface, pilot: Pilot[str]) -> None:
        app.autolock.last_key -= 10
        app.autolock.look()
        await settled(pilot)

    assert play(newsroom(), story, setting=Setting(autolock_s=5)) == "locked"


@pytest.mark.parametrize("key", ["down", "enter", "h", "ctrl+k"])
@pytest.mark.parametrize("before", [(), ("enter",), ("ctrl+k",)])
def test_it_does_not_lock_while_somebody_types(before: tuple[str, ...], key: str) -> None:
    """Whoever takes the key: the list, the composer, the palette, the application."""

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, *before)
        app.autolock.last_key -= 400
        await press(pilot, key)
        app.autolock.last_key -= 400
        app.autolock.look()

    assert play(newsroom(), story, setting=Setting(autolock_s=600)) is None


@pytest.mark.parametrize("key", ["down", "h"])
def test_the_first_key_after_a_lid_was_closed_for_long_locks(key: str) -> None:
    """No timer goes off while the machine sleeps; whoever opens it need not be the same person."""

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        app.autolock.last_key -= 700
        await press(pilot, key)

    assert play(newsroom(), story, setting=Setting(autolock_s=600)) == "locked"


def test_a_circle_that_lets_one_in_is_told() -> None:
    device = newsroom()
    device.state |= {"phase": "joining: asked", "digits": "12345" * 12}

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert "12345  12345" in grid(app)
        device.state |= {"phase": "member", "digits": ""}
        device.connect("up")
        await settled(pilot)
        assert "You are in" in grid(app)

    play(device, story)


def test_keys_can_be_given_to_others(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    assert load_keys(file) == KEYS
    file.write_text('lock = "ctrl+p"\n')
    keys = load_keys(file)
    assert "Ctrl+P" in help_lines(keys)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+p")

    assert play(newsroom(), story, keys=keys) == "locked"


@pytest.mark.parametrize(
    "text", ['lock = "ctrl+k"', 'lock = "ctrl+b"', "lock = 1", 'fly = "ctrl+o"', "lock"]
)
def test_keys_that_cannot_be_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "keys.toml").write_text(text)
    with pytest.raises(UsageError):
        load_keys(tmp_path / "keys.toml")


def test_every_state_of_a_message_has_words() -> None:
    assert set(STATES) == set(MessageState)


def test_a_message_is_picked_and_answered_edited_reacted_to_and_taken_back() -> None:
    device = newsroom()
    desk = "2".zfill(32)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        await press(pilot, "ctrl+o")
        await press(pilot, "enter", "enter", *"where", "ctrl+j", *"from?", "enter")
        answer = device.rows[desk][-1]
        assert answer.text == "where\nfrom?"
        assert answer.reply_to == device.rows[desk][-2].message_id
        assert "> Lin:" in grid(app)
        await press(pilot, "ctrl+o")
        await press(pilot, "enter", "down", "enter", "enter")
        assert [one.mark for one in device.rows[desk][-1].since.reactions] == ["+1"]
        await press(pilot, "ctrl+o")
        await press(pilot, "enter", *"edit", "enter", *" exactly", "enter")
        assert device.rows[desk][-1].text == "where\nfrom? exactly"
        assert "(edited)" in grid(app)
        await press(pilot, "ctrl+o")
        await press(pilot, "enter", *"take", "enter", "down", "enter")
        assert device.rows[desk][-1].since.retracted
        assert "(taken back)" in grid(app)
        assert "exactly" not in grid(app)

    play(device, story)


def test_a_text_that_was_found_is_in_sight_and_what_comes_later_too() -> None:
    device = newsroom()
    desk = "2".zfill(32)
    for number in range(3 * PAGE):
        device.write(desk, "Lin", f"line {number}" if number != 57 else "a needle")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+f", *"needle", "enter", "enter")
        for _ in range(20):
            await settled(pilot)
        assert "a needle" in grid(app)
        log = app.screen.query_one(MessageLog)
        positions = [one.position for one in log.messages]
        assert positions == list(range(positions[0], positions[0] + len(positions)))
        assert log.messages[-1].text == f"line {3 * PAGE - 1}"
        device.write(desk, "Lin", "the newest")
        await settled(pilot)
        assert "a needle" in grid(app)
        assert log.messages[-1].text == "the newest"

    play(device, story)


def test_texts_that_have_come_to_their_time_leave_the_screen() -> None:
    device = newsroom()
    desk = "2".zfill(32)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        assert "lead is confirmed" in grid(app)
        device.expire(desk, "lead is confirmed")
        for _ in range(5):
            await settled(pilot)
        assert "lead is confirmed" not in grid(app)

    play(device, story)


# --- settings -------------------------------------------------------------------------------------


def test_a_setting_is_changed_and_holds_here_at_once() -> None:
    book = PaperSettings()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        assert app.autolock.after_s == 900
        await press(pilot, "ctrl+k", *"settings", "enter", *"autolock", "enter", *"60", "enter")
        assert "autolock_s is 60. It holds from now on" in grid(app)
        assert app.setting.autolock_s == app.autolock.after_s == 60
        await press(pilot, "enter")
        keys = (*"notify", "enter", "down", "down", "enter", "enter")
        await press(pilot, "ctrl+k", *"settings", "enter", *keys)
        assert app.setting.notify == book.values["notify"] == "none"
        assert app.autolock.after_s == 60

    play(newsroom(), story, settings=book)


def test_a_program_that_stands_still_loses_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each timer's whole delay passes before it has begun to wait."""
    begun = set[object]()

    def late() -> float:
        is_first = asyncio.current_task() not in begun
        begun.add(asyncio.current_task())
        return time.monotonic() + (0 if is_first else 10)

    monkeypatch.setattr("textual.timer._time", SimpleNamespace(get_time=late))

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"settings")
        assert app.screen.query_one("#answer", Entry).value == "settings"
        await press(pilot, "escape", "enter", *"half")
        composer, went_off = app.screen.query_one(Composer), asyncio.Event()
        assert composer.text == "half"
        composer.set_timer(0.01, went_off.set)
        await asyncio.wait_for(went_off.wait(), 10)

    play(newsroom(), story)


def test_autolock_can_be_switched_off_and_on() -> None:
    book = PaperSettings()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        for value in ("0", "5"):
            await press(pilot, "ctrl+k", *"settings", "enter", *"autolock", "enter")
            await press(pilot, *value, "enter", "enter")
            app.autolock.last_key -= 10
            app.autolock.look()
            await settled(pilot)
            assert app.return_value == ("locked" if value == "5" else None)

    assert play(newsroom(), story, settings=book) == "locked"


def test_a_setting_that_something_goes_before_says_so() -> None:
    book = PaperSettings()
    book.overridden.add("ui")

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k", *"settings", "enter", *"ui", "enter", *"line", "enter")
        assert "CLOISTER_UI goes before it" in " ".join(grid(app).split())
        await press(pilot, "enter")
        await press(pilot, "ctrl+k", *"settings", "enter", *"autolock", "enter", "x", "enter")
        assert "That is no value for autolock_s." in grid(app)

    play(newsroom(), story, settings=book)


def test_own_texts_say_who_has_them_and_who_has_read_them() -> None:
    device = newsroom()
    desk = "2".zfill(32)

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"all of it", "enter")
        n = device.rows[desk][-1].n
        assert _state_of_last(app) == "sent"
        for until, words in (
            ({"Amira": (n + 1, 0)}, "delivered to 1 of 2"),
            ({"Amira": (n + 1, 0), "Lin": (n + 1, 0)}, "delivered"),
            ({"Amira": (n + 1, n + 1), "Lin": (n + 1, 0)}, "read by 1 of 2"),
            ({"Amira": (n + 1, n + 1), "Lin": (n + 1, n + 1)}, "read"),
        ):
            device.tell_receipts(desk, **until)
            for _ in range(3):
                await settled(pilot)
            assert _state_of_last(app) == words

    play(device, story, size=(60, 20))


def test_receipts_of_one_conversation_are_not_those_of_the_next() -> None:
    device = newsroom()
    desk, mei = "2".zfill(32), "3".zfill(32)
    device.tell_receipts(desk, Amira=(99, 99), Lin=(99, 99))
    given = device.receipts

    async def receipts(conversation: str) -> View:
        if conversation == mei:
            raise UsageError("not now")
        return await given(conversation)

    device.receipts = receipts  # type: ignore[method-assign]

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"one", "enter")
        assert _state_of_last(app) == "read"
        await press(pilot, "ctrl+k", *"mei", "enter", *"two", "enter")
        assert "Mei" in grid(app).splitlines()[0]
        assert _state_of_last(app) == "sent"

    play(device, story)


def _state_of_last(app: Interface) -> str:
    headers = [line for line in grid(app).splitlines() if line.startswith("You ")]
    return headers[-1].split(maxsplit=2)[2]


def test_a_rule_stands_before_what_was_not_read_when_one_came() -> None:
    device = newsroom()
    desk = "2".zfill(32)
    device.read[desk] = device.rows[desk][-2].position - 1

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        lines = [line.strip() for line in grid(app).splitlines()]
        (place,) = [number for number, line in enumerate(lines) if line.startswith("-- new -")]
        assert lines[place + 1].startswith("Lin ")
        device.write(desk, "Lin", "and one more")
        await settled(pilot)
        assert grid(app).count("-- new -") == 1
        await press(pilot, "tab")
        await press(pilot, "shift+tab")
        assert "-- new -" not in grid(app)

    play(device, story)
