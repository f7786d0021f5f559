"""The stored form of what changes with each message: secret tree and pending proposals."""

from __future__ import annotations

from typing import Final

from cloister.codec import OPAQUE, Reader, Struct, Writer, layout, opaque, uint8, vector
from cloister.crypto.secret import Secret
from cloister.mls.epoch import EpochState
from cloister.mls.errors import Malformed
from cloister.mls.pending import PendingProposals
from cloister.mls.secret_field import secret
from cloister.mls.secret_tree import SecretTree

RATCHET_STATE_VERSION: Final = 2


@layout
class StoredRatchets(Struct):
    """The confirmation tag ties it to its epoch, so that two halves of different epochs, as a
    broken store might give back, are never put together."""

    version: int = uint8()
    confirmation_tag: bytes = opaque()
    secret_tree: bytes = opaque()
    pending: tuple[bytes, ...] = vector(OPAQUE)
    update_keys: tuple[Secret, ...] = vector(secret())

    @classmethod
    def of(
        cls, confirmation_tag: bytes, secret_tree: SecretTree, pending: PendingProposals
    ) -> StoredRatchets:
        """The form to store."""
        ratchets = Writer()
        secret_tree.write(ratchets)
        return cls(
            version=RATCHET_STATE_VERSION,
            confirmation_tag=confirmation_tag,
            secret_tree=ratchets.getvalue(),
            pending=pending.messages,
            update_keys=pending.update_keys,
        )

    def restore(self, state: EpochState) -> tuple[SecretTree, PendingProposals]:
        """What was stored, for this epoch. Raises Malformed, DecodeError, MLSError."""
        if self.version != RATCHET_STATE_VERSION:
            raise Malformed(f"ratchet state of version {self.version}")
        if self.confirmation_tag != state.confirmation_tag:
            raise Malformed("ratchet state of another epoch")
        reader = Reader(self.secret_tree)
        secret_tree = SecretTree.read(state.suite, reader)
        reader.finish()
        if secret_tree.leaf_count != state.tree.leaf_count:
            raise Malformed("ratchet state of another tree")
        pending = PendingProposals.restore(state.suite, self.pending, self.update_keys)
        return secret_tree, pending
