"""Code points of RFC 9420 section 17 and of the post-quantum cipher suite drafts.

Values as written there. Unknown code points are plain integers, not errors, wherever MLS lets
implementations meet values they do not know (GREASE, section 13.5).
"""

from __future__ import annotations

from enum import IntEnum


class ProtocolVersion(IntEnum):
    """Section 6."""

    MLS10 = 1


class CipherSuite(IntEnum):
    """Section 17.1, and draft-ietf-mls-pq-ciphersuites under a private code point."""

    X25519_AES128GCM_SHA256_ED25519 = 0x0001
    P256_AES128GCM_SHA256_P256 = 0x0002
    X25519_CHACHA20POLY1305_SHA256_ED25519 = 0x0003
    X448_AES256GCM_SHA512_ED448 = 0x0004
    P521_AES256GCM_SHA512_P521 = 0x0005
    X448_CHACHA20POLY1305_SHA512_ED448 = 0x0006
    P384_AES256GCM_SHA384_P384 = 0x0007
    # No code point has been assigned; 0xF002 is in the private range of section 17.1.
    MLKEM768X25519_AES256GCM_SHA384_ED25519 = 0xF002


class WireFormat(IntEnum):
    """Section 17.2."""

    PUBLIC_MESSAGE = 0x0001
    PRIVATE_MESSAGE = 0x0002
    WELCOME = 0x0003
    GROUP_INFO = 0x0004
    KEY_PACKAGE = 0x0005


class ContentType(IntEnum):
    """Section 6."""

    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    """Section 6."""

    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


class LeafNodeSource(IntEnum):
    """Section 7.2."""

    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


class NodeType(IntEnum):
    """Section 7.8."""

    LEAF = 1
    PARENT = 2


class ProposalType(IntEnum):
    """Section 17.4."""

    ADD = 0x0001
    UPDATE = 0x0002
    REMOVE = 0x0003
    PSK = 0x0004
    REINIT = 0x0005
    EXTERNAL_INIT = 0x0006
    GROUP_CONTEXT_EXTENSIONS = 0x0007


class ProposalOrRefType(IntEnum):
    """Section 12.4."""

    PROPOSAL = 1
    REFERENCE = 2


class ExtensionType(IntEnum):
    """Section 17.3."""

    APPLICATION_ID = 0x0001
    RATCHET_TREE = 0x0002
    REQUIRED_CAPABILITIES = 0x0003
    EXTERNAL_PUB = 0x0004
    EXTERNAL_SENDERS = 0x0005


class CredentialType(IntEnum):
    """Section 17.5."""

    BASIC = 0x0001
    X509 = 0x0002


class PskType(IntEnum):
    """Section 8.4."""

    EXTERNAL = 1
    RESUMPTION = 2


class ResumptionPskUsage(IntEnum):
    """Section 8.4."""

    APPLICATION = 1
    REINIT = 2
    BRANCH = 3


# Section 7.2: these need not be listed in capabilities, every implementation knows them.
DEFAULT_EXTENSION_TYPES = frozenset(int(one) for one in ExtensionType)
DEFAULT_PROPOSAL_TYPES = frozenset(int(one) for one in ProposalType)
