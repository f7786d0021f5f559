"""MLS (RFC 9420), sans I/O.

    from cloister import mls

    secrets = mls.make_key_package(suite, ...)            # publish secrets.key_package
    group = mls.Group.create(suite, group_id, ...)
    staged = group.commit(adds=[key_package], ...)        # send staged.message, staged.welcome
    group = staged.next                                   # once the relay has accepted it
    other = mls.open_welcome(staged.welcome, secrets).join(None, now=now)
    message, group = group.encrypt(b"hello", entropy=entropy)
    received = other.process(message, now=now)            # received.plaintext, received.next

Groups are frozen values: an operation returns the next one, and whatever raises has changed
nothing. Time and entropy are arguments. Foreign bytes raise subclasses of MLSError only.

For a client whose KeyPackage was made elsewhere:

    secrets = mls.KeyPackageSecrets(key_package=..., init_key=Secret(...),
                                    encryption_key=Secret(...), signature_key=Secret(...))
    group = mls.open_welcome(welcome, secrets, {psk_id: Secret(psk)}).join(tree_or_none, now=None)
    group.process(message, now=None, psks={...}); group.export(label, context, length)
    group.epoch_authenticator; group.members(); group.ratchet_tree()

with ``key_package`` the bare structure, messages and Welcome as MLSMessage, the tree as in the
ratchet_tree extension; ``now=None`` checks no lifetimes. Cases in the form of
passive-client-*.json: ``cloister.mls.passive.run_cases(decode_cases(data))``, or
``python -m cloister.mls passive FILE.json``, the command line with the other operations too.
"""

from cloister.mls.credential import Credential, basic_credential
from cloister.mls.errors import (
    ConsumedGeneration,
    Malformed,
    Misuse,
    MLSError,
    NotForUs,
    OwnMessage,
    RuleViolation,
    TooFarAhead,
    Undecryptable,
    UnknownProposal,
    UnknownPsk,
    Unsupported,
    WrongEpoch,
    WrongGroup,
)
from cloister.mls.extension import Extension
from cloister.mls.group import Group, SentProposalMessage, StagedCommit
from cloister.mls.group_context import GroupContext
from cloister.mls.joining_externally import ExternalJoin, join_externally
from cloister.mls.key_package import KeyPackage, KeyPackageSecrets, make_key_package
from cloister.mls.leaf_node import Capabilities, LeafNode, Lifetime
from cloister.mls.opened_welcome import OpenedWelcome, open_welcome
from cloister.mls.operations import Operations
from cloister.mls.proposal import (
    Add,
    GroupContextExtensions,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    Update,
)
from cloister.mls.protecting import Envelope
from cloister.mls.psk import PreSharedKeyId
from cloister.mls.received import (
    ApplicationReceived,
    CommitReceived,
    Member,
    ProposalReceived,
    Received,
)
from cloister.mls.registry import CipherSuite, ExtensionType
from cloister.mls.rules import Rule
from cloister.mls.successor import branch, reinitialise
from cloister.mls.suite import suite_of

__all__ = [
    "Add",
    "ApplicationReceived",
    "Capabilities",
    "CipherSuite",
    "CommitReceived",
    "ConsumedGeneration",
    "Credential",
    "Envelope",
    "Extension",
    "ExtensionType",
    "ExternalJoin",
    "Group",
    "GroupContext",
    "GroupContextExtensions",
    "KeyPackage",
    "KeyPackageSecrets",
    "LeafNode",
    "Lifetime",
    "MLSError",
    "Malformed",
    "Member",
    "Misuse",
    "NotForUs",
    "OpenedWelcome",
    "Operations",
    "OwnMessage",
    "PreSharedKey",
    "PreSharedKeyId",
    "Proposal",
    "ProposalReceived",
    "ReInit",
    "Received",
    "Remove",
    "Rule",
    "RuleViolation",
    "SentProposalMessage",
    "StagedCommit",
    "TooFarAhead",
    "Undecryptable",
    "UnknownProposal",
    "UnknownPsk",
    "Unsupported",
    "Update",
    "WrongEpoch",
    "WrongGroup",
    "basic_credential",
    "branch",
    "join_externally",
    "make_key_package",
    "open_welcome",
    "reinitialise",
    "suite_of",
]
