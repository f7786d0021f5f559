"""Damage done to an encoding in repeatable ways: what a decoder is measured and searched with.

Inserting, cutting and repeating shift everything behind; writing a length where one may stand is
what goes deepest into a format made of lengths.
"""

from __future__ import annotations

import random
from typing import Final

LENGTHS: Final = (b"\xff" * 4, bytes(4), b"\x80\x00\x00\x00", b"\x40\x00", b"\x7f\xff\xff\xff")
"""Lengths that are invalid, too long for what they say, or larger than anything."""


def mutate(data: bytes, seed: int) -> bytes:
    """Change, cut, insert, repeat, or write a length, in one to eight places; the same for a seed.

    ``data`` is not empty, and neither is what is returned.
    """
    rng = random.Random(seed)
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3, 8])):
        at = rng.randrange(len(changed))
        match rng.randrange(7):
            case 0:
                changed[at] = rng.randrange(256)
            case 1:
                changed[at] ^= 1 << rng.randrange(8)
            case 2:
                del changed[at : at + rng.randrange(1, 20)]
            case 3:
                changed[at:at] = rng.randbytes(rng.randrange(1, 9))
            case 4:
                start = rng.randrange(len(changed))
                changed[at:at] = changed[start : start + rng.randrange(1, 60)]
            case 5:
                # Of a short length this makes the long form of the same.
                changed[at:at] = b"\x40"
            case _:
                length = rng.choice(LENGTHS)
                changed[at : at + len(length)] = length
        changed = changed or bytearray(1)
    return bytes(changed)
