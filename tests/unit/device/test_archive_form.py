"""The form of archives: one encoding, whatever goes in comes out, and read a second way."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given, settings
from hypothesis import strategies as st

from cloister.device.archive.blocks import (
    Block,
    Column,
    ColumnKind,
    blocks_in,
    framed,
)
from cloister.device.archive.sealing import PART_BYTES
from cloister.errors import CloisterError
from counts import examples
from unit.device.archives import (
    PASSPHRASE,
    make,
    vault_in,
)
from unit.device.scripted import text_message
from unit.device.test_archive_damage import parts_of


@pytest.fixture
def file(tmp_path: Path) -> Path:
    vault = vault_in(tmp_path / "old", text_message(1))
    make(tmp_path / "backup", vault)
    vault.close()
    return tmp_path / "backup"


@given(st.binary(max_size=300))
@settings(max_examples=examples(200), deadline=None)
def test_a_block_has_one_encoding(data: bytes) -> None:
    try:
        block = Block.decode(data)
    except CloisterError:
        return
    assert block.encode() == data


@given(
    st.lists(
        st.tuples(st.integers(-(2**63), 2**63 - 1), st.binary(max_size=40), st.text(max_size=40)),
        min_size=1,
        max_size=20,
    )
)
@settings(max_examples=examples(50), deadline=None)
def test_what_goes_in_comes_out(rows: list[tuple[int, bytes, str]]) -> None:
    columns = [
        Column("number", ColumnKind.INTEGER),
        Column("some_bytes", ColumnKind.BYTES),
        Column("words", ColumnKind.TEXT),
    ]
    stream = framed("rows", columns, rows)
    for size in (1, 7, PART_BYTES):
        parts = [stream[at : at + size] for at in range(0, len(stream), size)]
        found = [row for block in blocks_in(parts) for row in block.rows]
        assert found == rows


# --- the format, written a second time ------------------------------------------------------------


def test_another_implementation_reads_it(file: Path) -> None:
    """docs/spec/archive.md with the library's own primitives, and nothing of ours."""
    content = file.read_bytes()
    parameters = content[:35]
    assert parameters[:8] == b"cloistAR"
    numbers = [
        int.from_bytes(parameters[at:end], "big") for at, end in ((10, 14), (14, 18), (18, 19))
    ]
    stretched = Argon2id(
        salt=parameters[19:35], length=32, memory_cost=numbers[0], iterations=numbers[1],
        lanes=numbers[2],
    ).derive(PASSPHRASE.expose())  # fmt: skip

    def derived(label: bytes) -> bytes:
        info = label + parameters
        return HKDF(algorithm=SHA256(), length=32, salt=b"", info=info).derive(stretched)

    assert derived(b"Cloister 1.0 ArchiveCheck") == content[35:67]
    cipher = AESGCM(derived(b"Cloister 1.0 ArchiveKey"))
    parts = parts_of(content)
    plain = b"".join(
        cipher.decrypt(
            number.to_bytes(12, "big"), part[4:], b"\1" if number == len(parts) - 1 else b"\0"
        )
        for number, part in enumerate(parts)
    )
    assert plain[4:12] == b"\7archive"
