"""The few signatures that decide what follows, as they were made once.

ML-DSA draws its own randomness in the library.  Two relay cards and the genesis are signed with it
and hashed into the circle's id, on which it depends whose duty is whose; so with fresh signatures
the circle would be another one in every process, and a seed another story.  The recorded ones are
real: they verify, and whatever has changed since is signed afresh.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import HybridKey, HybridSignature

PATH: Final = Path(__file__).with_name("signatures.json")


def load() -> dict[str, str]:
    """Return what is recorded: hash of key, label and content -> signature in base64."""
    if not PATH.exists():
        return {}
    found: dict[str, str] = json.loads(PATH.read_text("ascii"))
    return found


@contextmanager
def signing_as_recorded(known: dict[str, str]) -> Iterator[dict[str, str]]:
    """Let keys sign as they did; yields what had to be signed afresh."""
    real = HybridKey.sign
    fresh: dict[str, str] = {}

    def sign(self: HybridKey, label: bytes, content: bytes) -> HybridSignature:
        place = sha256(self.public.encode(), label, content).hex()
        found = known.get(place, fresh.get(place))
        if found is not None:
            return HybridSignature.decode(base64.b64decode(found))
        signature = real(self, label, content)
        fresh[place] = base64.b64encode(signature.encode()).decode("ascii")
        return signature

    HybridKey.sign = sign  # type: ignore[method-assign]
    try:
        yield fresh
    finally:
        HybridKey.sign = real  # type: ignore[method-assign]
