"""Replies, edits, retractions, reactions and texts for a time, over real cores and a relay."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from cloister.client.annotating import MAX_MARK_BYTES
from cloister.client.effects import Annotation, AnnotationKind, Message, MessageKind, MessageState
from cloister.client.inputs import Annotate, ChangeConversation, SendText
from cloister.client.views import conversations_view
from cloister.errors import PolicyError, UsageError
from cloister.testing.simulated_circle import SimulatedDevice
from scenario.desk import TITLE, Desk

EDIT, RETRACTION, REACTION = AnnotationKind


def play(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


def text_row(device: SimulatedDevice, text: str) -> Message:
    return next(one for one in device.messages.values() if one.text == text)


def annotate(desk: Desk, row: Message, kind: AnnotationKind, text: str = "") -> Annotate:
    return Annotate(
        ref=desk.circle.ref(),
        conversation=TITLE,
        message_id=row.message_id,
        kind=int(kind),
        text=text,
    )


def only(device: SimulatedDevice) -> Annotation:
    (one,) = device.annotations.values()
    return one


def test_what_is_said_of_a_message_comes_to_everybody_once_and_makes_no_row() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        await desk.say(ada, "the leed is confirmed")
        row = text_row(ada, "the leed is confirmed")
        await desk.do(ada, annotate(desk, row, EDIT, "the lead\x1b[2J is confirmed"))
        assert only(ada).state is MessageState.SENT
        for device in (ben, cyd):
            one = only(device)
            assert (one.target, one.kind, one.state) == (
                row.message_id,
                EDIT,
                MessageState.RECEIVED,
            )
            assert one.text == "the lead\ufffd[2J is confirmed"
            assert row.sender in one.dids
            assert one.n == only(ada).n > row.n
            assert len(device.messages) == len(ada.messages)
        await desk.do(ben, annotate(desk, row, REACTION, "thanks"))
        await desk.do(ben, annotate(desk, row, RETRACTION))
        kinds = [one.kind for one in cyd.annotations.values()]
        assert kinds == [EDIT, REACTION, RETRACTION]
        assert row.sender not in list(cyd.annotations.values())[2].dids
        assert desk.alarms() == []

    play(story())


def test_it_waits_while_the_device_is_offline_and_keeps_its_place_after_the_text() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        ada.drop_link()
        ada.is_offline = True
        ada.feed(SendText(ref=desk.circle.ref(), conversation=TITLE, text="draft"))
        row = text_row(ada, "draft")
        act = annotate(desk, row, EDIT, "better")
        ada.feed(act)
        assert desk.circle.result(ada, act)
        assert only(ada).state is MessageState.QUEUED
        ada.crash()
        ada.is_offline = False
        await desk.circle.settle()
        assert only(ada).state is MessageState.SENT
        assert only(ben).text == "better"
        assert only(ben).n > text_row(ben, "draft").n

    play(story())


def test_a_reply_is_a_text_that_names_what_it_answers() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, cyd = await desk.open()
        await desk.say(ada, "who takes it?")
        asked = text_row(ben, "who takes it?").message_id
        act = SendText(ref=desk.circle.ref(), conversation=TITLE, text="I do", reply_to=asked)
        await desk.do(ben, act)
        for device in (ada, ben, cyd):
            row = text_row(device, "I do")
            assert (row.reply_to, row.kind) == (asked, MessageKind.TEXT)

    play(story())


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (EDIT, "  ", "empty"),
        (EDIT, "x" * 12_001, "may have"),
        (REACTION, "x" * (MAX_MARK_BYTES + 1), "at most"),
        (REACTION, "\u200b", "empty"),
        (9, "x", "edited, taken back or reacted to"),
    ],
)
def test_what_could_never_be_sent_is_refused_in_words(kind: int, text: str, words: str) -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        await desk.say(ada, "one")
        act = Annotate(
            ref=1,
            conversation=TITLE,
            message_id=text_row(ada, "one").message_id,
            kind=kind,
            text=text,
        )
        before = ada.core.state.channels
        ada.feed(act)
        with pytest.raises(UsageError, match=words):
            desk.circle.result(ada, act)
        assert ada.core.state.channels == before
        assert not ada.annotations

    play(story())


def test_where_only_admins_post_nobody_else_says_anything_of_a_message() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.say(ada, "one")
        row = text_row(ben, "one")
        await desk.circle.act(
            ada, ChangeConversation(ref=desk.circle.ref(), conversation=TITLE, posting=2)
        )
        await desk.circle.settle()
        act = annotate(desk, row, REACTION, "ok")
        ben.feed(act)
        with pytest.raises(PolicyError, match="only admins"):
            desk.circle.result(ben, act)

    play(story())


def test_texts_are_kept_as_long_as_their_epoch_says_and_everybody_is_told() -> None:
    async def story() -> None:
        desk = Desk()
        ada, ben, _ = await desk.open()
        await desk.say(ada, "for good")
        change = ChangeConversation(ref=desk.circle.ref(), conversation=TITLE, lifetime_s=3600)
        await desk.circle.act(ada, change)
        await desk.circle.settle()
        await desk.say(ada, "for a time")
        for device in (ada, ben):
            assert text_row(device, "for good").lifetime_s == 0
            row = text_row(device, "for a time")
            assert row.lifetime_s == 3600
            assert row.expires_at == (desk.circle.now + 3600 if row.own else 0)
            notices = [one for one in device.messages.values() if one.kind is MessageKind.NOTICE]
            assert "deleted 1 hour after they were read" in notices[-1].text
            assert notices[-1].lifetime_s == 0
        views = conversations_view(ben.core.state)
        assert [view["lifetime_s"] for view in views] == [0, 3600]
        await desk.circle.act(
            ada, ChangeConversation(ref=desk.circle.ref(), conversation=TITLE, lifetime_s=0)
        )
        await desk.circle.settle()
        await desk.say(ada, "for good again")
        assert text_row(ben, "for good again").lifetime_s == 0

    play(story())


@pytest.mark.parametrize("seconds", [59, 366 * 86_400 + 1])
def test_too_short_and_too_long_a_time_are_refused(seconds: int) -> None:
    async def story() -> None:
        desk = Desk()
        ada, _, _ = await desk.open()
        act = ChangeConversation(ref=1, conversation=TITLE, lifetime_s=seconds)
        ada.feed(act)
        with pytest.raises(UsageError, match="a minute at least"):
            desk.circle.result(ada, act)

    play(story())
