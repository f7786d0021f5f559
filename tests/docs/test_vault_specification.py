"""docs/spec/vault.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.crypto.secret import Secret
from cloister.device import agent
from cloister.device.vault import key_file, schema, store
from cloister.device.vault.profile_lock import LOCK_NAME

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "spec" / "vault.md").read_text(encoding="utf-8")


def test_every_table_and_only_those_are_described() -> None:
    in_code = set(re.findall(r"CREATE TABLE (\w+)", schema.SCHEMA))
    table = TEXT.split("| table |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| (\w+) \|", table, re.M)) == in_code


def test_labels_numbers_and_names_are_those_of_the_code() -> None:
    for label in (key_file.WRAP_LABEL, key_file.CHECKSUM_LABEL, key_file.MAGIC):
        assert f'"{label.decode()}"' in TEXT
    assert f"0x{schema.APPLICATION_ID:X}" in TEXT
    assert f"`user_version` {schema.SCHEMA_VERSION}" in TEXT
    assert f"uint16 version = {key_file.VERSION};" in TEXT
    for name in (store.DATABASE_NAME, store.KEY_NAME, LOCK_NAME):
        assert name in TEXT
    assert f"{key_file.MAX_ITERATIONS} passes" in TEXT
    assert f"{key_file.MAX_LANES} lanes" in TEXT


def test_the_key_file_is_as_long_as_its_fields_in_the_text() -> None:
    class Zeros:
        def random(self, n: int) -> bytes:
            return bytes(n)

    file = key_file.wrap_key(
        Secret(bytes(32)),
        Secret(b"x"),
        cost=key_file.Cost(64, 1, 1),
        shares=key_file.NoUnlockShares(),
        entropy=Zeros(),
    )
    form = TEXT.split("## vault.key")[1].split("VK is")[0]
    opaque = sum(int(length) for length in re.findall(r"opaque \w+\[(\d+)\]", form))
    numbers = sum(int(bits) // 8 for bits in re.findall(r"uint(\d+)", form))
    assert len(file) == opaque + numbers


def test_every_operation_of_the_agent_is_named() -> None:
    source = Path(agent.__file__).read_text(encoding="utf-8")
    operations = set(re.findall(r'case "(\w+)":|call\.op == "(\w+)"', source))
    sentence = TEXT.split("Operations: ")[1].split(".")[0].replace("\n", " ")
    assert {one or other for one, other in operations} == set(sentence.split(", "))
