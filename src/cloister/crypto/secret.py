"""A wrapper that keeps key bytes out of logs, traces and comparisons by accident.

Python cannot promise that the bytes vanish from memory; the wrapper only makes every place
where they leave it visible: ``grep -r expose src``.
"""

from __future__ import annotations

import hmac
from typing import Final, NoReturn


class Secret:
    """Bytes that must not be shown. Equality takes constant time for equal lengths."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value: Final = bytes(value)

    def expose(self) -> bytes:
        """The bytes themselves: the only way out."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value, other._value)

    # A hash would be a fingerprint of the secret in every table it is put into.
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return "Secret(...)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is not pickled")

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self
