"""Contacts by commands over a simulated circle: real cores, and what is typed is compared."""

from __future__ import annotations

import json
import random
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.test_governance_commands import Stage
from cloister.client.core import Core
from cloister.client.effects import PutMessage
from cloister.client.views import conversations_view, members_view
from cloister.crypto.secret import Secret
from cloister.device.vault import Vault
from cloister.device.views import CoreViews
from unit.device.scripted import VIEWS, text_message

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def stage(
    profile: Path, scripted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Ada's profile in a circle of Ada, Ben and Cyd, shown as Ada's device shows it."""
    made = Stage()
    scripted(script=made.script)

    def core() -> Core:
        return made.person.core

    real: dict[str, Callable[..., Any]] = {
        "members": lambda _: members_view(core().state),
        "conversations": lambda _: conversations_view(core().state),
        "comparison": lambda _, member: CoreViews().comparison(core(), member),
    }
    for name, view in real.items():
        monkeypatch.setattr(VIEWS, name, view)
    monkeypatch.setattr(secrets, "SystemRandom", lambda: random.Random(5))
    yield made
    made.close()


def listed(run: Run, name: str) -> dict[str, Any]:
    status, out, _ = run("contact", "list", "--json")
    assert status == 0
    return next(view for line in out.splitlines() if (view := json.loads(line))["name"] == name)


def test_an_own_name_is_given_shown_and_taken_away(run: Run, stage: Stage) -> None:
    assert run("contact", "name", "Ben", "Brother")[:2] == (0, "Brother\n")
    assert "Brother (Ben): vouched for by Ada\n" in run("contact", "list")[1]
    assert "Ben (you say Brother):" in run("members")[1]
    assert run("contact", "name", "Ben", "Cyd")[0] == 2
    assert run("contact", "name", "Ben")[0] == 2
    assert run("contact", "name", "Ben", "Bro", "--clear")[0] == 2
    assert json.loads(run("contact", "name", "Brother", "--clear", "--json")[1])["shown"] == "Ben"


def test_blocking_is_said_and_taken_back(run: Run, stage: Stage) -> None:
    assert run("contact", "block", "Cyd")[:2] == (0, "Cyd: blocked\n")
    assert listed(run, "Cyd")["blocked"]
    assert ", blocked\n" in run("contact", "list")[1]
    assert run("contact", "unblock", "Cyd")[:2] == (0, "Cyd: shown\n")
    assert not listed(run, "Cyd")["blocked"]
    assert run("contact", "block", "Nobody")[0] == 3


def test_a_blocked_text_is_folded_away_for_people(
    run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = [{"name": "Amira", "blocked": True, "devices": [text_message(1).sender.hex()]}]
    monkeypatch.setattr(VIEWS, "members", lambda core: views)
    monkeypatch.setattr(VIEWS, "uncounted", lambda core: frozenset({text_message(1).sender}))
    vault = Vault.open(profile, Secret(b"correct horse"))
    vault.commit([PutMessage(message=text_message(1, "the text itself"))])
    vault.close()
    out = run("read", "desk")[1]
    assert "the text itself" not in out
    assert "a text of Amira, who is blocked" in out
    row = json.loads(run("read", "desk", "--json")[1])
    assert (row["text"], row["blocked"]) == ("the text itself", True)


@pytest.mark.parametrize("form", ["digits", "words"])
def test_what_is_typed_is_compared(
    run: Run, stage: Stage, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    stage.person = stage.ben
    shown = json.loads(run("contact", "verify", "Ada", "--show", "--json")[1])
    stage.person = stage.ada
    parts = shown["digits"].split() if form == "digits" else shown["words"]
    hidden = sorted(random.Random(5).sample(range(12), 2))
    options = ("--words",) if form == "words" else ()
    answers = iter([parts[hidden[0]], parts[hidden[1]].upper()])
    asked = []

    def prompt(question: str, **_: Any) -> str:
        asked.append(question)
        return str(next(answers))

    monkeypatch.setattr("click.prompt", prompt)
    status, out, err = run("contact", "verify", "Ben", *options)
    assert (status, out) == (0, "Ben: verified\n")
    assert [f" {place + 1} of 12" in one for place, one in zip(hidden, asked, strict=True)]
    assert all((part in err) is (place not in hidden) for place, part in enumerate(parts))
    assert listed(run, "Ben")["trust"] == "verified"
    assert run("contact", "verify", "Ben", "--forget")[:2] == (0, "Ben: not verified\n")

    answers = iter([parts[hidden[0]], parts[hidden[0]]])
    status, _, err = run("contact", "verify", "Ben", *options)
    assert status == 6
    assert "nothing was noted" in err
    assert listed(run, "Ben")["trust"] == "vouched"


def test_a_code_is_compared_whole(run: Run, stage: Stage) -> None:
    code = json.loads(run("contact", "verify", "Ben", "--show", "--json")[1])["code"]
    wrong = code[:-1] + ("A" if code[-1] != "A" else "B")
    assert run("contact", "verify", "Ben", "--code", wrong)[0] == 6
    assert run("contact", "verify", "Cyd", "--code", code)[0] == 6
    assert run("contact", "verify", "Ben", "--code", code, "--show")[0] == 2
    assert run("contact", "verify", "Ada", "--show")[0] == 2
    status, out, _ = run("contact", "verify", "Ben", "--show")
    assert status == 0
    assert code in out
    assert run("contact", "verify", "Ben", "--code", f" {code.lower()[:9]} {code[9:]}")[0] == 0
    assert listed(run, "Ben")["trust"] == "verified"


def test_a_conversation_is_muted_and_pinned(run: Run, stage: Stage) -> None:
    until = json.loads(run("conversation", "mute", "commons", "--hours", "2", "--json")[1])["until"]
    assert 7100 <= until - time.time() <= 7200
    assert run("conversation", "mute", "commons")[:2] == (0, "muted\n")
    assert run("conversation", "pin", "commons")[:2] == (0, "pinned\n")
    out = run("conversation", "list")[1]
    assert "commons: " in out
    assert ", pinned" in out
    assert run("conversation", "unmute", "commons", "--json")[0] == 0
    assert run("conversation", "unpin", "commons")[:2] == (0, "not pinned\n")
    assert run("conversation", "mute", "nowhere")[0] == 3
