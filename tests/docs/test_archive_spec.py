"""docs/spec/archive.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from cloister.client import kept
from cloister.codec import Struct
from cloister.device.archive import blocks, header, rows, sealing
from cloister.device.vault import key_file
from cloister.device.vault.kept_rows import KEPT_COLUMNS, SAID_TABLES

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "spec" / "archive.md").read_text(encoding="utf-8")


def test_labels_and_numbers_are_those_of_the_code() -> None:
    for label in (header.MAGIC, header.KEY_LABEL, header.CHECK_LABEL, header.CHECKSUM_LABEL):
        assert f'"{label.decode()}"' in TEXT
    for said in (
        f"version = {header.VERSION};",
        f"{header.HEADER_BYTES} bytes",
        f"at least {header.LEAST_CHARACTERS} characters",
        f"{header.ARCHIVE_COST.memory_kib // 1024} MiB, four passes and one lane",
        f"{key_file.MAX_MEMORY_KIB // 1024**2} GiB of memory, {key_file.MAX_ITERATIONS} passes",
        f"{key_file.MAX_LANES} lanes",
        f"{sealing.PART_BYTES:,} bytes of the stream",
        f"at most {blocks.MAX_BLOCK_BYTES // 1024} KiB long",
        f"1 to {blocks.MAX_COLUMNS}\n",
        f"1 to {blocks.MAX_ROWS:,}\n",
    ):
        assert said in TEXT, said
    assert key_file.Cost(128 * 1024, 4, 1) == header.ARCHIVE_COST
    assert sealing.MOST_PARTS == 2**32
    assert (kept.LOWEST, kept.SPREAD, kept.HIGHEST_N) == (-(2**52), 2**10, 2**41)


def test_the_header_has_the_fields_of_the_text_in_order() -> None:
    form: type[Struct] = header.ArchiveParameters
    body = re.sub(r"//.*", "", TEXT.split("} ArchiveParameters;")[0].rsplit("struct {", 1)[1])
    fields = re.findall(r"\w+ +(\w+)(?:\[\d+\])?(?: = [\w\"]+)?;", body)
    assert fields == list(form.field_names)
    sizes = [int(number) for number in re.findall(r"\[(\d+)\]", body)]
    sizes += [int(bits) // 8 for bits in re.findall(r"uint(\d+)", body)]
    assert sum(sizes) + 2 * header.HASH_BYTES == header.HEADER_BYTES


def test_every_section_is_described_with_its_columns() -> None:
    table = dict(re.findall(r"^\| (\w+) \| ([^|]+) \|", TEXT.split("| section |")[1], re.M))
    named = {
        rows.OWNER: rows.OWNER_COLUMNS,
        rows.CONVERSATION: rows.TITLE_COLUMNS,
        rows.DRAFT: rows.DRAFT_COLUMNS,
        rows.RECORD: rows.RECORD_COLUMNS,
    }
    for section, columns in named.items():
        assert table[section].strip() == ", ".join(column.name for column in columns)
    assert set(table) - {"---"} == {*named, rows.MESSAGE, rows.ANNOTATION}
    assert all(f"`{one}`" in TEXT for one in SAID_TABLES)
    assert {"original", "edited_n"} < set(KEPT_COLUMNS)
    assert "retracted" not in KEPT_COLUMNS
