"""A group with all its members, one of whom only listens: what a passive client's case is of.

Every message is processed by every member with the engine, so a story that the engine itself
does not follow is never written down.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cloister.mls import (
    CommitReceived,
    Envelope,
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    Operations,
    PreSharedKey,
    PreSharedKeyId,
    ProposalReceived,
    ReInit,
    basic_credential,
    join_externally,
    make_key_package,
    open_welcome,
)
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import ContentAuth, FramedContent, Sender, sign
from cloister.mls.message import MLSMessage
from cloister.mls.proposal import Add, Proposal, ProposalBody
from cloister.mls.public_message import PublicMessage
from cloister.mls.registry import PskType, SenderType, WireFormat
from vectors.known_answers.generator.draw import Draw, text
from vectors.known_answers.generator.pathless import commit_without_path
from vectors.known_answers.generator.trees import LIFETIME, NOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cloister.crypto.scheme import SignatureKey
    from cloister.crypto.secret import Secret
    from cloister.mls.suite import Suite

# An extension type of the application's own, which all members support.
NOTICE = 0xF0A1


@dataclass(frozen=True)
class Committed:
    """The messages of a commit."""

    message: bytes
    welcome: bytes | None


class Story:
    """A group from its first epoch on; members are named by their leaf indices."""

    def __init__(self, suite: Suite, purpose: str, *, outsider: bool = False) -> None:
        self.suite = suite
        self.draw = Draw(f"{purpose} {suite.code}")
        self.psks: dict[bytes, Secret] = {}
        self._outsider_key: SignatureKey = suite.signature_key(
            suite.generate_signature_seed(self.draw)
        )
        first = self.newcomer()
        founder = Group.create(
            suite.code,
            self.draw.random(16),
            signature_seed=first.signature_key,
            credential=basic_credential(b"founder"),
            supported_extensions=(NOTICE,),
            group_extensions=(self.external_senders(),) if outsider else (),
            entropy=self.draw,
        )
        self.members = {0: founder}
        self._proposals: list[str] = []
        self._head: dict[str, Any] | None = None
        self._epochs: list[dict[str, Any]] = []
        self._listener: int | None = None

    # What messages are made of

    def newcomer(self) -> KeyPackageSecrets:
        """A key package of somebody new."""
        return make_key_package(
            self.suite.code,
            signature_seed=self.suite.generate_signature_seed(self.draw),
            credential=basic_credential(b"member " + self.draw.random(2).hex().encode()),
            lifetime=LIFETIME,
            supported_extensions=(NOTICE,),
            entropy=self.draw,
        )

    def external_senders(self) -> Extension:
        """The extension that lets one outsider propose."""
        sender = ExternalSender(
            signature_key=self._outsider_key.public, credential=basic_credential(b"outsider")
        )
        return Extension(
            extension_type=ExtensionType.EXTERNAL_SENDERS,
            data=ExternalSenders(senders=(sender,)).encode(),
        )

    def notice(self) -> Extension:
        """An extension of the application's own, with other data each time."""
        return Extension(extension_type=NOTICE, data=self.draw.random(9))

    def new_psk(self) -> bytes:
        """The psk_id of a pre-shared key that everybody knows."""
        psk_id = self.draw.random(6)
        self.psks[psk_id] = self.draw.secret(24)
        return psk_id

    def psk_proposal(self) -> PreSharedKey:
        """A proposal of a new external pre-shared key."""
        return PreSharedKey(
            psk=PreSharedKeyId(
                psk_type=PskType.EXTERNAL,
                psk_id=self.new_psk(),
                psk_nonce=self.draw.random(self.suite.nh),
            )
        )

    # What happens in the group

    def propose(self, by: int, body: ProposalBody | None, *, public: bool = False) -> bytes:
        """A member proposes; None stands for an Update of its own leaf."""
        made = self.members[by].propose(
            body, envelope=Envelope(as_public=public), now=NOW, entropy=self.draw
        )
        self.members[by] = made.next
        self._deliver_proposal(made.message, by)
        return made.message

    def propose_from_outside(self, body: ProposalBody) -> None:
        """The outsider proposes."""
        sender = Sender(sender_type=SenderType.EXTERNAL, index=0)
        self._send_from_outside(sender, body, self._outsider_key)

    def ask_to_be_added(self) -> KeyPackageSecrets:
        """Somebody new proposes to be added."""
        secrets = self.newcomer()
        sender = Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL)
        body = Add(key_package=secrets.parsed())
        self._send_from_outside(sender, body, self.suite.signature_key(secrets.signature_key))
        return secrets

    def _send_from_outside(self, sender: Sender, body: ProposalBody, key: SignatureKey) -> None:
        group = self.members[0]
        content = FramedContent(
            group_id=group.group_id,
            epoch=group.epoch,
            sender=sender,
            authenticated_data=b"",
            body=Proposal(body=body),
        )
        signature = sign(self.suite, key, WireFormat.PUBLIC_MESSAGE, content, b"")
        message = PublicMessage(content=content, auth=ContentAuth(signature=signature))
        self._deliver_proposal(MLSMessage(body=message).encode(), None)

    def _deliver_proposal(self, message: bytes, by: int | None) -> None:
        self._proposals.append(text(message))
        for leaf, group in self.members.items():
            if leaf != by:
                received = group.process(message, now=None, allow=Operations.ALL)
                assert isinstance(received, ProposalReceived)
                self.members[leaf] = received.next

    def commit(
        self,
        by: int,
        *,
        adds: Sequence[KeyPackageSecrets] = (),
        removes: Sequence[int] = (),
        extensions: Sequence[Extension] | None = None,
        psks: Sequence[bytes] = (),
        resumption_epochs: Sequence[int] = (),
        joining: Sequence[KeyPackageSecrets] = (),
        tree_in_welcome: bool = True,
        reinit: ReInit | None = None,
        public: bool = False,
    ) -> Committed:
        """A member commits to these, and to every proposal of the epoch.

        ``joining`` are those whose Adds were proposed before.
        """
        group = self.members[by]
        staged = group.commit(
            adds=[one.key_package for one in adds],
            removes=removes,
            extensions=extensions,
            external_psks={psk_id: self.psks[psk_id] for psk_id in psks},
            resumption_epochs=resumption_epochs,
            references=tuple(group.proposals),
            known_psks=self.psks,
            reinit=reinit,
            tree_in_welcome=tree_in_welcome,
            as_public=public,
            now=NOW,
            entropy=self.draw,
        )
        self._settle(by, staged.message, staged.next)
        self._welcome(staged.welcome, (*joining, *adds), staged.next, tree_in_welcome)
        return Committed(staged.message, staged.welcome)

    def commit_without_path(
        self,
        by: int,
        *,
        adds: Sequence[KeyPackageSecrets] = (),
        psks: int = 0,
        joining: Sequence[KeyPackageSecrets] = (),
        public: bool = False,
    ) -> Committed:
        """A member commits, without a path, to Adds and new pre-shared keys."""
        bodies: list[ProposalBody] = [Add(key_package=one.parsed()) for one in adds]
        bodies += [self.psk_proposal() for _ in range(psks)]
        made = commit_without_path(self.members[by], bodies, self.psks, self.draw, public=public)
        self._settle(by, made.message, made.next)
        self._welcome(made.welcome, (*joining, *adds), made.next, tree_in_welcome=True)
        return Committed(made.message, made.welcome)

    def join_from_outside(self, *, replaces: int | None = None, psks: Sequence[bytes] = ()) -> None:
        """Somebody adds himself, perhaps in place of a former self of his."""
        secrets = self.newcomer()
        if replaces is not None:
            # The same client, so the same signature key.
            old = self.members[replaces].state.signature_key
            secrets = make_key_package(
                self.suite.code,
                signature_seed=old.seed,
                credential=basic_credential(b"back again"),
                lifetime=LIFETIME,
                supported_extensions=(NOTICE,),
                entropy=self.draw,
            )
        info = next(iter(self.members.values())).group_info()
        made = join_externally(
            info,
            secrets,
            external_psks={psk_id: self.psks[psk_id] for psk_id in psks},
            replaces=replaces,
            entropy=self.draw,
        )
        self._settle(None, made.message, made.next)

    def _settle(self, by: int | None, message: bytes, committer: Group) -> None:
        """Everybody enters the epoch that a commit begins, and agrees about it."""
        after = [committer]
        for leaf, group in self.members.items():
            if leaf != by:
                received = group.process(message, now=None, psks=self.psks, allow=Operations.ALL)
                assert isinstance(received, CommitReceived)
                if received.next is not None:
                    after.append(received.next)
        self.members = {group.own_leaf: group for group in after}
        assert len({group.epoch_authenticator for group in after}) == 1
        assert len({group.ratchet_tree() for group in after}) == 1
        if self._head is not None:
            self._epochs.append(
                {
                    "proposals": self._proposals,
                    "commit": text(message),
                    "epoch_authenticator": text(committer.epoch_authenticator),
                }
            )
        self._proposals = []

    def _welcome(
        self,
        welcome: bytes | None,
        joiners: Sequence[KeyPackageSecrets],
        committer: Group,
        tree_in_welcome: bool,
    ) -> None:
        for secrets in joiners:
            assert welcome is not None
            tree = None if tree_in_welcome else committer.ratchet_tree()
            group = open_welcome(welcome, secrets, self.psks).join(tree, now=None)
            assert group.epoch_authenticator == committer.epoch_authenticator
            self.members[group.own_leaf] = group

    # The case

    def begin_case(
        self, listener: KeyPackageSecrets, committed: Committed, *, tree_in_welcome: bool = True
    ) -> None:
        """From here on the story is told as the member sees it who was added just now."""
        assert committed.welcome is not None
        package = listener.parsed()
        group = next(
            group
            for leaf, group in self.members.items()
            if group.state.tree.leaf(leaf) == package.leaf_node
        )
        self._listener = group.own_leaf
        self._head = {
            "cipher_suite": self.suite.code,
            "key_package": text(MLSMessage(body=package).encode()),
            "signature_priv": text(listener.signature_key),
            "encryption_priv": text(listener.encryption_key),
            "init_priv": text(listener.init_key),
            "welcome": text(committed.welcome),
            "ratchet_tree": None if tree_in_welcome else text(group.ratchet_tree()),
            "initial_epoch_authenticator": text(group.epoch_authenticator),
        }

    @property
    def speakers(self) -> list[int]:
        """The members that may act and be removed: all but the one that listens."""
        return sorted(leaf for leaf in self.members if leaf != self._listener)

    def case(self) -> dict[str, Any]:
        """The case, up to the present epoch."""
        assert self._head is not None
        psks = [{"psk_id": text(one), "psk": text(psk)} for one, psk in self.psks.items()]
        return {**self._head, "external_psks": psks, "epochs": self._epochs}
