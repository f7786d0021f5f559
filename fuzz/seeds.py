"""Makes the committed corpora, from our own engine and nothing else.

    .venv/bin/python -P fuzz/seeds.py

What atheris has learnt in `.fuzz/corpus` is taken along, as far as it reaches a line of ours that
the smaller inputs before did not.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from cloister.codec import Struct  # noqa: E402 (the path comes first)
from cloister.errors import RemoteError  # noqa: E402
from fuzz.corpus import FOLDER, pack  # noqa: E402
from fuzz.run import CORPUS  # noqa: E402
from fuzz.targets.layouts import structures  # noqa: E402
from fuzz.targets.registry import TARGETS  # noqa: E402
from fuzz.targets.target import Target, names_of  # noqa: E402

SOURCE: Final = str(ROOT / "src" / "cloister")
MOST_INPUTS: Final = 40
# Stories of whole circles, in which structures of nearly every kind are decoded.
STORIES: Final = ("test_governance", "test_lost_device", "test_holds")


def lines_reached(target: Target, data: bytes) -> set[tuple[str, int]]:
    """The lines under src/cloister that an input runs through."""
    reached: set[tuple[str, int]] = set()

    def trace(frame: FrameType, event: str, _argument: object) -> object:
        if not frame.f_code.co_filename.startswith(SOURCE):
            return None
        reached.add((frame.f_code.co_filename, frame.f_lineno))
        return trace

    before = sys.gettrace()
    sys.settrace(trace)  # type: ignore[arg-type]
    try:
        target.run(data)
    finally:
        sys.settrace(before)
    return reached


def minimised(target: Target, seeds: Iterable[bytes], inputs: Iterable[bytes]) -> list[bytes]:
    """The seeds, and of the other inputs small ones that together reach what all reach.

    Of scripts there are seeds by the dozen, and they are chosen in the same way.
    """
    target.run(b"")  # what is made once is no part of an input
    kept: list[bytes] = []
    known: set[tuple[str, int]] = set()
    if target.is_script:
        inputs = [*seeds, *inputs]
    else:
        kept += seeds
        known.update(*(lines_reached(target, data) for data in kept))
    chosen = len(kept) + MOST_INPUTS
    for data in sorted(set(inputs), key=lambda one: (len(one), one)):
        if len(data) > target.max_bytes or len(kept) == chosen:
            continue
        new = lines_reached(target, data) - known
        if new:
            kept.append(data)
            known |= new
    return kept


def learnt(target: Target) -> list[bytes]:
    """What atheris has found worth keeping on this machine."""
    folder = CORPUS / target.name
    return [path.read_bytes() for path in folder.iterdir()] if folder.exists() else []


# -- layouts that cannot be grown from nothing ------------------------------------------------


@contextmanager
def recorded(into: dict[type[Struct], bytes]) -> Iterator[None]:
    """Remember the smallest encoding of every structure that is decoded meanwhile."""

    def note(value: object) -> None:
        if isinstance(value, tuple):
            for one in value:
                note(one)
        elif isinstance(value, Struct):
            encoded = value.encode()
            known = into.get(type(value))
            if known is None or len(encoded) < len(known):
                into[type(value)] = encoded
            for field in names_of(value):
                note(getattr(value, field))

    original = Struct.decode.__func__  # type: ignore[attr-defined]

    def decode(cls: type[Struct], data: bytes) -> Struct:
        value: Struct = original(cls, data)
        note(value)
        return value

    setattr(Struct, "decode", classmethod(decode))  # noqa: B010 (mypy takes it for no method)
    try:
        yield
    finally:
        setattr(Struct, "decode", classmethod(original))  # noqa: B010


def told() -> dict[type[Struct], bytes]:
    """Structures out of the stories that tests tell of whole circles."""
    found: dict[type[Struct], bytes] = {}
    with recorded(found):
        for name in STORIES:
            module = importlib.import_module(f"scenario.{name}")
            for key, story in list(vars(module).items()):
                if key.startswith("test_") and not inspect.signature(story).parameters:
                    story()
    return found


def emptied(structure: type[Struct], data: bytes) -> bytes:
    """The same with as many zeros as the structure allows: keys and signatures say nothing here."""
    current = bytearray(data)
    step = len(current)
    while step:
        for start in range(0, len(current), step):
            piece = bytes(current[start : start + step])
            if not any(piece):
                continue
            current[start : start + step] = bytes(len(piece))
            try:
                structure.decode(bytes(current))
            except RemoteError:
                current[start : start + step] = piece
        step //= 2
    return bytes(current)


def layout_inputs() -> Iterator[bytes]:
    """A real value of each layout that the stories know."""
    stories = told()
    for number, structure in structures().items():
        if structure in stories:
            yield number.to_bytes(2, "big") + emptied(structure, stories[structure])


def main() -> None:
    """Make the seeds of all targets."""
    FOLDER.mkdir(exist_ok=True)
    total = 0
    for name, target in TARGETS.items():
        seeds, inputs = list(target.make_seeds()), learnt(target)
        if name == "layouts":
            seeds += layout_inputs()
        kept = minimised(target, seeds, inputs)
        packed = pack(kept)
        (FOLDER / f"{name}.seeds").write_bytes(packed)
        total += len(packed)
        tried = len(seeds) + len(inputs)
        print(f"{name:24}{tried:6} inputs, {len(kept):4} kept, {len(packed):7,} bytes")
    print(f"{total:,} bytes")


if __name__ == "__main__":
    main()
