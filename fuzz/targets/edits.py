"""A small language for damage: an input that says how to change a good message.

Keys and ciphertexts of a group differ from run to run, so bytes of one group are nothing to
another. What is kept is how a message is changed. The first byte names the message, then come
operations of four bytes and more, until there are no more or there were sixteen; what is missing
at the end is zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cloister.bench.mutation import LENGTHS

MAX_OPERATIONS: Final = 16


class _Script:
    """The bytes of a script, taken one after the other; zeros behind the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def is_over(self) -> bool:
        return self._position >= len(self._data)

    def byte(self) -> int:
        self._position += 1
        return 0 if self._position > len(self._data) else self._data[self._position - 1]

    def place(self, length: int) -> int:
        """A place in ``length`` bytes."""
        return (self.byte() << 8 | self.byte()) % max(length, 1)

    def take(self, count: int) -> bytes:
        return bytes(self.byte() for _ in range(count))


def choose(script: bytes, count: int) -> int:
    """Which of ``count`` messages a script is about."""
    return script[0] % count if script else 0


def edited(script: bytes, messages: Sequence[bytes]) -> bytes:
    """The message that the script is about, changed as it says; by one byte it is not changed."""
    changed = bytearray(messages[choose(script, len(messages))])
    steps = _Script(script[1:])
    for _ in range(MAX_OPERATIONS):
        if steps.is_over:
            break
        operation = steps.byte() % 8
        at = steps.place(len(changed) + 1)
        match operation:
            case 0:
                changed[at : at + 1] = steps.take(1)
            case 1:
                changed[at : at + 1] = bytes(
                    one ^ 1 << steps.byte() % 8 for one in changed[at : at + 1]
                )
            case 2:
                del changed[at : at + 1 + steps.byte()]
            case 3:
                changed[at:at] = steps.take(1 + steps.byte() % 32)
            case 4:
                start = steps.place(len(changed))
                changed[at:at] = changed[start : start + 1 + steps.byte()]
            case 5:
                length = LENGTHS[steps.byte() % len(LENGTHS)]
                changed[at : at + len(length)] = length
            case 6:
                # Longer or shorter by a little, as a length that is off by some bytes.
                changed[at : at + 1] = bytes(
                    (one + steps.byte() - 128) % 256 for one in changed[at : at + 1]
                )
            case _:
                other = messages[steps.byte() % len(messages)]
                start = steps.place(len(other))
                piece = other[start : start + 1 + steps.byte()]
                changed[at : at + len(piece)] = piece
    return bytes(changed)


def example_scripts(messages: Sequence[bytes]) -> list[bytes]:
    """A script for each message that changes nothing, and a few that change a little."""
    scripts = [bytes([number]) for number in range(len(messages))]
    for number, message in enumerate(messages):
        for step, operation in enumerate(range(8)):
            at = (len(message) * (step + 1) // 9).to_bytes(2, "big")
            scripts.append(bytes([number, operation]) + at + bytes([step, 129, 3]))
    return scripts
