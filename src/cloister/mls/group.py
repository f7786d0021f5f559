"""A member's view of a group, as a frozen value: every operation gives a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from cloister.codec import OPAQUE, Reader, Struct, Writer, layout, opaque, uint8, vector
from cloister.crypto.entropy import Entropy
from cloister.crypto.secret import Secret
from cloister.ids import LeafIndex, NodeIndex
from cloister.mls import key_schedule
from cloister.mls.committing import CommitPlan, make_commit
from cloister.mls.credential import Credential
from cloister.mls.epoch import EpochState
from cloister.mls.errors import FOREIGN, Malformed
from cloister.mls.extension import Extension
from cloister.mls.framing import AuthenticatedContent, ContentAuth, sign
from cloister.mls.group_context import GroupContext
from cloister.mls.key_package import make_key_package_leaf
from cloister.mls.leaf_check import check_all_support
from cloister.mls.leaf_node import Lifetime
from cloister.mls.pending import PendingProposals
from cloister.mls.private_message import make_member_content, seal_private_message
from cloister.mls.processing import process_message
from cloister.mls.proposal_list import check_extensions_well_formed
from cloister.mls.psk import psk_secret
from cloister.mls.ratchet_tree import RatchetTree
from cloister.mls.received import Member, Received
from cloister.mls.registry import ProtocolVersion, WireFormat
from cloister.mls.secret_tree import SecretTree
from cloister.mls.suite import Suite, suite_of

RATCHET_STATE_VERSION: Final = 1
# A lifetime that says nothing, for the creator's own leaf, which nobody adds from a KeyPackage.
UNLIMITED: Final = Lifetime(not_before=0, not_after=2**64 - 1)
NO_PSKS: Final[Mapping[bytes, Secret]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Group:
    """One member's state of one group in one epoch.

    No operation changes a group: ``commit``, ``encrypt`` and ``process`` return the next one.
    The caller stores it before the message leaves or the plaintext is shown.
    """

    state: EpochState
    secret_tree: SecretTree
    pending: PendingProposals = field(default_factory=PendingProposals)

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
            chosen = suite_of(suite)
            check_extensions_well_formed(group_extensions)
            key = chosen.signature_key(signature_seed)
            encryption_key = chosen.generate_key_pair(entropy)
            leaf = make_key_package_leaf(
                chosen,
                key=key,
                encryption_key=encryption_key.public,
                credential=credential,
                lifetime=lifetime,
                leaf_extensions=leaf_extensions,
                supported_extensions=supported_extensions,
            )
            check_all_support([leaf], group_extensions)
            tree = RatchetTree.of_one(chosen, leaf)
            context = GroupContext(
                version=ProtocolVersion.MLS10,
                cipher_suite=chosen.code,
                group_id=group_id,
                epoch=0,
                tree_hash=tree.tree_hash(),
                confirmed_transcript_hash=b"",
                extensions=tuple(group_extensions),
            )
            joiner = Secret(entropy.random(chosen.nh))
            secrets, encryption_secret = key_schedule.epoch_secrets(
                chosen, joiner, psk_secret(chosen, ()), context.encode()
            )
            tag = chosen.mac(secrets.confirmation, b"")
            state = EpochState(
                suite=chosen,
                context=context,
                tree=tree,
                own_leaf=LeafIndex(0),
                signature_key=key,
                private_keys={NodeIndex(0): encryption_key},
                secrets=secrets,
                interim_transcript_hash=key_schedule.interim_transcript_hash(chosen, b"", tag),
                confirmation_tag=tag,
            )
            return cls(state=state, secret_tree=SecretTree.new(chosen, 1, encryption_secret))

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
        state = self.state
        content = make_member_content(
            self.group_id, self.epoch, self.own_leaf, authenticated_data, plaintext
        )
        signature = sign(
            state.suite,
            state.signature_key,
            WireFormat.PRIVATE_MESSAGE,
            content,
            state.context.encode(),
        )
        key, secret_tree = self.secret_tree.take_next(self.own_leaf, is_application=True)
        message = seal_private_message(
            state.suite,
            AuthenticatedContent(
                wire_format=WireFormat.PRIVATE_MESSAGE,
                content=content,
                auth=ContentAuth(signature=signature),
            ),
            sender_data_secret=state.secrets.sender_data,
            key=key,
            pad_to=pad_to,
            entropy=entropy,
        )
        return message, replace(self, secret_tree=secret_tree)

    def commit(
        self,
        *,
        adds: Sequence[bytes] = (),
        removes: Sequence[int] = (),
        extensions: Sequence[Extension] | None = None,
        external_psks: Mapping[bytes, Secret] = NO_PSKS,
        authenticated_data: bytes = b"",
        group_info_extensions: Sequence[Extension] = (),
        tree_in_welcome: bool = True,
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
            tree_in_welcome: whether the Welcome carries the tree; else the joiners need
                ``StagedCommit.ratchet_tree`` beside it.
            now: seconds since the epoch, for the lifetimes of KeyPackages.

        Proposals received in this epoch are not taken up. Raises MLSError when the commit would
        break a rule, Misuse when it fits none of the sizes.
        """
        with FOREIGN:
            made = make_commit(
                self.state,
                self.secret_tree,
                CommitPlan(
                    adds=adds,
                    removes=removes,
                    extensions=extensions,
                    external_psks=external_psks,
                    authenticated_data=authenticated_data,
                    group_info_extensions=group_info_extensions,
                    tree_in_welcome=tree_in_welcome,
                    pad_to=pad_to,
                    now=now,
                ),
                entropy,
            )
        return StagedCommit(
            message=made.message,
            welcome=made.welcome,
            sent=replace(self, secret_tree=made.sent),
            next=Group(state=made.next, secret_tree=made.next_secret_tree),
        )

    # -- receiving ------------------------------------------------------------------------

    def process(
        self, message: bytes, *, now: int | None, psks: Mapping[bytes, Secret] = NO_PSKS
    ) -> Received:
        """Process an MLSMessage of this group and epoch.

        Args:
            now: seconds since the epoch; None checks no lifetimes and ages no keys (vectors).
            psks: external pre-shared keys by psk_id.

        Raises a subclass of MLSError, OwnMessage for our own echo; any other exception is a bug.
        This group is a value and stays as it is in every case.
        """
        with FOREIGN:
            return process_message(self, message, now=now, psks=psks)

    # -- storing --------------------------------------------------------------------------

    def epoch_state(self) -> bytes:
        """What changes with each commit: context, tree, keys. Secret, canonical, versioned."""
        return self.state.encode()

    def ratchet_state(self) -> bytes:
        """What changes with each message: the secret tree and pending proposals. Secret."""
        ratchets = Writer()
        self.secret_tree.write(ratchets)
        return StoredRatchets(
            version=RATCHET_STATE_VERSION,
            confirmation_tag=self.state.confirmation_tag,
            secret_tree=ratchets.getvalue(),
            pending=self.pending.messages,
        ).encode()

    @classmethod
    def restore(cls, epoch_state: bytes, ratchet_state: bytes) -> Group:
        """The group from its two stored parts. Raises MLSError, also when they do not belong
        together."""
        with FOREIGN:
            state = EpochState.decode(epoch_state)
            stored = StoredRatchets.decode(ratchet_state)
            if stored.version != RATCHET_STATE_VERSION:
                raise Malformed(f"ratchet state of version {stored.version}")
            if stored.confirmation_tag != state.confirmation_tag:
                raise Malformed("ratchet state of another epoch")
            reader = Reader(stored.secret_tree)
            secret_tree = SecretTree.read(state.suite, reader)
            reader.finish()
            if secret_tree.leaf_count != state.tree.leaf_count:
                raise Malformed("ratchet state of another tree")
            return cls(
                state=state,
                secret_tree=secret_tree,
                pending=PendingProposals.restore(state.suite, stored.pending),
            )

    def encode(self) -> bytes:
        """Both parts as one. Secret, canonical, versioned."""
        writer = Writer()
        writer.opaque(self.epoch_state())
        writer.opaque(self.ratchet_state())
        return writer.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Group:
        """The group from ``encode``. Raises MLSError."""
        with FOREIGN:
            reader = Reader(data)
            epoch_state, ratchet_state = reader.opaque(), reader.opaque()
            reader.finish()
        return cls.restore(epoch_state, ratchet_state)


@layout
class StoredRatchets(Struct):
    """The stored form of what changes with each message.

    The confirmation tag ties it to its epoch, so that two halves of different epochs, as a
    broken store might give back, are never put together.
    """

    version: int = uint8()
    confirmation_tag: bytes = opaque()
    secret_tree: bytes = opaque()
    pending: tuple[bytes, ...] = vector(OPAQUE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StagedCommit:
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
