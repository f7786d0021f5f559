"""Commands of power over a whole simulated circle: real cores, real relay services, no sockets.

The command's own core is scripted; it hands every act to a device of the circle, and its views
are that device's.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from cloister.client import exposure
from cloister.client.effects import Answer, Effect, Notify
from cloister.client.governance_views import governance_view
from cloister.client.inputs import Act, AnyInput
from cloister.client.naming import one_device
from cloister.roster.entry import Entry
from cloister.roster.state import MemberState
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from cloister.values import replace
from scenario.governed import DAY_S, later, roster_of, send, two_stewards
from unit.device.scripted import VIEWS, ScriptedCore

Run = Callable[..., tuple[int, str, str]]


class Stage:
    """A circle on a thread of its own, and whose device the next command speaks for."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.circle = self.play(self._make())
        self.ada, self.ben, self.cyd = self.play(two_stewards(self.circle))
        self.person: SimulatedDevice = self.ada

    async def _make(self) -> SimulatedCircle:
        return SimulatedCircle()

    def play(self, story: Coroutine[Any, Any, Any]) -> Any:
        """Run a story of the circle, also from inside the command's own event loop."""
        return asyncio.run_coroutine_threadsafe(story, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def script(self, _core: ScriptedCore, given: AnyInput, _now: int) -> tuple[Effect, ...]:
        if not isinstance(given, Act):
            return ()
        act = replace(given, ref=self.circle.ref())

        async def acting() -> None:
            self.person.feed(act)
            await self.circle.settle()

        self.play(acting())
        return (Notify(notice=replace(self.answer(act), ref=given.ref)),)

    def answer(self, act: Act) -> Answer:
        return self.person.answers[act.ref]

    def governance(self, _core: object, what: str, about: str) -> Any:
        return governance_view(self.person.core.state, what, about)

    def exposed_channels(self, _core: object, _device: str) -> list[bytes]:
        return []

    def exposure(self, _core: object, device: str, _rows: object) -> Any:
        state = self.person.core.state
        rows: dict[bytes, list[Any]] = {}
        for message in self.person.messages.values():
            rows.setdefault(message.channel_id, []).append(message)
        return exposure.report(state, one_device(roster_of(self.person), device).did, rows)


@pytest.fixture
def stage(
    profile: Path, scripted: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    """Ada's profile in a circle of Ada and Ben, stewards, and Cyd."""
    made = Stage()
    scripted(script=made.script)
    for name in ("governance", "exposed_channels", "exposure"):
        monkeypatch.setattr(VIEWS, name, getattr(made, name), raising=False)
    yield made
    made.close()


def test_a_suspension_waits_in_pending_until_the_other_steward_approves(
    run: Run, stage: Stage
) -> None:
    status, out, _ = run("suspend", "Cyd", "--reason", "phone taken")
    assert status == 0
    assert "suspension of Cyd (phone taken), by Ada; waits for another steward until" in out
    reference = out.split()[0]
    assert run("approve", reference)[0] == 5, "not by the one who proposed it"
    stage.person = stage.ben
    status, out, _ = run("pending", "--json")
    assert (status, json.loads(out)["reference"]) == (0, reference)
    assert run("approve", reference)[:2] == (0, "approved\n")
    status, out, err = run("pending")
    assert (status, out) == (0, "")
    assert "Nothing waits" in err


def test_who_approves_a_removal_is_told_the_reason_that_counts(run: Run, stage: Stage) -> None:
    status, out, err = run("remove", "Cyd", "--reason", "compromise", "--json", "--yes")
    assert (status, json.loads(out)["reason"]) == (0, "compromise")
    assert "proposed the" not in err
    stage.person = stage.ben
    status, out, err = run("remove", "Cyd", "--json", "--yes")
    assert (status, json.loads(out)["reason"]) == (0, "compromise")
    assert "Ada proposed the removal of Cyd (compromise)." in err
    cyd = roster_of(stage.ada).member_named("Cyd")
    assert cyd is not None
    assert cyd.state is MemberState.REMOVED


def test_what_is_forbidden_is_5_and_says_what_to_do(run: Run, stage: Stage) -> None:
    stage.person = stage.cyd
    for arguments in (
        ("suspend", "Ada"),
        ("lost", "Ben"),
        ("erase", "Ben", "--reason", "stolen", "--yes"),
        ("hold", "place", "--circle"),
        ("steward", "drop", "Ada"),
        ("policy", "set", "vouches=3"),
    ):
        status, out, err = run(*arguments)
        assert (arguments, status, out) == (arguments, 5, "")
        assert len(err.strip().splitlines()) >= 1


def test_a_lost_device_is_locked_step_by_step_and_reported(run: Run, stage: Stage) -> None:
    async def talk() -> None:
        send(stage.circle, stage.ben, "before it was lost")
        await stage.circle.settle()
        stage.cyd.is_offline = True

    stage.play(talk())
    status, out, err = run("lost", "Cyd", "--json")
    assert status == 0
    for step in ("locked at home.example", "locked at entry.example", "in the log"):
        assert step in err
    assert "dropped from 2 of 2 groups" in err
    body = json.loads(out)
    assert (body["state"], body["exposure"][0]["messages"]) == ("locked", 1)
    status, out, _ = run("exposure", "Cyd/1")
    assert status == 0
    assert "1 messages could have been read, lock ordered" in out
    assert "This report cannot know:" in out
    status, out, _ = run("device", "list", "Cyd")
    assert out.startswith("Cyd/1  ")
    assert "locked" in out
    assert run("lost", "Cyd")[0] == 5


def test_an_owners_consent_is_a_line_for_a_steward(run: Run, stage: Stage) -> None:
    async def another() -> SimulatedDevice:
        device: SimulatedDevice = await stage.circle.add_device("Cyd 2", stage.cyd, [stage.ada])
        return device

    stage.person = stage.play(another())
    assert run("lost", "Cyd/1")[0] == 0
    status, line, err = run("unlock-device", "Cyd/1", "--consent")
    assert status == 0
    assert line.startswith("CLOISTER-CONSENT:")
    assert "It is no secret" in err
    stage.person = stage.ada
    assert run("unlock-device", "Cyd/1", "--with-consent", "CLOISTER-CONSENT:x")[0] == 2
    assert run("unlock-device", "Cyd/1", "--with-consent", line.strip())[0] == 0
    _, out, _ = run("device", "list", "Cyd/1", "--json")
    assert json.loads(out)["state"] == "active"


def test_an_erasure_from_the_proposal_to_the_receipts(run: Run, stage: Stage) -> None:
    stage.cyd.is_offline = True
    assert run("erase", "Cyd", "--yes")[0] == 2, "without a reason"
    assert run("erase", "Cyd", "--reason", "stolen")[0] == 2, "nobody to ask"
    status, out, _ = run("erase", "Cyd", "--reason", "stolen", "--note", "train", "--yes")
    assert status == 0
    reference = out.split()[0]
    stage.person = stage.ben
    status, out, _ = run("approve", reference)
    assert "waits for the cool-off to end" in out
    stage.play(later(stage.circle, DAY_S + 600))
    status, out, _ = run("erase", "--status")
    assert status == 0
    for line in ("erased at home.example", "erased at entry.example", "approved by Ben"):
        assert line in out
    assert run("object", reference)[0] == 3


def test_holds_are_placed_listed_and_released_by_two(run: Run, stage: Stage) -> None:
    assert run("hold", "place")[0] == 2
    assert run("hold", "place", "--circle", "--member", "Cyd")[0] == 2
    assert run("hold", "place", "--member", "Cyd", "--note", "request")[0] == 0
    status, out, _ = run("hold", "list")
    reference = out.split()[0]
    assert (status, "Cyd, placed by Ada" in out, out.strip().endswith(": request")) == (
        0,
        True,
        True,
    )
    status, _, err = run("erase", "Cyd", "--reason", "lost", "--yes")
    assert status == 5
    assert "placed by Ada" in err
    status, out, _ = run("hold", "release", reference)
    assert "release of a hold" in out
    stage.person = stage.ben
    assert run("approve", out.split()[0])[0] == 0
    assert "No hold is in force" in run("hold", "list")[2]


def test_offices_are_listed_offered_and_proposed(run: Run, stage: Stage) -> None:
    assert run("steward", "list")[1] == "Ada\nBen\n"
    assert "There is no officer" in run("officer", "list")[2]
    status, _, err = run("officer", "add", "Cyd")
    assert (status, "has not offered a key" in err) == (5, True)
    stage.person = stage.cyd
    assert run("officer", "offer")[0] == 0
    stage.person = stage.ada
    status, out, _ = run("officer", "add", "Cyd")
    assert "Cyd becomes officer" in out
    assert run("refuse", out.split()[0])[0] == 0


def test_rules_are_shown_and_a_wrong_one_is_a_usage_error(run: Run, stage: Stage) -> None:
    status, out, _ = run("policy", "show")
    assert status == 0
    assert "vouches: 2\n" in out
    assert "cool_off_s: 86400  (fixed)\n" in out
    assert run("policy", "set", "vouches")[0] == 2
    assert run("policy", "set", "cool_off_s=0")[0] == 2
    status, out, _ = run("policy", "set", "veto_s=60")
    assert (status, "change of rules" in out) == (0, True)


def set_exports(run: Run, stage: Stage, rule: str) -> None:
    """Ada proposes, Ben approves; changes need no delay here."""
    stage.person = stage.ada
    status, out, _ = run("policy", "set", f"export={rule}")
    assert (status, f"becomes {rule}" in out) == (0, True)
    stage.person = stage.ben
    assert run("approve", out.split()[0])[0] == 0
    assert f"export: {rule}\n" in run("policy", "show")[1]
    stage.person = stage.cyd


def test_exports_are_told_or_refused_as_two_stewards_say(
    run: Run, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("policy", "set", "export=sometimes")[0] == 2
    assert "export: free\n" in run("policy", "show")[1]
    set_exports(run, stage, "logged")
    before = roster_of(stage.ada).size
    target = tmp_path / "desk.txt"
    status, out, err = run("export", "desk", "--out", str(target), "--json")
    assert status == 0
    assert roster_of(stage.ada).size == before + 1
    assert json.loads(out)["entry"] == Entry.decode(stage.ada.entries[before]).entry_hash.hex()
    assert "stands in the circle's log" in err
    assert target.exists()

    set_exports(run, stage, "refused")
    before = roster_of(stage.ada).size
    status, _, err = run("export", "--all", "--out", str(tmp_path / "all.txt"))
    assert (status, "refuse exports" in err, "cloister backup" in err) == (5, True, True)
    assert roster_of(stage.ada).size == before
    assert not (tmp_path / "all.txt").exists()
    (tmp_path / "words").write_text("six random words are good")
    monkeypatch.setenv("CLOISTER_BACKUP_PASSPHRASE_FILE", str(tmp_path / "words"))
    status, _, err = run("backup", str(tmp_path / "backup"))
    assert (status, "stands in the circle's log" in err) == (0, True)
    assert roster_of(stage.ada).size == before + 1


@pytest.fixture
def new_home(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The card of another home, whose operator's code lies in a file."""
    home = stage.circle.relays.add_home()
    card, code = tmp_path / "new-home.card", tmp_path / "code"
    card.write_bytes(home.card.encode())
    code.write_text("code of the new home\n")
    monkeypatch.setenv("CLOISTER_ACTIVATION_CODE_FILE", str(code))
    return card


def test_the_home_is_moved_by_two_stewards_who_read_what_follows(
    run: Run, stage: Stage, new_home: Path
) -> None:
    status, out, err = run("home", "move", str(new_home), "--yes")
    assert status == 0
    assert "another home, geyser.example (IS, Geyser), by Ada; waits for another steward" in out
    told = ("stores nothing more", "invitations lapse", "cannot move back", "seats", "shares")
    for consequence in told:
        assert consequence in err
    stage.person = stage.ben
    assert run("approve", out.split()[0])[0] == 0
    stage.person = stage.cyd
    status, out, _ = run("home", "show", "--offline", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [(row["role"], row["name"]) for row in rows] == [
        ("home", "geyser.example"),
        ("entry", "entry.example"),
        ("former home", "home.example"),
    ]
    stage.person = stage.ada
    former = new_home.with_name("former.card")
    former.write_bytes(stage.circle.relays.home_card.encode())
    for card, wanted, words in (
        (new_home, 2, "is the circle's home already"),
        (former, 5, "was the circle's home before"),
    ):
        status, _, err = run("home", "move", str(card), "--yes")
        assert status == wanted
        assert words in err
        assert "invitations lapse" not in err, "nothing follows from what is refused"


def test_a_notice_goes_from_hand_to_hand(
    run: Run, stage: Stage, new_home: Path, tmp_path: Path
) -> None:
    async def lose() -> None:
        stage.circle.relays.is_home_gone = True
        for device in stage.circle.devices:
            device.drop_link()

    stage.play(lose())
    notice = tmp_path / "notice.move"
    status, out, _ = run("home", "move", str(new_home), "--lost", str(notice), "--yes")
    assert status == 0
    assert "home follow notice.move --approve" in out
    stage.person = stage.cyd
    assert run("home", "follow", str(notice), "--approve", "--yes")[0] == 5, "no steward"
    status, out, _ = run("home", "follow", str(notice))
    assert status == 0
    assert "not complete" in out
    stage.person = stage.ben
    status, out, _ = run("home", "follow", str(notice), "--approve", "--yes")
    assert status == 0
    assert "follows to geyser.example" in out
    status, out, _ = run("home", "show", "--offline")
    assert "candidate: geyser.example (IS, Geyser); this device follows a move notice" in out
    assert run("home", "follow", str(notice), "--stop")[0] == 0
    assert "candidate" not in run("home", "show", "--offline")[1]
    # Who has the code brings the circle there, and is there when the command ends.
    stage.person = stage.ada
    status, out, _ = run("home", "follow", str(notice))
    assert status == 0
    assert out == "This device has moved to geyser.example.\n"
    status, _, err = run("home", "follow", str(notice))
    assert status == 5
    assert "has moved to the home that the notice names already" in err
    assert "proposed anew" not in err
    notice.write_text("no notice")
    assert run("home", "follow", str(notice))[0] == 2
    assert run("home", "follow", str(tmp_path / "none.move"))[0] == 3
