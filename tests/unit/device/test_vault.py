"""The vault: what is committed stays, what is wrong is said, nothing is made anew over it."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from sqlcipher3 import dbapi2

from cloister.client.effects import (
    Annotation,
    DeleteRecord,
    Message,
    MessageState,
    PutEntry,
    PutMessage,
    PutRecord,
)
from cloister.crypto.entropy import SystemEntropy
from cloister.crypto.secret import Secret
from cloister.device.vault import (
    Cost,
    Vault,
    VaultBusy,
    VaultDamaged,
    VaultExists,
    VaultMissing,
    VaultWriteFailed,
)
from cloister.device.vault.connection import read_error
from cloister.device.vault.schema import ANNOTATION_COLUMNS, MESSAGE_COLUMNS, SCHEMA
from cloister.device.vault.wrapping import fresh_stretch, wrap_alone
from cloister.errors import LockedError
from cloister.values import replace
from unit.device.scripted import CHANNEL, text_message

PASSPHRASE = Secret(b"correct horse")
CHEAP = Cost(64, 1, 1)


def make(folder: Path) -> Vault:
    return Vault.create(folder, PASSPHRASE, entropy=SystemEntropy(), cost=CHEAP)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A profile with a closed vault that holds one record, one entry, one message."""
    vault = make(tmp_path)
    vault.commit(
        [
            PutRecord(table="t", key=b"k", value=b"v" * 5000),
            PutEntry(seq=0, entry=b"genesis"),
            PutMessage(message=text_message(1, "canary-7731")),
        ]
    )
    vault.close()
    return tmp_path


def test_what_was_committed_is_there_after_reopening(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    assert vault.records() == {"t": {b"k": b"v" * 5000}}
    assert vault.entries() == (b"genesis",)
    assert vault.timeline.history(CHANNEL, limit=10) == [text_message(1, "canary-7731")]
    vault.commit([DeleteRecord(table="t", key=b"k"), DeleteRecord(table="t", key=b"absent")])
    assert vault.records() == {}
    vault.close()


def test_a_later_write_of_an_own_message_changes_what_became_of_it(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    own = text_message(40, own=True, state=MessageState.QUEUED)
    vault.commit([PutMessage(message=own)])
    vault.commit(
        [PutMessage(message=replace(own, state=MessageState.FAILED, reason="full", text="other"))]
    )
    row = vault.timeline.message(CHANNEL, own.message_id)
    assert row is not None
    assert (row.state, row.reason, row.text) == (MessageState.FAILED, "full", own.text)
    vault.close()


@pytest.mark.parametrize("own", [True, False], ids=["an own one", "another's"])
def test_a_message_under_a_known_id_does_not_take_the_place_of_the_first(
    folder: Path, own: bool
) -> None:
    """The id is its author's choice, and a relay and a member together can repeat one."""
    vault = Vault.open(folder, PASSPHRASE)
    first = text_message(41, own=own)
    forged = replace(first, own=False, sender=b"x" * 32, text="I never said that", position=99)
    vault.commit([PutMessage(message=first)])
    vault.commit([PutMessage(message=forged)])
    assert vault.timeline.message(CHANNEL, first.message_id) == first
    vault.close()


def test_history_gives_the_last_ones_before_a_position(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    vault.commit([PutMessage(message=text_message(n)) for n in range(2, 8)])
    assert [row.position for row in vault.timeline.history(CHANNEL, limit=2, before=5)] == [3, 4]
    assert vault.timeline.history(CHANNEL, limit=2, before=1) == []
    vault.close()


def test_the_newest_row_of_each_timeline(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    other = bytes(15) + b"x"
    rows = [text_message(n) for n in (2, 3)] + [text_message(9, channel_id=other)]
    vault.commit([PutMessage(message=row) for row in rows])
    assert sorted(row.position for row in vault.timeline.newest()) == [3, 9]
    vault.close()


def test_search_finds_all_words_in_either_case_and_nothing_else(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    texts = ["Größe 100% sure", "groß", "nothing", "100 per cent SURE of the GRÖSSE"]
    rows = [text_message(n, text, at=n) for n, text in enumerate(texts, 11)]
    vault.commit([PutMessage(message=row) for row in rows])
    assert [row.position for row in vault.timeline.search("sure größe", 10)] == [14, 11]
    assert [row.position for row in vault.timeline.search("100%", 10)] == [11]
    assert [row.position for row in vault.timeline.search("sure", 1)] == [14]
    assert vault.timeline.search("sure nowhere", 10) == []
    vault.close()


def test_a_draft_outlasts_the_process_until_it_is_empty(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    vault.keep_draft(CHANNEL, "half a line")
    vault.keep_draft(CHANNEL, "half a li")
    vault.close()
    vault = Vault.open(folder, PASSPHRASE)
    assert vault.drafts() == {CHANNEL: "half a li"}
    vault.keep_draft(CHANNEL, "")
    assert vault.drafts() == {}
    vault.close()


def test_history_gives_the_last_ones_or_those_after_a_position(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    vault.commit([PutMessage(message=text_message(n)) for n in range(2, 11)])
    assert [m.position for m in vault.timeline.history(CHANNEL, limit=3)] == [8, 9, 10]
    assert [m.position for m in vault.timeline.history(CHANNEL, limit=2, after=4)] == [5, 6]
    assert vault.timeline.unread() == {CHANNEL: 10}
    vault.mark_read(CHANNEL, 7, 0)
    vault.mark_read(CHANNEL, 3, 0)
    assert vault.timeline.unread() == {CHANNEL: 3}
    assert vault.timeline.unread({text_message(1).sender}) == {}
    vault.close()


def test_no_text_and_no_key_is_readable_in_the_files(folder: Path) -> None:
    for path in folder.iterdir():
        content = path.read_bytes()
        assert b"canary-7731" not in content
        assert b"SQLite format" not in content
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_wrong_passphrase_is_refused_and_changes_nothing(folder: Path) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(LockedError, match="passphrase is not right") as caught:
        Vault.open(folder, Secret(b"correct horsf"))
    assert caught.value.exit_code == 7
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_the_key_is_wrapped_as_the_specification_says(tmp_path: Path) -> None:
    """Built here from the primitives alone, by docs/spec/vault.md."""
    entropy = iter([bytes([n] * length) for n, length in ((1, 16), (2, 12))])

    class Fixed:
        def random(self, n: int) -> bytes:
            value = next(entropy)
            assert len(value) == n
            return value

    fixed = Fixed()
    file = wrap_alone(Secret(bytes(32)), fresh_stretch(PASSPHRASE, CHEAP, fixed), fixed)
    parameters = struct.pack(">HIIB16sBB", 1, 64, 1, 1, b"\x01" * 16, 0, 0)
    stretched = Argon2id(
        salt=b"\x01" * 16, length=32, iterations=1, lanes=1, memory_cost=64
    ).derive(b"correct horse")
    info = b"Cloister 1.0 VaultWrap" + parameters
    key = HKDF(algorithm=SHA256(), length=32, salt=b"", info=info).derive(stretched)
    body = b"cloistVK" + parameters + b"\x02" * 12
    body += AESGCM(key).encrypt(b"\x02" * 12, bytes(32), info)
    assert file == body + hashlib.sha256(b"Cloister 1.0 VaultKeyFile" + body).digest()


def test_a_missing_vault_is_not_made_by_opening(tmp_path: Path) -> None:
    with pytest.raises(VaultMissing) as caught:
        Vault.open(tmp_path, PASSPHRASE)
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_a_vault_is_never_made_over_another(folder: Path) -> None:
    with pytest.raises(VaultExists):
        make(folder)
    Vault.open(folder, PASSPHRASE).close()


@pytest.mark.parametrize("name", ["vault.db", "vault.key"])
def test_a_missing_file_is_said_and_not_replaced(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(VaultDamaged, match=name):
        Vault.open(folder, PASSPHRASE)
    with pytest.raises((VaultDamaged, VaultExists)):
        make(folder)
    assert not (folder / name).exists()


def test_every_altered_byte_of_the_key_file_is_found(folder: Path) -> None:
    path = folder / "vault.key"
    good = path.read_bytes()
    for position in range(len(good)):
        bad = bytearray(good)
        bad[position] ^= 0x01
        path.write_bytes(bad)
        with pytest.raises(VaultDamaged, match=r"vault\.key"):
            Vault.open(folder, PASSPHRASE)
    for bad_length in (b"", good[:-1], good + b"\0"):
        path.write_bytes(bad_length)
        with pytest.raises(VaultDamaged):
            Vault.open(folder, PASSPHRASE)
    path.write_bytes(good)
    Vault.open(folder, PASSPHRASE).close()


@pytest.mark.parametrize("place", [0, 20, 100, 4096 + 50, -30])
def test_an_altered_database_is_found(folder: Path, place: int) -> None:
    path = folder / "vault.db"
    bad = bytearray(path.read_bytes())
    bad[place] ^= 0x40
    path.write_bytes(bad)
    with pytest.raises(VaultDamaged, match=r"vault\.db"):
        Vault.open(folder, PASSPHRASE)


@pytest.mark.parametrize("content", [b"", b"garbage" * 2000, bytes(8192)])
def test_a_database_that_is_none_is_found_and_left_alone(folder: Path, content: bytes) -> None:
    (folder / "vault.db").write_bytes(content)
    with pytest.raises(VaultDamaged):
        Vault.open(folder, PASSPHRASE)
    assert (folder / "vault.db").read_bytes() == content


def test_a_truncated_database_is_found(folder: Path) -> None:
    path = folder / "vault.db"
    path.write_bytes(path.read_bytes()[:-4096])
    with pytest.raises(VaultDamaged):
        Vault.open(folder, PASSPHRASE)


def test_the_database_of_another_vault_is_found(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make(other).close()
    (folder / "vault.db").write_bytes((other / "vault.db").read_bytes())
    with pytest.raises(VaultDamaged):
        Vault.open(folder, PASSPHRASE)


def test_the_write_ahead_log_of_another_vault_is_found(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    busy = make(other)
    busy.commit([PutRecord(table="t", key=b"k", value=b"w" * 9000)])
    foreign = (other / "vault.db-wal").read_bytes()
    busy.close()
    assert foreign
    (folder / "vault.db-wal").write_bytes(foreign)
    with pytest.raises(VaultDamaged):
        Vault.open(folder, PASSPHRASE)


def test_two_processes_never_hold_one_vault(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    program = (
        "import sys; from pathlib import Path; from cloister.device.vault import *\n"
        "from cloister.crypto.secret import Secret\n"
        "try: Vault.open(Path(sys.argv[1]), Secret(b'correct horse'))\n"
        "except VaultBusy: print('busy')"
    )
    command = [sys.executable, "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == "busy\n"
    with pytest.raises(VaultBusy):
        Vault.open(folder, PASSPHRASE)
    vault.close()
    assert subprocess.run(command, capture_output=True, check=True, text=True).stdout == ""


def test_an_interrupted_creation_can_be_started_again(folder: Path) -> None:
    (folder / "vault.key").rename(folder / "vault.key.new")
    vault = make(folder)
    assert vault.records() == {}
    vault.close()
    assert not (folder / "vault.key.new").exists()


def test_a_failed_write_counts_for_nothing_and_ends_the_vault(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    pages = vault._connection.execute("PRAGMA page_count").fetchone()[0]
    vault._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(VaultWriteFailed, match="full"):
        vault.commit(
            [
                PutEntry(seq=1, entry=b"small"),
                PutRecord(table="t", key=b"big", value=bytes(500_000)),
            ]
        )
    with pytest.raises(VaultWriteFailed):
        vault.commit([PutEntry(seq=1, entry=b"small")])
    vault.close()
    vault = Vault.open(folder, PASSPHRASE)
    assert vault.entries() == (b"genesis",)
    vault.close()


def test_a_disk_that_refuses_writes_is_said_and_what_was_stored_stays(folder: Path) -> None:
    program = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from cloister.device.vault import *; from cloister.client.effects import *\n"
        "from cloister.crypto.secret import Secret\n"
        "vault = Vault.open(Path(sys.argv[1]), Secret(b'correct horse'))\n"
        "vault.commit([PutEntry(seq=1, entry=b'second')])\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "try: vault.commit([PutRecord(table='t', key=b'big', value=bytes(300_000))])\n"
        "except VaultWriteFailed as error: print(error.hint)\n"
        "vault.close()"
    )
    command = [sys.executable, "-c", program, str(folder)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert "nothing of this step was stored or sent" in done.stdout
    vault = Vault.open(folder, PASSPHRASE)
    assert vault.entries() == (b"genesis", b"second")
    assert b"big" not in vault.records()["t"]
    vault.close()


def test_a_hole_in_the_log_is_found(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)
    vault.commit([PutEntry(seq=2, entry=b"third")])
    with pytest.raises(VaultDamaged, match="hole"):
        vault.entries()
    vault.close()


def test_commits_are_synchronous_encrypted_and_kept_off_other_files(folder: Path) -> None:
    vault = Vault.open(folder, PASSPHRASE)

    def pragma(name: str) -> object:
        return vault._connection.execute(f"PRAGMA {name}").fetchone()[0]

    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2
    assert pragma("temp_store") == 2
    assert pragma("foreign_keys") == 1
    assert pragma("cipher_memory_security") == "1"
    assert pragma("cipher_version")
    vault.close()


def test_the_library_writes_no_log_anywhere(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    bad = bytearray((folder / "vault.db").read_bytes())
    bad[5000] ^= 1
    (folder / "vault.db").write_bytes(bad)
    with pytest.raises(VaultDamaged):
        Vault.open(folder, PASSPHRASE)
    assert list(empty.iterdir()) == []
    assert capfd.readouterr() == ("", "")


def test_killed_in_the_middle_every_transaction_is_there_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    make(tmp_path).close()
    program = (
        "import sys; from pathlib import Path; from cloister.device.vault import *\n"
        "from cloister.client.effects import *; from cloister.crypto.secret import Secret\n"
        "vault = Vault.open(Path(sys.argv[1]), Secret(b'correct horse'))\n"
        "for n in range(int(sys.argv[2]), 100000):\n"
        "    vault.commit([PutEntry(seq=n, entry=b'e%d' % n),\n"
        "                  PutRecord(table='t', key=b'last', value=b'%d' % n),\n"
        "                  PutRecord(table='p', key=b'%d' % n, value=bytes(700))])\n"
        "    print(n, flush=True)"
    )
    stored = 0
    for commits in (1, 23, 60):
        command = [sys.executable, "-c", program, str(tmp_path), str(stored)]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert child.stdout is not None
        reported = [int(child.stdout.readline()) for _ in range(commits)]
        os.kill(child.pid, signal.SIGKILL)
        reported += [int(line) for line in child.stdout]
        child.wait()
        child.stdout.close()
        vault = Vault.open(tmp_path, PASSPHRASE)
        stored = len(vault.entries())
        records = vault.records()
        vault.close()
        assert stored > reported[-1], "what was reported as committed is there"
        assert int(records["t"][b"last"]) == stored - 1
        assert len(records["p"]) == stored


def test_the_table_of_messages_has_the_fields_of_a_message_but_what_the_roster_tells() -> None:
    plain = dbapi2.connect(":memory:")
    plain.executescript(SCHEMA)
    columns = tuple(row[1] for row in plain.execute("PRAGMA table_info(message)"))
    written = tuple(name for name in Message.__struct_fields__ if name not in {"since", "bot"})
    assert written == MESSAGE_COLUMNS
    assert columns == (*written, "original", "edited_n", "retracted")
    columns = tuple(row[1] for row in plain.execute("PRAGMA table_info(annotation)"))
    kept = tuple(name for name in Annotation.__struct_fields__ if name != "dids")
    assert columns == ANNOTATION_COLUMNS == kept
    plan = str(
        plain.execute(
            "EXPLAIN QUERY PLAN SELECT * FROM message WHERE channel_id = ? AND position > ?"
            " ORDER BY position LIMIT ?",
            (CHANNEL, 1, 1),
        ).fetchall()
    )
    assert "message_order" in plan
    assert "TEMP B-TREE" not in plan


def test_a_lock_that_cannot_be_opened_is_no_bug(folder: Path) -> None:
    (folder / "vault.lock").unlink()
    (folder / "vault.lock").mkdir()
    with pytest.raises(VaultWriteFailed, match="Is a directory") as raised:
        Vault.open(folder, PASSPHRASE)
    assert "writable" in str(raised.value.hint)


@pytest.mark.parametrize(
    "said", ["disk I/O error", "database or disk is full", "attempt to write a readonly database"]
)
def test_a_disk_that_refuses_is_not_called_damage(said: str) -> None:
    error = read_error(dbapi2.OperationalError(said))
    assert isinstance(error, VaultWriteFailed)
    assert said in str(error)
    assert isinstance(read_error(dbapi2.DatabaseError("file is not a database")), VaultDamaged)
