"""Every label of RFC 9420, so that no two uses of one key or hash can be confused.

The prefix is part of each structure that carries a label (sections 5.1.2, 5.1.3, 5.2, 8).
"""

from __future__ import annotations

from typing import Final

PREFIX: Final = b"MLS 1.0 "

# SignWithLabel (5.1.2): one signature key signs four kinds of structure.
FRAMED_CONTENT_TBS: Final = b"FramedContentTBS"  # 6.1
LEAF_NODE_TBS: Final = b"LeafNodeTBS"  # 7.2
KEY_PACKAGE_TBS: Final = b"KeyPackageTBS"  # 10
GROUP_INFO_TBS: Final = b"GroupInfoTBS"  # 12.4.3

# RefHash (5.2): these carry the prefix themselves, as the RFC writes them.
KEY_PACKAGE_REFERENCE: Final = b"MLS 1.0 KeyPackage Reference"
PROPOSAL_REFERENCE: Final = b"MLS 1.0 Proposal Reference"

# EncryptWithLabel (5.1.3)
WELCOME: Final = b"Welcome"  # 12.4.3.1
UPDATE_PATH_NODE: Final = b"UpdatePathNode"  # 7.6

# TreeKEM (7.4)
PATH: Final = b"path"
NODE: Final = b"node"

# Key schedule (8)
JOINER: Final = b"joiner"
WELCOME_SECRET: Final = b"welcome"
EPOCH: Final = b"epoch"
SENDER_DATA: Final = b"sender data"
ENCRYPTION: Final = b"encryption"
EXPORTER: Final = b"exporter"
EXTERNAL: Final = b"external"
CONFIRM: Final = b"confirm"
MEMBERSHIP: Final = b"membership"
RESUMPTION: Final = b"resumption"
AUTHENTICATION: Final = b"authentication"
INIT: Final = b"init"
EXPORTED: Final = b"exported"  # 8.5
DERIVED_PSK: Final = b"derived psk"  # 8.4

# HPKE export of an external commit (8.3): the one label outside ExpandWithLabel, prefix included
EXTERNAL_INIT_SECRET: Final = b"MLS 1.0 external init secret"

# Secret tree (9) and AEAD keys
TREE: Final = b"tree"
LEFT: Final = b"left"
RIGHT: Final = b"right"
HANDSHAKE: Final = b"handshake"
APPLICATION: Final = b"application"
KEY: Final = b"key"
NONCE: Final = b"nonce"
SECRET: Final = b"secret"
