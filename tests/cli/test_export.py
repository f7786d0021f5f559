"""`cloister export`: what is written, where, and what is left when it cannot be."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cloister.client.effects import (
    Answer,
    Effect,
    MessageKind,
    MessageState,
    Notify,
    Persist,
    PutMessage,
)
from cloister.client.inputs import Act, AnyInput
from cloister.client.powers import TakeHistory
from cloister.device.complete_file import FileExists, complete_file
from cloister.errors import LocalError, PolicyError
from unit.device.scripted import ScriptedCore, text_message

Run = Callable[..., tuple[int, str, str]]
ROWS = (
    text_message(1, "lead is \x1b[31mconfirmed\u202e"),
    text_message(2, "two\nlines", own=True, state=MessageState.SENT),
    text_message(3, "too long", own=True, state=MessageState.FAILED, reason="the relay is full"),
    text_message(4, "Jonas leaves.", kind=MessageKind.NOTICE),
)


def holding(rows: tuple[Any, ...], entry: str = "", error: PolicyError | None = None) -> Any:
    """A script of a core that stores rows when it is first asked, and judges exports."""

    def script(core: ScriptedCore, given: AnyInput, now: int) -> tuple[Effect, ...]:
        match given:
            case TakeHistory():
                return (Notify(notice=Answer(ref=given.ref, text=entry, error=error)),)
            case Act():
                kept = Persist(writes=tuple(PutMessage(message=row) for row in rows))
                return (kept, Notify(notice=Answer(ref=given.ref, text="done")))
            case _:
                return ()

    return script


@pytest.fixture
def history(world: Path, run: Run, scripted: Callable[..., None]) -> Callable[..., None]:
    """A profile with rows in its vault, and a circle that says something about exports."""

    def make(*rows: Any, **judged: Any) -> None:
        scripted(script=holding(rows or ROWS, **judged))
        assert run("join", "CLOISTER1:X", "--name", "Amira")[0] == 0

    return make


def test_text_has_dates_names_and_states_and_nothing_a_terminal_obeys(
    run: Run, history: Callable[..., None]
) -> None:
    history()
    status, out, err = run("export", "desk", "--offline")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "desk (Amira)"
    when = lines[2].split(": ")[0]
    assert when.startswith("Amira, 2027-")
    assert lines[2] == f"{when}: lead is \ufffd[31mconfirmed\ufffd"
    assert lines[3:5] == [f"{when}: two", "    lines"]
    assert lines[5] == f"{when} (failed: the relay is full): too long"
    assert lines[6].startswith("* 2027-")
    assert "4 messages of 1 conversation(s)." in err
    assert "log" not in err


def test_what_is_kept_for_a_time_only_is_left_out(run: Run, history: Callable[..., None]) -> None:
    history(*ROWS, text_message(9, "for an hour", lifetime_s=3600))
    _, out, err = run("export", "desk", "--offline")
    assert "for an hour" not in out
    assert "4 messages" in err
    assert "1 texts that are kept for a time only were left out" in err


def test_json_is_what_read_prints(run: Run, history: Callable[..., None]) -> None:
    history()
    exported = run("export", "--all", "--format", "json", "--offline")[1]
    assert exported == run("read", "desk", "--json", "--offline")[1]
    assert [json.loads(line)["v"] for line in exported.splitlines()] == [1, 1, 1, 1]


def test_a_file_is_private_and_never_takes_the_place_of_another(
    run: Run, world: Path, history: Callable[..., None]
) -> None:
    history()
    target = world / "out.txt"
    os.umask(0o022)
    status, out, _ = run("export", "desk", "--offline", "--out", str(target), "--json")
    assert status == 0
    assert json.loads(out) == {
        "v": 1, "messages": 4, "left_out": 0, "conversations": 1, "file": str(target), "entry": "",
    }  # fmt: skip
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()
    status, _, err = run("export", "--all", "--offline", "--out", str(target))
    assert (status, target.read_bytes()) == (2, before)
    assert "--force" in err
    assert run("export", "--all", "--offline", "--force", "--out", str(target))[0] == 0
    assert [path.name for path in world.iterdir() if "unfinished" in path.name] == []


def test_one_conversation_or_all_of_them(run: Run, history: Callable[..., None]) -> None:
    history()
    assert run("export", "--offline")[0] == 2
    assert run("export", "desk", "--all", "--offline")[0] == 2
    assert run("export", "nowhere", "--offline")[0] == 3


def test_what_is_refused_leaves_no_file(
    run: Run, world: Path, history: Callable[..., None]
) -> None:
    history(error=PolicyError("the circle's rules refuse exports"))
    target = world / "out.txt"
    status, out, err = run("export", "--all", "--offline", "--out", str(target))
    assert (status, out) == (5, "")
    assert "refuse exports" in err
    assert list(world.glob("*out.txt*")) == []


def test_it_says_that_an_export_stands_in_the_log(
    run: Run, world: Path, history: Callable[..., None]
) -> None:
    history(entry="ab" * 32)
    _, out, err = run("export", "desk", "--offline", "--json", "--out", str(world / "out"))
    assert json.loads(out)["entry"] == "ab" * 32
    assert "stands in the circle's log" in err


@pytest.mark.slow
def test_thousands_of_messages_are_never_all_in_memory(
    run: Run, world: Path, history: Callable[..., None]
) -> None:
    history(*(text_message(n, "x" * 400) for n in range(1, 6001)))
    target = world / "out.jsonl"
    tracemalloc.start()
    try:
        status = run("export", "desk", "--format", "json", "--offline", "--out", str(target))[0]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert status == 0
    with target.open(encoding="ascii") as lines:
        positions = [json.loads(line)["position"] for line in lines]
    assert positions == list(range(1, 6001))
    assert target.stat().st_size > 4_500_000
    assert peak < 6_000_000


# --- complete or absent -------------------------------------------------------------------------


def test_a_body_that_fails_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "f"

    def half() -> None:
        with complete_file(target) as file:
            file.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_is_full_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "f"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(LocalError, match="cannot be written"), complete_file(target) as file:
            file.write(bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list(tmp_path.iterdir()) == []


def test_who_makes_the_file_meanwhile_keeps_it(tmp_path: Path) -> None:
    target = tmp_path / "f"

    def late() -> None:
        with complete_file(target) as file:
            file.write(b"ours")
            target.write_bytes(b"theirs")

    with pytest.raises(FileExists):
        late()
    assert target.read_bytes() == b"theirs"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "f"
    (tmp_path / "precious").write_bytes(b"precious")
    target.symlink_to(tmp_path / "precious")
    with pytest.raises(FileExists), complete_file(target):
        pass
    with complete_file(target, force=True) as file:
        file.write(b"new")
    assert (tmp_path / "precious").read_bytes() == b"precious"
    assert target.read_bytes() == b"new"


def test_a_disk_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    target = tmp_path / "f"
    with complete_file(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    with pytest.raises(FileExists), complete_file(target):
        pass
    with pytest.raises(FileExists), complete_file(tmp_path / "g"):
        (tmp_path / "g").write_bytes(b"theirs")
    assert (tmp_path / "g").read_bytes() == b"theirs"
