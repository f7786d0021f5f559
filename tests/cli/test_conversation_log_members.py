"""`conversation`, `log` and `members` as they are typed: what is asked of the device, and shown."""

from __future__ import annotations

import asyncio
import functools
import json
import stat
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import pytest

from cli.conftest import create_cheap_vault
from cloister.client.effects import PutEntry, PutRecord
from cloister.client.inputs import Act, ChangeConversation, LeaveConversation, OpenConversation
from cloister.client.verify_log import LogDiffers
from cloister.crypto.secret import Secret
from cloister.device import app, link
from cloister.device.paths import ensure_private_folder
from cloister.device.vault import Vault
from cloister.testing.simulated_circle import SimulatedCircle, SimulatedDevice
from unit.device.scripted import VIEWS, core_class, obedient

Run = Callable[..., tuple[int, str, str]]
ENTRIES = [
    {"seq": seq, "ts": 1_800_000_000 + seq, "text": f"something {seq}", "ignored": False}
    for seq in range(120)
]
MEMBERS = [
    {"name": name, "member_id": f"{number:032x}", "role": "member", "state": "active",
     "vouched_by": [], "devices": [], "inviter_id": "", "needs_revouch": False,
     "voucher_ids": [f"{voucher:032x}" for voucher in vouchers]}
    for number, (name, vouchers) in enumerate((("Amira", ()), ("Jonas", (0,)), ("Mei", (1, 0))))
]  # fmt: skip


def log_of(core: Any, entries: Any, start: int, limit: int) -> list[dict[str, Any]]:
    first = max(start + len(ENTRIES), 0) if start < 0 else start
    return ENTRIES[first : first + limit]


def verified(core: Any, entries: Any) -> dict[str, Any]:
    return {"log_size": 3, "log_root": "ab" * 32, "checks": [{"what": "it holds", "count": 1234}]}


PAGE_VIEWS = SimpleNamespace(
    **{
        **vars(VIEWS),
        "log": log_of,
        "verify_log": verified,
        "members": lambda core: MEMBERS,
        "circle": lambda core: {"circle_id": "5d" * 32, "log_size": 1200},
    }
)


@pytest.fixture
def asked(profile: Path, monkeypatch: pytest.MonkeyPatch) -> list[Act]:
    """What the commands asked of the device; the views are those of this page."""
    acts: list[Act] = []

    def noting(core: Any, given: Any, now: int) -> tuple[Any, ...]:
        if isinstance(given, Act):
            acts.append(given)
        return obedient(core, given, now)

    run_device = functools.partial(app.run_device, core=core_class(script=noting), views=PAGE_VIEWS)
    monkeypatch.setattr(app, "run_device", run_device)
    return acts


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (("new", "Rota", "Mei", "--announcements", "--admins-only"),
         OpenConversation(ref=0, title="Rota", members=("Mei",), admins_only=True,
                          announcements=True)),
        (("add", "Rota", "Mei", "Lin"),
         ChangeConversation(ref=0, conversation="Rota", add=("Mei", "Lin"))),
        (("remove", "Rota", "Mei"),
         ChangeConversation(ref=0, conversation="Rota", remove=("Mei",))),
        (("rename", "Rota", "Rota 2"),
         ChangeConversation(ref=0, conversation="Rota", title="Rota 2")),
        (("admins", "Rota", "--add", "Mei", "--drop", "Lin"),
         ChangeConversation(ref=0, conversation="Rota", admins_named=("Mei",),
                            admins_unnamed=("Lin",))),
        (("rights", "Rota", "admins"), ChangeConversation(ref=0, conversation="Rota", changing=2)),
        (("announce", "Rota", "everyone"),
         ChangeConversation(ref=0, conversation="Rota", posting=1)),
        (("leave", "Rota", "--yes"), LeaveConversation(ref=0, conversation="Rota")),
    ],
)  # fmt: skip
def test_what_is_asked_of_the_device(
    run: Run, asked: list[Act], command: tuple[str, ...], wanted: Act
) -> None:
    status, _, err = run("conversation", *command)
    assert status == 0, err
    (act,) = asked
    assert {**vars_of(act), "ref": 0} == vars_of(wanted)
    assert type(act) is type(wanted)


def vars_of(act: Act) -> dict[str, Any]:
    return {name: getattr(act, name) for name in type(act).__struct_fields__}


def test_admins_says_whom(run: Run, asked: list[Act]) -> None:
    assert run("conversation", "admins", "Rota")[0] == 2
    assert asked == []


class TestLog:
    def test_the_newest_page_and_the_one_before(self, run: Run, asked: list[Act]) -> None:
        status, out, err = run("log", "list")
        assert status == 0
        assert [line.split()[0] for line in out.splitlines()] == [str(n) for n in range(70, 120)]
        assert "--from 20" in err

    def test_from_and_limit(self, run: Run, asked: list[Act]) -> None:
        _, out, err = run("log", "list", "--from", "3", "--limit", "2", "--json")
        assert [json.loads(line)["seq"] for line in out.splitlines()] == [3, 4]
        assert "--from 5" in err
        _, out, err = run("log", "list", "--from", "500")
        assert (out, "no such entries" in err) == ("", True)

    def test_verify(self, run: Run, asked: list[Act]) -> None:
        status, out, _ = run("log", "verify")
        assert status == 0
        assert "  1,234  it holds" in out
        assert out.splitlines()[-1] == f"size 3, root {'ab' * 32}"
        assert json.loads(run("log", "verify", "--json")[1])["log_size"] == 3

    def test_a_difference_is_6(
        self, run: Run, asked: list[Act], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def differs(core: Any, entries: Any) -> Any:
            raise LogDiffers("entry 4 is another")

        monkeypatch.setattr(PAGE_VIEWS, "verify_log", differs)
        status, out, err = run("log", "verify")
        assert (status, out) == (6, "")
        assert "entry 4 is another" in err


class TestMembers:
    def test_a_tree(self, run: Run, asked: list[Act]) -> None:
        status, out, _ = run("members", "--tree")
        assert status == 0
        assert out.splitlines() == [
            "Amira  (member)",
            "└─ Jonas  (member)",
            "   └─ Mei  (member; also by Amira)",
        ]
        assert run("members", "--tree", "--below", "Jonas", "--depth", "0")[1] == (
            "Jonas  (member)  [1 below]\n"
        )
        lines = run("members", "--tree", "--json")[1].splitlines()
        assert [json.loads(line)["below"] for line in lines] == [2, 1, 0]

    def test_a_picture_that_nobody_else_reads(
        self, run: Run, asked: list[Act], world: Path
    ) -> None:
        path = world / "circle.svg"
        status, out, err = run("members", "--svg", str(path))
        assert (status, out) == (0, "")
        assert "who knows whom" in err
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ElementTree.parse(path).getroot().tag.endswith("svg")
        assert "as of 1,200 entries" in path.read_text(encoding="utf-8")

    def test_what_does_not_go_together(self, run: Run, asked: list[Act], world: Path) -> None:
        assert run("members", "--depth", "1")[0] == 2
        assert run("members", "--svg", str(world / "no" / "circle.svg"))[0] == 1
        assert run("members", "--tree", "--below", "Nobody")[0] == 3


class TestVaultOfAnHonestDevice:
    """A vault as a device in a circle writes it, and the program over it, without any relay."""

    @pytest.fixture
    def vault_of_ada(self, world: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        async def offline(route: object, make_listener: object) -> None:
            raise OSError

        monkeypatch.setattr(link, "_dial", offline)
        folder = world / "p"
        ensure_private_folder(folder)
        vault = create_cheap_vault(folder, Secret(b"correct horse"))
        ada = asyncio.run(grown_up())
        vault.commit(
            [
                *(PutEntry(seq=seq, entry=entry) for seq, entry in ada.entries.items()),
                *(
                    PutRecord(table=table, key=key, value=value)
                    for table, records in ada.records.items()
                    for key, value in records.items()
                ),
            ]
        )
        vault.close()
        return folder

    def test_it_verifies_and_tells(self, run: Run, vault_of_ada: Path) -> None:
        status, out, err = run("log", "verify", "--offline")
        assert status == 0, err
        assert "All of it holds" in out
        status, out, _ = run("log", "list", "--offline")
        assert "Ada vouches for Ben (met face to face); Ben is a member" in out
        assert run("members", "--tree", "--offline")[1].splitlines()[1] == "└─ Ben  (member)"

    def test_a_flipped_byte_is_6(self, run: Run, vault_of_ada: Path) -> None:
        vault = Vault.open(vault_of_ada, Secret(b"correct horse"))
        entries = list(vault.entries())
        for seq, entry in enumerate(entries):
            damaged = entry[:-1] + bytes([entry[-1] ^ 1])
            vault.commit([PutEntry(seq=seq, entry=damaged)])
            vault.close()
            status, out, err = run("log", "verify", "--offline")
            assert (status, out) == (6, ""), seq
            assert "Do not go on with this vault" in err
            vault = Vault.open(vault_of_ada, Secret(b"correct horse"))
            vault.commit([PutEntry(seq=seq, entry=entry)])
        vault.close()
        assert run("log", "verify", "--offline")[0] == 0


async def grown_up() -> SimulatedDevice:
    """Ada's device, in a circle with Ben."""
    circle = SimulatedCircle()
    ada = await circle.found("Ada")
    await circle.admit("Ben", ada, [ada])
    return ada
