"""Keys that nobody has: what a signature is checked against where there is no object.

Unknown, wrong and revoked then cost the same check and get the same answer.  No private half may be
known to anybody: a signature that fits where all others fail would tell a stranger that there is
nothing behind a name.  So both are hashes, and the point is the first that lies on the curve.
"""

from __future__ import annotations

from typing import Final

from cloister.crypto.hashing import sha256
from cloister.crypto.hybrid_signature import ML_DSA_44_PUBLIC_LENGTH, HybridPublic

LABEL: Final = b"Cloister 1.0 a key that nobody has"

NO_KEY: Final = bytes.fromhex("bddc4ccca9cc0ca52c06565621155b3c627a8e509d7c927d0ba759ceb122a8fa")
"""SHA-256 of the label and a zero byte: the first number for which it is a point of the curve."""
NO_HYBRID_KEY: Final = HybridPublic(
    ed25519=NO_KEY,
    ml_dsa_44=b"".join(sha256(LABEL, bytes([i])) for i in range(ML_DSA_44_PUBLIC_LENGTH // 32)),
)
