"""Proposals received in an epoch, waiting for a commit that refers to them (section 12.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from cloister.crypto.secret import Secret
from cloister.mls.errors import Malformed, MLSError
from cloister.mls.framing import AuthenticatedContent
from cloister.mls.limits import MAX_PENDING_BYTES, MAX_PENDING_PROPOSALS
from cloister.mls.proposal import Proposal, proposal_reference
from cloister.mls.proposal_list import SentProposal
from cloister.mls.suite import Suite
from cloister.values import replace


class PendingProposals(msgspec.Struct, frozen=True, eq=False):
    """The AuthenticatedContent of each proposal, and the proposals by reference.

    ``update_keys`` are the private keys of the leaves that our own Updates propose.
    """

    messages: tuple[bytes, ...] = ()
    by_reference: Mapping[bytes, SentProposal] = msgspec.field(default_factory=dict)
    update_keys: tuple[Secret, ...] = ()

    def with_proposal(
        self, suite: Suite, authenticated: AuthenticatedContent
    ) -> tuple[bytes, PendingProposals]:
        """Add a verified proposal; returns its reference too. Raises MLSError when full."""
        encoded = authenticated.encode()
        reference = proposal_reference(suite, encoded)
        if reference in self.by_reference:
            return reference, self
        held = sum(map(len, self.messages))
        if len(self.messages) >= MAX_PENDING_PROPOSALS or held + len(encoded) > MAX_PENDING_BYTES:
            raise MLSError("too many proposals in one epoch")
        proposal = authenticated.content.body
        if not isinstance(proposal, Proposal):
            raise Malformed("not a proposal")
        sent = SentProposal(proposal, authenticated.content.sender)
        return reference, replace(
            self,
            messages=(*self.messages, encoded),
            by_reference={**self.by_reference, reference: sent},
        )

    @classmethod
    def restore(
        cls, suite: Suite, messages: Sequence[bytes], update_keys: Sequence[Secret]
    ) -> PendingProposals:
        """From what is stored. Raises DecodeError, MLSError."""
        if not all(suite.is_private_key(seed) for seed in update_keys):
            raise Malformed("a private key is none")
        restored = cls(update_keys=tuple(update_keys))
        for message in messages:
            _, restored = restored.with_proposal(suite, AuthenticatedContent.decode(message))
        return restored
