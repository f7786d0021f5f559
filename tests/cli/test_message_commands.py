"""`cloister message`: what is said of a message, named by how its id begins, or last, or mine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from cloister.cli.conversation import seconds_of
from cloister.cli.person import Person
from cloister.client.inputs import Act, ChangeConversation
from cloister.device import annotating
from cloister.errors import UsageError
from cloister.testing.paper_device import PaperDevice

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> PaperDevice:
    """A device on paper in the place of the vault."""
    made = PaperDevice()
    for name in ("Amira", "Jonas"):
        made.add_member(name)
    desk = made.add_conversation("Desk", ("Amira",))
    made.write(desk, "Amira", "who takes it?")
    made.write(desk, "Jonas", "I do")

    def acting(_person: Person, work: Callable[[Any], Any], **_options: Any) -> Any:
        return asyncio.run(work(made))

    monkeypatch.setattr(Person, "act", acting)
    monkeypatch.setattr(Person, "view", acting)
    return made


def test_an_own_text_is_edited_and_its_versions_are_read(run: Run, device: PaperDevice) -> None:
    assert run("message", "edit", "Desk", "mine", "I do it") == (0, "edited\n", "")
    status, out, _ = run("message", "versions", "Desk", "mine", "--json")
    assert status == 0
    assert json.loads(out)["text"] == "I do it"
    status, out, _ = run("read", "Desk", "--ids")
    first, second = out.splitlines()
    assert second.endswith(": I do it (edited)")
    assert second.split()[0] == device.rows[_desk(device)][1].message_id.hex()[:8]
    assert first.split()[0] == "00000000"


def test_what_is_another_s_is_not_edited_nor_taken_back(run: Run, device: PaperDevice) -> None:
    status, _, err = run("message", "edit", "Desk", "0" * 31 + "1", "I never asked")
    assert status == 5
    assert "by its own author only" in err
    status, _, err = run("message", "retract", "Desk", "0" * 31 + "1", "--yes")
    assert status == 5
    assert "taken back by its own author only" in err


def test_a_reaction_stands_beside_the_message_and_goes_again(run: Run, device: PaperDevice) -> None:
    row = device.rows[_desk(device)][0]
    assert run("message", "react", "Desk", row.message_id.hex(), "thanks")[:2] == (0, "thanks\n")
    status, out, _ = run("read", "Desk", "--json")
    assert status == 0
    assert json.loads(out.splitlines()[0])["reactions"] == [{"name": "Jonas", "mark": "thanks"}]
    assert "[thanks] You" in run("read", "Desk")[1]
    run("message", "react", "Desk", row.message_id.hex(), "--clear")
    assert "[thanks]" not in run("read", "Desk")[1]
    assert run("message", "react", "Desk", "last")[0] == 2


def test_a_retraction_is_asked_about_and_shown(run: Run, device: PaperDevice) -> None:
    assert run("message", "retract", "Desk", "mine", "--yes")[:2] == (0, "taken back\n")
    assert run("read", "Desk")[1].splitlines()[-1].endswith(": (taken back)")


def test_an_answer_names_what_it_answers(run: Run, device: PaperDevice) -> None:
    asked = device.rows[_desk(device)][0].message_id
    assert run("send", "Desk", "I do, today", "--reply-to", asked.hex())[0] == 0
    assert device.rows[_desk(device)][-1].reply_to == asked
    assert "(answers Amira: who takes it?): I do, today" in run("read", "Desk")[1]
    assert json.loads(run("read", "Desk", "--json")[1].splitlines()[-1])["reply_to"] == asked.hex()


@pytest.mark.parametrize("name", ["x", "000", "zz99"])
def test_a_name_that_names_no_message_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="names no message"):
        annotating.checked_digits(name)


def test_a_timer_is_set_in_minutes_hours_and_days(run: Run, device: PaperDevice) -> None:
    status, out, _ = run("conversation", "timer", "Desk", "7d")
    assert (status, out) == (0, "texts are deleted 7 days after they were read\n")
    acts: list[Act] = [ChangeConversation(ref=0, conversation="Desk", lifetime_s=7 * 86_400)]
    assert device.acts == acts
    assert seconds_of("off") == 0
    assert seconds_of("90m") == 5400
    for wrong in ("7", "d", "-1d", "1w", "1.5h", ""):
        with pytest.raises(UsageError):
            seconds_of(wrong)


def _desk(device: PaperDevice) -> str:
    return next(iter(device.rows))
