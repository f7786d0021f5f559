"""The committed inputs of a target: one file, many inputs, each behind its length, deflated.

``NAME.seeds`` is made by ``fuzz/seeds.py`` and may be made anew; ``NAME.found`` holds every input
that ever found something and is only added to.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / "corpus"
LENGTH_BYTES = 4


def pack(inputs: Iterable[bytes]) -> bytes:
    """The bytes of a corpus file; no input twice, in order, so that it is the same each time."""
    framed = b"".join(len(one).to_bytes(LENGTH_BYTES, "big") + one for one in sorted(set(inputs)))
    return zlib.compress(framed, 9)


def unpack(data: bytes) -> list[bytes]:
    """The inputs of a corpus file. Raises ValueError, zlib.error when it is none."""
    framed = zlib.decompress(data)
    inputs = []
    position = 0
    while position < len(framed):
        start = position + LENGTH_BYTES
        position = start + int.from_bytes(framed[start - LENGTH_BYTES : start], "big")
        if position > len(framed):
            raise ValueError("an input is cut off")
        inputs.append(framed[start:position])
    return inputs


def committed(name: str) -> list[bytes]:
    """All committed inputs of a target."""
    files = (FOLDER / f"{name}.seeds", FOLDER / f"{name}.found")
    return [one for file in files if file.exists() for one in unpack(file.read_bytes())]


def keep(name: str, found: Iterable[bytes]) -> None:
    """Add inputs that found something."""
    file = FOLDER / f"{name}.found"
    before = unpack(file.read_bytes()) if file.exists() else []
    file.write_bytes(pack([*before, *found]))
