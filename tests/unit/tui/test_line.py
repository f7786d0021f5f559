"""The line mode: texts, commands, what comes meanwhile, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest

from cloister.client.effects import Message, MessageState
from cloister.client.inputs import ChangeConversation, OpenConversation, SetReceipts, Vouch
from cloister.client.powers import Suspend
from cloister.device.errors import FellBehind
from cloister.device.facade import FollowedNotice
from cloister.errors import NotFoundError, PolicyError
from cloister.testing.paper_device import PaperDevice
from cloister.tui import line_input
from cloister.tui.actions.messages import LISTED
from cloister.tui.actions.table import ACTIONS
from cloister.tui.line import LineMode
from cloister.tui.line_help import help_text
from cloister.tui.vouches import worth_of_vouch
from cloister.values import replace

DIGITS = "".join(f"{n:05}" for n in range(12345, 12357))


class Typist:
    """Lines of a script; a callable is done when its turn comes.  Everything written is kept."""

    def __init__(self, script: list[str | Callable[[], object]], *, is_typed: bool = True) -> None:
        self.is_typed = is_typed
        self.shown: list[str] = []
        self.said: list[str] = []
        self._script = script

    async def next(self, *, secret: bool = False) -> str | None:
        while self._script:
            for _ in range(20):
                await asyncio.sleep(0)
            following = self._script.pop(0)
            if isinstance(following, str):
                return following
            following()
        for _ in range(20):
            await asyncio.sleep(0)
        return None

    def show(self, text: str) -> None:
        self.shown.append(text)

    def say(self, text: str) -> None:
        self.said.append(text)

    refuse = say


def talk(device: PaperDevice, *script: Any, name: str = "Desk", is_typed: bool = True) -> Typist:
    typist = Typist(list(script), is_typed=is_typed)
    mode = LineMode(device, typist, timeout_s=1, tells_alarms=True)
    typist.ending = asyncio.run(mode.run(name))  # type: ignore[attr-defined]
    typist.failure = mode.failure  # type: ignore[attr-defined]
    return typist


@pytest.fixture
def device() -> PaperDevice:
    made = PaperDevice()
    for name in ("Amira", "Jonas", "Lin"):
        made.add_member(name, by=("Amira",) if name != "Amira" else ())
    made.add_conversation("Desk", ("Amira", "Lin"))
    made.add_conversation("Rota", ("Lin",))
    made.write("1".zfill(32), "Amira", "lead is confirmed")
    return made


DESK = "1".zfill(32)
ROTA = "2".zfill(32)


def test_history_is_shown_and_marked_read(device: PaperDevice) -> None:
    typist = talk(device)
    assert [line[-17:] for line in typist.shown] == ["lead is confirmed"]
    assert device.read == {DESK: 1}
    assert typist.said[0] == "Desk: Amira, Jonas, Lin."


def test_a_line_is_a_text_and_two_slashes_begin_one_with_a_slash(device: PaperDevice) -> None:
    talk(device, "hold", "", "//etc", "one \\", "two")
    assert [row.text for row in device.rows[DESK][1:]] == ["hold", "/etc", "one \ntwo"]


def test_own_texts_are_repeated_to_a_pipe_only(device: PaperDevice) -> None:
    assert len(talk(device, "hold").shown) == 1
    typist = talk(device, "again", is_typed=False)
    assert typist.shown[-1].startswith("You, ")
    assert typist.shown[-1].endswith(": again")


def test_what_was_read_on_another_device_is_named_again_when_more_comes(
    device: PaperDevice,
) -> None:
    typist = talk(
        device,
        lambda: device.write(ROTA, "Lin", "secret"),
        lambda: device.read_elsewhere(ROTA),
        lambda: device.write(ROTA, "Lin", "more"),
    )
    assert sum("New in Rota" in line for line in typist.said) == 2


def test_what_comes_meanwhile_is_shown_and_what_comes_elsewhere_is_named_once(
    device: PaperDevice,
) -> None:
    typist = talk(
        device,
        lambda: device.write(DESK, "Lin", "here\nand there"),
        lambda: device.write(ROTA, "Lin", "secret"),
        lambda: device.write(ROTA, "Lin", "more"),
    )
    assert typist.shown[-1].endswith("here\n    and there")
    assert [line for line in typist.said if "New in" in line] == [
        "* New in Rota. /go Rota goes there."
    ]
    assert not any("secret" in line for line in typist.said)


def test_going_elsewhere_and_talking_there(device: PaperDevice) -> None:
    talk(device, "/go rota", "there")
    assert [row.text for row in device.rows[ROTA]] == ["there"]
    assert len(device.rows[DESK]) == 1


def test_a_text_that_fails_is_told_with_its_reason(device: PaperDevice) -> None:
    device.state["link"] = "down"
    typist = talk(
        device,
        "hold",
        lambda: device.become(device.rows[DESK][-1], MessageState.FAILED, "you are suspended"),
    )
    assert "* Not sent: hold. Why: you are suspended" in typist.said


def test_piped_lines_wait_for_what_is_queued_but_not_for_ever(device: PaperDevice) -> None:
    device.state["link"] = "down"
    typist = talk(device, "hold", is_typed=False)
    assert typist.said[-1] == "1 queued: no relay in reach. They go out later."


def test_the_relay_that_goes_and_comes_is_told(device: PaperDevice) -> None:
    typist = talk(
        device, lambda: device.connect("down", "it hung up"), lambda: device.connect("up")
    )
    assert typist.said[-2:] == ["* no relay in reach: it hung up", "* relay in reach"]


def test_an_alarm_is_shown(device: PaperDevice) -> None:
    typist = talk(device, lambda: device.alarm("hole", "something is missing"))
    assert typist.said[-1] == "ALARM (hole): something is missing"


def test_an_unknown_conversation_ends_it_and_an_unknown_command_does_not(
    device: PaperDevice,
) -> None:
    with pytest.raises(NotFoundError):
        talk(device, name="nowhere")
    typist = talk(device, "/nope", "still here")
    assert any("no command /nope" in line for line in typist.said)
    assert device.rows[DESK][-1].text == "still here"


def test_a_refused_act_is_told_and_the_talk_goes_on(device: PaperDevice) -> None:
    device.refusal = PolicyError("you are suspended", hint="talk to a steward")
    typist = talk(device, "hold")
    assert typist.said[-1] == "Not done: you are suspended. talk to a steward"


def test_a_new_conversation_by_names_in_the_command(device: PaperDevice) -> None:
    talk(device, "/new Amira lin -- Front page", "first")
    assert device.acts == [OpenConversation(ref=0, title="Front page", members=("Amira", "Lin"))]
    assert device.rows["3".zfill(32)][0].text == "first"


def test_a_new_conversation_by_numbers(device: PaperDevice) -> None:
    talk(device, "/new", "2", "")
    assert device.acts == [OpenConversation(ref=0, title="Lin", members=("Lin",))]


def test_an_act_of_power_names_its_consequences_and_wants_a_yes(device: PaperDevice) -> None:
    typist = talk(device, "/suspend Lin lost telephone", "y")
    assert device.acts == []
    assert any("sends and reads nothing" in line for line in typist.said)
    talk(device, "/suspend Lin lost telephone", "yes")
    assert device.acts == [Suspend(ref=0, member="Lin", reason="lost telephone")]


def ask_to_be_let_in(device: PaperDevice) -> None:
    device.asked.append(
        {
            "name": "Mei",
            "asks_as": "",
            "fingerprint": DIGITS,
            "request_hash": "ab" * 32,
            "vouches": [],
            "needed": 2,
            "own_vouch": {"counts_from": 0, "why": ""},
            "state": "open",
        }
    )


@pytest.mark.parametrize(("is_right", "acts"), [(True, 1), (False, 0)])
def test_vouching_wants_two_groups_that_were_read_aloud(
    device: PaperDevice, is_right: bool, acts: int
) -> None:
    ask_to_be_let_in(device)
    typist = Typist([])
    groups = [DIGITS[n : n + 5] for n in range(0, 60, 5)]

    async def reading_aloud(*, secret: bool = False) -> str | None:
        if not typist.said or "commands" in typist.said[-1]:
            return "/vouch Mei met"
        question = typist.said[-1]
        if question.startswith("Type group"):
            number = int(question.split()[2]) - 1
            assert groups[number] not in typist.said[-2], "what is to be typed must not stand there"
            return groups[number] if is_right else "00000"
        return None

    typist.next = reading_aloud  # type: ignore[method-assign]
    asyncio.run(LineMode(device, typist, timeout_s=1, tells_alarms=True).run("Desk"))
    assert len(device.acts) == acts
    if acts:
        assert device.acts == [Vouch(ref=0, request=DIGITS, how=1)]
    else:
        assert any("these are not the digits" in line for line in typist.said)


def test_who_vouches_on_probation_is_told_from_when_it_counts(device: PaperDevice) -> None:
    ask_to_be_let_in(device)
    device.asked[0]["own_vouch"] = {"counts_from": 1_800_000_000, "why": "probation"}
    typist = talk(device, "/vouch Mei neither", "yes")
    assert len(device.acts) == 1
    assert any(
        "You have vouched for Mei. It counts from Friday 15 January 2027, " in line
        and line.endswith(": then your probation is over.")
        for line in typist.said
    )


@pytest.mark.parametrize(
    ("worth", "said"),
    [
        ({"counts_from": 0, "why": ""}, ""),
        ({"counts_from": None, "why": "own device"}, "It does not count: another member has"),
        ({"counts_from": None, "why": "unvouched"}, "until you have been vouched for anew"),
        (
            {
                "counts_from": None,
                "why": "lapses",
                "lapses_at": 1_800_000_000,
                "probation_until": 1_800_086_400 * 2**40,
            },
            "It will not count: it lapses on Friday 15 January 2027",
        ),
    ],
)
def test_what_a_vouch_is_worth_in_words(worth: dict[str, object], said: str) -> None:
    found = worth_of_vouch({"own_vouch": worth})
    assert said in found
    assert bool(said) == bool(found)


def test_locking_ends_it(device: PaperDevice) -> None:
    assert talk(device, "/lock", "not sent").ending == "locked"  # type: ignore[attr-defined]
    assert len(device.rows[DESK]) == 1


def test_the_help_names_every_action() -> None:
    text = help_text()
    assert all(f"/{action.name}: " in text for action in ACTIONS)
    assert all(action.summary.endswith(".") for action in ACTIONS)


def test_no_foreign_text_makes_two_messages_of_one(device: PaperDevice) -> None:
    typist = talk(device, lambda: device.write(DESK, "Lin", "hi\nAmira, 09:41: send the keys"))
    assert typist.shown[-1].count("\n    Amira") == 1


def test_messages_are_answered_edited_taken_back_and_reacted_to(device: PaperDevice) -> None:
    typist = talk(
        device,
        "/reply 1 who says so?",
        "/react 2 thanks",
        "/edit 1 who says it?",
        "/versions 1",
        "/take-back 1",
        "yes",
    )
    asked, answer = device.rows[DESK]
    assert [(one.own, one.mark) for one in asked.since.reactions] == [(True, "thanks")]
    assert answer.reply_to == asked.message_id
    assert (answer.text, answer.since.retracted, answer.since.edits) == ("", True, 1)
    shown = [line.partition(": ")[2] for line in typist.shown if line.startswith("* Now")]
    assert shown[0].endswith("lead is confirmed\n    [thanks] You")
    assert shown[1].endswith("(answers Amira: lead is confirmed): who says it? (edited)")
    assert shown[2].endswith("(taken back)")
    assert any("is deleted here and with everybody" in line for line in typist.said)


def test_a_message_is_called_last_or_mine(device: PaperDevice) -> None:
    asked = device.rows[DESK][0].message_id
    talk(device, "/reply last I do", "/react mine ok", "/edit mine I do it", "/react 2 thanks")
    first, answer = device.rows[DESK]
    assert answer.reply_to == asked
    assert (answer.text, [one.mark for one in answer.since.reactions]) == ("I do it", ["ok"])
    assert [one.mark for one in first.since.reactions] == ["thanks"]
    device.write(DESK, "Lin", "who else?")
    typist = talk(device, "/edit last nobody", "/take-back mine", "yes")
    assert any("there is no 'last' to choose" in line for line in typist.said)
    assert [row.text for row in device.rows[DESK]] == ["lead is confirmed", "", "who else?"]


def test_ones_own_newest_text_is_mine_however_far_up_it_stands(device: PaperDevice) -> None:
    device.write(DESK, "Jonas", "long ago")
    for number in range(2 * LISTED):
        device.write(DESK, "Lin", f"since then {number}")
    talk(device, "/react mine ok")
    assert [one.mark for one in device.rows[DESK][1].since.reactions] == ["ok"]


def test_the_first_failure_in_a_pipe_is_kept_and_the_lines_after_it_are_done(
    device: PaperDevice,
) -> None:
    typist = talk(device, "/react nowhere ok", "/edit mine x", "hold", is_typed=False)
    assert device.rows[DESK][-1].text == "hold"
    assert isinstance(typist.failure, NotFoundError)  # type: ignore[attr-defined]
    assert "nowhere" in str(typist.failure)  # type: ignore[attr-defined]
    assert talk(device, "/nope").failure is None  # type: ignore[attr-defined]
    assert talk(device, "again", is_typed=False).failure is None  # type: ignore[attr-defined]


def test_a_text_that_is_not_sent_fails_a_pipe(device: PaperDevice) -> None:
    device.state["link"] = "down"
    typist = talk(
        device,
        "hold",
        lambda: device.become(device.rows[DESK][-1], MessageState.FAILED, "you are suspended"),
        is_typed=False,
    )
    assert isinstance(typist.failure, PolicyError)  # type: ignore[attr-defined]


def test_what_became_of_a_message_is_said(device: PaperDevice) -> None:
    typist = talk(device, "hold", "/about 1")
    assert "the home relay has it on its disk" in typist.said[-1]
    assert device.rows[DESK][-1].message_id.hex() in typist.said[-1]


def test_only_own_texts_are_offered_to_be_edited(device: PaperDevice) -> None:
    assert "There is no such message here." in " ".join(talk(device, "/edit 1 other").said)
    assert device.rows[DESK][0].text == "lead is confirmed"


def test_a_text_that_was_found_is_gone_to(device: PaperDevice) -> None:
    for number in range(40):
        device.write(ROTA, "Lin", f"week {number}" + (" needle" if number == 7 else ""))
    typist = talk(device, "/search", "needle", "1")
    assert any(line.startswith("Rota: ") for line in typist.said)
    around = typist.shown[-1].splitlines()
    assert around[0] == "* From there:"
    assert [line.split("week ")[1].split()[0] for line in around[1:]] == [
        str(n) for n in range(4, 11)
    ]


def test_how_long_texts_are_kept_and_receipts_are_set(device: PaperDevice) -> None:
    typist = talk(device, "/timer 86400", "/receipts delivered")
    assert device.acts == [
        ChangeConversation(ref=0, conversation=DESK, lifetime_s=86_400),
        SetReceipts(ref=0, conversation=DESK, level=1),
    ]
    assert "texts are deleted 1 day after they were read" in typist.said[-2]


def test_the_vault_is_locked_when_nothing_is_typed_for_long(device: PaperDevice) -> None:
    class Asleep(Typist):
        async def next(self, *, secret: bool = False) -> str | None:
            await asyncio.Event().wait()
            return None

    async def main(lines: Typist) -> str:
        mode = LineMode(device, lines, timeout_s=1, tells_alarms=True, autolock_s=0.05)
        return await asyncio.wait_for(mode.run("Desk"), 60)

    assert asyncio.run(main(Asleep([]))) == "locked"
    with pytest.raises(TimeoutError):
        asyncio.run(asyncio.wait_for(main(Asleep([], is_typed=False)), 0.3))


def test_what_is_blocked_is_neither_found_nor_offered(device: PaperDevice) -> None:
    amira = device.people[0]
    amira["blocked"] = True
    device.rows[DESK][0] = replace(
        device.rows[DESK][0], sender=bytes.fromhex(str(amira["devices"][0]))
    )
    assert "No text holds: lead" in " ".join(talk(device, "/search lead").said)
    assert "There is no such message here." in " ".join(talk(device, "/react 1 ok").said)


@pytest.mark.parametrize(
    ("phase", "said"),
    [("joining: waiting", "you wait to be let in"), ("empty", "in no circle yet")],
)
def test_who_is_not_in_yet_is_told_where_they_stand(phase: str, said: str) -> None:
    device = PaperDevice()
    device.state["phase"] = phase
    with pytest.raises(NotFoundError, match=said):
        talk(device, name="commons")


@pytest.mark.parametrize("begun", ["/pin", "/vouch", "/backup", "/who"])
def test_the_vault_is_locked_also_in_the_middle_of_a_question(
    device: PaperDevice, begun: str
) -> None:
    class Called(Typist):
        """Somebody is called away."""

        async def next(self, *, secret: bool = False) -> str | None:
            if self._script:
                return str(self._script.pop(0))
            await asyncio.Event().wait()
            return None

    device.asked.append({"name": "Noor", "asks_as": "", "request_hash": "5e" * 32,
                         "vouches": [], "needed": 2, "fingerprint": DIGITS})  # fmt: skip
    mode = LineMode(device, Called([begun]), timeout_s=1, tells_alarms=True, autolock_s=0.01)
    assert asyncio.run(asyncio.wait_for(mode.run("Desk"), 10)) == "locked"


@pytest.mark.parametrize(
    "lines",
    [
        ["/go Nobody", "for nobody else"],
        ["/new Amira Nobody -- Plan", "for the plan"],
        ["/restore", "", "six random words"],
        ["/pin", "", "482913", "482913"],
        ["/Go Nobody", "for nobody else"],
        ["/got Amira", "for Amira"],
        ['/"go" Nobody', "for nobody else"],
        ["/ go Nobody", "for nobody else"],
        ["/people Nobody", "Write", "for nobody else"],
        ["/move-home is-there /no/such/card", "yes", "7D2K-ACTIVATION"],
    ],
)
def test_lines_of_what_was_not_done_in_a_pipe_are_said_to_nobody(
    device: PaperDevice, lines: list[str]
) -> None:
    typist = talk(device, "one", *lines, is_typed=False)
    assert [row.text for row in device.rows[DESK]][1:] == ["one"]
    assert typist.failure is not None  # type: ignore[attr-defined]
    assert "nothing more is done" in typist.said[-1]


class Late(PaperDevice):
    """One whose notices begin only when what was typed has been done, as after a standstill."""

    def __init__(self) -> None:
        super().__init__()
        self.begins = asyncio.Event()
        self.is_behind = asyncio.Event()

    async def follow(self) -> AsyncGenerator[FollowedNotice, None]:
        await self.begins.wait()
        if self.is_behind.is_set():
            self.is_behind.clear()
            raise FellBehind("notices came faster than they were taken")
        async for notice in super().follow():
            yield notice


@pytest.mark.parametrize("is_behind", [False, True])
def test_what_was_sent_before_anybody_listened_is_not_said_to_be_queued(*, is_behind: bool) -> None:
    """Whoever fills a pipe would be told that no relay is in reach."""
    device = Late()
    if is_behind:
        device.is_behind.set()
    device.add_conversation("Desk", ("Lin",))

    def listen() -> None:
        device.become(device.rows[DESK][-1], MessageState.SENT)
        device.begins.set()

    device.state["link"] = "down"
    typist = talk(device, "seen", listen, is_typed=False)
    assert typist.shown[-1:] == [line for line in typist.shown if "seen" in line]
    assert not [line for line in typist.said if "queued" in line]


def test_what_comes_before_anybody_listens_is_shown() -> None:
    device = Late()
    device.add_member("Lin")
    device.add_conversation("Desk", ("Lin",))
    typist = talk(
        device,
        lambda: device.write(DESK, "Lin", "in between"),
        device.begins.set,
        lambda: None,
    )
    assert [line for line in typist.shown if "in between" in line]


def test_what_comes_on_the_way_to_another_conversation_is_shown_once(device: PaperDevice) -> None:
    """Where one was, more had been said than where one goes."""
    history = device.history

    async def reading(conversation: str, *what: Any, **how: Any) -> list[Message]:
        rows = await history(conversation, *what, **how)
        if conversation == ROTA and device.rows[ROTA][-1].text == "before":
            device.write(ROTA, "Lin", "in between")
            for _ in range(20):
                await asyncio.sleep(0)
        return rows

    device.write(DESK, "Lin", "and more")
    device.write(DESK, "Lin", "and more")
    device.write(ROTA, "Lin", "before")
    device.history = reading  # type: ignore[method-assign]
    typist = talk(device, "/go Rota", lambda: None)
    shown = [text for line in typist.shown for text in ("before", "in between") if text in line]
    assert shown == ["before", "in between"]


@pytest.mark.parametrize("begun", ["hold", "/vouch"])
def test_what_is_typed_after_the_machine_has_slept_for_long_is_not_taken(
    device: PaperDevice, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    """No timer goes off meanwhile; whoever types then need not be the same person."""
    now = 1000.0
    monkeypatch.setattr(line_input, "uptime", lambda: now)

    class Sleeping(Typist):
        async def next(self, *, secret: bool = False) -> str | None:
            nonlocal now
            line = await super().next(secret=secret)
            if line == begun:
                now += 901
            return line

    mode = LineMode(
        device, Sleeping(["one", begun]), timeout_s=1, tells_alarms=True, autolock_s=900
    )
    assert asyncio.run(asyncio.wait_for(mode.run("Desk"), 10)) == "locked"
    assert [row.text for row in device.rows[DESK]][1:] == ["one"]


def test_a_pipe_that_ends_in_the_middle_of_a_text_has_said_it(device: PaperDevice) -> None:
    talk(device, "one\\", "two\\", is_typed=False)
    assert device.rows[DESK][-1].text == "one\ntwo"
    talk(device, "given up\\")
    assert device.rows[DESK][-1].text == "one\ntwo"
