"""The epoch key: replaced with every erasure, whole again after a crash at any step."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlcipher3.dbapi2 as sqlite

from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.errors import DecryptError
from cloister.crypto.oprf import generate_scalar
from cloister.crypto.secret import Secret
from cloister.ids import Handle
from cloister.relay.shares import epoch_key
from cloister.relay.shares.epoch_key import WRAPPED_BYTES, EpochKey, EpochKeyFile
from cloister.relay.shares.rows import FIRST_GENERATION
from cloister.relay.shares.store import ShareStore
from cloister.relay.storage.api import StorageFailure

ENTROPY = SystemEntropy()
AT = 1_800_000_000
HANDLE = Handle(b"h" * 16)


class Crash(BaseException):
    """The power fails here."""


def open_store(folder: Path) -> ShareStore:
    return ShareStore(folder / "shares.sqlite3", EpochKeyFile(folder / "shares.key"), ENTROPY)


def add(store: ShareStore, name: bytes) -> tuple[Handle, Secret]:
    handle = store.add(name * 32, name * 32, name * 32, name * 32)
    scalar = store.scalar(handle, FIRST_GENERATION)
    assert scalar is not None
    return handle, scalar


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def erase(store: ShareStore, handle: Handle) -> None:
    store.destroy([handle], [(b"o" * 32, handle, b"receipt")], AT)


# --- wrapping -------------------------------------------------------------------------------------


def test_wrap_opens_in_its_own_row_and_under_its_own_key_only() -> None:
    key, other = EpochKey.generate(ENTROPY), EpochKey.generate(ENTROPY)
    scalar = generate_scalar(ENTROPY)
    wrapped = key.wrap(HANDLE, 1, scalar, ENTROPY)
    assert len(wrapped) == WRAPPED_BYTES
    assert key.unwrap(HANDLE, 1, wrapped) == scalar
    for opener, handle, generation in (
        (other, HANDLE, 1),
        (key, Handle(b"i" * 16), 1),
        (key, HANDLE, 2),
    ):
        with pytest.raises(DecryptError):
            opener.unwrap(handle, generation, wrapped)


def test_file_that_holds_no_key_is_none() -> None:
    key = EpochKey.generate(ENTROPY)
    read = EpochKey.decode(key.encode())
    assert read is not None
    assert read.encode() == key.encode()
    for data in (b"", key.encode()[:-1], key.encode() + b"x", bytes(48)):
        assert EpochKey.decode(data) is None


# --- erasing --------------------------------------------------------------------------------------


def test_erasure_leaves_the_other_shares_and_no_bytes_of_its_own(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gone, lost = add(store, b"g")
    kept, scalar = add(store, b"k")
    (wrapped,) = store.connection.execute(
        "SELECT wrapped FROM scalar WHERE handle = ?", (gone,)
    ).fetchone()
    before = (tmp_path / "shares.key").read_bytes()
    assert wrapped in (tmp_path / "shares.sqlite3").read_bytes()
    erase(store, gone)
    database = (tmp_path / "shares.sqlite3").read_bytes()
    assert wrapped not in database
    assert lost.expose() not in database
    assert store.scalar(gone, FIRST_GENERATION) is None
    assert store.scalar(kept, FIRST_GENERATION) == scalar
    assert (tmp_path / "shares.key").read_bytes() != before
    store.close()
    assert files(tmp_path) == ["shares.key", "shares.sqlite3"]
    again = open_store(tmp_path)
    assert again.scalar(kept, FIRST_GENERATION) == scalar


def test_attack_backup_of_the_data_and_the_key_of_today(tmp_path: Path) -> None:
    """A copy of data/ from before the erasure is worth nothing beside the key of after."""
    store = open_store(tmp_path)
    gone, _ = add(store, b"g")
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(tmp_path / "shares.sqlite3", backup)
    erase(store, gone)
    shutil.copy(tmp_path / "shares.key", backup)
    with pytest.raises(StorageFailure, match="not the key"):
        open_store(backup)
    # Nor does it help to write the new key's id into the copy: nothing unwraps.
    key = EpochKeyFile(tmp_path / "shares.key").recover(None)
    assert key is not None
    connection = sqlite.connect(str(backup / "shares.sqlite3"))
    connection.execute("UPDATE meta SET ek_id = ?", (key.key_id,))
    connection.commit()
    connection.close()
    with pytest.raises(StorageFailure, match="damaged"):
        open_store(backup).scalar(gone, FIRST_GENERATION)


def test_backup_of_both_from_before_does_bring_the_share_back(tmp_path: Path) -> None:
    """Why keys/shares.key stays out of backups: the documents say so."""
    store = open_store(tmp_path)
    gone, scalar = add(store, b"g")
    backup = tmp_path / "backup"
    backup.mkdir()
    shutil.copy(tmp_path / "shares.sqlite3", backup)
    shutil.copy(tmp_path / "shares.key", backup)
    erase(store, gone)
    assert open_store(backup).scalar(gone, FIRST_GENERATION) == scalar


def test_dropped_generation_makes_the_epoch_key_stale(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    handle, _ = add(store, b"g")
    assert not store.is_stale()
    store.add_scalar(handle, FIRST_GENERATION + 1)
    store.drop_scalars(handle, FIRST_GENERATION)
    assert not store.is_stale()
    store.drop_scalars(handle, FIRST_GENERATION + 1)
    assert store.is_stale()
    scalar = store.scalar(handle, FIRST_GENERATION + 1)
    store.destroy((), (), 0)
    assert not store.is_stale()
    assert store.scalar(handle, FIRST_GENERATION + 1) == scalar
    share = store.share(handle)
    assert share is not None
    assert share.erased_at is None


# --- crashes --------------------------------------------------------------------------------------


class FailingConnection:
    """Fails before or after the transaction is through."""

    def __init__(self, connection: Any, *, after: bool) -> None:
        self.connection = connection
        self.after = after

    def execute(self, statement: str, *values: Any) -> Any:
        if statement != "COMMIT":
            return self.connection.execute(statement, *values)
        if self.after:
            self.connection.execute(statement)
        raise Crash


def count_steps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    steps = 0
    real = epoch_key._try

    def counting(step: Callable[[], object], path: Path) -> None:
        nonlocal steps
        steps += 1
        real(step, path)

    store = open_store(folder)
    handle, _ = add(store, b"g")
    with monkeypatch.context() as patch:
        patch.setattr(epoch_key, "_try", counting)
        erase(store, handle)
    store.close()
    return steps


def crash_at(number: int, *, after: bool) -> Callable[[Callable[[], object], Path], None]:
    real = epoch_key._try
    seen = 0

    def failing(step: Callable[[], object], path: Path) -> None:
        nonlocal seen
        seen += 1
        if seen != number:
            real(step, path)
            return
        if after:
            real(step, path)
        raise Crash

    return failing


def check_whole(folder: Path, gone: Handle, kept: Handle, scalar: Secret) -> None:
    """After a crash: erased or not, nothing between, and the erasure can be carried out."""
    store = open_store(folder)
    share = store.share(gone)
    assert share is not None
    assert (share.erased_at is None) == (store.scalar(gone, FIRST_GENERATION) is not None)
    assert store.scalar(kept, FIRST_GENERATION) == scalar
    assert [name for name in files(folder) if name.startswith("shares.key")] == ["shares.key"]
    erase(store, gone)
    assert store.scalar(gone, FIRST_GENERATION) is None
    assert store.scalar(kept, FIRST_GENERATION) == scalar
    store.close()
    again = open_store(folder)
    assert again.scalar(kept, FIRST_GENERATION) == scalar
    again.close()


@pytest.mark.parametrize("after", [False, True])
def test_crash_at_every_step_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    (tmp_path / "count").mkdir()
    steps = count_steps(tmp_path / "count", monkeypatch)
    assert steps == 9
    for number in range(1, steps + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        store = open_store(folder)
        gone, _ = add(store, b"g")
        kept, scalar = add(store, b"k")
        with monkeypatch.context() as patch:
            patch.setattr(epoch_key, "_try", crash_at(number, after=after))
            with pytest.raises(Crash):
                erase(store, gone)
        store.close()
        check_whole(folder, gone, kept, scalar)


@pytest.mark.parametrize("after", [False, True])
def test_crash_at_the_end_of_the_transaction(tmp_path: Path, after: bool) -> None:
    store = open_store(tmp_path)
    gone, _ = add(store, b"g")
    kept, scalar = add(store, b"k")
    real = store.connection
    store.connection = FailingConnection(real, after=after)  # type: ignore[misc]
    with pytest.raises(Crash):
        erase(store, gone)
    real.close()
    check_whole(tmp_path, gone, kept, scalar)


def test_crash_while_the_first_key_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (1, 2, 3, 4):
        folder = tmp_path / str(number)
        folder.mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(epoch_key, "_try", crash_at(number, after=True))
            with pytest.raises(Crash):
                open_store(folder)
        store = open_store(folder)
        handle, scalar = add(store, b"g")
        store.close()
        assert open_store(folder).scalar(handle, FIRST_GENERATION) == scalar


def test_key_that_is_missing_is_said(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    add(store, b"g")
    store.close()
    (tmp_path / "shares.key").unlink()
    with pytest.raises(StorageFailure) as failure:
        open_store(tmp_path)
    assert failure.value.hint
