"""docs/spec/vault.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloister.codec import Struct
from cloister.crypto.secret import Secret
from cloister.device import agent, keeper, vault_files
from cloister.device.paths import KEEPER_SOCKET_NAME
from cloister.device.unlock import evaluation, pin_rules
from cloister.device.vault import key_file, schema, wrapping
from cloister.device.vault.profile_lock import LOCK_NAME

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "spec" / "vault.md").read_text(encoding="utf-8")


def test_every_table_and_only_those_are_described() -> None:
    in_code = set(re.findall(r"CREATE TABLE (\w+)", schema.SCHEMA))
    table = TEXT.split("| table |")[1].split("\n\n")[0]
    assert set(re.findall(r"^\| (\w+) \|", table, re.M)) == in_code


def test_labels_numbers_and_names_are_those_of_the_code() -> None:
    for label in (
        wrapping.WRAP_LABEL,
        key_file.CHECKSUM_LABEL,
        key_file.MAGIC,
        evaluation.INPUT_LABEL,
    ):
        assert f'"{label.decode()}"' in TEXT
    assert f"0x{schema.APPLICATION_ID:X}" in TEXT
    assert f"`user_version` {schema.SCHEMA_VERSION}" in TEXT
    for version in (key_file.ALONE_VERSION, key_file.SHARES_VERSION):
        assert f"// version {version}\n" in TEXT
    for name in (
        vault_files.DATABASE_NAME,
        vault_files.KEY_NAME,
        vault_files.NEXT_KEY_NAME,
        LOCK_NAME,
        keeper.LOCK_NAME,
        KEEPER_SOCKET_NAME,
    ):
        assert name in TEXT
    assert f"{key_file.MAX_ITERATIONS} passes" in TEXT
    assert f"{key_file.MAX_LANES} lanes" in TEXT
    assert f"at least {pin_rules.LEAST_CHARACTERS} characters" in TEXT


def test_the_key_file_is_as_long_as_its_fields_in_the_text() -> None:
    class Zeros:
        def random(self, n: int) -> bytes:
            return bytes(n)

    stretched = wrapping.fresh_stretch(Secret(b"x"), key_file.Cost(64, 1, 1), Zeros())
    file = wrapping.wrap_alone(Secret(bytes(32)), stretched, Zeros())
    form = TEXT.split("## vault.key")[1].split("} KeyFile;")[0]
    opaque = sum(int(length) for length in re.findall(r"opaque \w+\[(\d+)\]", form))
    numbers = sum(int(bits) // 8 for bits in re.findall(r"uint(\d+)", form))
    assert len(file) == opaque + numbers


@pytest.mark.parametrize("form", [key_file.UnlockRoute, key_file.ShareReference, key_file.Wrap,
                                  key_file.ShareKeyFile])  # fmt: skip
def test_the_fields_of_the_forms_with_shares_stand_in_the_text_in_order(
    form: type[Struct],
) -> None:
    body = TEXT.split(f"}} {form.__name__};")[0].rsplit("struct {", 1)[1]
    body = re.sub(r"//.*", "", body)
    fields = re.findall(r"\w+ +(\w+)(?:\[\d+\]|<V>)?(?: = \"\w+\")?;", body)
    assert fields == list(form.field_names)


def test_every_call_of_the_keeper_is_named() -> None:
    source = Path(keeper.__file__).read_text(encoding="utf-8")
    calls = set(re.findall(r'case "(\w+)":', source))
    assert calls
    assert all(f'{{"op":"{call}"' in TEXT for call in calls)


def test_every_operation_of_the_agent_is_named() -> None:
    source = Path(agent.__file__).read_text(encoding="utf-8")
    operations = set(re.findall(r'case "(\w+)":|call\.op == "(\w+)"', source))
    sentence = TEXT.split("Operations: ")[1].split(".")[0].replace("\n", " ")
    assert {one or other for one, other in operations} == set(sentence.split(", "))
