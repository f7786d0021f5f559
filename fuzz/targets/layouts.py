"""The layouts of all packages: whatever is signed, hashed or stored in Cloister."""

from __future__ import annotations

import importlib
import pkgutil
import zlib
from collections.abc import Iterator
from functools import cache
from types import ModuleType

import cloister.client
import cloister.crypto
import cloister.device
import cloister.mls
import cloister.roster
import cloister.transparency
import cloister.wire
from cloister.codec import DecodeError, Struct
from cloister.errors import RemoteError
from fuzz.targets.target import Target, check_encoding, decoded

PACKAGES = (
    cloister.client,
    cloister.crypto,
    cloister.device,
    cloister.mls,
    cloister.roster,
    cloister.transparency,
    cloister.wire,
)


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            yield importlib.import_module(found.name)


@cache
def structures() -> dict[int, type[Struct]]:
    """Every layout by a number that follows from its name, so that inputs stay about the same."""
    found = {}
    for package in PACKAGES:
        for module in _modules(package):
            for name, value in vars(module).items():
                if (
                    isinstance(value, type)
                    and issubclass(value, Struct)
                    and value.__module__ == module.__name__
                    and "read" in vars(value)
                ):
                    found[zlib.crc32(f"{module.__name__}.{name}".encode()) & 0xFFFF] = value
    return dict(sorted(found.items()))


def layouts(data: bytes) -> None:
    """Two bytes say which layout, the rest is decoded."""
    number = int.from_bytes(data[:2], "big")
    known = structures()
    structure = known.get(number) or list(known.values())[number % len(known)]
    value = decoded(structure.decode, data[2:])
    if value is not None:
        check_encoding(value, data[2:])


def layout_seeds() -> Iterator[bytes]:
    """For each layout something it decodes, found by following what the decoder complains of."""
    for number, structure in structures().items():
        grown = _grown(structure)
        if grown is not None:
            yield number.to_bytes(2, "big") + grown


def _grown(structure: type[Struct]) -> bytes | None:
    """Grow an encoding from nothing: more zeros where it ends, another byte where it is wrong."""
    data = bytearray()
    for _ in range(400):
        error = _complaint(structure, bytes(data))
        if error is None:
            return bytes(data)
        if error.offset >= len(data) or error.reason in {
            "unexpected end",
            "length exceeds what is left",
        }:
            data += bytes(16 if len(data) < 64 else 256)
        elif "trailing" in error.reason:
            del data[error.offset :]
        elif not _corrected(structure, data, error.offset):
            return None
    return None


def _corrected(structure: type[Struct], data: bytearray, offset: int) -> bool:
    """Change one byte close before the complaint so that the decoder gets further."""
    for at in range(offset, max(offset - 9, -1), -1):
        before = data[at]
        for value in range(1, 64):
            data[at] = value
            error = _complaint(structure, bytes(data))
            if error is None or error.offset > offset:
                return True
        data[at] = before
    return False


def _complaint(structure: type[Struct], data: bytes) -> DecodeError | None:
    try:
        structure.decode(data)
    except DecodeError as error:
        return error
    except RemoteError:
        return DecodeError("refused for what it says", len(data) - 1)
    return None


LAYOUTS = (Target("layouts", layouts, layout_seeds, max_bytes=20_000),)
