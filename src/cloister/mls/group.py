"""A member's view of a group, as a frozen value: every operation gives a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex
from cloister.mls import key_schedule
from cloister.mls.committing import CommitPlan, make_commit
from cloister.mls.creating import UNLIMITED, create_group
from cloister.mls.credential import Credential
from cloister.mls.epoch import EpochState
from cloister.mls.errors import FOREIGN, Malformed, Misuse
from cloister.mls.extension import Extension
from cloister.mls.group_context import GroupContext
from cloister.mls.leaf_node import Lifetime
from cloister.mls.message import MLSMessage
from cloister.mls.operations import Operations
from cloister.mls.pending import PendingProposals
from cloister.mls.processing import process_message
from cloister.mls.proposal import ProposalBody, ReInit
from cloister.mls.proposal_list import SentProposal
from cloister.mls.proposing import MadeProposal, make_proposal, make_update
from cloister.mls.protecting import Envelope, protect, sign_content
from cloister.mls.ratchet_records import Ratchets
from cloister.mls.received import Member, Received
from cloister.mls.secret_tree import SecretTree
from cloister.mls.stage import name_psks
from cloister.mls.stored_group import StoredGroup
from cloister.mls.suite import Suite
from cloister.mls.welcoming import make_group_info
from cloister.values import replace

NO_PSKS: Final[Mapping[bytes, Secret]] = MappingProxyType({})
PRIVATE: Final = Envelope()


class Group(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One member's state of one group in one epoch.

    No operation changes a group: ``commit``, ``encrypt`` and ``process`` return the next one.
    The caller stores it before the message leaves or the plaintext is shown.
    """

    state: EpochState
    secret_tree: SecretTree
    pending: PendingProposals = msgspec.field(default_factory=PendingProposals)

    # -- making one -----------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        suite: int,
        group_id: bytes,
        *,
        signature_seed: Secret,
        credential: Credential,
        lifetime: Lifetime = UNLIMITED,
        leaf_extensions: Sequence[Extension] = (),
        supported_extensions: Sequence[int] = (),
        group_extensions: Sequence[Extension] = (),
        entropy: Entropy,
    ) -> Group:
        """Create a group with one member, in epoch 0 (RFC 9420 section 11).

        Args:
            suite: the cipher suite's code point.
            signature_seed: our signature key in stored form; an Ed25519 seed has 32 bytes.
            supported_extensions: as for make_key_package; the types of ``group_extensions``
                must be among them.

        Raises Unsupported, RuleViolation.
        """
        with FOREIGN:
            state, secret_tree = create_group(
                suite,
                group_id,
                signature_seed=signature_seed,
                credential=credential,
                lifetime=lifetime,
                leaf_extensions=leaf_extensions,
                supported_extensions=supported_extensions,
                group_extensions=group_extensions,
                entropy=entropy,
            )
        return cls(state=state, secret_tree=secret_tree)

    # -- reading --------------------------------------------------------------------------

    @property
    def suite(self) -> Suite:
        """The cipher suite."""
        return self.state.suite

    @property
    def group_id(self) -> bytes:
        """The group's id."""
        return self.state.context.group_id

    @property
    def epoch(self) -> int:
        """The epoch number."""
        return self.state.context.epoch

    @property
    def group_context(self) -> GroupContext:
        """The group context of this epoch."""
        return self.state.context

    @property
    def extensions(self) -> tuple[Extension, ...]:
        """The extensions of the group context."""
        return self.state.context.extensions

    @property
    def own_leaf(self) -> LeafIndex:
        """Our leaf index."""
        return self.state.own_leaf

    @property
    def epoch_authenticator(self) -> bytes:
        """The epoch authenticator (8.7): equal for members who agree. Not secret among them."""
        return self.state.secrets.authenticator.expose()

    @property
    def reinit(self) -> ReInit | None:
        """The ReInit that ended this group, or None: what a new group must fulfil (11.2)."""
        return self.state.reinit

    @property
    def proposals(self) -> Mapping[bytes, SentProposal]:
        """The proposals received or made in this epoch, by reference, in their order."""
        return self.pending.by_reference

    def members(self) -> tuple[Member, ...]:
        """The members in the order of their leaves."""
        return tuple(Member(index, leaf) for index, leaf in self.state.tree.leaves())

    def ratchet_tree(self) -> bytes:
        """The public tree as a joiner needs it (12.4.3.3)."""
        return self.state.tree.encode()

    def export(self, label: str | bytes, context: bytes, length: int) -> Secret:
        """MLS-Exporter (8.5). One label for one purpose; the context is hashed."""
        name = label.encode() if isinstance(label, str) else label
        return key_schedule.export(self.suite, self.state.secrets.exporter, name, context, length)

    def group_info(
        self,
        *,
        with_tree: bool = True,
        with_external_pub: bool = True,
        extensions: Sequence[Extension] = (),
    ) -> bytes:
        """A signed GroupInfo of this epoch, an MLSMessage, for who joins by an external commit."""
        self._demand_open()
        made = make_group_info(
            self.state, extensions, with_tree=with_tree, with_external_pub=with_external_pub
        )
        return MLSMessage(body=made).encode()

    # -- sending --------------------------------------------------------------------------

    def encrypt(
        self,
        plaintext: bytes,
        *,
        authenticated_data: bytes = b"",
        pad_to: Sequence[int] = (),
        entropy: Entropy,
    ) -> tuple[bytes, Group]:
        """Encrypt and sign an application message.

        Args:
            authenticated_data: bytes the relay can read but not change.
            pad_to: the sizes the message may have; the smallest that fits is taken.

        Returns the MLSMessage and the group without its key. Raises Misuse when no size fits.
        """
        self._demand_open()
        envelope = Envelope(authenticated_data=authenticated_data, pad_to=pad_to)
        signed = sign_content(self.state, plaintext, envelope)
        message, secret_tree = protect(self.state, self.secret_tree, signed, envelope, entropy)
        return message, replace(self, secret_tree=secret_tree)

    def propose(
        self, body: ProposalBody | None, *, envelope: Envelope = PRIVATE, now: int, entropy: Entropy
    ) -> SentProposalMessage:
        """Propose what another member may commit to (12.1).

        Args:
            body: an Add, Remove, PreSharedKey, ReInit or GroupContextExtensions; None for an
                Update of our own leaf with a fresh key.
            envelope: the form of the message; private and unpadded unless it says otherwise.

        Raises MLSError when the proposal would break a rule.
        """
        self._demand_open()
        with FOREIGN:
            made: MadeProposal
            if body is None:
                made = make_update(
                    self.state, self.secret_tree, self.pending, envelope, now, entropy
                )
            else:
                made = make_proposal(
                    self.state, self.secret_tree, self.pending, body, envelope, now, entropy
                )
        following = replace(self, secret_tree=made.sent, pending=made.pending)
        return SentProposalMessage(message=made.message, reference=made.reference, next=following)

    def commit(
        self,
        *,
        adds: Sequence[bytes] = (),
        removes: Sequence[int] = (),
        extensions: Sequence[Extension] | None = None,
        external_psks: Mapping[bytes, Secret] = NO_PSKS,
        resumption_epochs: Sequence[int] = (),
        references: Sequence[bytes] = (),
        known_psks: Mapping[bytes, Secret] = NO_PSKS,
        reinit: ReInit | None = None,
        authenticated_data: bytes = b"",
        group_info_extensions: Sequence[Extension] = (),
        tree_in_welcome: bool = True,
        as_public: bool = False,
        pad_to: Sequence[int] = (),
        now: int,
        entropy: Entropy,
    ) -> StagedCommit:
        """Make a commit with a fresh path; with no arguments, an update of our own keys.

        Args:
            adds: KeyPackages to add.
            removes: leaf indices to remove.
            extensions: new extensions of the group context, or None to leave them.
            external_psks: pre-shared keys to mix in, by psk_id.
            resumption_epochs: epochs of this group whose resumption_psk to mix in.
            references: proposals of this epoch to take up; others are left.
            known_psks: external keys that those proposals may name, by psk_id.
            reinit: ends the group in favour of another; nothing else may stand beside it.
            tree_in_welcome: whether the Welcome carries the tree; else the joiners need
                ``StagedCommit.ratchet_tree`` beside it.
            as_public: a PublicMessage; the product never sends one.
            now: seconds since the epoch, for the lifetimes of KeyPackages.

        Raises MLSError when the commit would break a rule, Misuse when it fits none of the sizes.
        """
        nonces = [entropy.random(self.suite.nh) for _ in (*external_psks, *resumption_epochs)]
        with FOREIGN:
            return self.commit_plan(
                CommitPlan(
                    adds=adds,
                    removes=removes,
                    extensions=extensions,
                    psks=name_psks(self.state, external_psks, resumption_epochs, nonces),
                    references=references,
                    known_psks=known_psks,
                    reinit=reinit,
                    envelope=Envelope(
                        as_public=as_public,
                        authenticated_data=authenticated_data,
                        pad_to=pad_to,
                    ),
                    group_info_extensions=group_info_extensions,
                    tree_in_welcome=tree_in_welcome,
                    now=now,
                ),
                entropy,
            )

    def commit_plan(self, plan: CommitPlan, entropy: Entropy) -> StagedCommit:
        """Commit as planned, within the engine; the layers below may raise their own errors."""
        self._demand_open()
        made = make_commit(self.state, self.secret_tree, self.pending, plan, entropy)
        return StagedCommit(
            message=made.message,
            welcome=made.welcome,
            sent=replace(self, secret_tree=made.sent),
            next=Group(state=made.next, secret_tree=made.next_secret_tree),
        )

    def _demand_open(self) -> None:
        """Section 12.4.2: nothing is sent in a group that was reinitialised. Raises Misuse."""
        if self.state.reinit is not None:
            raise Misuse("the group was reinitialised: nothing can be sent in it any more")

    # -- receiving ------------------------------------------------------------------------

    def process(
        self,
        message: bytes,
        *,
        now: int | None,
        psks: Mapping[bytes, Secret] = NO_PSKS,
        allow: Operations = Operations.NONE,
    ) -> Received:
        """Process an MLSMessage of this group and epoch.

        Args:
            now: seconds since the epoch; None checks no lifetimes and ages no keys (vectors).
            psks: external pre-shared keys by psk_id.
            allow: what beyond the profile of Cloister is not refused as Unsupported.

        Raises a subclass of MLSError, OwnMessage for our own echo; any other exception is a bug.
        This group is a value and stays as it is in every case.
        """
        with FOREIGN:
            return process_message(self, message, now=now, psks=psks, allow=allow)

    # -- storing --------------------------------------------------------------------------

    def epoch_state(self) -> bytes:
        """What changes with each commit: context, tree, keys. Secret, canonical, versioned."""
        return self.state.encode()

    def ratchet_records(self) -> dict[bytes, bytes]:
        """What changes with each message, by keys of 18 bytes. Secret, canonical, versioned."""
        return self._ratchets().records()

    def ratchet_changes(self, before: Group | None) -> dict[bytes, bytes | None]:
        """What turns the stored ``ratchet_records`` of ``before`` into ours.

        A value is to be put under its key, None to be deleted, in one transaction with what
        follows from the message (9.2). At any group size a message changes a few records.
        """
        return self._ratchets().changes_since(None if before is None else before._ratchets())

    def _ratchets(self) -> Ratchets:
        return Ratchets(self.state.confirmation_tag, self.secret_tree, self.pending)

    @classmethod
    def restore(cls, epoch_state: bytes, ratchet_records: Mapping[bytes, bytes]) -> Group:
        """The group from its two stored parts. Raises MLSError, also when they, or the records
        among themselves, do not belong together."""
        with FOREIGN:
            state = EpochState.decode(epoch_state)
            ratchets = Ratchets.restore(state.suite, state.confirmation_tag, ratchet_records)
            if ratchets.secret_tree.leaf_count != state.tree.leaf_count:
                raise Malformed("ratchet records of another tree")
            return cls(state=state, secret_tree=ratchets.secret_tree, pending=ratchets.pending)

    def encode(self) -> bytes:
        """Both parts as one. Secret, canonical, versioned."""
        return StoredGroup.of(self.epoch_state(), self.ratchet_records()).encode()

    @classmethod
    def decode(cls, data: bytes) -> Group:
        """The group from ``encode``. Raises MLSError."""
        with FOREIGN:
            stored = StoredGroup.decode(data)
            records = stored.records()
        return cls.restore(stored.epoch_state.expose(), records)


class StagedCommit(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A commit that has been made but not yet accepted by the relay.

    Attributes:
        message: the commit, an MLSMessage with a PrivateMessage.
        welcome: the Welcome for those it adds, an MLSMessage, or None.
        sent: the group in the old epoch without the key this message used. Store it in place of
            the old value, so that no key encrypts two messages if this commit loses the race.
        next: the group in the new epoch: the new state once our own bytes come back.
    """

    message: bytes
    welcome: bytes | None
    sent: Group
    next: Group

    @property
    def ratchet_tree(self) -> bytes:
        """The public tree after the commit, for joiners when the Welcome does not carry it."""
        return self.next.ratchet_tree()


class SentProposalMessage(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A proposal of ours.

    Attributes:
        message: the MLSMessage to send.
        reference: the name by which a commit refers to it.
        next: the group with the proposal pending and without the key this message used.
    """

    message: bytes
    reference: bytes
    next: Group
