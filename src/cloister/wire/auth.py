"""Proofs of an epoch key, an inbox key, a box key, or a steward's key (flows D5, 4.2).

One Ed25519 signature for each object and epoch on a connection.  The connection nonce makes a
proof worthless on any other connection; the relay id makes it worthless at any other relay.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from cloister.codec import Struct, fixed, layout, opaque, text, uint8, uint64
from cloister.crypto.hybrid_signature import (
    HybridKey,
    HybridPublic,
    HybridSignature,
    verify_hybrid,
)
from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key, verify_ed25519

PROOF_LABEL: Final = b"RelayProof"
"""Separates a proof of possession from every other signature by the same epoch key."""
OPEN_LABEL: Final = b"RelayOpen"
"""Signature of a setup key over the request that opens a circle (no object to prove exists yet)."""
EPOCH_KEY_LABEL: Final = "cloister relay access v1"
"""MLS exporter label of the epoch key; the context is :func:`epoch_key_context`."""
EPOCH_SEED_BYTES: Final = 32
NONCE_BYTES: Final = 32
ENROL_LABEL: Final = b"RelayEnrol"
"""Signature of a ticket's key over the keys that it enrols."""
SHARE_LABEL: Final = b"RelayShare"
"""Signature of a share's key over one act on it, on one connection."""


ADOPT_LABEL: Final = b"RelayAdopt"
"""Signature of a steward's key by which a relay takes over a circle's log."""
STEWARD_LABEL: Final = b"RelaySteward"
"""Signature of a steward's key that opens a log for reading, on one connection."""


class ShareAct(IntEnum):
    """What is asked of a share; the unlock key signs EVALUATE, the confirm key the next three, and
    unlock key and owner key sign ENROL_AGAIN, each for itself."""

    EVALUATE = 1
    CONFIRM = 2
    NEXT = 3
    DROP = 4
    ENROL_AGAIN = 5


class ObjectKind(IntEnum):
    """What a proof opens."""

    CHANNEL = 1
    INBOX = 2
    BOX = 3


@layout
class ProofContent(Struct):
    """What is signed: nothing that a relay chooses but the nonce."""

    relay_id: bytes = fixed(32)
    kind: int = uint8()
    object_id: bytes = fixed(16)
    epoch: int = uint64()
    nonce: bytes = fixed(NONCE_BYTES)


@layout
class OpenContent(Struct):
    """Signed by a setup key: binds the activation code and, for the second step, the genesis."""

    relay_id: bytes = fixed(32)
    code_hash: bytes = fixed(32)
    genesis: bytes = opaque()


@layout
class EnrolContent(Struct):
    """Signed by the ticket's key.  No nonce: a ticket is used once, and answers repeat."""

    relay_id: bytes = fixed(32)
    ticket: bytes = opaque()
    unlock_key: bytes = fixed(32)
    confirm_key: bytes = fixed(32)
    owner_key: bytes = fixed(32)
    bind: bytes = fixed(32)


@layout
class ShareContent(Struct):
    """Signed by a key of a handle (``ShareAct``).  ``element`` is the blinded element of EVALUATE,
    the confirm key of ENROL_AGAIN, whose ``generation`` is 0, and empty otherwise."""

    relay_id: bytes = fixed(32)
    handle: bytes = fixed(16)
    generation: int = uint64()
    act: int = uint8()
    element: bytes = opaque()
    nonce: bytes = fixed(NONCE_BYTES)


@layout
class StewardContent(Struct):
    """Signed by a steward's key: the relay, the log, and the nonce of the connection."""

    relay_id: bytes = fixed(32)
    origin: str = text(255)
    nonce: bytes = fixed(NONCE_BYTES)


@layout
class AdoptContent(Struct):
    """Signed by a steward's key: which log a relay takes over, and how the commons goes on."""

    relay_id: bytes = fixed(32)
    origin: str = text(255)
    root: bytes = fixed(32)
    commons_id: bytes = fixed(16)
    commons_key: bytes = fixed(32)
    epoch: int = uint64()
    first_n: int = uint64()
    code_hash: bytes = fixed(32)


@layout
class EpochKeyContext(Struct):
    """Exporter context: the key of one channel at one relay (flows 1)."""

    relay_id: bytes = fixed(32)
    channel_id: bytes = fixed(16)


def epoch_key_context(relay_id: bytes, channel_id: bytes) -> bytes:
    """Return the exporter context that fixes relay and channel, 48 bytes."""
    return EpochKeyContext(relay_id=relay_id, channel_id=channel_id).encode()


def prove(
    key: Ed25519Key, relay_id: bytes, kind: ObjectKind, object_id: bytes, epoch: int, nonce: bytes
) -> bytes:
    """Sign a proof, 64 bytes.  ``epoch`` is 0 for inboxes and boxes."""
    return key.sign(PROOF_LABEL, _content(relay_id, kind, object_id, epoch, nonce))


def verify_proof(
    public: bytes,
    relay_id: bytes,
    kind: ObjectKind,
    object_id: bytes,
    epoch: int,
    nonce: bytes,
    signature: bytes,
) -> None:
    """Check a proof.  Raises ``BadSignature``."""
    content = _content(relay_id, kind, object_id, epoch, nonce)
    verify_ed25519(public, PROOF_LABEL, content, signature)


def epoch_key(seed: Secret) -> Ed25519Key:
    """Make the epoch key of a channel from the 32 bytes that the MLS exporter gives."""
    return Ed25519Key(seed)


def prove_steward(key: HybridKey, relay_id: bytes, origin: str, nonce: bytes) -> bytes:
    """Sign what opens a log to a steward: an encoded ``HybridSignature``."""
    content = StewardContent(relay_id=relay_id, origin=origin, nonce=nonce).encode()
    return key.sign(STEWARD_LABEL, content).encode()


def verify_steward(
    public: HybridPublic, relay_id: bytes, origin: str, nonce: bytes, signature: bytes
) -> None:
    """Check it.  Raises ``BadSignature``, ``BadPublicKey``, ``DecodeError``."""
    content = StewardContent(relay_id=relay_id, origin=origin, nonce=nonce).encode()
    verify_hybrid(public, STEWARD_LABEL, content, HybridSignature.decode(signature))


def open_content(relay_id: bytes, code_hash: bytes, genesis: bytes) -> bytes:
    """Return what the setup key signs; ``genesis`` is empty in ``Begin``."""
    return OpenContent(relay_id=relay_id, code_hash=code_hash, genesis=genesis).encode()


def _content(
    relay_id: bytes, kind: ObjectKind, object_id: bytes, epoch: int, nonce: bytes
) -> bytes:
    return ProofContent(
        relay_id=relay_id, kind=kind, object_id=object_id, epoch=epoch, nonce=nonce
    ).encode()
