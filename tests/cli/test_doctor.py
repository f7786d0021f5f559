"""`cloister doctor`: what is wrong with a device is found, and decides the exit status."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.device.local import Device
from cloister.errors import UsageError
from cloister.finding import Grade
from cloister.tui.checkup import of_status

Run = Callable[..., tuple[int, str, str]]

WELL: dict[str, Any] = {
    "standing": {"state": "active", "reason": "this device belongs to the circle", "hint": ""},
    "link": "up",
    "trouble": None,
    "trust_problem": False,
    "relay_ahead_s": 1,
    "log_stale": False,
    "log_age_s": 60,
    "stuck": [],
    "term": None,
    "vault_key": "PIN and unlock shares of 2 relays",
    "vault_trouble": None,
}


def grades(*, offline: bool = False, **changes: Any) -> dict[str, Grade]:
    found = list(of_status({**WELL, **changes}, offline=offline))
    assert all(one.hint for one in found if one.grade is not Grade.GOOD)
    return {one.subject: one.grade for one in found if one.grade is not Grade.GOOD}


def term(state: str, days: int) -> dict[str, Any]:
    return {"state": state, "days": days}


STUCK = {"title": "Desk", "reason": "a commit does not fit", "hint": "open another"}
SUSPENDED = {"state": "suspended", "reason": "this member is suspended", "hint": ""}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {}),
        ({"vault_trouble": "a relay did not answer"}, {"vault": Grade.DOUBTFUL}),
        ({"standing": SUSPENDED}, {"standing": Grade.WRONG}),
        ({"link": "down", "trouble": "refused"}, {"relays": Grade.WRONG}),
        ({"link": "down", "trouble": "x", "trust_problem": True}, {"relays": Grade.WRONG}),
        ({"link": "off", "relay_ahead_s": None}, {"relays": Grade.DOUBTFUL}),
        ({"link": "down", "offline": True}, {}),
        ({"relay_ahead_s": -120}, {}),
        ({"relay_ahead_s": -121}, {"clock": Grade.DOUBTFUL}),
        ({"relay_ahead_s": 601}, {"clock": Grade.WRONG}),
        ({"log_stale": True, "log_age_s": 9000}, {"log": Grade.DOUBTFUL}),
        ({"stuck": [STUCK]}, {"conversation": Grade.DOUBTFUL}),
        ({"term": term("active", 15)}, {}),
        ({"term": term("active", 14)}, {"term": Grade.DOUBTFUL}),
        ({"term": term("grace", -1)}, {"term": Grade.DOUBTFUL}),
        ({"term": term("lapsed", -20)}, {"term": Grade.WRONG}),
        ({"term": term("office", -20)}, {}),
    ],
)
def test_what_a_device_says_of_itself_is_judged(
    changes: dict[str, Any], expected: dict[str, Grade]
) -> None:
    assert grades(**changes) == expected


@pytest.mark.parametrize(("ahead_s", "words"), [(700, "700 s behind"), (-700, "700 s ahead of")])
def test_it_says_which_way_the_clock_is_off(ahead_s: int, words: str) -> None:
    found = [*of_status({**WELL, "relay_ahead_s": ahead_s}, offline=False)]
    assert any(words in one.text for one in found)


def test_without_a_vault_it_is_3_and_nothing_is_made(run: Run, world: Path) -> None:
    status, out, _ = run("doctor")
    assert status == 3
    assert "cloister circle new" in out
    assert not (world / "p").exists()


def test_a_device_that_is_well_is_0(run: Run, profile: Path) -> None:
    status, out, _ = run("doctor", "--offline", "--json")
    assert status == 0, out
    found = [json.loads(line) for line in out.splitlines()]
    assert {one["grade"] for one in found} == {"good"}
    assert {"rights", "disk", "vault"} <= {one["subject"] for one in found}


def test_an_agent_from_before_an_upgrade_hides_nothing_else(
    run: Run, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its vault is the open one: it must not be stopped before the shares are made anew."""

    async def not_known(_device: Device) -> None:
        raise UsageError("the agent does not know 'check_shares'")

    monkeypatch.setattr(Device, "check_shares", not_known)
    _, out, _ = run("doctor", "--json")
    found = {one["subject"]: one for one in map(json.loads, out.splitlines())}
    assert found["agent"]["grade"] == "doubtful"
    assert "first: cloister pin" in found["agent"]["hint"]
    assert found["vault"]["grade"] == "good"


def test_files_that_others_may_read_are_1(run: Run, profile: Path) -> None:
    (profile / "vault.key").chmod(0o644)
    status, out, _ = run("doctor", "--offline")
    assert status == 1
    assert "vault.key" in out
    assert f"chmod -R go= {profile}" in out


def test_a_wrong_passphrase_is_a_finding_and_7(run: Run, profile: Path, world: Path) -> None:
    (world / "passphrase").write_text("wrong horse\n")
    status, out, err = run("doctor", "--offline")
    assert status == 7
    assert "wrong     vault" in out
    assert err == ""


def test_a_damaged_vault_is_a_finding(run: Run, profile: Path) -> None:
    (profile / "vault.db").write_bytes(b"not a vault at all" * 1000)
    status, out, _ = run("doctor", "--offline")
    assert status == 1
    assert "wrong     vault" in out
    assert "good      rights" in out
