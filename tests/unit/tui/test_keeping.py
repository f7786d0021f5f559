"""History written out and sealed, from the interface: consequences first, and whole files."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from cloister.client.powers import TakeHistory
from cloister.errors import PolicyError
from cloister.testing.paper_device import PaperDevice
from unit.tui.test_line import DESK, device, talk

__all__ = ["device"]


def test_a_conversation_is_written_out_after_the_consequences(
    device: PaperDevice, tmp_path: Path
) -> None:
    target = tmp_path / "desk.txt"
    typist = talk(device, "/export", "one conversation", str(target), "yes")
    assert any("Whoever gets" in line for line in typist.said)
    text = target.read_text(encoding="utf-8")
    assert text.splitlines()[0].startswith("Desk (")
    assert "lead is confirmed" in text
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert device.acts == [TakeHistory(ref=0, scope=1)]
    assert any("1 messages are in" in line for line in typist.said)


def test_all_conversations(device: PaperDevice, tmp_path: Path) -> None:
    device.write("2".zfill(32), "Lin", "tuesday")
    talk(device, "/export", "all conversations", str(tmp_path / "all.txt"), "yes")
    text = (tmp_path / "all.txt").read_text(encoding="utf-8")
    assert "lead is confirmed" in text
    assert "tuesday" in text
    assert device.acts == [TakeHistory(ref=0, scope=2)]


@pytest.mark.parametrize("answer", ["no", ""])
def test_who_thinks_better_of_it_has_no_file(
    device: PaperDevice, tmp_path: Path, answer: str
) -> None:
    talk(device, "/export", "one conversation", str(tmp_path / "desk.txt"), answer)
    assert list(tmp_path.iterdir()) == []
    assert device.acts == []


def test_what_the_circle_refuses_leaves_no_file(device: PaperDevice, tmp_path: Path) -> None:
    device.refusal = PolicyError("the circle's rules refuse exports")
    typist = talk(device, "/export", "one conversation", str(tmp_path / "desk.txt"), "yes")
    assert any("refuse exports" in line for line in typist.said)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_wants_its_passphrase_twice(device: PaperDevice, tmp_path: Path) -> None:
    file = str(tmp_path / "b")
    typist = talk(device, "/backup", file, "six random words", "six random wards")
    assert any("the two differ" in line for line in typist.said)
    assert device.backups == []
    typist = talk(device, "/backup", file, "six random words", "six random words")
    assert device.backups == [file]
    assert any("sealed" in line for line in typist.said)
    typist = talk(device, "/restore", file, "six random words")
    assert device.backups == [file, file]
    assert any("0 of them new here" in line for line in typist.said)
    assert DESK in device.rows
