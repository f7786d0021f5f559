"""What cryptography can refuse."""

from __future__ import annotations

from cloister.errors import LocalError, RemoteError


class DecryptError(RemoteError):
    """A ciphertext did not open. One error for every cause, on purpose."""

    def __init__(self) -> None:
        super().__init__("does not decrypt")


class BadSignature(RemoteError):
    """A signature does not verify under this key for this label and content."""

    def __init__(self) -> None:
        super().__init__("signature does not verify")


class BadPublicKey(RemoteError):
    """A public key is malformed, or weak enough that results would not depend on a secret."""


class BadMac(RemoteError):
    """A message authentication code differs."""

    def __init__(self) -> None:
        super().__init__("authentication code differs")


class MisusedKey(LocalError):
    """A key, nonce or parameter of our own has the wrong form."""


class MissingPrimitive(LocalError):
    """The linked cryptographic library lacks a primitive Cloister needs."""
