"""The group that messages are processed in: a member who attacks, one who is attacked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from cloister.crypto.secret import Secret
from cloister.crypto.signature import Ed25519Key
from cloister.mls import (
    Extension,
    ExtensionType,
    Group,
    KeyPackageSecrets,
    ProposalReceived,
    StagedCommit,
    basic_credential,
)
from cloister.mls.commit import Commit
from cloister.mls.extension import ExternalSender, ExternalSenders
from cloister.mls.framing import AuthenticatedContent, Sender
from cloister.mls.message import MLSMessage
from cloister.mls.operations import Operations
from cloister.mls.private_message import PrivateMessage, open_content, open_sender_data
from cloister.mls.proposal import Add, Proposal, Remove, Update
from cloister.mls.registry import SenderType
from cloister.testing.forge import send, update_leaf
from unit.mls.members import (
    CHECKPOINT,
    CLASSICAL,
    ENTROPY,
    NOW,
    add,
    founder,
    join,
    package,
    settle,
    update,
)

PSKS: Final = {b"psk": Secret(b"key")}
MEMBERS: Final = 7
# Whoever may propose from outside.
OUTSIDE: Final = Ed25519Key(Secret(b"o" * 32))


@dataclass(frozen=True)
class World:
    """A group of seven that have all committed, and a newcomer.

    Attacker and victim both have the proposals behind ``references``: of a member to update and
    to remove, of somebody outside to add, of the victim to update.
    """

    attacker: Group
    victim: Group
    victim_state: bytes
    references: tuple[bytes, ...]
    newcomer: KeyPackageSecrets
    full: StagedCommit
    updating: StagedCommit
    welcoming: StagedCommit

    def opened(self, staged: StagedCommit) -> AuthenticatedContent:
        """The content of a commit of the attacker, as the victim decrypts it."""
        body = MLSMessage.decode(staged.message).body
        if not isinstance(body, PrivateMessage):
            raise TypeError("our own commit is a PrivateMessage")
        victim = self.victim
        sender = open_sender_data(victim.suite, victim.state.secrets.sender_data, body)
        key, _ = victim.secret_tree.take(
            sender.leaf_index, sender.generation, is_application=False, now=NOW
        )
        return open_content(victim.suite, body, sender, key)

    def commit(self, staged: StagedCommit) -> bytes:
        """The Commit structure of a commit of the attacker."""
        body = self.opened(staged).content.body
        if not isinstance(body, Commit):
            raise TypeError("our own commit is a Commit")
        return body.encode()


def _proposed(proposer: Group, other: Group) -> Iterator[bytes]:
    """Proposals that wait for a commit to refer to them."""
    yield send(proposer, Proposal(body=Update(leaf_node=update_leaf(proposer))))
    # Another member's, as a key is used once; about another leaf, as a commit touches each once.
    yield send(other, Proposal(body=Remove(removed=4)))
    outsider = package("outsider", CLASSICAL)
    yield send(
        proposer,
        Proposal(body=Add(key_package=outsider.parsed())),
        public=True,
        sender=Sender(sender_type=SenderType.NEW_MEMBER_PROPOSAL),
        key=Ed25519Key(outsider.signature_key),
    )


def _taken(group: Group, message: bytes) -> tuple[bytes, Group]:
    received = group.process(message, now=NOW, allow=Operations.ALL)
    if not isinstance(received, ProposalReceived):
        raise TypeError("our own proposal is a proposal")
    return received.reference, received.next


@cache
def world() -> World:
    """Make it, once."""
    extension = Extension(
        extension_type=ExtensionType.EXTERNAL_SENDERS,
        data=ExternalSenders(
            senders=(
                ExternalSender(signature_key=OUTSIDE.public, credential=basic_credential(b"")),
            )
        ).encode(),
    )
    packages = [package(f"member {n}", CLASSICAL) for n in range(1, MEMBERS)]
    staged = add(founder(CLASSICAL, extensions=(extension,)), *packages)
    groups = [staged.next, *(join(staged, one) for one in packages)]
    for committer in range(MEMBERS):
        groups = settle(groups, committer, update(groups[committer]))
    attacker, victim, proposer, other = groups[:4]
    references = []
    for message in _proposed(proposer, other):
        reference, attacker = _taken(attacker, message)
        _, victim = _taken(victim, message)
        references.append(reference)
    own = victim.propose(None, now=NOW, entropy=ENTROPY)
    victim = own.next
    _, attacker = _taken(attacker, own.message)
    references.append(own.reference)
    newcomer = package("newcomer", CLASSICAL)
    full = attacker.commit(
        adds=[package("added", CLASSICAL).key_package],
        removes=[3],
        extensions=[extension, Extension(extension_type=CHECKPOINT, data=b"checkpoint")],
        external_psks=PSKS,
        now=NOW,
        entropy=ENTROPY,
    )
    return World(
        attacker=attacker,
        victim=victim,
        victim_state=victim.encode(),
        references=tuple(references),
        newcomer=newcomer,
        full=full,
        updating=update(attacker),
        welcoming=add(attacker, newcomer),
    )
