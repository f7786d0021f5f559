"""deserialization: the headers of vectors."""

from __future__ import annotations

from typing import Any

from vectors.known_answers.verifier.codec import Reader, decode, varint
from vectors.known_answers.verifier.failure import equal


def check(case: dict[str, Any]) -> None:
    header = bytes.fromhex(case["vlbytes_header"])
    equal(decode(Reader.varint, header), case["length"], "length")
    equal(varint(case["length"]), header, "vlbytes_header")
