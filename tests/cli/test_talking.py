"""`cloister chat` in a pipe, and `cloister search`: what a script sees of them."""

from __future__ import annotations

import asyncio
import io
import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from cli.conftest import Run
from cloister.cli.person import Person
from cloister.errors import PolicyError
from cloister.testing.paper_device import PaperDevice

DESK, ROTA = "1".zfill(32), "2".zfill(32)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> PaperDevice:
    """A device on paper in the place of the vault."""
    made = PaperDevice()
    for name in ("Amira", "Jonas"):
        made.add_member(name)
    for title in ("Desk", "Rota"):
        made.add_conversation(title, ("Amira",))
    made.write(DESK, "Amira", "the source signs", at=1_795_857_000)
    made.write(ROTA, "Jonas", "a second source", at=1_795_857_600)

    def doing(_person: Person, work: Callable[[Any], Any], **_options: Any) -> Any:
        return asyncio.run(work(made))

    monkeypatch.setattr(Person, "run", doing)
    monkeypatch.setattr(Person, "view", doing)
    return made


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.mark.parametrize("flags", [(), ("--quiet",)])
def test_a_pipe_ends_with_the_status_of_the_first_failure(
    run: Run, device: PaperDevice, monkeypatch: pytest.MonkeyPatch, flags: tuple[str, ...]
) -> None:
    pipe(monkeypatch, "/react nowhere ok\n/edit last x\nhold\n/react mine ok\n")
    status, out, err = run("chat", "Desk", *flags)
    assert status == 3
    assert err.count("Not done: there is no 'nowhere' to choose.") == 1
    assert err.count("Not done:") == 2
    assert "cloister: " not in err
    assert out.splitlines()[-1].endswith("[ok] You")
    assert device.rows[DESK][-1].text == "hold"


def test_a_pipe_in_which_all_is_done_ends_with_nothing(
    run: Run, device: PaperDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, "hold\n/react last ok\n")
    assert run("chat", "Desk")[0] == 0
    device.refusal = PolicyError("you are suspended")
    pipe(monkeypatch, "hold\n")
    assert run("chat", "Desk")[0] == 5


def test_without_a_terminal_the_line_mode_is_chosen_by_itself(
    run: Run, device: PaperDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe(monkeypatch, "hold\n")
    assert run("open", "Desk")[0] == 0
    assert device.rows[DESK][-1].text == "hold"


@pytest.mark.parametrize("arguments", [(), ("open",)])
def test_a_pipe_without_a_name_says_nothing_to_anybody(
    run: Run, device: PaperDevice, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    before = {channel: len(rows) for channel, rows in device.rows.items()}
    pipe(monkeypatch, "hold\n")
    status, _, err = run(*arguments)
    assert status == 2
    assert "cloister open NAME" in err
    assert {channel: len(rows) for channel, rows in device.rows.items()} == before


def test_texts_of_all_conversations_are_found_the_newest_first(
    run: Run, device: PaperDevice
) -> None:
    status, out, err = run("search", "SOURCE")
    assert (status, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("Rota: Jonas, 2026-11-2")
    assert first.endswith(": a second source")
    assert second.startswith("Desk: Amira, ")
    status, out, _ = run("search", "second", "source", "--json")
    view = json.loads(out)
    assert (view["conversation"], view["channel_id"]) == ("Rota", ROTA)
    assert run("search", "source", "--limit", "1", "--ids")[1].startswith("00000000  Rota: ")


def test_what_a_blocked_member_wrote_is_not_found(run: Run, device: PaperDevice) -> None:
    device.people[0]["blocked"] = True
    assert run("search", "source")[1].count("\n") == 1
    status, out, err = run("search", "signs")
    assert (status, out) == (3, "")
    assert "no text holds: signs" in err
    assert run("search", " ")[0] == 2
    assert run("search")[0] == 2


def test_nothing_of_a_found_text_reaches_the_terminal_as_an_order(
    run: Run, device: PaperDevice
) -> None:
    device.write(DESK, "Amira", "\x1b]0;needle\x07\u202e")
    for flags in ((), ("--json",)):
        out = run("search", "needle", *flags)[1]
        assert not {"\x1b", "\x07", "\u202e"} & set(out)
