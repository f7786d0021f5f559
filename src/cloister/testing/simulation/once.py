"""What comes out the same for everybody in a run is worked out once.

The devices of a circle live in one process here, and all of them verify what all of them are sent
and read the same keys.  A signature is right when it was made here by the key itself, or was
verified before; whatever else comes is verified each time, so nothing wrong is ever taken for
right.  A private key of the KEM is read from its seed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cloister.crypto import signature as signatures
from cloister.crypto import x_wing
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, labelled
from cloister.crypto.x_wing import XWingPrivateKey

_verify: Final = signatures.verify_raw_under_checked_key
_sign: Final = Ed25519Key.sign_raw
_parse: Final = x_wing.parse_private


@contextmanager
def working_out_once() -> Iterator[None]:
    """Let signatures and keys of this run be remembered until it ends."""
    right: set[tuple[bytes, bytes, bytes]] = set()
    parsed: dict[bytes, tuple[XWingPrivateKey, bytes]] = {}

    def verify(public: bytes, message: bytes, signature: bytes) -> None:
        asked = (public, message, signature)
        if asked not in right:
            _verify(public, message, signature)
            right.add(asked)

    def sign_raw(self: Ed25519Key, message: bytes) -> bytes:
        signature = _sign(self, message)
        right.add((self.public, message, signature))
        return signature

    def sign(self: Ed25519Key, label: bytes, content: bytes) -> bytes:
        return sign_raw(self, labelled(label, content))

    def parse(seed: Secret) -> tuple[XWingPrivateKey, bytes]:
        known = parsed.get(seed.expose())
        if known is None:
            known = parsed[seed.expose()] = _parse(seed)
        return known

    before = Ed25519Key.sign
    signatures.verify_raw_under_checked_key = verify
    Ed25519Key.sign_raw, Ed25519Key.sign = sign_raw, sign  # type: ignore[method-assign]
    x_wing.parse_private = parse
    try:
        yield
    finally:
        signatures.verify_raw_under_checked_key = _verify
        Ed25519Key.sign_raw, Ed25519Key.sign = _sign, before  # type: ignore[method-assign]
        x_wing.parse_private = _parse
