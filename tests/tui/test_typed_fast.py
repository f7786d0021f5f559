"""Keys and pastes without a pause, as after standing still: each for where it was meant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from cloister.client.inputs import ChangeConversation
from cloister.errors import LocalError, PolicyError
from cloister.testing.paper_device import PaperDevice
from cloister.tui import ending
from cloister.tui.app import Interface
from cloister.tui.widgets.choice_list import ChoiceList
from cloister.tui.widgets.entry import Composer
from tui.stage import grid, newsroom
from tui.test_behaviour import play, press, texts
from tui.test_snapshots import settled

pytestmark = pytest.mark.usefixtures("utc", "brisk")
COMMONS, DESK, MEI = (str(number).zfill(32) for number in (1, 2, 3))
SIZES = [(50, 15), (100, 30)]


def strike(app: Interface, *keys: str) -> None:
    """Press keys, all of them before the first is looked at; ``=text`` is pasted."""
    for key in keys:
        event: events.Event = events.Paste(key[1:])
        if not key.startswith("="):
            name = {"/": "slash", " ": "space"}.get(key, key)
            event = events.Key(name, key if len(key) == 1 else None)
        event.set_sender(app)
        app._driver.send_message(event)  # type: ignore[union-attr]


async def some_time(pilot: Pilot[str]) -> None:
    for _ in range(15):
        await settled(pilot)


def composer(app: Interface) -> str:
    assert app.home is not None
    return app.home.query_one("#composer", Composer).text


def new_texts(device: PaperDevice) -> dict[str, list[str]]:
    """Return what was sent: title -> texts."""
    before = newsroom()
    sent = {
        str(view["title"]): texts(device, view["title"])[len(before.rows[channel]) :]
        for channel, view in before.titles.items()
    }
    return {title: said for title, said in sent.items() if said}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("keys", "sent"),
    [
        ([*"one", "enter", "tab"], {"Front page": ["one"]}),
        ([*"one", "enter", "ctrl+n"], {"Front page": ["one"]}),
        ([*"one", "enter", "escape"], {"Front page": ["one"]}),
        ([*"one", "tab", *"two", "enter"], {"commons": ["two"]}),
        (["tab", *"two", "enter"], {"commons": ["two"]}),
        ([*"one", "enter", *"two", "enter"], {"Front page": ["one", "two"]}),
        (["/", *"comm", "enter", *"two", "enter"], {"commons": ["two"]}),
        ([*"one", "enter", "/", *"comm", "enter", *"two", "enter"],
         {"Front page": ["one"], "commons": ["two"]}),
        (["ctrl+k", *"comm", "enter", "=two", "enter"], {"commons": ["two"]}),
        (["=one", "enter", "tab", "=two", "enter"], {"Front page": ["one"], "commons": ["two"]}),
    ],
)  # fmt: skip
def test_a_text_goes_to_those_it_was_typed_to(
    keys: list[str], sent: dict[str, list[str]], size: tuple[int, int]
) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        strike(app, *keys)
        await some_time(pilot)

    play(device, story, size)
    assert new_texts(device) == sent


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("key", ["escape", "tab", "ctrl+k", "ctrl+l"])
def test_what_was_just_begun_is_kept_whatever_key_follows(key: str, size: tuple[int, int]) -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        strike(app, key, *(["q", "u", "i", "t", "enter"] if key == "ctrl+k" else []))
        await some_time(pilot)

    play(device, story, size)
    assert device.begun == {DESK: "half"}


def test_a_paste_is_for_the_question_that_comes() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        words = ("=six random words", "enter")
        strike(app, "ctrl+k", *"make a sealed", "enter", "=/tmp/b", "enter", *words, *words)
        await some_time(pilot)
        assert device.backups == ["/tmp/b"]
        assert composer(app) == ""

    play(device, story)
    assert new_texts(device) == {}


def test_an_arrow_moves_in_what_was_typed_before_it() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "ctrl+k")
        await press(pilot, "o")
        await press(pilot, "down")
        chosen = app.screen.query_one(ChoiceList).value
        await press(pilot, "escape")
        await press(pilot, "ctrl+k")
        strike(app, "o", "down")
        await some_time(pilot)
        assert app.screen.query_one(ChoiceList).value == chosen

    play(device, story)


def test_a_conversation_that_was_gone_to_is_open_whatever_the_device_takes() -> None:
    """What is typed ahead of it is not for the one before."""
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        goes_on, given = asyncio.Event(), device.requests

        async def requests() -> Any:
            await goes_on.wait()
            return await given()

        device.requests = requests  # type: ignore[method-assign]
        strike(app, "ctrl+f", *"welcome", "enter", "enter", *"two", "enter")
        await some_time(pilot)
        goes_on.set()

    play(device, story)
    assert new_texts(device) == {"commons": ["two"]}


def test_what_is_refused_comes_back_to_its_conversation() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        goes_on = asyncio.Event()

        async def send(*arguments: Any, **options: Any) -> Any:
            await goes_on.wait()
            raise PolicyError("you are suspended")

        device.send = send  # type: ignore[method-assign]
        await press(pilot, "enter", *"one", "enter", *"two")
        await press(pilot, "tab")
        goes_on.set()
        await some_time(pilot)
        await press(pilot, "escape")
        await press(pilot, "shift+tab")
        assert composer(app) == "two\none"

    play(device, story)


def test_what_is_begun_while_a_text_is_sent_is_kept() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        goes_on, given = asyncio.Event(), device.send

        async def send(*arguments: Any, **options: Any) -> Any:
            await goes_on.wait()
            return await given(*arguments, **options)

        device.send = send  # type: ignore[method-assign]
        await press(pilot, "enter", *"one", "enter", *"two")
        await press(pilot, "tab")
        goes_on.set()
        await some_time(pilot)
        await press(pilot, "shift+tab")
        assert composer(app) == "two"

    play(device, story)
    assert device.begun == {DESK: "two"}


def test_a_draft_is_newer_than_an_answer_that_was_asked_for_before_it() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        session = app.session
        assert session is not None
        await press(pilot, "enter", *"half")
        goes_on, given = asyncio.Event(), device.requests

        async def requests() -> Any:
            await goes_on.wait()
            return await given()

        device.requests = requests  # type: ignore[method-assign]
        # No later answer mends it.
        session.touch = lambda: None  # type: ignore[method-assign]
        refreshing = asyncio.ensure_future(session.refresh())
        await asyncio.sleep(0.05)  # the drafts of before are read
        await press(pilot, "tab")
        goes_on.set()
        await refreshing
        assert session.drafts == {DESK: "half"}

    play(device, story)


def test_a_draft_that_the_device_did_not_take_stays() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        given = device.keep_draft

        async def failing(*arguments: Any) -> None:
            raise LocalError("the disk is full")

        await press(pilot, "enter", *"half")
        device.keep_draft = failing  # type: ignore[method-assign, assignment]
        await press(pilot, "tab")
        assert app.session is not None
        await app.session.refresh()
        device.keep_draft = given  # type: ignore[method-assign]
        await press(pilot, "shift+tab")
        assert composer(app) == "half"
        await press(pilot, "tab")

    play(device, story)
    assert device.begun == {DESK: "half"}


def test_an_alarm_is_not_put_away_by_the_enter_of_a_text() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"hold")
        device.alarm("hole", "something was withheld")
        await some_time(pilot)
        strike(app, *" on", "enter")
        await some_time(pilot)
        assert "something was withheld" in grid(app)
        await press(pilot, "escape")
        assert composer(app) == "hold"

    play(device, story)


def test_an_answer_waits_until_the_alarm_over_its_question_was_read() -> None:
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter")
        await press(pilot, "ctrl+k", *"rename", "enter", *"X")
        strike(app, "enter")
        device.alarm("hole", "something was withheld")
        await some_time(pilot)
        if "something was withheld" not in grid(app):
            assert device.acts, "neither the alarm nor the answer"
        await press(pilot, "escape")
        await press(pilot, "enter")
        await some_time(pilot)
        assert [act.title for act in device.acts if isinstance(act, ChangeConversation)] == [
            "Front pageX"
        ]

    play(device, story)


def test_it_locks_while_the_device_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    device = newsroom()
    monkeypatch.setattr(ending, "KEEP_S", 0.01)

    async def stands_still(*arguments: Any) -> None:
        await asyncio.Event().wait()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        await press(pilot, "enter", *"half")
        device.keep_draft = stands_still  # type: ignore[method-assign, assignment]
        strike(app, "ctrl+l")
        await some_time(pilot)
        await asyncio.sleep(0.1)

    assert play(device, story) == "locked"


def test_what_comes_into_sight_is_painted_whatever_the_toolkit_tells_of_it() -> None:
    """It sends no event of its size to what is shown between a scroll and the layout after it."""
    device = newsroom()

    async def story(app: Interface, pilot: Pilot[str]) -> None:
        home = app.home
        assert home is not None
        await press(pilot, "escape")
        home.add_class("talking")
        await asyncio.sleep(0)
        home._compositor._full_map_invalidated = True
        home._compositor.full_map  # noqa: B018  (as whoever looks for the place of a widget has it)
        await some_time(pilot)
        assert "> " in grid(app).splitlines()[-2] + grid(app).splitlines()[-1]

    play(device, story, (100, 30))
