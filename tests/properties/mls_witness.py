"""Remembers what was derived from what, and says what RFC 9420 9.2 wants gone.

    A value is consumed if it was used to encrypt or to decrypt a message, or if a key, nonce or
    secret derived from it has been consumed.

The witness watches every extract, every expand and every AEAD call of the engine, so that the
definition can be applied to the letter, and not as the engine understands it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

from cloister.codec import encode_opaque
from cloister.crypto import hashing
from cloister.crypto.aead import Aead
from cloister.crypto.secret import Secret
from cloister.mls import labels, suite

KEY, NONCE, SENDER_DATA = (
    encode_opaque(labels.PREFIX + label) for label in (labels.KEY, labels.NONCE, labels.SENDER_DATA)
)


class Witness:
    """The derivations of all members, and the keys used since the last question."""

    def __init__(self) -> None:
        self._parents: dict[bytes, set[bytes]] = {}
        # The nonce that belongs to a key: both come from one secret, with one context.
        self._nonces: dict[tuple[bytes, bytes], bytes] = {}
        self._keys: dict[bytes, tuple[bytes, bytes]] = {}
        self._sender_data: set[bytes] = set()
        self._labels: dict[bytes, bytes] = {}
        self._used: list[bytes] = []

    @contextmanager
    def watching(self) -> Iterator[Witness]:
        """Watch the engine until the end of the block."""
        with (
            patch.object(suite, "hkdf_expand", self._expand),
            patch.object(suite, "hkdf_extract", self._extract),
            patch.object(Aead, "seal", self._wrap(Aead.seal)),
            patch.object(Aead, "open", self._wrap(Aead.open)),
        ):
            yield self

    def consumed(self) -> set[bytes]:
        """All values consumed by the AEAD calls since this was last asked."""
        return set().union(*self.consumed_by_each())

    def consumed_by_each(self) -> list[set[bytes]]:
        """The values consumed by each AEAD call since this was last asked, in their order.

        The sender data secret is none: it serves a whole epoch (6.3.2).
        """
        used, self._used = self._used, []
        return [self._above(key) for key in used]

    def describe(self, value: bytes) -> str:
        """The labels under which a value came to be, back to what is not derived."""
        above = sorted(self._parents.get(value, ()))
        name = self._labels.get(value, b"extracted" if above else b"given").decode()
        return f"{name} < {self.describe(above[0])}" if above else name

    def _above(self, key: bytes) -> set[bytes]:
        found: set[bytes] = set()
        todo = [key]
        while todo:
            value = todo.pop()
            # Zeros stand for "no secret" in the key schedule.
            if value in found or value in self._sender_data or not any(value):
                continue
            found.add(value)
            todo += self._parents.get(value, ())
            if value in self._keys:
                nonce = self._nonces.get(self._keys[value])
                todo += [] if nonce is None else [nonce]
        return found

    def _expand(self, hash_name: str, prk: Secret, info: bytes, length: int) -> Secret:
        derived = hashing.hkdf_expand(hash_name, prk, info, length)
        value, parent = derived.expose(), prk.expose()
        label = info[2:]
        if label.startswith(SENDER_DATA):
            self._sender_data.add(value)
        if parent in self._sender_data:
            self._sender_data.add(value)
        if label.startswith(KEY):
            self._keys[value] = (parent, label[len(KEY) :])
        elif label.startswith(NONCE):
            self._nonces[parent, label[len(NONCE) :]] = value
        self._parents.setdefault(value, set()).add(parent)
        self._labels[value] = label[1 : 1 + label[0]]
        return derived

    def _extract(self, hash_name: str, salt: bytes, ikm: bytes) -> Secret:
        derived = hashing.hkdf_extract(hash_name, salt, ikm)
        self._parents.setdefault(derived.expose(), set()).update({salt, ikm})
        return derived

    def _wrap(self, call: Callable[..., bytes]) -> Callable[..., bytes]:
        def wrapped(aead: Aead, key: Secret, nonce: bytes, data: bytes, aad: bytes) -> bytes:
            result = call(aead, key, nonce, data, aad)
            self._used.append(key.expose())
            return result

        return wrapped
