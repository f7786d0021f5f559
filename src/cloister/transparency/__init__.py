"""An append-only log that members can check without trusting the relay that keeps it.

`merkle` and `hash_tree` are the tree of RFC 6962 and RFC 9162, `proof` its two proofs, `note` and
`checkpoint` the signed head in the text form of C2SP, `cosignature` the two pairs of signatures a
head carries, `quorum` the one question a device asks: is this head settled?

The specification is docs/spec/transparency.md.
"""

from cloister.transparency.checkpoint import Checkpoint
from cloister.transparency.cosignature import (
    RelayVerifier,
    cosign,
    sign_checkpoint,
    with_signatures,
)
from cloister.transparency.errors import (
    BadNoteSignature,
    CheckpointError,
    MisusedLog,
    NoteError,
    NotSettled,
    ProofError,
    TransparencyError,
    UnsignedByLog,
    WrongOrigin,
)
from cloister.transparency.hash_tree import HashTree
from cloister.transparency.merkle import EMPTY_ROOT, Frontier, leaf_hash, tree_hash
from cloister.transparency.note import SignatureLine, UnverifiedNote
from cloister.transparency.proof import (
    make_consistency_proof,
    make_inclusion_proof,
    verify_consistency,
    verify_inclusion,
)
from cloister.transparency.quorum import Settled, verify_logged, verify_settled

__all__ = [
    "EMPTY_ROOT",
    "BadNoteSignature",
    "Checkpoint",
    "CheckpointError",
    "Frontier",
    "HashTree",
    "MisusedLog",
    "NotSettled",
    "NoteError",
    "ProofError",
    "RelayVerifier",
    "Settled",
    "SignatureLine",
    "TransparencyError",
    "UnsignedByLog",
    "UnverifiedNote",
    "WrongOrigin",
    "cosign",
    "leaf_hash",
    "make_consistency_proof",
    "make_inclusion_proof",
    "sign_checkpoint",
    "tree_hash",
    "verify_consistency",
    "verify_inclusion",
    "verify_logged",
    "verify_settled",
    "with_signatures",
]
