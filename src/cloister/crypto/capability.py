"""Whether the linked library can do what Cloister promises. There is no fallback."""

from __future__ import annotations

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from cloister.crypto.errors import MissingPrimitive
from cloister.crypto.hpke import HpkeKey, hpke_seal
from cloister.crypto.secret import Secret


def require_post_quantum() -> None:
    """Try ML-KEM-768 with X25519 and ML-DSA-44 once.

    A distribution's build of the library may lack either. Falling back to a classical suite
    would be a downgrade nobody sees. Raises MissingPrimitive.
    """
    try:
        key = HpkeKey(Secret(bytes(range(32))))
        opened = key.open(b"capability", hpke_seal(key.public, b"capability", b"probe"))
        MLDSA44PrivateKey.from_seed_bytes(bytes(32)).sign(b"probe")
    except (UnsupportedAlgorithm, InternalError, NotImplementedError) as error:
        raise MissingPrimitive(f"no post-quantum cryptography: {error}") from error
    if opened != b"probe":
        raise MissingPrimitive("the library's X-Wing does not invert itself")
