"""Every rule of RFC 9420 that a receiver can check: id, section, error, where, what it demands.

``error`` is the class of :mod:`cloister.mls.errors` that a broken rule raises. A RuleViolation
carries the rule; the other classes say enough by themselves, because a caller decides differently
on each (WrongEpoch, UnknownPsk) or because saying more would help a forger (Undecryptable).
``docs/rules/mls.md`` is generated from this table; every id stands in the name of a test.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class _Text(NamedTuple):
    rule_id: str
    section: str
    where: str
    demand: str
    error: str = "RuleViolation"


class Rule(Enum):
    """The table. ``where`` is ``module:function`` below ``cloister.mls``, or from ``codec``."""

    # One rule, its demand below it: a table, which the formatter would spread over 600 lines.
    # fmt: off
    # --- encoding ------------------------------------------------------------------------------
    OPTIONAL_PRESENCE = _Text("MLS-001", "2.1.1", "codec.fields:optional",
        "the presence of an optional value is 0 or 1", "Malformed")
    VARINT_SHORTEST = _Text("MLS-002", "2.1.2", "codec.reader:varint",
        "the length of a vector is in its shortest form", "Malformed")
    VARINT_PREFIX = _Text("MLS-003", "2.1.2", "codec.reader:varint",
        "the length of a vector does not begin with the bits 11", "Malformed")
    VECTOR_LENGTH = _Text("MLS-004", "2.1.2", "codec.reader:opaque",
        "a vector is not longer than what is left", "Malformed")
    TRAILING_BYTES = _Text("MLS-005", "6", "codec.reader:finish",
        "nothing follows a structure", "Malformed")
    ENUMERATIONS = _Text("MLS-006", "6", "framing:read",
        "a closed enumeration has one of its values", "Malformed")
    MESSAGE_VERSION = _Text("MLS-007", "6", "message:read",
        "an MLSMessage is of version mls10", "Malformed")
    WIRE_FORMAT = _Text("MLS-008", "6", "message:read",
        "an MLSMessage is of a known wire format", "Malformed")
    PROPOSAL_TYPE = _Text("MLS-009", "12.1", "proposal:read",
        "a proposal is of a known type: of another not even the length is known", "Malformed")
    DUPLICATE_EXTENSION = _Text("MLS-010", "13.4", "extension:check_distinct",
        "a list of extensions has no type twice")
    EXTENSION_DATA = _Text("MLS-011", "11.1, 12.1.8.1", "proposal_list:check_group_extensions",
        "the data of required_capabilities and external_senders decode exactly", "Malformed")
    CERTIFICATES = _Text("MLS-012", "5.3", "credential:read",
        "an X.509 credential is a list of certificates", "Malformed")
    # --- framing -------------------------------------------------------------------------------
    GROUP_ID = _Text("MLS-020", "6", "unprotecting:check_place",
        "a message names this group", "WrongGroup")
    MESSAGE_EPOCH = _Text("MLS-021", "12.1, 12.4.2", "unprotecting:check_place",
        "a message names this epoch", "WrongEpoch")
    APPLICATION_IN_PUBLIC = _Text("MLS-022", "6, 6.2", "public_message:check",
        "application data come in a PrivateMessage only")
    SENDER = _Text("MLS-023", "6.1", "unprotecting:_signature_key_of",
        "the leaf of a member who sends is not blank")
    EXTERNAL_SENDER = _Text("MLS-024", "6.1, 12.1.8.1", "unprotecting:_signature_key_of",
        "an external sender is listed in external_senders")
    EXTERNAL_CONTENT = _Text("MLS-025", "6.1", "unprotecting:_signature_key_of",
        "an external sender sends a proposal")
    EXTERNAL_PROPOSAL = _Text("MLS-026", "12.1.8", "proposal_list:check_sender_may_propose",
        "what an external sender proposes is one of the types it may propose")
    NEW_MEMBER_PROPOSAL = _Text("MLS-027", "6.1", "unprotecting:_signature_key_of",
        "a newcomer proposes an Add and nothing else")
    NEW_MEMBER_COMMIT = _Text("MLS-028", "6.1", "unprotecting:_signature_key_of",
        "a newcomer who commits sends a commit")
    CONTENT_SIGNATURE = _Text("MLS-029", "6.1", "framing:verify",
        "the sender's key signed content, wire format and group context")
    MEMBERSHIP_TAG = _Text("MLS-030", "6.2", "public_message:check",
        "the membership tag of a member's PublicMessage is right")
    MEMBERSHIP_TAG_PLACE = _Text("MLS-031", "6.2", "public_message:read",
        "a membership tag stands in a member's PublicMessage and nowhere else", "Malformed")
    CONFIRMATION_TAG_PLACE = _Text("MLS-032", "6.1", "framing:read",
        "a confirmation tag stands with a commit and with nothing else", "Malformed")
    CIPHERTEXT = _Text("MLS-033", "6.3.1", "private_message:open_content",
        "the ciphertext opens under its generation's key, with its header", "Undecryptable")
    SENDER_DATA = _Text("MLS-034", "6.3.2", "private_message:open_sender_data",
        "the sender data open", "Undecryptable")
    SENDER_DATA_LEAF = _Text("MLS-035", "6.3.2", "unprotecting:_unprotect_private",
        "the leaf that the sender data name is not blank")
    PADDING = _Text("MLS-036", "6.3.1", "private_message:open_content",
        "padding is zeros")
    CONSUMED = _Text("MLS-037", "9.1, 9.2", "secret_tree:take",
        "the key of a generation is used once", "ConsumedGeneration")
    FORWARD_LIMIT = _Text("MLS-038", "15.3", "secret_tree:take",
        "a generation is not further ahead than the limit", "TooFarAhead")
    IN_GROUP = _Text("MLS-039", "6", "unprotecting:unprotect",
        "a message within a group is a PublicMessage or a PrivateMessage", "Malformed")
    # --- keys ----------------------------------------------------------------------------------
    ENCRYPTION_KEY = _Text("MLS-050", "5.1.1", "suite:check_public_key",
        "an HPKE public key is well formed, and not of low order")
    SIGNATURE_KEY = _Text("MLS-051", "5.1.1", "suite:verify_with_label",
        "a signature key is well formed, and not of small order")
    # --- leaf nodes ----------------------------------------------------------------------------
    LEAF_SIGNATURE = _Text("MLS-060", "7.3", "leaf_node:verify",
        "a leaf is signed by its key, for its group and place where its source asks for that")
    REQUIRED_EXTENSIONS = _Text("MLS-061", "7.3, 11.1, 12.1.7", "leaf_check:check_supports",
        "a member supports the extensions that the group requires")
    REQUIRED_PROPOSALS = _Text("MLS-062", "7.3, 11.1, 12.1.7", "leaf_check:check_supports",
        "a member supports the proposals that the group requires")
    REQUIRED_CREDENTIALS = _Text("MLS-063", "7.3, 11.1, 12.1.7", "leaf_check:check_supports",
        "a member supports the credentials that the group requires")
    CREDENTIAL_TYPES = _Text("MLS-064", "7.2, 7.3", "leaf_check:check_credential_types",
        "every member supports the credential types of all, its own included")
    LIFETIME = _Text("MLS-065", "7.3", "leaf_check:check_lifetime",
        "the lifetime includes the current time")
    LIFETIME_LENGTH = _Text("MLS-066", "7.2", "leaf_check:check_lifetime",
        "the lifetime is not longer than this application accepts")
    LEAF_EXTENSIONS = _Text("MLS-067", "7.2, 7.3", "leaf_check:check_leaf_content",
        "the extensions of a leaf are among its capabilities")
    SOURCE_KEY_PACKAGE = _Text("MLS-068", "7.3, 10", "proposal_list:check_add",
        "the leaf of a KeyPackage has the source key_package")
    SOURCE_UPDATE = _Text("MLS-069", "7.3", "proposal_list:check_update",
        "the leaf of an Update has the source update")
    SOURCE_COMMIT = _Text("MLS-070", "7.3, 12.4.2", "path_check:merge_path",
        "the leaf of a path has the source commit")
    UPDATE_KEY = _Text("MLS-071", "7.3", "proposal_list:check_update",
        "an Update brings a new encryption key")
    UNIQUE_SIGNATURE_KEY = _Text("MLS-072", "7.3, 12.2, 16.7", "leaf_check:check_unique_keys",
        "no two members have one signature key")
    UNIQUE_ENCRYPTION_KEY = _Text("MLS-073", "7.3, 16.7", "leaf_check:check_unique_keys",
        "no two members have one encryption key")
    CONTEXT_EXTENSIONS = _Text("MLS-074", "13.4, 12.4.3", "leaf_check:check_supports",
        "a member supports every extension of the group context")
    # --- key packages --------------------------------------------------------------------------
    VERSION = _Text("MLS-080", "10.1", "key_package:check",
        "the version of a KeyPackage is the group's")
    CIPHER_SUITE = _Text("MLS-081", "10.1", "key_package:check",
        "the cipher suite of a KeyPackage is the group's")
    INIT_KEY = _Text("MLS-082", "10.1", "key_package:check",
        "init_key differs from the leaf's encryption_key")
    KEY_PACKAGE_SIGNATURE = _Text("MLS-083", "10, 10.1", "key_package:check",
        "a KeyPackage is signed by its leaf's key")
    UNIQUE_INIT_KEY = _Text("MLS-084", "10", "proposal_list:collect",
        "no two Adds of one commit have one init_key")
    # --- ratchet tree --------------------------------------------------------------------------
    TREE_END = _Text("MLS-090", "12.4.3.3", "ratchet_tree:decode",
        "the last node of an encoded tree is a leaf that is not blank")
    TREE_NODE_TYPE = _Text("MLS-091", "7.8, 12.4.3.3", "ratchet_tree:_read_node",
        "leaves stand at even places and parents at odd ones")
    TREE_SIZE = _Text("MLS-092", "7.7", "leaf_check:check_size",
        "a tree has no more leaves than this application accepts")
    TREE_HASH = _Text("MLS-093", "12.4.3.1", "group_check:check_group_info",
        "the tree has the hash of the group context")
    PARENT_HASH = _Text("MLS-094", "7.9.2", "tree_hash:check_parent_hashes",
        "every parent node is parent-hash valid")
    UNMERGED_SORTED = _Text("MLS-095", "7.1", "tree_hash:check_unmerged_leaves",
        "unmerged_leaves ascend")
    UNMERGED_DESCENDANT = _Text("MLS-096", "12.4.3.1", "tree_hash:check_unmerged_leaves",
        "an unmerged leaf is below its node, and not blank")
    UNMERGED_BETWEEN = _Text("MLS-097", "12.4.3.1", "tree_hash:check_unmerged_leaves",
        "an unmerged leaf is unmerged in every node between")
    UNIQUE_PARENT_KEY = _Text("MLS-098", "12.4.3.1", "leaf_check:check_unique_keys",
        "the encryption key of a parent node stands in no other node")
    # --- update path ---------------------------------------------------------------------------
    PATH_LENGTH = _Text("MLS-100", "7.5, 7.6", "update_path:check_path_shape",
        "a path has a node for each of the filtered direct path")
    PATH_CIPHERTEXTS = _Text("MLS-101", "7.5, 7.6", "update_path:check_path_shape",
        "a path secret is encrypted once for each node of the resolution, new leaves left out")
    PATH_LEAF_KEY = _Text("MLS-102", "12.4.2", "path_check:_check_path_keys",
        "the leaf of a path brings a new encryption key")
    PATH_KEYS_NEW = _Text("MLS-103", "12.4.2", "path_check:_check_path_keys",
        "no key of a path stands elsewhere in the path or in the new tree")
    PATH_PARENT_HASH = _Text("MLS-104", "7.9.2", "path_check:merge_path",
        "the leaf of a path carries the parent hash of the path")
    PATH_KEYS = _Text("MLS-105", "7.5", "update_path:derive_upwards",
        "a path secret gives the public keys of its node and of all above")
    PATH_SECRET = _Text("MLS-106", "7.6", "update_path:decrypt_path",
        "the path secret for us opens in the provisional group context", "Undecryptable")
    PATH_SECRET_LENGTH = _Text("MLS-107", "7.4", "update_path:derive_upwards",
        "a path secret has Nh bytes")
    # --- pre-shared keys and the key schedule --------------------------------------------------
    PSK_NONCE = _Text("MLS-110", "8.4, 12.1.4", "psk:check_psk_nonce",
        "psk_nonce has Nh bytes")
    PSK_USAGE = _Text("MLS-111", "11.2, 11.3, 12.1.4", "psk:check_proposed_psk",
        "a proposed resumption key is for application use")
    DUPLICATE_PSK = _Text("MLS-112", "12.2", "psk:check_distinct_psks",
        "a pre-shared key is named once")
    PSK_KNOWN = _Text("MLS-113", "12.4.2, 12.4.3.1", "psk:find_psk",
        "a pre-shared key is known; nothing stands in for it", "UnknownPsk")
    PSK_COUNT = _Text("MLS-114", "8.4", "psk:check_distinct_psks",
        "there are no more pre-shared keys than PSKLabel can count, nor than the limit")
    CONFIRMATION_TAG = _Text("MLS-115", "8.1, 12.4.2", "receiving:check_confirmation_tag",
        "the confirmation tag of a commit is that of the new epoch")
    # --- proposals -----------------------------------------------------------------------------
    REMOVED_LEAF = _Text("MLS-120", "12.1.3", "proposal_list:check_proposal",
        "a Remove names a leaf that is not blank")
    REINIT_VERSION = _Text("MLS-121", "12.1.5", "proposal_list:check_proposal",
        "a ReInit does not go back to an older version")
    COMMITTER_UPDATE = _Text("MLS-122", "12.2", "proposal_list:collect",
        "no Update is the committer's")
    COMMITTER_REMOVE = _Text("MLS-123", "12.2", "proposal_list:collect",
        "no Remove names the committer")
    ONE_CHANGE_PER_LEAF = _Text("MLS-124", "12.2", "proposal_list:_check_untouched",
        "a leaf is updated or removed once")
    DUPLICATE_ADD = _Text("MLS-125", "12.2", "proposal_list:collect",
        "a client is added once")
    ONE_CONTEXT_EXTENSIONS = _Text("MLS-126", "12.2", "proposal_list:collect",
        "there is one GroupContextExtensions at most")
    REINIT_ALONE = _Text("MLS-127", "12.2", "proposal_list:collect",
        "a ReInit stands alone")
    EXTERNAL_INIT = _Text("MLS-128", "12.1.6, 12.2", "proposal_list:check_sender_may_propose",
        "an ExternalInit stands in an external commit only")
    PROPOSAL_TWICE = _Text("MLS-129", "12.4", "proposal_list:resolve",
        "a proposal is referred to once")
    PROPOSAL_KNOWN = _Text("MLS-130", "12.4", "proposal_list:resolve",
        "a proposal that is referred to was received in this epoch", "UnknownProposal")
    # --- commits -------------------------------------------------------------------------------
    PATH_REQUIRED = _Text("MLS-140", "12.4", "receiving:receive_commit",
        "a commit has a path unless all its proposals do without, and there is one")
    EXTERNAL_PATH = _Text("MLS-141", "12.4.3.2", "unprotecting:_signature_key_of",
        "an external commit has a path")
    EXTERNAL_REFERENCE = _Text("MLS-142", "12.4.3.2", "external_commit:collect_external",
        "an external commit has no proposal by reference")
    ONE_EXTERNAL_INIT = _Text("MLS-143", "12.2", "external_commit:collect_external",
        "an external commit has exactly one ExternalInit")
    ONE_EXTERNAL_REMOVE = _Text("MLS-144", "12.2", "external_commit:collect_external",
        "an external commit removes one member at most")
    EXTERNAL_PROPOSALS = _Text("MLS-145", "12.2", "external_commit:collect_external",
        "an external commit has ExternalInit, Remove and PreSharedKey and nothing else")
    RESYNC_KEY = _Text("MLS-146", "12.2", "external_commit:check_resync",
        "who replaces a former self brings a new encryption key")
    EXTERNAL_INIT_SECRET = _Text("MLS-147", "8.3", "external_commit:init_secret_of",
        "the kem_output of an ExternalInit decapsulates", "Undecryptable")
    GROUP_ENDED = _Text("MLS-148", "12.4.2", "unprotecting:check_place",
        "nothing follows in a group that was reinitialised")
    LAST_EPOCH = _Text("MLS-149", "8.1, 12.4.1", "next_epoch:provisional_context",
        "the next epoch has a number")
    # --- Welcome and GroupInfo -----------------------------------------------------------------
    WELCOME_ENTRY = _Text("MLS-160", "12.4.3.1", "joining:decrypt_welcome",
        "a Welcome has secrets for our KeyPackage", "NotForUs")
    WELCOME_SUITE = _Text("MLS-161", "12.4.3.1", "joining:decrypt_welcome",
        "the cipher suite of a Welcome is our KeyPackage's")
    GROUP_SECRETS = _Text("MLS-162", "12.4.3.1", "joining:decrypt_welcome",
        "the group secrets open under init_key, with the GroupInfo they came with",
        "Undecryptable")
    ONE_FOUNDING_PSK = _Text("MLS-163", "12.4.3.1", "successor_check:founding_psk",
        "a Welcome names one resumption key for reinit or branch at most")
    GROUP_INFO_CIPHERTEXT = _Text("MLS-164", "12.4.3.1", "joining:decrypt_welcome",
        "the GroupInfo opens under the key that joiner_secret and pre-shared keys give",
        "Undecryptable")
    GROUP_INFO_SIGNER = _Text("MLS-165", "12.4.3.1", "group_check:check_group_info",
        "the leaf of a GroupInfo's signer is not blank, and not the joiner's own")
    GROUP_INFO_SIGNATURE = _Text("MLS-166", "12.4.3, 12.4.3.1", "welcome:verify",
        "its signer signed a GroupInfo")
    GROUP_ID_UNIQUE = _Text("MLS-167", "12.4.3, 12.4.3.1", "group_check:check_group_info",
        "the group is none that we are in")
    GROUP_INFO_SUITE = _Text("MLS-168", "12.4.3.1", "group_check:check_context",
        "the cipher suite of a GroupInfo is our KeyPackage's")
    GROUP_INFO_VERSION = _Text("MLS-169", "12.4.3.1", "group_check:check_context",
        "the version of a GroupInfo is mls10")
    JOINER_LEAF = _Text("MLS-170", "12.4.3.1", "joining:find_own_leaf",
        "our KeyPackage's leaf stands in the tree, byte for byte")
    JOINER_KEY = _Text("MLS-171", "12.4.3.1", "joining:_private_keys",
        "our private key fits our leaf")
    GROUP_INFO_TAG = _Text("MLS-172", "12.4.3.1", "joining:take_place",
        "the confirmation tag of a GroupInfo is that of its epoch")
    WELCOME_PATH = _Text("MLS-173", "12.4.3.1", "joining:_private_keys",
        "above the joiner stand nodes whose key comes from the path secret, or that list him as "
        "unmerged, or blanks")
    MISSING_TREE = _Text("MLS-174", "12.4.3.1, 12.4.3.3", "group_check:check_group_info",
        "there is a ratchet tree")
    FOUNDING_EPOCH = _Text("MLS-175", "11.2, 11.3, 12.4.3.1", "successor_check:check_successor",
        "a group that continues another is joined in epoch 1")
    REINIT_COMMITTED = _Text("MLS-176", "12.4.3.1", "successor_check:check_successor",
        "the last commit to a group that is reinitialised was its ReInit")
    REINIT_PARAMETERS = _Text("MLS-177", "11.2, 12.4.3.1", "successor_check:check_successor",
        "group id, version, cipher suite and extensions are those of the ReInit")
    REINIT_MEMBERS = _Text("MLS-178", "12.4.3.1", "successor_check:check_successor",
        "all members of the old group are in the reinitialised one")
    BRANCH_SUITE = _Text("MLS-179", "11.3, 12.4.3.1", "successor_check:check_successor",
        "version and cipher suite of a subgroup are the old group's")
    BRANCH_MEMBERS = _Text("MLS-180", "11.3, 12.4.3.1", "successor_check:check_successor",
        "all members of a subgroup are in the old group")
    EXTERNAL_PUB = _Text("MLS-181", "12.4.3.2", "external_commit:external_public_key_of",
        "a GroupInfo for an external commit has external_pub")
    FOUNDING_PSK = _Text("MLS-182", "11.2, 11.3", "joining:_continued",
        "a Welcome into a group that is to continue another names the old group's resumption key")
    REINIT_AWAITED = _Text("MLS-183", "11.2, 12.4.2", "successor_check:check_successor",
        "what continues a group that a ReInit ended has the usage reinit")
    # fmt: on

    @property
    def rule_id(self) -> str:
        """The id that errors carry and tests cite: ``MLS-`` and three digits."""
        return self.value.rule_id

    @property
    def section(self) -> str:
        """Where RFC 9420 states the rule."""
        return f"RFC 9420 {self.value.section}"

    @property
    def where(self) -> str:
        """The function that checks it."""
        return self.value.where

    @property
    def demand(self) -> str:
        """What must hold."""
        return self.value.demand

    @property
    def error(self) -> str:
        """The error class that a broken rule raises, by name."""
        return self.value.error
