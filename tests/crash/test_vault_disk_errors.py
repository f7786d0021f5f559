"""The disk fails under a device's vault: it takes no further write, and leaves its log alone.

As for a home relay beside this: what a failed flush leaves in the kernel's cache counts as
written from then on, so nobody asks a second time.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from counts import is_long
from crash.lone_vault import LARGE, SMALL, LoneVault, missing
from crash.tracing import FLUSHES, Call, started_under_strace, traced

pytestmark = [pytest.mark.process, pytest.mark.usefixtures("tracing")]

MOST_PUTS = 60
"""More than a checkpoint takes to come, of the large size."""
TRACED = ("-e", f"trace={FLUSHES},pwrite64")
ONCE = ("-e", f"inject={FLUSHES}:error=EIO:when=1")


@pytest.fixture
def lone(tmp_path: Path) -> Iterator[LoneVault]:
    made = LoneVault(tmp_path / "profile")
    yield made
    made.kill()


def put_until_it_fails(lone: LoneVault, folder: Path, size: int, *options: str) -> list[Call]:
    """Put under strace until a commit fails; then nothing is stored, also at the end.

    Returns the calls from the first put on."""
    with traced(lone.pid, folder / "trace", *TRACED, *options) as trace:
        for _ in range(MOST_PUTS):
            answer = lone.put(size)
            if answer != "done":
                break
        assert answer.startswith("failed the vault"), answer
        failed_at = lone.log.stat().st_size
        assert lone.put(SMALL) == answer
        assert lone.ask("mark") == answer
        assert lone.ask("close") == "done"
        assert lone.end() == 0
    assert lone.log.stat().st_size == failed_at
    return trace.calls


@pytest.mark.parametrize("moment", range(1, 51) if is_long() else [2])
def test_a_flush_that_fails_ends_the_vault(lone: LoneVault, tmp_path: Path, moment: int) -> None:
    lone.start()
    # With the first flush of a log comes one of its folder, whose error SQLite drops.
    assert lone.put() == "done"
    inject = f"inject={FLUSHES}:error=EIO:when={moment}"
    calls = put_until_it_fails(lone, tmp_path, SMALL, "-e", inject)
    assert lone.stored == moment
    # The one that failed is the last: nothing is written or flushed again.
    assert calls[-1].is_injected
    assert missing(lone.folder, lone.stored) == 0


def test_a_folder_that_cannot_be_flushed_opens_no_vault(lone: LoneVault, tmp_path: Path) -> None:
    """The name of a new log stands in it: what SQLite drops there is asked for once more."""
    start = started_under_strace(tmp_path / "trace", "-P", str(lone.folder), *ONCE)
    lone.start(before=start)
    assert lone.first_answer.startswith("failed the vault's folder"), lone.first_answer
    assert "(INJECTED)" in (tmp_path / "trace").read_text()
    lone.end()
    assert missing(lone.folder, 0) == 0


def test_a_checkpoint_that_fails_ends_the_vault_and_leaves_the_log(
    lone: LoneVault, tmp_path: Path
) -> None:
    lone.start()
    calls = put_until_it_fails(lone, tmp_path, LARGE, "-P", str(lone.database), *ONCE)
    assert calls[-1].is_injected
    assert lone.log.stat().st_size > lone.stored * LARGE
    assert missing(lone.folder, lone.stored) == 0


def test_the_same_test_finds_a_checkpoint_whose_error_is_dropped(
    lone: LoneVault, tmp_path: Path
) -> None:
    lone.start("silent-checkpoint")
    with pytest.raises(AssertionError, match="done"):
        put_until_it_fails(lone, tmp_path, SMALL, "-P", str(lone.database), *ONCE)
    assert "(INJECTED)" in (tmp_path / "trace").read_text()


def test_a_checkpoint_without_room_ends_nothing(lone: LoneVault, tmp_path: Path) -> None:
    """What was stored is in the log, and the log grows on."""
    lone.start()
    inject = ("-P", str(lone.database), "-e", "inject=pwrite64:error=ENOSPC:when=1+")
    with traced(lone.pid, tmp_path / "trace", *TRACED, *inject) as trace:
        assert [lone.put(LARGE) for _ in range(MOST_PUTS)] == ["done"] * MOST_PUTS
        assert lone.ask("close") == "done"
        assert lone.end() == 0
    assert any(call.is_injected for call in trace.calls)
    assert missing(lone.folder, lone.stored) == 0


def test_a_flush_that_fails_as_the_vault_closes_is_said(lone: LoneVault, tmp_path: Path) -> None:
    lone.start()
    assert lone.put() == "done"
    size = lone.log.stat().st_size
    with traced(lone.pid, tmp_path / "trace", *TRACED, "-P", str(lone.database), *ONCE) as trace:
        assert "vault.db-wal" in lone.ask("close")
        assert lone.end() == 0
    assert [call.is_injected for call in trace.calls if call.name != "pwrite64"] == [True]
    assert lone.log.stat().st_size == size
    assert missing(lone.folder, lone.stored) == 0
