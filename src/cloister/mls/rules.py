"""Every validation rule of RFC 9420 that the engine enforces, by name.

The name is the id that errors carry and tests cite; the section says where the RFC states it.
"""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """A rule: (section, statement)."""

    # Keys, signatures, codes
    SIGNATURE = ("5.1.2", "a signature does not verify")
    MAC = ("6.2, 8.1", "an authentication code differs")
    PUBLIC_KEY = ("5.1.1", "a public key is malformed or weak")
    # Leaf nodes and key packages
    VERSION = ("10.1", "the protocol version is not MLS 1.0")
    CIPHER_SUITE = ("10.1", "the cipher suite is not the group's")
    INIT_KEY = ("10.1", "init_key equals the leaf's encryption_key")
    LEAF_SOURCE = ("7.3", "leaf_node_source does not fit the place")
    LIFETIME = ("7.2", "the lifetime does not include the current time")
    LIFETIME_LENGTH = ("7.2", "the lifetime is longer than this application allows")
    LEAF_EXTENSIONS = ("7.2", "a leaf extension is missing from the leaf's capabilities")
    LEAF_CREDENTIAL = ("7.3", "a member does not support a credential type in use")
    REQUIRED_CAPABILITIES = ("11.1", "a member lacks a required capability")
    CONTEXT_EXTENSIONS = ("13.4", "a member does not support a group context extension")
    DUPLICATE_EXTENSION = ("13.4", "an extension type occurs twice")
    UNIQUE_ENCRYPTION_KEY = ("7.3", "an encryption key occurs twice in the tree")
    UNIQUE_SIGNATURE_KEY = ("7.3", "a signature key occurs twice in the tree")
    SAME_ENCRYPTION_KEY = ("7.3, 12.4.2", "a new leaf keeps the encryption key of the old")
    # Ratchet tree
    TREE_SHAPE = ("7.8, 12.4.3.3", "the tree has a node of the wrong kind or trailing blanks")
    TREE_HASH = ("12.4.3.1", "the tree does not have the hash of the group context")
    PARENT_HASH = ("7.9.2", "a parent node is not parent-hash valid")
    UNMERGED_LEAVES = ("7.9.2, 12.4.3.1", "unmerged_leaves is unsorted or names a wrong leaf")
    # Proposals
    PROPOSAL_TYPE = ("12.2", "the proposal type is not allowed here")
    PROPOSAL_SENDER = ("12.1.8", "this sender may not make such a proposal")
    COMMITTER_UPDATE = ("12.2", "an Update proposal by the committer")
    COMMITTER_REMOVE = ("12.2", "a Remove proposal for the committer")
    ONE_CHANGE_PER_LEAF = ("12.2", "two Update or Remove proposals for one leaf")
    REMOVED_LEAF = ("12.1.3", "a Remove proposal for a blank or missing leaf")
    DUPLICATE_ADD = ("12.2", "two Add proposals for one client")
    DUPLICATE_PSK = ("12.2", "one pre-shared key twice")
    PSK_FORM = ("12.1.4", "a pre-shared key of a wrong type, usage or nonce length")
    ONE_CONTEXT_EXTENSIONS = ("12.2", "two GroupContextExtensions proposals")
    REINIT_ALONE = ("12.2", "a ReInit proposal beside others")
    # Commits
    PATH_REQUIRED = ("12.4", "the commit needs a path")
    PATH_LENGTH = ("7.5, 12.4.2", "the path does not fit the filtered direct path")
    PATH_KEYS = ("7.5", "a path secret does not give the public key of its node")
    PATH_PARENT_HASH = ("12.4.2", "the leaf's parent hash does not fit the path")
    CONFIRMATION_TAG = ("8.1, 12.4.2", "the confirmation tag differs")
    # Framing
    SENDER = ("6", "the sender is not a member")
    SENDER_TYPE = ("6", "the sender type does not fit the content")
    APPLICATION_IN_PUBLIC = ("6.2", "application data in a PublicMessage")
    MEMBERSHIP_TAG = ("6.2", "the membership tag is missing, out of place or wrong")
    PADDING = ("6.3.1", "padding is not zero")
    # Welcome
    GROUP_INFO_SIGNER = ("12.4.3.1", "the signer of the GroupInfo is not a member")
    JOINER_LEAF = ("12.4.3.1", "the joiner's leaf is not in the tree")
    MISSING_TREE = ("12.4.3.3", "there is no ratchet tree")
    RESUMPTION_IN_WELCOME = ("12.4.3.1", "several resumption pre-shared keys for a new group")

    @property
    def section(self) -> str:
        """Where RFC 9420 states the rule."""
        return f"RFC 9420 {self.value[0]}"

    @property
    def text(self) -> str:
        """What is wrong when the rule is broken."""
        return self.value[1]
